#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/names.h"
#include "cli/cli.h"
#include "cli/client.h"

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < commands_n; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int unknown_command(const char *name)
{
	enum { MAX = 64 };
	const char *names[MAX];
	size_t n = 0;
	for (; n < commands_n && n < MAX; n++)
		names[n] = commands[n].name;
	const char *near = nearest_name(name, names, n);
	(void)fprintf(stderr, "error: unknown command \"%.60s\"%s%s%s\n  `fnctl --help` lists the commands\n", name, near ? "; did you mean \"" : "",
		      near ? near : "", near ? "\"?" : "");
	return EXIT_USAGE;
}

static enum exit_code print_help(const struct command *cmd)
{
	AUTO_BUF struct buf out = BUF_INIT(1 << 16);
	if (cmd)
		command_help(cmd, &out);
	else
		general_help(&out);
	(void)fputs(buf_str(&out), stdout);
	return EXIT_OK;
}

static enum exit_code run(struct cli *c, int argc, char **argv)
{
	struct err e = ERR_INIT;
	if (flags_parse(c, argc, argv, &e) != OK)
		return fail(c, &e);
	if (flag_on(c, FLAG_HELP))
		return print_help(c->command);
	return c->command->run(c);
}

enum exit_code cmd_help(struct cli *c)
{
	const struct command *cmd = c->args.n ? find_command(c->args.items[0]) : NULL;
	if (c->args.n && !cmd)
		return (enum exit_code)unknown_command(c->args.items[0]);
	return print_help(cmd);
}

int main(int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return print_help(NULL);
	const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
	const struct command *cmd = find_command(name);
	if (!cmd)
		return unknown_command(name);
	AUTO_ARENA struct arena arena = ARENA_INIT;
	bool terminal = isatty(STDOUT_FILENO) && isatty(STDERR_FILENO);
	const char *no_colour = getenv("NO_COLOR");
	struct cli c = {.command = cmd, .arena = &arena, .terminal = terminal, .colour = terminal && !(no_colour && *no_colour)};
	enum exit_code status = run(&c, argc - 2, argv + 2);
	client_free(c.client);
	if (fflush(stdout) != 0 && status == EXIT_OK)
		status = EXIT_USAGE; /* what was asked for could not be written */
	return status;
}
