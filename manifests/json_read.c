#include <string.h>

#include "base/json.h"
#include "manifests/manifest.h"
#include "manifests/node.h"

struct reading {
	struct report *r;
	size_t nodes;
};

static const struct node *read_value(struct reading *s, const json_t *j, int depth);

static const struct node *read_object(struct reading *s, const json_t *j, int depth, struct node *n)
{
	n->type = NODE_MAP;
	n->u.map.items = arena_array(s->r->arena, json_object_size(j), sizeof *n->u.map.items);
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)j, key, value) {
		const struct node *v = read_value(s, value, depth);
		if (!v)
			return NULL;
		n->u.map.items[n->u.map.n++] = (struct member){.key = arena_strdup(s->r->arena, key), .value = v};
	}
	return n;
}

static const struct node *read_array(struct reading *s, const json_t *j, int depth, struct node *n)
{
	n->type = NODE_LIST;
	n->u.list.items = arena_array(s->r->arena, json_array_size(j), sizeof *n->u.list.items);
	for (size_t i = 0; i < json_array_size(j); i++) {
		const struct node *v = read_value(s, json_array_get(j, i), depth);
		if (!v)
			return NULL;
		n->u.list.items[n->u.list.n++] = v;
	}
	return n;
}

static enum node_type type_of(const json_t *j)
{
	switch (json_typeof(j)) {
	case JSON_STRING:
		return NODE_STRING;
	case JSON_INTEGER:
		return NODE_INT;
	case JSON_REAL:
		return NODE_REAL;
	case JSON_TRUE:
	case JSON_FALSE:
		return NODE_BOOL;
	case JSON_NULL:
		return NODE_NULL;
	case JSON_OBJECT:
		return NODE_MAP;
	case JSON_ARRAY:
		return NODE_LIST;
	}
	return NODE_NULL;
}

static const struct node *read_value(struct reading *s, const json_t *j, int depth)
{
	if (depth == MANIFEST_MAX_DEPTH || ++s->nodes > MANIFEST_MAX_NODES) {
		report(s->r, 0, 0, R_TooLarge, "nested deeper than %d, or more than %d values", MANIFEST_MAX_DEPTH,
		       MANIFEST_MAX_NODES);
		return NULL;
	}
	struct node *n = arena_alloc(s->r->arena, sizeof *n);
	if (json_is_object(j))
		return read_object(s, j, depth + 1, n);
	if (json_is_array(j))
		return read_array(s, j, depth + 1, n);
	n->type = type_of(j);
	if (json_is_string(j) && strlen(json_string_value(j)) != json_string_length(j)) {
		report(s->r, 0, 0, R_InvalidValue, "a text holds a NUL character");
		return NULL;
	}
	n->u.text = json_is_string(j) ? arena_strdup(s->r->arena, json_string_value(j))
				      : json_text_arena(j, s->r->arena);
	return n;
}

const struct node *json_read(const json_t *j, struct report *r)
{
	struct reading s = {.r = r};
	return read_value(&s, j, 0);
}
