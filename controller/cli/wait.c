#include "cli/wait.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cli/output.h"

const char *object_path(struct cli *c, enum kind kind, const char *name)
{
	return arena_printf(c->arena, "/api/%s/%s", kind_info(kind)->plural, name);
}

/* Short at first, since a warm deploy takes tens of milliseconds, longer later. */
static void pause_between_looks(int64_t since_start_ms)
{
	int ms = since_start_ms < 500 ? 10 : since_start_ms < 5000 ? 50 : 250;
	(void)poll(NULL, 0, ms);
}

static void show(struct waited *w, const char *reason, const char *message)
{
	char line[sizeof w->shown];
	(void)snprintf(line, sizeof line, "%s/%s: %s%s%s", kind_info(w->kind)->singular, w->name, reason, *message ? ": " : "", message);
	if (strcmp(line, w->shown) == 0)
		return;
	memcpy(w->shown, line, sizeof line);
	(void)fprintf(stderr, "%s\n", line);
}

static void judge(struct waited *w, const json_t *doc)
{
	const json_t *ready = condition_of(doc, "Ready"), *progressing = condition_of(doc, "Progressing");
	int64_t seen = json_int_or(json_object_get(doc, "status"), "observedGeneration", 0);
	if (!ready || seen < w->generation)
		return;
	const char *reason = json_str_or(ready, "reason", ""), *message = json_str_or(ready, "message", "");
	w->done = strcmp(json_str_or(ready, "status", ""), "True") == 0;
	w->held = strcmp(reason, "Held") == 0;
	w->failed = !w->done && strcmp(json_str_or(progressing, "status", "True"), "False") == 0;
	show(w, reason, message);
}

static enum err_class look(struct cli *c, struct client *cl, struct waited *w, struct err *e)
{
	AUTO_JSON json_t *doc = NULL;
	const char *query[] = {"project", w->project, NULL};
	const char *path = object_path(c, w->kind, w->name);
	enum err_class class = client_call(cl, "GET", path, w->kind == KIND_PROJECT ? NULL : query, NULL, &doc, e);
	if (!class)
		judge(w, doc);
	return class;
}

static enum exit_code verdict(const struct waited *objects, size_t n, bool over)
{
	enum exit_code code = EXIT_OK;
	for (size_t i = 0; i < n; i++) {
		if (objects[i].done)
			continue;
		if (objects[i].held && code == EXIT_OK)
			code = EXIT_HELD;
		else if (objects[i].failed)
			code = EXIT_FAILED;
		else if (over && code != EXIT_FAILED)
			code = EXIT_TIMEOUT;
	}
	return code;
}

static void explain(const struct waited *objects, size_t n, enum exit_code code, int64_t timeout_ms)
{
	for (size_t i = 0; i < n; i++) {
		if (objects[i].done)
			continue;
		const char *kind = kind_info(objects[i].kind)->singular;
		(void)fprintf(stderr, "error: %s\n  next: fnctl describe %s/%s; fnctl logs %s\n",
			      *objects[i].shown ? objects[i].shown : objects[i].name, kind, objects[i].name, objects[i].name);
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
	for (;;) {
		size_t open = 0;
		for (size_t i = 0; i < n; i++) {
			if (objects[i].done || objects[i].failed)
				continue;
			enum err_class class = look(c, cl, &objects[i], &e);
			if (class && class != TRANSIENT && class != CONFLICT)
				return fail(c, &e);
			open += !objects[i].done && !objects[i].failed;
		}
		int64_t waited = clock_mono_ms() - start;
		bool over = waited >= timeout_ms;
		if (open == 0 || over) {
			enum exit_code code = verdict(objects, n, over);
			explain(objects, n, code, timeout_ms);
			return code;
		}
		pause_between_looks(waited);
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
			(void)err_set(&e, TRANSIENT, R_Timeout, "%s/%s is still there after %lld s", kind_info(kind)->singular, name,
				      (long long)(timeout_ms / 1000));
			return fail(c, &e);
		}
		pause_between_looks(waited);
	}
}
