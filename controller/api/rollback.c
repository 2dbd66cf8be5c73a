/* POST /functions/{id}/rollback and /release-hold: what is asked of a target beside declaring. The loop does the rest. */
#include "api/ask.h"
#include "api/body.h"
#include "api/handlers.h"
#include "reconcilers/target/rollback.h"

struct asked {
	const char *project, *function, *environment, *note;
	int64_t version;
	bool dry_run;
};

static enum err_class ask_rollback(struct request *r, struct store *s, const void *what, json_t **ret, struct err *e)
{
	const struct asked *a = what;
	const struct rollback_request q = {.project = a->project, .function = a->function, .environment = a->environment, .actor = r->actor, .note = a->note,
					   .version = a->version};
	enum err_class c = rollback_request(s, &q, &r->arena, ret, e);
	if (!c && a->dry_run)
		(void)json_object_del(*ret, "id"); /* of what is taken back */
	return c;
}

static enum err_class ask_release(struct request *r, struct store *s, const void *what, json_t **ret, struct err *e)
{
	const struct asked *a = what;
	return hold_release(s, a->project, a->function, a->environment, r->actor, &r->arena, ret, e);
}

enum err_class post_rollback(struct request *r, struct err *e)
{
	static const char *const members[] = {"version", "environment", "note", "dryRun"};
	struct asked a = {0};
	const json_t *body;
	enum err_class c = body_options(r, members, ARRAY_LEN(members), &body, e);
	if (!c)
		c = body_version(body, "version", &a.version, e);
	if (!c)
		c = body_name(body, "environment", &a.environment, e);
	if (!c)
		c = body_note(body, &a.note, e);
	if (!c)
		c = body_flag(body, "dryRun", &a.dry_run, e);
	if (!c)
		c = request_function(r, &a.project, &a.function, e);
	return c ? c : ask(r, ask_rollback, &a, a.dry_run, e);
}

enum err_class post_release_hold(struct request *r, struct err *e)
{
	static const char *const members[] = {"environment"};
	struct asked a = {0};
	const json_t *body;
	enum err_class c = body_options(r, members, ARRAY_LEN(members), &body, e);
	if (!c)
		c = body_name(body, "environment", &a.environment, e);
	if (!c)
		c = request_function(r, &a.project, &a.function, e);
	return c ? c : ask(r, ask_release, &a, false, e);
}
