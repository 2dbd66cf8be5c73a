/* node.h over fn-node's unix socket (docs/reference/node-protocol.md). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/frame.h"
#include "reconcilers/providers/node.h"

enum { ANSWER_MAX = FRAME_MAX + 65536 };

struct node {
	char *socket;
	int64_t call_ms;
	int fd; /* -1: not connected */
	struct buf in;
	int64_t last_id;
};

struct node *node_new(const struct node_opts *o)
{
	struct node *n = xcalloc(1, sizeof *n);
	*n = (struct node){.socket = xstrdup(o->socket), .call_ms = o->call_ms, .fd = -1, .in = BUF_INIT(ANSWER_MAX)};
	return n;
}

static void disconnect(struct node *n)
{
	if (n->fd >= 0)
		(void)close(n->fd);
	n->fd = -1;
	buf_clear(&n->in);
}

void node_free(struct node *n)
{
	if (!n)
		return;
	disconnect(n);
	buf_release(&n->in);
	free(n->socket);
	free(n);
}

static enum err_class connect_node(struct node *n, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	if (strlen(n->socket) >= sizeof a.sun_path)
		return err_set(e, INVALID, R_InvalidValue, "%s is too long for a socket's path", n->socket);
	strcpy(a.sun_path, n->socket);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
		enum err_class c = err_errno(e, errno, TRANSIENT, R_NodeUnavailable, "connect to %s", n->socket);
		if (fd >= 0)
			(void)close(fd);
		return c;
	}
	n->fd = fd;
	return OK;
}

/* The error that an answer tells. A reason that this program does not know is a node of another version. */
static enum err_class told_error(const json_t *answer, struct err *e)
{
	static const enum err_class classes[] = {TRANSIENT, CONFLICT, INVALID, DENIED, BUG};
	const json_t *error = json_object_get(answer, "error");
	const char *class = json_str_or(error, "class", ""), *reason = json_str_or(error, "reason", "");
	const char *message = json_str_or(error, "message", "");
	for (size_t i = 0; i < ARRAY_LEN(classes); i++)
		for (int r = 0; r < REASON_COUNT && strcmp(class, err_class_name(classes[i])) == 0; r++)
			if (strcmp(reason, reason_token((enum reason)r)) == 0)
				return err_set(e, classes[i], (enum reason)r, "%.480s", message);
	return err_set(e, TRANSIENT, R_NodeProtocol, "fn-node failed in an unknown way: %.60s %.60s: %.300s", class, reason, message);
}

/* One request and its answer on the connection there is. */
static enum err_class exchange(struct node *n, json_t *request, json_t **ret, struct err *e)
{
	AUTO_JSON json_t *answer = NULL;
	(void)json_object_set_new(request, "id", json_integer(++n->last_id));
	enum err_class c = frame_send(n->fd, request, n->call_ms, e);
	if (!c)
		c = frame_recv(n->fd, &n->in, n->call_ms, &answer, e);
	if (c) {
		disconnect(n); /* a late answer must not become the next request's */
		return c;
	}
	if (json_int_or(answer, "id", 0) != n->last_id) {
		disconnect(n);
		return err_set(e, TRANSIENT, R_NodeProtocol, "fn-node answered another request");
	}
	if (!json_bool_or(answer, "ok", false))
		return told_error(answer, e);
	*ret = json_incref(answer);
	return OK;
}

/* A connection that was left from before may be one to an fn-node that is gone; every command may be said twice. */
static enum err_class call(struct node *n, json_t *request, json_t **ret, struct err *e)
{
	bool kept = n->fd >= 0;
	enum err_class c = kept ? OK : connect_node(n, e);
	if (c)
		return c;
	c = exchange(n, request, ret, e);
	if (!kept || n->fd >= 0 || c != TRANSIENT || strcmp(e->reason, reason_token(R_NodeUnavailable)) != 0)
		return c;
	c = connect_node(n, e);
	return c ? c : exchange(n, request, ret, e);
}

static enum err_class do_call(struct node *n, json_t *request, json_t **ret, struct err *e)
{
	AUTO_JSON json_t *r = request, *answer = NULL;
	struct err own = ERR_INIT;
	if (!r)
		return err_set(e, INVALID, R_BadRequest, "a name or value for fn-node is not UTF-8");
	enum err_class c = call(n, r, &answer, &own);
	if (c && e)
		*e = own;
	if (!c && ret)
		*ret = json_incref(answer);
	return c;
}

static json_t *strings(const char *const *list)
{
	json_t *a = json_array();
	for (; list && *list; list++)
		if (json_array_append_new(a, json_string(*list)) != 0) {
			json_decref(a);
			return NULL; /* json_pack gives NULL for it in turn */
		}
	return a;
}

static json_t *instance_json(const struct instance_spec *s)
{
	char image[DIGEST_TEXT];
	return json_pack("{s:s,s:s,s:s,s:s,s:o,s:o,s:i,s:I,s:I,s:I,s:{s:s?,s:I,s:I,s:I,s:I}}", "name", s->name, "release", s->release,
			 "environment", s->environment, "image", digest_text(&s->image, image), "command", strings(s->command), "env",
			 strings(s->env), "port", s->port, "memory_bytes", (json_int_t)s->memory_bytes, "cpu_millis",
			 (json_int_t)s->cpu_millis, "pids", (json_int_t)s->pids, "health", "path", s->health_path, "interval_ms",
			 (json_int_t)s->health_interval_ms, "timeout_ms", (json_int_t)s->health_timeout_ms, "deadline_ms",
			 (json_int_t)s->health_deadline_ms, "failures", (json_int_t)s->health_failures);
}

enum err_class node_ensure(struct node *n, const struct fence *f, const struct instance_spec *s, struct err *e)
{
	return do_call(n, json_pack("{s:s,s:s,s:I,s:o}", "op", "ensure", "key", f->key, "epoch", (json_int_t)f->epoch, "instance",
				    instance_json(s)),
		       NULL, e);
}

enum err_class node_stop(struct node *n, const struct fence *f, const char *const *names, size_t count, int64_t drain_ms,
			 struct err *e)
{
	json_t *list = json_array();
	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(list, json_string(names[i])); /* fn-node refuses what is not a name */
	return do_call(n, json_pack("{s:s,s:s,s:I,s:o,s:I}", "op", "stop", "key", f->key, "epoch", (json_int_t)f->epoch, "names", list,
				    "drain_ms", (json_int_t)drain_ms),
		       NULL, e);
}

static json_t *beside_json(const struct route *r)
{
	json_t *list = json_array();
	for (size_t i = 0; i < r->nbeside; i++) {
		const struct route_beside *b = &r->beside[i];
		json_t *one = json_pack("{s:s,s:o,s:o,s:I}", "release", b->release, "hosts", strings(b->hosts), "instances",
					strings(b->instances), "timeout_ms", (json_int_t)b->timeout_ms);
		if (json_array_append_new(list, one) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

enum err_class node_route(struct node *n, const struct route_switch *switches, size_t count, struct err *e)
{
	json_t *list = json_array();
	for (size_t i = 0; i < count; i++) {
		const struct route_switch *s = &switches[i];
		json_t *one = json_pack("{s:s,s:I,s:s,s:o,s:o,s:I,s:o}", "key", s->fence.key, "epoch", (json_int_t)s->fence.epoch, "release",
					s->route.release ? s->route.release : "", "hosts", strings(s->route.hosts), "instances",
					strings(s->route.instances), "timeout_ms", (json_int_t)s->route.timeout_ms, "beside",
					beside_json(&s->route));
		if (json_array_append_new(list, one) != 0) {
			json_decref(list);
			return err_set(e, INVALID, R_BadRequest, "%s: a host or name is not UTF-8", s->fence.key);
		}
	}
	return do_call(n, json_pack("{s:s,s:o}", "op", "routes", "switches", list), NULL, e);
}

/* Listing. */

static const char *const state_names[] = {
	[INST_STARTING] = "starting", [INST_READY] = "ready", [INST_UNHEALTHY] = "unhealthy", [INST_BACKOFF] = "backoff",
	[INST_FAILED] = "failed", [INST_STOPPING] = "stopping", [INST_GONE] = "gone",
};

const char *instance_state_name(enum instance_state s) { return state_names[s]; }

static bool state_from(const char *name, enum instance_state *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(state_names); i++)
		if (strcmp(state_names[i], name) == 0) {
			*ret = (enum instance_state)i;
			return true;
		}
	return false;
}

static enum err_class misunderstood(struct err *e, const char *what)
{
	return err_set(e, TRANSIENT, R_NodeProtocol, "fn-node's list has %s", what);
}

static enum err_class read_instance(const json_t *j, struct arena *a, struct instance *to, struct err *e)
{
	const char *name = json_str_or(j, "name", NULL), *key = json_str_or(j, "key", NULL);
	if (!name || !key || !state_from(json_str_or(j, "state", ""), &to->state))
		return misunderstood(e, "an instance without name, key or known state");
	to->name = arena_strdup(a, name);
	to->key = arena_strdup(a, key);
	to->release = arena_strdup(a, json_str_or(j, "release", ""));
	to->address = arena_strdup(a, json_str_or(j, "address", ""));
	to->restarts = (int)json_int_or(j, "restarts", 0);
	to->exit_code = (int)json_int_or(j, "exit_code", 0);
	to->reason = arena_strdup(a, json_str_or(j, "reason", ""));
	to->message = arena_strdup(a, json_str_or(j, "message", ""));
	to->since_ms = json_int_or(j, "since_ms", 0);
	return OK;
}

static const char *const *read_strings(const json_t *list, struct arena *a)
{
	const char **out = arena_array(a, json_array_size(list) + 1, sizeof *out);
	size_t i, n = 0;
	json_t *item;
	json_array_foreach(list, i, item)
		if (json_is_string(item))
			out[n++] = arena_strdup(a, json_string_value(item));
	return out;
}

static enum err_class read_beside(const json_t *list, struct arena *a, struct route *to, struct err *e)
{
	struct route_beside *all = arena_array(a, json_array_size(list), sizeof *all);
	size_t i;
	json_t *j;
	json_array_foreach(list, i, j) {
		const char *release = json_str_or(j, "release", NULL);
		if (!release)
			return misunderstood(e, "something beside a route without release");
		all[i] = (struct route_beside){.release = arena_strdup(a, release), .hosts = read_strings(json_object_get(j, "hosts"), a),
					       .instances = read_strings(json_object_get(j, "instances"), a),
					       .timeout_ms = json_int_or(j, "timeout_ms", 0)};
	}
	to->beside = all;
	to->nbeside = json_array_size(list);
	return OK;
}

static enum err_class read_route(const json_t *j, struct arena *a, struct route *to, struct err *e)
{
	const char *key = json_str_or(j, "key", NULL);
	if (!key)
		return misunderstood(e, "a route without key");
	to->key = arena_strdup(a, key);
	to->release = arena_strdup(a, json_str_or(j, "release", ""));
	to->epoch = json_int_or(j, "epoch", 0);
	to->hosts = read_strings(json_object_get(j, "hosts"), a);
	to->instances = read_strings(json_object_get(j, "instances"), a);
	to->timeout_ms = json_int_or(j, "timeout_ms", 0);
	to->loaded = json_bool_or(j, "loaded", false);
	return read_beside(json_object_get(j, "beside"), a, to, e); /* absent in routes of an older fn-node: none */
}

static enum err_class read_view(const json_t *answer, struct arena *a, struct node_view *ret, struct err *e)
{
	const json_t *instances = json_object_get(answer, "instances"), *routes = json_object_get(answer, "routes");
	struct node_view v = {.ninstances = json_array_size(instances), .nroutes = json_array_size(routes)};
	if (!json_bool_or(answer, "complete", false) || !json_is_array(instances) || !json_is_array(routes))
		return misunderstood(e, "gaps"); /* unknown is not absent */
	v.instances = arena_array(a, v.ninstances, sizeof *v.instances);
	v.routes = arena_array(a, v.nroutes, sizeof *v.routes);
	enum err_class c = OK;
	for (size_t i = 0; i < v.ninstances && !c; i++)
		c = read_instance(json_array_get(instances, i), a, &v.instances[i], e);
	for (size_t i = 0; i < v.nroutes && !c; i++)
		c = read_route(json_array_get(routes, i), a, &v.routes[i], e);
	v.gateway_up = strcmp(json_str_or(json_object_get(answer, "gateway"), "state", ""), "up") == 0;
	if (!c)
		*ret = v;
	return c;
}

enum err_class node_list(struct node *n, const char *key, struct arena *a, struct node_view *ret, struct err *e)
{
	AUTO_JSON json_t *answer = NULL;
	enum err_class c = do_call(n, json_pack("{s:s,s:s*}", "op", "list", "key", key), &answer, e);
	return c ? c : read_view(answer, a, ret, e);
}

enum err_class node_logs(struct node *n, const char *name, int64_t tail, int64_t *offset, json_t **ret, struct err *e)
{
	AUTO_JSON json_t *answer = NULL;
	enum err_class c = do_call(n, json_pack("{s:s,s:s,s:I,s:I}", "op", "logs", "name", name, "tail", (json_int_t)tail, "offset",
						(json_int_t)*offset),
				   &answer, e);
	if (c)
		return c;
	json_t *lines = json_object_get(answer, "lines");
	if (!json_is_array(lines))
		return err_set(e, TRANSIENT, R_NodeProtocol, "fn-node's logs have no lines");
	*offset = json_int_or(answer, "offset", *offset);
	*ret = json_incref(lines);
	return OK;
}

/* Collecting. */

enum err_class node_collect_layers(struct node *n, const struct fence *f, const struct digest *keep, size_t nkeep, struct node_freed *ret,
				   struct err *e)
{
	AUTO_JSON json_t *answer = NULL;
	json_t *list = json_array();
	for (size_t i = 0; i < nkeep; i++) {
		char text[DIGEST_TEXT];
		(void)json_array_append_new(list, json_string(digest_text(&keep[i], text)));
	}
	enum err_class c = do_call(n, json_pack("{s:s,s:s,s:I,s:o}", "op", "collect_layers", "key", f->key, "epoch", (json_int_t)f->epoch,
						"keep", list),
				   &answer, e);
	if (!c)
		*ret = (struct node_freed){json_int_or(answer, "count", 0), json_int_or(answer, "bytes", 0)};
	return c;
}

static enum err_class read_collection(const json_t *answer, struct arena *a, struct registry_collection *ret, struct err *e)
{
	static const char *const states[] = {[COLLECT_NO_REGISTRY] = "none", [COLLECT_RUNNING] = "running", [COLLECT_DONE] = "done",
					     [COLLECT_FAILED] = "failed"};
	const char *state = json_str_or(answer, "state", "");
	for (size_t i = 0; i < ARRAY_LEN(states); i++)
		if (strcmp(states[i], state) == 0) {
			*ret = (struct registry_collection){(enum collect_state)i, json_int_or(answer, "freed_bytes", 0),
							    arena_strdup(a, json_str_or(answer, "message", ""))};
			return OK;
		}
	return err_set(e, TRANSIENT, R_NodeProtocol, "fn-node's collection is in an unknown state: %.60s", state);
}

enum err_class node_collect_registry(struct node *n, const struct fence *f, const char *id, struct arena *a, struct registry_collection *ret,
				     struct err *e)
{
	AUTO_JSON json_t *answer = NULL;
	enum err_class c = do_call(n, json_pack("{s:s,s:s,s:I,s:s}", "op", "collect_registry", "key", f->key, "epoch", (json_int_t)f->epoch,
						"collection", id),
				   &answer, e);
	return c ? c : read_collection(answer, a, ret, e);
}

enum err_class node_ping(struct node *n, json_t **ret, struct err *e)
{
	return do_call(n, json_pack("{s:s}", "op", "ping"), ret, e);
}

/* Watching. */

enum err_class node_watch(struct node *n, int *ret_fd, struct err *e)
{
	disconnect(n); /* a connection of its own: after `watch` it carries events only */
	enum err_class c = do_call(n, json_pack("{s:s}", "op", "watch"), NULL, e);
	if (!c)
		*ret_fd = n->fd;
	return c;
}

enum err_class node_watch_next(struct node *n, struct arena *a, const char **ret_key, struct err *e)
{
	AUTO_JSON json_t *event = NULL;
	if (n->fd < 0)
		return err_set(e, TRANSIENT, R_NodeUnavailable, "not watching");
	enum err_class c = frame_take(&n->in, &event, e);
	char chunk[16384];
	for (ssize_t got; !c && !event;) {
		got = recv(n->fd, chunk, sizeof chunk, MSG_DONTWAIT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			*ret_key = NULL;
			return OK;
		}
		if (got <= 0)
			c = err_set(e, TRANSIENT, R_NodeUnavailable, "fn-node closed the connection");
		else if (!buf_add(&n->in, chunk, (size_t)got))
			c = err_set(e, TRANSIENT, R_NodeProtocol, "an event is over the limit");
		else
			c = frame_take(&n->in, &event, e);
	}
	if (c) {
		disconnect(n);
		return c;
	}
	*ret_key = arena_strdup(a, json_str_or(event, "key", ""));
	return OK;
}
