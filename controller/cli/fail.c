#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/output.h"

static enum exit_code exit_code_of(const struct err *e)
{
	if (strcmp(e->reason, "ControllerUnavailable") == 0)
		return EXIT_UNREACHABLE;
	if (strcmp(e->reason, "OwnedByManifest") == 0)
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

static enum exit_code end(const struct err *e)
{
	const char *hint = reason_hint(e->reason);
	if (*hint)
		(void)fprintf(stderr, "  next: %s\n", hint);
	return exit_code_of(e);
}

enum exit_code fail_locally(const struct cli *c, const struct manifests *docs, const struct err *e)
{
	(void)c; /* problems look the same on a terminal and elsewhere */
	(void)fprintf(stderr, "error: %s (%s)\n", e->msg, e->reason);
	for (size_t i = 0; i < docs->nproblems; i++)
		print_local(&docs->problems[i]);
	return end(e);
}

enum exit_code fail(const struct cli *c, const struct err *e)
{
	(void)fprintf(stderr, "error: %s (%s)\n", plain_copy(c->arena, e->msg), e->reason);
	size_t i;
	json_t *p;
	json_array_foreach(client_problems(c->client), i, p)
		print_problem(p);
	return end(e);
}
