/* rollback and release-hold. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/output.h"
#include "cli/rollback_text.h"
#include "cli/wait.h"

enum { TEXT_MAX = 1 << 20 };

static void print(FILE *to, const struct cli *c, const struct buf *text)
{
	(void)fputs(plain_copy(c->arena, buf_str(text)), to);
	(void)fflush(to);
}

/* A warm rollback takes a few milliseconds: short at first, longer later. */
static void pause_between_looks(int64_t since_start_ms)
{
	int ms = since_start_ms < 200 ? 2 : since_start_ms < 2000 ? 10 : since_start_ms < 10000 ? 50 : 250;
	(void)poll(NULL, 0, ms);
}

static enum exit_code late(struct cli *c, const json_t *answer, const char *cause, int64_t timeout_ms)
{
	const char *function = json_str_or(answer, "function", "");
	const char *what = arena_printf(c->arena, "%s in %s does not serve version %lld", function, json_str_or(answer, "environment", ""),
					(long long)json_int_or(json_object_get(answer, "to"), "version", 0));
	return wait_late(c, function, what, cause, timeout_ms);
}

/* What keeps it waiting, as a line of progress: something outside that is away, or the controller itself. "": nothing that is known. */
static const char *see_cause(struct cli *c, struct client *cl, const json_t *answer, struct waited *w, size_t *drawn)
{
	struct err e = ERR_INIT;
	AUTO_JSON json_t *page = NULL;
	const char *query[] = {"project", json_str_or(answer, "project", "default"), "environment", json_str_or(answer, "environment", ""), NULL};
	const char *path = arena_printf(c->arena, "%s/targets", object_path(c, KIND_FUNCTION, w->name)), *reason = NULL, *message = "";
	enum err_class class = client_call(cl, "GET", path, query, NULL, &page, &e);
	if (class == TRANSIENT)
		reason = e.reason, message = e.msg;
	else if (!class)
		reason = target_outage(json_array_get(json_object_get(page, "items"), 0), &message);
	if (!reason)
		return "";
	wait_progress(c, w, drawn, reason, message);
	return arena_printf(c->arena, "%s: %s", reason, message);
}

static enum exit_code ended(const struct cli *c, const json_t *answer, const json_t *record)
{
	AUTO_BUF struct buf text = BUF_INIT(TEXT_MAX);
	bool done = strcmp(json_str_or(record, "state", ""), "done") == 0;
	rollback_end_text(answer, record, c->arena, &text);
	print(done ? stdout : stderr, c, &text);
	if (done)
		return EXIT_OK;
	return strcmp(json_str_or(record, "state", ""), "failed") == 0 ? EXIT_FAILED : EXIT_CONFLICT;
}

/* A rollback whose target went away has nobody left to end it. */
static bool is_open(const json_t *record)
{
	return strcmp(json_str_or(record, "state", ""), "pending") == 0 && json_is_object(json_object_get(record, "target"));
}

static enum exit_code wait_rollback(struct cli *c, const json_t *answer, int64_t timeout_ms)
{
	struct err e = ERR_INIT;
	struct client *cl;
	if (cli_client(c, &cl, &e) != OK)
		return fail(c, &e);
	const char *project = json_str_or(answer, "project", "default");
	const char *query[] = {"project", project, NULL};
	const char *path = arena_printf(c->arena, "/api/functions/%s/rollbacks/%s", json_str_or(answer, "function", ""), json_str_or(answer, "id", ""));
	struct waited w = {.kind = KIND_FUNCTION, .name = json_str_or(answer, "function", "")};
	size_t drawn = 0;
	const char *cause = "";
	for (int64_t start = clock_mono_ms();;) {
		AUTO_JSON json_t *record = NULL;
		enum err_class class = client_call(cl, "GET", path, query, NULL, &record, &e);
		if (class && class != TRANSIENT && class != CONFLICT)
			return fail(c, &e);
		if (!class && !is_open(record))
			return ended(c, answer, record);
		int64_t waited = clock_mono_ms() - start;
		if (waited >= OUTAGE_AFTER_MS)
			cause = see_cause(c, cl, answer, &w, &drawn);
		if (waited >= timeout_ms)
			return late(c, answer, cause, timeout_ms);
		pause_between_looks(waited);
	}
}

static enum err_class request_body(const struct cli *c, json_t *body, struct err *e)
{
	int64_t version = 0;
	const char *note;
	enum err_class noted = flag_note(c, &note, e);
	if (noted)
		return noted;
	if (c->args.n > 2)
		return err_set(e, INVALID, R_InvalidFlag, "\"%.40s\" is too many: fnctl rollback NAME [VERSION]", c->args.items[2]);
	if (flag_on(c, FLAG_DRY_RUN) && strcmp(flag_or(c, FLAG_DRY_RUN, ""), "server") != 0)
		return err_set(e, INVALID, R_InvalidFlag, "--dry-run takes only \"server\"");
	if (c->args.n == 2) {
		enum err_class class = version_argument(c->args.items[1], &version, e);
		if (class)
			return class;
		json_object_set_new(body, "version", json_integer(version));
	}
	if (note)
		json_object_set_new(body, "note", json_string(note));
	if (flag_on(c, FLAG_DRY_RUN))
		json_object_set_new(body, "dryRun", json_true());
	return flag_environment(c, body, e);
}

/* What will be done comes with the answer to the request that does it: one exchange. */
enum exit_code cmd_rollback(struct cli *c)
{
	struct err e = ERR_INIT;
	struct client *cl;
	const char *name;
	int64_t timeout_ms;
	AUTO_JSON json_t *body = json_object();
	AUTO_JSON json_t *answer = NULL;
	const char *query[] = {"project", cli_project(c), NULL};
	if (function_word(c, 0, "fnctl rollback NAME [VERSION]", &name, &e) != OK || request_body(c, body, &e) != OK ||
	    flag_duration(c, FLAG_TIMEOUT, WAIT_DEFAULT_MS, &timeout_ms, &e) != OK || cli_client(c, &cl, &e) != OK)
		return fail(c, &e);
	if (client_call(cl, "POST", arena_printf(c->arena, "/api/functions/%s/rollback", name), query, body, &answer, &e) != OK)
		return fail_version(c, name, json_int_or(body, "version", 0), &e);
	AUTO_BUF struct buf text = BUF_INIT(TEXT_MAX);
	rollback_plan_text(answer, c->arena, &text);
	print(stdout, c, &text);
	return flag_on(c, FLAG_DRY_RUN) || flag_on(c, FLAG_NO_WAIT) ? EXIT_OK : wait_rollback(c, answer, timeout_ms);
}

enum exit_code cmd_release_hold(struct cli *c)
{
	struct err e = ERR_INIT;
	struct client *cl;
	const char *name;
	int64_t timeout_ms;
	AUTO_JSON json_t *body = json_object();
	AUTO_JSON json_t *answer = NULL;
	const char *query[] = {"project", cli_project(c), NULL};
	if (function_argument(c, "fnctl release-hold NAME", &name, &e) != OK || flag_environment(c, body, &e) != OK || flag_duration(c, FLAG_TIMEOUT, WAIT_DEFAULT_MS, &timeout_ms, &e) != OK ||
	    cli_client(c, &cl, &e) != OK ||
	    client_call(cl, "POST", arena_printf(c->arena, "/api/functions/%s/release-hold", name), query, body, &answer, &e) != OK)
		return fail(c, &e);
	const json_t *released = json_object_get(answer, "released");
	const char *environment = json_str_or(answer, "environment", ""), *note = json_str_or(released, "note", "");
	AUTO_BUF struct buf text = BUF_INIT(TEXT_MAX);
	(void)buf_printf(&text, "%s in %s: version %lld is no longer held (by %s's rollback%s%s)\n", json_str_or(answer, "function", ""), environment,
			 (long long)json_int_or(released, "version", 0), json_str_or(released, "actor", ""), *note ? ": " : "", note);
	print(stdout, c, &text);
	if (flag_on(c, FLAG_NO_WAIT))
		return EXIT_OK;
	return wait_target(c, json_str_or(answer, "project", "default"), json_str_or(answer, "function", ""), environment, timeout_ms);
}
