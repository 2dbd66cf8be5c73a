#include <string.h>

#include "cli/cli.h"

const char *cli_project(const struct cli *c) { return flag_or(c, FLAG_PROJECT, "default"); }

enum err_class object_argument(const struct cli *c, size_t at, enum kind *ret_kind, const char **ret_name, struct err *e)
{
	if (c->args.n <= at)
		return err_set(e, INVALID, R_InvalidFlag, "say what: KIND NAME or KIND/NAME, such as function/hello");
	const char *word = c->args.items[at];
	const char *slash = strchr(word, '/');
	const char *kind = slash ? arena_strndup(c->arena, word, (size_t)(slash - word)) : word;
	size_t used = slash ? 1 : 2;
	if (!kind_parse(kind, ret_kind))
		return err_set(e, INVALID, R_UnknownKind, "there is no kind \"%.40s\": project, runtime, environment, function or pin", kind);
	*ret_name = slash ? slash + 1 : c->args.n > at + 1 ? c->args.items[at + 1] : NULL;
	if (c->args.n > at + used)
		return err_set(e, INVALID, R_InvalidFlag, "one object at a time: \"%.40s\" is too many", c->args.items[at + used]);
	return OK;
}
