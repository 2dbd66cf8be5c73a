#include <stdio.h>
#include <string.h>

#include "base/names.h"
#include "cli/cli.h"

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < commands_n; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

enum exit_code unknown_command(const char *name)
{
	enum { MAX = 64 };
	const char *names[MAX];
	size_t n = 0;
	for (; n < commands_n && n < MAX; n++)
		names[n] = commands[n].name;
	const char *near = nearest_name(name, names, n);
	if (name[0] == '-') {
		(void)fprintf(stderr, "error: no command before the flag %.60s\n  `fnctl --help` lists the commands\n", name);
		return EXIT_USAGE;
	}
	(void)fprintf(stderr, "error: unknown command \"%.60s\"%s%s%s\n  `fnctl --help` lists the commands\n", name, near ? "; did you mean \"" : "",
		      near ? near : "", near ? "\"?" : "");
	return EXIT_USAGE;
}

enum exit_code print_help(const struct command *cmd)
{
	AUTO_BUF struct buf out = BUF_INIT(1 << 16);
	if (cmd)
		command_help(cmd, &out);
	else
		general_help(&out);
	(void)fputs(buf_str(&out), stdout);
	return EXIT_OK;
}

enum exit_code cmd_help(struct cli *c)
{
	const struct command *cmd = c->args.n ? command_find(c->args.items[0]) : NULL;
	if (c->args.n && !cmd)
		return unknown_command(c->args.items[0]);
	return print_help(cmd);
}
