#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/output.h"
#include "cli/wait.h"

static void print_value(const char *label, const char *value)
{
	if (value && *value)
		(void)printf("%-14s%s\n", label, value);
}

static void print_number(const char *label, const json_t *v)
{
	if (json_is_integer(v))
		(void)printf("%-14s%lld\n", label, (long long)json_integer_value(v));
}

static void print_head(const struct cli *c, const json_t *doc)
{
	const json_t *meta = json_object_get(doc, "metadata"), *status = json_object_get(doc, "status");
	print_value("Name:", json_str_or(meta, "name", ""));
	print_value("Project:", json_str_or(meta, "project", ""));
	print_value("Kind:", json_str_or(doc, "kind", ""));
	print_value("Declared in:", json_str_or(meta, "source", ""));
	print_value("Owner:", json_str_or(meta, "owner", ""));
	print_value("Age:", age_of(c->arena, json_str_or(meta, "createdAt", NULL)));
	print_number("Generation:", json_object_get(meta, "generation"));
	print_value("ID:", json_str_or(status, "id", ""));
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

static void print_targets(const struct cli *c, const json_t *targets)
{
	size_t i, k;
	json_t *t, *in;
	json_array_foreach(json_object_get(targets, "items"), i, t) {
		const char *message = plain_copy(c->arena, json_str_or(t, "message", ""));
		int64_t version = json_int_or(t, "version", 0);
		const char *what = version ? arena_printf(c->arena, "version %lld, release %lld, ", (long long)version,
							  (long long)json_int_or(t, "release", 0))
					   : "";
		(void)printf("In %s: %s%s%s%s\n  %s\n", json_str_or(t, "environment", ""), what, json_str_or(t, "status", ""), *message ? ": " : "",
			     message, json_str_or(t, "url", ""));
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

enum exit_code cmd_describe(struct cli *c)
{
	struct err e = ERR_INIT;
	struct client *cl;
	enum kind kind;
	const char *name;
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
