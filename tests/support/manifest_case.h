/* For the manifest tests: decode a text, look at what came out. */
#ifndef FN_TESTS_MANIFEST_CASE_H
#define FN_TESTS_MANIFEST_CASE_H

#include <string.h>

#include "manifests/manifest.h"

struct decoded {
	struct arena a;
	struct manifests ms;
	struct err e;
	enum err_class class;
};

static inline void decoded_release(struct decoded *d) { arena_release(&d->a); }
#define AUTO_DECODED __attribute__((cleanup(decoded_release)))

static inline struct decoded decode_n(const char *text, size_t n)
{
	struct decoded d = {.a = ARENA_INIT, .e = ERR_INIT};
	d.class = manifests_decode("t.yaml", text, n, &d.a, &d.ms, &d.e);
	return d;
}

static inline struct decoded decode(const char *text) { return decode_n(text, strlen(text)); }

/* "2:5 UnknownField, 3:1 WrongType" */
static inline const char *problems(struct decoded *d)
{
	const char *s = "";
	for (size_t i = 0; i < d->ms.nproblems; i++)
		s = arena_printf(&d->a, "%s%s%d:%d %s", s, i ? ", " : "", d->ms.problems[i].line, d->ms.problems[i].column,
				 reason_token(d->ms.problems[i].reason));
	return s;
}

static inline const char *pair_value(const struct pairs *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->items[i].name, name) == 0)
			return p->items[i].value;
	return NULL;
}

#define HEAD(kind) "apiVersion: fn/v1\nkind: " kind "\nmetadata: {name: x}\nspec:\n"
/* A Function whose line 6 and on is what follows. */
#define FUNCTION HEAD("Function") "  runtime: python\n"

#endif
