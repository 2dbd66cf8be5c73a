/* The artifact store in a directory: what S3 would do, without S3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "reconcilers/providers/artifacts.h"

struct fixture {
	char dir[32];
	struct artifacts *s;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	struct err e = ERR_INIT;
	(void)strcpy(f->dir, "/tmp/fn-store.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(artifacts_open_dir(f->dir, &f->s, &e), OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	artifacts_free(f->s);
	assert_int_equal(fs_remove_tree(f->dir, &e), OK);
	free(f);
	return 0;
}

static enum err_class put(struct artifacts *s, const char *key, const char *text, const struct digest *want, struct err *e)
{
	char path[] = "/tmp/fn-store-in.XXXXXX";
	AUTO_CLOSE int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return artifacts_put(s, key, fd, want, e);
}

static void assert_content(struct artifacts *s, const char *key, const char *want)
{
	struct err e = ERR_INIT;
	AUTO_CLOSE int fd = -1;
	uint64_t size = 0;
	char got[64] = "";
	assert_int_equal(artifacts_get(s, key, &fd, &size, &e), OK);
	assert_int_equal(size, strlen(want));
	assert_int_equal(read(fd, got, sizeof got - 1), (ssize_t)size);
	assert_string_equal(got, want);
}

static size_t tmp_count(struct fixture *f)
{
	AUTO_FREE char *tmp = xprintf("%s/.tmp", f->dir);
	if (rmdir(tmp) != 0)
		return 1;
	assert_int_equal(mkdir(tmp, 0700), 0);
	return 0;
}

static void puts_gets_and_deletes(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct digest d = digest_of_str("one");
	bool there = true;
	const char *key = "functions/0a/v1/function.tar.gz";
	assert_int_equal(artifacts_exists(f->s, key, &there, &e), OK);
	assert_false(there);
	assert_int_equal(put(f->s, key, "one", &d, &e), OK);
	assert_int_equal(put(f->s, key, "one", &d, &e), OK);
	assert_content(f->s, key, "one");
	assert_int_equal(artifacts_exists(f->s, key, &there, &e), OK);
	assert_true(there);
	assert_int_equal(artifacts_exists(f->s, "functions/0a", &there, &e), OK);
	assert_false(there);
	assert_int_equal(artifacts_delete(f->s, key, &e), OK);
	assert_int_equal(artifacts_delete(f->s, key, &e), OK);
	int fd = -1;
	uint64_t size;
	assert_int_equal(artifacts_get(f->s, key, &fd, &size, &e), INVALID);
	assert_string_equal(e.reason, "ArtifactMissing");
	AUTO_FREE char *left = xprintf("%s/functions", f->dir);
	assert_false(fs_exists(left));
}

static void refuses_other_bytes(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct digest d = digest_of_str("one");
	bool there = true;
	assert_int_equal(put(f->s, "k", "two", &d, &e), INVALID);
	assert_string_equal(e.reason, "DigestMismatch");
	assert_int_equal(artifacts_exists(f->s, "k", &there, &e), OK);
	assert_false(there);
	assert_int_equal(tmp_count(f), 0);
}

static void refuses_bad_keys(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = { "", "/a", "a/", "a//b", "../a", "a/../b", "a/..", "./a", ".tmp/x", "a/.b", "a b", "a\nb", "a\\b",
					   "\xc3\xa9" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		bool there;
		assert_int_equal(put(f->s, bad[i], "x", NULL, &e), INVALID);
		assert_string_equal(e.reason, "InvalidValue");
		assert_int_equal(artifacts_exists(f->s, bad[i], &there, &e), INVALID);
		assert_int_equal(artifacts_delete(f->s, bad[i], &e), INVALID);
	}
	char longest[600];
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	struct err e = ERR_INIT;
	assert_int_equal(put(f->s, longest, "x", NULL, &e), INVALID);
	assert_string_equal(e.reason, "InvalidValue");
	/* a key through another key */
	assert_int_equal(put(f->s, "a", "x", NULL, &e), OK);
	assert_int_equal(put(f->s, "a/b", "x", NULL, &e), INVALID);
	assert_string_equal(e.reason, "InvalidValue");
	assert_int_equal(put(f->s, "c/d", "x", NULL, &e), OK);
	assert_int_equal(put(f->s, "c", "x", NULL, &e), INVALID);
	assert_string_equal(e.reason, "InvalidValue");
	assert_content(f->s, "a", "x");
	assert_int_equal(tmp_count(f), 0);
}

struct keys {
	char text[512];
	int left;
};

static bool collect(void *ctx, const char *key, uint64_t size)
{
	struct keys *k = ctx;
	size_t n = strlen(k->text);
	(void)snprintf(k->text + n, sizeof k->text - n, "%s=%d ", key, (int)size);
	return --k->left > 0;
}

static void lists_in_the_order_of_keys(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	/* "-" and "." sort before "/", digits and letters after: a walk by directory alone would get this wrong */
	static const char *const keys[] = { "a/z", "a-b", "a.b", "a0", "b/v10/x", "b/v2/x", "b/v1/y", "b/v1/x", "c" };
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		assert_int_equal(put(f->s, keys[i], "xx", NULL, &e), OK);
	struct keys all = { "", 100 }, below = { "", 100 }, part = { "", 100 }, two = { "", 2 }, none = { "", 100 };
	assert_int_equal(artifacts_list(f->s, "", collect, &all, &e), OK);
	assert_string_equal(all.text, "a-b=2 a.b=2 a/z=2 a0=2 b/v1/x=2 b/v1/y=2 b/v10/x=2 b/v2/x=2 c=2 ");
	assert_int_equal(artifacts_list(f->s, "b/v1/", collect, &below, &e), OK);
	assert_string_equal(below.text, "b/v1/x=2 b/v1/y=2 ");
	assert_int_equal(artifacts_list(f->s, "b/v1", collect, &part, &e), OK);
	assert_string_equal(part.text, "b/v1/x=2 b/v1/y=2 b/v10/x=2 ");
	assert_int_equal(artifacts_list(f->s, "", collect, &two, &e), OK);
	assert_string_equal(two.text, "a-b=2 a.b=2 ");
	assert_int_equal(artifacts_list(f->s, "nothing/", collect, &none, &e), OK);
	assert_string_equal(none.text, "");
}

static void a_crash_leaves_only_what_the_next_open_removes(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	AUTO_FREE char *old = xprintf("%s/.tmp/old", f->dir);
	AUTO_FREE char *young = xprintf("%s/.tmp/young", f->dir);
	assert_int_equal(fs_write_atomic(old, "x", 1, 0600, false, &e), OK);
	assert_int_equal(fs_write_atomic(young, "x", 1, 0600, false, &e), OK);
	const struct timespec past[2] = { { 1000, 0 }, { 1000, 0 } };
	assert_int_equal(utimensat(AT_FDCWD, old, past, 0), 0);
	struct keys none = { "", 100 };
	assert_int_equal(artifacts_list(f->s, "", collect, &none, &e), OK);
	assert_string_equal(none.text, "");
	struct artifacts *again = NULL;
	assert_int_equal(artifacts_open_dir(f->dir, &again, &e), OK);
	artifacts_free(again);
	assert_false(fs_exists(old));
	assert_true(fs_exists(young));
}

/* A device that is always full stands in for a full disk. */
static void a_full_disk_says_so(void **state)
{
	(void)state;
	pid_t pid = fork(); /* in a mount namespace of its own */
	if (pid == 0) {
		struct err e = ERR_INIT;
		struct artifacts *s = NULL;
		char dir[] = "/tmp/fn-full.XXXXXX";
		if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || !mkdtemp(dir) ||
		    mount("tmpfs", dir, "tmpfs", 0, "size=64k") != 0 || artifacts_open_dir(dir, &s, &e) != OK)
			_exit(2);
		AUTO_CLOSE int big = open("/dev/zero", O_RDONLY);
		bool there = true;
		enum err_class c = artifacts_put(s, "functions/a/v1/x", big, NULL, &e);
		bool ok = c == TRANSIENT && strcmp(e.reason, "DiskFull") == 0 && artifacts_exists(s, "functions/a/v1/x", &there, &e) == OK &&
			  !there;
		artifacts_free(s);
		(void)umount2(dir, MNT_DETACH);
		(void)rmdir(dir);
		_exit(ok ? 0 : 1);
	}
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void *put_and_delete(void *ctx)
{
	struct artifacts *s = ctx;
	for (int i = 0; i < 100; i++) {
		struct err e = ERR_INIT;
		if (put(s, "deep/er/key", "x", NULL, &e) != OK || artifacts_delete(s, "deep/er/key", &e) != OK)
			return s;
	}
	return NULL;
}

static void threads_share_directories(void **state)
{
	struct fixture *f = *state;
	pthread_t t[3];
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, put_and_delete, f->s), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		void *failed = f;
		assert_int_equal(pthread_join(t[i], &failed), 0);
		assert_null(failed);
	}
}

static void a_store_that_cannot_be_written(void **state)
{
	(void)state;
	pid_t pid = fork(); /* in a mount namespace of its own */
	if (pid == 0) {
		struct err e = ERR_INIT;
		struct artifacts *s = NULL;
		char dir[] = "/tmp/fn-read.XXXXXX";
		if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || !mkdtemp(dir) ||
		    mount("tmpfs", dir, "tmpfs", 0, "size=64k") != 0 || artifacts_open_dir(dir, &s, &e) != OK ||
		    mount("tmpfs", dir, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL) != 0)
			_exit(2);
		bool ok = put(s, "functions/a/v1/x", "x", NULL, &e) == TRANSIENT && strcmp(e.reason, "StoreUnavailable") == 0;
		artifacts_free(s);
		(void)umount2(dir, MNT_DETACH);
		(void)rmdir(dir);
		_exit(ok ? 0 : 1);
	}
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(puts_gets_and_deletes), T(refuses_other_bytes), T(refuses_bad_keys), T(lists_in_the_order_of_keys),
		T(a_crash_leaves_only_what_the_next_open_removes), T(a_full_disk_says_so), T(threads_share_directories),
		T(a_store_that_cannot_be_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
