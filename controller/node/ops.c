#include <string.h>

#include "base/log.h"
#include "node/fnode.h"
#include "node/gateway_routes.h"
#include "node/instance_spec.h"
#include "node/logs.h"

enum { MAX_SWITCHES = 20000, MAX_HOSTS = 256, MAX_ROUTE_INSTANCES = 256, MAX_BESIDE = GATEWAY_BESIDE_MAX, MAX_NAMES = 10000, MAX_DRAIN_MS = 3600000,
       MAX_ROUTE_TIMEOUT_MS = 86400000, MAX_RELEASE = 64, MAX_KEEP = 100000 };

static json_t *gateway_json(struct fnode *n)
{
	pid_t pid = 0;
	bool up = gateway_up(n->gateway, &pid);
	return json_pack("{s:s,s:i}", "state", up ? "up" : "down", "pid", up ? (int)pid : 0);
}

static enum err_class op_ping(struct fnode *n, const json_t *request, json_t *answer, struct err *e)
{
	(void)request;
	(void)e;
	json_t *more = json_pack("{s:s,s:s,s:s,s:I,s:o}", "version", FN_VERSION, "runtime", runtime_name(n->runtime), "cgroup",
				 runtime_cgroup_v2() ? "v2" : "v1", "instances", (json_int_t)instances_count(n->instances), "gateway",
				 gateway_json(n));
	(void)json_object_update_new(answer, more);
	return OK;
}

/* The key and epoch of a command or a switch. */
static enum err_class get_claim(const json_t *j, struct claim *ret, struct err *e)
{
	enum err_class c = json_need_str(j, "key", &ret->key, e);
	if (!c)
		c = json_need_int(j, "epoch", &ret->epoch, e);
	if (!c && !node_key_valid(ret->key))
		return err_set(e, INVALID, R_BadRequest, "\"key\" is not a key");
	return c;
}

static enum err_class op_ensure(struct fnode *n, const json_t *request, json_t *answer, struct err *e)
{
	struct claim claim;
	const char *state;
	enum err_class c = get_claim(request, &claim, e);
	if (!c)
		c = epochs_accept(n->epochs, &claim, 1, e);
	if (!c)
		c = instances_ensure(n->instances, claim.key, json_object_get(request, "instance"), &state, e);
	if (!c)
		(void)json_object_set_new(answer, "state", json_string(state));
	return c;
}

static enum err_class check_names(const json_t *names, const char *member, size_t max, struct err *e)
{
	size_t i;
	json_t *name;
	if (!json_is_array(names) || json_array_size(names) > max)
		return err_set(e, INVALID, R_BadRequest, "\"%s\" must be an array of at most %zu names", member, max);
	json_array_foreach(names, i, name)
		if (!json_is_string(name) || !node_instance_name_valid(json_string_value(name)))
			return err_set(e, INVALID, R_InvalidName, "\"%s\": entry %zu is not an instance's name", member, i);
	return OK;
}

static enum err_class op_stop(struct fnode *n, const json_t *request, json_t *answer, struct err *e)
{
	(void)answer;
	struct claim claim;
	const json_t *names = json_object_get(request, "names");
	int64_t drain;
	size_t i;
	json_t *name;
	enum err_class c = get_claim(request, &claim, e);
	if (!c)
		c = json_need_int(request, "drain_ms", &drain, e);
	if (!c)
		c = check_names(names, "names", MAX_NAMES, e);
	if (c)
		return c;
	if (drain < 0 || drain > MAX_DRAIN_MS)
		return err_set(e, INVALID, R_BadRequest, "\"drain_ms\" must be from 0 to %d", MAX_DRAIN_MS);
	c = epochs_accept(n->epochs, &claim, 1, e);
	json_array_foreach(names, i, name) {
		if (c)
			break;
		c = instances_stop(n->instances, claim.key, json_string_value(name), drain, e);
	}
	return c;
}

static enum err_class op_list(struct fnode *n, const json_t *request, json_t *answer, struct err *e)
{
	const json_t *key = json_object_get(request, "key");
	if (key && !json_is_null(key) && !json_is_string(key))
		return err_set(e, INVALID, R_BadRequest, "\"key\" must be a string");
	const char *text = json_string_value(key);
	json_t *routes = gateway_routes(n->gateway, text);
	if (!routes)
		return err_set(e, TRANSIENT, R_GatewayUnavailable, "the routes are not known");
	(void)json_object_set_new(answer, "complete", json_true());
	(void)json_object_set_new(answer, "instances", instances_list(n->instances, text));
	(void)json_object_set_new(answer, "routes", routes);
	(void)json_object_set_new(answer, "gateway", gateway_json(n));
	return OK;
}

/* Routes. */

static enum err_class get_hosts(struct fnode *n, const json_t *j, struct arena *a, const char *key, struct gateway_served *s,
				struct err *e)
{
	const json_t *hosts = json_object_get(j, "hosts");
	size_t i;
	json_t *host;
	if (!json_is_array(hosts) || json_array_size(hosts) > MAX_HOSTS)
		return err_set(e, INVALID, R_BadRequest, "\"hosts\" must be an array of at most %d names", MAX_HOSTS);
	const char **out = arena_array(a, json_array_size(hosts) + 1, sizeof *out);
	json_array_foreach(hosts, i, host) {
		out[i] = json_string_value(host);
		if (!out[i] || !node_host_valid(out[i], n->conf.domain))
			return err_set(e, INVALID, R_InvalidName, "%s: host %zu is not a name below %s", key, i, n->conf.domain);
	}
	s->hosts = out;
	s->nhosts = json_array_size(hosts);
	return OK;
}

static enum err_class get_addresses(struct fnode *n, const json_t *j, struct arena *a, const char *key, struct gateway_served *s,
				    struct err *e)
{
	const json_t *names = json_object_get(j, "instances");
	size_t i;
	json_t *name;
	enum err_class c = check_names(names, "instances", MAX_ROUTE_INSTANCES, e);
	if (c)
		return c;
	s->ninstances = json_array_size(names);
	const char **texts = arena_array(a, s->ninstances + 1, sizeof *texts);
	const char **addresses = arena_array(a, s->ninstances + 1, sizeof *addresses);
	json_array_foreach(names, i, name) {
		texts[i] = json_string_value(name);
		addresses[i] = instances_address(n->instances, texts[i], a);
		if (!addresses[i])
			return err_set(e, CONFLICT, R_NotFound, "%s: instance %s is not here, or is being stopped", key, texts[i]);
	}
	s->names = texts;
	s->addresses = addresses;
	return OK;
}

/* A release with its hosts: the switch itself, or an entry beside it. */
static enum err_class get_served(struct fnode *n, const json_t *j, struct arena *a, const char *key, struct gateway_served *s,
				 struct err *e)
{
	*s = (struct gateway_served){.release = json_str_or(j, "release", ""), .timeout_ms = json_int_or(j, "timeout_ms", 0)};
	enum err_class c = get_hosts(n, j, a, key, s, e);
	if (!c)
		c = get_addresses(n, j, a, key, s, e);
	if (c || (s->nhosts == 0 && !*s->release))
		return c;
	if (!node_token_valid(s->release, MAX_RELEASE))
		return err_set(e, INVALID, R_BadRequest, "%s: \"release\" is not a name", key);
	if (s->nhosts > 0 && (s->timeout_ms < 1 || s->timeout_ms > MAX_ROUTE_TIMEOUT_MS))
		return err_set(e, INVALID, R_BadRequest, "%s: \"timeout_ms\" must be from 1 to %d", key, MAX_ROUTE_TIMEOUT_MS);
	return OK;
}

static enum err_class get_beside(struct fnode *n, const json_t *j, struct arena *a, struct gateway_route *r, struct err *e)
{
	const json_t *list = json_object_get(j, "beside");
	size_t count = json_array_size(list);
	if (list && (!json_is_array(list) || count > MAX_BESIDE))
		return err_set(e, INVALID, R_BadRequest, "%s: \"beside\" must be an array of at most %d releases", r->key, MAX_BESIDE);
	struct gateway_served *all = arena_array(a, count, sizeof *all);
	for (size_t i = 0; i < count; i++) {
		enum err_class c = get_served(n, json_array_get(list, i), a, r->key, &all[i], e);
		if (!c && all[i].nhosts == 0)
			c = err_set(e, INVALID, R_BadRequest, "%s: what is beside it needs \"hosts\"", r->key);
		if (c)
			return c;
	}
	r->beside = all;
	r->nbeside = count;
	return OK;
}

static enum err_class get_route(struct fnode *n, const json_t *j, struct arena *a, struct claim *claim, struct gateway_route *r,
				struct err *e)
{
	enum err_class c = get_claim(j, claim, e);
	if (c)
		return c;
	*r = (struct gateway_route){.key = claim->key, .epoch = claim->epoch};
	c = get_served(n, j, a, r->key, &r->main, e);
	return c ? c : get_beside(n, j, a, r, e);
}

static enum err_class op_routes(struct fnode *n, const json_t *request, json_t *answer, struct err *e)
{
	(void)answer;
	AUTO_ARENA struct arena a = ARENA_INIT;
	const json_t *switches = json_object_get(request, "switches");
	size_t count = json_array_size(switches);
	if (!json_is_array(switches) || count > MAX_SWITCHES)
		return err_set(e, INVALID, R_BadRequest, "\"switches\" must be an array of at most %d routes", MAX_SWITCHES);
	struct claim *claims = arena_array(&a, count, sizeof *claims);
	struct gateway_route *routes = arena_array(&a, count, sizeof *routes);
	for (size_t i = 0; i < count; i++) {
		enum err_class c = get_route(n, json_array_get(switches, i), &a, &claims[i], &routes[i], e);
		if (c)
			return c;
	}
	enum err_class c = epochs_accept(n->epochs, claims, count, e);
	if (!c)
		c = gateway_set(n->gateway, routes, count, e);
	instances_routes_changed(n->instances); /* also after a failure: what was written loads later */
	return c;
}

static enum err_class op_logs(struct fnode *n, const json_t *request, json_t *answer, struct err *e)
{
	const char *name;
	json_t *lines;
	int64_t offset = json_int_or(request, "offset", 0);
	enum err_class c = json_need_str(request, "name", &name, e);
	if (!c && !node_instance_name_valid(name))
		return err_set(e, INVALID, R_InvalidName, "\"name\" is not an instance's name");
	if (c)
		return c;
	AUTO_FREE char *path = xprintf("%s/node/logs/%s/log", n->conf.home, name);
	c = logs_read(path, json_int_or(request, "tail", 0), &offset, &lines, e);
	if (c)
		return c;
	(void)json_object_set_new(answer, "lines", lines);
	(void)json_object_set_new(answer, "offset", json_integer(offset));
	return OK;
}

static enum err_class op_stats(struct fnode *n, const json_t *request, json_t *answer, struct err *e)
{
	(void)request;
	json_t *stats = gateway_stats(n->gateway);
	if (!stats)
		return err_set(e, TRANSIENT, R_GatewayUnavailable, "HAProxy did not answer");
	(void)json_object_update_new(answer, stats);
	return OK;
}

/* Collecting. */

static enum err_class get_keep(const json_t *request, struct arena *a, struct digest **ret, size_t *ret_n, struct err *e)
{
	const json_t *list = json_object_get(request, "keep");
	size_t i, n = json_array_size(list);
	json_t *v;
	if (!json_is_array(list) || n > MAX_KEEP)
		return err_set(e, INVALID, R_BadRequest, "\"keep\" must be an array of at most %d digests", MAX_KEEP);
	struct digest *keep = arena_array(a, n, sizeof *keep);
	json_array_foreach(list, i, v)
		if (!json_is_string(v) || !digest_parse(json_string_value(v), &keep[i]))
			return err_set(e, INVALID, R_BadRequest, "\"keep\": entry %zu is not a digest", i);
	*ret = keep;
	*ret_n = n;
	return OK;
}

static enum err_class op_collect_layers(struct fnode *n, const json_t *request, json_t *answer, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct claim claim;
	struct digest *keep = NULL;
	size_t nkeep = 0;
	enum err_class c = get_claim(request, &claim, e);
	if (!c)
		c = get_keep(request, &a, &keep, &nkeep, e);
	if (!c)
		c = epochs_accept(n->epochs, &claim, 1, e);
	if (c)
		return c;
	struct layers_freed freed = instances_collect_layers(n->instances, keep, nkeep);
	(void)json_object_set_new(answer, "count", json_integer((json_int_t)freed.count));
	(void)json_object_set_new(answer, "bytes", json_integer((json_int_t)freed.bytes));
	return OK;
}

static enum err_class op_collect_registry(struct fnode *n, const json_t *request, json_t *answer, struct err *e)
{
	struct claim claim;
	const char *id;
	enum err_class c = get_claim(request, &claim, e);
	if (!c)
		c = json_need_str(request, "collection", &id, e); /* "id" is the request's */
	if (!c && !node_token_valid(id, REGISTRY_GC_ID_MAX))
		c = err_set(e, INVALID, R_BadRequest, "\"collection\" is not a token");
	if (!c)
		c = epochs_accept(n->epochs, &claim, 1, e);
	if (!c)
		registry_gc_ask(n->registry_gc, id, answer);
	return c;
}

static const struct op {
	const char *name;
	enum err_class (*run)(struct fnode *n, const json_t *request, json_t *answer, struct err *e);
} ops[] = {{"ping", op_ping}, {"ensure", op_ensure}, {"stop", op_stop}, {"list", op_list},
	   {"routes", op_routes}, {"logs", op_logs}, {"stats", op_stats},
	   {"collect_layers", op_collect_layers}, {"collect_registry", op_collect_registry}};

enum err_class fnode_handle(void *ctx, const json_t *request, json_t *answer, struct err *e)
{
	const char *op = json_str_or(request, "op", "");
	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		if (strcmp(ops[i].name, op) == 0)
			return ops[i].run(ctx, request, answer, e);
	return err_set(e, INVALID, R_NodeProtocol, "there is no command \"%.40s\"", op);
}
