#include "engine/builds.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/proc.h"

struct child {
	struct child *next;
	char id[UUID_TEXT], key[KEY_MAX_LEN];
	pid_t pid;
	int pidfd;
};

struct build_children {
	pthread_mutex_t lock;
	struct child *first;
	void (*poke)(void *ctx);
	void *ctx;
};

struct build_children *build_children_new(void (*poke)(void *ctx), void *ctx)
{
	struct build_children *b = xcalloc(1, sizeof *b);
	(void)pthread_mutex_init(&b->lock, NULL); /* cannot fail with default attributes */
	b->poke = poke;
	b->ctx = ctx;
	return b;
}

void build_children_free(struct build_children *b)
{
	if (!b)
		return;
	for (struct child *c = b->first, *next; c; c = next) {
		next = c->next;
		(void)kill(c->pid, SIGKILL); /* begun anew by the next controller */
		(void)waitpid(c->pid, NULL, 0);
		(void)close(c->pidfd);
		free(c);
	}
	(void)pthread_mutex_destroy(&b->lock);
	free(b);
}

static struct child *find(struct build_children *b, const char *id)
{
	for (struct child *c = b->first; c; c = c->next)
		if (strcmp(c->id, id) == 0)
			return c;
	return NULL;
}

static bool running(void *ctx, const char *id)
{
	struct build_children *b = ctx;
	(void)pthread_mutex_lock(&b->lock);
	bool found = find(b, id) != NULL;
	(void)pthread_mutex_unlock(&b->lock);
	return found;
}

static void started(void *ctx, const char *id, const char *key, pid_t pid, int pidfd)
{
	struct build_children *b = ctx;
	struct child *c = xcalloc(1, sizeof *c);
	(void)snprintf(c->id, sizeof c->id, "%s", id);
	(void)snprintf(c->key, sizeof c->key, "%s", key);
	c->pid = pid;
	c->pidfd = pidfd;
	(void)pthread_mutex_lock(&b->lock);
	c->next = b->first;
	b->first = c;
	(void)pthread_mutex_unlock(&b->lock);
	b->poke(b->ctx);
}

static void kill_child(void *ctx, const char *id)
{
	struct build_children *b = ctx;
	(void)pthread_mutex_lock(&b->lock);
	struct child *c = find(b, id);
	if (c)
		(void)kill(c->pid, SIGKILL); /* not reaped yet, so the pid is still its own */
	(void)pthread_mutex_unlock(&b->lock);
}

struct builds build_children_interface(struct build_children *b)
{
	return (struct builds){.ctx = b, .running = running, .started = started, .kill = kill_child};
}

size_t build_children_poll(struct build_children *b, struct pollfd *fds, size_t cap)
{
	size_t n = 0;
	(void)pthread_mutex_lock(&b->lock);
	for (struct child *c = b->first; c && n < cap; c = c->next)
		fds[n++] = (struct pollfd){.fd = c->pidfd, .events = POLLIN};
	(void)pthread_mutex_unlock(&b->lock);
	return n;
}

bool build_children_reap(struct build_children *b, char ret_key[KEY_MAX_LEN])
{
	bool found = false;
	(void)pthread_mutex_lock(&b->lock);
	for (struct child **at = &b->first; *at && !found; at = &(*at)->next) {
		struct child *c = *at;
		if (proc_reap(c->pid) < 0)
			continue;
		found = true;
		memcpy(ret_key, c->key, sizeof c->key);
		*at = c->next;
		(void)close(c->pidfd);
		free(c);
		break;
	}
	(void)pthread_mutex_unlock(&b->lock);
	return found;
}
