/* .fnignore against git itself: the same tree, the same rules, once as .fnignore for us and once as .gitignore for git. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>

#include "archive/ignore.h"
#include "archives.h"
#include "base/proc.h"

/* Everything that rules are tried on. */
static const char *const files[] = {
	"a", "b", "foo", "foobar", "foo.o", "foo.c", ".hidden", "#hash", "!bang", "trailing ", "a b", "back\\slash", "x[1]", "x1", "x]",
	"x-", "xb", "*", "?", "A1", "Foo", "\xc3\xa9", "abc/def/ghi", "abc/foo", "abc/foo.o", "abc/build/x", "abc/d/e/f/g/h",
	"build/x", "build/keep", "build/sub/keep", "doc/a.txt", "doc/sub/a.txt", "doc/sub/b.txt", "doc/sub/sub2/a.txt", "foo-dir/foo/foo/foo",
	"lib/foo/bar/baz", "lib/bar", "log/debug.log", "log/keep/debug.log", "node_modules/x/y", "pkg/node_modules/x/y", "z/foo/q", "z/x/foo/q",
	"z/x/y/foo", "z/foo.d/q", "deep/1/2/3/4/5/6/t.txt", "t.txt", "space dir/f", "dash-dir/f", "ab", "aXb", "aXXb", "a.b", "ax/b", "q/ax/b",
};

/* One text a case: the root's rules, then "@dir" lines that begin those of another directory. */
static const char *const cases[] = {
	"", "\n\n# nothing\n", "foo", "foo\n!foo", "!foo\nfoo", "/foo", "foo/", "/foo/", "*.o", "!*.o", "*", "*\n!*.txt", "*\n!*/\n!*.txt", "/*\n!/doc",
	"/*\n!/doc/\n/doc/*\n!/doc/sub", "*/foo", "**/foo", "**/foo/", "foo/**", "z/**/foo", "z/**", "z/*", "z/*/foo", "/**/foo", "**", "**/", "/**",
	"abc/**/h", "abc/**/ghi", "a/**/b", "**/x/**", "**/x/**/foo", "lib/**/baz", "lib/**/foo", "doc/**/a.txt", "doc/*.txt", "doc/", "doc/sub/\n!doc/sub/b.txt",
	"doc/sub/*\n!doc/sub/b.txt", "*.txt\n!doc/sub/*.txt", "build/\n!build/keep", "build/*\n!build/keep", "build\n!build", "/build/", "log/*.log\n!log/keep/",
	"*.log\n!log/keep/*.log", "node_modules/", "/node_modules", "node_modules/x/", "\\#hash", "#hash", "\\!bang", "!bang", "trailing", "trailing\\ ",
	"trailing   ", "trailing\\   ", "a b", "a\\ b", "back\\\\slash", "back\\slash", "foo\\", "\\foo", "\\*", "\\?", "?", "??", "f?o", "x?", "a?b", "a*b",
	"a**b", "a*", "*a*", "*o*", "ab*", "a***b", "x[1]", "x[0-9]", "x[!0-9]", "x[^0-9]", "x[]]", "x[]-]", "x[a-]", "x[-a]", "x[]a]", "x[[]1]", "x\\[1]", "x[\\[]1]",
	"x[", "x[1", "x[[:digit:]]", "x[[:alpha:]]", "x[^[:alpha:]]", "[[:upper:]]*", "[[:nope:]]*", "x[[:digit:]", "x[[:]", "[A-F]1", "[F-A]1", "[a-c]", "[!a]", "[/]",
	"z[/]foo", "abc[/]foo", "abc/foo?o", "abc/f[./]o", "abc?foo", "abc*foo", "z/x*foo", "z*", "z/f*", "/z/f*", "z/foo*", "foo-dir/foo", "foo-dir/foo/foo", "foo/foo", "foo/foo/",
	"/a\n/b\r\n/foo\r\n", "\357\273\277foo", "\xc3\xa9", "\xc3?", "[\xc3]\xa9", " foo", "foo bar", "space dir/", "space\\ dir", "./foo", "/./foo", "abc/../foo", "//foo", "abc//foo", "/",
	"//", "foo//", "!", "!/", "\\", "deep/**/t.txt", "deep/**/5/**", "deep/*/*/3", "deep/**/3/**/t.txt", "**/6/t.txt", "*/**/t.txt", "**/**/t.txt", "**t.txt", "deep**", "deep/**t.txt",
	"deep/1**", "deep/1**/t.txt", "deep/1/**5/**", "doc**/a.txt", "d?c**/a.txt", "do[c]**/a.txt", "foo**/foo", "z/fo**/q", "z/x**", "z/x**/foo", "z/x\\/**/foo", "lib/**bar", "doc/sub**", "doc/sub**/", "d**/a.txt", "doc/s**/a.txt", "ax/b", "a*/b", "a?/b", "/a*/b", "**/a*/b", "q/**b", "abc/d**h", "abc/**\\/h", "z/**/", "**foo**", "f**", "**o",
	"lib\n!lib/bar", "lib/*\n!lib/bar", "abc/*\n!abc/d\nabc/d/*\n!abc/d/e", "-*", "dash-dir", "dash[-]dir", "dash[a--]dir", "[--/]hidden", "[.-0]hidden", ".*", ".*/", "*.*", "*.*.*", "*/", "*/*", "*/*/*", "/*/*",
	"*.txt\n@doc\n!a.txt", "@doc\n*.txt\n@doc/sub\n!a.txt", "@doc\n/a.txt", "@doc\nsub/a.txt", "@doc\n/sub/*.txt", "@doc\n**/a.txt", "@doc\n*\n!sub/\n@doc/sub\n!b.txt", "doc/\n@doc\n!a.txt",
	"@abc\nd/**/h", "@abc\n/d/e/", "@abc\n*\n", "@abc\nfoo/", "@z\nfoo\n@z/x\n!foo", "@z\nfoo\n@z/x\n!foo/", "foo\n@z\n!foo\n@z/x\nfoo",
};

static void write_rules(const char *dir, const char *text, const char *name)
{
	int d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char at[256] = "";
	AUTO_FREE char *copy = xstrdup(text);
	char *rest = copy;
	for (;;) {
		char *next = strstr(rest, "\n@");
		if (rest[0] == '@') { /* another directory's */
			char *nl = strchr(rest, '\n');
			(void)snprintf(at, sizeof at, "%.*s/", (int)(nl - rest - 1), rest + 1);
			rest = nl + 1;
			next = strstr(rest, "\n@");
		}
		AUTO_FREE char *path = xprintf("%s%s", at, name);
		if (next)
			*next = '\0';
		put(d, path, 0644, rest);
		if (!next)
			break;
		rest = next + 1;
	}
	(void)close(d);
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Sorted, joined by newlines, without the rule files. */
static char *join(const char **names, size_t n)
{
	struct buf b = BUF_INIT(1 << 20);
	qsort(names, n, sizeof *names, by_text);
	for (size_t i = 0; i < n; i++) {
		const char *base = strrchr(names[i], '/');
		if (strcmp(base ? base + 1 : names[i], ".gitignore") != 0)
			(void)buf_printf(&b, "%s\n", names[i]);
	}
	return b.p ? b.p : xstrdup("");
}

static char *git_keeps(const char *dir, struct err *e)
{
	const char *const argv[] = {"git", "-c", "core.excludesFile=/dev/null", "-c", "safe.directory=*", "-C", dir, "ls-files", "-z", "--others",
				    "--exclude-standard", NULL};
	AUTO_BUF struct buf out = BUF_INIT(1 << 20);
	if (proc_run(argv, NULL, 10000, &out, e))
		fail_msg("%s", e->msg);
	const char *names[ARRAY_LEN(files) + 16];
	size_t n = 0;
	for (const char *p = out.p; p && p < out.p + out.len && n < ARRAY_LEN(names); p += strlen(p) + 1)
		names[n++] = p;
	return join(names, n);
}

static char *we_keep(const char *dir, struct err *e)
{
	int d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), out = memfd_create("packed", MFD_CLOEXEC);
	struct pack_opts o = {.ignore = true};
	struct packed p;
	if (archive_pack(d, &o, out, &p, e))
		fail_msg("%s: %s", e->reason, e->msg);
	assert_int_equal(lseek(out, 0, SEEK_SET), 0);
	struct archive *a = archive_read_new();
	struct archive_entry *n;
	assert_int_equal(archive_read_support_filter_gzip(a), ARCHIVE_OK);
	assert_int_equal(archive_read_support_format_tar(a), ARCHIVE_OK);
	assert_int_equal(archive_read_support_format_empty(a), ARCHIVE_OK);
	assert_int_equal(archive_read_open_fd(a, out, 10240), ARCHIVE_OK);
	AUTO_ARENA struct arena arena = ARENA_INIT;
	const char *names[ARRAY_LEN(files) + 16];
	size_t count = 0;
	while (archive_read_next_header(a, &n) == ARCHIVE_OK)
		if (archive_entry_filetype(n) == AE_IFREG && count < ARRAY_LEN(names))
			names[count++] = arena_strdup(&arena, archive_entry_pathname(n));
	(void)archive_read_free(a);
	(void)close(out);
	(void)close(d);
	return join(names, count);
}

static void clear_rules(const char *dir)
{
	static const char *const dirs[] = {"", "doc/", "doc/sub/", "abc/", "z/", "z/x/"};
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		AUTO_FREE char *ours = xprintf("%s/%s.fnignore", dir, dirs[i]);
		AUTO_FREE char *theirs = xprintf("%s/%s.gitignore", dir, dirs[i]);
		(void)unlink(ours); /* most cases have only one */
		(void)unlink(theirs);
	}
}

static void git_agrees(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	char *dir = make_temp();
	const char *const init[] = {"git", "init", "-q", dir, NULL};
	if (proc_run(init, NULL, 10000, NULL, &e))
		fail_msg("%s", e.msg);
	int d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		put(d, files[i], 0644, "");
	(void)close(d);
	unsigned differ = 0;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		/* git first, alone: what it sees of ours would be a file more. */
		write_rules(dir, cases[i], ".gitignore");
		AUTO_FREE char *theirs = git_keeps(dir, &e);
		clear_rules(dir);
		write_rules(dir, cases[i], ".fnignore");
		AUTO_FREE char *ours = we_keep(dir, &e);
		clear_rules(dir);
		if (strcmp(ours, theirs) != 0) {
			print_error("rules:\n%s\n--- ours\n%s--- git\n%s\n", cases[i], ours, theirs);
			differ++;
		}
	}
	assert_int_equal(differ, 0);
	remove_temp(dir);
}

/* Backtracking matchers take longer than the universe for these. */
static void no_pattern_is_slow(void **state)
{
	(void)state;
	char text[1024], pattern[1024];
	memset(text, 'a', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	for (size_t i = 0; i + 4 < sizeof pattern; i += 4)
		memcpy(pattern + i, i % 8 ? "a*/*" : "**a*", 5);
	assert_false(ignore_glob(pattern, text, true));
	for (size_t i = 0; i + 2 < sizeof pattern; i += 2)
		memcpy(pattern + i, "*a", 3);
	assert_true(ignore_glob(pattern, text, true));
	memcpy(pattern + 900, "*b", 3);
	assert_false(ignore_glob(pattern, text, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(git_agrees),
		cmocka_unit_test(no_pattern_is_slow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
