/* Waiting for a version that was just deployed to serve in its environment. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/output.h"
#include "cli/rollback_text.h"
#include "cli/wait.h"

enum look { OPEN, SERVES, FAILED, SUPERSEDED, HELD };

struct rollout {
	struct cli *c;
	struct client *cl;
	const char *project, *function, *id, *environment, *url;
	int64_t version;
	/* seen last */
	json_t *deployment, *target; /* target NULL: none yet */
	int64_t newest, newer; /* of all; what is wanted there instead */
	const char *reason, *message; /* as told */
};

static bool is(const char *a, const char *b) { return strcmp(a, b) == 0; }

static void forget(struct rollout *k)
{
	json_decref(k->deployment);
	json_decref(k->target);
	k->deployment = k->target = NULL;
}

static enum err_class get(struct rollout *k, const char *what, const char *key, const char *value, json_t **ret, struct err *e)
{
	const char *query[] = {"project", k->project, key, value, NULL};
	return client_call(k->cl, "GET", arena_printf(k->c->arena, "/api/functions/%s/%s", k->id, what), query, NULL, ret, e);
}

static enum err_class look_at(struct rollout *k, struct err *e)
{
	AUTO_JSON json_t *page = NULL;
	AUTO_JSON json_t *targets = NULL;
	enum err_class class = get(k, "deployments", "limit", "1", &page, e);
	if (!class)
		class = get(k, "targets", "environment", k->environment, &targets, e);
	if (class)
		return class;
	json_t *newest = json_array_get(json_object_get(page, "items"), 0);
	k->newest = json_int_or(newest, "version", 0);
	k->target = json_incref(json_array_get(json_object_get(targets, "items"), 0));
	if (k->newest == k->version)
		k->deployment = json_incref(newest);
	else
		class = get(k, arena_printf(k->c->arena, "deployments/%lld", (long long)k->version), NULL, NULL, &k->deployment, e);
	return class;
}

static enum look told(struct rollout *k, enum look look, const char *reason, const char *message)
{
	k->reason = arena_strdup(k->c->arena, reason);
	k->message = arena_strdup(k->c->arena, message);
	return look;
}

/* What follows takes the newest version; where somebody decides, the one decided on. */
static bool newer_is_wanted(struct rollout *k, const char *mode, int64_t want)
{
	k->newer = is(mode, "explicit") || is(mode, "pin") ? want : k->newest;
	return k->newer > k->version;
}

static enum look judge(struct rollout *k)
{
	const json_t *t = k->target;
	const char *built = json_str_or(k->deployment, "status", ""), *status = json_str_or(t, "status", "");
	int64_t want = json_int_or(t, "wantedVersion", 0);
	if (t && json_int_or(t, "version", 0) == k->version && !json_bool_or(t, "switching", false))
		return told(k, SERVES, "Serving", arena_printf(k->c->arena, "version %lld", (long long)k->version));
	if (t && json_bool_or(t, "held", false)) /* since: a deploy ends what was held before */
		return told(k, HELD, "Held", hold_text(k->c->arena, t));
	if (newer_is_wanted(k, json_str_or(t, "mode", ""), want))
		return told(k, SUPERSEDED, "Building", arena_printf(k->c->arena, "superseded by version %lld", (long long)k->newer));
	if (is(built, "failed"))
		return told(k, FAILED, json_str_or(k->deployment, "reason", ""), json_str_or(k->deployment, "message", ""));
	if (want != k->version)
		return told(k, OPEN, is(built, "building") ? "Building" : "Pending",
			    arena_printf(k->c->arena, is(built, "building") ? "version %lld is being built" : "version %lld waits for its turn",
					 (long long)k->version));
	bool current = !json_bool_or(t, "pending", false), settled = *status && !reason_progresses(reason_parse(status));
	if (!current && settled) /* of what was wanted before */
		return OPEN;
	return told(k, settled && !is(status, "Serving") && !is(status, "Stopped") ? FAILED : OPEN, status, json_str_or(t, "message", ""));
}

/* While it waits for something outside that is away, the version and the target say only that they wait. Not asked of a deploy that takes its time and no more. */
static void see_outage(struct rollout *k)
{
	struct err ignored = ERR_INIT;
	AUTO_JSON json_t *doc = NULL;
	const char *query[] = {"project", k->project, NULL}, *message, *reason = target_outage(k->target, &message);
	if (!reason && client_call(k->cl, "GET", object_path(k->c, KIND_FUNCTION, k->id), query, NULL, &doc, &ignored) == OK)
		reason = function_outage(doc, &message);
	if (reason)
		(void)told(k, OPEN, reason, message);
}

static enum exit_code serves(const struct rollout *k, int64_t began_ms)
{
	bool stopped = is(json_str_or(k->target, "status", ""), "Stopped");
	(void)printf("%s version %lld %s in %s: %s (%lld ms)\n", k->function, (long long)k->version, stopped ? "is stopped" : "serves", k->environment, k->url,
		     (long long)(clock_mono_ms() - began_ms));
	(void)fflush(stdout);
	return EXIT_OK;
}

static enum exit_code ended(const struct rollout *k, enum look look, int64_t began_ms)
{
	const char *subject = arena_printf(k->c->arena, "%s version %lld", k->function, (long long)k->version);
	int64_t now = json_int_or(k->target, "version", 0);
	if (look == SERVES)
		return serves(k, began_ms);
	if (look == SUPERSEDED) {
		(void)fprintf(stderr, "error: %s was superseded by version %lld before it served in %s\n  next: fnctl describe function/%s\n", subject,
			      (long long)k->newer, k->environment, k->function);
		return EXIT_FAILED;
	}
	(void)fprintf(stderr, "error: %s does not serve in %s: %s (%s)\n", subject, k->environment, plain_copy(k->c->arena, k->message), k->reason);
	if (look == FAILED && now && !strstr(k->message, "keeps serving"))
		(void)fprintf(stderr, "  version %lld keeps serving\n", (long long)now);
	(void)fprintf(stderr, "  next: fnctl describe function/%s; fnctl logs %s\n", k->function, k->function);
	return look == HELD ? EXIT_HELD : EXIT_FAILED;
}

static enum exit_code late(const struct rollout *k, int64_t timeout_ms)
{
	const char *what = arena_printf(k->c->arena, "%s version %lld does not serve in %s", k->function, (long long)k->version, k->environment);
	bool away = reason_is_outage(reason_parse(k->reason)) && *k->reason;
	return wait_late(k->c, k->function, what, away ? arena_printf(k->c->arena, "%s: %s", k->reason, k->message) : k->message, timeout_ms);
}

/* Whoever has just deployed has met the controller: when it is away it will be back. */
static enum exit_code lost(const struct rollout *k, const struct err *e)
{
	if (!is(e->reason, reason_token(R_NotFound)))
		return fail(k->c, e);
	(void)fprintf(stderr, "error: %s was removed before version %lld served in %s\n", k->function, (long long)k->version, k->environment);
	return EXIT_FAILED;
}

enum exit_code wait_version(struct cli *c, const json_t *deployed, int64_t began_ms, int64_t timeout_ms)
{
	struct err e = ERR_INIT;
	struct rollout k = {
		.c = c, .project = json_str_or(deployed, "project", "default"), .function = json_str_or(deployed, "function", ""),
		.id = json_str_or(deployed, "id", ""), .environment = json_str_or(deployed, "environment", ""), .url = json_str_or(deployed, "url", ""),
		.version = json_int_or(deployed, "version", 0), .reason = "Pending", .message = "",
	};
	struct waited w = {.kind = KIND_FUNCTION, .name = k.function};
	size_t drawn = 0;
	if (cli_client(c, &k.cl, &e) != OK)
		return fail(c, &e);
	for (int64_t start = clock_mono_ms();;) {
		enum err_class class = look_at(&k, &e);
		if (class && class != TRANSIENT && class != CONFLICT) {
			forget(&k);
			return lost(&k, &e);
		}
		int64_t waited = clock_mono_ms() - start;
		enum look look = class ? told(&k, OPEN, e.reason, e.msg) : judge(&k);
		if (!class && look == OPEN && waited >= OUTAGE_AFTER_MS)
			see_outage(&k);
		w.done = look == SERVES;
		w.failed = look != SERVES && look != OPEN;
		wait_progress(c, &w, &drawn, k.reason, k.message);
		bool over = look == OPEN && waited >= timeout_ms;
		enum exit_code code = over ? late(&k, timeout_ms) : look != OPEN ? ended(&k, look, began_ms) : EXIT_OK;
		forget(&k);
		if (over || look != OPEN)
			return code;
		wait_pause(waited);
	}
}
