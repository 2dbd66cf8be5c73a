/* Files. Paths are ours (below FN_HOME), never a user's; user-named paths go through archive/. */
#ifndef FN_BASE_FS_H
#define FN_BASE_FS_H

#include <sys/types.h>

#include "base/mem.h"

/* Whole file into *b (bounded by b->max). INVALID NotFound when absent, INVALID TooLarge beyond the maximum,
 * DENIED Forbidden where we may not read it. */
enum err_class fs_read(const char *path, struct buf *b, struct err *e) MUST_USE;

/* Writes a temporary file beside path, syncs it when durable, renames it over path. mode applies exactly. After a power cut there is the old
 * file or the new one, whole; the name itself is not synced, so it may be the old one for some seconds. */
enum err_class fs_write_atomic(const char *path, const void *p, size_t n, mode_t mode, bool durable, struct err *e)
	MUST_USE;

/* Makes path and its parents; an existing directory is fine. */
enum err_class fs_mkdirs(const char *path, mode_t mode, struct err *e) MUST_USE;

/* Removes path and what is below it, never following links or crossing into another file system; absent is fine. */
enum err_class fs_remove_tree(const char *path, struct err *e) MUST_USE;

/* Disk space of path and what is below it, links not followed; a file with several names counts once when all of them are there. What
 * goes away meanwhile does not count; absent is 0. */
enum err_class fs_tree_bytes(const char *path, uint64_t *ret, struct err *e) MUST_USE;

/* All n bytes, through EINTR and short writes. */
enum err_class fs_write_all(int fd, const void *p, size_t n, struct err *e) MUST_USE;

/* The rest of from into to; the number of bytes in *ret (may be NULL). */
enum err_class fs_copy_fd(int from, int to, uint64_t *ret, struct err *e) MUST_USE;

bool fs_exists(const char *path);

#endif
