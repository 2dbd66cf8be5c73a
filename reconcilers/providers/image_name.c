#include <string.h>

#include "reconcilers/providers/image.h"

enum { REPO_MAX = 255, TAG_MAX = 128 };

static bool lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

/* Past one separator between two alphanumeric runs: ".", "_", "__" or dashes; NULL when there is none. */
static const char *skip_separator(const char *s)
{
	if (*s == '-')
		return s + strspn(s, "-");
	if (*s == '.')
		return s + 1;
	if (*s == '_')
		return s + (s[1] == '_' ? 2 : 1);
	return NULL;
}

/* distribution-spec: [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)* */
bool image_repo_valid(const char *s)
{
	if (strlen(s) > REPO_MAX)
		return false;
	for (;;) {
		if (!lower_or_digit(*s))
			return false;
		while (lower_or_digit(*s))
			s++;
		if (!*s)
			return true;
		s = *s == '/' ? s + 1 : skip_separator(s);
		if (!s)
			return false;
	}
}

static bool tag_valid(const char *s)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t n = strlen(s);
	return n > 0 && n <= TAG_MAX && *s != '.' && *s != '-' && strspn(s, chars) == n;
}

bool image_reference_parse(const char *ref, struct arena *a, const char **ret_repo, struct digest *ret_digest)
{
	const char *at = ref ? strchr(ref, '@') : NULL;
	struct digest d;
	if (!at || !digest_parse(at + 1, &d))
		return false;
	char *repo = arena_strndup(a, ref, (size_t)(at - ref));
	if (!image_repo_valid(repo))
		return false;
	*ret_repo = repo;
	*ret_digest = d;
	return true;
}

static bool fill(const char *template, const char *const (*values)[2], size_t nvalues, struct buf *out, const char **ret_bad)
{
	while (*template) {
		size_t plain = strcspn(template, "{");
		(void)buf_add(out, template, plain); /* overflow is looked at once, at the end */
		template += plain;
		if (!*template)
			break;
		size_t i = 0, len = strcspn(template, "}");
		while (i < nvalues && !(strlen(values[i][0]) == len - 1 && strncmp(values[i][0], template + 1, len - 1) == 0))
			i++;
		if (i == nvalues || template[len] != '}') {
			*ret_bad = template;
			return false;
		}
		(void)buf_puts(out, values[i][1]);
		template += len + 1;
	}
	return true;
}

enum err_class image_name(const char *template, struct arena *a, const char *project, const char *name, const char *id, int64_t n,
			  const char **ret_repo, const char **ret_tag, struct err *e)
{
	const char *number = arena_printf(a, "%lld", (long long)n), *bad = NULL;
	const char *const values[][2] = { { "project", project }, { "name", name }, { "id", id }, { "n", number } };
	AUTO_BUF struct buf out = BUF_INIT(REPO_MAX + TAG_MAX + 1);
	if (!fill(template, values, ARRAY_LEN(values), &out, &bad))
		return err_set(e, INVALID, R_InvalidValue, "image template: only {project}, {name}, {id} and {n} are known, at \"%.40s\"", bad);
	char *text = arena_strdup(a, buf_str(&out)), *colon = strrchr(text, ':');
	if (colon)
		*colon = '\0';
	if (out.overflow || !colon || !image_repo_valid(text) || !tag_valid(colon + 1))
		return err_set(e, INVALID, R_InvalidValue, "image template \"%.100s\" does not give a valid repository:tag", template);
	*ret_repo = text;
	*ret_tag = colon + 1;
	return OK;
}
