#include <stdio.h>
#include <string.h>

#include "cli/holds.h"
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

/* Whether there is something that a rollback keeps from serving; waiting has told of what it found held. */
static bool print_holds(const struct cli *c, const json_t *items, const struct waited *waited)
{
	bool any = false;
	size_t i;
	json_t *it;
	json_array_foreach(items, i, it) {
		bool told = waited && waited[i].kind == KIND_FUNCTION && waited[i].held && !waited[i].done;
		any = told || holds_print(c, it) || any;
	}
	return any;
}

static struct waited *to_wait_for(const struct cli *c, const json_t *items)
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
	return objects;
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
	struct waited *waited = flag_on(c, FLAG_WAIT) && !dry ? to_wait_for(c, items) : NULL;
	enum exit_code code = waited ? wait_ready(c, waited, json_array_size(items), timeout_ms) : EXIT_OK;
	bool held = print_holds(c, items, waited);
	return code == EXIT_OK && held && !dry ? EXIT_HELD : code;
}
