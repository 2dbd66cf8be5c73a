/* libyaml's events to nodes. libyaml bounds neither depth nor aliases; the caps here end the feeding. */
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "manifests/manifest.h"
#include "manifests/node.h"

struct frame {
	struct node *node;  /* a map or list being filled */
	size_t cap;
	const char *anchor; /* or NULL */
	struct member next; /* of a map: the key that waits for its value */
	bool have_key;
};

struct anchor {
	const char *name;
	const struct node *node;
};

struct reader {
	struct report *r;
	struct documents *docs;
	const char *text;
	size_t n;

	size_t start;   /* where this run of the parser began, in bytes, and its line from 0 */
	int start_line;
	int bad_line;   /* from 1; where the run failed */
	bool failed;    /* this document is given up */
	bool stop;      /* a limit: nothing more is read */

	struct frame frames[MANIFEST_MAX_DEPTH];
	int depth;
	const struct node *root;
	int document_line; /* 0: between documents */
	bool flawed;
	struct anchor *anchors;
	size_t nanchors, anchors_cap;
	size_t nodes, aliases, documents;
};

static void cleanup_event(yaml_event_t *ev) { yaml_event_delete(ev); }
static void cleanup_parser(yaml_parser_t *p) { yaml_parser_delete(p); }
#define AUTO_EVENT __attribute__((cleanup(cleanup_event)))
#define AUTO_PARSER __attribute__((cleanup(cleanup_parser)))

static int line_of(const struct reader *s, const yaml_mark_t *m) { return s->start_line + (int)m->line + 1; }
static int column_of(const yaml_mark_t *m) { return (int)m->column + 1; }

static void fail(struct reader *s, const yaml_mark_t *m, enum reason reason, const char *message)
{
	report(s->r, line_of(s, m), column_of(m), reason, "%s", message);
	s->bad_line = line_of(s, m);
	s->failed = true;
}

static void limit(struct reader *s, const yaml_mark_t *m, const char *what, int most)
{
	report(s->r, line_of(s, m), column_of(m), R_TooLarge, "%s: the limit is %d", what, most);
	s->failed = s->stop = true;
}

static int by_key(const void *a, const void *b)
{
	const struct member *x = *(const struct member *const *)a, *y = *(const struct member *const *)b;
	int c = strcmp(x->key, y->key);
	return c ? c : (x > y) - (x < y);
}

/* Sorting finds duplicates in n log n: a mapping may have as many keys as there may be nodes. */
static void reject_duplicates(struct reader *s, const struct node *map)
{
	size_t n = map->u.map.n;
	AUTO_FREE const struct member **sorted = xcalloc(n, sizeof *sorted);
	for (size_t i = 0; i < n; i++)
		sorted[i] = &map->u.map.items[i];
	qsort(sorted, n, sizeof *sorted, by_key);
	for (size_t i = 1, first = 0; i < n; i++) {
		if (strcmp(sorted[i]->key, sorted[first]->key) != 0) {
			first = i;
			continue;
		}
		report(s->r, sorted[i]->line, sorted[i]->column, R_DuplicateKey, "\"%s\" is given twice, first on line %d",
		       word_for_people(sorted[i]->key, s->r->arena), sorted[first]->line);
		s->flawed = true;
	}
}

static void set_anchor(struct reader *s, const char *name, const struct node *n)
{
	if (!name)
		return;
	struct anchor *a = arena_push(s->r->arena, (void **)&s->anchors, &s->nanchors, &s->anchors_cap, sizeof *a);
	*a = (struct anchor){name, n};
}

static void add_to_map(struct reader *s, struct frame *f, const struct node *n)
{
	f->have_key = false;
	if (strcmp(f->next.key, "<<") == 0) {
		report(s->r, f->next.line, f->next.column, R_UnknownField,
		       "merge keys (<<) are not part of the manifest language: repeat the fields, or use an "
		       "Environment's env and inherits");
		s->flawed = true;
		return;
	}
	struct member *m = arena_push(s->r->arena, (void **)&f->node->u.map.items, &f->node->u.map.n, &f->cap, sizeof *m);
	*m = f->next;
	m->value = n;
}

/* A finished value goes into the collection at hand, or is the root. */
static void add_value(struct reader *s, const struct node *n)
{
	if (s->depth == 0) {
		s->root = n;
		return;
	}
	struct frame *f = &s->frames[s->depth - 1];
	f->node->weight += n->weight;
	if (n->height >= f->node->height)
		f->node->height = n->height + 1;
	if (f->node->type == NODE_MAP) {
		add_to_map(s, f, n);
		return;
	}
	const struct node **slot = arena_push(s->r->arena, (void **)&f->node->u.list.items, &f->node->u.list.n, &f->cap,
					      sizeof *slot);
	*slot = n;
}

static bool key_expected(const struct reader *s)
{
	return s->depth > 0 && s->frames[s->depth - 1].node->type == NODE_MAP && !s->frames[s->depth - 1].have_key;
}

static void on_alias(struct reader *s, const yaml_event_t *ev)
{
	const yaml_mark_t *at = &ev->start_mark;
	if (++s->aliases > MANIFEST_MAX_ALIASES) {
		limit(s, at, "too many aliases", MANIFEST_MAX_ALIASES);
		return;
	}
	if (key_expected(s)) {
		fail(s, at, R_InvalidYaml, "a key must be plain text, not an alias");
		return;
	}
	const struct node *n = NULL;
	for (size_t i = s->nanchors; i > 0 && !n; i--)
		if (strcmp(s->anchors[i - 1].name, (const char *)ev->data.alias.anchor) == 0)
			n = s->anchors[i - 1].node;
	if (!n)
		fail(s, at, R_InvalidYaml, "the alias has no finished anchor before it in this document");
	else if (s->depth + n->height > MANIFEST_MAX_DEPTH)
		limit(s, at, "nested too deep once aliases are expanded", MANIFEST_MAX_DEPTH);
	else if (n->weight > MANIFEST_MAX_NODES - s->nodes)
		limit(s, at, "too many values once aliases are expanded", MANIFEST_MAX_NODES);
	else {
		s->nodes += n->weight;
		add_value(s, n);
	}
}

static bool tag_is(const yaml_char_t *tag, const char *known) { return !tag || strcmp((const char *)tag, known) == 0; }

static struct node *new_node(struct reader *s, const yaml_mark_t *at, enum node_type type)
{
	if (s->nodes >= MANIFEST_MAX_NODES) {
		limit(s, at, "too many values", MANIFEST_MAX_NODES);
		return NULL;
	}
	s->nodes++;
	struct node *n = arena_alloc(s->r->arena, sizeof *n);
	*n = (struct node){.type = type, .line = line_of(s, at), .column = column_of(at), .weight = 1, .height = 1};
	return n;
}

static void on_scalar(struct reader *s, const yaml_event_t *ev)
{
	const yaml_mark_t *at = &ev->start_mark;
	const char *text = (const char *)ev->data.scalar.value;
	const yaml_char_t *tag = ev->data.scalar.tag;
	bool text_tag = tag && (tag_is(tag, YAML_STR_TAG) || tag_is(tag, "!"));
	if (tag && !text_tag) {
		fail(s, at, R_InvalidValue, "tags are not part of the manifest language");
		return;
	}
	if (memchr(text, '\0', ev->data.scalar.length)) {
		fail(s, at, R_InvalidValue, "a text holds a NUL character");
		return;
	}
	if (key_expected(s)) {
		struct frame *f = &s->frames[s->depth - 1];
		f->next = (struct member){arena_strdup(s->r->arena, text), line_of(s, at), column_of(at), NULL};
		f->have_key = true;
		return;
	}
	bool plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !text_tag;
	struct node *n = new_node(s, at, plain ? scalar_type(text) : NODE_STRING);
	if (!n)
		return;
	n->u.text = arena_strdup(s->r->arena, text);
	set_anchor(s, arena_strdup(s->r->arena, (const char *)ev->data.scalar.anchor), n);
	add_value(s, n);
}

static void on_start(struct reader *s, const yaml_event_t *ev, enum node_type type, const yaml_char_t *anchor,
		     const yaml_char_t *tag)
{
	const yaml_mark_t *at = &ev->start_mark;
	if (s->depth == MANIFEST_MAX_DEPTH) {
		limit(s, at, "nested too deep", MANIFEST_MAX_DEPTH);
		return;
	}
	if (key_expected(s)) {
		fail(s, at, R_InvalidYaml, "a key must be plain text, not a mapping or list (write {{x}} in quotes)");
		return;
	}
	if (!tag_is(tag, type == NODE_MAP ? YAML_MAP_TAG : YAML_SEQ_TAG)) {
		fail(s, at, R_InvalidValue, "tags are not part of the manifest language");
		return;
	}
	struct node *n = new_node(s, at, type);
	if (n)
		s->frames[s->depth++] =
			(struct frame){.node = n, .anchor = arena_strdup(s->r->arena, (const char *)anchor)};
}

static void on_end(struct reader *s)
{
	struct frame *f = &s->frames[--s->depth];
	if (f->node->type == NODE_MAP)
		reject_duplicates(s, f->node);
	set_anchor(s, f->anchor, f->node);
	add_value(s, f->node);
}

static void on_document_start(struct reader *s, const yaml_event_t *ev)
{
	s->document_line = line_of(s, &ev->start_mark);
	s->depth = 0;
	s->root = NULL;
	s->flawed = false;
	s->nanchors = 0;
	if (++s->documents > MANIFEST_MAX_DOCUMENTS)
		limit(s, &ev->start_mark, "too many documents", MANIFEST_MAX_DOCUMENTS);
}

static void on_document_end(struct reader *s)
{
	s->document_line = 0;
	if (!s->root || s->root->type == NODE_NULL)
		return; /* nothing between two "---", or comments only */
	struct document *d = arena_push(s->r->arena, (void **)&s->docs->items, &s->docs->n, &s->docs->cap, sizeof *d);
	*d = (struct document){s->root, s->root->line, s->flawed};
}

static void on_event(struct reader *s, const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		on_document_start(s, ev);
		break;
	case YAML_DOCUMENT_END_EVENT:
		on_document_end(s);
		break;
	case YAML_ALIAS_EVENT:
		on_alias(s, ev);
		break;
	case YAML_SCALAR_EVENT:
		on_scalar(s, ev);
		break;
	case YAML_SEQUENCE_START_EVENT:
		on_start(s, ev, NODE_LIST, ev->data.sequence_start.anchor, ev->data.sequence_start.tag);
		break;
	case YAML_MAPPING_START_EVENT:
		on_start(s, ev, NODE_MAP, ev->data.mapping_start.anchor, ev->data.mapping_start.tag);
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		on_end(s);
		break;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
		break;
	}
}

/* The start of a line (from 1) at or after byte `from`, which is the start of line `from_line`; n at the end. */
static size_t line_start(const char *text, size_t n, size_t from, int from_line, int line)
{
	while (from_line < line && from < n) {
		const char *nl = memchr(text + from, '\n', n - from);
		from = nl ? (size_t)(nl - text) + 1 : n;
		from_line++;
	}
	return from;
}

static bool tab_indents(const struct reader *s, int line)
{
	size_t at = line_start(s->text, s->n, s->start, s->start_line + 1, line);
	while (at < s->n && s->text[at] == ' ')
		at++;
	return at < s->n && s->text[at] == '\t';
}

/* libyaml gives bytes that are no text by offset, all else by mark. */
static void syntax_error(struct reader *s, const yaml_parser_t *p)
{
	if (p->error == YAML_READER_ERROR) {
		yaml_mark_t at = {0};
		for (size_t i = 0; i < p->problem_offset && s->start + i < s->n; i++) {
			bool nl = s->text[s->start + i] == '\n';
			at.line += nl;
			at.column = nl ? 0 : at.column + 1;
		}
		fail(s, &at, R_InvalidYaml, arena_printf(s->r->arena, "not UTF-8 text: %s", p->problem));
		return;
	}
	const char *problem = p->problem ? p->problem : "not well-formed";
	if (tab_indents(s, line_of(s, &p->problem_mark)))
		problem = "a tab cannot indent; use spaces";
	if (p->context && p->context_mark.line != p->problem_mark.line)
		problem = arena_printf(s->r->arena, "%s (%s that begins on line %d)", problem, p->context,
				       line_of(s, &p->context_mark));
	else if (p->context)
		problem = arena_printf(s->r->arena, "%s (%s)", problem, p->context);
	fail(s, &p->problem_mark, R_InvalidYaml, problem);
}

static void run_parser(struct reader *s)
{
	AUTO_PARSER yaml_parser_t p;
	if (!yaml_parser_initialize(&p))
		abort(); /* out of memory */
	yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&p, (const unsigned char *)s->text + s->start, s->n - s->start);
	for (bool end = false; !end && !s->failed && !report_full(s->r);) {
		AUTO_EVENT yaml_event_t ev;
		if (!yaml_parser_parse(&p, &ev)) {
			memset(&ev, 0, sizeof ev);
			syntax_error(s, &p);
			return;
		}
		end = ev.type == YAML_STREAM_END_EVENT;
		on_event(s, &ev);
	}
}

static bool document_marker(const char *p, size_t n)
{
	return n >= 3 && memcmp(p, "---", 3) == 0 && (n == 3 || strchr(" \t\r\n", p[3]));
}

/* After a failure: the next "---" below the document that failed, where reading can go on. A marker on the failing
 * line itself counts, because that is where libyaml notices an unclosed quote or bracket. */
static bool resume(struct reader *s)
{
	int line = s->bad_line > s->document_line ? s->bad_line : s->document_line + 1;
	size_t at = line_start(s->text, s->n, s->start, s->start_line + 1, line);
	for (; at < s->n; at = line_start(s->text, s->n, at, line, line + 1), line++) {
		if (at > s->start && document_marker(s->text + at, s->n - at)) {
			s->start = at;
			s->start_line = line - 1;
			s->document_line = 0;
			s->failed = false;
			return true;
		}
	}
	return false;
}

/* libyaml compares each %TAG directive with all before it: a file of them would take minutes. */
static int tag_directive_line(const char *text, size_t n)
{
	int line = 1;
	for (size_t at = 0; at < n; at = line_start(text, n, at, line, line + 1), line++)
		if (n - at >= 4 && memcmp(text + at, "%TAG", 4) == 0)
			return line;
	return 0;
}

void yaml_read(const char *text, size_t n, struct report *r, struct documents *ret)
{
	if (n > MANIFEST_MAX_BYTES) {
		report(r, 1, 1, R_TooLarge, "%zu bytes: the limit is %d", n, MANIFEST_MAX_BYTES);
		return;
	}
	if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* libyaml would count the mark as a column */
		text += 3;
		n -= 3;
	}
	int tag = tag_directive_line(text, n);
	if (tag) {
		report(r, tag, 1, R_InvalidValue, "tags are not part of the manifest language");
		return;
	}
	AUTO_FREE struct reader *s = xcalloc(1, sizeof *s);
	*s = (struct reader){.r = r, .docs = ret, .text = text, .n = n};
	do
		run_parser(s);
	while (s->failed && !s->stop && !report_full(r) && resume(s));
}
