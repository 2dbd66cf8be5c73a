/* Waiting for one function in one environment, whatever becomes of it elsewhere. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/output.h"
#include "cli/wait.h"

enum look { OPEN, SERVES, GONE, HELD, FAILED };

static enum look judge(const json_t *target)
{
	const char *status = json_str_or(target, "status", "");
	if (!target)
		return GONE;
	if (json_bool_or(target, "pending", false) || json_bool_or(target, "switching", false) || reason_progresses(reason_parse(status)) || !*status)
		return OPEN;
	if (strcmp(status, "Serving") == 0 || strcmp(status, "Stopped") == 0)
		return SERVES;
	/* Until the next pass the status is that of a hold which has ended meanwhile. */
	if (strcmp(status, "Held") == 0)
		return json_bool_or(target, "held", false) ? HELD : OPEN;
	return FAILED;
}

static const char *status_line(struct arena *a, const json_t *target)
{
	const char *message = json_str_or(target, "message", "");
	return plain_copy(a, arena_printf(a, "%s%s%s", json_str_or(target, "status", ""), *message ? ": " : "", message));
}

static enum exit_code end(struct cli *c, enum look look, const json_t *target, const char *subject, const char *function)
{
	if (look == SERVES || look == GONE) {
		(void)printf("%s: %s\n", subject, look == GONE ? "does not run there any more" : status_line(c->arena, target));
		(void)fflush(stdout);
		return EXIT_OK;
	}
	(void)fprintf(stderr, "error: %s: %s\n  next: fnctl describe function/%s\n", subject, status_line(c->arena, target), function);
	return look == HELD ? EXIT_HELD : EXIT_FAILED;
}

enum exit_code wait_target(struct cli *c, const char *project, const char *function, const char *environment, int64_t timeout_ms)
{
	struct err e = ERR_INIT;
	struct client *cl;
	if (cli_client(c, &cl, &e) != OK)
		return fail(c, &e);
	const char *query[] = {"project", project, "environment", environment, NULL};
	const char *path = arena_printf(c->arena, "/api/functions/%s/targets", function), *subject = arena_printf(c->arena, "%s in %s", function, environment);
	for (int64_t start = clock_mono_ms();;) {
		AUTO_JSON json_t *page = NULL;
		enum err_class class = client_call(cl, "GET", path, query, NULL, &page, &e);
		if (class && class != TRANSIENT && class != CONFLICT)
			return fail(c, &e);
		const json_t *target = json_array_get(json_object_get(page, "items"), 0);
		enum look look = class ? OPEN : judge(target);
		if (look != OPEN)
			return end(c, look, target, subject, function);
		int64_t waited = clock_mono_ms() - start;
		if (waited >= timeout_ms) {
			return wait_late(c, function, arena_printf(c->arena, "%s is not settled", subject), class ? e.msg : status_line(c->arena, target), timeout_ms);
		}
		wait_pause(waited);
	}
}
