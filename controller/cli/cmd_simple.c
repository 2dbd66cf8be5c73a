/* delete, wait and version: commands of one or two calls. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/version.h"
#include "cli/sources.h"
#include "cli/wait.h"

static enum exit_code ask_to_delete(struct cli *c, enum kind kind, const char *project, const char *name)
{
	struct err e = ERR_INIT;
	struct client *cl;
	const char *query[] = {"project", project, flag_on(c, FLAG_FORCE) ? "force" : NULL, "true", NULL};
	if (cli_client(c, &cl, &e) != OK || client_call(cl, "DELETE", object_path(c, kind, name), query, NULL, NULL, &e) != OK)
		return fail(c, &e);
	if (flag_on(c, FLAG_NO_WAIT))
		(void)printf("%s/%s is being deleted\n", kind_info(kind)->singular, name);
	return EXIT_OK;
}

static enum exit_code wait_deleted(struct cli *c, enum kind kind, const char *project, const char *name, int64_t timeout_ms)
{
	enum exit_code code = wait_gone(c, kind, project, name, timeout_ms);
	if (code == EXIT_OK)
		(void)printf("%s/%s deleted\n", kind_info(kind)->singular, name);
	(void)fflush(stdout);
	return code;
}

static enum exit_code delete_one(struct cli *c, enum kind kind, const char *project, const char *name, int64_t timeout_ms)
{
	enum exit_code code = ask_to_delete(c, kind, project, name);
	return code != EXIT_OK || flag_on(c, FLAG_NO_WAIT) ? code : wait_deleted(c, kind, project, name, timeout_ms);
}

/* All of one kind: first each is asked to go, then they are waited for. What cannot go does not keep the others; the first failure counts. */
static enum exit_code delete_kind(struct cli *c, const struct manifests *docs, enum kind kind, int64_t timeout_ms)
{
	enum exit_code first = EXIT_OK;
	bool *going = arena_array(c->arena, docs->n, sizeof *going);
	for (size_t i = docs->n; i > 0; i--) {
		const struct manifest *m = &docs->items[i - 1];
		enum exit_code code = m->kind == kind ? ask_to_delete(c, kind, m->project, m->name) : EXIT_OK;
		going[i - 1] = m->kind == kind && code == EXIT_OK;
		first = first == EXIT_OK ? code : first;
	}
	for (size_t i = docs->n; i > 0 && !flag_on(c, FLAG_NO_WAIT); i--) {
		const struct manifest *m = &docs->items[i - 1];
		enum exit_code code = going[i - 1] ? wait_deleted(c, kind, m->project, m->name, timeout_ms) : EXIT_OK;
		first = first == EXIT_OK ? code : first;
	}
	return first;
}

/* What was declared last goes first, so that nothing is removed before what refers to it. */
static enum exit_code delete_files(struct cli *c, int64_t timeout_ms)
{
	struct err e = ERR_INIT;
	struct manifests docs;
	AUTO_JSON json_t *body = NULL;
	if (no_arguments(c, &e) != OK)
		return fail(c, &e);
	if (sources_load(c, &docs, &body, &e) != OK)
		return fail_locally(c, &docs, &e);
	static const enum kind order[] = {KIND_PIN, KIND_FUNCTION, KIND_ENVIRONMENT, KIND_RUNTIME, KIND_PROJECT};
	enum exit_code first = EXIT_OK;
	for (size_t k = 0; k < ARRAY_LEN(order) && first != EXIT_UNREACHABLE; k++) {
		enum exit_code code = delete_kind(c, &docs, order[k], timeout_ms);
		first = first == EXIT_OK ? code : first;
	}
	return first;
}

enum exit_code cmd_delete(struct cli *c)
{
	struct err e = ERR_INIT;
	int64_t timeout_ms;
	enum kind kind;
	const char *name;
	if (flag_duration(c, FLAG_TIMEOUT, WAIT_DEFAULT_MS, &timeout_ms, &e) != OK)
		return fail(c, &e);
	if (flag_on(c, FLAG_FILE))
		return delete_files(c, timeout_ms);
	if (object_argument(c, 0, &kind, &name, &e) != OK)
		return fail(c, &e);
	if (!name) {
		(void)err_set(&e, INVALID, R_InvalidFlag, "say which %s to delete", kind_info(kind)->singular);
		return fail(c, &e);
	}
	return delete_one(c, kind, cli_project(c), name, timeout_ms);
}

enum exit_code cmd_wait(struct cli *c)
{
	struct err e = ERR_INIT;
	int64_t timeout_ms;
	struct waited w = {.project = cli_project(c)};
	const char *what = flag_or(c, FLAG_FOR, "condition=Ready");
	if (flag_duration(c, FLAG_TIMEOUT, WAIT_DEFAULT_MS, &timeout_ms, &e) != OK || object_argument(c, 0, &w.kind, &w.name, &e) != OK)
		return fail(c, &e);
	if (!w.name)
		(void)err_set(&e, INVALID, R_InvalidFlag, "say which %s to wait for", kind_info(w.kind)->singular);
	else if (strcmp(what, "delete") == 0)
		return wait_gone(c, w.kind, w.project, w.name, timeout_ms);
	else if (strcasecmp(what, "condition=Ready") == 0)
		return wait_ready(c, &w, 1, timeout_ms);
	else
		(void)err_set(&e, INVALID, R_InvalidFlag, "--for takes condition=Ready or delete, not \"%.60s\"", what);
	return fail(c, &e);
}

enum exit_code cmd_version(struct cli *c)
{
	struct err e = ERR_INIT;
	struct client *cl;
	AUTO_JSON json_t *about = NULL;
	if (no_arguments(c, &e) != OK)
		return fail(c, &e);
	(void)printf("fnctl %s\n", FN_VERSION);
	(void)fflush(stdout);
	if (cli_client(c, &cl, &e) != OK || client_call(cl, "GET", "/api/version", NULL, NULL, &about, &e) != OK)
		return fail(c, &e);
	(void)printf("fn-controller %s\ngateway %s\n", json_str_or(about, "version", "?"), json_str_or(about, "gateway", "?"));
	return EXIT_OK;
}
