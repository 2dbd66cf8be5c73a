/* gitignore's globs. The set of text positions that the pattern read so far may end at is carried along (a
 * nondeterministic automaton), so that no pattern can make matching exponential. */
#include <ctype.h>
#include <string.h>

#include "archive/ignore.h"
#include "archive/internal.h"

struct set {
	bool has[256];
};

static void set_range(struct set *s, unsigned char from, unsigned char to)
{
	for (unsigned c = from; c <= to; c++)
		s->has[c] = true;
}

/* ":alpha:" and so on, at p, which is n long. */
static bool set_class(struct set *s, const char *p, size_t n)
{
	static const struct {
		const char *name;
		int (*is)(int);
	} classes[] = {
		{"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl}, {"digit", isdigit}, {"graph", isgraph},
		{"lower", islower}, {"print", isprint}, {"punct", ispunct}, {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit},
	};
	for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
		if (strlen(classes[i].name) != n || strncmp(classes[i].name, p, n) != 0)
			continue;
		for (int c = 0; c < 128; c++)
			if (classes[i].is(c))
				s->has[c] = true;
		return true;
	}
	return false;
}

/* One member of a bracket at p: a character, a range or a class. NULL when malformed. *prev is the character that a
 * following "-" continues, 0 for none. */
static const char *set_member(struct set *s, const char *p, unsigned char *prev)
{
	if (p[0] == '-' && *prev && p[1] && p[1] != ']') {
		p += p[1] == '\\' ? 2 : 1;
		if (!*p)
			return NULL;
		set_range(s, *prev, (unsigned char)*p);
		*prev = 0;
		return p + 1;
	}
	if (p[0] == '[' && p[1] == ':') {
		const char *end = strchr(p + 2, ']');
		if (!end)
			return NULL;
		if (end > p + 2 && end[-1] == ':') {
			*prev = 0;
			return set_class(s, p + 2, (size_t)(end - p) - 3) ? end + 1 : NULL;
		}
	}
	p += p[0] == '\\';
	if (!*p)
		return NULL;
	*prev = (unsigned char)*p;
	s->has[*prev] = true;
	return p + 1;
}

static const char *set_bracket(struct set *s, const char *p)
{
	bool negated = p[1] == '!' || p[1] == '^';
	unsigned char prev = 0;
	p += negated ? 2 : 1;
	do {
		p = set_member(s, p, &prev);
		if (!p || !*p)
			return NULL;
	} while (*p != ']');
	for (unsigned c = 0; negated && c < 256; c++)
		s->has[c] = !s->has[c];
	return p + 1;
}

/* What the element of the pattern at p matches; returns where the next begins, NULL when it can match nothing. */
static const char *parse_element(struct set *s, const char *p, bool path_mode)
{
	if (*p == '[' || *p == '?') {
		if (*p == '?')
			set_range(s, 1, 255);
		p = *p == '?' ? p + 1 : set_bracket(s, p);
		if (path_mode)
			s->has['/'] = false;
		return p;
	}
	p += *p == '\\';
	if (!*p)
		return NULL;
	s->has[(unsigned char)*p] = true;
	return p + 1;
}

/* Stars at p: moves every position forward over what they may match. */
static const char *step_stars(const char *start, const char *p, bool *at, const char *text, size_t n, bool path_mode)
{
	const char *next = p + strspn(p, "*");
	bool alone = (p == start || p[-1] == '/') && (*next == '\0' || *next == '/' || (next[0] == '\\' && next[1] == '/'));
	bool across = !path_mode || (next - p >= 2 && alone);
	bool directories = path_mode && across && *next == '/';
	bool open = false;
	for (size_t i = 0; i <= n; i++) {
		bool was = at[i];
		at[i] = was || (open && (!directories || text[i - 1] == '/')); /* open is false at 0 */
		open = open || was;
		if (!across && i < n && text[i] == '/')
			open = false;
	}
	return directories ? next + 1 : next;
}

bool ignore_glob(const char *pattern, const char *text, bool path_mode)
{
	bool at[ENTRY_PATH + 1] = {true};
	size_t n = strlen(text);
	if (n > ENTRY_PATH)
		return false;
	for (const char *p = pattern; *p;) {
		if (*p == '*') {
			p = step_stars(pattern, p, at, text, n, path_mode);
			continue;
		}
		struct set s = {{false}};
		p = parse_element(&s, p, path_mode);
		if (!p)
			return false;
		for (size_t i = n; i > 0; i--)
			at[i] = at[i - 1] && s.has[(unsigned char)text[i - 1]];
		at[0] = false;
	}
	return at[n];
}
