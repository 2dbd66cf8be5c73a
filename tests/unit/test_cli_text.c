/* What fnctl says of versions, rollbacks and holds: pure text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include "cli/cli.h" /* before cmocka, which has a macro fail() */
#include "cli/columns.h"
#include "cli/output.h"
#include "cli/rollback_text.h"

#include <cmocka.h>

static json_t *parse(struct arena *a, const char *text)
{
	json_t *j = json_loads(text, JSON_DECODE_ANY, NULL);
	if (!j)
		fail_msg("not JSON: %s", text);
	return json_in_arena(j, a);
}

static void numbers_for_people(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	static const struct {
		int64_t n;
		const char *text;
	} sizes[] = {{0, "0 B"}, {1023, "1023 B"}, {1024, "1.0 KiB"}, {1536, "1.5 KiB"}, {10 << 20, "10.0 MiB"}, {(15 << 20) - 1, "15.0 MiB"},
		     {5LL << 30, "5.0 GiB"}, {3LL << 40, "3.0 TiB"}, {4000LL << 40, "4000.0 TiB"}},
	  times[] = {{0, "0 ms"}, {7, "7 ms"}, {999, "999 ms"}, {1000, "1.0 s"}, {12345, "12.3 s"}, {59999, "59.9 s"}, {61000, "1 min 1 s"}, {3600000, "60 min"}};
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		assert_string_equal(size_text(&a, sizes[i].n), sizes[i].text);
	for (size_t i = 0; i < ARRAY_LEN(times); i++)
		assert_string_equal(duration_text(&a, times[i].n), times[i].text);
	assert_string_equal(short_digest(&a, "sha256:0123456789abcdef0123456789abcdef"), "0123456789ab");
	assert_string_equal(short_digest(&a, "scratch"), "scratch");
}

static void cells(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	const json_t *item = parse(&a, "{\"version\":3,\"digest\":\"sha256:0123456789abcdef\",\"size\":2048,\"none\":null,\"empty\":\"\",\"nothing\":[],"
				       "\"activeIn\":[\"dev\",\"staging\"],\"spec\":{\"a\":{\"b\":\"deep\"}},\"ms\":7.08,\"held\":true,"
				       "\"status\":{\"conditions\":[{\"type\":\"Ready\",\"reason\":\"Held\"}]},\"when\":\"2000-01-01T00:00:00.000Z\"}");
	static const struct {
		const char *path, *text;
	} rows[] = {{"version", "3"}, {"#digest", "0123456789ab"}, {"~size", "2.0 KiB"}, {"^ms", "7 ms"}, {"none", "-"}, {"absent", "-"}, {"~absent", "-"},
		    {"#none", "-"}, {"@none", "-"}, {"empty", "-"}, {"nothing", "-"}, {"activeIn", "dev, staging"}, {"spec.a.b", "deep"}, {"spec.a.c.d", "-"},
		    {"held", "true"}, {"?Ready.reason", "Held"}, {"?Built.reason", "-"}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(column_cell(item, rows[i].path, &a), rows[i].text);
	const char *age = column_cell(item, "@when", &a);
	assert_int_equal(age[strlen(age) - 1], 'd');
}

#define ANSWER(from, to, image, changes) \
	"{\"project\":\"default\",\"function\":\"hello\",\"environment\":\"dev\",\"floor\":3,\"from\":" from ",\"to\":" to ",\"image\":\"" image "\",\"changes\":" changes "}"
#define THREE "{\"version\":3,\"release\":5}"
#define ONE "{\"version\":1,\"release\":1}"
#define ALL_CHANGES "{\"code\":true,\"env\":[\"GREETING\",\"MODE\"],\"settings\":[\"port\"]}"
#define NO_CHANGES "{\"code\":false,\"env\":[],\"settings\":[]}"
#define HOLD \
	"  hold     version 1 is held: versions up to 3 stay out until a newer one is deployed, a changed pin says otherwise, or `fnctl release-hold hello -e dev`\n" \
	"  data     is not rolled back: what was stored elsewhere stays as it is\n"

static void what_a_rollback_does(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	static const struct {
		const char *answer, *text;
	} rows[] = {
		{ANSWER(THREE, ONE, "warm", ALL_CHANGES), "hello in dev: version 3 (release 5) -> version 1 (release 1)\n"
							  "  image    it is warm: the route moves\n"
							  "  changes  code; variables GREETING, MODE; settings port\n" HOLD},
		{ANSWER(THREE, ONE, "kept", "{\"code\":true,\"env\":[],\"settings\":[]}"), "hello in dev: version 3 (release 5) -> version 1 (release 1)\n"
											   "  image    its image is kept: it starts, then the route moves\n"
											   "  changes  code\n" HOLD},
		{ANSWER("null", ONE, "archived", "{\"code\":false,\"env\":[\"A\"],\"settings\":[]}"),
		 "hello in dev: version 1 (release 1)\n"
		 "  image    its image is pushed again from the archive, then it starts and the route moves\n"
		 "  changes  variables A\n" HOLD},
		{ANSWER(THREE, "{\"version\":3,\"release\":4}", "warm", "{\"code\":false,\"env\":[\"A\"],\"settings\":[]}"),
		 "hello in dev: version 3 (release 5) -> version 3 (release 4)\n"
		 "  image    it is warm: the route moves\n"
		 "  changes  variables A\n"
		 "  hold     version 3 is held: what differs from what is declared stays so until a newer one is deployed, a changed pin says otherwise, or "
		 "`fnctl release-hold hello -e dev`\n"
		 "  data     is not rolled back: what was stored elsewhere stays as it is\n"},
		{ANSWER("{\"version\":4,\"release\":null}", ONE, "serving", NO_CHANGES), "hello in dev: version 4 (called off) -> version 1 (release 1)\n"
											 "  image    it serves already: what was on its way is called off\n"
											 "  changes  nothing: it runs as it does now\n" HOLD},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf out = BUF_INIT(1 << 16);
		rollback_plan_text(parse(&a, rows[i].answer), &a, &out);
		assert_string_equal(buf_str(&out), rows[i].text);
	}
}

static void how_a_rollback_ends(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	static const struct {
		const char *answer, *record, *text;
	} rows[] = {
		{ANSWER(THREE, ONE, "warm", NO_CHANGES), "{\"state\":\"done\",\"milliseconds\":6.52}", "hello in dev serves version 1 (was 3) after 7 ms\n"},
		{ANSWER(THREE, "{\"version\":3,\"release\":4}", "warm", NO_CHANGES), "{\"state\":\"done\",\"milliseconds\":7}",
		 "hello in dev serves version 3, release 4 (was release 5) after 7 ms\n"},
		{ANSWER("{\"version\":4,\"release\":null}", THREE, "serving", NO_CHANGES), "{\"state\":\"done\",\"milliseconds\":3}",
		 "hello in dev serves version 3 after 3 ms\n"},
		{ANSWER("null", ONE, "kept", NO_CHANGES), "{\"state\":\"done\",\"milliseconds\":50}", "hello in dev serves version 1 after 50 ms\n"},
		{ANSWER(THREE, ONE, "kept", NO_CHANGES),
		 "{\"state\":\"failed\",\"reason\":\"Unhealthy\",\"message\":\"version 1: no answer\",\"target\":{\"version\":3}}",
		 "error: the rollback of hello in dev failed: version 1: no answer (Unhealthy)\n  version 3 keeps serving\n"
		 "  next: see `fnctl logs`; check spec.port and spec.health\n"},
		{ANSWER("null", ONE, "kept", NO_CHANGES), "{\"state\":\"failed\",\"reason\":\"ArtifactMissing\",\"message\":\"gone\",\"target\":{\"version\":null}}",
		 "error: the rollback of hello in dev failed: gone (ArtifactMissing)\n  nothing serves there\n  next: restore it from a backup, or deploy again\n"},
		{ANSWER(THREE, ONE, "kept", NO_CHANGES), "{\"state\":\"superseded\",\"supersededBy\":{\"actor\":\"ann\",\"rollback\":\"x\",\"version\":2}}",
		 "error: the rollback of hello in dev was superseded: ann rolled back to version 2\n  next: fnctl history hello --rollbacks\n"},
		{ANSWER(THREE, ONE, "kept", NO_CHANGES), "{\"state\":\"superseded\",\"supersededBy\":{\"actor\":\"ann\"}}",
		 "error: the rollback of hello in dev was superseded: ann ended the hold\n  next: fnctl history hello --rollbacks\n"},
		{ANSWER(THREE, ONE, "kept", NO_CHANGES), "{\"state\":\"pending\",\"target\":null}",
		 "error: the rollback of hello in dev was superseded: the function went from there\n  next: fnctl history hello --rollbacks\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf out = BUF_INIT(1 << 16);
		rollback_end_text(parse(&a, rows[i].answer), parse(&a, rows[i].record), &a, &out);
		assert_string_equal(buf_str(&out), rows[i].text);
	}
}

static void what_holds(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	/* While a rollback is under way another version serves than the one that is held. */
	const json_t *target = parse(&a, "{\"project\":\"shop\",\"function\":\"cart\",\"environment\":\"dev\",\"version\":3,\"wantedVersion\":1,\"heldBy\":\"ann\","
					 "\"holdNote\":\"slow\",\"floor\":3}");
	assert_string_equal(hold_text(&a, target), "version 1 is held by ann's rollback: slow; versions up to 3 stay out until a newer one is deployed, a changed pin "
						   "says otherwise, or `fnctl release-hold cart -e dev -p shop`");
	assert_string_equal(release_command(&a, "default", "cart", "dev"), "fnctl release-hold cart -e dev");
}

static void versions_in_words(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	static const struct {
		const char *words[3], *name;
		int64_t version; /* -1: refused */
	} rows[] = {
		{{"hello/3"}, "hello", 3}, {{"hello/v3"}, "hello", 3}, {{"hello", "3"}, "hello", 3}, {{"hello", "v12"}, "hello", 12},
		{{"hello"}, "hello", 0}, {{"hello/"}, "", -1}, {{"hello/0"}, "", -1}, {{"hello/x"}, "", -1},
		{{"hello/-1"}, "", -1}, {{"/3"}, "", -1}, {{"UP/3"}, "", -1}, {{"hello/3", "4"}, "", -1},
		{{"hello", "3", "4"}, "", -1}, {{"hello/3/4"}, "", -1}, {{"hello/1234567890"}, "", -1},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct cli c = {.arena = &a};
		struct err e = ERR_INIT;
		const char *name = NULL;
		int64_t version = 0;
		while (c.args.n < ARRAY_LEN(rows[i].words) && rows[i].words[c.args.n]) {
			c.args.items[c.args.n] = rows[i].words[c.args.n];
			c.args.n++;
		}
		enum err_class class = version_words(&c, rows[i].words[0], 1, &name, &version, &e);
		if (class != (rows[i].version < 0 ? INVALID : OK))
			fail_msg("%s: %s", rows[i].words[0], e.msg);
		if (class)
			continue;
		assert_string_equal(name, rows[i].name);
		assert_int_equal(version, rows[i].version);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_for_people), cmocka_unit_test(cells),	    cmocka_unit_test(what_a_rollback_does),
		cmocka_unit_test(how_a_rollback_ends), cmocka_unit_test(what_holds), cmocka_unit_test(versions_in_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
