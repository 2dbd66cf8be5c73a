#include <stdio.h>
#include <string.h>

#include "cli/holds.h"
#include "cli/sources.h"

static const char *colour_of(const struct cli *c, const char *op)
{
	if (!c->colour)
		return "";
	return op[0] == '+' ? "\033[32m" : op[0] == '-' ? "\033[31m" : "\033[33m";
}

static const char *shown(const json_t *v, struct arena *a)
{
	return v ? json_text_arena(v, a) : "";
}

static void print_field(struct cli *c, const json_t *d)
{
	const char *op = json_str_or(d, "op", "~");
	const json_t *from = json_object_get(d, "from"), *to = json_object_get(d, "to");
	(void)printf("  %s%s %s: %s%s%s%s\n", colour_of(c, op), op, json_str_or(d, "path", ""), shown(from, c->arena), from && to ? " -> " : "",
		     shown(to, c->arena), c->colour ? "\033[0m" : "");
}

static void print_item(struct cli *c, const json_t *it)
{
	const char *change = json_str_or(it, "change", "");
	const json_t *steps = json_object_get(it, "steps"), *fields = json_object_get(it, "diff");
	if (strcmp(change, "unchanged") == 0 && json_array_size(steps) == 0)
		return;
	enum kind k = KIND_FUNCTION;
	(void)kind_parse(json_str_or(it, "kind", ""), &k); /* the server speaks of known kinds only */
	(void)printf("%s/%s %s\n", kind_info(k)->singular, json_str_or(it, "name", ""), change);
	size_t i;
	json_t *j;
	json_array_foreach(fields, i, j)
		print_field(c, j);
	json_array_foreach(steps, i, j)
		(void)printf("  then: %s\n", json_string_value(j));
}

enum exit_code cmd_diff(struct cli *c)
{
	struct err e = ERR_INIT;
	struct manifests docs;
	AUTO_JSON json_t *body = NULL;
	AUTO_JSON json_t *answer = NULL;
	struct client *cl;
	if (no_arguments(c, &e) != OK)
		return fail(c, &e);
	if (sources_load(c, &docs, &body, &e) != OK)
		return fail_locally(c, &docs, &e);
	if (cli_client(c, &cl, &e) != OK || sources_upload(c, &docs, body, &e) != OK ||
	    client_call(cl, "POST", "/api/plan", NULL, body, &answer, &e) != OK)
		return fail(c, &e);
	size_t i;
	json_t *it;
	json_array_foreach(json_object_get(answer, "items"), i, it)
		print_item(c, it);
	(void)fflush(stdout); /* what goes to standard error stands below, in a file too */
	json_array_foreach(json_object_get(answer, "items"), i, it)
		(void)holds_print(c, it);
	int64_t changes = json_int_or(answer, "changes", 0);
	(void)fprintf(stderr, changes ? "%lld to change; `fnctl apply` does it\n" : "nothing to change\n", (long long)changes);
	return changes ? EXIT_DIFFERENT : EXIT_OK;
}
