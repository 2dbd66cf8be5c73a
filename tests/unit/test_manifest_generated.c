/* What is generated and committed is current: schema/kinds and docs/reference/kinds. Run from the repository's root. After a change of
 * manifests/fields.c: build/gen-schemas schema/kinds docs/reference/kinds */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/fs.h"
#include "manifest_case.h"
#include "manifests/fields.h"
#include "manifests/schema.h"

static void assert_current(const char *path, const char *want)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;
	if (fs_read(path, &b, &e) != OK || strcmp(buf_str(&b), want) != 0)
		fail_msg("%s is not current: run build/gen-schemas schema/kinds docs/reference/kinds", path);
}

static void assert_schema_current(const char *name, json_t *taken)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	AUTO_JSON json_t *j = taken;
	AUTO_FREE char *text = json_dumps(j, JSON_INDENT(2));
	assert_current(arena_printf(&a, "schema/kinds/%s.json", name), arena_printf(&a, "%s\n", text));
}

static void schemas_are_current(void **state)
{
	(void)state;
	for (size_t i = 0; i < KIND_COUNT; i++)
		assert_schema_current(kind_info((enum kind)i)->singular, kind_schema((enum kind)i));
	assert_schema_current("manifest", manifest_schema());
}

static void reference_pages_are_current(void **state)
{
	(void)state;
	for (size_t i = 0; i < KIND_COUNT; i++) {
		AUTO_ARENA struct arena a = ARENA_INIT;
		AUTO_BUF struct buf b = BUF_INIT(1 << 20);
		kind_reference((enum kind)i, &b);
		assert_current(arena_printf(&a, "docs/reference/kinds/%s.md", kind_info((enum kind)i)->singular), buf_str(&b));
	}
}

static void examples_decode(void **state)
{
	(void)state;
	for (size_t i = 0; i < KIND_COUNT; i++) {
		AUTO_DECODED struct decoded d = decode(kind_fields((enum kind)i)->example);
		if (d.class != OK)
			fail_msg("%s: %s", kind_info((enum kind)i)->name, d.e.msg);
		assert_int_equal(d.ms.n, 1);
		assert_int_equal(d.ms.items[0].kind, i);
	}
}

/* Every row has what the pages and schemas print, and a default that its own type accepts. */
static void check_table(const struct field *table)
{
	for (const struct field *f = table; f->name; f++) {
		assert_non_null(f->doc);
		assert_true(f->doc[strlen(f->doc) - 1] == '.');
		assert_false(f->required && f->fallback);
		assert_true((f->type == FIELD_OBJECT) == (f->fields != NULL));
		assert_true((f->type == FIELD_CHOICE || f->type == FIELD_FLAG) == (f->choices != NULL));
		assert_true(f->min <= f->max);
		if (f->fallback && f->type == FIELD_TEXT)
			assert_true(format_matches(f->format, f->fallback));
		if (f->fields)
			check_table(f->fields);
	}
}

static void tables_are_sound(void **state)
{
	(void)state;
	for (size_t i = 0; i < KIND_COUNT; i++) {
		check_table(kind_fields((enum kind)i)->metadata);
		check_table(kind_fields((enum kind)i)->spec);
	}
}

/* docs/reference/limits.md names every limit as it is. */
static void limits_are_documented(void **state)
{
	(void)state;
	static const int limits[] = {MANIFEST_MAX_DEPTH, MANIFEST_MAX_NODES, MANIFEST_MAX_ALIASES, MANIFEST_MAX_DOCUMENTS,
				     MANIFEST_MAX_PROBLEMS, MANIFEST_MAX_BYTES >> 20};
	AUTO_ARENA struct arena a = ARENA_INIT;
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	struct err e = ERR_INIT;
	assert_int_equal(fs_read("docs/reference/limits.md", &b, &e), OK);
	for (size_t i = 0; i < ARRAY_LEN(limits); i++)
		if (!strstr(b.p, arena_printf(&a, "| %d%s |", limits[i], i == ARRAY_LEN(limits) - 1 ? " MiB" : "")))
			fail_msg("docs/reference/limits.md does not say %d", limits[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(schemas_are_current),
		cmocka_unit_test(reference_pages_are_current),
		cmocka_unit_test(examples_decode),
		cmocka_unit_test(tables_are_sound),
		cmocka_unit_test(limits_are_documented),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
