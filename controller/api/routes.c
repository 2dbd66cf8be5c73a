/* Every route the API has. The first that matches wins, so literal paths stand before {kind}. */
#include <stdlib.h>
#include <string.h>

#include "api/body.h"
#include "api/handlers.h"

static const struct endpoint routes[] = {
	{"GET", "/healthz", ACCESS_OPEN, get_healthz, NULL, 0, NULL},
	{"GET", "/readyz", ACCESS_OPEN, get_readyz, NULL, 0, NULL},
	{"GET", "/version", ACCESS_READ, get_version, NULL, 0, NULL},
	{"HEAD", "/uploads/{digest}", ACCESS_READ, head_upload, NULL, 0, NULL},
	{"PUT", "/uploads/{digest}", ACCESS_WRITE, put_upload, NULL, API_UPLOAD_MAX, &upload_sink},
	{"POST", "/apply", ACCESS_WRITE, post_apply, "force dryRun", API_BODY_MAX, NULL},
	{"POST", "/plan", ACCESS_READ, post_plan, "force", API_BODY_MAX, NULL},
	{"POST", "/functions/{id}/deploy", ACCESS_WRITE, post_deploy, "project environment note force dryRun", API_UPLOAD_MAX, &deploy_sink},
	{"GET", "/functions/{id}/deployments", ACCESS_READ, get_deployments, "project limit cursor", 0, NULL},
	{"GET", "/functions/{id}/deployments/{version}", ACCESS_READ, get_deployment, "project", 0, NULL},
	{"POST", "/functions/{id}/rollback", ACCESS_WRITE, post_rollback, "project", BODY_OPTIONS_MAX, NULL},
	{"POST", "/functions/{id}/release-hold", ACCESS_WRITE, post_release_hold, "project", BODY_OPTIONS_MAX, NULL},
	{"GET", "/functions/{id}/rollbacks", ACCESS_READ, get_rollbacks, "project limit cursor", 0, NULL},
	{"GET", "/functions/{id}/rollbacks/{rollback}", ACCESS_READ, get_rollback, "project", 0, NULL},
	{"GET", "/functions/{id}/history", ACCESS_READ, get_history, "project limit cursor", 0, NULL},
	{"GET", "/functions/{id}/targets", ACCESS_READ, get_function_targets, "project environment", 0, NULL},
	{"GET", "/functions/{id}/logs", ACCESS_READ, get_logs, "project environment tail follow", 0, NULL},
	{"GET", "/deployments", ACCESS_READ, get_all_deployments, "project all limit cursor", 0, NULL},
	{"GET", "/targets", ACCESS_READ, get_targets, "project all function environment", 0, NULL},
	{"GET", "/instances", ACCESS_READ, get_instances, "project all function environment", 0, NULL},
	{"GET", "/events", ACCESS_READ, get_events, "project kind name after limit", 0, NULL},
	{"GET", "/work", ACCESS_READ, get_work, NULL, 0, NULL},
	{"GET", "/gc", ACCESS_READ, get_gc, "project function limit cursor", 0, NULL},
	{"POST", "/gc", ACCESS_WRITE, post_gc, NULL, 0, NULL},
	{"GET", "/gc/{id}", ACCESS_READ, get_gc_run, NULL, 0, NULL},
	{"GET", "/{kind}", ACCESS_READ, list_objects, "project all limit cursor", 0, NULL},
	{"GET", "/{kind}/{id}", ACCESS_READ, get_object, "project", 0, NULL},
	{"DELETE", "/{kind}/{id}", ACCESS_WRITE, delete_object, "project force", 0, NULL},
};

struct captured {
	enum kind kind;
	const char *id, *digest, *rollback;
	int64_t version;
};

/* "3" or "v3". */
static bool parse_version(const char *text, int64_t *ret)
{
	enum { DIGITS_MAX = 9 };
	text += *text == 'v';
	size_t n = strlen(text);
	if (n == 0 || n > DIGITS_MAX || strspn(text, "0123456789") != n)
		return false;
	*ret = strtoll(text, NULL, 10);
	return true;
}

static bool capture(const char *slot, size_t nslot, const char *text, struct captured *to)
{
	struct digest d;
	if (strncmp(slot, "{id}", nslot) == 0) {
		to->id = text;
		return true;
	}
	if (strncmp(slot, "{digest}", nslot) == 0) {
		to->digest = text;
		return digest_parse(text, &d);
	}
	if (strncmp(slot, "{rollback}", nslot) == 0) {
		to->rollback = text;
		return true;
	}
	if (strncmp(slot, "{version}", nslot) == 0)
		return parse_version(text, &to->version);
	for (int k = 0; k < KIND_COUNT; k++)
		if (strcmp(kind_info((enum kind)k)->plural, text) == 0) {
			to->kind = (enum kind)k;
			return true;
		}
	return false;
}

static bool matches(const char *pattern, const char *path, struct arena *a, struct captured *to)
{
	while (*pattern == '/' && *path == '/') {
		size_t np = strcspn(++pattern, "/"), nt = strcspn(++path, "/");
		if (*pattern == '{') {
			if (nt == 0 || !capture(pattern, np, arena_strndup(a, path, nt), to))
				return false;
		} else if (np != nt || strncmp(pattern, path, np) != 0) {
			return false;
		}
		pattern += np;
		path += nt;
	}
	return !*pattern && !*path;
}

/* GET answers HEAD too; every route answers OPTIONS. */
static bool answers(const struct endpoint *route, const char *method)
{
	return strcmp(route->method, method) == 0 || (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

enum err_class route_match(struct request *r, const char **ret_allow, struct err *e)
{
	AUTO_BUF struct buf allow = BUF_INIT(256);
	const struct endpoint *found = NULL;
	struct captured got = {.kind = KIND_COUNT}, first = got;
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		const struct endpoint *route = &routes[i];
		struct captured here = {.kind = KIND_COUNT};
		if (!matches(route->pattern, r->path, &r->arena, &here))
			continue;
		(void)buf_printf(&allow, "%s%s%s", route->method, strcmp(route->method, "GET") == 0 ? ", HEAD" : "", ", "); /* a few words always fit */
		first = here;
		if (!found && answers(route, r->method)) {
			found = route;
			got = here;
		}
	}
	if (allow.len == 0)
		return err_set(e, INVALID, R_NotFound, "there is no such path: %.200s", r->path);
	(void)buf_puts(&allow, "OPTIONS");
	*ret_allow = arena_strdup(&r->arena, buf_str(&allow));
	if (!found && strcmp(r->method, "OPTIONS") != 0)
		return err_set(e, INVALID, R_MethodNotAllowed, "%.20s is not possible here; %s are", r->method, buf_str(&allow));
	if (!found)
		got = first;
	r->route = found; /* NULL: OPTIONS */
	r->kind = got.kind;
	r->id = got.id;
	r->digest = got.digest;
	r->rollback = got.rollback;
	r->version = got.version;
	return OK;
}
