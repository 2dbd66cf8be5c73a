#include "cli/describe.h"

#include <stdio.h>
#include <string.h>

#include "cli/client.h"
#include "cli/columns.h"
#include "cli/output.h"
#include "cli/version_rows.h"

/* "active in dev; runs in dev" */
static const char *reasons(struct arena *a, const json_t *keepers)
{
	const char *all = "";
	size_t i;
	json_t *why;
	json_array_foreach(keepers, i, why)
		all = arena_printf(a, "%s%s%s", all, i ? "; " : "", json_is_string(why) ? json_string_value(why) : "");
	return all;
}

static const char *with_size(struct arena *a, const json_t *d, const char *digest, const char *size)
{
	const char *text = json_str_or(d, digest, "");
	int64_t n = json_int_or(d, size, 0);
	return *text && n ? arena_printf(a, "%s (%s)", text, size_text(a, n)) : text;
}

static void print_facts(const struct cli *c, const json_t *d)
{
	struct arena *a = c->arena;
	const char *reason = json_str_or(d, "reason", ""), *message = json_str_or(d, "message", ""), *status = version_status(d);
	describe_value(c, "Version:", arena_printf(a, "%s/%lld", json_str_or(d, "function", ""), (long long)json_int_or(d, "version", 0)));
	describe_value(c, "Project:", json_str_or(d, "project", ""));
	describe_value(c, "Status:", *reason ? arena_printf(a, "%s: %s: %s", status, reason, message) : status);
	describe_value(c, "Active in:", column_cell(d, "activeIn", a));
	describe_value(c, "By:", json_str_or(d, "createdBy", ""));
	describe_value(c, "Note:", json_str_or(d, "note", ""));
	describe_value(c, "Created:", json_str_or(d, "createdAt", ""));
	describe_value(c, "Built:", json_str_or(d, "builtAt", ""));
	describe_value(c, "First served:", json_str_or(d, "deployedAt", json_is_string(json_object_get(d, "builtAt")) ? "never" : ""));
	describe_value(c, "Archived:", json_str_or(d, "archivedAt", ""));
	describe_value(c, "ID:", json_str_or(d, "id", ""));
	describe_value(c, "Runtime:", json_str_or(d, "runtime", ""));
	describe_value(c, "Base:", json_str_or(d, "base", ""));
	describe_value(c, "Source:", with_size(a, d, "sourceDigest", "sourceSize"));
	describe_value(c, "Archive:", json_str_or(d, "archive", ""));
	describe_value(c, "Layer:", with_size(a, d, "layer", "size"));
	describe_value(c, "Image:", json_str_or(d, "image", ""));
	describe_value(c, "Digest:", json_str_or(d, "digest", ""));
	describe_value(c, "Kept because:", reasons(a, json_object_get(d, "keptBy")));
}

static void print_releases(const struct cli *c, const json_t *releases)
{
	static const struct column columns[] = {{"  ENVIRONMENT", "environment", false}, {"RELEASE", "release", false}, {"SERVED", "routedAt", false},
						{"UNTIL", "unroutedAt", false}, {"REJECTED", "rejectedAt", false}, {"INSTANCES", "instances", false}, {NULL, NULL, false}};
	AUTO_JSON json_t *indented = json_deep_copy(releases);
	size_t i;
	json_t *r;
	json_array_foreach(indented, i, r)
		json_object_set_new(r, "environment", json_sprintf("  %s", json_str_or(r, "environment", "")));
	(void)printf("Releases:\n");
	columns_print(c, columns, indented, false);
}

static void print_hosts(const json_t *urls)
{
	size_t i;
	json_t *u;
	(void)printf("Its own hosts, while an instance of it runs:\n");
	json_array_foreach(urls, i, u)
		(void)printf("  %s\n", json_str_or(u, "url", ""));
}

enum exit_code describe_deployment(struct cli *c, const char *word, size_t next)
{
	struct err e = ERR_INIT;
	struct client *cl;
	const char *name;
	int64_t version;
	AUTO_JSON json_t *d = NULL;
	const char *query[] = {"project", cli_project(c), NULL};
	if (version_words(c, word, next, &name, &version, &e) != OK)
		return fail(c, &e);
	if (!version) {
		(void)err_set(&e, INVALID, R_InvalidFlag, "say which version: fnctl describe deployment %s/3; `fnctl history %s` lists them", name, name);
		return fail(c, &e);
	}
	const char *path = arena_printf(c->arena, "/api/functions/%s/deployments/%lld", name, (long long)version);
	if (cli_client(c, &cl, &e) != OK || client_call(cl, "GET", path, query, NULL, &d, &e) != OK)
		return fail_version(c, name, version, &e);
	print_facts(c, d);
	if (json_array_size(json_object_get(d, "releases")) > 0)
		print_releases(c, json_object_get(d, "releases"));
	if (json_array_size(json_object_get(d, "urls")) > 0)
		print_hosts(json_object_get(d, "urls"));
	return EXIT_OK;
}
