#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/output.h"

static bool print_event(void *ctx, const char *event, const json_t *ev)
{
	const struct cli *c = ctx;
	(void)event;
	const char *environment = json_str_or(ev, "environment", "");
	AUTO_ARENA struct arena a = ARENA_INIT; /* for this event: a watch has no end */
	bool warning = strcmp(json_str_or(ev, "type", ""), "Warning") == 0;
	(void)printf("%s  %s%-7s%s  %s/%s%s%s  %s: %s\n", json_str_or(ev, "at", ""), c->colour && warning ? "\033[33m" : "",
		     json_str_or(ev, "type", ""), c->colour && warning ? "\033[0m" : "", json_str_or(ev, "kind", ""), json_str_or(ev, "name", ""),
		     *environment ? " in " : "", environment, json_str_or(ev, "reason", ""), plain_copy(&a, json_str_or(ev, "message", "")));
	return fflush(stdout) == 0;
}

enum exit_code cmd_events(struct cli *c)
{
	struct err e = ERR_INIT;
	struct client *cl;
	enum kind kind = KIND_FUNCTION;
	const char *name = NULL, *query[16];
	size_t n = 0;
	if (c->args.n && object_argument(c, 0, &kind, &name, &e) != OK)
		return fail(c, &e);
	if (!flag_on(c, FLAG_ALL_PROJECTS)) {
		query[n++] = "project";
		query[n++] = cli_project(c);
	}
	if (c->args.n) {
		query[n++] = "kind";
		query[n++] = kind_info(kind)->singular;
	}
	if (name) {
		query[n++] = "name";
		query[n++] = name;
	}
	query[n++] = "limit";
	query[n++] = flag_or(c, FLAG_TAIL, "100");
	query[n] = NULL;
	if (cli_client(c, &cl, &e) != OK)
		return fail(c, &e);
	if (flag_on(c, FLAG_WATCH))
		return client_stream(cl, "/api/events", query, print_event, c, &e) == OK ? EXIT_OK : fail(c, &e);
	AUTO_JSON json_t *events = NULL;
	if (client_call(cl, "GET", "/api/events", query, NULL, &events, &e) != OK)
		return fail(c, &e);
	size_t i;
	json_t *ev;
	json_array_foreach(json_object_get(events, "items"), i, ev)
		(void)print_event(c, "message", ev);
	return EXIT_OK;
}
