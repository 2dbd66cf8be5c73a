#include "cli/version_rows.h"

#include <string.h>

#include "cli/output.h"

const char *version_status(const json_t *version)
{
	const char *status = json_str_or(version, "status", "");
	return strcmp(status, "archived") == 0 && !json_is_string(json_object_get(version, "archive")) ? "gone" : status;
}

static bool was_built(const json_t *version) { return json_is_string(json_object_get(version, "builtAt")); }

json_t *version_rows(const json_t *items, struct arena *a)
{
	json_t *rows = json_array();
	size_t i;
	json_t *item;
	json_array_foreach(items, i, item) {
		json_t *row = json_copy(item);
		const char *served = json_str_or(item, "deployedAt", NULL);
		(void)json_object_set_new(row, "status", json_string(version_status(item))); /* these fail only out of memory */
		if (served || was_built(item))
			(void)json_object_set_new(row, "served", json_string(served ? age_of(a, served) : "never"));
		(void)json_array_append_new(rows, row);
	}
	return rows;
}
