/* The OCI runtime (crun or runc, whichever works here) and conmon, one per instance: conmon holds the instance's output and exit
 * status and outlives fn-node. */
#ifndef FN_NODE_RUNTIME_H
#define FN_NODE_RUNTIME_H

#include "base/json.h"
#include "node/loop.h"

struct runtime;

struct runtime_dirs {
	const char *state;  /* --root: on the private tmpfs */
	const char *exits;  /* conmon's exit files: likewise */
	const char *probe;  /* a bundle is made here to see what works, and removed */
};

/* Finds the first runtime that really runs a container with our kind of configuration; all directories are made. exited is
 * called when conmon has written an instance's exit status. When none works this is still OK: runtime_name() says so and every
 * create fails with the reason, because routes and running instances need no runtime. */
typedef void runtime_exited_fn(void *ctx, const char *name, int status);
enum err_class runtime_open(struct loop *l, const struct runtime_dirs *dirs, const char *cgroup_parent, json_t *seccomp,
			    runtime_exited_fn *exited, void *ctx, struct runtime **ret, struct err *e) MUST_USE;
void runtime_free(struct runtime *r);
const char *runtime_name(const struct runtime *r); /* "runc 1.1.5", "none: …" */
bool runtime_cgroup_v2(void);

struct process {
	pid_t pid;      /* 0: none */
	int64_t start;  /* clock ticks after boot, as in /proc/<pid>/stat: tells it from a later process of the same number */
};
bool process_alive(const struct process *p);
struct process process_of(pid_t pid); /* pid 0 when there is no such process */

/* Creates a container from bundle (named as it) with its output going to log. What was left under the name goes first. */
typedef void runtime_created_fn(void *ctx, const struct process *container, const struct process *conmon, const struct err *error);
enum err_class runtime_create(struct runtime *r, const char *name, const char *bundle, const char *log, int64_t log_max,
			      runtime_created_fn *done, void *ctx, struct err *e) MUST_USE;

/* Lets a created container's program begin. *ret is for runtime_detach(), until done is called. */
struct runtime_action;
typedef void runtime_done_fn(void *ctx, const struct err *error);
enum err_class runtime_start(struct runtime *r, const char *name, runtime_done_fn *done, void *ctx, struct runtime_action **ret,
			     struct err *e) MUST_USE;
void runtime_detach(struct runtime_action *a); /* done is not called any more; NULL is fine */

/* Kills what still runs in it and removes the container and its cgroup; absent is fine. */
enum err_class runtime_delete(struct runtime *r, const char *name, runtime_done_fn *done, void *ctx, struct err *e) MUST_USE;

/* The status in a container's exit file; false when there is none (yet). */
bool runtime_exit_status(const struct runtime *r, const char *name, int *ret);

/* conmon of a bundle whose creation was interrupted, by its pid file: killed if it is still there. */
void runtime_kill_conmon(const char *bundle);

#endif
