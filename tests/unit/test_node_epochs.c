/* Epochs: what was seen stays seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/fs.h"
#include "node/epochs.h"

struct fixture {
	char dir[64];
	struct epochs *p;
};

static void reopen(struct fixture *f)
{
	struct err e = ERR_INIT;
	epochs_free(f->p);
	assert_int_equal(epochs_open(f->dir, &f->p, &e), OK);
}

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	(void)snprintf(f->dir, sizeof f->dir, "/tmp/fn-epochs.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	reopen(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	epochs_free(f->p);
	err_ignore(fs_remove_tree(f->dir, NULL)); /* a temporary directory */
	free(f);
	return 0;
}

static enum err_class claim(struct fixture *f, const char *key, int64_t epoch, struct err *e)
{
	const struct claim c = {key, epoch};
	*e = (struct err)ERR_INIT;
	return epochs_accept(f->p, &c, 1, e);
}

static void lower_epochs_are_refused_per_key_and_for_ever(void **state)
{
	struct fixture *f = *state;
	struct err e;
	assert_int_equal(claim(f, "target/a/b/c", 5, &e), OK);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(claim(f, "target/a/b/c", 4, &e), CONFLICT);
		assert_string_equal(e.reason, "StaleEpoch");
		assert_int_equal(claim(f, "target/a/b/c", 5, &e), OK);
		assert_int_equal(claim(f, "target/a/b/d", 1, &e), OK);
		reopen(f);
	}
	assert_int_equal(claim(f, "target/a/b/c", 6, &e), OK);
	assert_int_equal(claim(f, "target/a/b/c", 5, &e), CONFLICT);
}

static void epochs_are_positive(void **state)
{
	struct err e;
	assert_int_equal(claim(*state, "k", 0, &e), INVALID);
	assert_string_equal(e.reason, "BadRequest");
	assert_int_equal(claim(*state, "k", -1, &e), INVALID);
}

static void a_set_is_taken_whole_or_not_at_all(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	char keys[40][16];
	struct claim set[40];
	for (int i = 0; i < 40; i++) {
		(void)snprintf(keys[i], sizeof keys[i], "target/%d", i);
		set[i] = (struct claim){keys[i], 7};
	}
	assert_int_equal(claim(f, keys[39], 8, &e), OK);
	assert_int_equal(epochs_accept(f->p, set, 40, &e), CONFLICT);
	assert_string_equal(e.reason, "StaleEpoch");
	assert_int_equal(claim(f, keys[0], 1, &e), OK); /* nothing of the set was kept */
	set[39].epoch = 8;
	assert_int_equal(epochs_accept(f->p, set, 40, &e), OK);
	reopen(f);
	assert_int_equal(claim(f, keys[0], 6, &e), CONFLICT);
	assert_int_equal(claim(f, keys[38], 6, &e), CONFLICT);
}

static void thousands_of_keys_are_found_again(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	enum { MANY = 2000 };
	char (*keys)[16] = xcalloc(MANY, sizeof *keys);
	struct claim *set = xcalloc(MANY, sizeof *set);
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(keys[i], sizeof keys[i], "target/%d", i);
		set[i] = (struct claim){keys[i], i + 2};
	}
	assert_int_equal(epochs_accept(f->p, set, MANY, &e), OK);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(claim(f, keys[i], i + 1, &e), CONFLICT);
	free(keys);
	free(set);
}

static void the_highest_of_two_claims_for_one_key_counts(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	const struct claim set[2] = {{"k", 9}, {"k", 8}};
	assert_int_equal(claim(f, "k", 5, &e), OK);
	assert_int_equal(epochs_accept(f->p, set, 2, &e), OK);
	assert_int_equal(claim(f, "k", 8, &e), CONFLICT);
	reopen(f);
	assert_int_equal(claim(f, "k", 8, &e), CONFLICT);
}

static void a_damaged_file_obeys_nothing(void **state)
{
	struct fixture *f = *state;
	struct err e;
	char hex[DIGEST_HEX], path[160];
	struct digest d = digest_of_str("k");
	(void)snprintf(path, sizeof path, "%s/%s", f->dir, digest_hex(&d, hex));
	assert_int_equal(fs_write_atomic(path, "", 0, 0600, false, NULL), OK);
	assert_int_equal(claim(f, "k", 100, &e), TRANSIENT);
	assert_string_equal(e.reason, "Internal");
	assert_non_null(strstr(e.msg, path));
}

static void what_cannot_be_written_is_not_obeyed(void **state)
{
	struct fixture *f = *state;
	struct err e;
	assert_int_equal(rmdir(f->dir), 0);
	assert_int_equal(claim(f, "k", 3, &e), TRANSIENT);
	assert_int_equal(mkdir(f->dir, 0700), 0);
	assert_int_equal(claim(f, "k", 2, &e), OK); /* 3 was never taken */
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(lower_epochs_are_refused_per_key_and_for_ever),
		CASE(epochs_are_positive),
		CASE(a_set_is_taken_whole_or_not_at_all),
		CASE(thousands_of_keys_are_found_again),
		CASE(the_highest_of_two_claims_for_one_key_counts),
		CASE(a_damaged_file_obeys_nothing),
		CASE(what_cannot_be_written_is_not_obeyed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
