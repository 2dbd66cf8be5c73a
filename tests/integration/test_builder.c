/* The build child, started as the controller starts it: this program again, with three arguments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <time.h>

#include "archives.h"
#include "base/clock.h"
#include "base/proc.h"
#include "reconcilers/providers/builder.h"

struct fixture {
	char *dir;
	int src;
	struct arena arena;
	struct err e;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	f->dir = make_temp();
	f->src = open_dir_of(f->dir, "src");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	(void)close(f->src);
	arena_release(&f->arena);
	remove_temp(f->dir);
	free(f);
	return 0;
}

static int packed_source(struct fixture *f)
{
	int fd = memfd_create("source", MFD_CLOEXEC);
	struct pack_opts o = {.ignore = true};
	struct packed p;
	if (archive_pack(f->src, &o, fd, &p, &f->e))
		fail_msg("%s", f->e.msg);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void start(struct fixture *f, const char *id, int fd, pid_t *pid, int *pidfd)
{
	if (builder_start("/proc/self/exe", f->dir, id, fd, "app", pid, pidfd, &f->e))
		fail_msg("%s", f->e.msg);
}

static int wait_for(pid_t pid, int pidfd)
{
	struct pollfd p = {pidfd, POLLIN, 0};
	assert_int_equal(poll(&p, 1, 20000), 1);
	(void)close(pidfd);
	return proc_reap(pid);
}

static int build(struct fixture *f, const char *id, int fd)
{
	pid_t pid;
	int pidfd;
	start(f, id, fd, &pid, &pidfd);
	return wait_for(pid, pidfd);
}

static struct build_result result(struct fixture *f, const char *id)
{
	struct build_result r;
	if (builder_result(f->dir, id, &f->arena, &r, &f->e))
		fail_msg("%s: %s", f->e.reason, f->e.msg);
	return r;
}

static void a_source_becomes_a_layer(void **state)
{
	struct fixture *f = *state;
	put(f->src, "main.py", 0644, "print(1)\n");
	put(f->src, "bin/run", 0755, "#!/bin/sh\n");
	put(f->src, "link", S_IFLNK, "bin/run");
	put(f->src, ".fnignore", 0644, "*.log\n");
	put(f->src, "x.log", 0644, "no");
	assert_false(result(f, "b1").present);
	int fd = packed_source(f);
	assert_int_equal(build(f, "b1", fd), 0);
	struct build_result r = result(f, "b1");
	assert_true(r.present);
	assert_int_equal(r.class, OK);
	assert_int_equal(r.entries, 5);
	int layer = open(r.layer_path, O_RDONLY | O_CLOEXEC), again = memfd_create("again", MFD_CLOEXEC);
	struct digest d;
	uint64_t size;
	assert_int_equal(digest_of_fd(layer, &d, &size, &f->e), OK);
	assert_true(digest_eq(&d, &r.layer));
	assert_int_equal(size, r.size);
	/* The same as packing the source below app/ here, so as everywhere. */
	struct pack_opts o = {.prefix = "app", .ignore = true};
	struct packed p;
	assert_int_equal(archive_pack(f->src, &o, again, &p, &f->e), OK);
	assert_true(digest_eq(&p.digest, &r.layer));
	assert_true(digest_eq(&p.diff_id, &r.diff_id));
	const char *const tar[] = {"tar", "-tf", r.layer_path, NULL};
	AUTO_BUF struct buf b = BUF_INIT(4096);
	assert_int_equal(proc_run(tar, NULL, 10000, &b, &f->e), OK);
	assert_string_equal(buf_str(&b), "app/\napp/bin/\napp/bin/run\napp/link\napp/main.py\n");
	AUTO_FREE char *src = xprintf("%s/b1/src", f->dir), *all = xprintf("%s/b1", f->dir);
	assert_false(fs_exists(src));
	assert_int_equal(builder_discard(f->dir, "b1", &f->e), OK);
	assert_false(fs_exists(all));
	assert_int_equal(builder_discard(f->dir, "b1", &f->e), OK);
	assert_false(result(f, "b1").present);
	(void)close(layer);
	(void)close(again);
	(void)close(fd);
}

static void failed(struct fixture *f, struct tar *t, const char *reason, const char *named)
{
	tar_end(t);
	int fd = fd_of(t->b.p, t->b.len);
	assert_int_equal(build(f, "bad", fd), 0);
	struct build_result r = result(f, "bad");
	assert_true(r.present);
	assert_int_equal(r.class, INVALID);
	assert_string_equal(r.reason, reason);
	if (!strstr(r.message, named))
		fail_msg("\"%s\" does not name %s", r.message, named);
	assert_false(fs_exists(r.layer_path));
	AUTO_FREE char *src = xprintf("%s/bad/src", f->dir);
	assert_false(fs_exists(src));
	(void)close(fd);
	buf_clear(&t->b);
}

static void hostile_sources_say_why(void **state)
{
	struct fixture *f = *state;
	AUTO_BUF struct buf gz = BUF_INIT((size_t)256 << 20);
	struct tar t = {BUF_INIT((size_t)256 << 20)};
	tar_file(&t, "../evil", "x");
	failed(f, &t, "ArchiveEscape", "../evil");
	tar_header(&t, '2', "l", "/etc", 0777, 0);
	tar_file(&t, "l/passwd", "x");
	failed(f, &t, "ArchiveEscape", "l");
	tar_header(&t, '6', "fifo", NULL, 0644, 0);
	failed(f, &t, "SourceInvalid", "fifo");
	for (int i = 0; i < 100000; i++) {
		char name[16];
		(void)snprintf(name, sizeof name, "%d", i);
		tar_header(&t, '0', name, NULL, 0644, 0);
	}
	failed(f, &t, "ArchiveBomb", "20000 entries");
	static char zeros[1 << 20];
	tar_header(&t, '0', "zeros", NULL, 0644, sizeof zeros * 64);
	for (int i = 0; i < 64; i++)
		tar_data(&t, zeros, sizeof zeros);
	tar_end(&t);
	struct tar bomb = {BUF_INIT((size_t)256 << 20)};
	gzip_into(&gz, t.b.p, t.b.len);
	gzip_into(&bomb.b, gz.p, gz.len);
	failed(f, &bomb, "ArchiveBomb", "zeros");
	(void)buf_puts(&bomb.b, "no archive");
	failed(f, &bomb, "SourceInvalid", "neither");
	char text[1024] = "";
	for (int i = 0; i < 300; i++) /* a message that is cut is still JSON */
		strcat(text, "\xc3\xa9");
	buf_clear(&t.b);
	tar_pax(&t, "path", text);
	tar_file(&t, "x", "x");
	failed(f, &t, "ArchiveBomb", "\xc3\xa9");
	buf_release(&t.b);
	buf_release(&bomb.b);
	AUTO_FREE char *evil = xprintf("%s/evil", f->dir);
	assert_false(fs_exists(evil));
}

/* A try after one that failed, or that was killed half way, begins anew. */
static void a_second_try_begins_anew(void **state)
{
	struct fixture *f = *state;
	struct tar t = {BUF_INIT(1 << 20)};
	tar_file(&t, "../evil", "x");
	failed(f, &t, "ArchiveEscape", "evil");
	buf_release(&t.b);
	int dir = open_dir_of(f->dir, "bad");
	put(dir, "src/left/over", 0644, "x");
	put(dir, "layer.tar.gz", 0644, "half");
	put(f->src, "a", 0644, "x");
	int fd = packed_source(f);
	assert_int_equal(build(f, "bad", fd), 0);
	struct build_result r = result(f, "bad");
	assert_true(r.present);
	assert_int_equal(r.class, OK);
	assert_int_equal(r.entries, 2);
	(void)close(fd);
	(void)close(dir);
}

/* The controller was restarted: the child of before is at it still. The new one waits, and leaves its result alone. */
static void a_running_child_is_awaited(void **state)
{
	struct fixture *f = *state;
	put(f->src, "a", 0644, "x");
	int fd = packed_source(f), dir = open_dir_of(f->dir, "b1");
	assert_int_equal(flock(dir, LOCK_EX | LOCK_NB), 0);
	pid_t pid;
	int pidfd;
	start(f, "b1", fd, &pid, &pidfd);
	for (int64_t until = clock_mono_ms() + 10000;; (void)poll(NULL, 0, 1)) { /* until it waits for the lock */
		AUTO_BUF struct buf b = BUF_INIT(1 << 20);
		AUTO_FREE char *waiter = xprintf("-> FLOCK  ADVISORY  WRITE %d ", (int)pid);
		assert_int_equal(fs_read("/proc/locks", &b, &f->e), OK);
		if (strstr(buf_str(&b), waiter))
			break;
		assert_true(clock_mono_ms() < until);
	}
	put(dir, "result.json", 0644, "{\"class\": \"invalid\", \"reason\": \"SourceInvalid\", \"message\": \"by the first\"}");
	assert_int_equal(flock(dir, LOCK_UN), 0);
	assert_int_equal(wait_for(pid, pidfd), 0);
	assert_string_equal(result(f, "b1").message, "by the first");
	(void)close(dir);
	(void)close(fd);
}

static void strange_results_are_refused(void **state)
{
	struct fixture *f = *state;
	static const char *const texts[] = {
		"", "{", "[]", "{}", "{\"class\": \"ok\"}", "{\"class\": \"fine\", \"reason\": \"x\"}",
		"{\"layer\": \"sha256:00\", \"diff_id\": \"sha256:00\", \"size\": 1, \"entries\": 1}",
	};
	int dir = open_dir_of(f->dir, "b1");
	struct build_result r = {.size = 7};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		put(dir, "result.json", 0644, texts[i]);
		assert_int_equal(builder_result(f->dir, "b1", &f->arena, &r, &f->e), INVALID);
		assert_string_equal(f->e.reason, "BuildFailed");
		assert_int_equal(r.size, 7);
	}
	/* Well-formed, but the layer is a link to something else. */
	AUTO_FREE char *text = xprintf("{\"layer\": \"sha256:%064d\", \"diff_id\": \"sha256:%064d\", \"size\": 6, \"entries\": 1}", 0, 0);
	put(dir, "result.json", 0644, text);
	put(dir, "other", 0644, "secret");
	put(dir, "layer.tar.gz", S_IFLNK, "other");
	assert_int_equal(builder_result(f->dir, "b1", &f->arena, &r, &f->e), INVALID);
	assert_int_equal(unlinkat(dir, "layer.tar.gz", 0), 0);
	put(dir, "layer.tar.gz", 0644, "secret");
	assert_int_equal(builder_result(f->dir, "b1", &f->arena, &r, &f->e), OK);
	put(dir, "result.json", 0644, "{\"class\": \"transient\", \"reason\": \"MadeUp\", \"message\": \"m\"}");
	assert_int_equal(builder_result(f->dir, "b1", &f->arena, &r, &f->e), OK);
	assert_int_equal(r.class, TRANSIENT);
	assert_string_equal(r.reason, "BuildFailed"); /* reasons are a closed list */
	(void)close(dir);
	pid_t pid;
	int pidfd;
	assert_int_equal(builder_start("/proc/self/exe", f->dir, "../b1", 0, "app", &pid, &pidfd, &f->e), BUG);
	assert_int_equal(builder_discard(f->dir, "..", &f->e), BUG);
	assert_int_equal(builder_result(f->dir, "", &f->arena, &r, &f->e), BUG);
}

static void a_killed_child_leaves_no_result(void **state)
{
	struct fixture *f = *state;
	int fd = memfd_create("empty", MFD_CLOEXEC), dir = open_dir_of(f->dir, "b1");
	assert_int_equal(flock(dir, LOCK_EX | LOCK_NB), 0);
	pid_t pid;
	int pidfd;
	start(f, "b1", fd, &pid, &pidfd);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(wait_for(pid, pidfd), 128 + SIGKILL);
	assert_false(result(f, "b1").present);
	(void)close(dir);
	(void)close(fd);
}

int main(int argc, char **argv)
{
	if (argc == 4)
		_exit(builder_child_main(argc, argv));
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_source_becomes_a_layer, setup, teardown),
		cmocka_unit_test_setup_teardown(hostile_sources_say_why, setup, teardown),
		cmocka_unit_test_setup_teardown(a_second_try_begins_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(a_running_child_is_awaited, setup, teardown),
		cmocka_unit_test_setup_teardown(strange_results_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_killed_child_leaves_no_result, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
