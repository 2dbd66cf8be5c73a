#include "api/admission.h"

#include <string.h>

#include "api/body.h"
#include "api/diff.h"
#include "api/handlers.h"
#include "base/utf8.h"

static void add_problem(struct request *r, const char *file, int line, int column, const char *reason, const char *object, const char *message)
{
	if (!r->problems)
		r->problems = json_array();
	if (json_array_size(r->problems) >= MANIFEST_MAX_PROBLEMS)
		return;
	json_t *j = json_object();
	json_object_set_new(j, "file", json_clean(file));
	json_object_set_new(j, "line", json_integer(line));
	json_object_set_new(j, "column", json_integer(column));
	json_object_set_new(j, "reason", json_string(reason));
	json_object_set_new(j, "object", json_clean(object));
	json_object_set_new(j, "message", json_clean(message));
	json_array_append_new(r->problems, j);
}

void admission_problem(struct request *r, const struct manifest *m, const struct err *e)
{
	const char *object = arena_printf(&r->arena, "%s/%s", kind_info(m->kind)->singular, m->name);
	add_problem(r, m->file, m->line, 1, e->reason, object, e->msg);
}

/* The first problem's reason, except that OwnedByManifest (409) is told only where ownership is all that stands in the way. */
static enum reason verdict_reason(const json_t *problems)
{
	size_t i;
	const json_t *p;
	json_array_foreach(problems, i, p) {
		const char *token = json_str_or(p, "reason", "");
		for (unsigned k = 0; k < REASON_COUNT; k++)
			if (k != R_OwnedByManifest && strcmp(reason_token((enum reason)k), token) == 0)
				return (enum reason)k;
	}
	return R_OwnedByManifest;
}

enum err_class admission_verdict(struct request *r, struct err *e)
{
	size_t n = json_array_size(r->problems);
	if (n == 0)
		return OK;
	const json_t *first = json_array_get(r->problems, 0);
	return err_set(e, INVALID, verdict_reason(r->problems), "%zu problem%s, the first: %s:%lld: %s", n, n == 1 ? "" : "s", json_str_or(first, "file", ""),
		       (long long)json_int_or(first, "line", 0), json_str_or(first, "message", ""));
}

static enum err_class decode_file(struct request *r, struct admission *ad, const char *name, const char *text, size_t n, struct err *e)
{
	enum err_class c = manifests_decode(name, text, n, &r->arena, &ad->ms, e);
	return c == INVALID ? OK : c; /* its problems are in ad->ms */
}

static enum err_class decode_files(struct request *r, struct admission *ad, const json_t *files, struct err *e)
{
	static const char *const members[] = {"name", "text"};
	if (!json_is_array(files) || json_array_size(files) == 0)
		return err_set(e, INVALID, R_BadRequest, "\"files\" must be an array of at least one {\"name\", \"text\"}");
	size_t i;
	const json_t *file;
	json_array_foreach(files, i, file) {
		const char *name, *text;
		if (!json_is_object(file))
			return err_set(e, INVALID, R_BadRequest, "files[%zu] must be an object", i);
		enum err_class c = body_members(file, members, ARRAY_LEN(members), "a file", e);
		if (!c)
			c = json_need_str(file, "name", &name, e);
		if (!c)
			c = json_need_str(file, "text", &text, e);
		if (!c && (strlen(name) > 4096 || !*name))
			c = err_set(e, INVALID, R_BadRequest, "a file's name has 1 to 4096 bytes");
		if (c)
			return err_wrap(e, "files[%zu]", i), c;
		c = decode_file(r, ad, arena_strdup(&r->arena, name), text, json_string_length(json_object_get(file, "text")), e);
		if (c)
			return c;
	}
	return OK;
}

static struct manifest *find_function(struct admission *ad, const char *object)
{
	for (size_t i = 0; i < ad->ms.n; i++) {
		struct manifest *m = &ad->ms.items[i];
		size_t n = strlen(m->project);
		if (m->kind == KIND_FUNCTION && strncmp(object, m->project, n) == 0 && object[n] == '/' && strcmp(object + n + 1, m->name) == 0)
			return m;
	}
	return NULL;
}

static enum err_class set_sources(struct request *r, struct admission *ad, const json_t *sources, struct err *e)
{
	if (sources && !json_is_object(sources))
		return err_set(e, INVALID, R_BadRequest, "\"sources\" must be an object of \"project/function\": \"sha256:…\"");
	for (void *it = json_object_iter((json_t *)sources); it; it = json_object_iter_next((json_t *)sources, it)) {
		const char *object = json_object_iter_key(it);
		struct digest d;
		enum err_class c = json_need_digest(sources, object, &d, e);
		if (c)
			return err_wrap(e, "\"sources\""), c;
		struct manifest *m = find_function(ad, object);
		if (!m && ad->ms.nproblems == 0) /* else it may be the document with the problem */
			return err_set(e, INVALID, R_BadRequest, "\"sources\" names \"%.90s\", which is no function of these files", object);
		if (m)
			m->spec.function.source_digest = arena_strdup(&r->arena, json_string_value(json_object_iter_value(it)));
	}
	return OK;
}

static enum err_class read_json(struct request *r, struct admission *ad, struct err *e)
{
	static const char *const members[] = {"files", "sources", "force", "dryRun"};
	const json_t *body;
	enum err_class c = body_object(r, members, ARRAY_LEN(members), &body, e);
	if (!c)
		c = body_flag(body, "force", &ad->force, e);
	if (!c)
		c = body_flag(body, "dryRun", &ad->dry_run, e);
	if (!c)
		c = decode_files(r, ad, json_object_get(body, "files"), e);
	if (!c)
		c = set_sources(r, ad, json_object_get(body, "sources"), e);
	return c;
}

static enum err_class read_body(struct request *r, struct admission *ad, struct err *e)
{
	if (body_is(r, "application/json"))
		return read_json(r, ad, e);
	if (body_is(r, "application/yaml") || body_is(r, "application/x-yaml") || body_is(r, "text/yaml"))
		return decode_file(r, ad, "body", buf_str(&r->body), r->body.len, e);
	return err_set(e, INVALID, R_BadRequest, "the Content-Type must be application/json or application/yaml");
}

static enum err_class source_missing(const struct manifest *m, struct err *e)
{
	const struct function_spec *f = &m->spec.function;
	if (!f->source_digest && !f->source_dir)
		return err_set(e, INVALID, R_SourceMissing, "spec.source is missing: say where the program is, such as `source: {dir: .}`");
	if (!f->source_digest)
		return err_set(e, INVALID, R_SourceMissing, "the source \"%s\" was not uploaded: apply with fnctl, which packs and uploads it",
			       f->source_dir);
	return err_set(e, INVALID, R_SourceMissing, "the source %.71s was not uploaded: apply with fnctl, which packs and uploads it", f->source_digest);
}

static void collect_problems(struct request *r, struct admission *ad)
{
	for (size_t i = 0; i < ad->ms.nproblems; i++) {
		const struct problem *p = &ad->ms.problems[i];
		add_problem(r, p->file, p->line, p->column, reason_token(p->reason), p->object, p->message);
	}
	for (size_t i = 0; i < ad->ms.n; i++) {
		const struct manifest *m = &ad->ms.items[i];
		struct err e = ERR_INIT;
		if (m->kind != KIND_FUNCTION || m->spec.function.source_digest)
			continue;
		(void)source_missing(m, &e); /* the class is known */
		admission_problem(r, m, &e);
	}
}

/* All problems at once, or the documents in order. */
static enum err_class conclude(struct request *r, struct admission *ad, struct err *e)
{
	collect_problems(r, ad);
	enum err_class c = admission_verdict(r, e);
	if (!c && ad->ms.n == 0)
		c = err_set(e, INVALID, R_BadRequest, "there is no document in what was sent");
	if (!c)
		ad->order = apply_order(ad->ms.items, ad->ms.n, &r->arena);
	return c;
}

enum err_class admission_documents(struct request *r, const json_t *body, struct admission *ret, struct err *e)
{
	struct admission ad = {0};
	enum err_class c = decode_files(r, &ad, json_object_get(body, "files"), e);
	if (!c)
		c = set_sources(r, &ad, json_object_get(body, "sources"), e);
	if (!c)
		c = conclude(r, &ad, e);
	if (!c)
		*ret = ad;
	return c;
}

enum err_class admission_read(struct request *r, struct admission *ret, struct err *e)
{
	struct admission ad = {0};
	enum err_class c = request_bool(r, "force", &ad.force, e);
	if (!c)
		c = request_bool(r, "dryRun", &ad.dry_run, e);
	if (!c)
		c = read_body(r, &ad, e);
	if (!c)
		c = conclude(r, &ad, e);
	if (!c)
		*ret = ad;
	return c;
}

enum err_class admission_source(struct request *r, struct store *s, const struct manifest *m, struct err *e)
{
	struct digest want;
	if (m->kind != KIND_FUNCTION)
		return OK;
	if (!digest_parse(m->spec.function.source_digest, &want))
		return err_set(e, INVALID, R_InvalidValue, "spec.source.digest is not a digest (sha256: and 64 hex digits)");
	if (uploads_has(r->api, &want))
		return OK;
	struct manifest_row row;
	enum err_class c = manifest_load(s, KIND_FUNCTION, m->project, m->name, &r->arena, &row, e);
	if (c)
		return c;
	const char *known = row.found ? row.m.spec.function.source_digest : NULL;
	return known && strcmp(known, m->spec.function.source_digest) == 0 ? OK : source_missing(m, e);
}
