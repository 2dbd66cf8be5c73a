#include "cli/columns.h"

#include <string.h>

#include "cli/output.h"

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

static const char *joined(const json_t *list, struct arena *a)
{
	const char *all = "";
	size_t i;
	json_t *item;
	json_array_foreach(list, i, item)
		all = arena_printf(a, "%s%s%s", all, i ? ", " : "", json_is_string(item) ? json_string_value(item) : json_text_arena(item, a));
	return all;
}

static const char *plain_cell(const json_t *v, struct arena *a)
{
	if (!v || json_is_null(v))
		return "";
	if (json_is_array(v))
		return joined(v, a);
	return json_is_string(v) ? json_string_value(v) : json_text_arena(v, a);
}

const char *column_cell(const json_t *item, const char *path, struct arena *a)
{
	bool marked = strchr("@#~^", path[0]) != NULL;
	const json_t *v = at_path(item, path + marked);
	const char *text = plain_cell(v, a);
	if (!*text)
		return "-";
	switch (path[0]) {
	case '@': return age_of(a, text);
	case '#': return short_digest(a, text);
	case '~': return size_text(a, json_integer_value(v));
	case '^': return duration_text(a, (int64_t)json_number_value(v));
	default: return text;
	}
}

void columns_print(const struct cli *c, const struct column *columns, const json_t *items, bool wide)
{
	const char *paths[MAX_COLUMNS], *cells[MAX_COLUMNS];
	size_t n = 0, k;
	json_t *item;
	struct table t;
	for (const struct column *col = columns; n < MAX_COLUMNS && col->heading; col++)
		if (wide || !col->wide) {
			cells[n] = col->heading;
			paths[n++] = col->path;
		}
	table_init(&t, c->arena, n);
	if (!flag_on(c, FLAG_NO_HEADERS))
		table_row(&t, cells);
	json_array_foreach(items, k, item) {
		for (size_t i = 0; i < n; i++)
			cells[i] = column_cell(item, paths[i], c->arena);
		table_row(&t, cells);
	}
	table_print(&t);
}
