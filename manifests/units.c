#include "manifests/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "manifests/manifest.h"

struct unit {
	const char *suffix;
	int64_t factor;
};

/* Largest first: the first that divides a value is its spelling. */
static const struct unit sizes[] = {
	{"Ti", INT64_C(1) << 40}, {"Gi", 1 << 30}, {"Mi", 1 << 20}, {"Ki", 1 << 10}, {"", 1},
};
static const struct unit durations[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct unit cpus[] = {{"", 1000}, {"m", 1}};

/* Digits only, without a sign or leading zeros; *rest is what follows them. */
static bool digits(const char *s, int64_t *ret, const char **rest)
{
	size_t n = strspn(s, "0123456789");
	if (n == 0 || n > 15 || (n > 1 && s[0] == '0'))
		return false;
	int64_t v = 0;
	for (size_t i = 0; i < n; i++)
		v = v * 10 + (s[i] - '0');
	*ret = v;
	*rest = s + n;
	return true;
}

static bool parse_unit(const char *s, const struct unit *units, size_t n, int64_t *ret)
{
	int64_t v;
	const char *suffix;
	if (!digits(s, &v, &suffix))
		return false;
	size_t i = 0;
	while (i < n && strcmp(suffix, units[i].suffix) != 0)
		i++;
	if (i == n || __builtin_mul_overflow(v, units[i].factor, &v))
		return false;
	*ret = v;
	return true;
}

static char *format_unit(int64_t v, const struct unit *units, size_t n, char out[UNIT_TEXT])
{
	size_t i = 0;
	while (i + 1 < n && (v == 0 || v % units[i].factor != 0))
		i++;
	(void)snprintf(out, UNIT_TEXT, "%" PRId64 "%s", v / units[i].factor, units[i].suffix);
	return out;
}

bool parse_size(const char *s, int64_t *ret) { return parse_unit(s, sizes, ARRAY_LEN(sizes), ret); }
bool parse_duration(const char *s, int64_t *ret) { return parse_unit(s, durations, ARRAY_LEN(durations), ret); }

/* "0.5" and "1.25" too: at most three decimals, because a thousandth is the unit. */
bool parse_cpu(const char *s, int64_t *ret)
{
	int64_t whole, part, v;
	const char *rest;
	if (!digits(s, &whole, &rest) || *rest != '.')
		return parse_unit(s, cpus, ARRAY_LEN(cpus), ret);
	size_t n = strlen(++rest);
	if (n == 0 || n > 3 || strspn(rest, "0123456789") != n)
		return false;
	part = 0;
	for (size_t i = 0; i < 3; i++)
		part = part * 10 + (i < n ? rest[i] - '0' : 0);
	if (__builtin_mul_overflow(whole, 1000, &v) || __builtin_add_overflow(v, part, &v))
		return false;
	*ret = v;
	return true;
}

char *format_size(int64_t bytes, char out[UNIT_TEXT]) { return format_unit(bytes, sizes, ARRAY_LEN(sizes), out); }
char *format_cpu(int64_t millis, char out[UNIT_TEXT]) { return format_unit(millis, cpus, ARRAY_LEN(cpus), out); }
char *format_duration(int64_t ms, char out[UNIT_TEXT])
{
	return format_unit(ms, durations, ARRAY_LEN(durations), out);
}
