/* Waiting for objects to become what was declared, with progress on standard error. */
#ifndef FN_CLI_WAIT_H
#define FN_CLI_WAIT_H

#include "cli/client.h"

struct waited {
	enum kind kind;
	const char *project, *name;
	int64_t generation; /* at least this one must have been observed; 0: any */
	bool done, failed, held;
	char shown[1024];    /* the last progress line printed */
};

enum {
	WAIT_DEFAULT_MS = 120000,
	OUTAGE_AFTER_MS = 500     /* what takes longer is asked why */
};

/* Until every object is Ready, or none of the rest makes progress any more, or the time is over. Prints why for those that failed. */
enum exit_code wait_ready(struct cli *c, struct waited *objects, size_t n, int64_t timeout_ms);

/* The progress line of one object, where it says something new. drawn: lines on the terminal, 0 at first. */
void wait_progress(const struct cli *c, struct waited *w, size_t *drawn, const char *reason, const char *message);
/* Between two looks: short at first, since a warm deploy takes tens of milliseconds, longer later. */
void wait_pause(int64_t since_start_ms);

/* Why nothing goes on for now: "RegistryUnavailable" with a message, of a target or a function; NULL: nothing outside is away. Lives as long as doc. */
const char *target_outage(const json_t *target, const char **ret_message);
const char *function_outage(const json_t *doc, const char **ret_message);
/* fail() with Timeout, for what a function does not do yet ("hello in dev does not serve version 3"), why ("": not known), and how to go on waiting. */
enum exit_code wait_late(struct cli *c, const char *function, const char *what, const char *cause, int64_t timeout_ms);

/* Until the object is gone. */
enum exit_code wait_gone(struct cli *c, enum kind kind, const char *project, const char *name, int64_t timeout_ms);

/* Until the function serves in the environment what it should serve there; says how it ended. */
enum exit_code wait_target(struct cli *c, const char *project, const char *function, const char *environment, int64_t timeout_ms);

/* Until the version that POST …/deploy has answered with serves there, or will not; says how it ended. */
enum exit_code wait_version(struct cli *c, const json_t *deployed, int64_t began_ms, int64_t timeout_ms);

/* "/api/functions/hello" in the arena. */
const char *object_path(struct cli *c, enum kind kind, const char *name);

#endif
