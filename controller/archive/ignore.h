/* .fnignore: gitignore's rules (gitignore(5)) under another name. Each directory may have one; the nearest that says
 * anything about a path decides, and in it the last line that does. */
#ifndef FN_ARCHIVE_IGNORE_H
#define FN_ARCHIVE_IGNORE_H

#include "base/mem.h"

struct ignore; /* the rules of one directory, on top of those above it; lives in the arena */

/* Reads the .fnignore of the directory dirfd, whose path below the root has dir_len bytes. Without one *ret is up. Not a
 * regular file: INVALID SourceInvalid; more than 1 MiB: INVALID TooLarge. */
enum err_class ignore_load(int dirfd, size_t dir_len, const struct ignore *up, struct arena *a, const struct ignore **ret,
			   struct err *e) MUST_USE;

/* The rules in text, for tests and for ignore_load. The text is cut up and must live as long as the result. */
const struct ignore *ignore_parse(char *text, size_t dir_len, const struct ignore *up, struct arena *a);

/* Whether the entry at path (below the root, clean) is left out. Asked top down: below a directory that is left out
 * nothing is asked any more, and nothing there can be had back. ig may be NULL. */
bool ignore_matches(const struct ignore *ig, const char *path, bool is_dir);

/* One pattern against one string, in time proportional to the product of their lengths. In path mode `*`, `?` and sets
 * do not match a slash and `**` between slashes matches any number of directories. */
bool ignore_glob(const char *pattern, const char *text, bool path_mode);

#endif
