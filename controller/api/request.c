#include <stdlib.h>
#include <string.h>

#include "api/server.h"

enum err_class request_store(struct request *r, struct store **ret, struct err *e)
{
	if (!r->store) {
		enum err_class c = pool_take(r->api->pool, API_STORE_WAIT_MS, &r->store, e);
		if (c)
			return c;
	}
	*ret = r->store;
	return OK;
}

void request_give_store(struct request *r)
{
	pool_give(r->api->pool, r->store);
	r->store = NULL;
}

const char *request_query(const struct request *r, const char *name)
{
	const char *value = NULL;
	size_t n = 0;
	if (MHD_lookup_connection_value_n(r->conn, MHD_GET_ARGUMENT_KIND, name, strlen(name), &value, &n) != MHD_YES)
		return NULL;
	return value ? value : ""; /* "?all" is "?all=" */
}

enum err_class request_bool(const struct request *r, const char *name, bool *ret, struct err *e)
{
	const char *v = request_query(r, name);
	if (!v || strcmp(v, "false") == 0 || strcmp(v, "0") == 0)
		*ret = false;
	else if (!*v || strcmp(v, "true") == 0 || strcmp(v, "1") == 0)
		*ret = true;
	else
		return err_set(e, INVALID, R_BadRequest, "?%s= must be true or false", name);
	return OK;
}

enum err_class request_int(const struct request *r, const char *name, int64_t min, int64_t max, int64_t fallback, int64_t *ret, struct err *e)
{
	const char *v = request_query(r, name);
	if (!v || !*v) {
		*ret = fallback;
		return OK;
	}
	int64_t n = 0;
	bool ok = strlen(v) <= 18 && strspn(v, "0123456789") == strlen(v);
	if (ok)
		n = strtoll(v, NULL, 10);
	if (!ok || n < min || n > max)
		return err_set(e, INVALID, R_BadRequest, "?%s= must be a number from %lld to %lld", name, (long long)min, (long long)max);
	*ret = n;
	return OK;
}

enum err_class request_name(const struct request *r, const char *name, const char **ret, struct err *e)
{
	const char *v = request_query(r, name);
	if (v && !*v)
		v = NULL;
	if (v && !name_valid(v))
		return err_set(e, INVALID, R_BadRequest, "?%s= is not a name: %s", name, reason_hint("InvalidName"));
	*ret = v;
	return OK;
}

static bool listed(const char *words, const char *word)
{
	size_t n = strlen(word);
	for (const char *at = words; n > 0 && (at = strstr(at, word)) != NULL; at += n)
		if ((at == words || at[-1] == ' ') && (!at[n] || at[n] == ' '))
			return true;
	return false;
}

static enum MHD_Result find_unknown(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind; /* the query is all we ask for */
	(void)value;
	const char **unknown = ((const char **)ctx) + 1;
	const char *known = *(const char **)ctx;
	if (listed(known, name))
		return MHD_YES;
	*unknown = name;
	return MHD_NO;
}

enum err_class request_check_query(struct request *r, struct err *e)
{
	const char *known_unknown[2] = {r->route->query ? r->route->query : "", NULL};
	(void)MHD_get_connection_values(r->conn, MHD_GET_ARGUMENT_KIND, find_unknown, known_unknown); /* what it found is in the array */
	if (!known_unknown[1])
		return OK;
	return err_set(e, INVALID, R_BadRequest, "unknown query parameter \"%.40s\"; this path takes %s", known_unknown[1],
		       *known_unknown[0] ? known_unknown[0] : "none");
}

bool request_accepts_events(const struct request *r)
{
	const char *accept = MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, "Accept");
	return accept && strstr(accept, "text/event-stream");
}

static bool looks_like_uuid(const char *s)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	if (strlen(s) != sizeof form - 1)
		return false;
	for (size_t i = 0; form[i]; i++)
		if (form[i] == '-' ? s[i] != '-' : !strchr("0123456789abcdefABCDEF", s[i]))
			return false;
	return true;
}

enum err_class request_object(struct request *r, enum kind kind, const char **ret_project, const char **ret_name, struct err *e)
{
	const char *project;
	struct store *s;
	enum err_class c = request_name(r, "project", &project, e);
	if (!c)
		c = request_store(r, &s, e);
	if (c)
		return c;
	if (looks_like_uuid(r->id)) {
		bool found = false;
		c = manifest_by_uid(s, kind, r->id, &r->arena, &found, ret_project, ret_name, e);
		if (c || found)
			return c;
	}
	const struct kind_info *info = kind_info(kind);
	if (!name_valid(r->id))
		return err_set(e, INVALID, R_NotFound, "there is no such %s: \"%.60s\" is neither a name nor an id", info->singular, r->id);
	*ret_project = kind == KIND_PROJECT ? r->id : project ? project : "default";
	*ret_name = r->id;
	return OK;
}

enum err_class request_function(struct request *r, const char **ret_project, const char **ret_name, struct err *e)
{
	const char *project, *name;
	struct store *s;
	struct function_row f;
	enum err_class c = request_object(r, KIND_FUNCTION, &project, &name, e);
	if (!c)
		c = request_store(r, &s, e);
	if (!c)
		c = function_load(s, project, name, &r->arena, &f, e);
	if (c)
		return c;
	if (!f.found)
		return err_set(e, INVALID, R_NotFound, "there is no function \"%s\" in project \"%s\"", name, project);
	*ret_project = project;
	*ret_name = name;
	return OK;
}
