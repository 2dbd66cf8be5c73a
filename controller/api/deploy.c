/* POST /functions/{id}/deploy: the next version of one function, of a manifest, an uploaded source, the archive in the body, or what is declared. */
#include <string.h>

#include "api/admission.h"
#include "api/ask.h"
#include "api/body.h"
#include "api/handlers.h"
#include "base/note.h"
#include "reconcilers/function/deploy.h"

struct asked {
	struct deploy_request q;
	bool dry_run;
};

/* ---- the body: JSON is collected, an archive goes among the uploads ---- */

static bool is_archive(const struct request *r)
{
	static const char *const types[] = {"application/gzip", "application/x-gzip", "application/x-tar+gzip", "application/octet-stream"};
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (body_is(r, types[i]))
			return true;
	return false;
}

static enum err_class sink_open(struct request *r, struct err *e)
{
	if (body_is(r, "application/json"))
		return OK;
	if (!is_archive(r))
		return err_set(e, INVALID, R_BadRequest, "the Content-Type must be application/json, or application/gzip for the archive itself");
	return upload_begin(r, NULL, e);
}

static enum err_class sink_write(struct request *r, const void *p, size_t n, struct err *e)
{
	if (r->sink_state)
		return upload_write(r, p, n, e);
	if (r->body.len + n > API_BODY_MAX)
		return err_set(e, INVALID, R_TooLarge, "the body has more than the %d bytes allowed here", API_BODY_MAX);
	(void)buf_add(&r->body, p, n); /* fits: an archive may be larger */
	return OK;
}

const struct sink deploy_sink = {sink_open, sink_write, upload_close};

/* ---- what is asked ---- */

static enum err_class read_query(struct request *r, struct asked *a, struct err *e)
{
	enum err_class c = request_name(r, "environment", &a->q.environment, e);
	if (!c)
		c = request_bool(r, "force", &a->q.force, e);
	if (!c)
		c = request_bool(r, "dryRun", &a->dry_run, e);
	a->q.note = request_query(r, "note");
	return !c && a->q.note ? note_check(a->q.note, "?note=", R_BadRequest, R_BadRequest, e) : c;
}

/* What the body says goes before the query. */
static enum err_class read_options(const json_t *body, struct asked *a, struct err *e)
{
	const char *environment, *note;
	enum err_class c = body_name(body, "environment", &environment, e);
	if (!c)
		c = body_note(body, &note, e);
	if (!c)
		c = body_flag(body, "force", &a->q.force, e);
	if (!c)
		c = body_flag(body, "dryRun", &a->dry_run, e);
	if (c)
		return c;
	if (environment)
		a->q.environment = environment;
	if (*note)
		a->q.note = note;
	return OK;
}

static void set_source(struct request *r, struct asked *a, const char *digest)
{
	struct digest d;
	a->q.uploaded = digest && digest_parse(digest, &d) && uploads_has(r->api, &d);
}

/* A document that names its project needs no ?project=. */
static enum err_class take_document(struct request *r, struct asked *a, const struct admission *ad, struct err *e)
{
	const struct manifest *m = &ad->ms.items[0], *other = m->kind != KIND_FUNCTION ? m : ad->ms.n > 1 ? &ad->ms.items[1] : NULL;
	if (other)
		return err_set(e, INVALID, R_BadRequest, "%s:%d: %s/%s: a deploy takes one Function document; apply the others", other->file, other->line,
			       kind_info(other->kind)->singular, other->name);
	const char *project, *name;
	enum err_class c = request_object(r, KIND_FUNCTION, &project, &name, e);
	if (c)
		return c;
	if (strcmp(name, r->id) == 0 && !request_query(r, "project"))
		project = m->project;
	if (strcmp(m->name, name) != 0 || strcmp(m->project, project) != 0)
		return err_set(e, INVALID, R_BadRequest, "%s:%d declares function/%s of project \"%s\", not %s of \"%s\"", m->file, m->line, m->name, m->project, name,
			       project);
	a->q.manifest = m;
	a->q.project = m->project;
	a->q.function = m->name;
	set_source(r, a, m->spec.function.source_digest);
	return OK;
}

static enum err_class read_files(struct request *r, struct asked *a, const json_t *body, struct err *e)
{
	struct admission ad;
	enum err_class c = admission_documents(r, body, &ad, e);
	return c ? c : take_document(r, a, &ad, e);
}

static enum err_class read_digest(struct request *r, struct asked *a, const json_t *body, struct err *e)
{
	struct digest d;
	enum err_class c = request_object(r, KIND_FUNCTION, &a->q.project, &a->q.function, e);
	if (c || !json_object_get(body, "digest"))
		return c;
	c = json_need_digest(body, "digest", &d, e);
	a->q.source_digest = json_str_or(body, "digest", NULL);
	set_source(r, a, a->q.source_digest);
	return c;
}

static enum err_class read_json(struct request *r, struct asked *a, struct err *e)
{
	static const char *const members[] = {"files", "sources", "digest", "environment", "note", "force", "dryRun"};
	const json_t *body;
	enum err_class c = body_object(r, members, ARRAY_LEN(members), &body, e);
	if (!c)
		c = read_options(body, a, e);
	if (c)
		return c;
	bool files = json_object_get(body, "files");
	if (files ? json_object_get(body, "digest") != NULL : json_object_get(body, "sources") != NULL)
		return err_set(e, INVALID, R_BadRequest, "\"sources\" goes with \"files\", and \"digest\" stands alone");
	return files ? read_files(r, a, body, e) : read_digest(r, a, body, e);
}

static enum err_class read_archive(struct request *r, struct asked *a, struct err *e)
{
	struct digest d;
	char text[DIGEST_TEXT];
	enum err_class c = request_object(r, KIND_FUNCTION, &a->q.project, &a->q.function, e);
	if (!c)
		c = upload_take(r, &d, e);
	if (c)
		return c;
	a->q.source_digest = arena_strdup(&r->arena, digest_text(&d, text));
	a->q.uploaded = true;
	return OK;
}

/* What is wrong about the document is told with its position. */
static enum err_class ask_deploy(struct request *r, struct store *s, const void *what, json_t **ret, struct err *e)
{
	const struct asked *a = what;
	enum err_class c = deploy_request(s, &a->q, &r->arena, ret, e);
	bool of_document = strcmp(e->reason, reason_token(R_UnknownRuntime)) == 0 || strcmp(e->reason, reason_token(R_SourceMissing)) == 0;
	if (c == INVALID && a->q.manifest && of_document)
		admission_problem(r, a->q.manifest, e);
	return c;
}

enum err_class post_deploy(struct request *r, struct err *e)
{
	struct asked a = {.q.actor = r->actor};
	enum err_class c = read_query(r, &a, e);
	if (!c)
		c = r->sink_state ? read_archive(r, &a, e) : read_json(r, &a, e);
	return c ? c : ask(r, ask_deploy, &a, a.dry_run, e);
}
