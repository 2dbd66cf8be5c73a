#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/columns.h"
#include "cli/output.h"
#include "cli/version_rows.h"

/* One of the three lists that a function's history is. */
struct history {
	const char *path;   /* below the function's */
	const char *prefix; /* of -o name */
	const char *id;     /* what follows it */
	struct column columns[MAX_COLUMNS + 1];
};

static const struct history versions = {
	"deployments", "deployment", "version",
	{{"VERSION", "version", false}, {"STATUS", "status", false}, {"ACTIVE IN", "activeIn", false}, {"WHO", "createdBy", false}, {"WHEN", "@createdAt", false},
	 {"SERVED", "served", false}, {"SOURCE", "#sourceDigest", false}, {"DIGEST", "#digest", false}, {"SIZE", "~size", false}, {"ARCHIVE", "archive", true}, {"MESSAGE", "message", true},
	 {"NOTE", "note", false}}};

static const struct history rollbacks = {
	"rollbacks", "rollback", "id",
	{{"WHEN", "@createdAt", false}, {"ENVIRONMENT", "environment", false}, {"FROM", "from", false}, {"TO", "to", false}, {"IMAGE", "image", false},
	 {"STATE", "state", false}, {"WHO", "actor", false}, {"TOOK", "^milliseconds", false}, {"ENDED BY", "liftedBy", true}, {"MESSAGE", "message", true},
	 {"WHY", "note", false}}};

static const struct history operations = {
	"history", "operation", "id",
	{{"WHEN", "@at", false}, {"OPERATION", "operation", false}, {"VERSION", "version", false}, {"ENVIRONMENT", "environment", false}, {"WHO", "actor", false},
	 {"MESSAGE", "message", false}}};

enum { LIMIT_DEFAULT = 20, LIMIT_MAX = 100000 };

static enum err_class limit_of(const struct cli *c, size_t *ret, struct err *e)
{
	const char *text = flag_or(c, FLAG_LIMIT, NULL);
	size_t n = text ? strlen(text) : 0;
	*ret = LIMIT_DEFAULT;
	if (!text)
		return OK;
	*ret = n > 0 && n <= 6 && strspn(text, "0123456789") == n ? strtoul(text, NULL, 10) : 0;
	if (*ret < 1 || *ret > LIMIT_MAX)
		return err_set(e, INVALID, R_InvalidFlag, "--limit takes a number from 1 to %d", LIMIT_MAX);
	return OK;
}

static void print_names(const struct history *h, const char *function, const json_t *items)
{
	size_t i;
	json_t *item;
	json_array_foreach(items, i, item) {
		AUTO_FREE char *id = json_dumps(json_object_get(item, h->id), JSON_ENCODE_ANY);
		if (h == &versions)
			(void)printf("%s/%s/%s\n", h->prefix, function, id);
		else
			(void)printf("%s/%s\n", h->prefix, json_str_or(item, h->id, id));
	}
}

/* "18", and where there is room "18/r19": a version may have served with several settings. */
static void set_place(json_t *row, const char *name, const char *version, const char *release, bool wide)
{
	long long v = json_int_or(row, version, 0), r = json_int_or(row, release, 0);
	if (v)
		json_object_set_new(row, name, wide && r ? json_sprintf("%lld/r%lld", v, r) : json_integer(v));
}

static void print_rows(const struct cli *c, const struct history *h, const json_t *items, bool wide)
{
	AUTO_JSON json_t *rows = h == &versions ? version_rows(items, c->arena) : json_deep_copy(items);
	size_t i;
	json_t *row;
	if (h == &rollbacks)
		json_array_foreach(rows, i, row) {
			set_place(row, "from", "fromVersion", "fromRelease", wide);
			set_place(row, "to", "toVersion", "toRelease", wide);
		}
	columns_print(c, h->columns, rows, wide);
}

static enum err_class print(const struct cli *c, const struct history *h, const char *function, const json_t *items, enum format f, struct err *e)
{
	if (f == FORMAT_JSON || f == FORMAT_YAML) {
		AUTO_JSON json_t *list = json_pack("{s:s, s:s, s:O}", "apiVersion", API_VERSION, "kind", "List", "items", items);
		return output_value(list, f, e);
	}
	if (f == FORMAT_NAME)
		print_names(h, function, items);
	else if (json_array_size(items) > 0)
		print_rows(c, h, items, f == FORMAT_WIDE);
	else
		(void)fprintf(stderr, "none\n");
	return OK;
}

enum exit_code cmd_history(struct cli *c)
{
	struct err e = ERR_INIT;
	struct client *cl;
	enum format f;
	const char *name;
	size_t limit;
	bool more = false;
	const struct history *h = flag_on(c, FLAG_ROLLBACKS) ? &rollbacks : flag_on(c, FLAG_OPERATIONS) ? &operations : &versions;
	if (flag_on(c, FLAG_ROLLBACKS) && flag_on(c, FLAG_OPERATIONS)) {
		(void)err_set(&e, INVALID, R_InvalidFlag, "--rollbacks or --operations: one at a time");
		return fail(c, &e);
	}
	AUTO_JSON json_t *items = NULL;
	const char *query[] = {"project", cli_project(c), NULL};
	if (function_argument(c, "fnctl history NAME", &name, &e) != OK || output_format(c, &f, &e) != OK || limit_of(c, &limit, &e) != OK ||
	    cli_client(c, &cl, &e) != OK ||
	    client_pages(cl, arena_printf(c->arena, "/api/functions/%s/%s", name, h->path), query, limit, &items, &more, &e) != OK ||
	    print(c, h, name, items, f, &e) != OK)
		return fail(c, &e);
	(void)fflush(stdout); /* what follows stands below, in a file too */
	if (more && f <= FORMAT_WIDE)
		(void)fprintf(stderr, "the newest %zu; --limit shows more\n", limit);
	return EXIT_OK;
}
