/* The builder: an uploaded archive becomes a layer, in a child process without database, secrets or network
 * (`fn-controller build-layer`, see archive/archive.h). */
#ifndef FN_PROVIDERS_BUILDER_H
#define FN_PROVIDERS_BUILDER_H

#include <sys/types.h>

#include "base/digest.h"
#include "base/mem.h"

/* Starts the child for build id: reads the archive from in_fd, writes dir/<id>/layer.tar.gz and then, last and
 * atomically, dir/<id>/result.json. *ret_pidfd is readable when it has ended; the caller reaps pid. */
enum err_class builder_start(const char *dir, const char *id, int in_fd, const char *prefix, pid_t *ret_pid, int *ret_pidfd,
			     struct err *e) MUST_USE;

struct build_result {
	bool present;          /* false: no result.json (still running, or died) */
	enum err_class class;  /* OK, or why it failed */
	const char *reason, *message;
	struct digest layer, diff_id;
	uint64_t size, entries;
	const char *layer_path;
};
/* What the child left, if anything; also after the controller was restarted. Strings in the arena. */
enum err_class builder_result(const char *dir, const char *id, struct arena *a, struct build_result *ret, struct err *e) MUST_USE;

/* Removes dir/<id>. */
enum err_class builder_discard(const char *dir, const char *id, struct err *e) MUST_USE;

/* The child's main: `fn-controller build-layer DIR ID PREFIX`, archive on standard input. Returns the exit status. */
int builder_child_main(int argc, char **argv);

#endif
