#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"

static enum exit_code run(struct cli *c, int argc, char **argv)
{
	struct err e = ERR_INIT;
	if (flags_parse(c, argc, argv, &e) != OK)
		return fail(c, &e);
	if (flag_on(c, FLAG_HELP))
		return print_help(c->command);
	return c->command->run(c);
}

/* "fnctl -p team get pins" is "fnctl get -p team pins": the command goes first. */
static void command_first(int argc, char **argv)
{
	int at = flags_before_command(argc, argv);
	if (at >= argc)
		return;
	char *name = argv[at];
	memmove(argv + 2, argv + 1, (size_t)(at - 1) * sizeof *argv);
	argv[1] = name;
}

/* What was asked for must not be lost without a word, as on a full disk. */
static enum exit_code written(enum exit_code status)
{
	bool failed = ferror(stdout) != 0;
	if (fflush(stdout) == 0 && !failed)
		return status;
	(void)fprintf(stderr, "error: write to standard output: %s\n", errno ? strerror(errno) : "failed");
	return status == EXIT_OK ? EXIT_USAGE : status;
}

int main(int argc, char **argv)
{
	command_first(argc, argv);
	const char *last = argv[argc - 1];
	if (argc < 2 || (argv[1][0] == '-' && (strcmp(last, "--help") == 0 || strcmp(last, "-h") == 0)))
		return written(print_help(NULL));
	const char *name = strcmp(argv[1], "--version") == 0 ? "version" : argv[1];
	const struct command *cmd = command_find(name);
	if (!cmd)
		return unknown_command(name);
	AUTO_ARENA struct arena arena = ARENA_INIT;
	bool terminal = isatty(STDOUT_FILENO) && isatty(STDERR_FILENO);
	const char *no_colour = getenv("NO_COLOR");
	struct cli c = {.command = cmd, .arena = &arena, .terminal = terminal, .colour = terminal && !(no_colour && *no_colour)};
	enum exit_code status = run(&c, argc - 2, argv + 2);
	client_free(c.client);
	return written(status);
}
