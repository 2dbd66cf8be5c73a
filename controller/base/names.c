#include "base/names.h"

#include <stdio.h>
#include <string.h>

bool name_valid(const char *s)
{
	size_t n = s ? strlen(s) : 0;
	if (n == 0 || n > NAME_MAX_LEN || s[0] < 'a' || s[0] > 'z' || s[n - 1] == '-' || strstr(s, "--"))
		return false;
	return strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

struct key key_make(const char *kind, const char *project, const char *name, const char *environment)
{
	struct key k;
	(void)snprintf(k.text, sizeof k.text, "%s/%s/%s%s%s", kind, project, name, environment ? "/" : "",
		       environment ? environment : "");
	return k;
}

bool key_split(const char *key, struct arena *a, struct key_parts *ret)
{
	const char *part[4] = {NULL, NULL, NULL, NULL};
	size_t n = 0;
	char *s = arena_strdup(a, key);
	for (char *next; s; s = next) {
		next = strchr(s, '/');
		if (next)
			*next++ = '\0';
		if (n == 4 || !*s)
			return false;
		part[n++] = s;
	}
	if (n < 3)
		return false;
	*ret = (struct key_parts){part[0], part[1], part[2], part[3]};
	return true;
}

char *instance_name(struct arena *a, const char *release_id, int64_t slot)
{
	char hex[13];
	size_t n = 0;
	for (const char *c = release_id; *c && n < sizeof hex - 1; c++)
		if (*c != '-')
			hex[n++] = *c;
	hex[n] = '\0';
	return arena_printf(a, "%s-%lld", hex, (long long)slot);
}

char *host_name(struct arena *a, const char *domain, const char *project, const char *function, const char *environment)
{
	bool home = strcmp(project, "default") == 0;
	return arena_printf(a, "%s.%s.%s%s%s", function, environment, home ? "" : project, home ? "" : ".", domain);
}

enum { WORD = 64 };

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Insertions, deletions, replacements and swaps of neighbours ("wiat"), each counted as one. */
static size_t edits(const char *a, size_t na, const char *b, size_t nb)
{
	size_t rows[3][WORD + 1], *before = rows[0], *above = rows[1], *row = rows[2];
	for (size_t j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t *oldest = before;
		before = above;
		above = row;
		row = oldest;
		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			row[j] = least(above[j - 1] + (a[i - 1] != b[j - 1]), least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
	}
	return row[nb];
}

const char *nearest_name(const char *word, const char *const *candidates, size_t n)
{
	const char *best = NULL;
	size_t best_edits = WORD, len = strlen(word);
	if (len >= WORD)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		size_t candidate = strlen(candidates[i]);
		if (candidate >= WORD)
			continue;
		size_t d = edits(word, len, candidates[i], candidate);
		size_t limit = (len > candidate ? len : candidate) / 3;
		if (d < best_edits && d <= (limit ? limit : 1)) {
			best = candidates[i];
			best_edits = d;
		}
	}
	return best;
}
