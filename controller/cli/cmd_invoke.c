#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "cli/client.h"

enum { BODY_MAX = 100 << 20 };

static bool print_chunk(void *ctx, const void *p, size_t n, struct err *e)
{
	(void)ctx;
	return fs_write_all(STDOUT_FILENO, p, n, e) == OK;
}

/* -d TEXT, -d @FILE or -d @-. */
static enum err_class read_data(const char *data, struct buf *body, struct err *e)
{
	if (data[0] != '@')
		return buf_puts(body, data) ? OK : err_set(e, INVALID, R_TooLarge, "the body is too large");
	enum err_class class = fs_read(strcmp(data, "@-") == 0 ? "/dev/stdin" : data + 1, body, e);
	if (!class || strcmp(e->reason, reason_token(R_TooLarge)) == 0)
		return class;
	AUTO_FREE char *why = xstrdup(e->msg);
	return err_set(e, INVALID, R_InvalidFlag, "-d %.60s: %s", data, why);
}

/* Where it serves: its target's host and the gateway's address. */
static enum err_class find_target(struct cli *c, const char *name, const char **ret_host, const char **ret_gateway, struct err *e)
{
	struct client *cl;
	AUTO_JSON json_t *about = NULL;
	AUTO_JSON json_t *targets = NULL;
	const char *query[] = {"project", cli_project(c), NULL};
	enum err_class class = cli_client(c, &cl, e);
	if (!class)
		class = client_call(cl, "GET", "/api/version", NULL, NULL, &about, e);
	if (!class)
		class = client_call(cl, "GET", arena_printf(c->arena, "/api/functions/%s/targets", name), query, NULL, &targets, e);
	if (class)
		return class;
	const char *environment = flag_or(c, FLAG_ENV, NULL);
	const json_t *items = json_object_get(targets, "items"), *found = NULL;
	size_t i;
	json_t *t;
	json_array_foreach(items, i, t)
		if (!found && (!environment || strcmp(json_str_or(t, "environment", ""), environment) == 0))
			found = t;
	if (!found)
		return err_set(e, INVALID, R_NoTarget, "function/%s serves nowhere%s%s", name, environment ? " in " : "", environment ? environment : "");
	const char *url = json_str_or(found, "url", "http://");
	const char *host = strstr(url, "://");
	host = host ? host + 3 : url;
	*ret_host = arena_strndup(c->arena, host, strcspn(host, "/"));
	*ret_gateway = arena_strdup(c->arena, json_str_or(about, "gateway", ""));
	return OK;
}

static enum err_class send_request(struct cli *c, const char *host, const char *gateway, int *ret_status, struct err *e)
{
	const char *headers[MAX_VALUES + 2];
	size_t n = 0;
	headers[n++] = arena_printf(c->arena, "Host: %s", host);
	for (size_t i = 0; i < c->flag[FLAG_HEADER].n; i++)
		headers[n++] = c->flag[FLAG_HEADER].items[i];
	headers[n] = NULL;
	AUTO_BUF struct buf body = BUF_INIT(BODY_MAX);
	AUTO_BUF struct buf out = BUF_INIT(1 << 20);
	const char *data = flag_or(c, FLAG_DATA, NULL);
	enum err_class class = data ? read_data(data, &body, e) : OK;
	struct http *http = NULL;
	struct http_opts o = {.base = gateway, .stall_ms = 60000, .user_agent = "fnctl", .unavailable = R_GatewayUnavailable, .denied = R_Forbidden,
			      .protocol = R_Internal};
	if (!class)
		class = http_open(&o, &http, e);
	const char *path = flag_or(c, FLAG_PATH, "/");
	struct http_request r = {
		.method = flag_or(c, FLAG_METHOD, data ? "POST" : "GET"),
		/* As it was given, with its query and its escapes. */
		.url = arena_printf(c->arena, "%s%s%s", gateway, path[0] == '/' ? "" : "/", path),
		.headers = headers,
		.body = body.len ? body.p : NULL,
		.body_len = body.len,
		.out = &out,
		.chunk = print_chunk,
	};
	if (!class)
		class = http_do(http, &r, ret_status, e);
	if (!class && out.len)
		class = fs_write_all(STDOUT_FILENO, out.p, out.len, e); /* the body of an answer that is not 2xx */
	http_free(http);
	return class;
}

enum exit_code cmd_invoke(struct cli *c)
{
	struct err e = ERR_INIT;
	const char *name = "", *host = "", *gateway = "";
	int status = 0;
	if (function_argument(c, "fnctl invoke NAME", &name, &e) != OK || find_target(c, name, &host, &gateway, &e) != OK ||
	    send_request(c, host, gateway, &status, &e) != OK)
		return fail(c, &e);
	if (status >= 400)
		(void)fprintf(stderr, "\nHTTP %d\n", status);
	return status < 400 ? EXIT_OK : EXIT_FAILED;
}
