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

/* own: of the key itself, which may serve nothing yet. */
static enum err_class check_served(const struct conf *c, const struct gateway_served *s, bool own, struct err *e)
{
	bool nothing = own && s->nhosts == 0;
	if (!only(s->release, TOKEN_MAX, token_bytes) && !(nothing && !*s->release))
		return err_set(e, INVALID, R_InvalidValue, "\"%.80s\" is not a release", s->release);
	if (!nothing && (s->timeout_ms < 1 || s->timeout_ms > GATEWAY_TIMEOUT_MAX_MS))
		return err_set(e, INVALID, R_InvalidValue, "timeout_ms must be from 1 to %d, not %lld", GATEWAY_TIMEOUT_MAX_MS,
			       (long long)s->timeout_ms);
	if (s->ninstances > GATEWAY_INSTANCES_MAX)
		return err_set(e, INVALID, R_TooLarge, "more than %d instances", GATEWAY_INSTANCES_MAX);
	if (!own && s->nhosts == 0)
		return err_set(e, INVALID, R_InvalidValue, "release %s is beside others without a host of its own", s->release);
	for (size_t i = 0; i < s->ninstances; i++)
		if (!gateway_address_valid(s->addresses[i]))
			return err_set(e, INVALID, R_InvalidValue, "\"%.80s\" is not an address", s->addresses[i]);
	char label[GATEWAY_HOST_MAX];
	for (size_t i = 0; i < s->nhosts; i++) {
		enum err_class class = gateway_host_label(c, s->hosts[i], label, e);
		if (class)
			return class;
	}
	return OK;
}

static enum err_class check_route(const struct conf *c, const struct gateway_route *r, struct err *e)
{
	if (r->nbeside > GATEWAY_BESIDE_MAX)
		return err_set(e, INVALID, R_TooLarge, "more than %d releases beside the key's own", GATEWAY_BESIDE_MAX);
	enum err_class class = check_served(c, &r->main, true, e);
	for (size_t i = 0; !class && i < r->nbeside; i++)
		class = check_served(c, &r->beside[i], false, e);
	return class;
}

static json_t *strings(const char *const *s, size_t n)
{
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(s[i]));
	return list;
}

static json_t *served_json(const struct gateway_served *s)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:I}", "release", s->release, "hosts", strings(s->hosts, s->nhosts), "instances",
			 strings(s->names, s->ninstances), "addresses", strings(s->addresses, s->ninstances), "timeout_ms",
			 (json_int_t)s->timeout_ms);
}

static json_t *route_json(const struct gateway_route *r)
{
	AUTO_JSON json_t *beside = json_array(), *route = served_json(&r->main);
	for (size_t i = 0; i < r->nbeside; i++)
		if (json_array_append_new(beside, served_json(&r->beside[i])) != 0)
			return NULL;
	if (json_object_set_new(route, "key", json_string(r->key)) != 0 ||
	    json_object_set_new(route, "epoch", json_integer(r->epoch)) != 0 || json_object_set(route, "beside", beside) != 0)
		return NULL;
	return json_incref(route);
}

const json_t *gateway_served_at(const json_t *route, size_t i)
{
	return i == 0 ? route : json_array_get(json_object_get(route, "beside"), i - 1);
}

enum err_class gateway_routes_with(const struct conf *c, const json_t *routes, const struct gateway_route *changes, size_t n,
				   json_t **ret, struct err *e)
{
	AUTO_JSON json_t *next = routes ? json_copy((json_t *)(uintptr_t)routes) : json_object(); /* copying changes nothing */
	for (size_t i = 0; i < n; i++) {
		const struct gateway_route *r = &changes[i];
		if (r->main.nhosts == 0 && r->nbeside == 0) {
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
