#include <string.h>

#include "base/names.h"
#include "base/note.h"
#include "base/utf8.h"
#include "cli/cli.h"

const struct flag flags[FLAG_COUNT] = {
	[FLAG_HELP] = {"help", 'h', NULL, "show this help"},
	[FLAG_SERVER] = {"server", 0, "ADDRESS", "where the API is: unix:/path or http://host:port (default $FN_SERVER, else FN_HOME's socket)"},
	[FLAG_TOKEN_FILE] = {"token-file", 0, "FILE", "token for a TCP address (default $FN_TOKEN_FILE, else FN_HOME/secrets/token)"},
	[FLAG_PROJECT] = {"project", 'p', "NAME", "project (default: default)"},
	[FLAG_FILE] = {"filename", 'f', "FILE", "a manifest, a directory of manifests, or - for standard input; may be repeated"},
	[FLAG_ENV] = {"env", 'e', "NAME", "environment"},
	[FLAG_OUTPUT] = {"output", 'o', "FORMAT", "table, wide, json, yaml or name"},
	[FLAG_WATCH] = {"watch", 'w', NULL, "go on showing what changes"},
	[FLAG_WAIT] = {"wait", 0, NULL, "wait until everything applied serves"},
	[FLAG_TIMEOUT] = {"timeout", 0, "DURATION", "how long to wait, such as 30s or 5m (default 2m)"},
	[FLAG_DRY_RUN] = {"dry-run", 0, "server", "check and show what would change; change nothing"},
	[FLAG_FORCE] = {"force", 0, NULL, "apply, deploy: take over what another writer owns; delete: an environment although functions serve in it"},
	[FLAG_FOR] = {"for", 0, "CONDITION", "condition=Ready (default) or delete"},
	[FLAG_FOLLOW] = {"follow", 'f', NULL, "go on showing new lines"},
	[FLAG_TAIL] = {"tail", 0, "N", "the last N lines (default 100)"},
	[FLAG_ALL_PROJECTS] = {"all-projects", 'A', NULL, "of every project"},
	[FLAG_NO_HEADERS] = {"no-headers", 0, NULL, "leave out the table's heading"},
	[FLAG_DATA] = {"data", 'd', "TEXT", "request body; @FILE reads a file, @- standard input; makes the method POST"},
	[FLAG_METHOD] = {"method", 'X', "METHOD", "request method (default GET)"},
	[FLAG_PATH] = {"path", 0, "PATH", "request path (default /)"},
	[FLAG_HEADER] = {"header", 'H', "NAME: VALUE", "request header; may be repeated"},
	[FLAG_NO_WAIT] = {"no-wait", 0, NULL, "return at once"},
	[FLAG_MESSAGE] = {"message", 'm', "REASON", "why; kept in the history"},
	[FLAG_ROLLBACKS] = {"rollbacks", 0, NULL, "the rollbacks instead of the versions"},
	[FLAG_OPERATIONS] = {"operations", 0, NULL, "everything that was done to it, and by whom"},
	[FLAG_SOURCE] = {"source", 0, "DIR", "pack this directory"},
	[FLAG_RUNTIME] = {"runtime", 0, "NAME", "runtime of a function that is declared by flags"},
	[FLAG_COMMAND] = {"command", 0, "WORDS", "its start command: \"python3 main.py\", or each word with a flag of its own"},
	[FLAG_PORT] = {"port", 0, "N", "the port it listens on (default 8080)"},
	[FLAG_REBUILD] = {"rebuild", 0, NULL, "build the declared source again, on the runtime's present base"},
	[FLAG_LIMIT] = {"limit", 0, "N", "the newest N (default 20)"},
};

static const enum flag_id global_flags[] = {FLAG_HELP, FLAG_SERVER, FLAG_TOKEN_FILE, FLAG_PROJECT};

static size_t allowed(const struct cli *c, enum flag_id out[FLAG_COUNT])
{
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_LEN(global_flags); i++)
		out[n++] = global_flags[i];
	for (const enum flag_id *f = c->command->flags; *f != FLAG_COUNT; f++)
		out[n++] = *f;
	return n;
}

static enum err_class add_value(struct values *v, const char *value, struct err *e)
{
	if (v->n == MAX_VALUES)
		return err_set(e, INVALID, R_InvalidFlag, "more than %d of a kind", MAX_VALUES);
	v->items[v->n++] = value;
	return OK;
}

static enum err_class unknown_flag(const char *word, const enum flag_id *ids, size_t n, struct err *e)
{
	const char *names[FLAG_COUNT];
	for (size_t i = 0; i < n; i++)
		names[i] = flags[ids[i]].long_name;
	const char *near = strncmp(word, "--", 2) == 0 ? nearest_name(word + 2, names, n) : NULL;
	return err_set(e, INVALID, R_InvalidFlag, "unknown flag %.60s%s%s%s", word, near ? "; did you mean --" : "", near ? near : "",
		       near ? "?" : "");
}

/* "--name", "--name=value" or "-n": which flag, and its value where it stands in the same word. */
static bool match(const char *word, enum flag_id id, const char **ret_value)
{
	const struct flag *f = &flags[id];
	*ret_value = NULL;
	if (word[1] != '-') {
		if (!f->short_name || word[1] != f->short_name)
			return false;
		*ret_value = word[2] ? word + 2 : NULL;
		return !word[2] || f->argument;
	}
	size_t n = strlen(f->long_name);
	if (strncmp(word + 2, f->long_name, n) != 0 || (word[2 + n] && word[2 + n] != '='))
		return false;
	*ret_value = word[2 + n] ? word + 3 + n : NULL;
	return true;
}

/* "-m --dry-run" would do what was only to be shown. */
static enum err_class check_value(const struct flag *f, const char *value, const enum flag_id *ids, size_t n, struct err *e)
{
	const char *ignored;
	if (strncmp(value, "--", 2) != 0)
		return OK;
	for (size_t i = 0; i < n; i++)
		if (match(value, ids[i], &ignored))
			return err_set(e, INVALID, R_InvalidFlag, "--%s needs a value: %s; write --%s=%s if that is meant", f->long_name, f->argument, f->long_name,
				       value);
	return OK;
}

int flags_before_command(int argc, char **argv)
{
	int i = 1;
	for (; i < argc && argv[i][0] == '-'; i++) {
		const char *value = NULL;
		size_t at = 0;
		while (at < ARRAY_LEN(global_flags) && !match(argv[i], global_flags[at], &value))
			at++;
		if (at == ARRAY_LEN(global_flags) || global_flags[at] == FLAG_HELP)
			return argc; /* it is the first word that is wrong, or asks for help */
		i += !value;
	}
	return i;
}

enum err_class flags_parse(struct cli *c, int argc, char **argv, struct err *e)
{
	enum flag_id ids[FLAG_COUNT];
	size_t n = allowed(c, ids);
	bool only_words = false;
	for (int i = 0; i < argc; i++) {
		const char *word = argv[i], *value = NULL;
		if (only_words || word[0] != '-' || !word[1]) {
			enum err_class class = add_value(&c->args, word, e);
			if (class)
				return class;
			continue;
		}
		if (strcmp(word, "--") == 0) {
			only_words = true;
			continue;
		}
		size_t at = 0;
		while (at < n && !match(word, ids[at], &value))
			at++;
		if (at == n)
			return unknown_flag(word, ids, n, e);
		const struct flag *f = &flags[ids[at]];
		if (!f->argument && value)
			return err_set(e, INVALID, R_InvalidFlag, "--%s takes no value", f->long_name);
		if (ids[at] == FLAG_DRY_RUN && !value)
			value = "server";
		if (f->argument && !value) {
			if (i + 1 == argc)
				return err_set(e, INVALID, R_InvalidFlag, "--%s needs a value: %s", f->long_name, f->argument);
			value = argv[++i];
			enum err_class class = check_value(f, value, ids, n, e);
			if (class)
				return class;
		}
		enum err_class class = add_value(&c->flag[ids[at]], value ? value : "", e);
		if (class)
			return class;
	}
	return OK;
}

bool flag_on(const struct cli *c, enum flag_id f) { return c->flag[f].n > 0; }

const char *flag_or(const struct cli *c, enum flag_id f, const char *fallback)
{
	return c->flag[f].n ? c->flag[f].items[c->flag[f].n - 1] : fallback;
}

enum err_class flag_duration(const struct cli *c, enum flag_id f, int64_t fallback_ms, int64_t *ret, struct err *e)
{
	const char *text = flag_or(c, f, NULL);
	*ret = fallback_ms;
	if (text && !parse_duration(text, ret))
		return err_set(e, INVALID, R_InvalidFlag, "--%s: \"%.40s\" is not a duration such as 30s or 5m", flags[f].long_name, text);
	return OK;
}

enum err_class flag_note(const struct cli *c, const char **ret, struct err *e)
{
	*ret = flag_or(c, FLAG_MESSAGE, NULL);
	return *ret ? note_check(*ret, "--message", R_InvalidFlag, R_InvalidFlag, e) : OK;
}

enum err_class flag_environment(const struct cli *c, json_t *body, struct err *e)
{
	const char *name = flag_or(c, FLAG_ENV, NULL);
	if (name && !utf8_valid(name))
		return err_set(e, INVALID, R_InvalidFlag, "--env is not valid UTF-8");
	if (name)
		(void)json_object_set_new(body, "environment", json_string(name)); /* fails only out of memory */
	return OK;
}

static void help_flag(enum flag_id id, struct buf *out)
{
	const struct flag *f = &flags[id];
	AUTO_FREE char *name = xprintf("%s%c%s--%s%s%s", f->short_name ? "-" : "", f->short_name ? f->short_name : ' ',
				       f->short_name ? ", " : "   ", f->long_name, f->argument ? " " : "", f->argument ? f->argument : "");
	(void)buf_printf(out, "  %-26s %s\n", name, f->help); /* bounded by the table */
}

void command_help(const struct command *cmd, struct buf *out)
{
	(void)buf_printf(out, "%s\n\nUsage:\n  fnctl %s %s\n\n%s", cmd->summary, cmd->name, cmd->usage, cmd->help);
	(void)buf_puts(out, "\nFlags:\n");
	for (const enum flag_id *f = cmd->flags; *f != FLAG_COUNT; f++)
		help_flag(*f, out);
	for (size_t i = 0; i < ARRAY_LEN(global_flags); i++)
		help_flag(global_flags[i], out);
}
