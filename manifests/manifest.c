/* Documents: which kind, then the kind's table, then what no table says. */
#include "manifests/manifest.h"

#include <string.h>

#include "base/names.h"
#include "manifests/decode.h"

/* status is what reads add. */
static const char *const members[] = {"apiVersion", "kind", "metadata", "spec", "status", NULL};

static bool need_text(struct report *r, const struct node *root, const char *name, const struct node **ret)
{
	const struct node *n = node_get(root, name);
	if (!n)
		report(r, root->line, root->column, R_MissingField, "%s is missing", name);
	else if (n->type != NODE_STRING)
		report(r, n->line, n->column, R_WrongType, "%s must be a text, not %s", name, node_describe(n, r->arena));
	else
		return *ret = n, true;
	return false;
}

static bool read_kind(struct report *r, const struct node *root, enum kind *ret)
{
	const struct node *n;
	const char *names[KIND_COUNT];
	if (!need_text(r, root, "kind", &n))
		return false;
	for (size_t i = 0; i < KIND_COUNT; i++) {
		names[i] = kind_info((enum kind)i)->name;
		if (strcmp(n->u.text, names[i]) == 0)
			return *ret = (enum kind)i, true;
	}
	const char *near = nearest_name(n->u.text, names, KIND_COUNT);
	enum kind other;
	if (!near && kind_parse(n->u.text, &other))
		near = kind_info(other)->name;
	if (near)
		report(r, n->line, n->column, R_UnknownKind, "kind \"%s\" is not known; did you mean \"%s\"?",
		       word_for_people(n->u.text, r->arena), near);
	else
		report(r, n->line, n->column, R_UnknownKind,
		       "kind \"%s\" is not known; there are Project, Runtime, Environment, Function and Pin",
		       word_for_people(n->u.text, r->arena));
	return false;
}

static void check_api_version(struct report *r, const struct node *root)
{
	const struct node *n;
	if (need_text(r, root, "apiVersion", &n) && strcmp(n->u.text, API_VERSION) != 0)
		report(r, n->line, n->column, R_UnknownKind, "apiVersion \"%s\" is not known; did you mean \"" API_VERSION "\"?",
		       word_for_people(n->u.text, r->arena));
}

/* "function/hello" as soon as both are known, however wrong the rest is. */
static const char *object_name(struct report *r, enum kind kind, const struct node *metadata)
{
	const struct node *name = node_get(metadata, "name");
	if (!name || name->type != NODE_STRING || !name_valid(name->u.text))
		return "";
	return arena_printf(r->arena, "%s/%s", kind_info(kind)->singular, name->u.text);
}

static void decode_part(struct report *r, const char *name, const struct field *table, const char *const *ignored,
			const struct node *root, void *base)
{
	struct where w = {NULL, name};
	const struct node *n = node_get(root, name);
	if (!n)
		decode_fields(r, &w, table, ignored, NULL, root->line, root->column, base);
	else if (want_map(r, &w, n))
		decode_fields(r, &w, table, ignored, n, n->line, n->column, base);
}

static void check_kind(struct report *r, const struct manifest *m, const struct node *spec)
{
	if (m->kind != KIND_ENVIRONMENT || !m->spec.environment.inherits || !m->name)
		return;
	const struct node *n = node_get(spec, "inherits");
	if (strcmp(m->spec.environment.inherits, m->name) == 0)
		report(r, n->line, n->column, R_InheritanceCycle, "spec.inherits names the environment itself");
}

static void decode_spec(struct report *r, const struct node *root, struct manifest *m)
{
	const struct kind_fields *k = kind_fields(m->kind);
	const struct node *spec = node_get(root, "spec");
	m->spec_line = spec ? spec->line : root->line;
	decode_part(r, "spec", k->spec, NULL, root, (char *)m + k->spec_offset);
	check_kind(r, m, spec);
}

static void unknown_members(struct report *r, const struct node *root)
{
	for (size_t i = 0; i < root->u.map.n && !report_full(r); i++) {
		const struct member *m = &root->u.map.items[i];
		size_t k = 0;
		while (members[k] && strcmp(members[k], m->key) != 0)
			k++;
		if (!members[k])
			report_unknown(r, NULL, m, members);
	}
}

/* One document; what is wrong is reported. */
static void decode_document(struct report *r, const struct node *root, struct manifest *m)
{
	*m = (struct manifest){.file = r->file, .line = root->line};
	r->object = "";
	if (root->type != NODE_MAP) {
		report(r, root->line, root->column, R_WrongType, "a manifest must be a mapping, not %s",
		       node_describe(root, r->arena));
		return;
	}
	bool known = read_kind(r, root, &m->kind);
	if (known)
		r->object = object_name(r, m->kind, node_get(root, "metadata"));
	check_api_version(r, root);
	unknown_members(r, root);
	if (!known)
		return; /* what the rest should be depends on it */
	decode_part(r, "metadata", kind_fields(m->kind)->metadata, metadata_ignored, root, m);
	if (m->kind == KIND_PROJECT)
		m->project = m->name;
	decode_spec(r, root, m);
}

static const struct manifest *find(const struct manifests *ms, const struct manifest *m)
{
	for (size_t i = 0; i < ms->n; i++) {
		const struct manifest *o = &ms->items[i];
		if (o->kind == m->kind && strcmp(o->name, m->name) == 0 && strcmp(o->project, m->project) == 0)
			return o;
	}
	return NULL;
}

static void add_document(struct report *r, const struct document *d)
{
	struct manifest m;
	size_t before = r->ms->nproblems;
	decode_document(r, d->root, &m);
	if (r->ms->nproblems > before || d->flawed || report_full(r))
		return;
	const struct manifest *twin = find(r->ms, &m);
	if (twin) {
		report(r, d->line, 1, R_DuplicateDocument, "%s/%s is declared twice, first at %s:%d",
		       kind_info(m.kind)->singular, m.name, twin->file, twin->line);
		return;
	}
	struct manifest *to = arena_push(r->arena, (void **)&r->ms->items, &r->ms->n, &r->ms->cap, sizeof *to);
	*to = m;
}

enum err_class manifests_decode(const char *file, const char *text, size_t n, struct arena *a, struct manifests *ms,
				struct err *e)
{
	struct report r = {.arena = a, .ms = ms, .file = arena_strdup(a, file), .object = ""};
	size_t first = ms->nproblems;
	struct documents docs = {0};
	yaml_read(text, n, &r, &docs);
	for (size_t i = 0; i < docs.n && !report_full(&r); i++)
		add_document(&r, &docs.items[i]);
	return report_end(&r, first, e);
}

/* ---- from JSON ---- */

/* {"kind","project","name","labels","annotations","spec"} as a document. */
static const json_t *flat(const json_t *doc, struct arena *a)
{
	enum kind k;
	const char *kind = json_str_or(doc, "kind", "");
	json_t *metadata = json_object(), *j = json_object();
	json_t *name = json_object_get(doc, "name"), *project = json_object_get(doc, "project");
	bool known = kind_parse(kind, &k), is_project = known && k == KIND_PROJECT;
	if (name)
		json_object_set(metadata, "name", name);
	if (project && !(is_project && json_equal(project, name)))
		json_object_set(metadata, "project", project);
	if (json_object_get(doc, "labels"))
		json_object_set(metadata, "labels", json_object_get(doc, "labels"));
	if (json_object_get(doc, "annotations"))
		json_object_set(metadata, "annotations", json_object_get(doc, "annotations"));
	json_object_set_new(j, "apiVersion", json_string(API_VERSION));
	if (json_object_get(doc, "kind"))
		json_object_set_new(j, "kind", known ? json_string(kind_info(k)->name)
						     : json_incref(json_object_get(doc, "kind")));
	json_object_set_new(j, "metadata", metadata);
	if (json_object_get(doc, "spec"))
		json_object_set(j, "spec", json_object_get(doc, "spec"));
	return json_in_arena(j, a);
}

enum err_class manifest_from_json(const json_t *doc, struct arena *a, struct manifest *ret, struct err *e)
{
	struct manifests ms = {0};
	struct report r = {.arena = a, .ms = &ms, .file = "", .object = ""};
	if (!json_is_object(doc))
		return err_set(e, INVALID, R_WrongType, "a manifest must be a mapping");
	struct manifest m;
	const struct node *root = json_read(json_object_get(doc, "metadata") ? doc : flat(doc, a), &r);
	if (root)
		decode_document(&r, root, &m);
	enum err_class class = report_end(&r, 0, e);
	if (class)
		return class;
	*ret = m;
	return OK;
}
