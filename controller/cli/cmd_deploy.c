#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/deploy_body.h"
#include "cli/output.h"
#include "cli/wait.h"

/* The hold that it ended, and where it goes, unless that is waited for. */
static void print_taken(const struct cli *c, const json_t *answer)
{
	const json_t *released = json_object_get(answer, "released");
	const char *function = json_str_or(answer, "function", ""), *environment = json_str_or(answer, "environment", ""), *note = json_str_or(released, "note", "");
	long long version = json_int_or(answer, "version", 0);
	bool dry = flag_on(c, FLAG_DRY_RUN), created = json_bool_or(answer, "created", false);
	if (json_is_object(released))
		(void)printf("%s in %s: version %lld %s no longer held (by %s's rollback%s%s)\n", function, environment,
			     (long long)json_int_or(released, "version", 0), dry ? "would be" : "is", json_str_or(released, "actor", ""), *note ? ": " : "",
			     plain_copy(c->arena, note));
	if (dry)
		(void)printf("%s version %lld would be deployed to %s%s (server dry run)\n", function, version, environment, created ? "; the function is new" : "");
	else if (flag_on(c, FLAG_NO_WAIT))
		(void)printf("%s version %lld is being deployed to %s: %s\n", function, version, environment, json_str_or(answer, "url", ""));
	(void)fflush(stdout);
}

static enum exit_code deploy(struct cli *c, const struct deploy_body *b, int64_t began_ms, int64_t timeout_ms)
{
	struct err e = ERR_INIT;
	struct client *cl;
	AUTO_JSON json_t *answer = NULL;
	const char *query[] = {"project", b->project, NULL};
	const char *path = arena_printf(c->arena, "%s/deploy", object_path(c, KIND_FUNCTION, b->function));
	if (cli_client(c, &cl, &e) != OK || client_call(cl, "POST", path, query, b->json, &answer, &e) != OK)
		return fail(c, &e);
	print_taken(c, answer);
	return flag_on(c, FLAG_NO_WAIT) || flag_on(c, FLAG_DRY_RUN) ? EXIT_OK : wait_version(c, answer, began_ms, timeout_ms);
}

enum exit_code cmd_deploy(struct cli *c)
{
	struct err e = ERR_INIT;
	struct deploy_body b = {0};
	int64_t began_ms = clock_mono_ms(), timeout_ms;
	if (flag_on(c, FLAG_DRY_RUN) && strcmp(flag_or(c, FLAG_DRY_RUN, ""), "server") != 0) {
		(void)err_set(&e, INVALID, R_InvalidFlag, "--dry-run takes only \"server\"");
		return fail(c, &e);
	}
	if (flag_duration(c, FLAG_TIMEOUT, WAIT_DEFAULT_MS, &timeout_ms, &e) != OK)
		return fail(c, &e);
	enum err_class class = deploy_body(c, &b, &e);
	enum exit_code code = class && b.docs.nproblems > 0 ? fail_locally(c, &b.docs, &e) : class ? fail(c, &e) : deploy(c, &b, began_ms, timeout_ms);
	json_decref(b.json);
	return code;
}
