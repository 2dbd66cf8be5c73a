/* gc: what nothing uses any more, shown or collected. */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/client.h"
#include "cli/columns.h"
#include "cli/output.h"
#include "cli/wait.h"

/* ---- --dry-run ---- */

static const struct column columns[] = {
	{"FUNCTION", "function", false}, {"PROJECT", "project", true}, {"VERSION", "version", false}, {"STATUS", "status", false}, {"SIZE", "~size", true},
	{"KEPT BY", "keptBy", false}, {"RULE", "rule", false}, {"FREES", "~frees", false}, {NULL, NULL, false},
};

/* All pages; totals and the like are the first one's. */
static enum err_class fetch_report(struct cli *c, const char *function, json_t **ret, struct err *e)
{
	struct client *cl;
	AUTO_JSON json_t *all = NULL;
	const char *cursor = NULL;
	enum err_class class = cli_client(c, &cl, e);
	do {
		const char *query[9] = {"limit", "500"};
		size_t n = 2;
		if (function)
			query[n++] = "project", query[n++] = cli_project(c), query[n++] = "function", query[n++] = function;
		if (cursor)
			query[n++] = "cursor", query[n++] = cursor;
		AUTO_JSON json_t *page = NULL;
		if (!class)
			class = client_call(cl, "GET", "/api/gc", query, NULL, &page, e);
		if (class)
			return class;
		cursor = arena_strdup(c->arena, json_str_or(page, "next", NULL));
		if (!all)
			all = json_incref(page);
		else
			(void)json_array_extend(json_object_get(all, "items"), json_object_get(page, "items")); /* fails only out of memory */
	} while (cursor);
	*ret = json_incref(all);
	return OK;
}

static const char *place(const struct cli *c, const json_t *totals, const char *name, const char *what)
{
	const json_t *p = json_object_get(totals, name);
	int64_t count = json_int_or(p, "count", 0);
	if (count == 0)
		return "";
	return arena_printf(c->arena, ", %lld %s of %s", (long long)count, what, size_text(c->arena, json_int_or(p, "bytes", 0)));
}

static void print_totals(const struct cli *c, const json_t *report)
{
	const json_t *totals = json_object_get(report, "totals");
	int64_t versions = json_int_or(totals, "versions", 0), registry = json_int_or(totals, "registry", 0), store = json_int_or(totals, "store", 0);
	const char *cache = place(c, totals, "cache", "blobs in the cache"), *uploads = place(c, totals, "uploads", "uploads");
	if (versions == 0 && registry == 0 && store == 0 && !*cache && !*uploads) {
		(void)printf("nothing to collect\n");
		return;
	}
	(void)printf("to collect: %lld version%s, %s in the registry", (long long)versions, versions == 1 ? "" : "s", size_text(c->arena, registry));
	if (store)
		(void)printf(", %s in the artifact store", size_text(c->arena, store));
	(void)printf("%s%s; `fnctl gc` does it\n", cache, uploads);
}

/* One that has nothing to collect, or one that never was. */
static enum err_class find_function(struct cli *c, const char *name, struct err *e)
{
	struct client *cl;
	const char *query[] = {"project", cli_project(c), NULL};
	enum err_class class = cli_client(c, &cl, e);
	return class ? class : client_call(cl, "GET", object_path(c, KIND_FUNCTION, name), query, NULL, NULL, e);
}

static enum exit_code show(struct cli *c, const char *function, enum format f)
{
	struct err e = ERR_INIT;
	AUTO_JSON json_t *report = NULL;
	if (fetch_report(c, function, &report, &e) != OK)
		return fail(c, &e);
	const json_t *items = json_object_get(report, "items");
	if (function && json_array_size(items) == 0 && find_function(c, function, &e) != OK)
		return fail(c, &e);
	if (f == FORMAT_JSON || f == FORMAT_YAML)
		return output_value(report, f, &e) == OK ? EXIT_OK : fail(c, &e);
	if (json_array_size(items) > 0)
		columns_print(c, columns, items, f == FORMAT_WIDE);
	print_totals(c, report);
	return EXIT_OK;
}

/* ---- collecting ---- */

static void add_row(struct table *t, const struct cli *c, const char *name, int64_t count, const char *what, int64_t bytes)
{
	const char *removed = what ? arena_printf(c->arena, "%lld %s%s", (long long)count, what, count == 1 ? "" : "s") : "-";
	table_row(t, (const char *[]){name, removed, size_text(c->arena, bytes)});
}

static void print_result(const struct cli *c, const json_t *run)
{
	static const char *const places[][2] = {{"cache", "blob"}, {"layers", "layer"}, {"uploads", "upload"}, {"builds", "build"}};
	const json_t *result = json_object_get(run, "result");
	struct table t;
	table_init(&t, c->arena, 3);
	table_row(&t, (const char *[]){"PLACE", "REMOVED", "FREED"});
	add_row(&t, c, "registry", json_int_or(result, "images", 0), "image", json_int_or(json_object_get(result, "registry"), "bytes", 0));
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		const json_t *p = json_object_get(result, places[i][0]);
		add_row(&t, c, places[i][0], json_int_or(p, "count", 0), places[i][1], json_int_or(p, "bytes", 0));
	}
	table_print(&t);
	int64_t versions = json_int_or(result, "versions", 0), archives = json_int_or(result, "archives", 0);
	if (versions)
		(void)printf("%lld version%s archived\n", (long long)versions, versions == 1 ? "" : "s");
	if (archives)
		(void)printf("%lld archive%s dropped\n", (long long)archives, archives == 1 ? "" : "s");
}

static enum exit_code ended(struct cli *c, const json_t *run, enum format f)
{
	struct err e = ERR_INIT;
	if (f == FORMAT_JSON || f == FORMAT_YAML) {
		if (output_value(run, f, &e) != OK)
			return fail(c, &e);
	} else {
		print_result(c, run);
	}
	if (strcmp(json_str_or(run, "state", ""), "done") == 0)
		return EXIT_OK;
	(void)fflush(stdout);
	const char *reason = json_str_or(run, "reason", ""), *hint = reason_hint(reason);
	(void)fprintf(stderr, "error: not everything could be collected: %s (%s)\n  next: %s%s`fnctl gc` tries again, as the next collection will\n",
		      plain_copy(c->arena, json_str_or(run, "message", "")), reason, hint, *hint ? "; " : "");
	return EXIT_FAILED;
}

static enum exit_code wait_run(struct cli *c, struct client *cl, int64_t id, int64_t timeout_ms, enum format f)
{
	enum { LOOK_MS = 50 };
	struct err e = ERR_INIT;
	const char *path = arena_printf(c->arena, "/api/gc/%lld", (long long)id), *shown = "";
	for (int64_t start = clock_mono_ms();; (void)poll(NULL, 0, LOOK_MS)) {
		AUTO_JSON json_t *run = NULL;
		enum err_class class = client_call(cl, "GET", path, NULL, NULL, &run, &e);
		if (class && class != TRANSIENT && class != CONFLICT)
			return fail(c, &e);
		const char *state = class ? shown : json_str_or(run, "state", "");
		if (strcmp(state, shown) != 0)
			(void)fprintf(stderr, "collection %lld: %s\n", (long long)id, state);
		shown = arena_strdup(c->arena, state);
		if (!class && !json_is_null(json_object_get(run, "finishedAt")))
			return ended(c, run, f);
		if (clock_mono_ms() - start < timeout_ms)
			continue;
		(void)err_set(&e, TRANSIENT, R_Timeout, "collection %lld is not done after %lld s; it goes on", (long long)id, (long long)(timeout_ms / 1000));
		return fail_next(c, &e, "`fnctl gc` waits for it, and collects what is left; `fnctl gc --dry-run` shows that");
	}
}

static enum exit_code collect(struct cli *c, enum format f, int64_t timeout_ms)
{
	struct err e = ERR_INIT;
	struct client *cl;
	AUTO_JSON json_t *asked = NULL;
	if (cli_client(c, &cl, &e) != OK || client_call(cl, "POST", "/api/gc", NULL, NULL, &asked, &e) != OK)
		return fail(c, &e);
	return wait_run(c, cl, json_int_or(asked, "id", 0), timeout_ms, f);
}

enum exit_code cmd_gc(struct cli *c)
{
	struct err e = ERR_INIT;
	enum format f;
	int64_t timeout_ms;
	const char *function = c->args.n ? c->args.items[0] : NULL;
	enum err_class class = output_format(c, &f, &e);
	if (!class)
		class = flag_duration(c, FLAG_TIMEOUT, WAIT_DEFAULT_MS, &timeout_ms, &e);
	if (!class && f == FORMAT_NAME)
		class = err_set(&e, INVALID, R_InvalidFlag, "-o name: a collection is of no objects; json and yaml have all of it");
	if (!class && c->args.n > 1)
		class = err_set(&e, INVALID, R_InvalidFlag, "one function at a time: \"%.40s\" is too many", c->args.items[1]);
	if (!class && function && !flag_on(c, FLAG_DRY_RUN))
		class = err_set(&e, INVALID, R_InvalidFlag, "a collection is of everything: a name goes with --dry-run only");
	if (!class && function && strncmp(function, "function/", 9) == 0)
		function += 9;
	if (!class && function)
		class = check_name(function, &e);
	if (class)
		return fail(c, &e);
	return flag_on(c, FLAG_DRY_RUN) ? show(c, function, f) : collect(c, f, timeout_ms);
}
