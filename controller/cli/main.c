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

int main(int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return print_help(NULL);
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
	if (fflush(stdout) != 0 && status == EXIT_OK)
		status = EXIT_USAGE; /* what was asked for could not be written */
	return status;
}
