/* fn-node's one thread: an epoll loop over descriptors, timers and children. Callbacks never block for more than a few
 * milliseconds; anything longer is a child process. */
#ifndef FN_NODE_LOOP_H
#define FN_NODE_LOOP_H

#include <sys/types.h>

#include "base/proc.h"

struct loop;
struct loop *loop_new(void);
void loop_free(struct loop *l);

typedef void loop_fd_fn(void *ctx, int fd, uint32_t events); /* EPOLLIN … */
typedef void loop_timer_fn(void *ctx);
typedef void loop_child_fn(void *ctx, pid_t pid, int status, struct buf *output); /* status as proc_reap() */

/* Watches fd for events until loop_unwatch; changing the events is watching again. */
void loop_watch(struct loop *l, int fd, uint32_t events, loop_fd_fn *fn, void *ctx);
void loop_unwatch(struct loop *l, int fd);

/* Calls fn once after delay_ms. The handle stays valid until it fired or was cancelled; 0 is never a handle. */
uint64_t loop_after(struct loop *l, int64_t delay_ms, loop_timer_fn *fn, void *ctx);
void loop_cancel(struct loop *l, uint64_t timer); /* 0 and fired ones are fine */

/* Starts a helper (ip, nft, runc …) with optional input; fn gets its status and joint output (at most 64 KiB) when it
 * has ended, or 128+9 after it was killed at deadline_ms. Never calls fn before returning. A spawn failure is returned. */
enum err_class loop_run(struct loop *l, const char *const *argv, const char *input, int64_t deadline_ms, loop_child_fn *fn,
			void *ctx, struct err *e) MUST_USE;

/* The same for a function in a forked child (body's return value is its exit status; what it writes to descriptor 1 is the
 * output). The child has this process' descriptors: a body that reads hostile bytes closes them first. */
typedef int loop_child_main(void *arg);
enum err_class loop_fork(struct loop *l, loop_child_main *body, void *arg, int64_t deadline_ms, loop_child_fn *fn, void *ctx,
			 struct err *e) MUST_USE;

/* Calls fn (with an empty output) for the end of a process that this process started elsewhere (proc_spawn). Takes pidfd over.
 * loop_free ends helpers of loop_run and loop_fork, but not these. */
void loop_watch_child(struct loop *l, pid_t pid, int pidfd, loop_child_fn *fn, void *ctx);

void loop_run_until_stopped(struct loop *l);
void loop_stop(struct loop *l);

#endif
