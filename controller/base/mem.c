#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Noreturn void out_of_memory(void)
{
	static const char msg[] = "{\"level\":\"error\",\"msg\":\"out of memory\",\"reason\":\"OutOfResources\"}\n";
	ssize_t n = write(STDERR_FILENO, msg, sizeof msg - 1);
	(void)n; /* nobody left to tell */
	abort();
}

void *xmalloc(size_t n)
{
	void *p = malloc(n ? n : 1);
	if (!p)
		out_of_memory();
	return p;
}

void *xcalloc(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size ? size : 1);
	if (!p)
		out_of_memory();
	return p;
}

void *xrealloc(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);
	if (!q)
		out_of_memory();
	return q;
}

char *xstrdup(const char *s)
{
	size_t n = strlen(s) + 1;
	return memcpy(xmalloc(n), s, n);
}

char *xprintf(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *s = NULL;
	int n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		out_of_memory();
	return s;
}

void cleanup_free(void *pp) { free(*(void **)pp); }

void cleanup_close(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd); /* whoever cares about a failed write has called fsync */
}

struct arena_block {
	struct arena_block *next;
	size_t used, cap;
	_Alignas(max_align_t) unsigned char data[];
};

struct arena_owned {
	struct arena_owned *next;
	void (*release)(void *);
	void *p;
};

void arena_own(struct arena *a, void (*release)(void *), void *p)
{
	struct arena_owned *o = arena_alloc(a, sizeof *o);
	*o = (struct arena_owned){a->owned, release, p};
	a->owned = o;
}

enum { BLOCK = 8192, ALIGN = _Alignof(max_align_t) };

void arena_release(struct arena *a)
{
	for (; a->owned; a->owned = a->owned->next)
		a->owned->release(a->owned->p);
	for (struct arena_block *b = a->head, *next; b; b = next) {
		next = b->next;
		free(b);
	}
	a->head = NULL;
}

void *arena_alloc(struct arena *a, size_t n)
{
	if (n > SIZE_MAX / 2)
		out_of_memory();
	n = (n + ALIGN - 1) / ALIGN * ALIGN;
	struct arena_block *b = a->head;
	if (!b || b->cap - b->used < n) {
		size_t cap = n > BLOCK / 4 ? n : BLOCK;
		b = xmalloc(sizeof *b + cap);
		b->used = 0;
		b->cap = cap;
		if (cap == n && a->head) { /* a large one goes behind the block in use, which may have room left */
			b->next = a->head->next;
			a->head->next = b;
		} else {
			b->next = a->head;
			a->head = b;
		}
	}
	void *p = b->data + b->used;
	b->used += n;
	return memset(p, 0, n);
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
	size_t n;
	if (__builtin_mul_overflow(count, size, &n))
		out_of_memory();
	return arena_alloc(a, n);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *p = arena_alloc(a, n + 1);
	memcpy(p, s, n);
	return p;
}

char *arena_strdup(struct arena *a, const char *s) { return s ? arena_strndup(a, s, strlen(s)) : NULL; }

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
	char *s = NULL;
	int n = vasprintf(&s, fmt, ap);
	if (n < 0)
		out_of_memory();
	char *p = arena_strndup(a, s, (size_t)n);
	free(s);
	return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *p = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return p;
}

void *arena_push(struct arena *a, void **items, size_t *n, size_t *cap, size_t size)
{
	if (*n == *cap) {
		size_t want = *cap ? *cap * 2 : 8;
		void *grown = arena_array(a, want, size);
		if (*n)
			memcpy(grown, *items, *n * size);
		*items = grown;
		*cap = want;
	}
	return (unsigned char *)*items + (*n)++ * size;
}

void buf_init(struct buf *b, size_t max) { *b = (struct buf)BUF_INIT(max); }

void buf_release(struct buf *b)
{
	free(b->p);
	buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->overflow = false;
	if (b->p)
		b->p[0] = '\0';
}

char *buf_reserve(struct buf *b, size_t n)
{
	if (b->overflow || n > b->max || b->len > b->max - n) {
		b->overflow = true;
		return NULL;
	}
	if (b->cap - b->len < n + 1) {
		size_t cap = b->cap ? b->cap : 256;
		while (cap - b->len < n + 1)
			cap *= 2;
		b->p = xrealloc(b->p, cap);
		b->cap = cap;
	}
	return b->p + b->len;
}

bool buf_add(struct buf *b, const void *p, size_t n)
{
	char *to = buf_reserve(b, n);
	if (!to)
		return false;
	if (n)
		memcpy(to, p, n);
	b->len += n;
	b->p[b->len] = '\0';
	return true;
}

bool buf_puts(struct buf *b, const char *s) { return buf_add(b, s, strlen(s)); }

bool buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *s = NULL;
	int n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		out_of_memory();
	bool ok = buf_add(b, s, (size_t)n);
	free(s);
	return ok;
}

const char *buf_str(const struct buf *b) { return b->p ? b->p : ""; }
