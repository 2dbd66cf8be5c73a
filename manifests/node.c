#include "manifests/node.h"

#include <string.h>

#include "manifests/manifest.h"

static bool one_of(const char *s, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(s, words[i]) == 0)
			return true;
	return false;
}

static bool looks_int(const char *s)
{
	if (s[0] == '0' && (s[1] == 'o' || s[1] == 'x')) {
		const char *set = s[1] == 'o' ? "01234567" : "0123456789abcdefABCDEF";
		return s[2] && s[2 + strspn(s + 2, set)] == '\0';
	}
	s += *s == '+' || *s == '-';
	return *s && s[strspn(s, "0123456789")] == '\0';
}

static bool looks_real(const char *s)
{
	static const char *const nan[] = {".nan", ".NaN", ".NAN"}, *const inf[] = {".inf", ".Inf", ".INF"};
	if (one_of(s, nan, ARRAY_LEN(nan)))
		return true;
	s += *s == '+' || *s == '-';
	if (one_of(s, inf, ARRAY_LEN(inf)))
		return true;
	size_t whole = strspn(s, "0123456789");
	s += whole;
	size_t part = *s == '.' ? strspn(s + 1, "0123456789") : 0;
	s += *s == '.' ? part + 1 : 0;
	if (whole + part == 0)
		return false;
	if (*s != 'e' && *s != 'E')
		return *s == '\0';
	s++;
	s += *s == '+' || *s == '-';
	return *s && s[strspn(s, "0123456789")] == '\0';
}

enum node_type scalar_type(const char *s)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
	static const char *const bools[] = {"true", "True", "TRUE", "false", "False", "FALSE"};
	if (one_of(s, nulls, ARRAY_LEN(nulls)))
		return NODE_NULL;
	if (one_of(s, bools, ARRAY_LEN(bools)))
		return NODE_BOOL;
	if (looks_int(s))
		return NODE_INT;
	return looks_real(s) ? NODE_REAL : NODE_STRING;
}

const struct node *node_get(const struct node *map, const char *key)
{
	if (!map || map->type != NODE_MAP)
		return NULL;
	for (size_t i = 0; i < map->u.map.n; i++)
		if (strcmp(map->u.map.items[i].key, key) == 0)
			return map->u.map.items[i].value;
	return NULL;
}

const char *word_for_people(const char *s, struct arena *a)
{
	enum { SHOWN = 40 };
	size_t n = strlen(s), cut = n;
	if (n > SHOWN)
		for (cut = SHOWN; cut > 0 && ((unsigned char)s[cut] & 0xc0) == 0x80; cut--) /* whole characters */
			;
	char *p = arena_printf(a, "%.*s%s", (int)cut, s, cut < n ? "…" : "");
	for (char *c = p; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
	return p;
}

const char *node_describe(const struct node *n, struct arena *a)
{
	switch (n->type) {
	case NODE_NULL:
		return "nothing (null)";
	case NODE_BOOL:
		return arena_printf(a, "the boolean %s", word_for_people(n->u.text, a));
	case NODE_INT:
	case NODE_REAL:
		return arena_printf(a, "the number %s", word_for_people(n->u.text, a));
	case NODE_STRING:
		return arena_printf(a, "the text \"%s\"", word_for_people(n->u.text, a));
	case NODE_MAP:
		return "a mapping";
	case NODE_LIST:
		return "a list";
	}
	return "";
}
