/* The blob cache: whole files or none, verified before they appear, whoever writes at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "reconcilers/providers/cache.h"

struct fixture {
	char home[32];
	struct arena a;
	struct cache cache;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	struct err e = ERR_INIT;
	(void)strcpy(f->home, "/tmp/fn-cache.XXXXXX");
	assert_non_null(mkdtemp(f->home));
	f->cache.dir = arena_printf(&f->a, "%s/cache", f->home);
	assert_int_equal(cache_init(&f->cache, &e), OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	assert_int_equal(fs_remove_tree(f->home, &e), OK);
	arena_release(&f->a);
	free(f);
	return 0;
}

static int file_of(const char *text)
{
	char path[] = "/tmp/fn-cache-in.XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static bool tmp_is_empty(struct fixture *f)
{
	AUTO_FREE char *dir = xprintf("%s/tmp", f->cache.dir);
	bool empty = rmdir(dir) == 0;
	if (empty)
		assert_int_equal(mkdir(dir, 0755), 0);
	return empty;
}

static void stores_and_reads(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct digest d, other = digest_of_str("other");
	uint64_t size = 0;
	struct stat st;
	AUTO_BUF struct buf b = BUF_INIT(100);
	assert_int_equal(cache_put(&f->cache, "hello", 5, &d, &e), OK);
	assert_true(cache_has(&f->cache, &d, &size));
	assert_int_equal(size, 5);
	assert_int_equal(stat(cache_path(&f->cache, &f->a, &d), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(cache_read(&f->cache, &d, &b, &e), OK);
	assert_string_equal(buf_str(&b), "hello");
	assert_false(cache_has(&f->cache, &other, NULL));
	int fd = -1;
	assert_int_equal(cache_open(&f->cache, &other, &fd, &e), TRANSIENT);
	assert_string_equal(e.reason, "ImageMissing");
	assert_int_equal(cache_read(&f->cache, &other, &b, &e), TRANSIENT);
	assert_string_equal(e.reason, "ImageMissing");
	assert_true(tmp_is_empty(f));
}

static void refuses_other_bytes(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct digest want = digest_of_str("wanted");
	AUTO_CLOSE int bad = file_of("something else"), good = file_of("wanted");
	assert_int_equal(cache_put_fd(&f->cache, &want, bad, &e), INVALID);
	assert_string_equal(e.reason, "DigestMismatch");
	assert_false(cache_has(&f->cache, &want, NULL));
	assert_true(tmp_is_empty(f));
	assert_int_equal(cache_put_fd(&f->cache, &want, good, &e), OK);
	assert_true(cache_has(&f->cache, &want, NULL));
}

static void a_spoilt_file_is_noticed(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct digest d;
	AUTO_BUF struct buf b = BUF_INIT(100);
	assert_int_equal(cache_put(&f->cache, "hello", 5, &d, &e), OK);
	AUTO_CLOSE int fd = open(cache_path(&f->cache, &f->a, &d), O_WRONLY);
	assert_int_equal(write(fd, "j", 1), 1);
	assert_int_equal(cache_read(&f->cache, &d, &b, &e), TRANSIENT);
	assert_string_equal(e.reason, "DigestMismatch");
	assert_false(cache_has(&f->cache, &d, NULL));
	/* a file cut short (a power cut) is written again */
	assert_int_equal(cache_put(&f->cache, "hello", 5, &d, &e), OK);
	assert_int_equal(truncate(cache_path(&f->cache, &f->a, &d), 0), 0);
	assert_int_equal(cache_put(&f->cache, "hello", 5, &d, &e), OK);
	assert_int_equal(cache_read(&f->cache, &d, &b, &e), OK);
}

static void a_writer_that_gives_up_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct cache_writer w = CACHE_WRITER_INIT;
	assert_int_equal(cache_begin(&f->cache, &w, &e), OK);
	assert_int_equal(cache_add(&w, "x", 1, &e), OK);
	assert_false(tmp_is_empty(f));
	cache_writer_release(&w);
	assert_true(tmp_is_empty(f));
}

static void abandoned_files_go_when_old(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	const char *old = arena_printf(&f->a, "%s/tmp/old", f->cache.dir), *young = arena_printf(&f->a, "%s/tmp/young", f->cache.dir);
	assert_int_equal(fs_write_atomic(old, "x", 1, 0600, false, &e), OK);
	assert_int_equal(fs_write_atomic(young, "x", 1, 0600, false, &e), OK);
	const struct timespec past[2] = { { 1000, 0 }, { 1000, 0 } };
	assert_int_equal(utimensat(AT_FDCWD, old, past, 0), 0);
	assert_int_equal(cache_init(&f->cache, &e), OK);
	assert_false(fs_exists(old));
	assert_true(fs_exists(young));
}

static void *put_many(void *ctx)
{
	struct fixture *f = ctx;
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	for (int i = 0; i < 50; i++) {
		struct err e = ERR_INIT;
		struct digest d;
		AUTO_FREE char *text = xprintf("blob %d", i);
		if (cache_put(&f->cache, text, strlen(text), &d, &e) != OK || cache_read(&f->cache, &d, &b, &e) != OK)
			return f;
	}
	return NULL;
}

static void threads_write_the_same_at_once(void **state)
{
	struct fixture *f = *state;
	pthread_t t[4];
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, put_many, f), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		void *failed = f;
		assert_int_equal(pthread_join(t[i], &failed), 0);
		assert_null(failed);
	}
	assert_true(tmp_is_empty(f));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(stores_and_reads), T(refuses_other_bytes), T(a_spoilt_file_is_noticed), T(a_writer_that_gives_up_leaves_nothing),
		T(abandoned_files_go_when_old), T(threads_write_the_same_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
