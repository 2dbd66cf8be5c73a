#include "api/body.h"

#include <string.h>
#include <strings.h>

#include "base/names.h"
#include "base/note.h"

enum { NODES_MAX = 50000 };

bool body_is(const struct request *r, const char *type)
{
	const char *header = MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, "Content-Type");
	size_t n = strlen(type);
	return header && strncasecmp(header, type, n) == 0 && strchr("; \t", header[n]);
}

/* Counts values outside strings before anything is allocated for them: 8 MiB of "[[]," would become half a gigabyte. */
static bool few_values(const char *p, size_t n)
{
	size_t values = 0;
	bool in_string = false;
	for (size_t i = 0; i < n; i++) {
		if (in_string && p[i] == '\\')
			i++;
		else if (p[i] == '"')
			in_string = !in_string;
		else if (!in_string && (p[i] == '[' || p[i] == '{' || p[i] == ',') && ++values > NODES_MAX)
			return false;
	}
	return true;
}

enum err_class body_members(const json_t *j, const char *const *known, size_t n, const char *where, struct err *e)
{
	for (void *it = json_object_iter((json_t *)j); it; it = json_object_iter_next((json_t *)j, it)) {
		const char *key = json_object_iter_key(it);
		bool ok = false;
		for (size_t i = 0; i < n; i++)
			ok = ok || strcmp(known[i], key) == 0;
		if (ok)
			continue;
		const char *near = nearest_name(key, known, n);
		return err_set(e, INVALID, R_BadRequest, "%s has no member \"%.40s\"%s%s%s", where, key, near ? "; did you mean \"" : "", near ? near : "",
			       near ? "\"?" : "");
	}
	return OK;
}

enum err_class body_object(struct request *r, const char *const *members, size_t n, const json_t **ret, struct err *e)
{
	json_t *body = NULL;
	if (!few_values(buf_str(&r->body), r->body.len))
		return err_set(e, INVALID, R_TooLarge, "the body has more than %d JSON values", NODES_MAX);
	enum err_class c = json_parse(buf_str(&r->body), r->body.len, &body, e);
	if (c)
		return c;
	json_in_arena(body, &r->arena);
	if (!json_is_object(body))
		return err_set(e, INVALID, R_BadRequest, "the body must be a JSON object");
	*ret = body;
	return body_members(body, members, n, "the body", e);
}

enum err_class body_options(struct request *r, const char *const *members, size_t n, const json_t **ret, struct err *e)
{
	if (r->body.len == 0) {
		*ret = NULL;
		return OK;
	}
	if (!body_is(r, "application/json"))
		return err_set(e, INVALID, R_BadRequest, "the Content-Type must be application/json");
	return body_object(r, members, n, ret, e);
}

enum err_class body_flag(const json_t *body, const char *key, bool *ret, struct err *e)
{
	const json_t *v = json_object_get(body, key);
	if (v && !json_is_boolean(v))
		return err_set(e, INVALID, R_BadRequest, "\"%s\" must be true or false", key);
	*ret = *ret || json_is_true(v);
	return OK;
}

enum err_class body_name(const json_t *body, const char *key, const char **ret, struct err *e)
{
	const json_t *v = json_object_get(body, key);
	*ret = json_string_value(v);
	if (v && (!*ret || !name_valid(*ret)))
		return err_set(e, INVALID, R_BadRequest, "\"%s\" must be a name: %s", key, reason_hint("InvalidName"));
	return OK;
}

enum err_class body_note(const json_t *body, const char **ret, struct err *e)
{
	const json_t *v = json_object_get(body, "note");
	*ret = v ? json_string_value(v) : "";
	if (!*ret)
		return err_set(e, INVALID, R_BadRequest, "\"note\" must be a text");
	return note_check(*ret, "\"note\"", R_BadRequest, R_TooLarge, e);
}

enum err_class body_version(const json_t *body, const char *key, int64_t *ret, struct err *e)
{
	const json_t *v = json_object_get(body, key);
	*ret = json_integer_value(v);
	if (v && (!json_is_integer(v) || *ret < 1 || *ret > INT32_MAX))
		return err_set(e, INVALID, R_BadRequest, "\"%s\" must be the number of a version", key);
	return OK;
}
