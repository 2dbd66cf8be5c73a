/* Sweeping: what was used lately stays, whoever uses it at the same moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/sweep.h"

enum { OLD_MS = 3600 * 1000 };

struct place {
	struct arena a;
	char dir[32];
	struct err e;
};

static int setup(void **state)
{
	struct place *p = xcalloc(1, sizeof *p);
	(void)strcpy(p->dir, "/tmp/fn-sweep.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	assert_int_equal(fs_remove_tree(p->dir, &p->e), OK);
	arena_release(&p->a);
	free(p);
	return 0;
}

static const char *at(struct place *p, const char *name) { return arena_printf(&p->a, "%s/%s", p->dir, name); }

static void make(struct place *p, const char *name, int64_t age_ms)
{
	const char *path = at(p, name);
	int64_t then = clock_wall_ms() - age_ms;
	const struct timespec times[2] = {{then / 1000, 0}, {then / 1000, 0}};
	char text[5000] = "x";
	assert_int_equal(fs_write_atomic(path, text, sizeof text, 0600, false, &p->e), OK);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool spare(void *ctx, const char *name) { return ctx && strcmp(name, ctx) == 0; }

static struct swept sweep(struct place *p, const char *spared, int64_t before_ms, bool dry)
{
	struct swept s;
	assert_int_equal(sweep_dir(p->dir, before_ms, spare, (void *)spared, dry, &s, &p->e), OK);
	return s;
}

static void what_is_old_and_not_spared_goes(void **state)
{
	struct place *p = *state;
	make(p, "old", 2 * OLD_MS);
	make(p, "spared", 2 * OLD_MS);
	make(p, "new", 0);
	assert_int_equal(mkdir(at(p, "directory"), 0700), 0);
	int64_t before = clock_wall_ms() - OLD_MS;
	struct swept s = sweep(p, "spared", before, true);
	assert_int_equal(s.count, 1);
	assert_true(s.bytes >= 5000);
	assert_true(fs_exists(at(p, "old"))); /* only counted */
	struct swept really = sweep(p, "spared", before, false);
	assert_memory_equal(&s, &really, sizeof s);
	assert_false(fs_exists(at(p, "old")));
	assert_true(fs_exists(at(p, "spared")) && fs_exists(at(p, "new")) && fs_exists(at(p, "directory")));
}

static void a_touch_counts_as_use(void **state)
{
	struct place *p = *state;
	make(p, "blob", 2 * OLD_MS);
	assert_true(sweep_touch(at(p, "blob")));
	assert_false(sweep_touch(at(p, "nothing")));
	assert_int_equal(sweep(p, NULL, clock_wall_ms() - OLD_MS, false).count, 0);
	assert_true(fs_exists(at(p, "blob")));
}

static void what_a_dead_sweep_put_aside_goes(void **state)
{
	struct place *p = *state;
	make(p, "blob.swept", 0);
	assert_int_equal(sweep(p, NULL, clock_wall_ms() - OLD_MS, false).count, 1);
	assert_false(fs_exists(at(p, "blob.swept")));
}

static void a_directory_that_is_not_there_has_nothing(void **state)
{
	struct place *p = *state;
	struct swept s;
	assert_int_equal(sweep_dir(at(p, "nowhere"), 0, spare, NULL, false, &s, &p->e), OK);
	assert_int_equal(s.count, 0);
	make(p, "file", 0);
	assert_int_equal(sweep_dir(at(p, "file"), 0, spare, NULL, false, &s, &p->e), TRANSIENT); /* unknown is not absent */
	assert_string_equal(p->e.reason, "StoreUnavailable");
}

/* Used after the sweep has seen how old it is, before it goes. */
static bool use(void *ctx, const char *name)
{
	assert_true(sweep_touch(at(ctx, name)));
	return false;
}

static void what_is_used_while_it_is_looked_at_stays(void **state)
{
	struct place *p = *state;
	struct swept s;
	make(p, "blob", 2 * OLD_MS);
	assert_int_equal(sweep_dir(p->dir, clock_wall_ms() - OLD_MS, use, p, false, &s, &p->e), OK);
	assert_true(fs_exists(at(p, "blob")));
	assert_int_equal(s.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_old_and_not_spared_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_touch_counts_as_use, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_dead_sweep_put_aside_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_directory_that_is_not_there_has_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_used_while_it_is_looked_at_stays, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
