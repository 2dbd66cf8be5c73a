#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/output.h"
#include "cli/wait.h"

/* One column: its heading, and how its cell is found in an item. */
struct column {
	const char *heading;
	const char *path;  /* "metadata.name"; "?Ready.status" is a condition's member; "@age" of metadata.createdAt */
	bool wide;         /* only with -o wide */
};

enum { MAX_COLUMNS = 10 };

/* What can be listed: the five kinds, and what they become. */
struct listing {
	const char *names;  /* accepted words, each between spaces */
	const char *path;
	const char *prefix; /* of -o name */
	bool in_all;        /* part of `get all` */
	bool of_functions;  /* there is no such object to read: a name is that of the function whose ones are shown */
	struct column columns[MAX_COLUMNS];
};

static const struct listing listings[] = {
	{" functions function fn ", "/api/functions", "function", true, false,
	 {{"NAME", "metadata.name", false}, {"RUNTIME", "spec.runtime", false}, {"VERSION", "status.latestVersion", false},
	  {"ACTIVE", "status.activeVersion", false}, {"READY", "?Ready.status", false}, {"STATUS", "?Ready.reason", false}, {"AGE", "@age", false},
	  {"ID", "status.id", true}, {"MESSAGE", "?Ready.message", true}}},
	{" environments environment env ", "/api/environments", "environment", true, false,
	 {{"NAME", "metadata.name", false}, {"INHERITS", "spec.inherits", false}, {"FOLLOW", "spec.follow", false}, {"READY", "?Ready.status", false},
	  {"AGE", "@age", false}}},
	{" pins pin ", "/api/pins", "pin", true, false,
	 {{"NAME", "metadata.name", false}, {"FUNCTION", "spec.function", false}, {"ENVIRONMENT", "spec.environment", false},
	  {"VERSION", "spec.version", false}, {"READY", "?Ready.status", false}, {"AGE", "@age", false}}},
	{" runtimes runtime rt ", "/api/runtimes", "runtime", true, false,
	 {{"NAME", "metadata.name", false}, {"READY", "?Ready.status", false}, {"STATUS", "?Ready.reason", false}, {"AGE", "@age", false},
	  {"BASE", "spec.base", true}}},
	{" projects project ", "/api/projects", "project", false, false,
	 {{"NAME", "metadata.name", false}, {"DEFAULT ENVIRONMENT", "spec.defaultEnvironment", false}, {"AGE", "@age", false}}},
	{" targets target ", "/api/targets", "target", true, true,
	 {{"FUNCTION", "function", false}, {"ENVIRONMENT", "environment", false}, {"MODE", "mode", false}, {"VERSION", "version", false},
	  {"RELEASE", "release", false}, {"STATUS", "status", false}, {"URL", "url", false}, {"DIGEST", "digest", true}, {"MESSAGE", "message", true}}},
	{" instances instance ", "/api/instances", "instance", false, true,
	 {{"NAME", "name", false}, {"FUNCTION", "function", false}, {"ENVIRONMENT", "environment", false}, {"VERSION", "version", false},
	  {"RELEASE", "release", false}, {"STATE", "state", false}, {"RESTARTS", "restarts", false}, {"ADDRESS", "address", true}, {"MESSAGE", "message", true}}},
	{" work ", "/api/work", "work", false, false,
	 {{"KEY", "key", false}, {"DUE", "dueAt", false}, {"ATTEMPT", "attempt", false}, {"REASON", "reason", false}, {"MESSAGE", "message", false}}},
};

static const struct listing *find_listing(const char *word)
{
	AUTO_FREE char *needle = xprintf(" %s ", word);
	for (size_t i = 0; i < ARRAY_LEN(listings); i++)
		if (strstr(listings[i].names, needle))
			return &listings[i];
	return NULL;
}

static const json_t *at_path(const json_t *item, const char *path)
{
	if (path[0] == '?') {
		const char *dot = strchr(path, '.');
		AUTO_FREE char *type = xprintf("%.*s", (int)(dot - path - 1), path + 1);
		return json_object_get(condition_of(item, type), dot + 1);
	}
	AUTO_FREE char *parts = xstrdup(path);
	for (char *part = parts, *next; item && part; part = next) {
		next = strchr(part, '.');
		if (next)
			*next++ = '\0';
		item = json_object_get(item, part);
	}
	return item;
}

static const char *cell(const json_t *item, const char *path, struct arena *a)
{
	if (strcmp(path, "@age") == 0)
		return age_of(a, json_str_or(json_object_get(item, "metadata"), "createdAt", NULL));
	const json_t *v = at_path(item, path);
	if (!v || json_is_null(v))
		return "-";
	return json_is_string(v) ? json_string_value(v) : json_text_arena(v, a);
}

static const char *name_of(const json_t *item)
{
	const char *name = json_str_or(json_object_get(item, "metadata"), "name", NULL);
	if (!name)
		name = json_str_or(item, "name", json_str_or(item, "key", NULL));
	return name ? name : json_str_or(item, "function", "");
}

static void print_table(const struct cli *c, const struct listing *l, const json_t *items, bool wide)
{
	size_t shown[MAX_COLUMNS], n = 0, i;
	const char *cells[MAX_COLUMNS];
	for (i = 0; i < MAX_COLUMNS && l->columns[i].heading; i++)
		if (wide || !l->columns[i].wide)
			shown[n++] = i;
	struct table t;
	table_init(&t, c->arena, n);
	for (i = 0; i < n; i++)
		cells[i] = l->columns[shown[i]].heading;
	if (!flag_on(c, FLAG_NO_HEADERS))
		table_row(&t, cells);
	json_t *item;
	size_t k;
	json_array_foreach(items, k, item) {
		for (i = 0; i < n; i++)
			cells[i] = cell(item, l->columns[shown[i]].path, c->arena);
		table_row(&t, cells);
	}
	table_print(&t);
}

static enum err_class print_items(const struct cli *c, const struct listing *l, const json_t *items, bool one, enum format f, struct err *e)
{
	if (f == FORMAT_NAME) {
		size_t i;
		json_t *item;
		json_array_foreach(items, i, item)
			(void)printf("%s/%s\n", l->prefix, name_of(item));
		return OK;
	}
	if (f == FORMAT_JSON || f == FORMAT_YAML) {
		if (one)
			return output_value(json_array_get(items, 0), f, e);
		AUTO_JSON json_t *list = json_pack("{s:s, s:s, s:O}", "apiVersion", API_VERSION, "kind", "List", "items", items);
		return output_value(list, f, e);
	}
	if (json_array_size(items) > 0)
		print_table(c, l, items, f == FORMAT_WIDE);
	return OK;
}

static enum err_class fetch(struct cli *c, const struct listing *l, const char *name, json_t **ret, struct err *e)
{
	struct client *cl;
	const char *project = flag_on(c, FLAG_ALL_PROJECTS) ? NULL : cli_project(c);
	enum err_class class = cli_client(c, &cl, e);
	if (class)
		return class;
	if (!name)
		return client_list(cl, l->path, project, ret, e);
	if (l->of_functions) {
		const char *query[] = {"project", cli_project(c), "function", name, NULL};
		AUTO_JSON json_t *page = NULL;
		class = client_call(cl, "GET", l->path, query, NULL, &page, e);
		if (!class)
			*ret = json_incref(json_object_get(page, "items"));
		return class;
	}
	const char *query[] = {"project", cli_project(c), NULL};
	AUTO_JSON json_t *one = NULL;
	class = client_call(cl, "GET", arena_printf(c->arena, "%s/%s", l->path, name), query, NULL, &one, e);
	if (!class)
		*ret = json_pack("[O]", one);
	return class;
}

/* -w: prints again whenever the answer differs. */
/* A copy without what a resync alone changes. */
static json_t *what_counts(const json_t *items)
{
	json_t *copy = json_deep_copy(items);
	size_t i;
	json_t *item;
	json_array_foreach(copy, i, item)
		(void)json_object_del(json_object_get(item, "status"), "pending"); /* targets and instances have none */
	return copy;
}

static enum exit_code watch(struct cli *c, const struct listing *l, const char *name, enum format f, const json_t *first)
{
	enum { LOOK_MS = 500 };
	struct err e = ERR_INIT;
	AUTO_JSON json_t *shown = what_counts(first);
	for (;;) {
		(void)fflush(stdout);
		(void)poll(NULL, 0, LOOK_MS);
		AUTO_JSON json_t *now = NULL;
		if (fetch(c, l, name, &now, &e) != OK)
			return fail(c, &e);
		json_t *counts = what_counts(now);
		bool same = json_equal(counts, shown);
		json_decref(shown);
		shown = counts;
		if (same)
			continue;
		if (print_items(c, l, now, name && !l->of_functions, f, &e) != OK)
			return fail(c, &e);
	}
}

/* A table a kind; as JSON or YAML one list. */
static enum exit_code get_all(struct cli *c, enum format f)
{
	struct err e = ERR_INIT;
	bool one_list = f == FORMAT_JSON || f == FORMAT_YAML;
	AUTO_JSON json_t *all = json_array();
	for (const struct listing *l = listings; l < listings + ARRAY_LEN(listings); l++) {
		AUTO_JSON json_t *items = NULL;
		if (!l->in_all)
			continue;
		if (fetch(c, l, NULL, &items, &e) != OK)
			return fail(c, &e);
		bool print = json_array_size(items) > 0 && !one_list;
		if (print && json_array_size(all) > 0 && f <= FORMAT_WIDE)
			(void)putchar('\n');
		if (print && print_items(c, l, items, false, f, &e) != OK)
			return fail(c, &e);
		(void)json_array_extend(all, items); /* fails only out of memory */
	}
	if (one_list && print_items(c, listings, all, false, f, &e) != OK)
		return fail(c, &e);
	if (json_array_size(all) == 0 && f <= FORMAT_WIDE)
		(void)fprintf(stderr, "none\n");
	return EXIT_OK;
}

/* What stands on the line, or NULL and why; *ret_name NULL when all are meant. */
static const struct listing *read_arguments(const struct cli *c, const char *word, const char **ret_name, struct err *e)
{
	const char *slash = strchr(word, '/');
	const struct listing *l = find_listing(slash ? arena_strndup(c->arena, word, (size_t)(slash - word)) : word);
	const char *name = slash ? slash + 1 : c->args.n > 1 ? c->args.items[1] : NULL;
	size_t used = name && !slash ? 2 : 1;
	enum err_class class = OK;
	if (c->args.n > used)
		class = err_set(e, INVALID, R_InvalidFlag, "one object at a time: \"%.40s\" is too many", c->args.items[used]);
	else if (!l)
		class = err_set(e, INVALID, R_UnknownKind,
				"there is nothing called \"%.40s\": functions, environments, pins, runtimes, projects, targets, instances, work or all", word);
	else if (name && strcmp(l->prefix, "work") == 0)
		class = err_set(e, INVALID, R_InvalidFlag, "work has no names: `fnctl get work` lists all that is out of shape");
	else if (name)
		class = check_name(name, e);
	*ret_name = name;
	return class ? NULL : l;
}

enum exit_code cmd_get(struct cli *c)
{
	struct err e = ERR_INIT;
	enum format f;
	if (output_format(c, &f, &e) != OK)
		return fail(c, &e);
	const char *word = c->args.n ? c->args.items[0] : "all", *name = NULL;
	if (strcmp(word, "all") == 0 && c->args.n < 2 && !flag_on(c, FLAG_WATCH))
		return get_all(c, f);
	if (strcmp(word, "all") == 0) {
		(void)err_set(&e, INVALID, R_InvalidFlag, "\"all\" takes neither a name nor -w: say which kind");
		return fail(c, &e);
	}
	const struct listing *l = read_arguments(c, word, &name, &e);
	if (!l)
		return fail(c, &e);
	json_t *items = NULL;
	bool one = name && !l->of_functions;
	if (fetch(c, l, name, &items, &e) != OK || print_items(c, l, items, one, f, &e) != OK) {
		json_decref(items);
		return fail(c, &e);
	}
	if (json_array_size(items) == 0 && f <= FORMAT_WIDE)
		(void)fprintf(stderr, "none\n");
	enum exit_code code = flag_on(c, FLAG_WATCH) ? watch(c, l, name, f, items) : EXIT_OK;
	json_decref(items);
	return code;
}
