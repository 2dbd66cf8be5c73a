/* Child processes. A child gets only the descriptors named, default signal handling, and dies with its parent when
 * asked to. No shell anywhere. */
#ifndef FN_BASE_PROC_H
#define FN_BASE_PROC_H

#include <sys/types.h>

#include "base/mem.h"

struct proc_user {
	uid_t uid;
	gid_t gid; /* with no other group */
};

struct proc_spec {
	const char *const *argv; /* argv[0] is an absolute path, or a name looked up in /usr/sbin:/usr/bin:/sbin:/bin */
	const char *const *env;  /* NULL: only PATH */
	const char *dir;         /* NULL: "/" */
	int in, out, err;        /* descriptors for 0, 1, 2; -1: /dev/null */
	const int *pass;         /* more descriptors, given as 3, 4, … in this order */
	size_t npass;
	const struct proc_user *user; /* whom it becomes; NULL: as we are */
	bool die_with_parent;    /* PR_SET_PDEATHSIG SIGKILL, set when it is that user already: changing would clear it */
	bool new_session;        /* setsid: survives its parent's terminal and process group */
};
#define PROC_SPEC_INIT { .in = -1, .out = -1, .err = -1 }

/* Starts a child and returns when it is the program asked for, or has ended with 127 because it could not be; *ret_pidfd becomes readable when it has ended (the caller closes it and reaps with proc_reap). */
enum err_class proc_spawn(const struct proc_spec *s, pid_t *ret_pid, int *ret_pidfd, struct err *e) MUST_USE;

/* Collects an ended child: exit status 0..255, or 128 + signal. -1 while it still runs. */
int proc_reap(pid_t pid);

/* Runs argv to its end or to deadline_ms (then SIGKILL, TRANSIENT Timeout), with input (may be NULL) as its standard
 * input. Standard output and error are collected together in *out (may be NULL), cut at its maximum. Only for short
 * helpers (ip, nft …): not for the node's loop beyond some milliseconds. Non-zero exit: TRANSIENT Internal with the
 * last line of the output. */
enum err_class proc_run(const char *const *argv, const char *input, int64_t deadline_ms, struct buf *out, struct err *e)
	MUST_USE;
enum err_class proc_run_as(const struct proc_user *user, const char *const *argv, const char *input, int64_t deadline_ms, struct buf *out,
			   struct err *e) MUST_USE;

#endif
