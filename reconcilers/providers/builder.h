/* The builder: an uploaded archive becomes a layer, in a child process without database, secrets or network
 * (`fn-controller build-layer`, see archive/archive.h). */
#ifndef FN_PROVIDERS_BUILDER_H
#define FN_PROVIDERS_BUILDER_H

#include <sys/types.h>

#include "base/digest.h"
#include "base/mem.h"

/* Starts the child for build id ([A-Za-z0-9._-], not beginning with a dot): program (an absolute path, fn-build) with the arguments below. It
 * reads the archive from in_fd (a file, at its position), writes dir/<id>/layer.tar.gz, every entry below prefix ("app"),
 * and then, last and atomically, dir/<id>/result.json. It outlives this process, and ends within 5 minutes. dir is absolute.
 * *ret_pidfd is readable when it has ended; the caller reaps pid.
 *
 * The result of an earlier try is removed first. If a child for the same id still runs (the controller was restarted), the
 * new one waits for it and leaves its result alone. */
enum err_class builder_start(const char *program, const char *dir, const char *id, int in_fd, const char *prefix, pid_t *ret_pid,
			     int *ret_pidfd, struct err *e) MUST_USE;

struct build_result {
	bool present;          /* false: no result.json (still running, or died) */
	enum err_class class;  /* OK, or why it failed */
	const char *reason, *message; /* reason is a token of base/reason.def; both "" when OK */
	struct digest layer, diff_id;
	uint64_t size, entries; /* of the layer: bytes, and entries of its tar */
	const char *layer_path; /* dir/<id>/layer.tar.gz; verify its digest when copying it (cache_put_fd does) */
};
/* What the child left, if anything; also after the controller was restarted. Strings in the arena. A result that makes no
 * sense is INVALID BuildFailed. */
enum err_class builder_result(const char *dir, const char *id, struct arena *a, struct build_result *ret, struct err *e) MUST_USE;

/* Removes dir/<id>. */
enum err_class builder_discard(const char *dir, const char *id, struct err *e) MUST_USE;

/* The child's main, for `fn-build DIR ID PREFIX` with the archive on standard input.
 * Returns the exit status, 0 whenever there is a result.json. The process is confined when it returns (archive_confine), and can
 * do little more than end. */
int builder_child_main(int argc, char **argv);

#endif
