#include "cli/wait.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/output.h"
#include "cli/rollback_text.h"

const char *object_path(struct cli *c, enum kind kind, const char *name)
{
	return arena_printf(c->arena, "/api/%s/%s", kind_info(kind)->plural, name);
}

void wait_pause(int64_t since_start_ms)
{
	int ms = since_start_ms < 500 ? 10 : since_start_ms < 5000 ? 50 : 250;
	(void)poll(NULL, 0, ms);
}

/* What is known of one object, as one line. True when it changed. */
static bool describe(struct waited *w, const char *reason, const char *message)
{
	char line[sizeof w->shown];
	(void)snprintf(line, sizeof line, "%s/%s: %s%s%s", kind_info(w->kind)->singular, w->name, reason, *message ? ": " : "", message);
	plain_text(line);
	if (strcmp(line, w->shown) == 0)
		return false;
	memcpy(w->shown, line, sizeof line);
	return true;
}

/* Bytes of a line that fit: a line that wraps could not be rewritten in place. Never in the middle of a character. */
static int fitting(const char *line)
{
	enum { MARK = 3, NARROW = 80 };
	struct winsize w;
	size_t room = ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > MARK ? w.ws_col - MARK : NARROW - MARK;
	size_t n = strcspn(line, "\n");
	if (n > room)
		for (n = room; n > 0 && ((unsigned char)line[n] & 0xc0) == 0x80;)
			n--;
	return (int)n;
}

/* On a terminal the objects' lines are rewritten in place; elsewhere each change is a line of its own. */
static void show(const struct cli *c, const struct waited *objects, size_t n, size_t changed, size_t *drawn)
{
	if (!c->terminal) {
		(void)fprintf(stderr, "%s\n", objects[changed].shown);
		return;
	}
	if (*drawn)
		(void)fprintf(stderr, "\033[%zuA", *drawn);
	*drawn = 0;
	for (size_t i = 0; i < n; i++) {
		if (!*objects[i].shown)
			continue;
		const char *mark = objects[i].done ? "\342\234\224" : objects[i].failed ? "\342\234\227" : "\342\227\216"; /* check, cross, bull's eye */
		(void)fprintf(stderr, "\033[2K%s %.*s\n", mark, fitting(objects[i].shown), objects[i].shown);
		(*drawn)++;
	}
}

void wait_progress(const struct cli *c, struct waited *w, size_t *drawn, const char *reason, const char *message)
{
	if (describe(w, reason, message))
		show(c, w, 1, 0, drawn);
}

/* True when there is something new to show. */
static bool judge(struct waited *w, const json_t *doc)
{
	const json_t *ready = condition_of(doc, "Ready"), *progressing = condition_of(doc, "Progressing");
	int64_t seen = json_int_or(json_object_get(doc, "status"), "observedGeneration", 0);
	/* What is declared now may be newer than what was applied: conditions of an older one say nothing about it. */
	int64_t declared = json_int_or(json_object_get(doc, "metadata"), "generation", 0);
	if (!ready || seen < w->generation || seen < declared)
		return false;
	const char *reason = json_str_or(ready, "reason", ""), *message = json_str_or(ready, "message", "");
	/* Pending: something it depends on changed, and the loop has not looked since. */
	bool pending = json_bool_or(json_object_get(doc, "status"), "pending", false);
	bool stale = pending && w->generation == 0; /* after an apply its generation tells better */
	w->done = !stale && strcmp(json_str_or(ready, "status", ""), "True") == 0;
	w->held = strcmp(reason, "Held") == 0;
	w->failed = !w->done && !pending && strcmp(json_str_or(progressing, "status", "True"), "False") == 0;
	return describe(w, reason, message) && !w->held; /* nothing goes on, and the end says it */
}

static enum err_class look(struct cli *c, struct client *cl, struct waited *w, bool *ret_changed, struct err *e)
{
	AUTO_JSON json_t *doc = NULL;
	const char *query[] = {"project", w->project, NULL};
	const char *path = object_path(c, w->kind, w->name);
	enum err_class class = client_call(cl, "GET", path, w->kind == KIND_PROJECT ? NULL : query, NULL, &doc, e);
	*ret_changed = !class && judge(w, doc);
	return class;
}

static enum exit_code verdict(const struct waited *objects, size_t n, bool over)
{
	enum exit_code code = EXIT_OK;
	for (size_t i = 0; i < n; i++) {
		if (objects[i].done)
			continue;
		if (objects[i].held)
			code = code == EXIT_OK ? EXIT_HELD : code; /* what failed or is late matters more */
		else if (objects[i].failed)
			code = EXIT_FAILED;
		else if (over && code != EXIT_FAILED)
			code = EXIT_TIMEOUT;
	}
	return code;
}

/* What ends the holds of a function, or NULL. */
static const char *release_commands(struct cli *c, struct client *cl, const struct waited *w)
{
	struct err e = ERR_INIT;
	AUTO_JSON json_t *targets = NULL;
	const char *query[] = {"project", w->project, NULL}, *all = NULL;
	if (client_call(cl, "GET", arena_printf(c->arena, "%s/targets", object_path(c, w->kind, w->name)), query, NULL, &targets, &e) != OK)
		return NULL;
	size_t i;
	json_t *t;
	json_array_foreach(json_object_get(targets, "items"), i, t) {
		const char *command = release_command(c->arena, w->project, w->name, json_str_or(t, "environment", ""));
		if (json_bool_or(t, "held", false))
			all = all ? arena_printf(c->arena, "%s; %s", all, command) : command;
	}
	return all;
}

static const char *next_step(struct cli *c, struct client *cl, const struct waited *w)
{
	const char *release = w->held && w->kind == KIND_FUNCTION ? release_commands(c, cl, w) : NULL;
	const char *kind = kind_info(w->kind)->singular;
	bool logs = w->kind == KIND_FUNCTION && !w->held; /* its logs are well */
	return release ? release : arena_printf(c->arena, "fnctl describe %s/%s%s%s", kind, w->name, logs ? "; fnctl logs " : "", logs ? w->name : "");
}

static void explain(struct cli *c, struct client *cl, const struct waited *objects, size_t n, enum exit_code code, int64_t timeout_ms)
{
	for (size_t i = 0; i < n; i++) {
		if (objects[i].done)
			continue;
		(void)fprintf(stderr, "error: %s\n  next: %s\n", *objects[i].shown ? objects[i].shown : objects[i].name, next_step(c, cl, &objects[i]));
	}
	if (code == EXIT_TIMEOUT)
		(void)fprintf(stderr, "error: not ready after %lld s; it goes on converging: `fnctl wait` waits again\n",
			      (long long)(timeout_ms / 1000));
}

enum exit_code wait_ready(struct cli *c, struct waited *objects, size_t n, int64_t timeout_ms)
{
	struct client *cl;
	struct err e = ERR_INIT;
	if (cli_client(c, &cl, &e) != OK)
		return fail(c, &e);
	int64_t start = clock_mono_ms();
	size_t drawn = 0;
	bool met = n > 0 && objects[0].generation > 0; /* whoever has just applied has met the controller: it will be back */
	for (;;) {
		size_t open = 0;
		for (size_t i = 0; i < n; i++) {
			if (objects[i].done || objects[i].failed)
				continue;
			bool changed = false;
			enum err_class class = look(c, cl, &objects[i], &changed, &e);
			if (changed)
				show(c, objects, n, i, &drawn);
			if (class && (!met || (class != TRANSIENT && class != CONFLICT)))
				return fail(c, &e);
			met = true;
			open += !objects[i].done && !objects[i].failed;
		}
		int64_t waited = clock_mono_ms() - start;
		bool over = waited >= timeout_ms;
		if (open == 0 || over) {
			enum exit_code code = verdict(objects, n, over);
			explain(c, cl, objects, n, code, timeout_ms);
			return code;
		}
		wait_pause(waited);
	}
}

enum exit_code wait_gone(struct cli *c, enum kind kind, const char *project, const char *name, int64_t timeout_ms)
{
	struct client *cl;
	struct err e = ERR_INIT;
	if (cli_client(c, &cl, &e) != OK)
		return fail(c, &e);
	const char *query[] = {"project", project, NULL};
	for (int64_t start = clock_mono_ms();;) {
		enum err_class class = client_call(cl, "GET", object_path(c, kind, name), query, NULL, NULL, &e);
		if (class == INVALID && strcmp(e.reason, "NotFound") == 0)
			return EXIT_OK;
		if (class && class != TRANSIENT)
			return fail(c, &e);
		int64_t waited = clock_mono_ms() - start;
		if (waited >= timeout_ms) {
			const char *what = arena_printf(c->arena, "%s/%s", kind_info(kind)->singular, name);
			(void)err_set(&e, TRANSIENT, R_Timeout, "%s is still there after %lld s", what, (long long)(timeout_ms / 1000));
			return fail_next(c, &e, arena_printf(c->arena, "`fnctl wait %s --for delete` waits again; `fnctl describe %s` tells what keeps it", what, what));
		}
		wait_pause(waited);
	}
}

static const char *outage(const char *reason, const char *message, const char **ret_message)
{
	*ret_message = message;
	return *reason && reason_is_outage(reason_parse(reason)) ? reason : NULL;
}

const char *target_outage(const json_t *target, const char **ret_message)
{
	return outage(json_str_or(target, "status", ""), json_str_or(target, "message", ""), ret_message);
}

const char *function_outage(const json_t *doc, const char **ret_message)
{
	const json_t *ready = condition_of(doc, "Ready");
	return outage(json_str_or(ready, "reason", ""), json_str_or(ready, "message", ""), ret_message);
}

enum exit_code wait_late(struct cli *c, const char *function, const char *what, const char *cause, int64_t timeout_ms)
{
	struct err e = ERR_INIT;
	const char *subject = command_subject(c, function);
	(void)err_set(&e, TRANSIENT, R_Timeout, "%s after %lld s; it goes on%s%s", what, (long long)(timeout_ms / 1000), *cause ? ": " : "", cause);
	return fail_next(c, &e, arena_printf(c->arena, "`fnctl wait function/%s` waits again; `fnctl events function/%s` shows what happens", subject, subject));
}
