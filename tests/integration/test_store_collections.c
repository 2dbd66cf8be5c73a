/* Collections as the database keeps them: when they begin and end, and what they spare. */
#include "retention_case.h"

static void collections_that_were_asked_for_together_are_one(void **state)
{
	struct store_case *c = *state;
	const char *f = with_retention(c, KEEPS("1", "0")), *old = build(c, f);
	(void)build(c, f);
	clean_all(c);
	struct collection_row row;
	int64_t first, second, third;
	must(c, collection_load(c->s, &c->a, &row, &c->e));
	assert_true(row.id == 0 && !row.asked && row.last_ms == 0);
	must(c, collection_ask(c->s, "a", &first, &c->e));
	must(c, collection_ask(c->s, "b", &second, &c->e));
	assert_string_equal(dirty(c), COLLECTION_KEY);
	must(c, collection_load(c->s, &c->a, &row, &c->e));
	assert_true(row.id == 0 && row.asked);
	must(c, collection_begin(c->s, &c->e));
	assert_string_equal(dirty(c), COLLECTION_KEY " retention/default/hello");
	must(c, collection_ask(c->s, "c", &third, &c->e)); /* in the midst of it: the next one */
	must(c, collection_load(c->s, &c->a, &row, &c->e));
	assert_true(row.id == second && row.asked && row.started_ms > 0 && row.last_ms > 0);
	struct collection_progress p;
	must(c, collection_progress(c->s, &c->a, &p, &c->e));
	assert_true(p.working == 1 && !p.failing && !p.registry_dirty);
	assert_true(archive(c, old));
	assert_true(let_go(c, old, NULL));
	clean_all(c);
	must(c, collection_progress(c->s, &c->a, &p, &c->e));
	assert_true(p.working == 0 && p.registry_dirty);
	must(c, collection_looked(c->s, second, &c->e));
	AUTO_JSON json_t *done = json_pack("{s:s, s:i}", "state", "done", "bytes", 7);
	must(c, collection_part(c->s, second, "registry", done, &c->e));
	must(c, collection_end(c->s, second, "", "", &c->e));
	must(c, collection_load(c->s, &c->a, &row, &c->e));
	assert_true(row.id == 0 && row.asked);
	assert_string_equal(peek(c, "SELECT string_agg(id || (result->>'versions') || (result->>'images') || (result->'registry'->>'bytes'), ' ' ORDER BY id)"
				    " FROM collections WHERE finished_at IS NOT NULL"),
			    arena_printf(&c->a, "%lld117 %lld117", (long long)first, (long long)second));
	must(c, collection_begin(c->s, &c->e));
	assert_string_equal(dirty(c), "");
	must(c, collection_progress(c->s, &c->a, &p, &c->e));
	assert_false(p.registry_dirty);
}

static const char *kept(struct store_case *c, enum collection_list what)
{
	const char *const *list, *all = "";
	size_t n;
	must(c, collection_keeps(c->s, what, &c->a, &list, &n, &c->e));
	for (size_t i = 0; i < n; i++)
		all = arena_printf(&c->a, "%s%s ", all, list[i]);
	return all;
}

static void a_collection_spares_what_is_in_use(void **state)
{
	struct store_case *c = *state;
	const char *f = with_retention(c, KEEPS("1", "0"));
	(void)built_version(c, f, DIGEST("a"));
	assert_string_equal(kept(c, KEEP_IMAGES), "");
	must(c, target_want(c->s, f, "default", "hello", "prod", "explicit", 1, &c->e));
	assert_string_equal(kept(c, KEEP_IMAGES), DIGEST("a") " ");
	assert_string_equal(kept(c, KEEP_SOURCES), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 "); /* declared, stored nowhere */
	int64_t n;
	const char *building = new_version(c, c->s, f, &n, &c->e);
	assert_string_equal(kept(c, KEEP_BUILDS), arena_printf(&c->a, "%s ", building));
	assert_non_null(strstr(kept(c, KEEP_SOURCES), "sha256:src "));
	must(c, apply(c, DOC("Runtime", "based") "spec:\n  base: base/x@" DIGEST("c") "\n  command: [/x]\n", NULL));
	assert_non_null(strstr(kept(c, KEEP_IMAGES), DIGEST("c")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(collections_that_were_asked_for_together_are_one, store_setup, store_teardown),
		cmocka_unit_test_setup_teardown(a_collection_spares_what_is_in_use, store_setup, store_teardown),
	};
	return cmocka_run_group_tests(tests, store_group_setup, store_group_teardown);
}
