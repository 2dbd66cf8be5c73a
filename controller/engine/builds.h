/* The build children of this controller. */
#ifndef FN_ENGINE_BUILDS_H
#define FN_ENGINE_BUILDS_H

#include <poll.h>

#include "reconcilers/reconciler.h"

struct build_children;

/* poke is called (from a worker) when a child was added, so that the waiter polls it too. */
struct build_children *build_children_new(void (*poke)(void *ctx), void *ctx);
void build_children_free(struct build_children *b); /* kills and reaps what is left */
struct builds build_children_interface(struct build_children *b);

/* Appends up to cap pollfds for the children; returns how many. */
size_t build_children_poll(struct build_children *b, struct pollfd *fds, size_t cap);
/* Reaps one ended child: false when none has; *ret_key (KEY_MAX_LEN) is the key to look at. */
bool build_children_reap(struct build_children *b, char ret_key[KEY_MAX_LEN]);

#endif
