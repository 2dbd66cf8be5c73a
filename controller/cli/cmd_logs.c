#include <stdio.h>
#include <string.h>

#include "cli/client.h"

static bool print_line(void *ctx, const char *event, const json_t *line)
{
	(void)ctx;
	(void)event;
	(void)printf("%s %s %s\n", json_str_or(line, "at", ""), json_str_or(line, "instance", ""), json_str_or(line, "text", ""));
	return fflush(stdout) == 0;
}

enum exit_code cmd_logs(struct cli *c)
{
	struct err e = ERR_INIT;
	struct client *cl;
	const char *name;
	if (function_argument(c, "fnctl logs NAME", &name, &e) != OK)
		return fail(c, &e);
	const char *path = arena_printf(c->arena, "/api/functions/%s/logs", name);
	const char *query[12] = {"project", cli_project(c), "tail", flag_or(c, FLAG_TAIL, "100")};
	size_t n = 4;
	if (flag_on(c, FLAG_ENV)) {
		query[n++] = "environment";
		query[n++] = flag_or(c, FLAG_ENV, "");
	}
	bool follow = flag_on(c, FLAG_FOLLOW);
	if (follow) {
		query[n++] = "follow";
		query[n++] = "true";
	}
	query[n] = NULL;
	if (cli_client(c, &cl, &e) != OK)
		return fail(c, &e);
	if (follow)
		return client_stream(cl, path, query, print_line, NULL, &e) == OK ? EXIT_OK : fail(c, &e);
	AUTO_JSON json_t *answer = NULL;
	if (client_call(cl, "GET", path, query, NULL, &answer, &e) != OK)
		return fail(c, &e);
	size_t i;
	json_t *line;
	if (json_array_size(json_object_get(answer, "lines")) == 0)
		(void)fprintf(stderr, "no lines%s%s\n", flag_on(c, FLAG_ENV) ? " in " : "", flag_or(c, FLAG_ENV, ""));
	json_array_foreach(json_object_get(answer, "lines"), i, line)
		(void)print_line(NULL, "message", line);
	return EXIT_OK;
}
