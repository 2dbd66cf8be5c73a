/* Whole files, atomic writes, trees. As root, as all tests run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"

struct scratch {
	struct arena a;
	char *dir;
};

static int open_scratch(void **state)
{
	struct scratch *s = xcalloc(1, sizeof *s);
	const char *tmp = getenv("TMPDIR");
	s->dir = arena_printf(&s->a, "%s/fs.XXXXXX", tmp && *tmp ? tmp : "/var/tmp");
	*state = s;
	return mkdtemp(s->dir) ? 0 : -1;
}

static int close_scratch(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_INIT;
	enum err_class c = fs_remove_tree(s->dir, &e);
	arena_release(&s->a);
	free(s);
	return c;
}

static const char *in(struct scratch *s, const char *name) { return arena_printf(&s->a, "%s/%s", s->dir, name); }

static void write_text(const char *path, const char *text)
{
	struct err e = ERR_INIT;
	if (fs_write_atomic(path, text, strlen(text), 0644, false, &e) != OK)
		fail_msg("%s", e.msg);
}

static void what_is_written_is_read(void **state)
{
	struct scratch *s = *state;
	const char *path = in(s, "file");
	struct err e = ERR_INIT;
	AUTO_BUF struct buf b = BUF_INIT(100);
	assert_false(fs_exists(path));
	assert_int_equal(fs_write_atomic(path, "a\0b", 3, 0640, true, &e), OK);
	assert_true(fs_exists(path));
	assert_int_equal(fs_read(path, &b, &e), OK);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.p, "a\0b", 3);
	assert_int_equal(fs_write_atomic(path, "new", 3, 0600, false, &e), OK);
	buf_clear(&b);
	assert_int_equal(fs_read(path, &b, &e), OK);
	assert_string_equal(buf_str(&b), "new");
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void a_mode_is_exact_whatever_the_umask(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_INIT;
	mode_t before = umask(077);
	assert_int_equal(fs_write_atomic(in(s, "open"), "", 0, 0664, false, &e), OK);
	(void)umask(before);
	struct stat st;
	assert_int_equal(stat(in(s, "open"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0664);
}

static void a_failed_write_leaves_nothing_behind(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_INIT;
	assert_int_equal(fs_write_atomic(in(s, "none/file"), "x", 1, 0644, false, &e), TRANSIENT);
	assert_string_equal(e.reason, "Internal");
	assert_int_equal(fs_mkdirs(in(s, "taken"), 0755, &e), OK);
	write_text(in(s, "taken/inside"), "x");
	assert_int_equal(fs_write_atomic(in(s, "taken"), "x", 1, 0644, false, &e), TRANSIENT); /* a directory cannot be renamed over */
	assert_true(fs_exists(in(s, "taken/inside")));
	AUTO_FREE char *command = xprintf("test -z \"$(find %s -name '*.tmp.*')\"", s->dir);
	assert_int_equal(system(command), 0);
}

static void reading_has_a_limit(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_INIT;
	write_text(in(s, "five"), "12345");
	AUTO_BUF struct buf exact = BUF_INIT(5);
	assert_int_equal(fs_read(in(s, "five"), &exact, &e), OK);
	assert_string_equal(buf_str(&exact), "12345");
	AUTO_BUF struct buf small = BUF_INIT(4);
	assert_int_equal(fs_read(in(s, "five"), &small, &e), INVALID);
	assert_string_equal(e.reason, "TooLarge");
	AUTO_BUF struct buf endless = BUF_INIT(200000);
	assert_int_equal(fs_read("/dev/zero", &endless, &e), INVALID);
	assert_string_equal(e.reason, "TooLarge");
}

static void what_is_not_there(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_INIT;
	AUTO_BUF struct buf b = BUF_INIT(10);
	assert_int_equal(fs_read(in(s, "none"), &b, &e), INVALID);
	assert_string_equal(e.reason, "NotFound");
	assert_int_equal(fs_read(s->dir, &b, &e), TRANSIENT);
	assert_string_equal(e.reason, "Internal");
	assert_int_equal(fs_remove_tree(in(s, "none"), &e), OK);
	assert_int_equal(symlink("/nowhere", in(s, "dangling")), 0);
	assert_true(fs_exists(in(s, "dangling")));
}

static void a_tree_is_measured(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_INIT;
	static char block[100000];
	uint64_t none = 1, one = 0, linked = 0, both = 0;
	assert_int_equal(fs_tree_bytes(in(s, "nothing"), &none, &e), OK);
	assert_int_equal(none, 0);
	assert_int_equal(fs_mkdirs(in(s, "tree/below"), 0755, &e), OK);
	assert_int_equal(fs_write_atomic(in(s, "tree/below/file"), block, sizeof block, 0644, true, &e), OK);
	assert_int_equal(fs_write_atomic(in(s, "outside"), block, sizeof block, 0644, true, &e), OK);
	assert_int_equal(fs_tree_bytes(in(s, "tree"), &one, &e), OK);
	assert_in_range(one, sizeof block, 2 * sizeof block);
	assert_int_equal(link(in(s, "tree/below/file"), in(s, "tree/again")), 0); /* one file with two names */
	assert_int_equal(symlink(in(s, "outside"), in(s, "tree/elsewhere")), 0);
	assert_int_equal(fs_tree_bytes(in(s, "tree"), &linked, &e), OK);
	assert_in_range(linked, one, one + sizeof block / 2);
	assert_int_equal(fs_write_atomic(in(s, "tree/other"), block, sizeof block, 0644, true, &e), OK);
	assert_int_equal(fs_tree_bytes(in(s, "tree"), &both, &e), OK);
	assert_true(both >= linked + sizeof block);
}

/* Runs as nobody, for whom permissions count. */
static int as_nobody(const char *path)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct err e = ERR_INIT;
		struct buf b = BUF_INIT(10);
		bool denied = setgid(65534) == 0 && setuid(65534) == 0 && fs_read(path, &b, &e) == DENIED;
		_exit(denied && strcmp(e.reason, "Forbidden") == 0 ? 0 : 1);
	}
	int status = -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void what_may_not_be_read_is_denied(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_INIT;
	assert_int_equal(chmod(s->dir, 0755), 0);
	assert_int_equal(fs_write_atomic(in(s, "secret"), "x", 1, 0600, false, &e), OK);
	assert_int_equal(as_nobody(in(s, "secret")), 0);
}

static void directories_with_their_parents(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_INIT;
	assert_int_equal(fs_mkdirs(in(s, "a/b//c"), 0755, &e), OK);
	assert_int_equal(fs_mkdirs(in(s, "a/b/c"), 0755, &e), OK);
	struct stat st;
	assert_int_equal(stat(in(s, "a/b/c"), &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	write_text(in(s, "file"), "x");
	assert_int_equal(fs_mkdirs(in(s, "file/below"), 0755, &e), TRANSIENT);
	assert_string_equal(e.reason, "Internal");
}

static void a_tree_goes_but_not_what_its_links_name(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_INIT;
	assert_int_equal(fs_mkdirs(in(s, "kept"), 0755, &e), OK);
	write_text(in(s, "kept/file"), "x");
	assert_int_equal(fs_mkdirs(in(s, "tree/deep/er"), 0755, &e), OK);
	write_text(in(s, "tree/deep/er/file"), "x");
	assert_int_equal(symlink("../kept", in(s, "tree/link")), 0);
	assert_int_equal(symlink("/nowhere", in(s, "tree/dangling")), 0);
	assert_int_equal(mkfifo(in(s, "tree/fifo"), 0600), 0);
	assert_int_equal(chmod(in(s, "tree/deep"), 0), 0);
	assert_int_equal(fs_remove_tree(in(s, "tree"), &e), OK);
	assert_false(fs_exists(in(s, "tree")));
	assert_true(fs_exists(in(s, "kept/file")));
	assert_int_equal(symlink("kept", in(s, "top")), 0);
	assert_int_equal(fs_remove_tree(in(s, "top"), &e), OK);
	assert_false(fs_exists(in(s, "top")));
	assert_true(fs_exists(in(s, "kept/file")));
	assert_int_equal(fs_remove_tree(in(s, "kept/file"), &e), OK);
	assert_false(fs_exists(in(s, "kept/file")));
}

static void a_mount_below_is_not_crossed(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_INIT;
	assert_int_equal(fs_mkdirs(in(s, "tree/mounted"), 0755, &e), OK);
	assert_int_equal(mount("none", in(s, "tree/mounted"), "tmpfs", 0, "size=64k"), 0);
	write_text(in(s, "tree/mounted/file"), "x");
	enum err_class c = fs_remove_tree(in(s, "tree"), &e);
	bool kept = fs_exists(in(s, "tree/mounted/file"));
	assert_int_equal(umount(in(s, "tree/mounted")), 0);
	assert_int_equal(c, TRANSIENT);
	assert_non_null(strstr(e.msg, "mount point"));
	assert_true(kept);
}

static void copies_what_is_left(void **state)
{
	struct scratch *s = *state;
	struct err e = ERR_INIT;
	AUTO_FREE char *big = xmalloc(200001);
	memset(big, 'x', 200000);
	big[200000] = '\0';
	write_text(in(s, "from"), big);
	AUTO_CLOSE int from = open(in(s, "from"), O_RDONLY | O_CLOEXEC), to = open(in(s, "to"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(lseek(from, 10, SEEK_SET), 10);
	uint64_t n = 0;
	assert_int_equal(fs_copy_fd(from, to, &n, &e), OK);
	assert_int_equal(n, 199990);
	assert_int_equal(lseek(to, 0, SEEK_END), 199990);
	assert_int_equal(fs_copy_fd(from, to, NULL, &e), OK);
	AUTO_CLOSE int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(fs_write_all(full, "x", 1, &e), TRANSIENT);
	assert_string_equal(e.reason, "DiskFull");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_scratch, close_scratch)
		CASE(what_is_written_is_read),
		CASE(a_mode_is_exact_whatever_the_umask),
		CASE(a_failed_write_leaves_nothing_behind),
		CASE(reading_has_a_limit),
		CASE(what_is_not_there),
		CASE(what_may_not_be_read_is_denied),
		CASE(directories_with_their_parents),
		CASE(a_tree_goes_but_not_what_its_links_name),
		CASE(a_mount_below_is_not_crossed),
		CASE(a_tree_is_measured),
		CASE(copies_what_is_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
