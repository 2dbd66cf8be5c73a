/* Node tree -> struct, by the table. */
#ifndef FN_MANIFESTS_DECODE_H
#define FN_MANIFESTS_DECODE_H

#include "manifests/fields.h"
#include "manifests/node.h"

/* Where in a document: spec.health.path. */
struct where {
	const struct where *up; /* NULL at the top */
	const char *name;
};

/* Fills the struct at base from map by the table, with defaults where map has nothing. map NULL: defaults only, with
 * a MissingField at line and column for what is required. ignored (NULL-terminated, or NULL) are members to pass over.
 * All that is wrong is reported. */
void decode_fields(struct report *r, const struct where *w, const struct field *table, const char *const *ignored,
		   const struct node *map, int line, int column, void *base);

/* "spec.health" in the arena. */
const char *where_text(const struct where *w, struct arena *a);

/* Reports a member that its mapping does not have; others (NULL-terminated) are what it has. */
void report_unknown(struct report *r, const struct where *w, const struct member *m, const char *const *others);

/* Reports WrongType unless the node is a mapping. */
bool want_map(struct report *r, const struct where *w, const struct node *n);

/* canonical.c: the way back. New reference. */
json_t *encode_fields(const struct field *table, const void *base);

/* A default as JSON (canonical form); NULL where there is none. New reference. */
json_t *field_default(const struct field *f);

#endif
