#include "cli/rollback_text.h"

#include <string.h>

/* All of it is bounded by what the API accepts, so that a buffer without a tight maximum never overflows. */

static const char *joined(struct arena *a, const json_t *names)
{
	const char *all = "";
	size_t i;
	json_t *name;
	json_array_foreach(names, i, name)
		all = arena_printf(a, "%s%s%s", all, i ? ", " : "", json_is_string(name) ? json_string_value(name) : "");
	return all;
}

/* "version 3 (release 5)"; what was called off has no release. */
static const char *place(struct arena *a, const json_t *where)
{
	long long version = json_int_or(where, "version", 0), release = json_int_or(where, "release", 0);
	return release ? arena_printf(a, "version %lld (release %lld)", version, release) : arena_printf(a, "version %lld (called off)", version);
}

static const char *image_text(const char *image)
{
	static const char *const words[][2] = {
		{"serving", "it serves already: what was on its way is called off"},
		{"warm", "it is warm: the route moves"},
		{"kept", "its image is kept: it starts, then the route moves"},
		{"archived", "its image is pushed again from the archive, then it starts and the route moves"},
	};
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(words[i][0], image) == 0)
			return words[i][1];
	return image;
}

static const char *changes_text(struct arena *a, const json_t *changes)
{
	const char *env = joined(a, json_object_get(changes, "env")), *settings = joined(a, json_object_get(changes, "settings"));
	const char *parts[3];
	size_t n = 0;
	if (json_bool_or(changes, "code", false))
		parts[n++] = "code";
	if (*env)
		parts[n++] = arena_printf(a, "variables %s", env);
	if (*settings)
		parts[n++] = arena_printf(a, "settings %s", settings);
	const char *all = n ? "" : "nothing: it runs as it does now";
	for (size_t i = 0; i < n; i++)
		all = arena_printf(a, "%s%s%s", all, i ? "; " : "", parts[i]);
	return all;
}

const char *release_command(struct arena *a, const char *project, const char *function, const char *environment)
{
	bool other = strcmp(project, "default") != 0;
	return arena_printf(a, "fnctl release-hold %s -e %s%s%s", function, environment, other ? " -p " : "", other ? project : "");
}

/* Back in variables only: no version stays out. */
static const char *until_text(struct arena *a, long long version, long long floor, const char *command)
{
	const char *out = floor > version ? arena_printf(a, "versions up to %lld stay out", floor) : "what differs from what is declared stays so";
	return arena_printf(a, "%s until a newer one is deployed, a changed pin says otherwise, or `%s`", out, command);
}

void rollback_plan_text(const json_t *answer, struct arena *a, struct buf *out)
{
	const char *function = json_str_or(answer, "function", ""), *environment = json_str_or(answer, "environment", "");
	const json_t *from = json_object_get(answer, "from"), *to = json_object_get(answer, "to");
	const char *command = release_command(a, json_str_or(answer, "project", "default"), function, environment);
	bool some = json_is_object(from);
	(void)buf_printf(out, "%s in %s: %s%s%s\n", function, environment, some ? place(a, from) : "", some ? " -> " : "", place(a, to));
	(void)buf_printf(out, "  image    %s\n", image_text(json_str_or(answer, "image", "")));
	(void)buf_printf(out, "  changes  %s\n", changes_text(a, json_object_get(answer, "changes")));
	long long version = json_int_or(to, "version", 0);
	if (!json_bool_or(answer, "holds", true))
		(void)buf_printf(out, "  hold     none: version %lld is what is declared\n", version);
	else
		(void)buf_printf(out, "  hold     version %lld is held: %s\n", version, until_text(a, version, (long long)json_int_or(answer, "floor", 0), command));
	(void)buf_puts(out, "  data     is not rolled back: what was stored elsewhere stays as it is\n");
}

/* "serves version 1 (was 3)"; where only the configuration differs the releases tell them apart. */
static const char *served_text(struct arena *a, const json_t *from, const json_t *to)
{
	long long version = json_int_or(to, "version", 0), was = json_int_or(from, "version", 0);
	long long release = json_int_or(to, "release", 0), before = json_int_or(from, "release", 0);
	if (!before)
		return arena_printf(a, "serves version %lld", version);
	if (version == was)
		return arena_printf(a, "serves version %lld, release %lld (was release %lld)", version, release, before);
	return arena_printf(a, "serves version %lld (was %lld)", version, was);
}

static void failed_text(const json_t *answer, const json_t *record, struct buf *out)
{
	const char *reason = json_str_or(record, "reason", ""), *hint = reason_hint(reason);
	long long serves = json_int_or(json_object_get(record, "target"), "version", 0);
	(void)buf_printf(out, "error: the rollback of %s in %s failed: %s (%s)\n", json_str_or(answer, "function", ""), json_str_or(answer, "environment", ""),
			 json_str_or(record, "message", ""), reason);
	if (serves)
		(void)buf_printf(out, "  version %lld keeps serving\n", serves);
	else
		(void)buf_puts(out, "  nothing serves there\n");
	if (*hint)
		(void)buf_printf(out, "  next: %s\n", hint);
}

static void superseded_text(const json_t *answer, const json_t *record, struct arena *a, struct buf *out)
{
	const json_t *by = json_object_get(record, "supersededBy");
	const char *actor = json_str_or(by, "actor", NULL);
	long long version = json_int_or(by, "version", 0);
	const char *what = version ? arena_printf(a, "%s rolled back to version %lld", actor ? actor : "somebody", version)
			   : actor ? arena_printf(a, "%s ended the hold", actor)
				   : "the function went from there";
	(void)buf_printf(out, "error: the rollback of %s in %s was superseded: %s\n  next: fnctl history %s --rollbacks\n", json_str_or(answer, "function", ""),
			 json_str_or(answer, "environment", ""), what, json_str_or(answer, "function", ""));
}

void rollback_end_text(const json_t *answer, const json_t *record, struct arena *a, struct buf *out)
{
	const char *state = json_str_or(record, "state", "");
	if (strcmp(state, "failed") == 0)
		failed_text(answer, record, out);
	else if (strcmp(state, "done") != 0)
		superseded_text(answer, record, a, out);
	else
		(void)buf_printf(out, "%s in %s %s after %lld ms\n", json_str_or(answer, "function", ""), json_str_or(answer, "environment", ""),
				 served_text(a, json_object_get(answer, "from"), json_object_get(answer, "to")),
				 (long long)(json_number_value(json_object_get(record, "milliseconds")) + 0.5));
}

const char *hold_text(struct arena *a, const json_t *target)
{
	const char *note = json_str_or(target, "holdNote", "");
	const char *command = release_command(a, json_str_or(target, "project", "default"), json_str_or(target, "function", ""),
					      json_str_or(target, "environment", ""));
	long long version = json_int_or(target, "wantedVersion", 0);
	return arena_printf(a, "version %lld is held by %s's rollback%s%s; %s", version, json_str_or(target, "heldBy", "?"), *note ? ": " : "", note,
			    until_text(a, version, (long long)json_int_or(target, "floor", 0), command));
}
