/* fnctl: one table of commands, one of flags, one file per command. */
#ifndef FN_CLI_CLI_H
#define FN_CLI_CLI_H

#include "base/json.h"
#include "base/mem.h"
#include "manifests/manifest.h"

/* Exit codes (docs/reference/fnctl.md). */
enum exit_code {
	EXIT_OK = 0,
	EXIT_DIFFERENT = 1,    /* diff: there are differences */
	EXIT_USAGE = 2,        /* usage, or an invalid manifest */
	EXIT_CONFLICT = 3,
	EXIT_DENIED = 4,
	EXIT_TIMEOUT = 5,      /* still converging */
	EXIT_FAILED = 6,       /* converged to failure */
	EXIT_HELD = 7,         /* applied but held, not serving */
	EXIT_UNREACHABLE = 20
};

enum flag_id {
	FLAG_HELP, FLAG_SERVER, FLAG_TOKEN_FILE, FLAG_PROJECT,           /* every command's */
	FLAG_FILE, FLAG_ENV, FLAG_OUTPUT, FLAG_WATCH, FLAG_WAIT, FLAG_TIMEOUT, FLAG_DRY_RUN, FLAG_FORCE, FLAG_FOR, FLAG_FOLLOW, FLAG_TAIL,
	FLAG_ALL_PROJECTS, FLAG_NO_HEADERS, FLAG_DATA, FLAG_METHOD, FLAG_PATH, FLAG_HEADER, FLAG_NO_WAIT,
	FLAG_MESSAGE, FLAG_ROLLBACKS, FLAG_OPERATIONS, FLAG_LIMIT,
	FLAG_SOURCE, FLAG_RUNTIME, FLAG_COMMAND, FLAG_PORT, FLAG_REBUILD,
	FLAG_COUNT
};

struct flag {
	const char *long_name;
	char short_name;      /* 0: none */
	const char *argument; /* what it is called in help; NULL: a switch */
	const char *help;
};
extern const struct flag flags[FLAG_COUNT];

enum { MAX_VALUES = 64 };

struct values {
	const char *items[MAX_VALUES];
	size_t n;
};

/* One invocation. */
struct cli {
	const struct command *command;
	struct values flag[FLAG_COUNT]; /* in the order given; a switch that is on has one value "" */
	struct values args;
	struct arena *arena;
	bool terminal;                  /* standard output is one: live progress, colour unless NO_COLOR */
	bool colour;
	struct client *client;          /* opened at first use: cli_client() */
};

struct command {
	const char *name, *usage, *summary;
	const char *help;              /* what it does and examples */
	const enum flag_id *flags;     /* ends with FLAG_COUNT */
	enum exit_code (*run)(struct cli *c);
};
extern const struct command commands[];
extern const size_t commands_n;

/* Where the command's name stands behind flags that every command has; argc when there is none. argv[0] is the program. */
int flags_before_command(int argc, char **argv);
/* Parses the words after the command's name; INVALID InvalidFlag with a "did you mean". */
enum err_class flags_parse(struct cli *c, int argc, char **argv, struct err *e) MUST_USE;
bool flag_on(const struct cli *c, enum flag_id f);
const char *flag_or(const struct cli *c, enum flag_id f, const char *fallback); /* the last value given */
enum err_class flag_duration(const struct cli *c, enum flag_id f, int64_t fallback_ms, int64_t *ret, struct err *e) MUST_USE;
/* -m; NULL without it. INVALID InvalidFlag unless it is one line of text that the history keeps whole. */
enum err_class flag_note(const struct cli *c, const char **ret, struct err *e) MUST_USE;
/* -e into the body of a request. INVALID InvalidFlag for what JSON cannot hold: without a word it would be the default one. */
enum err_class flag_environment(const struct cli *c, json_t *body, struct err *e) MUST_USE;
void command_help(const struct command *cmd, struct buf *out);
void general_help(struct buf *out);
const struct command *command_find(const char *name); /* NULL: there is none */
enum exit_code unknown_command(const char *name);     /* says so on standard error, with the nearest one */
enum exit_code print_help(const struct command *cmd); /* NULL: of fnctl as a whole */

/* The project that -p names, or "default". */
const char *cli_project(const struct cli *c);

/* Prints "error: …", the hint, and for a manifest each problem with its position; gives the exit code that fits the class. */
enum exit_code fail(const struct cli *c, const struct err *e);
/* The same with another next step than the reason's own. */
enum exit_code fail_next(const struct cli *c, const struct err *e, const char *next);
/* The same for problems that were found here, before anything was sent. */
enum exit_code fail_locally(const struct cli *c, const struct manifests *docs, const struct err *e);

/* "function/hello", "fn hello", "functions hello": kind and name from args[at…]; *ret_name NULL when only a kind was given. INVALID InvalidFlag. */
enum err_class object_argument(const struct cli *c, size_t at, enum kind *ret_kind, const char **ret_name, struct err *e) MUST_USE;

/* For paths of the API: INVALID InvalidName unless it can be a name or an id. */
enum err_class check_name(const char *name, struct err *e) MUST_USE;
/* The one argument of commands about a function, "hello" or "function/hello"; usage is said when there is none. INVALID InvalidFlag, InvalidName. */
enum err_class function_argument(const struct cli *c, const char *usage, const char **ret, struct err *e) MUST_USE;
/* The same where more may follow: args[at]. */
enum err_class function_word(const struct cli *c, size_t at, const char *usage, const char **ret, struct err *e) MUST_USE;
/* "hello", with "-p team" behind it outside the default project: as a next step names it. */
const char *command_subject(const struct cli *c, const char *name);
/* "3" or "v3". INVALID InvalidFlag. */
enum err_class version_argument(const char *word, int64_t *ret, struct err *e) MUST_USE;
/* "hello/3", or "hello" with the number in args[next]; *ret_version 0 where there is none. INVALID InvalidFlag, InvalidName. */
enum err_class version_words(const struct cli *c, const char *word, size_t next, const char **ret_name, int64_t *ret_version, struct err *e) MUST_USE;

/* For commands that take flags only: INVALID InvalidFlag naming the first word, so that `-f *.yaml` does not apply one file of many. */
enum err_class no_arguments(const struct cli *c, struct err *e) MUST_USE;

enum exit_code cmd_apply(struct cli *c);
enum exit_code cmd_diff(struct cli *c);
enum exit_code cmd_get(struct cli *c);
enum exit_code cmd_describe(struct cli *c);
enum exit_code cmd_delete(struct cli *c);
enum exit_code cmd_events(struct cli *c);
enum exit_code cmd_logs(struct cli *c);
enum exit_code cmd_wait(struct cli *c);
enum exit_code cmd_invoke(struct cli *c);
enum exit_code cmd_deploy(struct cli *c);
enum exit_code cmd_rollback(struct cli *c);
enum exit_code cmd_release_hold(struct cli *c);
enum exit_code cmd_history(struct cli *c);
enum exit_code cmd_gc(struct cli *c);
enum exit_code cmd_version(struct cli *c);
enum exit_code cmd_help(struct cli *c);

#endif
