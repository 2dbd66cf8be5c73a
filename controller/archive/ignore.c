#include "archive/ignore.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/internal.h"

enum { MAX_FILE = 1 << 20 };

struct rule {
	const char *pattern;
	size_t len;
	bool negated, dir_only;
	bool any_depth; /* no slash in it: compared with the name alone */
	size_t literal; /* how much of it has nothing special */
};

struct ignore {
	const struct ignore *up;
	size_t dir_len;
	struct rule *rules;
	size_t n, cap;
};

/* Unescaped spaces at the end do not count. */
static void trim_spaces(char *line)
{
	char *end = NULL;
	for (char *p = line; *p; p++) {
		if (*p == ' ') {
			end = end ? end : p;
			continue;
		}
		end = NULL;
		if (*p == '\\' && *++p == '\0')
			return;
	}
	if (end)
		*end = '\0';
}

static void add_rule(struct ignore *ig, char *line, struct arena *a)
{
	trim_spaces(line);
	bool negated = line[0] == '!';
	line += negated;
	size_t len = strlen(line);
	bool dir_only = len > 0 && line[len - 1] == '/';
	if (dir_only)
		line[--len] = '\0';
	bool any_depth = strchr(line, '/') == NULL;
	if (line[0] == '/') {
		line++;
		len--;
	}
	if (len == 0)
		return;
	struct rule *r = arena_push(a, (void **)&ig->rules, &ig->n, &ig->cap, sizeof *r);
	*r = (struct rule){line, len, negated, dir_only, any_depth, strcspn(line, "*?[\\")};
}

const struct ignore *ignore_parse(char *text, size_t dir_len, const struct ignore *up, struct arena *a)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	struct ignore *ig = arena_alloc(a, sizeof *ig);
	ig->up = up;
	ig->dir_len = dir_len;
	if (strncmp(text, byte_order_mark, sizeof byte_order_mark - 1) == 0)
		text += sizeof byte_order_mark - 1;
	while (*text) {
		char *line = text, *end = strchrnul(text, '\n');
		text = *end ? end + 1 : end;
		if (end > line && *end == '\n' && end[-1] == '\r')
			end--;
		*end = '\0';
		if (line[0] != '\0' && line[0] != '#')
			add_rule(ig, line, a);
	}
	return ig;
}

enum err_class ignore_load(int dirfd, size_t dir_len, const struct ignore *up, struct arena *a, const struct ignore **ret,
			   struct err *e)
{
	AUTO_CLOSE int fd = openat(dirfd, ".fnignore", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		*ret = up;
		return OK;
	}
	struct stat st;
	if (fd < 0 && errno != ELOOP && errno != ENXIO)
		return err_errno(e, errno, TRANSIENT, R_Internal, "open .fnignore");
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return err_set(e, INVALID, R_SourceInvalid, ".fnignore is not a regular file");
	char *text = arena_alloc(a, st.st_size > MAX_FILE ? 1 : (size_t)st.st_size + 1);
	size_t len = 0;
	while (st.st_size <= MAX_FILE && len < (size_t)st.st_size) {
		ssize_t n = read(fd, text + len, (size_t)st.st_size - len);
		if (n < 0 && errno != EINTR)
			return err_errno(e, errno, TRANSIENT, R_Internal, "read .fnignore");
		if (n == 0)
			break;
		len += n > 0 ? (size_t)n : 0;
	}
	if (st.st_size > MAX_FILE)
		return err_set(e, INVALID, R_TooLarge, ".fnignore is larger than 1 MiB");
	*ret = ignore_parse(text, dir_len, up, a);
	return OK;
}

static bool rule_matches(const struct rule *r, const char *rel)
{
	const char *slash = r->any_depth ? strrchr(rel, '/') : NULL;
	const char *text = slash ? slash + 1 : rel;
	if (strncmp(r->pattern, text, r->literal) != 0)
		return false;
	if (r->literal == r->len)
		return text[r->len] == '\0';
	if (r->any_depth && r->pattern[0] == '*' && strpbrk(r->pattern + 1, "*?[\\") == NULL) { /* "*.o", the usual one */
		size_t n = strlen(text);
		return n >= r->len - 1 && strcmp(text + n - (r->len - 1), r->pattern + 1) == 0;
	}
	if (r->any_depth)
		return ignore_glob(r->pattern, text, false);
	/* Without the plain part, as git does it, which shows: in "doc**" + "/a" the stars then begin the pattern, and so
	 * stand for directories. */
	return ignore_glob(r->pattern + r->literal, text + r->literal, true);
}

bool ignore_matches(const struct ignore *ig, const char *path, bool is_dir)
{
	for (; ig; ig = ig->up) {
		const char *rel = path + ig->dir_len + (ig->dir_len > 0);
		for (size_t i = ig->n; i-- > 0;) {
			const struct rule *r = &ig->rules[i];
			if ((is_dir || !r->dir_only) && rule_matches(r, rel))
				return !r->negated;
		}
	}
	return false;
}
