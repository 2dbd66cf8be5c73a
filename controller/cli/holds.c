#include "cli/holds.h"

#include <stdio.h>

#include "cli/output.h"
#include "cli/rollback_text.h"

bool holds_print(const struct cli *c, const json_t *item)
{
	const json_t *holds = json_object_get(item, "held");
	enum kind kind = KIND_FUNCTION;
	(void)kind_parse(json_str_or(item, "kind", ""), &kind); /* the server speaks of known kinds only */
	size_t i;
	json_t *hold;
	json_array_foreach(holds, i, hold) {
		const char *name = json_str_or(item, "name", ""), *note = json_str_or(hold, "note", ""), *environment = json_str_or(hold, "environment", "");
		const char *command = release_command(c->arena, json_str_or(item, "project", "default"), json_str_or(hold, "function", name), environment);
		const char *line = arena_printf(c->arena, "%s/%s: held in %s at version %lld by %s's rollback%s%s; `%s` ends it", kind_info(kind)->singular, name,
						environment, (long long)json_int_or(hold, "version", 0), json_str_or(hold, "actor", ""), *note ? ": " : "", note, command);
		(void)fprintf(stderr, "%s\n", plain_copy(c->arena, line));
	}
	return json_array_size(holds) > 0;
}
