#include "node/gateway_routes.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { TOKEN_MAX = 64 };

static bool only(const char *s, size_t max, const char *allowed)
{
	size_t n = strspn(s, allowed);
	return n > 0 && n <= max && !s[n];
}

static const char host_bytes[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
static const char token_bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

enum err_class gateway_host_label(const struct conf *c, const char *host, char out[GATEWAY_HOST_MAX], struct err *e)
{
	const char *const domains[] = {c->domain, "fn.internal"};
	size_t n = strlen(host);
	for (size_t i = 0; i < ARRAY_LEN(domains); i++) {
		size_t m = strlen(domains[i]);
		if (n < m + 2 || n >= GATEWAY_HOST_MAX || strcmp(host + n - m, domains[i]) != 0 || host[n - m - 1] != '.')
			continue;
		if (!only(host, GATEWAY_HOST_MAX, host_bytes))
			break;
		memcpy(out, host, n - m - 1);
		out[n - m - 1] = '\0';
		return OK;
	}
	return err_set(e, INVALID, R_InvalidName, "\"%.100s\" is not a host name below %s", host, c->domain);
}

bool gateway_address_valid(const char *s)
{
	char ip[INET_ADDRSTRLEN];
	const char *colon = strchr(s, ':');
	size_t n = colon ? (size_t)(colon - s) : sizeof ip;
	if (n >= sizeof ip || !only(colon + 1, 5, "0123456789"))
		return false;
	memcpy(ip, s, n);
	ip[n] = '\0';
	struct in_addr in;
	long port = strtol(colon + 1, NULL, 10);
	return inet_pton(AF_INET, ip, &in) == 1 && port > 0 && port <= 65535;
}

static enum err_class check_route(const struct conf *c, const struct gateway_route *r, struct err *e)
{
	if (!only(r->release, TOKEN_MAX, token_bytes))
		return err_set(e, INVALID, R_InvalidValue, "\"%.80s\" is not a release", r->release);
	if (r->timeout_ms < 1 || r->timeout_ms > GATEWAY_TIMEOUT_MAX_MS)
		return err_set(e, INVALID, R_InvalidValue, "timeout_ms must be from 1 to %d, not %lld", GATEWAY_TIMEOUT_MAX_MS,
			       (long long)r->timeout_ms);
	if (r->ninstances > GATEWAY_INSTANCES_MAX)
		return err_set(e, INVALID, R_TooLarge, "more than %d instances", GATEWAY_INSTANCES_MAX);
	for (size_t i = 0; i < r->ninstances; i++)
		if (!gateway_address_valid(r->addresses[i]))
			return err_set(e, INVALID, R_InvalidValue, "\"%.80s\" is not an address", r->addresses[i]);
	char label[GATEWAY_HOST_MAX];
	for (size_t i = 0; i < r->nhosts; i++) {
		enum err_class class = gateway_host_label(c, r->hosts[i], label, e);
		if (class)
			return class;
	}
	return OK;
}

static json_t *strings(const char *const *s, size_t n)
{
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(s[i]));
	return list;
}

static json_t *route_json(const struct gateway_route *r)
{
	return json_pack("{s:s, s:I, s:s, s:o, s:o, s:o, s:I}", "key", r->key, "epoch", (json_int_t)r->epoch, "release", r->release,
			 "hosts", strings(r->hosts, r->nhosts), "instances", strings(r->names, r->ninstances), "addresses",
			 strings(r->addresses, r->ninstances), "timeout_ms", (json_int_t)r->timeout_ms);
}

enum err_class gateway_routes_with(const struct conf *c, const json_t *routes, const struct gateway_route *changes, size_t n,
				   json_t **ret, struct err *e)
{
	AUTO_JSON json_t *next = routes ? json_copy((json_t *)(uintptr_t)routes) : json_object(); /* copying changes nothing */
	for (size_t i = 0; i < n; i++) {
		const struct gateway_route *r = &changes[i];
		if (r->nhosts == 0) {
			(void)json_object_del(next, r->key); /* absent is fine */
			continue;
		}
		enum err_class class = check_route(c, r, e);
		if (class)
			return err_wrap(e, "route %.180s", r->key);
		AUTO_JSON json_t *route = route_json(r);
		if (!route || json_object_set(next, r->key, route) != 0)
			return err_set(e, INVALID, R_InvalidValue, "route %.180s holds text that is not UTF-8", r->key);
	}
	*ret = json_incref(next);
	return OK;
}
