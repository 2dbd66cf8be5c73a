#include "cli/cli.h"

#define FLAGS(...) (const enum flag_id[]) { __VA_ARGS__, FLAG_COUNT }
#define NO_FLAGS (const enum flag_id[]) { FLAG_COUNT }

const struct command commands[] = {
	{"apply", "-f FILE|DIR|- [--wait] [--dry-run=server]", "Declare functions, environments, pins and runtimes",
	 "Reads manifests, packs and uploads the sources they name, and declares all of them in one transaction: all or none.\n"
	 "The controller then converges. Unchanged input makes no new version; a manifest that lies beside its source is no part\n"
	 "of it, so a changed setting makes a new release of the same version.\n\n"
	 "Examples:\n"
	 "  fnctl apply -f hello.yaml --wait        until it serves\n"
	 "  fnctl apply -f manifests/ --dry-run=server\n"
	 "  cat hello.yaml | fnctl apply -f -\n",
	 FLAGS(FLAG_FILE, FLAG_WAIT, FLAG_TIMEOUT, FLAG_DRY_RUN, FLAG_FORCE), cmd_apply},
	{"deploy", "DIR | NAME --source DIR | NAME --rebuild", "Deploy one function as its next version, and wait until it serves",
	 "DIR holds the function's manifest (function.yaml, or the only one there) and its source. NAME takes another source, or builds the\n"
	 "declared one again; with --runtime it may be new. Always takes the next number, also when nothing has changed, ends what a\n"
	 "rollback holds there, and moves only the environment named and those that follow latest.\n"
	 "Exit status 0: it serves; 6: it failed, or something newer took its place; 3: another writer owns the source, or a pin the\n"
	 "environment; 5: the time is over, it goes on; 7: a rollback holds.\n\n"
	 "Examples:\n"
	 "  fnctl deploy .\n"
	 "  fnctl deploy shop/cart -e staging -m 'new totals'\n"
	 "  fnctl deploy echo --source ./echo --runtime python --command 'python3 main.py'\n"
	 "  fnctl deploy echo --source ./echo\n"
	 "  fnctl deploy hello --rebuild\n",
	 FLAGS(FLAG_ENV, FLAG_MESSAGE, FLAG_SOURCE, FLAG_RUNTIME, FLAG_COMMAND, FLAG_PORT, FLAG_REBUILD, FLAG_FORCE, FLAG_DRY_RUN, FLAG_NO_WAIT,
	       FLAG_TIMEOUT), cmd_deploy},
	{"diff", "-f FILE|DIR|-", "Show what an apply would change and do",
	 "Exit status 0: nothing would change; 1: something would; more: an error.\n\n"
	 "Examples:\n"
	 "  fnctl diff -f hello.yaml\n",
	 FLAGS(FLAG_FILE), cmd_diff},
	{"get", "[KIND [NAME] | KIND/NAME | all]", "List objects, or show one",
	 "Kinds: functions (fn), environments (env), pins, runtimes, projects; also deployments (versions), targets, instances and\n"
	 "work.\n\n"
	 "Examples:\n"
	 "  fnctl get functions\n"
	 "  fnctl get function/hello -o yaml\n"
	 "  fnctl get deployments hello             its versions; deployment/hello/3 is one\n"
	 "  fnctl get targets -o wide -w\n",
	 FLAGS(FLAG_OUTPUT, FLAG_WATCH, FLAG_ALL_PROJECTS, FLAG_NO_HEADERS), cmd_get},
	{"describe", "KIND/NAME", "Show one object with its conditions, targets, instances and events",
	 "Examples:\n"
	 "  fnctl describe function/hello\n"
	 "  fnctl describe deployment/hello/3       one version: digests, releases, what keeps its image\n",
	 NO_FLAGS, cmd_describe},
	{"history", "FUNCTION [--rollbacks | --operations]", "Show a function's versions, rollbacks or all that was done to it",
	 "The newest first.\n\n"
	 "Examples:\n"
	 "  fnctl history hello\n"
	 "  fnctl history hello --rollbacks         who went back, from where, to where, why\n"
	 "  fnctl history hello --operations --limit 100\n",
	 FLAGS(FLAG_ROLLBACKS, FLAG_OPERATIONS, FLAG_LIMIT, FLAG_OUTPUT, FLAG_NO_HEADERS), cmd_history},
	{"events", "[KIND/NAME] [-w]", "Show what happened",
	 "Examples:\n"
	 "  fnctl events -w\n"
	 "  fnctl events function/hello\n",
	 FLAGS(FLAG_WATCH, FLAG_TAIL, FLAG_ALL_PROJECTS), cmd_events},
	{"logs", "FUNCTION [-f]", "Show what a function's instances print",
	 "Examples:\n"
	 "  fnctl logs hello\n"
	 "  fnctl logs hello -e dev -f --tail 20\n",
	 FLAGS(FLAG_ENV, FLAG_FOLLOW, FLAG_TAIL), cmd_logs},
	{"wait", "KIND/NAME [--for condition=Ready|delete]", "Wait until an object is ready or gone",
	 "Exit status 0: it is; 5: the time is over, it goes on; 6: it failed; 7: a rollback holds it.\n\n"
	 "Examples:\n"
	 "  fnctl wait function/hello --timeout 30s\n"
	 "  fnctl wait function/hello --for delete\n",
	 FLAGS(FLAG_FOR, FLAG_TIMEOUT), cmd_wait},
	{"delete", "KIND/NAME | -f FILE|DIR|-", "Remove objects",
	 "A function's history stays. Waits until it is gone, unless told not to. An environment in which functions serve is deleted\n"
	 "with --force only: they stop serving there.\n\n"
	 "Examples:\n"
	 "  fnctl delete function/hello\n"
	 "  fnctl delete -f hello.yaml --no-wait\n",
	 FLAGS(FLAG_FILE, FLAG_NO_WAIT, FLAG_TIMEOUT, FLAG_FORCE), cmd_delete},
	{"rollback", "FUNCTION [VERSION] [-e ENV] [-m REASON]", "Go back to what served before, or to any version",
	 "Without a version to what served last and was not rolled back past; a deploy that is under way is called off first. Says\n"
	 "what it does and what is held, and ends when it serves; what does not start leaves everything as it is. Data is not rolled\n"
	 "back. Exit status 6: it failed; 3: something newer took its place; 5: the time is over, it goes on.\n\n"
	 "Examples:\n"
	 "  fnctl rollback hello\n"
	 "  fnctl rollback hello 3 -e staging -m 'checkout is slow'\n"
	 "  fnctl rollback hello --dry-run          only says what it would do\n",
	 FLAGS(FLAG_ENV, FLAG_MESSAGE, FLAG_DRY_RUN, FLAG_NO_WAIT, FLAG_TIMEOUT), cmd_rollback},
	{"release-hold", "FUNCTION [-e ENV]", "End what a rollback holds",
	 "The function goes on to what its environment or pin says. Waits until it serves that.\n\n"
	 "Examples:\n"
	 "  fnctl release-hold hello -e dev\n",
	 FLAGS(FLAG_ENV, FLAG_NO_WAIT, FLAG_TIMEOUT), cmd_release_hold},
	{"invoke", "FUNCTION [-e ENV] [-d BODY] [--path PATH]", "Send a request to a function through the gateway",
	 "Prints the answer's body. Exit status 6 when the answer is an HTTP error.\n\n"
	 "Examples:\n"
	 "  fnctl invoke hello\n"
	 "  fnctl invoke hello -e dev --path /deliveries -d '{\"a\":1}' -H 'Content-Type: application/json'\n",
	 FLAGS(FLAG_ENV, FLAG_DATA, FLAG_METHOD, FLAG_PATH, FLAG_HEADER), cmd_invoke},
	{"gc", "[--dry-run [FUNCTION]]", "Collect what nothing uses any more, or show what would go",
	 "Archives versions whose images are of no more use, and frees what they took in the registry, the cache and on the node.\n"
	 "The controller does so by itself every hour. --dry-run shows each version with what keeps it or the rule by which it goes,\n"
	 "and the bytes that frees.\n\n"
	 "Examples:\n"
	 "  fnctl gc --dry-run\n"
	 "  fnctl gc --dry-run hello\n"
	 "  fnctl gc --timeout 5m\n",
	 FLAGS(FLAG_DRY_RUN, FLAG_OUTPUT, FLAG_TIMEOUT, FLAG_NO_HEADERS), cmd_gc},
	{"version", "", "Show the versions of fnctl and of the controller", "", NO_FLAGS, cmd_version},
	{"help", "[COMMAND]", "Show help", "", NO_FLAGS, cmd_help},
};
const size_t commands_n = ARRAY_LEN(commands);

void general_help(struct buf *out)
{
	(void)buf_puts(out, "fnctl: deploy functions and see how they do\n\nUsage:\n  fnctl COMMAND [FLAGS]\n\nCommands:\n"); /* bounded by the table */
	for (size_t i = 0; i < commands_n; i++)
		(void)buf_printf(out, "  %-13s %s\n", commands[i].name, commands[i].summary);
	(void)buf_puts(out, "\n`fnctl COMMAND --help` shows a command's flags and examples.\n"
			    "Exit status: 0 ok, 1 differences (diff), 2 usage or invalid manifest, 3 conflict, 4 denied, 5 timed out,\n"
			    "  6 failed, 7 held, 20 controller unreachable.\n");
}
