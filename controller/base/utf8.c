#include "base/utf8.h"

#include <stdlib.h>

/* The length of the sequence at s, 0 when it is not well-formed (RFC 3629, section 4). */
static size_t sequence(const unsigned char *s)
{
	static const struct {
		unsigned char from, to, low, high, n; /* first byte, range of the second byte, length */
	} forms[] = {
		{0x01, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if (s[0] < forms[i].from || s[0] > forms[i].to)
			continue;
		if (forms[i].n > 1 && (s[1] < forms[i].low || s[1] > forms[i].high))
			return 0;
		for (size_t k = 2; k < forms[i].n; k++)
			if (s[k] < 0x80 || s[k] > 0xbf) /* the terminating NUL ends it here */
				return 0;
		return forms[i].n;
	}
	return 0;
}

bool utf8_valid(const char *s)
{
	for (const unsigned char *p = (const unsigned char *)s; *p;) {
		size_t n = sequence(p);
		if (n == 0)
			return false;
		p += n;
	}
	return true;
}

char *utf8_clean(const char *s)
{
	char *copy = xstrdup(s);
	for (unsigned char *p = (unsigned char *)copy; *p;) {
		size_t n = sequence(p);
		if (n == 0)
			*p = '?';
		p += n ? n : 1;
	}
	return copy;
}

json_t *json_clean(const char *s)
{
	if (!s)
		return json_null();
	AUTO_FREE char *clean = utf8_clean(s);
	json_t *j = json_string(clean);
	if (!j)
		abort(); /* out of memory: the text is well-formed */
	return j;
}
