/* The decoder on tests/support/manifests: valid files decode and survive a trip through the canonical form, JSON and
 * YAML; invalid ones give the reasons that their first line names. tests/integration/schemas.t holds the JSON Schemas
 * against the same files. Run from the repository's root. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/fs.h"
#include "manifest_case.h"

#define DIR "tests/support/manifests/"

static void for_each(const char *pattern, size_t at_least, void (*check)(const char *path, const struct buf *text))
{
	glob_t g;
	assert_int_equal(glob(pattern, 0, NULL, &g), 0);
	assert_true(g.gl_pathc >= at_least);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		AUTO_BUF struct buf b = BUF_INIT(MANIFEST_MAX_BYTES);
		struct err e = ERR_INIT;
		assert_int_equal(fs_read(g.gl_pathv[i], &b, &e), OK);
		check(g.gl_pathv[i], &b);
	}
	globfree(&g);
}

static void round_trip(const struct manifest *m)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	AUTO_JSON json_t *j = manifest_json(m);
	const char *text = json_text_arena(j, &a);
	struct manifest back;
	struct err e = ERR_INIT;
	assert_int_equal(manifest_from_json(j, &a, &back, &e), OK);
	AUTO_JSON json_t *j2 = manifest_json(&back);
	assert_string_equal(json_text_arena(j2, &a), text);

	AUTO_BUF struct buf yaml = BUF_INIT(MANIFEST_MAX_BYTES);
	assert_int_equal(yaml_write(j, &yaml, &e), OK);
	AUTO_DECODED struct decoded d = decode_n(yaml.p, yaml.len);
	assert_int_equal(d.class, OK);
	assert_int_equal(d.ms.n, 1);
	AUTO_JSON json_t *j3 = manifest_json(&d.ms.items[0]);
	assert_string_equal(json_text_arena(j3, &a), text);
}

static void check_valid(const char *path, const struct buf *text)
{
	AUTO_DECODED struct decoded d = decode_n(text->p, text->len);
	if (d.class != OK || d.ms.n == 0)
		fail_msg("%s: %s %s", path, d.e.reason, d.e.msg);
	for (size_t i = 0; i < d.ms.n; i++)
		round_trip(&d.ms.items[i]);
}

static void check_invalid(const char *path, const struct buf *text)
{
	static const char head[] = "# expect: ";
	AUTO_DECODED struct decoded d = decode_n(text->p, text->len);
	const char *got = "";
	for (size_t i = 0; i < d.ms.nproblems; i++)
		got = arena_printf(&d.a, "%s%s%s", got, i ? " " : "", reason_token(d.ms.problems[i].reason));
	assert_memory_equal(text->p, head, sizeof head - 1);
	const char *want = arena_strndup(&d.a, text->p + sizeof head - 1, strcspn(text->p + sizeof head - 1, "\n"));
	if (d.class != INVALID || strcmp(got, want) != 0)
		fail_msg("%s: wanted %s, got \"%s\" (%s)", path, want, got, d.e.msg);
	for (size_t i = 0; i < d.ms.nproblems; i++)
		assert_true(d.ms.problems[i].line > 0 && d.ms.problems[i].column > 0);
}

static void valid_files_decode(void **state)
{
	(void)state;
	for_each(DIR "valid/*.yaml", 15, check_valid);
}

static void invalid_files_say_why(void **state)
{
	(void)state;
	for_each(DIR "invalid/*.yaml", 80, check_invalid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_files_decode),
		cmocka_unit_test(invalid_files_say_why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
