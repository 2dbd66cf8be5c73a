#include <stdlib.h>
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
	const char *name = slash ? slash + 1 : c->args.n > at + 1 ? c->args.items[at + 1] : NULL;
	if (name && !*name)
		return err_set(e, INVALID, R_InvalidFlag, "\"%.40s\" names nothing: KIND/NAME, such as function/hello", word);
	if (c->args.n > at + used)
		return err_set(e, INVALID, R_InvalidFlag, "one object at a time: \"%.40s\" is too many", c->args.items[at + used]);
	*ret_name = name;
	return name ? check_name(name, e) : OK;
}

enum err_class check_name(const char *name, struct err *e)
{
	if (*name && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(name))
		return OK;
	return err_set(e, INVALID, R_InvalidName, "\"%.60s\" is neither a name nor an id", name);
}

enum err_class function_word(const struct cli *c, size_t at, const char *usage, const char **ret, struct err *e)
{
	if (c->args.n <= at)
		return err_set(e, INVALID, R_InvalidFlag, "say which function: %s", usage);
	const char *word = c->args.items[at], *slash = strchr(word, '/');
	enum kind kind = KIND_FUNCTION;
	if (slash && (!kind_parse(arena_strndup(c->arena, word, (size_t)(slash - word)), &kind) || kind != KIND_FUNCTION))
		return err_set(e, INVALID, R_InvalidFlag, "\"%.60s\" is not a function: %s", word, usage);
	*ret = slash ? slash + 1 : word;
	return check_name(*ret, e);
}

enum err_class function_argument(const struct cli *c, const char *usage, const char **ret, struct err *e)
{
	if (c->args.n > 1)
		return err_set(e, INVALID, R_InvalidFlag, "\"%.40s\" is too many: %s", c->args.items[1], usage);
	return function_word(c, 0, usage, ret, e);
}

const char *command_subject(const struct cli *c, const char *name)
{
	const char *project = cli_project(c);
	return strcmp(project, "default") == 0 ? name : arena_printf(c->arena, "%s -p %s", name, project);
}

enum err_class version_argument(const char *word, int64_t *ret, struct err *e)
{
	enum { DIGITS_MAX = 9 };
	const char *digits = word + (*word == 'v');
	size_t n = strlen(digits);
	if (n == 0 || n > DIGITS_MAX || strspn(digits, "0123456789") != n || strspn(digits, "0") == n)
		return err_set(e, INVALID, R_InvalidFlag, "\"%.40s\" is no version: a number such as 3, or v3", word);
	*ret = strtoll(digits, NULL, 10);
	return OK;
}

enum err_class version_words(const struct cli *c, const char *word, size_t next, const char **ret_name, int64_t *ret_version, struct err *e)
{
	const char *slash = strchr(word, '/');
	const char *number = slash ? slash + 1 : c->args.n > next ? c->args.items[next++] : NULL;
	*ret_name = slash ? arena_strndup(c->arena, word, (size_t)(slash - word)) : word;
	*ret_version = 0;
	if (c->args.n > next)
		return err_set(e, INVALID, R_InvalidFlag, "one object at a time: \"%.40s\" is too many", c->args.items[next]);
	enum err_class class = check_name(*ret_name, e);
	return !class && number ? version_argument(number, ret_version, e) : class;
}

enum err_class no_arguments(const struct cli *c, struct err *e)
{
	if (c->args.n == 0)
		return OK;
	bool files = false;
	for (const enum flag_id *f = c->command->flags; *f != FLAG_COUNT; f++)
		files = files || *f == FLAG_FILE;
	return err_set(e, INVALID, R_InvalidFlag, "\"%.60s\" is too many%s", c->args.items[0], files ? ": give each file its own -f" : "");
}
