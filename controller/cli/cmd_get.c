#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/columns.h"
#include "cli/output.h"
#include "cli/version_rows.h"
#include "cli/wait.h"

/* What can be listed: the five kinds, and what they become. */
struct listing {
	const char *names;  /* accepted words, each between spaces */
	const char *path;
	const char *prefix; /* of -o name */
	bool in_all;        /* part of `get all` */
	bool of_functions;  /* there is no such object to read: a name is that of the function whose ones are shown */
	bool of_versions;   /* "hello" means all of that function, "hello/3" one of them */
	struct column columns[MAX_COLUMNS + 1];
};

static const struct listing listings[] = {
	{" functions function fn ", "/api/functions", "function", true, false, false,
	 {{"NAME", "metadata.name", false}, {"RUNTIME", "spec.runtime", false}, {"VERSION", "status.latestVersion", false},
	  {"ACTIVE", "status.activeVersion", false}, {"READY", "?Ready.status", false}, {"STATUS", "?Ready.reason", false}, {"AGE", "@metadata.createdAt", false},
	  {"ID", "status.id", true}, {"MESSAGE", "?Ready.message", true}}},
	{" environments environment env ", "/api/environments", "environment", true, false, false,
	 {{"NAME", "metadata.name", false}, {"INHERITS", "spec.inherits", false}, {"FOLLOW", "spec.follow", false}, {"READY", "?Ready.status", false},
	  {"AGE", "@metadata.createdAt", false}}},
	{" pins pin ", "/api/pins", "pin", true, false, false,
	 {{"NAME", "metadata.name", false}, {"FUNCTION", "spec.function", false}, {"ENVIRONMENT", "spec.environment", false},
	  {"VERSION", "spec.version", false}, {"READY", "?Ready.status", false}, {"AGE", "@metadata.createdAt", false}}},
	{" runtimes runtime rt ", "/api/runtimes", "runtime", true, false, false,
	 {{"NAME", "metadata.name", false}, {"READY", "?Ready.status", false}, {"STATUS", "?Ready.reason", false}, {"AGE", "@metadata.createdAt", false},
	  {"BASE", "spec.base", true}}},
	{" projects project ", "/api/projects", "project", false, false, false,
	 {{"NAME", "metadata.name", false}, {"DEFAULT ENVIRONMENT", "spec.defaultEnvironment", false}, {"AGE", "@metadata.createdAt", false}}},
	{" deployments deployment deploys ", "/api/deployments", "deployment", false, false, true,
	 {{"FUNCTION", "function", false}, {"VERSION", "version", false}, {"STATUS", "status", false}, {"ACTIVE IN", "activeIn", false}, {"WHO", "createdBy", false},
	  {"AGE", "@createdAt", false}, {"SERVED", "served", false}, {"DIGEST", "#digest", false}, {"SIZE", "~size", false}, {"RUNTIME", "runtime", true}, {"SOURCE", "#sourceDigest", true},
	  {"ARCHIVE", "archive", true}, {"NOTE", "note", true}}},
	{" targets target ", "/api/targets", "target", true, true, false,
	 {{"FUNCTION", "function", false}, {"ENVIRONMENT", "environment", false}, {"MODE", "mode", false}, {"VERSION", "version", false},
	  {"RELEASE", "release", false}, {"STATUS", "status", false}, {"URL", "url", false}, {"DIGEST", "digest", true}, {"HELD BY", "heldBy", true}, {"FLOOR", "floor", true}, {"WHY", "holdNote", true},
	  {"MESSAGE", "message", true}}},
	{" instances instance ", "/api/instances", "instance", false, true, false,
	 {{"NAME", "name", false}, {"FUNCTION", "function", false}, {"ENVIRONMENT", "environment", false}, {"VERSION", "version", false},
	  {"RELEASE", "release", false}, {"STATE", "state", false}, {"RESTARTS", "restarts", false}, {"ADDRESS", "address", true}, {"MESSAGE", "message", true}}},
	{" work ", "/api/work", "work", false, false, false,
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

static const char *name_of(const struct cli *c, const struct listing *l, const json_t *item)
{
	if (l->of_versions)
		return arena_printf(c->arena, "%s/%lld", json_str_or(item, "function", ""), (long long)json_int_or(item, "version", 0));
	const char *name = json_str_or(json_object_get(item, "metadata"), "name", NULL);
	if (!name)
		name = json_str_or(item, "name", json_str_or(item, "key", NULL));
	return name ? name : json_str_or(item, "function", "");
}

static enum err_class print_items(const struct cli *c, const struct listing *l, const json_t *items, bool one, enum format f, struct err *e)
{
	if (f == FORMAT_NAME) {
		size_t i;
		json_t *item;
		json_array_foreach(items, i, item)
			(void)printf("%s/%s\n", l->prefix, name_of(c, l, item));
		return OK;
	}
	if (f == FORMAT_JSON || f == FORMAT_YAML) {
		if (one)
			return output_value(json_array_get(items, 0), f, e);
		AUTO_JSON json_t *list = json_pack("{s:s, s:s, s:O}", "apiVersion", API_VERSION, "kind", "List", "items", items);
		return output_value(list, f, e);
	}
	AUTO_JSON json_t *rows = l->of_versions ? version_rows(items, c->arena) : NULL;
	if (json_array_size(items) > 0)
		columns_print(c, l->columns, rows ? rows : items, f == FORMAT_WIDE);
	return OK;
}

/* What stands on the line. */
struct subject {
	const struct listing *l;
	const char *name; /* NULL: all */
	int64_t version;  /* 0: all of name's */
};

/* Whether it names a single thing. */
static bool is_one(const struct subject *s) { return s->name && !s->l->of_functions && (!s->l->of_versions || s->version); }

static enum err_class fetch_one(struct cli *c, struct client *cl, const char *path, json_t **ret, struct err *e)
{
	const char *query[] = {"project", cli_project(c), NULL};
	AUTO_JSON json_t *one = NULL;
	enum err_class class = client_call(cl, "GET", path, query, NULL, &one, e);
	if (!class)
		*ret = json_pack("[O]", one);
	return class;
}

static enum err_class fetch_versions(struct cli *c, struct client *cl, const struct subject *s, json_t **ret, struct err *e)
{
	const char *query[] = {"project", cli_project(c), NULL};
	const char *path = arena_printf(c->arena, "/api/functions/%s/deployments", s->name);
	if (s->version)
		return fetch_one(c, cl, arena_printf(c->arena, "%s/%lld", path, (long long)s->version), ret, e);
	return client_pages(cl, path, query, 0, ret, NULL, e);
}

static enum err_class fetch(struct cli *c, const struct subject *s, json_t **ret, struct err *e)
{
	struct client *cl;
	const struct listing *l = s->l;
	const char *name = s->name;
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
	if (l->of_versions)
		return fetch_versions(c, cl, s, ret, e);
	return fetch_one(c, cl, arena_printf(c->arena, "%s/%s", l->path, name), ret, e);
}

/* A copy without what a resync alone changes. */
static json_t *what_counts(const json_t *items)
{
	json_t *copy = json_deep_copy(items);
	size_t i;
	json_t *item;
	json_array_foreach(copy, i, item) {
		json_t *status = json_object_get(item, "status");
		(void)json_object_del(json_is_object(status) ? status : item, "pending"); /* a target's status is a word; instances have none */
	}
	return copy;
}

/* -w: prints again whenever the answer differs. */
static enum exit_code watch(struct cli *c, const struct subject *s, enum format f, const json_t *first)
{
	enum { LOOK_MS = 500 };
	struct err e = ERR_INIT;
	AUTO_JSON json_t *shown = what_counts(first);
	for (;;) {
		(void)fflush(stdout);
		(void)poll(NULL, 0, LOOK_MS);
		AUTO_JSON json_t *now = NULL;
		if (fetch(c, s, &now, &e) != OK)
			return fail(c, &e);
		json_t *counts = what_counts(now);
		bool same = json_equal(counts, shown);
		json_decref(shown);
		shown = counts;
		if (same)
			continue;
		if (print_items(c, s->l, now, is_one(s), f, &e) != OK)
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
		if (fetch(c, &(struct subject){.l = l}, &items, &e) != OK)
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

static enum err_class read_arguments(const struct cli *c, const char *word, struct subject *ret, struct err *e)
{
	const char *slash = strchr(word, '/');
	const struct listing *l = find_listing(slash ? arena_strndup(c->arena, word, (size_t)(slash - word)) : word);
	const char *name = slash ? slash + 1 : c->args.n > 1 ? c->args.items[1] : NULL;
	size_t used = name && !slash ? 2 : 1;
	*ret = (struct subject){.l = l, .name = name};
	if (l && l->of_versions && name)
		return version_words(c, name, used, &ret->name, &ret->version, e);
	if (c->args.n > used)
		return err_set(e, INVALID, R_InvalidFlag, "one object at a time: \"%.40s\" is too many", c->args.items[used]);
	if (!l)
		return err_set(e, INVALID, R_UnknownKind,
			       "there is nothing called \"%.40s\": functions, environments, pins, runtimes, projects, deployments, targets, instances, work or all", word);
	if (name && strcmp(l->prefix, "work") == 0)
		return err_set(e, INVALID, R_InvalidFlag, "work has no names: `fnctl get work` lists all that is out of shape");
	return name ? check_name(name, e) : OK;
}

enum exit_code cmd_get(struct cli *c)
{
	struct err e = ERR_INIT;
	enum format f;
	if (output_format(c, &f, &e) != OK)
		return fail(c, &e);
	const char *word = c->args.n ? c->args.items[0] : "all";
	if (strcmp(word, "all") == 0 && c->args.n < 2 && !flag_on(c, FLAG_WATCH))
		return get_all(c, f);
	if (strcmp(word, "all") == 0) {
		(void)err_set(&e, INVALID, R_InvalidFlag, "\"all\" takes neither a name nor -w: say which kind");
		return fail(c, &e);
	}
	struct subject s;
	if (read_arguments(c, word, &s, &e) != OK)
		return fail(c, &e);
	json_t *items = NULL;
	if (fetch(c, &s, &items, &e) != OK || print_items(c, s.l, items, is_one(&s), f, &e) != OK) {
		json_decref(items);
		return s.version ? fail_version(c, s.name, s.version, &e) : fail(c, &e);
	}
	if (json_array_size(items) == 0 && f <= FORMAT_WIDE)
		(void)fprintf(stderr, "none\n");
	enum exit_code code = flag_on(c, FLAG_WATCH) ? watch(c, &s, f, items) : EXIT_OK;
	json_decref(items);
	return code;
}
