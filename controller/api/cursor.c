/* The `next` of a page comes back as ?cursor=. Each list has its form; what has another is refused here and not by PostgreSQL. */
#include <string.h>
#include <time.h>

#include "api/server.h"
#include "base/names.h"

enum { DIGITS_MAX = 18, VERSION_DIGITS_MAX = 9, CURSOR_MAX = 200 };

/* form: 'd' a decimal digit, 'x' a lower-case hexadecimal one, anything else itself. The text after it, or NULL. */
static const char *after(const char *s, const char *form)
{
	for (; *form; form++, s++) {
		const char *digits = *form == 'd' ? "0123456789" : *form == 'x' ? "0123456789abcdef" : NULL;
		if (!*s || (digits ? !strchr(digits, *s) : *s != *form))
			return NULL;
	}
	return s;
}

static const char *after_uuid(const char *s) { return after(s, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"); }

static bool is_number(const char *s, size_t most)
{
	size_t n = strspn(s, "0123456789");
	return n > 0 && n <= most && s[n] == '\0';
}

/* "2026-11-20T13:05:00.123456Z_" and an id; of a day and time that there are. */
static bool is_moment(const char *s)
{
	struct tm t = {0}, same;
	const char *id = after(s, "dddd-dd-ddTdd:dd:dd.ddddddZ_"), *end = id ? after_uuid(id) : NULL;
	if (!end || *end || strncmp(s, "0000", 4) == 0 || !strptime(s, "%Y-%m-%dT%H:%M:%S", &t))
		return false;
	same = t;
	(void)timegm(&same); /* a 30th of February becomes another day */
	return same.tm_mday == t.tm_mday && same.tm_mon == t.tm_mon && same.tm_min == t.tm_min && same.tm_sec == t.tm_sec;
}

static bool is_name(const char *s, size_t n)
{
	AUTO_FREE char *name = xprintf("%.*s", (int)n, s);
	return name_valid(name);
}

/* "project/name" */
static bool is_object(const char *s)
{
	const char *slash = strchr(s, '/');
	return slash && is_name(s, (size_t)(slash - s)) && name_valid(slash + 1);
}

/* Project, function, its id and a version, with a blank between. */
static bool is_version(const char *s)
{
	const char *function = strchr(s, ' '), *id = function ? strchr(function + 1, ' ') : NULL, *end = id ? after_uuid(id + 1) : NULL;
	return end && *end == ' ' && is_name(s, (size_t)(function - s)) && is_name(function + 1, (size_t)(id - function - 1)) &&
	       is_number(end + 1, VERSION_DIGITS_MAX);
}

static bool has_form(const char *s, enum cursor_form form)
{
	switch (form) {
	case CURSOR_NUMBER: return is_number(s, DIGITS_MAX);
	case CURSOR_MOMENT: return is_moment(s);
	case CURSOR_OBJECT: return is_object(s);
	case CURSOR_VERSION: return is_version(s);
	}
	return false;
}

enum err_class request_cursor(const struct request *r, enum cursor_form form, const char **ret, struct err *e)
{
	const char *v = request_query(r, "cursor");
	if (v && !*v)
		v = NULL;
	if (v && (strlen(v) > CURSOR_MAX || !has_form(v, form)))
		return err_set(e, INVALID, R_BadRequest, "?cursor= must be the `next` of an earlier page");
	*ret = v;
	return OK;
}
