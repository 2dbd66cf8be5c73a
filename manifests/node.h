/* Text as a tree that knows its positions: what YAML and JSON have in common, before any kind is looked at. */
#ifndef FN_MANIFESTS_NODE_H
#define FN_MANIFESTS_NODE_H

#include <jansson.h>

#include "base/mem.h"
#include "manifests/report.h"

enum node_type { NODE_NULL, NODE_BOOL, NODE_INT, NODE_REAL, NODE_STRING, NODE_MAP, NODE_LIST };

struct member;
struct node {
	enum node_type type;
	int line, column; /* from 1; 0 from JSON values */
	size_t weight;    /* nodes in this tree, aliases expanded */
	int height;       /* 1 for a scalar */
	union {
		const char *text; /* of a scalar, as written: 1.10 stays 1.10; never has a NUL inside */
		struct {
			struct member *items;
			size_t n;
		} map; /* in the order of the text; keys differ */
		struct {
			const struct node **items;
			size_t n;
		} list;
	} u;
};
struct member {
	const char *key;
	int line, column; /* of the key */
	const struct node *value;
};

static inline bool node_is_scalar(const struct node *n) { return n->type < NODE_MAP; }

/* The type of an unquoted scalar by YAML 1.2's core schema: yes, no, on and off are text. */
enum node_type scalar_type(const char *text);

/* The member's value, or NULL. map may be NULL or no map. */
const struct node *node_get(const struct node *map, const char *key);

/* "the number 8080", "the text \"abc\"", "a list", for messages. Shortened and printable; in the arena. */
const char *node_describe(const struct node *n, struct arena *a);

/* A user's word for a message: printable, at most some 40 bytes. */
const char *word_for_people(const char *s, struct arena *a);

/* Of each document that has content: its root and the line where it starts. */
struct document {
	const struct node *root;
	int line;
	bool flawed; /* a problem was reported already: look for more, but do not use it */
};
struct documents {
	struct document *items;
	size_t n, cap;
};

/* Parses YAML within the limits of manifest.h. What is wrong is reported; a document that is not well-formed is left
 * out and reading goes on at the next "---"; past a limit it ends. */
void yaml_read(const char *text, size_t n, struct report *r, struct documents *ret);

/* The same tree of a JSON value; NULL after a report. Strings are copied. */
const struct node *json_read(const json_t *j, struct report *r);

#endif
