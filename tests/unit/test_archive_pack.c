/* Packing: what comes out, that it is the same everywhere, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "archives.h"
#include "base/proc.h"

struct fixture {
	char *dir;
	int src, out;
	struct err e;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	f->dir = make_temp();
	f->src = open_dir_of(f->dir, "src");
	f->out = open_dir_of(f->dir, "out");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	(void)close(f->src);
	(void)close(f->out);
	remove_temp(f->dir);
	free(f);
	return 0;
}

static int temp_file(struct fixture *f, const char *name)
{
	char *path = xprintf("%s/%s", f->dir, name);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	free(path);
	return fd;
}

static struct packed pack(struct fixture *f, int src, const struct pack_opts *o, const char *name)
{
	int fd = temp_file(f, name);
	struct packed p = {.size = 0};
	if (archive_pack(src, o, fd, &p, &f->e))
		fail_msg("%s: %s", f->e.reason, f->e.msg);
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, p.size);
	(void)close(fd);
	return p;
}

static void refused(struct fixture *f, const struct pack_opts *o, enum err_class class, const char *reason, const char *named)
{
	struct packed p = {.size = 7};
	int fd = temp_file(f, "refused");
	assert_int_equal(archive_pack(f->src, o, fd, &p, &f->e), class);
	assert_string_equal(f->e.reason, reason);
	if (!strstr(f->e.msg, named))
		fail_msg("\"%s\" does not name %s", f->e.msg, named);
	assert_int_equal(p.size, 7);
	(void)close(fd);
}

static void some_tree(int d)
{
	put(d, "main.py", 0644, "print(1)\n");
	put(d, "bin/run", 0755, "#!/bin/sh\n");
	put(d, "bin-more", 0600, "");
	put(d, "bin/link", S_IFLNK, "../main.py");
	put(d, "empty/", 0, "");
	put(d, "\xc3\xa9t\xc3\xa9/\xe2\x9c\x93", 0444, "utf-8");
}

static void tar_lists(struct fixture *f, const char *name, const char *want)
{
	char *path = xprintf("%s/%s", f->dir, name);
	const char *const argv[] = {"tar", "--utc", "--full-time", "--numeric-owner", "--quoting-style=literal", "-tvf", path, NULL};
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	if (proc_run(argv, NULL, 10000, &b, &f->e))
		fail_msg("%s", f->e.msg);
	assert_string_equal(buf_str(&b), want);
	free(path);
}

static void gnu_tar_accepts(void **state)
{
	struct fixture *f = *state;
	some_tree(f->src);
	struct pack_opts o = {.prefix = "srv/app"};
	struct packed p = pack(f, f->src, &o, "a.tar.gz");
	assert_int_equal(p.entries, 10);
	tar_lists(f, "a.tar.gz",
		  "drwxr-xr-x 0/0               0 1970-01-01 00:00:00 srv/\n"
		  "drwxr-xr-x 0/0               0 1970-01-01 00:00:00 srv/app/\n"
		  "drwxr-xr-x 0/0               0 1970-01-01 00:00:00 srv/app/bin/\n"
		  "-rw-r--r-- 0/0               0 1970-01-01 00:00:00 srv/app/bin-more\n"
		  "lrwxrwxrwx 0/0               0 1970-01-01 00:00:00 srv/app/bin/link -> ../main.py\n"
		  "-rwxr-xr-x 0/0              10 1970-01-01 00:00:00 srv/app/bin/run\n"
		  "drwxr-xr-x 0/0               0 1970-01-01 00:00:00 srv/app/empty/\n"
		  "-rw-r--r-- 0/0               9 1970-01-01 00:00:00 srv/app/main.py\n"
		  "drwxr-xr-x 0/0               0 1970-01-01 00:00:00 srv/app/\xc3\xa9t\xc3\xa9/\n"
		  "-rw-r--r-- 0/0               5 1970-01-01 00:00:00 srv/app/\xc3\xa9t\xc3\xa9/\xe2\x9c\x93\n");
}

static void digests_are_those_of_the_bytes(void **state)
{
	struct fixture *f = *state;
	some_tree(f->src);
	struct pack_opts o = {.prefix = ""};
	struct packed p = pack(f, f->src, &o, "a.tar.gz");
	char *path = xprintf("%s/a.tar.gz", f->dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct digest d;
	uint64_t size;
	assert_int_equal(digest_of_fd(fd, &d, &size, &f->e), OK);
	assert_true(digest_eq(&d, &p.digest));
	const char *const argv[] = {"gzip", "-dc", path, NULL};
	AUTO_BUF struct buf tar = BUF_INIT(1 << 20);
	assert_int_equal(proc_run(argv, NULL, 10000, &tar, &f->e), OK);
	d = digest_of(tar.p, tar.len);
	assert_true(digest_eq(&d, &p.diff_id));
	assert_int_equal(tar.len, p.tar_size);
	(void)close(fd);
	free(path);
}

/* The bytes are a promise to every image ever pushed: a change of this digest rebuilds the world. */
static void bytes_are_pinned(void **state)
{
	struct fixture *f = *state;
	some_tree(f->src);
	struct pack_opts o = {.prefix = "app"};
	struct packed p = pack(f, f->src, &o, "a.tar.gz");
	char text[DIGEST_TEXT];
	assert_string_equal(digest_text(&p.diff_id, text), "sha256:b2fd49727954b3390086ab34ee10c43c492db5eff54d0b77770cb82ef22c3ffe");
}

static void same_tree_same_bytes(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = {"a", "b/c", "b/d", "b-e", "z/y/x"};
	struct pack_opts o = {.prefix = "app"};
	mode_t before = umask(022);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		put(f->src, names[i], 0644, names[i]);
	struct packed p = pack(f, f->src, &o, "one");
	(void)umask(077);
	int other = open_dir_of(f->dir, "other");
	for (size_t i = ARRAY_LEN(names); i-- > 0;) {
		put(other, names[i], 0600, names[i]);
		struct timespec t[2] = {{.tv_sec = 86400 * (time_t)i}, {.tv_sec = 1000000 + (time_t)i}};
		assert_int_equal(utimensat(other, names[i], t, 0), 0);
		if (geteuid() == 0)
			assert_int_equal(fchownat(other, names[i], 1000 + (uid_t)i, 1000, 0), 0);
	}
	assert_int_equal(fchmodat(other, "b", 0700, 0), 0);
	struct packed q = pack(f, other, &o, "two");
	assert_true(digest_eq(&p.digest, &q.digest));
	assert_true(digest_eq(&p.diff_id, &q.diff_id));
	assert_int_equal(fchmodat(other, "a", 0700, 0), 0);
	struct packed r = pack(f, other, &o, "three");
	assert_false(digest_eq(&p.digest, &r.digest)); /* the executable bit counts */
	(void)umask(before);
	(void)close(other);
}

enum { LARGE = 2 << 20 };

static void large_file(int dirfd)
{
	int fd = openat(dirfd, "a", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	unsigned state = 1;
	for (int i = 0; i < LARGE / 4096; i++) {
		uint32_t block[1024];
		for (size_t k = 0; k < ARRAY_LEN(block); k++) { /* incompressible enough to fill a pipe */
			state = state * 1664525 + 1013904223;
			block[k] = state ^ state >> 15;
		}
		assert_int_equal(fs_write_all(fd, block, sizeof block, NULL), OK);
	}
	(void)close(fd);
}

/* Of the gzip member at the front. */
static size_t member_length(const char *p, size_t n)
{
	union {
		const void *in;
		unsigned char *next;
	} u = {p}; /* zlib's next_in is not const */
	z_stream z = {.next_in = u.next, .avail_in = (unsigned)n};
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	int r = Z_OK;
	while (r == Z_OK) {
		unsigned char out[65536];
		z.next_out = out;
		z.avail_out = sizeof out;
		r = inflate(&z, Z_NO_FLUSH);
	}
	assert_int_equal(r, Z_STREAM_END);
	size_t length = z.total_in;
	(void)inflateEnd(&z);
	return length;
}

static size_t members(const struct buf *gz)
{
	static const char head[] = "\x1f\x8b\x08\0\0\0\0\0\x04\xff"; /* no name, no time, "fastest", OS unknown */
	size_t n = 0;
	for (size_t at = 0; at < gz->len; n++) { /* by what they say of themselves, as any reader must: by inflating */
		assert_true(gz->len - at >= sizeof head - 1);
		assert_memory_equal(gz->p + at, head, sizeof head - 1);
		at += member_length(gz->p + at, gz->len - at);
	}
	return n;
}

/* What is larger than one is several members: bytes that are the same each time, that gzip and we put together again, and
 * that are a layer to the node. */
static void large_trees_are_several_members(void **state)
{
	struct fixture *f = *state;
	large_file(f->src);
	put(f->src, "d/b", 0644, "abc");
	struct pack_opts o = {.prefix = "app"};
	struct packed p = pack(f, f->src, &o, "a.tar.gz"), q = pack(f, f->src, &o, "b.tar.gz");
	assert_true(digest_eq(&p.digest, &q.digest));
	AUTO_FREE char *path = xprintf("%s/a.tar.gz", f->dir);
	AUTO_BUF struct buf gz = BUF_INIT(4 << 20);
	assert_int_equal(fs_read(path, &gz, &f->e), OK);
	assert_int_equal(members(&gz), 5); /* 2 MiB and the headers, in chunks of 512 KiB */
	const char *const argv[] = {"gzip", "-dc", path, NULL};
	AUTO_BUF struct buf tar = BUF_INIT(4 << 20);
	assert_int_equal(proc_run(argv, NULL, 10000, &tar, &f->e), OK);
	struct digest d = digest_of(tar.p, tar.len);
	assert_true(digest_eq(&d, &p.diff_id));
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct unpack_opts u = {.layer = true, .ret_diff_id = &d};
	struct unpacked got;
	if (archive_unpack(fd, f->out, &u, &got, &f->e))
		fail_msg("%s: %s", f->e.reason, f->e.msg);
	assert_true(digest_eq(&d, &p.diff_id));
	assert_int_equal(got.entries, p.entries);
	(void)close(fd);
}

/* A tar that ends where a member does has no empty one behind it. */
static void a_full_last_member_is_the_last(void **state)
{
	struct fixture *f = *state;
	int fd = openat(f->src, "a", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, (512 << 10) - 512 - 1024), 0); /* its header, and the end of the tar */
	struct pack_opts o = {.prefix = ""};
	struct packed p = pack(f, f->src, &o, "a.tar.gz");
	assert_int_equal(p.tar_size, 512 << 10);
	AUTO_FREE char *path = xprintf("%s/a.tar.gz", f->dir);
	AUTO_BUF struct buf gz = BUF_INIT(1 << 20);
	assert_int_equal(fs_read(path, &gz, &f->e), OK);
	assert_int_equal(members(&gz), 1);
	(void)close(fd);
}

/* unpack(pack(tree)) == tree, for trees made by a small generator: names of all lengths, contents around block and buffer
 * sizes, links that stay inside. */
static void random_tree(int d, unsigned seed)
{
	static const size_t sizes[] = {0, 1, 511, 512, 513, 65535, 65536, 65537, 200000};
	static const size_t lengths[] = {1, 2, 50, 99, 100, 101, 154, 155, 156, 255};
	unsigned state = seed * 2654435761U + 1;
	char path[2048] = "", name[256];
	for (unsigned i = 0; i < 40; i++) {
		state = state * 1664525 + 1013904223;
		unsigned r = state >> 8;
		size_t len = lengths[r % ARRAY_LEN(lengths)];
		memset(name, 'a' + (int)(i % 26), len);
		(void)snprintf(name + (len > 3 ? len - 3 : 0), 4, "%u", i);
		char *at = xprintf("%s%s%s", path, path[0] ? "/" : "", name);
		if (r / 16 % 3 == 0 && strlen(path) < 700) {
			(void)mkdirat(d, at, 0755);
			(void)snprintf(path, sizeof path, "%s", at);
		} else if (r / 16 % 7 == 1) {
			put(d, at, S_IFLNK, name);
		} else if (r / 16 % 5 == 2) {
			path[0] = '\0';
		} else {
			size_t n = sizes[r / 64 % ARRAY_LEN(sizes)];
			char *text = xcalloc(1, n + 1);
			for (size_t k = 0; k < n; k++)
				text[k] = (char)('A' + (state + k * k) % 50);
			put(d, at, r / 512 % 2 ? 0755 : 0644, text);
			free(text);
		}
		free(at);
	}
}

static void unpacking_gives_the_tree_back(void **state)
{
	struct fixture *f = *state;
	for (unsigned seed = 0; seed < 25; seed++) {
		char name[32];
		(void)snprintf(name, sizeof name, "src%u", seed);
		int src = open_dir_of(f->dir, name);
		random_tree(src, seed);
		struct pack_opts o = {.prefix = ""};
		struct packed p = pack(f, src, &o, "a.tar.gz");
		(void)snprintf(name, sizeof name, "out%u", seed);
		int out = open_dir_of(f->dir, name), in = open_dir_of(f->dir, "");
		int fd = openat(in, "a.tar.gz", O_RDONLY | O_CLOEXEC);
		struct digest diff_id;
		struct unpack_opts u = {.ret_diff_id = &diff_id};
		struct unpacked got;
		if (archive_unpack(fd, out, &u, &got, &f->e))
			fail_msg("seed %u: %s: %s", seed, f->e.reason, f->e.msg);
		assert_int_equal(got.entries, p.entries);
		assert_true(digest_eq(&diff_id, &p.diff_id));
		AUTO_BUF struct buf a = BUF_INIT(1 << 20);
		AUTO_BUF struct buf b = BUF_INIT(1 << 20);
		list_tree(src, "", &a);
		list_tree(out, "", &b);
		assert_string_equal(buf_str(&a), buf_str(&b));
		(void)close(fd);
		(void)close(in);
		(void)close(out);
		(void)close(src);
	}
}

static void empty_directory_packs(void **state)
{
	struct fixture *f = *state;
	struct pack_opts o = {.prefix = NULL};
	struct packed p = pack(f, f->src, &o, "a.tar.gz");
	assert_int_equal(p.entries, 0);
	tar_lists(f, "a.tar.gz", "");
}

static void fnignore_and_git_stay_out(void **state)
{
	struct fixture *f = *state;
	put(f->src, ".fnignore", 0644, "*.log\n!keep.log\n/build/\n");
	put(f->src, ".git/config", 0644, "");
	put(f->src, "a.log", 0644, "");
	put(f->src, "keep.log", 0644, "");
	put(f->src, "build/x", 0644, "");
	put(f->src, "sub/build/x", 0644, "");
	put(f->src, "sub/.fnignore", 0644, "x\n");
	put(f->src, "sub/.git", 0644, "gitdir: elsewhere");
	struct pack_opts o = {.prefix = "", .ignore = true};
	assert_int_equal(pack(f, f->src, &o, "a.tar.gz").entries, 3);
	tar_lists(f, "a.tar.gz",
		  "-rw-r--r-- 0/0               0 1970-01-01 00:00:00 keep.log\n"
		  "drwxr-xr-x 0/0               0 1970-01-01 00:00:00 sub/\n"
		  "drwxr-xr-x 0/0               0 1970-01-01 00:00:00 sub/build/\n");
	struct pack_opts all = {.prefix = ""};
	assert_int_equal(pack(f, f->src, &all, "b.tar.gz").entries, 12);
}

static void files_named_are_left_out(void **state)
{
	struct fixture *f = *state;
	put(f->src, "main.py", 0644, "print(1)\n");
	struct pack_opts o = {.prefix = ""};
	struct packed without = pack(f, f->src, &o, "without.tar.gz");
	put(f->src, "function.yaml", 0644, "kind: Function\n");
	struct stat st;
	assert_int_equal(fstatat(f->src, "function.yaml", &st, 0), 0);
	struct file_id manifest = {st.st_dev, st.st_ino};
	struct packed with = pack(f, f->src, &o, "with.tar.gz");
	assert_false(digest_eq(&with.digest, &without.digest));
	o.leave_out = &manifest;
	o.nleave_out = 1;
	struct packed left = pack(f, f->src, &o, "left.tar.gz");
	assert_true(digest_eq(&left.digest, &without.digest));
}

static void special_files_are_refused(void **state)
{
	struct fixture *f = *state;
	struct pack_opts o = {.prefix = ""};
	assert_int_equal(mkfifoat(f->src, "pipe", 0600), 0);
	refused(f, &o, INVALID, "SourceInvalid", "pipe");
	assert_int_equal(unlinkat(f->src, "pipe", 0), 0);
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	(void)snprintf(a.sun_path, sizeof a.sun_path, "%s/src/sock", f->dir);
	assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof a), 0);
	refused(f, &o, INVALID, "SourceInvalid", "sock");
	(void)close(s);
	assert_int_equal(unlinkat(f->src, "sock", 0), 0);
	put(f->src, "\xff\n", 0644, "");
	refused(f, &o, INVALID, "SourceInvalid", "?\\x0a");
	assert_int_equal(unlinkat(f->src, "\xff\n", 0), 0);
	struct pack_opts ignoring = {.prefix = "", .ignore = true};
	put(f->src, "sub/.fnignore", S_IFLNK, "/etc/passwd");
	refused(f, &ignoring, INVALID, "SourceInvalid", ".fnignore");
}

static void links_that_leave_are_refused(void **state)
{
	struct fixture *f = *state;
	struct pack_opts o = {.prefix = "app"};
	static const char *const targets[] = {"/etc/passwd", "..", "../x", "a/../../x"};
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		put(f->src, "out", S_IFLNK, targets[i]);
		refused(f, &o, INVALID, "ArchiveEscape", "out");
		assert_int_equal(unlinkat(f->src, "out", 0), 0);
	}
	put(f->src, "d/up", S_IFLNK, "..");
	assert_int_equal(pack(f, f->src, &o, "fine").entries, 3);
	put(f->src, "d/over", S_IFLNK, "up/../out"); /* within by its text, outside through d/up */
	refused(f, &o, INVALID, "ArchiveEscape", "d/over");
	put(f->src, "etc/localtime", S_IFLNK, "/usr/share/zoneinfo/Etc/UTC");
	put(f->src, "tmp/", 0, "");
	assert_int_equal(fchmodat(f->src, "tmp", 01777, 0), 0);
	struct pack_opts root = {.prefix = "", .rootfs = true};
	(void)pack(f, f->src, &root, "base");
	tar_lists(f, "base",
		  "drwxr-xr-x 0/0               0 1970-01-01 00:00:00 d/\n"
		  "lrwxrwxrwx 0/0               0 1970-01-01 00:00:00 d/over -> up/../out\n"
		  "lrwxrwxrwx 0/0               0 1970-01-01 00:00:00 d/up -> ..\n"
		  "drwxr-xr-x 0/0               0 1970-01-01 00:00:00 etc/\n"
		  "lrwxrwxrwx 0/0               0 1970-01-01 00:00:00 etc/localtime -> /usr/share/zoneinfo/Etc/UTC\n"
		  "drwxrwxrwt 0/0               0 1970-01-01 00:00:00 tmp/\n");
}

static void limits_are_kept(void **state)
{
	struct fixture *f = *state;
	for (char n = 'a'; n <= 'e'; n++)
		put(f->src, (char[]){n, '\0'}, 0644, "12345");
	struct pack_opts o = {.prefix = "", .max_entries = 5, .max_bytes = 25};
	assert_int_equal(pack(f, f->src, &o, "fine").entries, 5);
	o.max_entries = 4;
	refused(f, &o, INVALID, "TooLarge", "more than 4 entries");
	o.max_entries = 5;
	o.max_bytes = 24;
	refused(f, &o, INVALID, "TooLarge", "more than 24 bytes");
	char deep[256] = "";
	for (int i = 0; i < PACK_MAX_DEPTH; i++)
		strcat(deep, "n/");
	put(f->src, deep, 0, "");
	struct pack_opts plain = {.prefix = "app"};
	assert_int_equal(pack(f, f->src, &plain, "deep").entries, 6 + PACK_MAX_DEPTH);
	strcat(deep, "n/");
	put(f->src, deep, 0, "");
	refused(f, &plain, INVALID, "TooLarge", "nested deeper");
	struct pack_opts climbing = {.prefix = "a/../../b"};
	refused(f, &climbing, INVALID, "InvalidValue", "prefix");
}

struct packing {
	int src, out;
	enum err_class class;
	struct err e;
};

static void *pack_thread(void *arg)
{
	struct packing *p = arg;
	struct pack_opts o = {.prefix = ""};
	struct packed ignored;
	p->class = archive_pack(p->src, &o, p->out, &ignored, &p->e);
	(void)close(p->out);
	return NULL;
}

/* Packs into a pipe: once its first byte is there, everything has been listed and the first file, larger than the pipe, is
 * being read. */
static void change_while_packing(struct fixture *f, void (*change)(int dirfd), const char *named)
{
	int pipes[2];
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	struct packing p = {.src = f->src, .out = pipes[1], .e = ERR_INIT};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, pack_thread, &p), 0);
	char chunk[65536];
	assert_true(read(pipes[0], chunk, 1) == 1);
	change(f->src);
	while (read(pipes[0], chunk, sizeof chunk) > 0)
		;
	assert_int_equal(pthread_join(thread, NULL), 0);
	(void)close(pipes[0]);
	assert_int_equal(p.class, CONFLICT);
	assert_string_equal(p.e.reason, "SourceInvalid");
	if (strncmp(p.e.msg, named, strlen(named)) != 0)
		fail_msg("\"%s\" does not name %s", p.e.msg, named);
}

static void grow(int dirfd)
{
	int fd = openat(dirfd, "a", O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	(void)close(fd);
}

static void shrink(int dirfd)
{
	int fd = openat(dirfd, "a", O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, LARGE - 1), 0);
	(void)close(fd);
}

static void swap_for_link(int dirfd)
{
	assert_int_equal(unlinkat(dirfd, "d/b", 0), 0);
	assert_int_equal(symlinkat("/etc/passwd", dirfd, "d/b"), 0);
}

static void swap_parent_for_link(int dirfd)
{
	assert_int_equal(renameat(dirfd, "d", dirfd, "e"), 0);
	assert_int_equal(symlinkat("e", dirfd, "d"), 0);
}

static void files_that_change_are_noticed(void **state)
{
	struct fixture *f = *state;
	large_file(f->src);
	put(f->src, "d/b", 0644, "abc");
	change_while_packing(f, grow, "a changed");
	change_while_packing(f, shrink, "a changed");
	change_while_packing(f, swap_for_link, "d/b changed");
	assert_int_equal(unlinkat(f->src, "d/b", 0), 0);
	put(f->src, "d/b", 0644, "abc");
	change_while_packing(f, swap_parent_for_link, "d/b changed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(gnu_tar_accepts, setup, teardown),
		cmocka_unit_test_setup_teardown(digests_are_those_of_the_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(bytes_are_pinned, setup, teardown),
		cmocka_unit_test_setup_teardown(same_tree_same_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(large_trees_are_several_members, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_last_member_is_the_last, setup, teardown),
		cmocka_unit_test_setup_teardown(unpacking_gives_the_tree_back, setup, teardown),
		cmocka_unit_test_setup_teardown(empty_directory_packs, setup, teardown),
		cmocka_unit_test_setup_teardown(fnignore_and_git_stay_out, setup, teardown),
		cmocka_unit_test_setup_teardown(files_named_are_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(special_files_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(links_that_leave_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(limits_are_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(files_that_change_are_noticed, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
