#include "manifests/format.h"

#include <string.h>

#include "base/digest.h"
#include "base/names.h"
#include "manifests/manifest.h"

/* Not by regexec: its memory grows with the input, and the input is a stranger's. A test holds these functions and
 * the patterns against each other. */
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static bool in(char c, const char *set) { return c && strchr(set, c); }
static bool only(const char *s, const char *set) { return s[strspn(s, set)] == '\0'; }

static bool any(const char *s) { return s != NULL; }

static bool line(const char *s)
{
	for (const char *c = s; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return false;
	return *s;
}

static bool env_name(const char *s)
{
	return in(s[0], LOWER UPPER "_") && only(s, LOWER UPPER DIGITS "_") && strncmp(s, "FN_", 3) != 0;
}

static bool label_value(const char *s)
{
	size_t n = strlen(s);
	return n == 0 || (in(s[0], LOWER UPPER DIGITS) && in(s[n - 1], LOWER UPPER DIGITS) &&
			  only(s, LOWER UPPER DIGITS "-._"));
}

static bool label_key(const char *s)
{
	size_t n = strlen(s);
	return n > 0 && in(s[0], LOWER UPPER DIGITS) && in(s[n - 1], LOWER UPPER DIGITS) &&
	       only(s, LOWER UPPER DIGITS "-._/");
}

static bool url_path(const char *s)
{
	if (s[0] != '/')
		return false;
	for (const char *c = s; *c; c++)
		if (*c < '!' || *c > '~' || *c == '#')
			return false;
	return true;
}

static bool directory(const char *s)
{
	if (*s != '/')
		return false;
	while (*s) {
		size_t n = *s == '/' ? strcspn(s + 1, "/") : 0;
		if (n == 0 || !in(s[1], LOWER UPPER DIGITS "_-"))
			return false;
		for (size_t i = 1; i <= n; i++)
			if (!in(s[i], LOWER UPPER DIGITS "._-"))
				return false;
		s += n + 1;
	}
	return true;
}

static bool is_digest(const char *s)
{
	struct digest d;
	return digest_parse(s, &d);
}

/* A repository (distribution-spec, "Pulling manifests"): path components of [a-z0-9]+, joined by one or two of
 * "._-", separated by slashes. */
static bool repository(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool edge = i == 0 || i + 1 == n || s[i - 1] == '/' || s[i + 1] == '/';
		if (!in(s[i], LOWER DIGITS "._-/") || (edge && s[i] != '/' && !in(s[i], LOWER DIGITS)) ||
		    (s[i] == '/' && (i == 0 || i + 1 == n || s[i - 1] == '/')))
			return false;
	}
	return n > 0;
}

static bool base(const char *s)
{
	const char *at = strchr(s, '@');
	return strcmp(s, "scratch") == 0 || (at && repository(s, (size_t)(at - s)) && is_digest(at + 1));
}

bool version_number(const char *s, long long *ret)
{
	size_t n = strlen(s);
	if (n == 0 || n > 10 || s[0] == '0' || !only(s, DIGITS))
		return false;
	long long v = 0;
	for (; *s; s++)
		v = v * 10 + (*s - '0');
	if (v > INT32_MAX)
		return false;
	*ret = v;
	return true;
}

static bool version(const char *s)
{
	long long n;
	size_t len = strlen(s);
	return version_number(s, &n) || is_digest(s) ||
	       (len <= 63 && in(s[0], LOWER) && in(s[len - 1], LOWER DIGITS) && only(s, LOWER DIGITS "-._"));
}

static bool size(const char *s)
{
	int64_t v;
	return parse_size(s, &v);
}

static bool cpu(const char *s)
{
	int64_t v;
	return parse_cpu(s, &v);
}

static bool duration(const char *s)
{
	int64_t v;
	return parse_duration(s, &v);
}

#define HEX64 "[0-9a-f]{64}"
#define COUNT "(0|[1-9][0-9]{0,14})"

static const struct format_info formats[FORMAT_COUNT] = {
	[FORMAT_ANY] = {"text", "", NULL, 65536, any},
	[FORMAT_LINE] = {"one line of text", "not empty, without control characters", NULL, 4096, line},
	[FORMAT_NAME] = {"a name", "begins with a-z, goes on with a-z, 0-9 and single dashes, at most 40 characters",
			 "^[a-z](-?[a-z0-9])*$", NAME_MAX_LEN, name_valid},
	[FORMAT_ENV_NAME] = {"a variable's name", "letters, digits and _, not beginning with a digit nor with FN_ (reserved)",
			     "^([A-EG-Za-z_][A-Za-z0-9_]*|F([A-MO-Za-z0-9_][A-Za-z0-9_]*)?|FN([A-Za-z0-9][A-Za-z0-9_]*)?)$",
			     256, env_name},
	[FORMAT_LABEL_KEY] = {"a label's name", "letters, digits and -._/ between letters or digits, at most 63 characters",
			      "^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$", 63, label_key},
	[FORMAT_LABEL_VALUE] = {"a label's value",
				"empty, or letters, digits and -._ between letters or digits, at most 63 characters",
				"^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$", 63, label_value},
	[FORMAT_URL_PATH] = {"a URL path", "begins with /, printable ASCII without spaces and #", "^/[!\"$-~]*$", 1024,
			     url_path},
	[FORMAT_DIRECTORY] = {"an absolute directory", "components of letters, digits and ._-, none beginning with a dot",
			      "^(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$", 255, directory},
	[FORMAT_DIGEST] = {"a digest", "sha256: and 64 lower-case hex digits", "^sha256:" HEX64 "$", 71, is_digest},
	[FORMAT_BASE] = {"\"scratch\" or an image by digest", "REPOSITORY@sha256:… in the configured registry",
			 "^(scratch|[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*@sha256:" HEX64 ")$", 327,
			 base},
	[FORMAT_VERSION] = {"a version", "a number, a digest sha256:…, a label (a-z, 0-9, -._) or latest",
			    "^([1-9][0-9]{0,9}|sha256:" HEX64 "|[a-z]([a-z0-9._-]{0,61}[a-z0-9])?)$", 71, version},
	[FORMAT_SIZE] = {"a size", "bytes, or a number with Ki, Mi, Gi or Ti: 128Mi", "^" COUNT "(Ki|Mi|Gi|Ti)?$", 17, size},
	[FORMAT_CPU] = {"an amount of cpu", "cores, or thousandths with m: 2, 0.5, 500m",
			"^(" COUNT "m?|" COUNT "[.][0-9]{1,3})$", 19, cpu},
	[FORMAT_DURATION] = {"a duration", "a number with ms, s, m or h: 100ms, 30s, 5m, 1h", "^" COUNT "(ms|s|m|h)$", 17,
			     duration},
};

const struct format_info *format_info(enum format f) { return &formats[f]; }

bool format_matches(enum format f, const char *s)
{
	const struct format_info *i = &formats[f];
	return strlen(s) <= i->max && i->valid(s);
}
