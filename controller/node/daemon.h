/* Long-lived helper programs (HAProxy, dnsmasq) that outlive fn-node. There is no pidfile to go stale: a program is found
 * again by its exact arguments, which hold a path of this installation, and by whom it runs as. */
#ifndef FN_NODE_DAEMON_H
#define FN_NODE_DAEMON_H

#include "node/loop.h"

struct daemon_spec {
	const char *const *argv; /* argv[0] without a path; compared word by word with /proc/PID/cmdline */
	const char *user;        /* the account it drops to; a process of anybody else but root is never taken for it */
	const char *dir;         /* its working directory */
	const char *log;         /* file for what it prints, begun anew at each start */
	const int *pass;         /* descriptors 3, 4, … */
	size_t npass;
};

struct daemon;
typedef void daemon_changed_fn(void *ctx, pid_t pid); /* it started; 0: it ended */

/* Keeps *s by reference: it must live as long as the daemon. Nothing is started yet. */
struct daemon *daemon_new(struct loop *l, const struct daemon_spec *s, daemon_changed_fn *changed, void *ctx);

/* Takes over a running process (adopt) or starts one; calls changed before returning. From then on it is started again
 * whenever it ends: at once, or after a pause when it lived for less than a second. */
enum err_class daemon_start(struct daemon *d, bool adopt, struct err *e) MUST_USE;

pid_t daemon_pid(const struct daemon *d); /* 0: none now */

/* TRANSIENT Internal with the last line it printed when it keeps ending right after each start. */
enum err_class daemon_check(const struct daemon *d, struct err *e) MUST_USE;

void daemon_free(struct daemon *d); /* forgets; the process goes on */

/* The newest process that fits and, when ret_pidfd is not NULL, a pidfd of it for the caller to close. 0: none. */
pid_t daemon_find(const struct daemon_spec *s, int *ret_pidfd);

/* Synchronous: ends every process that fits, with SIGKILL, and waits for it. */
enum err_class daemon_kill(const struct daemon_spec *s, struct err *e) MUST_USE;

#endif
