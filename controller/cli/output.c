#include "cli/output.h"

#include <float.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

void table_init(struct table *t, struct arena *a, size_t columns) { *t = (struct table){.arena = a, .columns = columns}; }

void table_row(struct table *t, const char *const *cells)
{
	void *items = t->cells;
	const char **row = arena_push(t->arena, &items, &t->rows, &t->cap, sizeof(char *) * t->columns);
	t->cells = items;
	for (size_t i = 0; i < t->columns; i++)
		row[i] = plain_copy(t->arena, cells[i] ? cells[i] : "");
}

const char *plain_copy(struct arena *a, const char *s)
{
	char *copy = arena_strdup(a, s);
	plain_text(copy);
	return copy;
}

void plain_text(char *s)
{
	for (unsigned char *p = (unsigned char *)s; *p; p++)
		if ((*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f)
			*p = '?';
		else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) /* C1, in UTF-8 */
			*p++ = '?', *p = '?';
}

void table_print(const struct table *t)
{
	size_t *width = arena_array(t->arena, t->columns, sizeof *width);
	for (size_t r = 0; r < t->rows; r++)
		for (size_t i = 0; i < t->columns; i++) {
			size_t n = strlen(t->cells[r * t->columns + i]);
			if (n > width[i])
				width[i] = n;
		}
	for (size_t r = 0; r < t->rows; r++)
		for (size_t i = 0; i < t->columns; i++) {
			const char *cell = t->cells[r * t->columns + i];
			if (i + 1 < t->columns)
				(void)printf("%-*s", (int)width[i] + 2, cell);
			else
				(void)printf("%s\n", cell);
		}
}

enum err_class output_format(const struct cli *c, enum format *ret, struct err *e)
{
	static const char *const names[] = {"table", "wide", "json", "yaml", "name"};
	const char *word = flag_or(c, FLAG_OUTPUT, "table");
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], word) == 0) {
			*ret = (enum format)i;
			return OK;
		}
	return err_set(e, INVALID, R_InvalidFlag, "-o %.40s: the formats are table, wide, json, yaml and name", word);
}

enum err_class output_value(const json_t *j, enum format f, struct err *e)
{
	if (f == FORMAT_YAML) {
		AUTO_BUF struct buf text = BUF_INIT(256 << 20);
		enum err_class c = yaml_write(j, &text, e);
		if (!c)
			(void)fputs(buf_str(&text), stdout);
		return c;
	}
	(void)json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(DBL_DIG));
	(void)putchar('\n');
	return OK;
}

const char *age_of(struct arena *a, const char *rfc3339)
{
	struct tm tm = {0};
	if (!rfc3339 || !strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &tm))
		return "-";
	int64_t s = clock_wall_ms() / 1000 - (int64_t)timegm(&tm);
	if (s < 0)
		s = 0;
	if (s < 120)
		return arena_printf(a, "%llds", (long long)s);
	if (s < 7200)
		return arena_printf(a, "%lldm", (long long)(s / 60));
	if (s < 172800)
		return arena_printf(a, "%lldh", (long long)(s / 3600));
	return arena_printf(a, "%lldd", (long long)(s / 86400));
}

const char *short_digest(struct arena *a, const char *digest)
{
	enum { SHOWN = 12 };
	static const char prefix[] = "sha256:";
	if (strncmp(digest, prefix, sizeof prefix - 1) != 0)
		return digest;
	return arena_printf(a, "%.*s", SHOWN, digest + sizeof prefix - 1);
}

const char *size_text(struct arena *a, int64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
	enum { KIB = 1024, TENTHS = 10 };
	if (bytes < KIB)
		return arena_printf(a, "%lld B", (long long)bytes);
	size_t unit = 0;
	int64_t whole = bytes; /* in the unit below */
	for (; whole >= (int64_t)KIB * KIB && unit + 1 < ARRAY_LEN(units); unit++)
		whole /= KIB;
	int64_t tenths = (whole * TENTHS + KIB / 2) / KIB;
	return arena_printf(a, "%lld.%lld %s", (long long)(tenths / TENTHS), (long long)(tenths % TENTHS), units[unit]);
}

const char *duration_text(struct arena *a, int64_t ms)
{
	enum { SECOND = 1000, MINUTE = 60 * SECOND, TENTH = 100, LONG = 10 * MINUTE };
	if (ms < SECOND)
		return arena_printf(a, "%lld ms", (long long)ms);
	if (ms < MINUTE)
		return arena_printf(a, "%lld.%lld s", (long long)(ms / SECOND), (long long)(ms % SECOND / TENTH));
	if (ms < LONG)
		return arena_printf(a, "%lld min %lld s", (long long)(ms / MINUTE), (long long)(ms % MINUTE / SECOND));
	return arena_printf(a, "%lld min", (long long)(ms / MINUTE));
}

const json_t *condition_of(const json_t *doc, const char *type)
{
	const json_t *all = json_object_get(json_object_get(doc, "status"), "conditions");
	size_t i;
	json_t *c;
	json_array_foreach(all, i, c)
		if (strcmp(json_str_or(c, "type", ""), type) == 0)
			return c;
	return NULL;
}
