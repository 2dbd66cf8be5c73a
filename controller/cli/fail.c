#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/output.h"

static enum exit_code exit_code_of(const struct err *e)
{
	if (strcmp(e->reason, "ControllerUnavailable") == 0)
		return EXIT_UNREACHABLE;
	if (strcmp(e->reason, "OwnedByManifest") == 0 || strcmp(e->reason, "Pinned") == 0)
		return EXIT_CONFLICT;
	if (strcmp(e->reason, "GatewayUnavailable") == 0)
		return EXIT_FAILED; /* the controller has answered */
	switch (e->class) {
	case OK: return EXIT_OK;
	case TRANSIENT: return strcmp(e->reason, "Timeout") == 0 ? EXIT_TIMEOUT : EXIT_UNREACHABLE;
	case CONFLICT: return EXIT_CONFLICT;
	case INVALID: return EXIT_USAGE;
	case DENIED: return EXIT_DENIED;
	case BUG: return EXIT_FAILED;
	}
	return EXIT_FAILED;
}

static void print_problem(const json_t *p)
{
	int64_t line = json_int_or(p, "line", 0), column = json_int_or(p, "column", 0);
	const char *object = json_str_or(p, "object", "");
	(void)fprintf(stderr, "  %s", json_str_or(p, "file", ""));
	if (line)
		(void)fprintf(stderr, ":%lld:%lld", (long long)line, (long long)column);
	(void)fprintf(stderr, ": %s%s%s (%s)\n", object, *object ? ": " : "", json_str_or(p, "message", ""), json_str_or(p, "reason", ""));
}

static void print_local(const struct problem *p)
{
	(void)fprintf(stderr, "  %s:%d:%d: %s%s%s (%s)\n", p->file, p->line, p->column, p->object, *p->object ? ": " : "", p->message,
		      reason_token(p->reason));
}

/* The hint with the name that stands on the line for NAME, as a command takes it. */
static const char *hint_about(const struct cli *c, const char *reason)
{
	static const char word[] = "NAME";
	const char *hint = reason_hint(reason), *at = strstr(hint, word), *name;
	struct err ignored = ERR_INIT;
	if (!at || function_word(c, 0, "", &name, &ignored) != OK)
		return hint;
	return arena_printf(c->arena, "%.*s%s%s", (int)(at - hint), hint, command_subject(c, name), at + sizeof word - 1);
}

static enum exit_code end(const struct err *e, const char *next)
{
	if (*next)
		(void)fprintf(stderr, "  next: %s\n", next);
	return exit_code_of(e);
}

enum exit_code fail_locally(const struct cli *c, const struct manifests *docs, const struct err *e)
{
	(void)c; /* problems look the same on a terminal and elsewhere */
	(void)fprintf(stderr, "error: %s (%s)\n", e->msg, e->reason);
	for (size_t i = 0; i < docs->nproblems; i++)
		print_local(&docs->problems[i]);
	return end(e, reason_hint(e->reason));
}

enum exit_code fail(const struct cli *c, const struct err *e) { return fail_next(c, e, hint_about(c, e->reason)); }

enum exit_code fail_next(const struct cli *c, const struct err *e, const char *next)
{
	(void)fprintf(stderr, "error: %s (%s)\n", plain_copy(c->arena, e->msg), e->reason);
	size_t i;
	json_t *p;
	json_array_foreach(client_problems(c->client), i, p)
		print_problem(p);
	return end(e, next);
}

/* Whether the API says that there is none. */
static bool is_missing(struct cli *c, const char *path)
{
	struct err e = ERR_INIT;
	struct client *cl;
	const char *query[] = {"project", cli_project(c), NULL};
	return cli_client(c, &cl, &e) == OK && client_call(cl, "GET", path, query, NULL, NULL, &e) == INVALID && strcmp(e.reason, "NotFound") == 0;
}

enum exit_code fail_version(struct cli *c, const char *function, int64_t version, const struct err *e)
{
	const char *path = arena_printf(c->arena, "/api/functions/%s", function);
	if (!version || strcmp(e->reason, "NotFound") != 0 || is_missing(c, path) ||
	    !is_missing(c, arena_printf(c->arena, "%s/deployments/%lld", path, (long long)version)))
		return fail(c, e);
	return fail_next(c, e, arena_printf(c->arena, "`fnctl history %s` lists its versions", command_subject(c, function)));
}
