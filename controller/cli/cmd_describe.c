#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/describe.h"
#include "cli/output.h"
#include "cli/rollback_text.h"
#include "cli/wait.h"

void describe_value(const struct cli *c, const char *label, const char *value)
{
	if (value && *value)
		(void)printf("%-14s%s\n", label, plain_copy(c->arena, value));
}

static void print_number(const char *label, const json_t *v)
{
	if (json_is_integer(v))
		(void)printf("%-14s%lld\n", label, (long long)json_integer_value(v));
}

static void print_head(const struct cli *c, const json_t *doc)
{
	const json_t *meta = json_object_get(doc, "metadata"), *status = json_object_get(doc, "status");
	describe_value(c, "Name:", json_str_or(meta, "name", ""));
	describe_value(c, "Project:", json_str_or(meta, "project", ""));
	describe_value(c, "Kind:", json_str_or(doc, "kind", ""));
	describe_value(c, "Declared in:", json_str_or(meta, "source", ""));
	describe_value(c, "Owner:", json_str_or(meta, "owner", ""));
	describe_value(c, "Age:", age_of(c->arena, json_str_or(meta, "createdAt", NULL)));
	print_number("Generation:", json_object_get(meta, "generation"));
	describe_value(c, "ID:", json_str_or(status, "id", ""));
	print_number("Version:", json_object_get(status, "latestVersion"));
	print_number("Active:", json_object_get(status, "activeVersion"));
}

static void print_conditions(const struct cli *c, const json_t *doc)
{
	struct table t;
	table_init(&t, c->arena, 4);
	table_row(&t, (const char *[]){"  TYPE", "STATUS", "REASON", "MESSAGE"});
	size_t i;
	json_t *k;
	json_array_foreach(json_object_get(json_object_get(doc, "status"), "conditions"), i, k)
		table_row(&t, (const char *[]){arena_printf(c->arena, "  %s", json_str_or(k, "type", "")), json_str_or(k, "status", ""),
					       json_str_or(k, "reason", ""), json_str_or(k, "message", "")});
	(void)printf("Conditions:\n");
	table_print(&t);
}

/* A hold says more than the status that is about it. */
static void print_target_head(const struct cli *c, const json_t *t)
{
	int64_t version = json_int_or(t, "version", 0);
	bool held = json_bool_or(t, "held", false), says = held && strcmp(json_str_or(t, "status", ""), "Held") == 0;
	const char *message = says ? "" : plain_copy(c->arena, json_str_or(t, "message", ""));
	const char *what = version ? arena_printf(c->arena, "version %lld, release %lld, ", (long long)version, (long long)json_int_or(t, "release", 0)) : "";
	(void)printf("In %s: %s%s%s%s\n", json_str_or(t, "environment", ""), what, json_str_or(t, "status", ""), *message ? ": " : "", message);
	if (held)
		(void)printf("  %s\n", plain_copy(c->arena, hold_text(c->arena, t)));
	(void)printf("  %s\n", json_str_or(t, "url", ""));
}

static void print_targets(const struct cli *c, const json_t *targets)
{
	size_t i, k;
	json_t *t, *in;
	json_array_foreach(json_object_get(targets, "items"), i, t) {
		print_target_head(c, t);
		struct table rows;
		table_init(&rows, c->arena, 5);
		table_row(&rows, (const char *[]){"  INSTANCE", "RELEASE", "STATE", "RESTARTS", "MESSAGE"});
		json_array_foreach(json_object_get(t, "instances"), k, in)
			table_row(&rows, (const char *[]){
						 arena_printf(c->arena, "  %s", json_str_or(in, "name", "")),
						 arena_printf(c->arena, "%lld", (long long)json_int_or(in, "release", 0)), json_str_or(in, "state", ""),
						 arena_printf(c->arena, "%lld", (long long)json_int_or(in, "restarts", 0)), json_str_or(in, "message", "")});
		table_print(&rows);
	}
}

static void print_events(const struct cli *c, const json_t *events)
{
	struct table t;
	table_init(&t, c->arena, 4);
	table_row(&t, (const char *[]){"  AGE", "TYPE", "REASON", "MESSAGE"});
	size_t i;
	json_t *ev;
	json_array_foreach(json_object_get(events, "items"), i, ev)
		table_row(&t, (const char *[]){arena_printf(c->arena, "  %s", age_of(c->arena, json_str_or(ev, "at", NULL))), json_str_or(ev, "type", ""),
					       json_str_or(ev, "reason", ""), json_str_or(ev, "message", "")});
	(void)printf("Events:\n");
	table_print(&t);
}

/* What follows "deployment/" or "deployment "; NULL: the line is about something else. */
static const char *version_word(const struct cli *c, size_t *next)
{
	static const char *const words[] = {"deployment", "deployments", "deploys"};
	const char *first = c->args.n ? c->args.items[0] : "";
	size_t n = strcspn(first, "/");
	bool known = false;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		known = known || (strlen(words[i]) == n && strncmp(words[i], first, n) == 0);
	if (!known || (!first[n] && c->args.n < 2))
		return known ? "" : NULL;
	if (first[n])
		return first + n + 1;
	*next = 2;
	return c->args.items[1];
}

enum exit_code cmd_describe(struct cli *c)
{
	struct err e = ERR_INIT;
	struct client *cl;
	enum kind kind;
	const char *name;
	size_t next = 1;
	const char *version = version_word(c, &next);
	if (version)
		return describe_deployment(c, version, next);
	if (object_argument(c, 0, &kind, &name, &e) != OK)
		return fail(c, &e);
	if (!name) {
		(void)err_set(&e, INVALID, R_InvalidFlag, "say which %s to describe", kind_info(kind)->singular);
		return fail(c, &e);
	}
	AUTO_JSON json_t *doc = NULL;
	AUTO_JSON json_t *events = NULL;
	AUTO_JSON json_t *targets = NULL;
	const char *query[] = {"project", cli_project(c), NULL};
	const char *about[] = {"project", cli_project(c), "kind", kind_info(kind)->singular, "name", name, "limit", "20", NULL};
	const char *path = object_path(c, kind, name);
	if (cli_client(c, &cl, &e) != OK || client_call(cl, "GET", path, query, NULL, &doc, &e) != OK ||
	    client_call(cl, "GET", "/api/events", about, NULL, &events, &e) != OK)
		return fail(c, &e);
	if (kind == KIND_FUNCTION &&
	    client_call(cl, "GET", arena_printf(c->arena, "%s/targets", path), query, NULL, &targets, &e) != OK)
		return fail(c, &e);
	print_head(c, doc);
	print_conditions(c, doc);
	if (targets)
		print_targets(c, targets);
	print_events(c, events);
	return EXIT_OK;
}
