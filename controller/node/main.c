/* fn-node: arguments; the rest is serve.c and teardown.c. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "node/fnode.h"

static const char usage[] =
	"Usage: fn-node [--home DIR]            run instances and the gateway of an installation, in the foreground\n"
	"       fn-node teardown [--home DIR]   end and remove all of them: processes, mounts, networks, cgroups\n"
	"       fn-node --version | --help\n"
	"\n"
	"DIR is FN_HOME (default: $FN_HOME, else /var/lib/fn). On SIGTERM instances and the gateway go on; the next fn-node takes\n"
	"them over. Needs root. The log is one JSON object a line on standard error.\n";

enum { EXIT_USAGE = 2 };

static int fail_usage(const char *arg)
{
	(void)fprintf(stderr, "fn-node: unexpected argument \"%s\"\n%s", arg, usage);
	return EXIT_USAGE;
}

static int run(const char *home, bool teardown)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct conf conf;
	enum err_class c = conf_load(home, &a, &conf, &e);
	if (!c && geteuid() != 0)
		c = err_set(&e, DENIED, R_Forbidden, "fn-node must be run as root");
	if (!c)
		c = teardown ? fnode_teardown(&conf, &e) : fnode_serve(&conf, &e);
	if (c)
		log_err(LOG_ERROR, teardown ? "teardown" : "fn-node", &e, NULL);
	return c ? 1 : 0;
}

int main(int argc, char **argv)
{
	const char *home = NULL;
	bool teardown = false;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return fputs(usage, stdout) < 0;
		if (strcmp(argv[i], "--version") == 0)
			return puts("fn-node " FN_VERSION) < 0;
		if (strcmp(argv[i], "teardown") == 0 && !teardown)
			teardown = true;
		else if (strcmp(argv[i], "--home") == 0 && i + 1 < argc)
			home = argv[++i];
		else
			return fail_usage(argv[i]);
	}
	return run(home, teardown);
}
