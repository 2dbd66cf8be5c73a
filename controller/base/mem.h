/* Memory: arenas for what dies together, cleanup attributes for what does not, bounded buffers for outside bytes.
 *
 * Running out of memory ends the process with a message (docs/decisions/0003): every process here may die at any
 * moment and is restarted, so a half-handled allocation failure would be the greater risk. What outside input may
 * make us allocate is bounded by stated maxima instead. */
#ifndef FN_BASE_MEM_H
#define FN_BASE_MEM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xprintf(const char *fmt, ...) PRINTF(1, 2) __attribute__((malloc, returns_nonnull));

/* AUTO_FREE char *p = …; frees p at the end of its scope. AUTO_CLOSE int fd = -1; closes it. */
#define AUTO_FREE __attribute__((cleanup(cleanup_free)))
#define AUTO_CLOSE __attribute__((cleanup(cleanup_close)))
void cleanup_free(void *pp);
void cleanup_close(const int *fd);

/* An arena owns all that was taken from it; nothing in it is freed alone. Not for several threads at once. */
struct arena {
	struct arena_block *head;
	struct arena_owned *owned;
};
#define ARENA_INIT { NULL, NULL }
#define AUTO_ARENA __attribute__((cleanup(arena_release)))
void arena_release(struct arena *a); /* frees everything; the arena is empty and usable again */
void *arena_alloc(struct arena *a, size_t n) __attribute__((returns_nonnull)); /* zeroed, aligned for any type */
void *arena_array(struct arena *a, size_t count, size_t size) __attribute__((returns_nonnull)); /* checks overflow */
void arena_own(struct arena *a, void (*release)(void *), void *p); /* release(p) when the arena is released; last first */
char *arena_strdup(struct arena *a, const char *s); /* NULL gives NULL */
char *arena_strndup(struct arena *a, const char *s, size_t n) __attribute__((returns_nonnull));
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3) __attribute__((returns_nonnull));
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0), returns_nonnull));

/* A byte buffer with a stated maximum. Always NUL-terminated after the first append. Appending beyond max appends
 * nothing and sets overflow, so that a writer may append freely and check once. */
struct buf {
	char *p;
	size_t len, cap, max;
	bool overflow;
};
#define BUF_INIT(maximum) { NULL, 0, 0, (maximum), false }
#define AUTO_BUF __attribute__((cleanup(buf_release)))
void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b);
void buf_clear(struct buf *b); /* empty, memory kept */
bool buf_add(struct buf *b, const void *p, size_t n);
bool buf_puts(struct buf *b, const char *s);
bool buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
char *buf_reserve(struct buf *b, size_t n); /* room for n more bytes, or NULL and overflow; then add to len */
const char *buf_str(const struct buf *b);   /* "" when empty */

/* Appends one zeroed element to an arena array and returns it: items is the array, n its count, cap its capacity. */
void *arena_push(struct arena *a, void **items, size_t *n, size_t *cap, size_t size);

#endif
