/* fnctl itself: rollback, release-hold, history, versions, and an apply of what is held, over an API in this process. */
#include "rollback_case.h"

#include <poll.h>
#include <sys/wait.h>

enum { PATIENCE_MS = 20000 };

/* One run of fnctl; both streams in `out`, standard error marked by nothing: what matters is said once. */
struct fnctl {
	FILE *pipe;
	struct buf out;
	int status;
};

#define AUTO_FNCTL __attribute__((cleanup(fnctl_release)))
static void fnctl_release(struct fnctl *f)
{
	if (f->pipe)
		(void)pclose(f->pipe);
	buf_release(&f->out);
}

static void begin(const struct world *w, struct fnctl *f, const char *words)
{
	const char *build = getenv("B");
	AUTO_FREE char *line = xprintf("exec %s/fnctl --server unix:%s %s 2>&1 </dev/null", build ? build : "build", w->t->socket, words);
	fnctl_release(f);
	f->out = (struct buf)BUF_INIT(1 << 20);
	f->pipe = popen(line, "re");
	assert_non_null(f->pipe);
}

static void end(struct fnctl *f)
{
	char *to;
	while ((to = buf_reserve(&f->out, 4096)) != NULL) {
		size_t n = fread(to, 1, 4096, f->pipe);
		if (n == 0)
			break;
		f->out.len += n;
		f->out.p[f->out.len] = '\0';
	}
	int status = pclose(f->pipe);
	f->pipe = NULL;
	f->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* It has said its first line, and waits. */
static void assert_waits(struct fnctl *f)
{
	enum { LOOKS_MS = 200 };
	char *line = buf_reserve(&f->out, 4096);
	assert_non_null(fgets(line, 4096, f->pipe));
	f->out.len += strlen(line);
	struct pollfd p = {.fd = fileno(f->pipe), .events = POLLIN};
	assert_int_equal(poll(&p, 1, LOOKS_MS), 0);
}

static void run(const struct world *w, struct fnctl *f, const char *words)
{
	begin(w, f, words);
	end(f);
}

#define assert_exit(f, want) \
	do { \
		if ((f)->status != (want)) \
			fail_msg("exit status %d, not %d: %s", (f)->status, want, buf_str(&(f)->out)); \
	} while (0)
#define assert_says(f, text) \
	do { \
		if (!strstr(buf_str(&(f)->out), text)) \
			fail_msg("does not say \"%s\": %s", text, buf_str(&(f)->out)); \
	} while (0)
#define assert_not_says(f, text) \
	do { \
		if (strstr(buf_str(&(f)->out), text)) \
			fail_msg("says \"%s\": %s", text, buf_str(&(f)->out)); \
	} while (0)

/* Until the query gives something. */
static const char *within(struct world *w, const char *sql)
{
	for (int64_t until = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < until; (void)poll(NULL, 0, 5)) {
		const char *got = peek(w, sql);
		if (*got)
			return got;
	}
	fail_msg("nothing within %d ms: %s", PATIENCE_MS, sql);
	return "";
}

static const char *pending(struct world *w)
{
	return within(w, arena_printf(&w->a, "SELECT id FROM rollbacks WHERE function_id = '%s' AND state = 'pending'", w->id));
}

/* Versions 1 to 3, the first two with their code, the last with other variables too; 3 serves, 2 is warm. */
static void with_three(struct world *w, void **state, const char *name, const char *release[3])
{
	world_open(w, state, name);
	release[0] = serve(w, "dev", "follow", build(w));
	release[1] = serve(w, "dev", "follow", build(w));
	declare(w, "env: {GREETING: two}");
	release[2] = serve(w, "dev", "follow", build(w));
	run_instances(w, "dev", &release[1], 2);
}

static void a_rollback_from_words_to_the_last_line(void **state)
{
	AUTO_WORLD struct world w;
	AUTO_FNCTL struct fnctl f = {0};
	const char *release[3];
	with_three(&w, state, "back", release);
	run(&w, &f, "rollback back --dry-run");
	assert_exit(&f, 0);
	assert_says(&f, "back in dev: version 3 (release 3) -> version 2 (release 2)\n  image    it is warm: the route moves\n  changes  code; variables GREETING\n");
	assert_says(&f, "or `fnctl release-hold back -e dev`");
	assert_string_equal(peek(&w, arena_printf(&w.a, "SELECT count(*) FROM rollbacks WHERE function_id = '%s'", w.id)), "0");
	begin(&w, &f, "rollback back -m 'it is slow' --timeout 20s");
	(void)pending(&w);
	acknowledge(&w, "dev", release[1]);
	end(&f);
	assert_exit(&f, 0);
	assert_says(&f, "back in dev: version 3 (release 3) -> version 2 (release 2)\n");
	assert_says(&f, "\nback in dev serves version 2 (was 3) after ");
	assert_string_equal(peek(&w, arena_printf(&w.a, "SELECT note FROM rollbacks WHERE function_id = '%s'", w.id)), "it is slow");
	run(&w, &f, "rollback function/back v1 --no-wait -e dev");
	assert_exit(&f, 0);
	assert_says(&f, "its image is kept: it starts");
	assert_not_says(&f, "serves version 1");
}

static void a_rollback_that_does_not_end_well(void **state)
{
	AUTO_WORLD struct world w;
	AUTO_FNCTL struct fnctl f = {0};
	const char *release[3];
	with_three(&w, state, "bad", release);
	run(&w, &f, "rollback bad 1 --timeout 50ms");
	assert_exit(&f, 5);
	assert_says(&f, "bad in dev does not serve version 1 after 0 s; it goes on (Timeout)\n  next: `fnctl wait function/bad` waits again");
	must(target_set_status(w.s, w.id, "dev", "NodeUnavailable", "fn-node does not answer", &(struct target_seen){.function = 1}, &w.e), w.e);
	run(&w, &f, "rollback bad 1 --timeout 1s");
	assert_exit(&f, 5);
	assert_says(&f, "function/bad: NodeUnavailable: fn-node does not answer\n");
	assert_says(&f, "after 1 s; it goes on: NodeUnavailable: fn-node does not answer (Timeout)\n");
	must(target_set_status(w.s, w.id, "dev", "Starting", "", &(struct target_seen){.function = 1}, &w.e), w.e);
	begin(&w, &f, "rollback bad 2 --timeout 20s");
	(void)within(&w, arena_printf(&w.a, "SELECT id FROM rollbacks WHERE function_id = '%s' AND state = 'pending' AND to_version = 2", w.id));
	ask_json(w.t, &w.c, "POST", "/api/functions/bad/rollback", "{\"version\":1}");
	assert_status(&w.c, 202);
	end(&f);
	assert_exit(&f, 3);
	assert_says(&f, "superseded: root rolled back to version 1");
	begin(&w, &f, "rollback bad 2 --timeout 20s");
	(void)within(&w, arena_printf(&w.a, "SELECT id FROM rollbacks WHERE function_id = '%s' AND state = 'pending' AND to_version = 2", w.id));
	must(rollback_fail(w.s, w.id, "dev", "Unhealthy", "version 2: no answer on port 8080", &w.e), w.e);
	end(&f);
	assert_exit(&f, 6);
	assert_says(&f, "error: the rollback of bad in dev failed: version 2: no answer on port 8080 (Unhealthy)\n  version 3 keeps serving\n  next: ");
	begin(&w, &f, "rollback bad 2 --timeout 20s");
	(void)within(&w, arena_printf(&w.a, "SELECT id FROM rollbacks WHERE function_id = '%s' AND state = 'pending' AND to_version = 2", w.id));
	(void)peek(&w, arena_printf(&w.a, "DELETE FROM instances i USING releases r WHERE r.id = i.release_id AND r.function_id = '%s'", w.id));
	(void)peek(&w, arena_printf(&w.a, "DELETE FROM targets WHERE function_id = '%s'", w.id));
	end(&f);
	assert_exit(&f, 3);
	assert_says(&f, "the function went from there");
}

static void wrong_words(void **state)
{
	AUTO_WORLD struct world w;
	AUTO_FNCTL struct fnctl f = {0};
	const char *release[3];
	with_three(&w, state, "words", release);
	static const struct {
		const char *words, *says;
	} rows[] = {
		{"rollback", "say which function"}, {"rollback words x", "is no version"}, {"rollback words 1 2", "too many"}, {"rollback words 9", "(NotFound)\n  next: `fnctl history words` lists its versions\n"},
		{"rollback words 3", "(AlreadyServing)\n  next: `fnctl history words` shows which"}, {"rollback words 2 -e staging", "does not run in staging (NotFound)\n  next: `fnctl get` lists"}, {"rollback words -e UP", "(BadRequest)"},
		{"rollback nobody", "(NotFound)"}, {"rollback nobody 9", "(NotFound)\n  next: `fnctl get` lists"}, {"rollback words --dry-run=client", "takes only"}, {"release-hold words", "(NotHeld)"},
		{"release-hold words dev", "\"dev\" is too many: fnctl release-hold NAME"}, {"history words dev", "\"dev\" is too many: fnctl history NAME"}, {"history", "say which function"}, {"history words --limit 0", "--limit takes a number"},
		{"history words --limit x", "--limit takes a number"}, {"history words --rollbacks --operations", "one at a time"}, {"history nobody", "(NotFound)"},
		{"describe deployment", "neither a name nor an id"}, {"describe deployment words", "say which version"}, {"describe deployment/words/9", "(NotFound)\n  next: `fnctl history words` lists its versions\n"},
		{"get deployment/words/9", "(NotFound)\n  next: `fnctl history words` lists its versions\n"}, {"get deployment/nobody/9", "(NotFound)\n  next: `fnctl get` lists"},
		{"rollback words -m 'a\nb' --dry-run", "--message has control characters"}, {"rollback words -m '\xff' --dry-run", "--message is not valid UTF-8"},
		{"deploy words --rebuild -m '\xff' --dry-run", "--message is not valid UTF-8"}, {"rollback words -e '\xff' --dry-run", "--env is not valid UTF-8"},
		{"release-hold words -e '\xff'", "--env is not valid UTF-8"}, {"rollback words -m --dry-run", "--message needs a value"},
		{"gc --dry-run nosuch", "(NotFound)"}, {"gc --dry-run -o json nosuch", "(NotFound)"}, {"gc -o name", "-o name"}, {"gc --dry-run -o name", "-o name"},
		{"describe deployment words/x", "is no version"}, {"get deployment words/3 4", "too many"}, {"get deployments nobody", "(NotFound)"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		run(&w, &f, rows[i].words);
		if (f.status != 2 || !strstr(buf_str(&f.out), rows[i].says))
			fail_msg("%s: exit status %d, \"%s\" expected: %s", rows[i].words, f.status, rows[i].says, buf_str(&f.out));
	}
}

/* As the function's pass says it, of what is declared now. */
static void set_ready(struct world *w, const char *reason, const char *message)
{
	struct manifest_row f;
	must(manifest_load(w->s, KIND_FUNCTION, "default", w->name, &w->a, &f, &w->e), w->e);
	const struct condition all[] = {{"Ready", "False", reason, message}, {"Progressing", "False", reason, ""}};
	must(manifest_set_status(w->s, KIND_FUNCTION, "default", w->name, f.generation, all, ARRAY_LEN(all), &w->e), w->e);
	(void)peek(w, arena_printf(&w->a, "UPDATE work SET done_seq = seq WHERE key LIKE '%%/%s' OR key LIKE '%%/%s/%%'", w->name, w->name));
}

static void a_hold_and_its_end(void **state)
{
	AUTO_WORLD struct world w;
	AUTO_FNCTL struct fnctl f = {0};
	const char *release[3];
	with_three(&w, state, "kept", release);
	ask_json(w.t, &w.c, "POST", "/api/functions/kept/rollback", "{\"version\":1,\"note\":\"slow\"}");
	assert_status(&w.c, 202);
	acknowledge(&w, "dev", release[0]);
	must(target_set_status(w.s, w.id, "dev", "Held", "version 1 is held", &(struct target_seen){.function = 1}, &w.e), w.e);
	run(&w, &f, "describe function/kept");
	assert_exit(&f, 0);
	assert_says(&f, "In dev: version 1, release 1, Held\n  version 1 is held by root's rollback: slow; versions up to 3 stay out until");
	assert_says(&f, "`fnctl release-hold kept -e dev`\n  http://kept.dev.fn.localhost");
	run(&w, &f, "get targets kept -o wide");
	assert_says(&f, "HELD BY  FLOOR  WHY");
	assert_says(&f, "root     3      slow");
	run(&w, &f, "get targets kept");
	assert_says(&f, "Held");
	run(&w, &f, "get targets -A --no-headers");
	assert_exit(&f, 0);

	AUTO_FREE char *path = xprintf("%s/kept.yaml", w.t->home);
	char digest[DIGEST_TEXT];
	struct digest d = digest_of_str("a source");
	static const char manifest[] = "apiVersion: fn/v1\nkind: Function\nmetadata: {name: kept}\nspec: {runtime: static, source: {digest: \"%s\"}, env: {GREETING: two}%s}\n";
	FILE *yaml = fopen(path, "w");
	assert_non_null(yaml);
	(void)fprintf(yaml, manifest, digest_text(&d, digest), "");
	(void)fclose(yaml);
	const char *apply = arena_printf(&w.a, "apply -f %s", path);
	run(&w, &f, apply);
	assert_exit(&f, 7);
	assert_says(&f, "held in dev at version 1 by root's rollback: slow; `fnctl release-hold kept -e dev` ends it");
	run(&w, &f, arena_printf(&w.a, "%s --dry-run", apply));
	assert_exit(&f, 0);
	assert_says(&f, "held in dev");
	run(&w, &f, arena_printf(&w.a, "diff -f %s", path));
	assert_says(&f, "function/kept: held in dev at version 1 by root's rollback: slow; `fnctl release-hold kept -e dev` ends it\n");
	set_ready(&w, "Held", "version 1 is held by root's rollback: slow; versions up to 3 stay out");
	run(&w, &f, arena_printf(&w.a, "%s --wait --timeout 20s", apply));
	assert_exit(&f, 7);
	assert_says(&f, "function/kept unchanged\nerror: function/kept: Held: version 1 is held by root's rollback: slow; versions up to 3 stay out\n"
			"  next: fnctl release-hold kept -e dev\n");
	const char *said = strstr(buf_str(&f.out), "by root's rollback");
	assert_null(strstr(said + 1, "by root's rollback")); /* once */
	yaml = fopen(path, "w");
	assert_non_null(yaml);
	(void)fprintf(yaml, manifest, digest, ", command: [other]");
	(void)fclose(yaml);
	run(&w, &f, arena_printf(&w.a, "%s --dry-run", apply));
	assert_not_says(&f, "held");
	run(&w, &f, apply);
	assert_exit(&f, 0);

	run(&w, &f, "release-hold kept -e dev --timeout 50ms"); /* nobody looks at it */
	assert_exit(&f, 5);
	assert_says(&f, "(Timeout)\n  next: `fnctl wait function/kept` waits again");
	assert_says(&f, "kept in dev: version 1 is no longer held (by root's rollback: slow)\n");
	ask_json(w.t, &w.c, "POST", "/api/functions/kept/rollback", "{\"version\":2}");
	must(target_set_status(w.s, w.id, "dev", "Held", "version 2 is held", &(struct target_seen){.function = 1}, &w.e), w.e);
	must(target_set_active(w.s, w.id, "dev", release[0], &w.e), w.e);
	begin(&w, &f, "release-hold kept --timeout 20s");
	(void)within(&w, arena_printf(&w.a, "SELECT 1 FROM targets WHERE function_id = '%s' AND hold IS NULL", w.id));
	/* Looked at, but not done: the status that is about the hold does not count. */
	(void)peek(&w, "UPDATE work SET done_seq = seq WHERE key LIKE 'target/%kept/dev'");
	assert_waits(&f);
	acknowledge(&w, "dev", release[2]);
	must(target_set_active(w.s, w.id, "dev", release[2], &w.e), w.e);
	must(target_set_status(w.s, w.id, "dev", "Serving", "version 3", &(struct target_seen){.function = 1}, &w.e), w.e);
	end(&f);
	assert_exit(&f, 0);
	assert_says(&f, "kept in dev: Serving: version 3\n");
}

static void a_deploy_that_waits_for_what_is_away(void **state)
{
	AUTO_WORLD struct world w;
	AUTO_FNCTL struct fnctl f = {0};
	world_open(&w, state, "away");
	(void)serve(&w, "dev", "follow", build(&w));
	set_ready(&w, "RegistryUnavailable", "push: no connection");
	run(&w, &f, "deploy away --rebuild --timeout 1s");
	assert_exit(&f, 5);
	assert_says(&f, "function/away: RegistryUnavailable: push: no connection\n");
	assert_says(&f, "error: away version 2 does not serve in dev after 1 s; it goes on: RegistryUnavailable: push: no connection (Timeout)\n"
			"  next: `fnctl wait function/away` waits again");
	set_ready(&w, "Building", "version 3 is being built");
	must(target_set_status(w.s, w.id, "dev", "NodeUnavailable", "fn-node does not answer", &(struct target_seen){.function = 1}, &w.e), w.e);
	run(&w, &f, "deploy away --rebuild --timeout 1s");
	assert_exit(&f, 5);
	assert_says(&f, "it goes on: NodeUnavailable: fn-node does not answer (Timeout)\n");

	AUTO_FREE char *path = xprintf("%s/pin.yaml", w.t->home);
	FILE *yaml = fopen(path, "w");
	assert_non_null(yaml);
	(void)fputs("apiVersion: fn/v1\nkind: Environment\nmetadata: {name: production}\nspec: {}\n---\napiVersion: fn/v1\nkind: Pin\nmetadata: {name: stays}\nspec: {function: away, environment: production, version: 1}\n", yaml);
	(void)fclose(yaml);
	run(&w, &f, arena_printf(&w.a, "apply -f %s", path));
	assert_exit(&f, 0);
	run(&w, &f, "deploy away --rebuild -e production --force");
	assert_exit(&f, 3);
	assert_says(&f, "(Pinned)\n  next: change the pin (`fnctl get pins`), or name another environment with -e\n");
}

static void versions_in_tables(void **state)
{
	AUTO_WORLD struct world w;
	AUTO_FNCTL struct fnctl f = {0};
	const char *release[3];
	int64_t n;
	with_three(&w, state, "listed", release);
	must(deployment_failed(w.s, number(&w, &n), "BuildFailed", "no \033[31mcompiler", &w.e), w.e);
	run(&w, &f, "history listed");
	assert_exit(&f, 0);
	assert_says(&f, "VERSION  STATUS  ACTIVE IN  WHO     WHEN  SERVED  SOURCE");
	assert_says(&f, "4        failed  -          tester");
	assert_says(&f, "3        ready   dev        tester");
	assert_says(&f, "2.0 KiB  why\n");
	run(&w, &f, "history listed --limit 2 --no-headers");
	assert_says(&f, "3  ready   dev");
	assert_not_says(&f, "VERSION");
	assert_not_says(&f, "2  ready");
	assert_says(&f, "the newest 2; --limit shows more");
	run(&w, &f, "history listed --limit 4");
	assert_not_says(&f, "shows more");
	run(&w, &f, "history listed -o name --limit 2");
	assert_says(&f, "deployment/listed/4\ndeployment/listed/3\n");
	run(&w, &f, "get deployments listed -o name");
	assert_says(&f, "deployment/listed/4\ndeployment/listed/3\ndeployment/listed/2\ndeployment/listed/1\n");
	run(&w, &f, "get deploys -A");
	assert_says(&f, "FUNCTION");
	assert_says(&f, "listed    ");
	run(&w, &f, "get deployment/listed/3 -o json");
	assert_says(&f, "\"version\": 3");
	assert_says(&f, "\"releases\": [");
	run(&w, &f, "get deployment listed v2 -o wide");
	assert_says(&f, "ARCHIVE");
	assert_says(&f, "/v2/function.tar.gz");
	static const char *const spellings[] = {"describe deployment listed/3", "describe deployment/listed/3", "describe deployment listed 3", "describe deploys listed v3"};
	for (size_t i = 0; i < ARRAY_LEN(spellings); i++) {
		run(&w, &f, spellings[i]);
		assert_exit(&f, 0);
		assert_says(&f, "Version:      listed/3\n");
	}
	assert_says(&f, "Active in:    dev\n");
	assert_says(&f, "Note:         why\n");
	assert_says(&f, "Layer:        sha256:layer (2.0 KiB)\n");
	assert_says(&f, "Releases:\n  ENVIRONMENT  RELEASE  SERVED");
	assert_says(&f, "  http://listed--v3.dev.fn.localhost");
	assert_says(&f, "  http://listed--r3.dev.fn.localhost");
	run(&w, &f, "describe deployment listed/4");
	assert_says(&f, "Status:       failed: BuildFailed: no ?[31mcompiler\n"); /* a terminal obeys what it is sent */
	assert_not_says(&f, "Releases:");
}

/* A cell of the row whose VERSION that is; cells are two spaces apart. column: its heading. */
static const char *cell(struct world *w, const struct fnctl *f, const char *version, const char *column)
{
	const char *text = buf_str(&f->out), *heading = strstr(text, column);
	AUTO_FREE char *begin = xprintf("\n%s  ", version);
	const char *row = strstr(text, begin);
	if (!heading || !row)
		fail_msg("no version %s or no column %s: %s", version, column, text);
	const char *at = row + 1 + (heading - text);
	const char *end = strstr(at, "  ");
	return arena_strndup(&w->a, at, strcspn(at, "\n") < (size_t)(end ? end - at : 0) || !end ? strcspn(at, "\n") : (size_t)(end - at));
}

static void versions_of_every_sort(void **state)
{
	AUTO_WORLD struct world w;
	AUTO_FNCTL struct fnctl f = {0};
	const char *release[3];
	int64_t n;
	with_three(&w, state, "sorts", release);
	must(deployment_failed(w.s, number(&w, &n), "BuildFailed", "no compiler", &w.e), w.e);
	(void)build(&w);
	run(&w, &f, "history sorts");
	assert_string_equal(cell(&w, &f, "5", "STATUS"), "ready");
	assert_string_equal(cell(&w, &f, "5", "SERVED"), "never");
	assert_string_equal(cell(&w, &f, "4", "SERVED"), "-"); /* there was nothing to serve */
	const char *age = cell(&w, &f, "3", "SERVED");
	assert_true(age[0] >= '0' && age[0] <= '9');
	run(&w, &f, "get deployments sorts");
	assert_says(&f, "AGE  SERVED  DIGEST");
	assert_says(&f, "  never ");
	run(&w, &f, "describe deployment/sorts/5");
	assert_says(&f, "First served: never\n");
	run(&w, &f, "describe deployment/sorts/4");
	assert_not_says(&f, "First served:");

	(void)peek(&w, arena_printf(&w.a, "UPDATE function_deployments SET status = 'archived', archived_at = now() WHERE function_id = '%s' AND version IN (1, 5)", w.id));
	(void)peek(&w, arena_printf(&w.a, "UPDATE function_deployments SET s3_key = NULL WHERE function_id = '%s' AND version = 1", w.id));
	run(&w, &f, "history sorts");
	assert_string_equal(cell(&w, &f, "5", "STATUS"), "archived");
	assert_string_equal(cell(&w, &f, "5", "SERVED"), "never");
	assert_string_equal(cell(&w, &f, "1", "STATUS"), "gone");
	run(&w, &f, "get deployments sorts");
	assert_says(&f, "  gone ");
	run(&w, &f, "get deployment/sorts/1");
	assert_says(&f, "  gone ");
	run(&w, &f, "describe deployment/sorts/1");
	assert_says(&f, "Status:       gone\n");
	run(&w, &f, "history sorts -o json");
	assert_not_says(&f, "gone"); /* what the API says, as it says it */
}

static void rollbacks_and_operations_in_tables(void **state)
{
	AUTO_WORLD struct world w;
	AUTO_FNCTL struct fnctl f = {0};
	const char *release[3];
	with_three(&w, state, "told", release);
	run(&w, &f, "history told --rollbacks");
	assert_exit(&f, 0);
	assert_says(&f, "none\n");
	ask_json(w.t, &w.c, "POST", "/api/functions/told/rollback", "{\"note\":\"it is slow\"}");
	acknowledge(&w, "dev", release[1]);
	(void)peek(&w, arena_printf(&w.a, "UPDATE rollbacks SET finished_at = created_at + interval '1400 ms' WHERE function_id = '%s'", w.id));
	run(&w, &f, "history told --rollbacks");
	assert_says(&f, "WHEN  ENVIRONMENT  FROM  TO  IMAGE  STATE  WHO   TOOK   WHY\n");
	assert_says(&f, "dev          3     2   warm   done   root  1.4 s  it is slow\n");
	run(&w, &f, "history told --rollbacks -o wide");
	assert_says(&f, "dev          3/r3  2/r2  warm ");
	run(&w, &f, "history told --rollbacks -o yaml");
	assert_says(&f, "milliseconds: 1400");
	run(&w, &f, "history told --rollbacks -o name");
	assert_says(&f, "rollback/");
	run(&w, &f, "history told --operations");
	assert_says(&f, "WHEN  OPERATION  VERSION  ENVIRONMENT  WHO   MESSAGE\n");
	assert_says(&f, "rollback   2        dev          root  root in dev: back from version 3 to version 2: it is slow\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rollback_from_words_to_the_last_line),
		cmocka_unit_test(a_rollback_that_does_not_end_well),
		cmocka_unit_test(wrong_words),
		cmocka_unit_test(a_hold_and_its_end),
		cmocka_unit_test(a_deploy_that_waits_for_what_is_away),
		cmocka_unit_test(versions_in_tables),
		cmocka_unit_test(versions_of_every_sort),
		cmocka_unit_test(rollbacks_and_operations_in_tables),
	};
	return cmocka_run_group_tests(tests, env_set_up, env_tear_down);
}
