/* For tests of controller/archive: temporary directories, trees in them, and archives written byte by byte, so that no library
 * mends what is meant to be hostile. Include after cmocka.h. */
#ifndef FN_TESTS_ARCHIVES_H
#define FN_TESTS_ARCHIVES_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "archive/archive.h"
#include "base/fs.h"

/* A fresh directory; remove_temp() removes it. Both work in a tmpfs where there is one. */
static inline char *make_temp(void)
{
	char *dir = xprintf("%s/fn-archive-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(dir));
	return dir;
}

static inline void remove_temp(char *dir)
{
	struct err e = ERR_INIT;
	if (fs_remove_tree(dir, &e))
		fail_msg("%s", e.msg);
	free(dir);
}

static inline int open_dir_of(const char *dir, const char *name)
{
	char *path = xprintf("%s/%s", dir, name);
	(void)mkdir(path, 0755); /* may be there already; opening tells */
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	free(path);
	return fd;
}

/* Files of a tree: "dir/" is a directory, a mode with S_IFLNK makes text the target. Parents are made. */
static inline void put(int dirfd, const char *path, mode_t mode, const char *text)
{
	char part[4096];
	for (const char *s = strchr(path, '/'); s; s = strchr(s + 1, '/')) {
		(void)snprintf(part, sizeof part, "%.*s", (int)(s - path), path);
		(void)mkdirat(dirfd, part, 0755); /* may be there already */
	}
	if (path[strlen(path) - 1] == '/')
		return;
	if (S_ISLNK(mode)) {
		assert_int_equal(symlinkat(text, dirfd, path), 0);
		return;
	}
	int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	(void)close(fd);
}

/* What a tree holds, as sorted lines "path mode[ -> target][=text]" in b; each directory ends with a slash. */
static inline void list_tree(int dirfd, const char *below, struct buf *b)
{
	struct dirent **names;
	char path[8192], target[4096];
	int n = scandirat(dirfd, below[0] ? below : ".", &names, NULL, alphasort);
	assert_true(n >= 0);
	for (int i = 0; i < n; i++) {
		const char *name = names[i]->d_name;
		struct stat st;
		(void)snprintf(path, sizeof path, "%s%s%s", below, below[0] ? "/" : "", name);
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
			free(names[i]);
			continue;
		}
		assert_int_equal(fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW), 0);
		(void)buf_printf(b, "%s%s %o", path, S_ISDIR(st.st_mode) ? "/" : "", (unsigned)st.st_mode & 07777);
		if (S_ISLNK(st.st_mode)) {
			ssize_t len = readlinkat(dirfd, path, target, sizeof target - 1);
			assert_true(len >= 0);
			(void)buf_printf(b, " -> %.*s", (int)len, target);
		} else if (S_ISCHR(st.st_mode)) {
			(void)buf_printf(b, " whiteout %llu", (unsigned long long)st.st_rdev);
		} else if (S_ISREG(st.st_mode)) {
			int fd = openat(dirfd, path, O_RDONLY | O_NOFOLLOW);
			struct digest d;
			uint64_t size;
			assert_int_equal(digest_of_fd(fd, &d, &size, NULL), OK);
			(void)close(fd);
			char hex[DIGEST_HEX];
			(void)buf_printf(b, " %llu %.12s", (unsigned long long)size, digest_hex(&d, hex));
		}
		(void)buf_puts(b, "\n");
		if (S_ISDIR(st.st_mode))
			list_tree(dirfd, path, b);
		free(names[i]);
	}
	free(names);
}

/* A tar in memory. */
struct tar {
	struct buf b;
};

static inline void tar_octal(char *field, size_t width, unsigned long long v)
{
	char text[32];
	(void)snprintf(text, sizeof text, "%0*llo", (int)width - 1, v);
	memcpy(field, text + strlen(text) - (width - 1), width - 1);
}

/* A header as it stands; size is what it declares. uid 0, gid 0. */
static inline void tar_header(struct tar *t, char type, const char *path, const char *link, unsigned mode, unsigned long long size)
{
	char h[512] = "";
	memcpy(h, path, strlen(path) < 100 ? strlen(path) : 100);
	tar_octal(h + 100, 8, mode);
	tar_octal(h + 108, 8, 0);
	tar_octal(h + 116, 8, 0);
	tar_octal(h + 124, 12, size);
	tar_octal(h + 136, 12, 0);
	memset(h + 148, ' ', 8);
	h[156] = type;
	if (link)
		memcpy(h + 157, link, strlen(link) < 100 ? strlen(link) : 100);
	memcpy(h + 257, "ustar\0" "00", 8);
	unsigned sum = 0;
	for (size_t i = 0; i < sizeof h; i++)
		sum += (unsigned char)h[i];
	tar_octal(h + 148, 7, sum);
	(void)buf_add(&t->b, h, sizeof h);
}

static inline void tar_data(struct tar *t, const void *p, size_t n)
{
	static const char zeros[512];
	(void)buf_add(&t->b, p, n);
	(void)buf_add(&t->b, zeros, (512 - n % 512) % 512);
}

static inline void tar_file(struct tar *t, const char *path, const char *text)
{
	tar_header(t, '0', path, NULL, 0644, strlen(text));
	tar_data(t, text, strlen(text));
}

/* A pax extended header with one record, for the entry that follows. */
static inline void tar_pax(struct tar *t, const char *key, const char *value)
{
	size_t body = strlen(key) + strlen(value) + 3, len = body;
	while (body + (size_t)snprintf(NULL, 0, "%zu", len) != len)
		len++;
	char *record = xprintf("%zu %s=%s\n", len, key, value);
	tar_header(t, 'x', "pax", NULL, 0644, len);
	tar_data(t, record, len);
	free(record);
}

static inline void tar_end(struct tar *t)
{
	static const char zeros[1024];
	(void)buf_add(&t->b, zeros, sizeof zeros);
}

/* The bytes as a descriptor at offset 0; closed by the caller. */
static inline int fd_of(const void *p, size_t n)
{
	int fd = memfd_create("archive", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fs_write_all(fd, p, n, NULL), OK);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static inline void gzip_into(struct buf *out, const void *p, size_t n)
{
	z_stream z = {0};
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	size_t bound = deflateBound(&z, n);
	char *to = buf_reserve(out, bound);
	assert_non_null(to);
	union {
		const void *in;
		unsigned char *next;
	} u = {p}; /* zlib's next_in is not const */
	z.next_in = u.next;
	z.avail_in = (unsigned)n;
	z.next_out = (unsigned char *)to;
	z.avail_out = (unsigned)bound;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->len += z.total_out;
	(void)deflateEnd(&z);
}

#endif
