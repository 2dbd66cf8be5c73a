/* Unpacking OCI layers: whiteouts as overlayfs has them, owners and modes, links as base images have them, and what is dropped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/xattr.h>

#include "archives.h"

struct fixture {
	char *dir;
	int root;
	struct tar tar;
	struct err e;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	f->dir = make_temp();
	f->root = open_dir_of(f->dir, "root");
	buf_init(&f->tar.b, (size_t)1 << 20);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	(void)close(f->root);
	buf_release(&f->tar.b);
	remove_temp(f->dir);
	free(f);
	return 0;
}

static enum err_class unpack(struct fixture *f)
{
	const struct unpack_opts o = {.layer = true};
	struct unpacked got;
	tar_end(&f->tar);
	int fd = fd_of(f->tar.b.p, f->tar.b.len);
	enum err_class c = archive_unpack(fd, f->root, &o, &got, &f->e);
	(void)close(fd);
	buf_clear(&f->tar.b);
	return c;
}

static void unpacks_to(struct fixture *f, const char *want)
{
	if (unpack(f))
		fail_msg("%s: %s", f->e.reason, f->e.msg);
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	list_tree(f->root, "", &b);
	assert_string_equal(buf_str(&b), want);
}

static void refused(struct fixture *f, const char *reason, const char *named)
{
	assert_int_equal(unpack(f), INVALID);
	if (strcmp(f->e.reason, reason) != 0 || !strstr(f->e.msg, named))
		fail_msg("wanted %s naming %s, got %s: %s", reason, named, f->e.reason, f->e.msg);
}

static bool opaque(struct fixture *f, const char *path)
{
	char value[4] = "";
	int fd = openat(f->root, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	assert_true(fd >= 0);
	ssize_t n = fgetxattr(fd, "user.overlay.opaque", value, sizeof value);
	assert_true(n == 1 || (n < 0 && errno == ENODATA));
	(void)close(fd);
	return n == 1 && value[0] == 'y';
}

static void whiteouts(void **state)
{
	struct fixture *f = *state;
	tar_header(&f->tar, '5', "etc", NULL, 0755, 0);
	tar_file(&f->tar, "etc/.wh.passwd", "");
	tar_file(&f->tar, "etc/.wh.-", "");
	tar_file(&f->tar, "var/.wh..wh..opq", "");
	tar_file(&f->tar, "var/new", "one");
	tar_file(&f->tar, ".wh..wh.plnk", "");
	unpacks_to(f, "etc/ 755\netc/- 0 whiteout 0\netc/passwd 0 whiteout 0\nvar/ 755\nvar/new 644 3 7692c3ad3540\n");
	assert_true(opaque(f, "var"));
	assert_false(opaque(f, "etc"));
}

/* A whiteout hides only what is below, never what its own layer brings; a directory that is both is opaque. */
static void whiteouts_beside_entries(void **state)
{
	struct fixture *f = *state;
	tar_file(&f->tar, "file", "one");
	tar_file(&f->tar, ".wh.file", "");
	tar_file(&f->tar, ".wh.other", "");
	tar_file(&f->tar, "other", "two");
	tar_file(&f->tar, "before/x", "one");
	tar_file(&f->tar, ".wh.before", "");
	tar_file(&f->tar, ".wh.after", "");
	tar_header(&f->tar, '5', "after", NULL, 0711, 0);
	tar_file(&f->tar, ".wh.implied", "");
	tar_file(&f->tar, "implied/x", "one");
	unpacks_to(f, "after/ 711\nbefore/ 755\nbefore/x 644 3 7692c3ad3540\nfile 644 3 7692c3ad3540\nimplied/ 755\n"
		      "implied/x 644 3 7692c3ad3540\nother 644 3 3fc4ccfe7458\n");
	assert_true(opaque(f, "before"));
	assert_true(opaque(f, "after"));
	assert_true(opaque(f, "implied"));
}

static void whiteouts_of_nothing(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = {".wh.", ".wh..", ".wh...", "d/.wh..."};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		tar_file(&f->tar, names[i], "");
		refused(f, "LayerInvalid", names[i]);
	}
	tar_file(&f->tar, ".wh.a/../../b", "");
	refused(f, "ArchiveEscape", ".wh.a");
}

static void modes_and_owners(void **state)
{
	struct fixture *f = *state;
	tar_header(&f->tar, '5', "./", NULL, 0751, 0);
	tar_header(&f->tar, '5', "tmp", NULL, 01777, 0);
	tar_header(&f->tar, '0', "su", NULL, 06755, 0);
	tar_header(&f->tar, '0', "secret", NULL, 0600, 0);
	tar_header(&f->tar, '0', "owned", NULL, 0640, 0);
	tar_pax(&f->tar, "uid", "4000000000");
	tar_header(&f->tar, '2', "link", "/etc/passwd", 0777, 0);
	size_t at = f->tar.b.len;
	tar_header(&f->tar, '0', "mail", NULL, 0640, 0);
	char *h = f->tar.b.p + at; /* uid 8, gid 42 */
	unsigned sum = 0;
	memcpy(h + 108, "0000010", 7);
	memcpy(h + 116, "0000052", 7);
	memset(h + 148, ' ', 8);
	for (size_t i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	tar_octal(h + 148, 7, sum);
	unpacks_to(f, "link 777 -> /etc/passwd\nmail 640 0 e3b0c44298fc\nowned 640 0 e3b0c44298fc\nsecret 600 0 e3b0c44298fc\n"
		      "su 755 0 e3b0c44298fc\ntmp/ 1777\n");
	struct stat st, link, root;
	assert_int_equal(fstatat(f->root, "mail", &st, 0), 0);
	assert_int_equal(fstatat(f->root, "link", &link, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(fstat(f->root, &root), 0);
	assert_int_equal(root.st_mode & 07777, 0751);
	assert_int_equal(st.st_uid, geteuid() == 0 ? 8 : geteuid());
	assert_int_equal(st.st_gid, geteuid() == 0 ? 42 : getegid());
	assert_int_equal(link.st_uid, geteuid() == 0 ? 65534 : geteuid());
}

static void devices_are_dropped(void **state)
{
	struct fixture *f = *state;
	tar_header(&f->tar, '3', "null", NULL, 0666, 0); /* 0:0: a whiteout that is none */
	tar_header(&f->tar, '4', "sda", NULL, 0660, 0);
	tar_header(&f->tar, '6', "fifo", NULL, 0660, 0);
	tar_pax(&f->tar, "SCHILY.xattr.user.overlay.opaque", "y");
	tar_header(&f->tar, '5', "d", NULL, 0755, 0);
	unpacks_to(f, "d/ 755\n");
	assert_false(opaque(f, "d"));
}

/* lib64 -> usr/lib64 beside entries below lib64: they land where the link leads, which is never outside. */
static void parents_may_be_links(void **state)
{
	struct fixture *f = *state;
	static const char *const targets[] = {"usr/lib64", "/usr/lib64", "../../../usr/lib64", "/../usr/./lib64"};
	tar_header(&f->tar, '5', "usr/lib64", NULL, 0755, 0);
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		tar_header(&f->tar, '2', "lib64", targets[i], 0777, 0);
		char name[32];
		(void)snprintf(name, sizeof name, "lib64/%zu", i);
		tar_file(&f->tar, name, "one");
	}
	tar_header(&f->tar, '1', "lib64/hard", "lib64/0", 0644, 0);
	tar_file(&f->tar, "lib64/.wh.gone", "");
	unpacks_to(f, "lib64 777 -> /../usr/./lib64\nusr/ 755\nusr/lib64/ 755\nusr/lib64/0 644 3 7692c3ad3540\n"
		      "usr/lib64/1 644 3 7692c3ad3540\nusr/lib64/2 644 3 7692c3ad3540\nusr/lib64/3 644 3 7692c3ad3540\n"
		      "usr/lib64/gone 0 whiteout 0\nusr/lib64/hard 644 3 7692c3ad3540\n");
}

/* The host has /tmp and /proc; in the layer a link there leads to nothing. */
static void links_to_the_host_lead_nowhere(void **state)
{
	struct fixture *f = *state;
	char *outside = xprintf("%s/outside", f->dir);
	assert_int_equal(mkdir(outside, 0755), 0);
	const char *const targets[] = {"/tmp", "/proc/self/cwd", "/proc/self/fd/1", "../outside", outside, "loop"};
	(void)unlink("/tmp/fn-test-escaped"); /* of a run that failed */
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		tar_header(&f->tar, '2', "loop", targets[i], 0777, 0);
		tar_file(&f->tar, "loop/fn-test-escaped", "evil");
		refused(f, "ArchiveEscape", "loop/fn-test-escaped");
		assert_int_equal(access("/tmp/fn-test-escaped", F_OK), -1);
	}
	assert_int_equal(rmdir(outside), 0); /* empty */
	free(outside);
}

static void paths_that_climb_are_refused(void **state)
{
	struct fixture *f = *state;
	static const char *const paths[] = {"../x", "/x", "a/../../x", "../.wh.x"};
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		tar_file(&f->tar, paths[i], "evil");
		refused(f, "ArchiveEscape", paths[i]);
		tar_header(&f->tar, '1', "hard", paths[i], 0644, 0);
		refused(f, "ArchiveEscape", "hard");
	}
}

static void hard_links(void **state)
{
	struct fixture *f = *state;
	tar_header(&f->tar, '2', "soft", "nowhere", 0777, 0);
	tar_header(&f->tar, '1', "hard", "soft", 0777, 0);
	tar_file(&f->tar, "a", "one");
	tar_header(&f->tar, '1', "b", "./a", 0644, 0);
	tar_header(&f->tar, '1', "b", "a", 0644, 0);
	unpacks_to(f, "a 644 3 7692c3ad3540\nb 644 3 7692c3ad3540\nhard 777 -> nowhere\nsoft 777 -> nowhere\n");
	struct stat st;
	assert_int_equal(fstatat(f->root, "a", &st, 0), 0);
	assert_int_equal(st.st_nlink, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(whiteouts, setup, teardown),
		cmocka_unit_test_setup_teardown(whiteouts_beside_entries, setup, teardown),
		cmocka_unit_test_setup_teardown(whiteouts_of_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(modes_and_owners, setup, teardown),
		cmocka_unit_test_setup_teardown(devices_are_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(parents_may_be_links, setup, teardown),
		cmocka_unit_test_setup_teardown(links_to_the_host_lead_nowhere, setup, teardown),
		cmocka_unit_test_setup_teardown(paths_that_climb_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(hard_links, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
