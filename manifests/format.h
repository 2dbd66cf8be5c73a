/* What a text may look like: one row per format, used by the decoder, the schemas and the reference pages. */
#ifndef FN_MANIFESTS_FORMAT_H
#define FN_MANIFESTS_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

enum format {
	FORMAT_ANY,
	FORMAT_LINE,        /* no control characters, not empty */
	FORMAT_NAME,
	FORMAT_ENV_NAME,
	FORMAT_LABEL_KEY,
	FORMAT_LABEL_VALUE,
	FORMAT_URL_PATH,
	FORMAT_DIRECTORY,   /* absolute, inside an image */
	FORMAT_DIGEST,
	FORMAT_BASE,
	FORMAT_VERSION,     /* of a pin */
	FORMAT_SIZE,
	FORMAT_CPU,
	FORMAT_DURATION,
	FORMAT_COUNT
};

struct format_info {
	const char *title;   /* "a name", as in "must be a name" */
	const char *rule;    /* "a-z, 0-9 and single dashes, at most 40 characters" */
	const char *pattern; /* both a POSIX extended and an ECMA 262 expression, or NULL: what `valid` accepts */
	size_t max;          /* characters (bytes where the pattern is ASCII); 0: no limit of its own */
	bool (*valid)(const char *s); /* without the limit */
};
const struct format_info *format_info(enum format f);

/* valid() and max together. */
bool format_matches(enum format f, const char *s);

/* The version of a pin that is a number: 1 to 2147483647 without leading zeros. */
bool version_number(const char *s, long long *ret);

#endif
