/* Unpacking hostile archives: each is refused with its class and reason, and nothing appears outside the directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>

#include "archives.h"
#include "base/proc.h"

/* dir/root is unpacked into; dir/outside and its file are what an escape would reach for. */
struct fixture {
	char *dir;
	int outer, root;
	struct tar tar;
	struct err e;
	struct unpacked got;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	f->dir = make_temp();
	f->root = open_dir_of(f->dir, "root");
	f->outer = open_dir_of(f->dir, "");
	put(f->outer, "outside/victim", 0644, "untouched");
	buf_init(&f->tar.b, (size_t)256 << 20);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	(void)close(f->root);
	(void)close(f->outer);
	buf_release(&f->tar.b);
	remove_temp(f->dir);
	free(f);
	return 0;
}

/* Outside is as it was. */
static void outside_untouched(struct fixture *f)
{
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	int outside = open_dir_of(f->dir, "outside");
	list_tree(outside, "", &b);
	assert_string_equal(buf_str(&b), "victim 644 9 d59c2a5f721c\n");
	(void)close(outside);
	struct dirent **names;
	int n = scandirat(f->outer, ".", &names, NULL, alphasort);
	assert_int_equal(n, 4); /* . .. outside root */
	while (n > 0)
		free(names[--n]);
	free(names);
}

static enum err_class unpack_bytes(struct fixture *f, const void *p, size_t n, const struct unpack_opts *o)
{
	int fd = fd_of(p, n);
	enum err_class c = archive_unpack(fd, f->root, o, &f->got, &f->e);
	(void)close(fd);
	outside_untouched(f);
	return c;
}

static void empty_root(struct fixture *f)
{
	char *path = xprintf("%s/root", f->dir);
	(void)close(f->root);
	assert_int_equal(fs_remove_tree(path, &f->e), OK);
	f->root = open_dir_of(f->dir, "root");
	free(path);
}

/* The tar so far is refused, plain and gzipped; then the fixture is empty again. */
static void refused_with(struct fixture *f, const struct unpack_opts *o, const char *reason, const char *named)
{
	for (int zipped = 0; zipped < 2; zipped++) {
		AUTO_BUF struct buf gz = BUF_INIT((size_t)256 << 20);
		if (zipped)
			gzip_into(&gz, f->tar.b.p, f->tar.b.len);
		f->got.entries = 4711;
		assert_int_equal(unpack_bytes(f, zipped ? gz.p : f->tar.b.p, zipped ? gz.len : f->tar.b.len, o), INVALID);
		if (strcmp(f->e.reason, reason) != 0 || !strstr(f->e.msg, named))
			fail_msg("wanted %s naming %s, got %s: %s", reason, named, f->e.reason, f->e.msg);
		assert_int_equal(f->got.entries, 4711);
		empty_root(f);
	}
	buf_clear(&f->tar.b);
}

static void refused(struct fixture *f, const char *reason, const char *named)
{
	struct unpack_opts o = {0};
	tar_end(&f->tar);
	refused_with(f, &o, reason, named);
}

static void unpacks_to(struct fixture *f, const struct unpack_opts *o, const char *want)
{
	tar_end(&f->tar);
	if (unpack_bytes(f, f->tar.b.p, f->tar.b.len, o))
		fail_msg("%s: %s", f->e.reason, f->e.msg);
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	list_tree(f->root, "", &b);
	assert_string_equal(buf_str(&b), want);
	empty_root(f);
	buf_clear(&f->tar.b);
}

static void escapes_by_path(void **state)
{
	struct fixture *f = *state;
	static const char *const paths[] = {"../outside/new", "/etc/fn-test", "a/../../outside/new", "a/..", "..", "./../outside/victim", "//x"};
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		tar_file(&f->tar, paths[i], "evil");
		refused(f, "ArchiveEscape", paths[i]);
		tar_header(&f->tar, '5', paths[i], NULL, 0755, 0);
		refused(f, "ArchiveEscape", paths[i]);
		tar_header(&f->tar, '2', paths[i], "x", 0777, 0);
		refused(f, "ArchiveEscape", paths[i]);
		tar_pax(&f->tar, "path", paths[i]);
		tar_file(&f->tar, "harmless", "evil");
		refused(f, "ArchiveEscape", paths[i]);
	}
}

static void escapes_by_link(void **state)
{
	struct fixture *f = *state;
	static const char *const targets[] = {"..", "../outside", "/tmp", "x/../../outside", "/"};
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		tar_header(&f->tar, '2', "link", targets[i], 0777, 0);
		tar_file(&f->tar, "link/new", "evil");
		refused(f, "ArchiveEscape", "link");
	}
	/* A link that stays inside is fine, going through it is not. */
	tar_header(&f->tar, '5', "d", NULL, 0755, 0);
	tar_header(&f->tar, '2', "link", "d", 0777, 0);
	tar_file(&f->tar, "link/new", "evil");
	refused(f, "ArchiveEscape", "link/new");
	/* Each of these stays inside by its text; together they do not. */
	tar_header(&f->tar, '5', "d", NULL, 0755, 0);
	tar_header(&f->tar, '2', "d/up", "..", 0777, 0);
	tar_header(&f->tar, '2', "d/over", "up/../outside", 0777, 0);
	refused(f, "ArchiveEscape", "d/over");
}

static void escapes_by_hard_link(void **state)
{
	struct fixture *f = *state;
	static const char *const targets[] = {"../outside/victim", "/etc/passwd", "a/../../outside/victim"};
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		tar_header(&f->tar, '1', "hard", targets[i], 0644, 0);
		refused(f, "ArchiveEscape", "hard");
	}
	tar_header(&f->tar, '2', "soft", "d", 0777, 0);
	tar_header(&f->tar, '5', "d", NULL, 0755, 0);
	tar_file(&f->tar, "d/x", "1");
	tar_header(&f->tar, '1', "hard", "soft/x", 0644, 0);
	refused(f, "ArchiveEscape", "hard");
	tar_header(&f->tar, '1', "hard", "not-there", 0644, 0);
	refused(f, "SourceInvalid", "not-there");
	tar_header(&f->tar, '5', "d", NULL, 0755, 0);
	tar_header(&f->tar, '1', "hard", "d", 0644, 0);
	refused(f, "SourceInvalid", "hard");
	tar_header(&f->tar, '2', "soft", "d", 0777, 0);
	tar_header(&f->tar, '1', "hard", "soft", 0644, 0);
	refused(f, "SourceInvalid", "hard");
	tar_header(&f->tar, '1', "self", "self", 0644, 0);
	refused(f, "SourceInvalid", "self");
}

/* A later entry of the same name must replace the earlier one, never be written through it. */
static void swaps(void **state)
{
	struct fixture *f = *state;
	const struct unpack_opts o = {0};
	tar_file(&f->tar, "d/file", "one");
	tar_header(&f->tar, '2', "x", "d/file", 0777, 0);
	tar_file(&f->tar, "x", "two");
	unpacks_to(f, &o, "d/ 755\nd/file 644 3 7692c3ad3540\nx 644 3 3fc4ccfe7458\n");
	tar_file(&f->tar, "file", "one");
	tar_header(&f->tar, '1', "hard", "file", 0644, 0);
	tar_file(&f->tar, "hard", "two");
	unpacks_to(f, &o, "file 644 3 7692c3ad3540\nhard 644 3 3fc4ccfe7458\n");
	tar_header(&f->tar, '1', "file", "./file", 0644, 0);
	refused(f, "SourceInvalid", "file");
	tar_file(&f->tar, "file", "one");
	tar_header(&f->tar, '1', "file", "./file", 0644, 0);
	unpacks_to(f, &o, "file 644 3 7692c3ad3540\n");
	/* The parent of the entry before is replaced by a link. */
	tar_header(&f->tar, '5', "e", NULL, 0755, 0);
	tar_header(&f->tar, '5', "d", NULL, 0755, 0);
	tar_header(&f->tar, '2', "d", "e", 0777, 0);
	tar_file(&f->tar, "d/x", "evil");
	refused(f, "ArchiveEscape", "d/x");
	tar_file(&f->tar, "d/x", "1");
	tar_header(&f->tar, '2', "d", "../outside", 0777, 0);
	tar_file(&f->tar, "d/victim", "evil");
	refused(f, "ArchiveEscape", "d");
	tar_file(&f->tar, "d/x", "1");
	tar_header(&f->tar, '2', "d", "e", 0777, 0);
	refused(f, "SourceInvalid", "d");
	tar_file(&f->tar, "f", "1");
	tar_file(&f->tar, "f/below", "1");
	refused(f, "SourceInvalid", "f/below");
	tar_header(&f->tar, '2', "l", "d", 0777, 0);
	tar_header(&f->tar, '5', "l", NULL, 0755, 0);
	tar_file(&f->tar, "l/x", "one");
	unpacks_to(f, &o, "l/ 755\nl/x 644 3 7692c3ad3540\n");
}

static void devices_are_refused(void **state)
{
	struct fixture *f = *state;
	static const char types[] = {'3', '4', '6'}; /* character, block, fifo */
	for (size_t i = 0; i < sizeof types; i++) {
		tar_header(&f->tar, types[i], "dev", NULL, 0666, 0);
		refused(f, "SourceInvalid", "dev");
	}
}

static void garbage_is_refused(void **state)
{
	struct fixture *f = *state;
	const struct unpack_opts o = {0};
	static const char text[] = "this is no archive, however long one makes it";
	assert_int_equal(unpack_bytes(f, "", 0, &o), INVALID);
	assert_string_equal(f->e.reason, "SourceInvalid");
	assert_int_equal(unpack_bytes(f, text, sizeof text, &o), INVALID);
	assert_string_equal(f->e.reason, "SourceInvalid");
	assert_int_equal(unpack_bytes(f, "PK\3\4rest", 8, &o), INVALID);
	assert_string_equal(f->e.reason, "SourceInvalid");
	assert_int_equal(unpack_bytes(f, "\x1f\x8b\x08\0garbage", 11, &o), INVALID);
	assert_string_equal(f->e.reason, "SourceInvalid");
	tar_file(&f->tar, "a\xff", "x");
	refused(f, "SourceInvalid", "a");
	tar_header(&f->tar, '2', "link", "", 0777, 0);
	refused(f, "SourceInvalid", "link");
	struct unpack_opts layer = {.layer = true};
	assert_int_equal(unpack_bytes(f, text, sizeof text, &layer), INVALID);
	assert_string_equal(f->e.reason, "LayerInvalid");
}

/* Cut anywhere, a gzipped tar is refused; so is a plain one cut within an entry. */
static void truncation_is_noticed(void **state)
{
	struct fixture *f = *state;
	const struct unpack_opts o = {0};
	char content[3000];
	for (size_t i = 0; i < sizeof content; i++)
		content[i] = (char)(i * i * 31 >> 4);
	tar_file(&f->tar, "dir/small", "text");
	tar_header(&f->tar, '0', "dir/large", NULL, 0644, sizeof content);
	tar_data(&f->tar, content, sizeof content);
	tar_end(&f->tar);
	AUTO_BUF struct buf gz = BUF_INIT((size_t)256 << 20);
	gzip_into(&gz, f->tar.b.p, f->tar.b.len);
	for (size_t n = 0; n < gz.len; n += n + 40 < gz.len ? 7 : 1) {
		assert_int_equal(unpack_bytes(f, gz.p, n, &o), INVALID);
		assert_string_equal(f->e.reason, "SourceInvalid");
		empty_root(f);
	}
	assert_int_equal(unpack_bytes(f, gz.p, gz.len, &o), OK);
	empty_root(f);
	assert_int_equal(unpack_bytes(f, f->tar.b.p, 512 + 512 + 512 + 1000, &o), INVALID);
	assert_string_equal(f->e.reason, "SourceInvalid");
	if (!strstr(f->e.msg, "dir/large"))
		fail_msg("%s", f->e.msg);
}

static void bombs(void **state)
{
	struct fixture *f = *state;
	static char zeros[1 << 20];
	/* 10 000 : 1 and worse cannot be had from deflate, but twice gzipped zeros do it; 1000 : 1 is what one gives. */
	tar_header(&f->tar, '0', "zeros", NULL, 0644, (size_t)64 << 20);
	for (int i = 0; i < 64; i++)
		tar_data(&f->tar, zeros, sizeof zeros);
	tar_end(&f->tar);
	AUTO_BUF struct buf gz = BUF_INIT((size_t)256 << 20);
	AUTO_BUF struct buf gzgz = BUF_INIT(1 << 20);
	gzip_into(&gz, f->tar.b.p, f->tar.b.len);
	gzip_into(&gzgz, gz.p, gz.len);
	assert_true(f->tar.b.len / gzgz.len > 10000);
	struct unpack_opts o = {0};
	assert_int_equal(unpack_bytes(f, gz.p, gz.len, &o), INVALID);
	assert_string_equal(f->e.reason, "ArchiveBomb");
	empty_root(f);
	assert_int_equal(unpack_bytes(f, gzgz.p, gzgz.len, &o), INVALID);
	assert_string_equal(f->e.reason, "ArchiveBomb");
	empty_root(f);
	o.max_ratio = 2000;
	assert_int_equal(unpack_bytes(f, gz.p, gz.len, &o), OK);
	assert_int_equal(f->got.bytes, (size_t)64 << 20);
	empty_root(f);
	o = (struct unpack_opts){.max_bytes = ((size_t)64 << 20) - 1};
	assert_int_equal(unpack_bytes(f, f->tar.b.p, f->tar.b.len, &o), INVALID);
	assert_string_equal(f->e.reason, "ArchiveBomb");
	/* The same behind the end of the archive, where nothing comes out but time. */
	buf_clear(&f->tar.b);
	tar_file(&f->tar, "a", "1");
	tar_end(&f->tar);
	for (int i = 0; i < 64; i++)
		tar_data(&f->tar, zeros, sizeof zeros);
	buf_clear(&gz);
	gzip_into(&gz, f->tar.b.p, f->tar.b.len);
	o = (struct unpack_opts){0};
	assert_int_equal(unpack_bytes(f, gz.p, gz.len, &o), INVALID);
	assert_string_equal(f->e.reason, "ArchiveBomb");
}

static void declared_sizes_count(void **state)
{
	struct fixture *f = *state;
	tar_header(&f->tar, '0', "huge", NULL, 0644, 077777777777ULL);
	refused(f, "ArchiveBomb", "huge");
	tar_pax(&f->tar, "size", "1152921504606846976");
	tar_header(&f->tar, '0', "huger", NULL, 0644, 0);
	refused(f, "ArchiveBomb", "huger");
	tar_pax(&f->tar, "size", "9223372036854775807");
	tar_header(&f->tar, '0', "huger", NULL, 0644, 0);
	refused(f, "SourceInvalid", "overflow");
	/* Sparse: 512 bytes that claim to be a file of 900 MiB, within max_bytes but not within the ratio. */
	char *record = xprintf("22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n33 GNU.sparse.realsize=943718400\n");
	tar_header(&f->tar, 'x', "pax", NULL, 0644, strlen(record));
	tar_data(&f->tar, record, strlen(record));
	static const char map[] = "1\n943718000\n400\n";
	char body[1024] = "";
	memcpy(body, map, sizeof map - 1);
	tar_header(&f->tar, '0', "sparse", NULL, 0644, sizeof body - 512 + 400);
	tar_data(&f->tar, body, sizeof body - 512 + 400);
	refused(f, "ArchiveBomb", "sparse");
	free(record);
	/* Hard links count as what they become. */
	struct unpack_opts o = {.max_bytes = 10};
	tar_file(&f->tar, "a", "1234");
	tar_header(&f->tar, '1', "b", "a", 0644, 0);
	tar_header(&f->tar, '1', "c", "a", 0644, 0);
	tar_end(&f->tar);
	refused_with(f, &o, "ArchiveBomb", "c");
}

static void many_files(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 100000; i++) {
		char name[32];
		(void)snprintf(name, sizeof name, "d%d/%d", i / 1000, i);
		tar_header(&f->tar, '0', name, NULL, 0644, 0);
	}
	refused(f, "ArchiveBomb", "more than 20000 entries");
	/* Directories that are only implied count too. */
	struct unpack_opts o = {.max_entries = 10};
	tar_file(&f->tar, "a/b/c/d/e", "1");
	tar_file(&f->tar, "f/g/h/i/j", "1");
	unpacks_to(f, &o, "a/ 755\na/b/ 755\na/b/c/ 755\na/b/c/d/ 755\na/b/c/d/e 644 1 6b86b273ff34\n"
			  "f/ 755\nf/g/ 755\nf/g/h/ 755\nf/g/h/i/ 755\nf/g/h/i/j 644 1 6b86b273ff34\n");
	tar_file(&f->tar, "a/b/c/d/e", "1");
	tar_file(&f->tar, "f/g/h/i/j", "1");
	tar_file(&f->tar, "k", "1");
	tar_end(&f->tar);
	refused_with(f, &o, "ArchiveBomb", "k");
}

static void long_and_deep_names(void **state)
{
	struct fixture *f = *state;
	char deep[1024] = "", part[400], path[4096] = "";
	for (int i = 0; i < 65; i++)
		strcat(deep, "d/");
	tar_pax(&f->tar, "path", deep);
	tar_header(&f->tar, '5', "x", NULL, 0755, 0);
	refused(f, "ArchiveBomb", "nested deeper than 64");
	memset(part, 'n', 256);
	part[256] = '\0';
	tar_pax(&f->tar, "path", part);
	tar_file(&f->tar, "x", "1");
	refused(f, "ArchiveBomb", "nnn");
	part[200] = '\0';
	for (size_t i = 0; i < 20; i++)
		(void)snprintf(path + i * 201, sizeof path - i * 201, "%s/", part);
	tar_pax(&f->tar, "path", path);
	tar_file(&f->tar, "x", "1");
	refused(f, "ArchiveBomb", "longer");
	tar_pax(&f->tar, "linkpath", path);
	tar_header(&f->tar, '2', "x", "y", 0777, 0);
	refused(f, "ArchiveBomb", "longer");
	const struct unpack_opts o = {0};
	deep[128] = '\0';
	tar_pax(&f->tar, "path", deep);
	tar_header(&f->tar, '5', "x", NULL, 0755, 0);
	tar_end(&f->tar);
	assert_int_equal(unpack_bytes(f, f->tar.b.p, f->tar.b.len, &o), OK);
}

static void names_are_normalised(void **state)
{
	struct fixture *f = *state;
	const struct unpack_opts o = {0};
	tar_header(&f->tar, '5', "./", NULL, 0700, 0);
	tar_header(&f->tar, '5', "./a//./b/", NULL, 0700, 0);
	tar_file(&f->tar, "a/b/./c", "one");
	tar_header(&f->tar, '0', "run", NULL, 04711, 0);
	tar_header(&f->tar, '0', "read", NULL, 02066, 0);
	tar_pax(&f->tar, "path", "\xc3\xa9t\xc3\xa9");
	tar_header(&f->tar, '0', "summer", NULL, 0644, 0);
	unpacks_to(f, &o, "a/ 755\na/b/ 755\na/b/c 644 3 7692c3ad3540\nread 644 0 e3b0c44298fc\nrun 755 0 e3b0c44298fc\n"
			  "\xc3\xa9t\xc3\xa9 644 0 e3b0c44298fc\n");
	tar_file(&f->tar, "./", "x"); /* by its slash a directory, which has no content */
	refused(f, "SourceInvalid", "./");
	tar_header(&f->tar, '2', ".", "x", 0777, 0);
	refused(f, "SourceInvalid", "root");
}

static void small_umask(void **state)
{
	struct fixture *f = *state;
	mode_t before = umask(0077);
	const struct unpack_opts o = {0};
	tar_file(&f->tar, "implied/a", "one");
	tar_header(&f->tar, '5', "d", NULL, 0700, 0);
	unpacks_to(f, &o, "d/ 755\nimplied/ 755\nimplied/a 644 3 7692c3ad3540\n");
	(void)umask(before);
}

/* A zip with these entries: name, type and mode, content or target. */
struct zip_entry {
	const char *name;
	unsigned type, mode;
	const char *text;
};

static void zip_into(struct buf *b, const struct zip_entry *entries, size_t n)
{
	static char space[1 << 20];
	size_t used;
	struct archive *a = archive_write_new();
	assert_int_equal(archive_write_set_format_zip(a), ARCHIVE_OK);
	assert_int_equal(archive_write_open_memory(a, space, sizeof space, &used), ARCHIVE_OK);
	for (size_t i = 0; i < n; i++) {
		struct archive_entry *z = archive_entry_new();
		archive_entry_set_pathname(z, entries[i].name);
		archive_entry_set_filetype(z, entries[i].type);
		archive_entry_set_perm(z, (mode_t)entries[i].mode);
		archive_entry_set_size(z, entries[i].type == AE_IFREG ? (la_int64_t)strlen(entries[i].text) : 0);
		if (entries[i].type == AE_IFLNK)
			archive_entry_set_symlink(z, entries[i].text);
		assert_int_equal(archive_write_header(a, z), ARCHIVE_OK);
		if (entries[i].type == AE_IFREG)
			assert_int_equal(archive_write_data(a, entries[i].text, strlen(entries[i].text)), strlen(entries[i].text));
		archive_entry_free(z);
	}
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	assert_int_equal(archive_write_free(a), ARCHIVE_OK);
	assert_true(buf_add(b, space, used));
}

/* Sets the flag by which zips say that names are UTF-8 (general purpose bit 11), in local and central headers. */
static void mark_utf8(struct buf *b)
{
	for (size_t i = 0; i + 10 < b->len; i++) {
		if (memcmp(b->p + i, "PK\3\4", 4) == 0)
			b->p[i + 7] |= 8;
		if (memcmp(b->p + i, "PK\1\2", 4) == 0)
			b->p[i + 9] |= 8;
	}
}

static void zips(void **state)
{
	struct fixture *f = *state;
	const struct unpack_opts o = {0};
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	static const struct zip_entry fine[] = {
		{"d/run", AE_IFREG, 0755, "one"}, {"d/link", AE_IFLNK, 0777, "run"}, {"\xc3\xa9", AE_IFREG, 0600, "two"}};
	zip_into(&b, fine, ARRAY_LEN(fine));
	mark_utf8(&b);
	if (unpack_bytes(f, b.p, b.len, &o))
		fail_msg("%s: %s", f->e.reason, f->e.msg);
	AUTO_BUF struct buf list = BUF_INIT(1 << 20);
	list_tree(f->root, "", &list);
	assert_string_equal(buf_str(&list), "d/ 755\nd/link 777 -> run\nd/run 755 3 7692c3ad3540\n\xc3\xa9 644 3 3fc4ccfe7458\n");
	empty_root(f);
	static const struct zip_entry hostile[][2] = {
		{{"../outside/new", AE_IFREG, 0644, "evil"}, {"x", AE_IFREG, 0644, ""}},
		{{"/tmp/fn-test-new", AE_IFREG, 0644, "evil"}, {"x", AE_IFREG, 0644, ""}},
		{{"link", AE_IFLNK, 0777, "../outside"}, {"link/new", AE_IFREG, 0644, "evil"}},
		{{"link", AE_IFLNK, 0777, "here"}, {"link/new", AE_IFREG, 0644, "evil"}},
	};
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		buf_clear(&b);
		zip_into(&b, hostile[i], 2);
		assert_int_equal(unpack_bytes(f, b.p, b.len, &o), INVALID);
		assert_string_equal(f->e.reason, "ArchiveEscape");
		empty_root(f);
	}
	for (size_t n = 4; n < b.len; n += 3) {
		assert_int_equal(unpack_bytes(f, b.p, n, &o), INVALID);
		assert_string_equal(f->e.reason, "SourceInvalid");
		empty_root(f);
	}
	struct unpack_opts layer = {.layer = true};
	assert_int_equal(unpack_bytes(f, b.p, b.len, &layer), INVALID);
	assert_string_equal(f->e.reason, "LayerInvalid");
}

static void zstd(void **state)
{
	struct fixture *f = *state;
	const struct unpack_opts o = {0};
	char *path = xprintf("%s/a.tar.zst", f->dir);
	struct archive *a = archive_write_new();
	assert_int_equal(archive_write_add_filter_zstd(a), ARCHIVE_OK);
	assert_int_equal(archive_write_set_format_ustar(a), ARCHIVE_OK);
	assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
	struct archive_entry *n = archive_entry_new();
	archive_entry_set_pathname(n, "z");
	archive_entry_set_filetype(n, AE_IFREG);
	archive_entry_set_perm(n, 0644);
	archive_entry_set_size(n, 3);
	assert_int_equal(archive_write_header(a, n), ARCHIVE_OK);
	assert_int_equal(archive_write_data(a, "one", 3), 3);
	archive_entry_free(n);
	assert_int_equal(archive_write_free(a), ARCHIVE_OK);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(archive_unpack(fd, f->root, &o, &f->got, &f->e), OK);
	AUTO_BUF struct buf b = BUF_INIT(4096);
	list_tree(f->root, "", &b);
	assert_string_equal(buf_str(&b), "z 644 3 7692c3ad3540\n");
	(void)close(fd);
	free(path);
}

/* fn-node feeds a pipe; a zip cannot be read from one and says so. */
static void from_a_pipe(void **state)
{
	struct fixture *f = *state;
	int p[2];
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	tar_file(&f->tar, "a", "one");
	tar_end(&f->tar);
	struct digest d, want = digest_of(f->tar.b.p, f->tar.b.len);
	assert_int_equal(fs_write_all(p[1], f->tar.b.p, f->tar.b.len, &f->e), OK);
	(void)close(p[1]);
	struct unpack_opts o = {.ret_diff_id = &d};
	assert_int_equal(archive_unpack(p[0], f->root, &o, &f->got, &f->e), OK);
	assert_true(digest_eq(&d, &want));
	assert_int_equal(f->got.bytes, 3);
	(void)close(p[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(escapes_by_path, setup, teardown),
		cmocka_unit_test_setup_teardown(escapes_by_link, setup, teardown),
		cmocka_unit_test_setup_teardown(escapes_by_hard_link, setup, teardown),
		cmocka_unit_test_setup_teardown(swaps, setup, teardown),
		cmocka_unit_test_setup_teardown(devices_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(garbage_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(truncation_is_noticed, setup, teardown),
		cmocka_unit_test_setup_teardown(bombs, setup, teardown),
		cmocka_unit_test_setup_teardown(declared_sizes_count, setup, teardown),
		cmocka_unit_test_setup_teardown(many_files, setup, teardown),
		cmocka_unit_test_setup_teardown(long_and_deep_names, setup, teardown),
		cmocka_unit_test_setup_teardown(names_are_normalised, setup, teardown),
		cmocka_unit_test_setup_teardown(small_umask, setup, teardown),
		cmocka_unit_test_setup_teardown(zips, setup, teardown),
		cmocka_unit_test_setup_teardown(zstd, setup, teardown),
		cmocka_unit_test_setup_teardown(from_a_pipe, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
