#include "node/logs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/utf8.h"

/* An offset is <12 bits of the file's inode><40 bits of position>: two files in a row differ in the first part. */
enum { POSITION_BITS = 40, MAX_TEXT = 64 << 10, MAX_TAIL = 100000 };
#define POSITION_MASK (((int64_t)1 << POSITION_BITS) - 1)

static int64_t file_mark(const struct stat *st) { return (int64_t)(st->st_ino & 0xfff) << POSITION_BITS; }

/* What a program printed, as text: one '?' for each byte that is not. */
static void add_text(struct buf *b, const char *p, size_t n)
{
	AUTO_FREE char *copy = xmalloc(n + 1);
	for (size_t i = 0; i < n; i++)
		copy[i] = p[i] ? p[i] : '?';
	copy[n] = '\0';
	AUTO_FREE char *clean = utf8_clean(copy);
	(void)buf_puts(b, clean);
}

/* "<at> <stream> <F|P> text": the parts' ends; false for anything else. */
struct entry {
	const char *at, *stream, *text;
	size_t nat, nstream, ntext;
	bool partial;
};

static bool parse_entry(const char *p, size_t n, struct entry *ret)
{
	const char *end = p + n, *a = memchr(p, ' ', n);
	const char *b = a ? memchr(a + 1, ' ', (size_t)(end - a - 1)) : NULL;
	if (!b || end - b < 3 || (b[1] != 'F' && b[1] != 'P') || b[2] != ' ')
		return false;
	*ret = (struct entry){p, a + 1, b + 3, (size_t)(a - p), (size_t)(b - a - 1), (size_t)(end - b - 3), b[1] == 'P'};
	return true;
}

static json_t *line_of(const struct entry *first, const struct buf *text)
{
	return json_pack("{s:s%,s:s%,s:s%}", "at", first->at, first->nat, "stream", first->stream, first->nstream, "text",
			 buf_str(text), text->len);
}

/* Whole lines from bytes; *used is how many were taken (an unfinished last one is left). */
static json_t *parse_lines(const char *p, size_t n, size_t *used)
{
	json_t *out = json_array();
	AUTO_BUF struct buf text = BUF_INIT(MAX_TEXT);
	struct entry first = {0};
	*used = 0;
	for (const char *nl; *used < n && (nl = memchr(p + *used, '\n', n - *used)) != NULL;) {
		struct entry entry;
		bool good = parse_entry(p + *used, (size_t)(nl - p) - *used, &entry);
		*used = (size_t)(nl - p) + 1;
		if (!good)
			continue;
		if (!first.at)
			first = entry;
		add_text(&text, entry.text, entry.ntext);
		bool next_is_ours = entry.partial && *used < n && !text.overflow;
		if (next_is_ours)
			continue;
		json_t *line = line_of(&first, &text);
		if (line)
			(void)json_array_append_new(out, line);
		buf_clear(&text);
		first.at = NULL;
	}
	return out;
}

static enum err_class read_part(int fd, int64_t from, int64_t to, struct buf *b, struct err *e)
{
	while (from < to) {
		char *at = buf_reserve(b, 65536);
		size_t want = to - from < 65536 ? (size_t)(to - from) : 65536;
		ssize_t n = at ? pread(fd, at, want, from) : 0;
		if (n < 0)
			return err_errno(e, errno, TRANSIENT, R_Internal, "read a log");
		if (n == 0)
			break;
		b->len += (size_t)n;
		from += n;
	}
	return OK;
}

static enum err_class open_log(const char *path, int *ret_fd, struct stat *ret_st, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT)
		return err_set(e, INVALID, R_NotFound, "no log is kept for this instance");
	if (fd < 0 || fstat(fd, ret_st) != 0) {
		enum err_class c = err_errno(e, errno, TRANSIENT, R_Internal, "open a log");
		if (fd >= 0)
			(void)close(fd);
		return c;
	}
	*ret_fd = fd;
	return OK;
}

static void keep_last(json_t *lines, int64_t tail)
{
	while (tail > 0 && (int64_t)json_array_size(lines) > tail) /* bounded by LOG_READ_MAX */
		(void)json_array_remove(lines, 0);
}

enum err_class logs_read(const char *path, int64_t tail, int64_t *offset, json_t **ret, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct stat st;
	enum err_class c = open_log(path, &fd, &st, e);
	if (c)
		return c;
	int64_t size = st.st_size, from = *offset & POSITION_MASK, to = size;
	bool first = *offset <= 0;
	if (first)
		from = size > LOG_READ_MAX ? size - LOG_READ_MAX : 0;
	else if ((*offset & ~POSITION_MASK) != file_mark(&st) || from > size)
		from = 0;
	if (to - from > LOG_READ_MAX)
		to = from + LOG_READ_MAX;
	AUTO_BUF struct buf part = BUF_INIT(LOG_READ_MAX + 65536);
	c = read_part(fd, from, to, &part, e);
	if (c)
		return c;
	size_t used;
	json_t *lines = parse_lines(buf_str(&part), part.len, &used);
	if (!used && part.len >= LOG_READ_MAX)
		used = part.len; /* not a log's lines: do not stop here for ever */
	if (first)
		keep_last(lines, tail);
	*offset = file_mark(&st) | (from + (int64_t)used);
	if (*offset == 0)
		*offset = file_mark(&st) | 0; /* an empty log: the next call is a first one again */
	*ret = lines;
	return OK;
}

char *logs_last_words(const char *path, size_t lines, size_t max)
{
	int64_t offset = 0;
	AUTO_JSON json_t *all = NULL;
	AUTO_BUF struct buf b = BUF_INIT(max);
	if (logs_read(path, (int64_t)lines, &offset, &all, NULL))
		return xstrdup("");
	size_t from = json_array_size(all), total = 0;
	while (from > 0) { /* as many of the last lines as fit */
		size_t n = strlen(json_str_or(json_array_get(all, from - 1), "text", "")) + 3;
		if (total + n > max)
			break;
		total += n;
		from--;
	}
	if (from == json_array_size(all) && from > 0) { /* the very last one is too long: its beginning */
		const char *text = json_str_or(json_array_get(all, from - 1), "text", "");
		add_text(&b, text, strlen(text) < max ? strlen(text) : max - 3);
	}
	for (; from < json_array_size(all); from++)
		(void)buf_printf(&b, "%s%s", b.len ? " | " : "", json_str_or(json_array_get(all, from), "text", ""));
	for (size_t i = 0; i < b.len; i++)
		if ((unsigned char)b.p[i] < 0x20 || b.p[i] == 0x7f)
			b.p[i] = ' ';
	return xstrdup(buf_str(&b));
}

/* Pruning. */

struct log_dir {
	char *name;
	struct timespec changed;
};

static int by_age(const void *a, const void *b)
{
	const struct log_dir *x = a, *y = b;
	if (x->changed.tv_sec != y->changed.tv_sec)
		return x->changed.tv_sec < y->changed.tv_sec ? -1 : 1;
	return x->changed.tv_nsec < y->changed.tv_nsec ? -1 : x->changed.tv_nsec > y->changed.tv_nsec;
}

void logs_prune(const char *dir, size_t keep, logs_used_fn *used, void *ctx)
{
	DIR *d = opendir(dir);
	if (!d)
		return; /* no logs yet */
	struct log_dir *all = NULL;
	size_t n = 0, cap = 0;
	for (struct dirent *ent; (ent = readdir(d)) != NULL;) {
		struct stat st;
		if (ent->d_name[0] == '.' || used(ctx, ent->d_name) || fstatat(dirfd(d), ent->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		if (n == cap) {
			cap = cap ? cap * 2 : 64;
			all = xrealloc(all, cap * sizeof *all);
		}
		all[n++] = (struct log_dir){xstrdup(ent->d_name), st.st_mtim};
	}
	(void)closedir(d);
	if (n > keep)
		qsort(all, n, sizeof *all, by_age);
	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *path = xprintf("%s/%s", dir, all[i].name);
		if (i + keep < n)
			err_ignore(fs_remove_tree(path, NULL)); /* it is tried again at the next pruning */
		free(all[i].name);
	}
	free(all);
}
