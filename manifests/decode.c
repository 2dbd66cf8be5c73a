#include "manifests/decode.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "manifests/units.h"

struct slot {
	struct report *r;
	const struct field *f;
	struct where w;
	void *base;
};

static void *place(const struct slot *s) { return (char *)s->base + s->f->offset; }
static const char *path(const struct slot *s) { return where_text(&s->w, s->r->arena); }

const char *where_text(const struct where *w, struct arena *a)
{
	return w->up ? arena_printf(a, "%s.%s", where_text(w->up, a), w->name) : arena_strdup(a, w->name);
}

static void wrong_type(const struct slot *s, const struct node *n, const char *wanted, const char *hint)
{
	const char *given = s->f->secret_like && node_is_scalar(n) ? "a value" : node_describe(n, s->r->arena);
	report(s->r, n->line, n->column, R_WrongType, "%s must be %s, not %s%s", path(s), wanted, given, hint);
}

bool want_map(struct report *r, const struct where *w, const struct node *n)
{
	if (n->type == NODE_MAP)
		return true;
	report(r, n->line, n->column, R_WrongType, "%s must be a mapping, not %s%s", where_text(w, r->arena),
	       node_describe(n, r->arena), n->type == NODE_NULL ? "; leave the line out if there is nothing to say" : "");
	return false;
}

/* ---- texts ---- */

static void decode_text(const struct slot *s, const struct node *n)
{
	const struct format_info *fmt = format_info(s->f->format);
	if (n->type != NODE_STRING) {
		wrong_type(s, n, fmt->title, n->type == NODE_BOOL || n->type == NODE_INT || n->type == NODE_REAL
						     ? "; put it in quotes" : "");
		return;
	}
	enum reason why = s->f->format == FORMAT_NAME ? R_InvalidName : R_InvalidValue;
	const char *shown = word_for_people(n->u.text, s->r->arena);
	if (format_matches(s->f->format, n->u.text))
		*(const char **)place(s) = n->u.text;
	else if (strlen(n->u.text) > fmt->max)
		report(s->r, n->line, n->column, why, "%s is too long: \"%s\" (at most %zu bytes)", path(s), shown, fmt->max);
	else
		report(s->r, n->line, n->column, why, "%s is not %s: \"%s\" (%s)", path(s), fmt->title, shown, fmt->rule);
}

static const char *near(struct arena *a, const char *word, const char *const *words)
{
	size_t n = 0;
	while (words[n])
		n++;
	const char *best = nearest_name(word, words, n);
	return best ? arena_printf(a, "; did you mean \"%s\"?", best) : "";
}

static const char *choose(const struct slot *s, const struct node *n)
{
	const char *all = "";
	for (const char *const *c = s->f->choices; *c; c++) {
		if (n->type == NODE_STRING && strcmp(n->u.text, *c) == 0)
			return *c;
		all = arena_printf(s->r->arena, "%s%s%s", all, *all ? " or " : "", *c);
	}
	if (n->type != NODE_STRING)
		wrong_type(s, n, all, "");
	else
		report(s->r, n->line, n->column, R_InvalidValue, "%s must be %s, not \"%s\"%s", path(s), all,
		       word_for_people(n->u.text, s->r->arena), near(s->r->arena, n->u.text, s->f->choices));
	return NULL;
}

/* ---- numbers ---- */

static char *spell(const struct field *f, int64_t v, char out[UNIT_TEXT])
{
	if (f->type == FIELD_SIZE)
		return format_size(v, out);
	if (f->type == FIELD_CPU)
		return format_cpu(v, out);
	if (f->type == FIELD_DURATION)
		return format_duration(v, out);
	(void)snprintf(out, UNIT_TEXT, "%" PRId64, v);
	return out;
}

static void store_number(const struct slot *s, const struct node *n, int64_t v)
{
	char low[UNIT_TEXT], high[UNIT_TEXT];
	if (v >= s->f->min && v <= s->f->max)
		*(int64_t *)place(s) = v;
	else
		report(s->r, n->line, n->column, R_InvalidValue, "%s must be %s to %s, not %s", path(s),
		       spell(s->f, s->f->min, low), spell(s->f, s->f->max, high), word_for_people(n->u.text, s->r->arena));
}

static void decode_int(const struct slot *s, const struct node *n)
{
	const char *digits = n->type == NODE_INT ? n->u.text + (*n->u.text == '-') : "";
	size_t len = strlen(digits);
	if (n->type != NODE_INT) {
		wrong_type(s, n, "an integer",
			   n->type == NODE_STRING && scalar_type(n->u.text) == NODE_INT ? "; remove the quotes" : "");
	} else if (strspn(digits, "0123456789") != len || (len > 1 && *digits == '0')) {
		/* 010 is eight to some readers and ten to others */
		report(s->r, n->line, n->column, R_InvalidValue, "%s: write %s in decimal, without + and leading zeros",
		       path(s), word_for_people(n->u.text, s->r->arena));
	} else {
		store_number(s, n, len > 18 ? (*n->u.text == '-' ? INT64_MIN : INT64_MAX) : strtoll(n->u.text, NULL, 10));
	}
}

static void decode_quantity(const struct slot *s, const struct node *n)
{
	bool (*parse)(const char *, int64_t *) = s->f->type == FIELD_SIZE  ? parse_size
						 : s->f->type == FIELD_CPU ? parse_cpu
									   : parse_duration;
	enum format format = s->f->type == FIELD_SIZE  ? FORMAT_SIZE
			     : s->f->type == FIELD_CPU ? FORMAT_CPU
						       : FORMAT_DURATION;
	const struct format_info *fmt = format_info(format);
	int64_t v;
	bool number = n->type == NODE_INT || n->type == NODE_REAL;
	if (n->type != NODE_STRING && (!number || s->f->type == FIELD_DURATION))
		wrong_type(s, n, fmt->title, arena_printf(s->r->arena, "; write %s", fmt->rule));
	else if (!parse(n->u.text, &v))
		report(s->r, n->line, n->column, R_InvalidValue, "%s is not %s: \"%s\" (%s)", path(s), fmt->title,
		       word_for_people(n->u.text, s->r->arena), fmt->rule);
	else
		store_number(s, n, v);
}

/* ---- collections ---- */

static bool is_value(const struct node *n) { return node_is_scalar(n) && n->type != NODE_NULL; }

static void decode_list(const struct slot *s, const struct node *n)
{
	if (n->type != NODE_LIST) {
		const char *hint = n->type == NODE_STRING ? "; write [program, argument, …]" : "";
		wrong_type(s, n, "a list", hint);
		return;
	}
	struct strings v = {arena_array(s->r->arena, n->u.list.n, sizeof *v.items), 0};
	for (size_t i = 0; i < n->u.list.n; i++) {
		const struct node *item = n->u.list.items[i];
		if (!is_value(item))
			report(s->r, item->line, item->column, R_WrongType, "%s[%zu] must be a text, not %s", path(s), i,
			       node_describe(item, s->r->arena));
		else if (!format_matches(s->f->format, item->u.text) || (i == 0 && !*item->u.text))
			report(s->r, item->line, item->column, R_InvalidValue, "%s[%zu] is %s", path(s), i,
			       *item->u.text ? "too long" : "empty: it names the program");
		else
			v.items[v.n++] = item->u.text;
	}
	if (n->u.list.n > (size_t)s->f->max)
		report(s->r, n->line, n->column, R_TooLarge, "%s has %zu items: the limit is %" PRId64, path(s), n->u.list.n,
		       s->f->max);
	*(struct strings *)place(s) = v;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct pair *)a)->name, ((const struct pair *)b)->name);
}

static bool check_pair(const struct slot *s, const struct member *m)
{
	struct arena *a = s->r->arena;
	const struct format_info *key = format_info(s->f->key_format), *val = format_info(s->f->format);
	const char *name = word_for_people(m->key, a);
	if (!format_matches(s->f->key_format, m->key))
		report(s->r, m->line, m->column, R_InvalidValue, "%s: \"%s\" is not %s (%s)", path(s), name, key->title,
		       key->rule);
	else if (m->value->type == NODE_NULL)
		report(s->r, m->value->line, m->value->column, R_WrongType, "%s.%s has no value; write \"\" for an empty one",
		       path(s), name);
	else if (!is_value(m->value))
		report(s->r, m->value->line, m->value->column, R_WrongType, "%s.%s must be a text, not %s", path(s), name,
		       node_describe(m->value, a));
	else if (!format_matches(s->f->format, m->value->u.text))
		report(s->r, m->value->line, m->value->column, R_InvalidValue, "%s.%s is not %s (%s%sat most %zu bytes)",
		       path(s), name, val->title, val->rule, *val->rule ? "; " : "", val->max);
	else
		return true;
	return false;
}

static void decode_pairs(const struct slot *s, const struct node *n)
{
	if (s->f->secret_like && is_value(n)) {
		wrong_type(s, n, "a mapping", "");
		return;
	}
	if (!want_map(s->r, &s->w, n))
		return;
	struct pairs v = {arena_array(s->r->arena, n->u.map.n, sizeof *v.items), 0};
	size_t bytes = 0;
	for (size_t i = 0; i < n->u.map.n && !report_full(s->r); i++) {
		const struct member *m = &n->u.map.items[i];
		if (!check_pair(s, m))
			continue;
		v.items[v.n++] = (struct pair){m->key, m->value->u.text};
		bytes += strlen(m->key) + strlen(m->value->u.text) + 2; /* as NAME=value and its end */
	}
	if (bytes > (size_t)s->f->max)
		report(s->r, n->line, n->column, R_TooLarge, "%s has %zu bytes: the limit is %" PRId64, path(s), bytes,
		       s->f->max);
	qsort(v.items, v.n, sizeof *v.items, by_name);
	*(struct pairs *)place(s) = v;
}

static void decode_object(const struct slot *s, const struct node *n)
{
	struct node map = {.type = NODE_MAP};
	struct member only = {0};
	if (s->f->shorthand && n->type == NODE_STRING) {
		only = (struct member){s->f->shorthand, n->line, n->column, n};
		map = (struct node){.type = NODE_MAP, .line = n->line, .column = n->column, .u.map = {&only, 1}};
		n = &map;
	}
	if (want_map(s->r, &s->w, n))
		decode_fields(s->r, &s->w, s->f->fields, NULL, n, n->line, n->column, s->base);
}

static void decode_version(const struct slot *s, const struct node *n)
{
	struct pin_spec *pin = s->base;
	const struct format_info *fmt = format_info(FORMAT_VERSION);
	long long number = 0;
	if (n->type != NODE_STRING && n->type != NODE_INT) {
		wrong_type(s, n, fmt->title, n->type == NODE_REAL || n->type == NODE_BOOL ? "; put a label in quotes" : "");
		return;
	}
	struct digest d;
	if (!format_matches(FORMAT_VERSION, n->u.text)) {
		report(s->r, n->line, n->column, R_InvalidValue, "%s is not %s: %s (%s)", path(s), fmt->title,
		       node_describe(n, s->r->arena), fmt->rule);
		return;
	}
	pin->to = version_number(n->u.text, &number)   ? PIN_NUMBER
		  : digest_parse(n->u.text, &d)        ? PIN_DIGEST
		  : strcmp(n->u.text, "latest") == 0   ? PIN_LATEST
						       : PIN_LABEL;
	pin->number = number;
	pin->word = n->u.text;
}

/* ---- the table ---- */

static void decode_value(const struct slot *s, const struct node *n)
{
	const char *word;
	switch (s->f->type) {
	case FIELD_TEXT:
		decode_text(s, n);
		break;
	case FIELD_CHOICE:
		if ((word = choose(s, n)))
			*(const char **)place(s) = word;
		break;
	case FIELD_FLAG:
		*(bool *)place(s) = choose(s, n) != NULL;
		break;
	case FIELD_INT:
		decode_int(s, n);
		break;
	case FIELD_DURATION:
	case FIELD_SIZE:
	case FIELD_CPU:
		decode_quantity(s, n);
		break;
	case FIELD_LIST:
		decode_list(s, n);
		break;
	case FIELD_PAIRS:
		decode_pairs(s, n);
		break;
	case FIELD_OBJECT:
		decode_object(s, n);
		break;
	case FIELD_VERSION:
		decode_version(s, n);
		break;
	}
}

static void decode_absent(const struct slot *s, int line, int column)
{
	if (s->f->required) {
		report(s->r, line, column, R_MissingField, "%s is missing: %s", path(s), s->f->doc);
	} else if (s->f->type == FIELD_OBJECT) {
		decode_fields(s->r, &s->w, s->f->fields, NULL, NULL, line, column, s->base);
	} else if (s->f->fallback) {
		/* a default is written as a person would write it, and read the same way */
		struct node n = {.type = s->f->type == FIELD_INT ? NODE_INT : NODE_STRING, .u.text = s->f->fallback};
		decode_value(s, &n);
	}
}

void report_unknown(struct report *r, const struct where *w, const struct member *m, const char *const *others)
{
	const char *tail = near(r->arena, m->key, others);
	if (!*tail) {
		tail = "; it has";
		for (size_t i = 0; others[i]; i++)
			tail = arena_printf(r->arena, "%s%s %s", tail, i ? "," : "", others[i]);
	}
	report(r, m->line, m->column, R_UnknownField, "%s has no field \"%s\"%s",
	       w ? where_text(w, r->arena) : "a manifest", word_for_people(m->key, r->arena), tail);
}

/* A field that belongs one level deeper is named with its place. */
static void unknown_member(struct report *r, const struct where *w, const struct field *table, const struct member *m)
{
	const char *names[32] = {NULL};
	size_t n = 0;
	for (const struct field *f = table; f->name && n < ARRAY_LEN(names) - 1; f++) {
		names[n++] = f->name;
		for (const struct field *g = f->type == FIELD_OBJECT ? f->fields : NULL; g && g->name; g++) {
			if (strcmp(g->name, m->key) != 0)
				continue;
			report(r, m->line, m->column, R_UnknownField, "%s has no field \"%s\"; did you mean \"%s.%s\"?",
			       where_text(w, r->arena), g->name, f->name, g->name);
			return;
		}
	}
	report_unknown(r, w, m, names);
}

static bool is_listed(const char *const *words, const char *word)
{
	for (; words && *words; words++)
		if (strcmp(*words, word) == 0)
			return true;
	return false;
}

void decode_fields(struct report *r, const struct where *w, const struct field *table, const char *const *ignored,
		   const struct node *map, int line, int column, void *base)
{
	for (const struct field *f = table; f->name; f++) {
		struct slot s = {r, f, {w, f->name}, base};
		const struct node *n = node_get(map, f->name);
		if (n)
			decode_value(&s, n);
		else
			decode_absent(&s, line, column);
	}
	for (size_t i = 0; map && i < map->u.map.n && !report_full(r); i++) {
		const struct member *m = &map->u.map.items[i];
		const struct field *f = table;
		while (f->name && strcmp(f->name, m->key) != 0)
			f++;
		if (!f->name && !is_listed(ignored, m->key))
			unknown_member(r, w, table, m);
	}
}
