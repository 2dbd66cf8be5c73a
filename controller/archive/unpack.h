/* Unpacking, split between unpack.c (entries) and layer.c (what only layers have). */
#ifndef FN_ARCHIVE_UNPACK_H
#define FN_ARCHIVE_UNPACK_H

#include <archive_entry.h>
#include <sys/stat.h>

#include "archive/input.h"
#include "archive/internal.h"

struct unpack {
	int root;
	bool layer, privileged;
	uint64_t max_bytes, max_entries;
	unsigned max_depth;
	enum reason garbage;
	struct unpacked done;
	int parent;                    /* O_PATH, of parent_path; -1: none. Most entries share it with the one before, and
					  what one replaces lies in it, so it cannot grow stale */
	char parent_path[ENTRY_PATH];
	struct arena arena;
	const char **links;            /* links of a source, asked about once everything is there */
	size_t nlinks, links_cap;
	char path[ENTRY_PATH];         /* of the current entry, clean */
	char shown[SHOWN];             /* the same for messages */
	struct input in;
};

/* What an entry says about itself, as it will be applied. */
struct attributes {
	mode_t mode;
	uid_t uid;
	gid_t gid;
	bool own; /* uid and gid apply */
};
struct attributes unpack_attributes(const struct unpack *u, struct archive_entry *n, bool directory);

/* Applies them to an open file or directory; opaque hides what lower layers have in the directory. */
enum err_class unpack_apply(struct unpack *u, int fd, const struct attributes *at, bool opaque, struct err *e) MUST_USE;

/* Makes the directory base in dirfd, or takes the one that is there; in place of a file only if replace. */
enum err_class unpack_make_dir(struct unpack *u, int dirfd, const char *base, const struct attributes *at, bool replace,
			       struct err *e) MUST_USE;

/* Removes what an earlier entry made: a file, link, whiteout or empty directory. */
enum err_class unpack_remove(struct unpack *u, int dirfd, const char *base, struct err *e) MUST_USE;

/* errno of a system call on the current entry as an error. */
enum err_class unpack_errno(struct unpack *u, const char *what, struct err *e);

/* Whether st is an overlayfs whiteout. */
bool layer_is_whiteout(const struct stat *st);

/* Entry base (".wh.…") of a layer in dirfd. */
enum err_class layer_whiteout(struct unpack *u, int dirfd, const char *base, struct err *e) MUST_USE;

/* The entry of the root itself. */
enum err_class layer_root(struct unpack *u, struct archive_entry *n, struct err *e) MUST_USE;

#endif
