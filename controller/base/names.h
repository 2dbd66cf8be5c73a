/* Names: what users may call things, and the work key. */
#ifndef FN_BASE_NAMES_H
#define FN_BASE_NAMES_H

#include "base/mem.h"

enum { NAME_MAX_LEN = 40, KEY_MAX_LEN = 180 };

/* Functions, environments, projects, runtimes: [a-z]([-a-z0-9]*[a-z0-9])?, at most NAME_MAX_LEN, no "--". */
bool name_valid(const char *s);

/* "kind/project/name" or "kind/project/name/environment". */
struct key {
	char text[KEY_MAX_LEN];
};
struct key key_make(const char *kind, const char *project, const char *name, const char *environment /* or NULL */);

/* Splits a key into parts in the arena; environment is NULL where the key has none. False when malformed. */
struct key_parts {
	const char *kind, *project, *name, *environment;
};
bool key_split(const char *key, struct arena *a, struct key_parts *ret);

/* The node's name for an instance: the first 12 hex digits of its release's id, a dash, and its slot. */
char *instance_name(struct arena *a, const char *release_id, int64_t slot);

/* The host a function answers as: "hello.dev.fn.localhost"; outside the default project "hello.dev.shop.fn.localhost". */
char *host_name(struct arena *a, const char *domain, const char *project, const char *function, const char *environment);

/* The nearest of n candidates within a third of its length in edits (a swap of neighbours is one), or NULL: for "did you mean". */
const char *nearest_name(const char *word, const char *const *candidates, size_t n);

#endif
