#include <stdio.h>
#include <string.h>

#include "cli/output.h"
#include "cli/rollback_text.h"
#include "cli/sources.h"
#include "cli/wait.h"

static enum kind kind_named(const char *word)
{
	enum kind k = KIND_FUNCTION;
	(void)kind_parse(word, &k); /* the server speaks of known kinds only */
	return k;
}

static void print_changes(const json_t *items, bool dry)
{
	size_t i;
	json_t *it;
	json_array_foreach(items, i, it)
		(void)printf("%s/%s %s%s\n", kind_info(kind_named(json_str_or(it, "kind", "")))->singular, json_str_or(it, "name", ""),
			     json_str_or(it, "change", ""), dry ? " (server dry run)" : "");
	(void)fflush(stdout);
}

/* Says where a rollback keeps it from serving, and how that ends; whether there is such a place. */
static bool print_holds(const struct cli *c, const json_t *items)
{
	bool any = false;
	size_t i, k;
	json_t *it, *hold;
	json_array_foreach(items, i, it) {
		const char *kind = kind_info(kind_named(json_str_or(it, "kind", "")))->singular, *name = json_str_or(it, "name", "");
		json_array_foreach(json_object_get(it, "held"), k, hold) {
			const char *note = json_str_or(hold, "note", ""), *environment = json_str_or(hold, "environment", "");
			const char *function = json_str_or(hold, "function", name);
			const char *line = arena_printf(c->arena, "%s/%s: held in %s at version %lld by %s's rollback%s%s; `%s` ends it", kind, name, environment,
							(long long)json_int_or(hold, "version", 0), json_str_or(hold, "actor", ""), *note ? ": " : "", note,
							release_command(c->arena, json_str_or(it, "project", "default"), function, environment));
			(void)fprintf(stderr, "%s\n", plain_copy(c->arena, line));
			any = true;
		}
	}
	return any;
}

static enum exit_code wait_for(struct cli *c, const json_t *items, int64_t timeout_ms)
{
	size_t n = json_array_size(items), i;
	struct waited *objects = arena_array(c->arena, n, sizeof *objects);
	json_t *it;
	json_array_foreach(items, i, it)
		objects[i] = (struct waited){
			.kind = kind_named(json_str_or(it, "kind", "")),
			.project = json_str_or(it, "project", "default"),
			.name = json_str_or(it, "name", ""),
			.generation = json_int_or(it, "generation", 0),
		};
	return wait_ready(c, objects, n, timeout_ms);
}

enum exit_code cmd_apply(struct cli *c)
{
	struct err e = ERR_INIT;
	struct manifests docs;
	AUTO_JSON json_t *body = NULL;
	AUTO_JSON json_t *answer = NULL;
	struct client *cl;
	int64_t timeout_ms;
	bool dry = flag_on(c, FLAG_DRY_RUN);
	if (no_arguments(c, &e) != OK)
		return fail(c, &e);
	if (dry && strcmp(flag_or(c, FLAG_DRY_RUN, ""), "server") != 0) {
		(void)err_set(&e, INVALID, R_InvalidFlag, "--dry-run takes only \"server\"");
		return fail(c, &e);
	}
	if (flag_duration(c, FLAG_TIMEOUT, WAIT_DEFAULT_MS, &timeout_ms, &e) != OK)
		return fail(c, &e);
	if (sources_load(c, &docs, &body, &e) != OK)
		return fail_locally(c, &docs, &e);
	if (cli_client(c, &cl, &e) != OK || sources_upload(c, &docs, body, &e) != OK)
		return fail(c, &e);
	(void)json_object_set_new(body, "force", json_boolean(flag_on(c, FLAG_FORCE))); /* fails only out of memory */
	(void)json_object_set_new(body, "dryRun", json_boolean(dry));
	if (client_call(cl, "POST", "/api/apply", NULL, body, &answer, &e) != OK)
		return fail(c, &e);
	const json_t *items = json_object_get(answer, "items");
	print_changes(items, dry);
	enum exit_code held = print_holds(c, items) && !dry ? EXIT_HELD : EXIT_OK;
	enum exit_code waited = flag_on(c, FLAG_WAIT) && !dry ? wait_for(c, items, timeout_ms) : EXIT_OK;
	return waited == EXIT_OK ? held : waited;
}
