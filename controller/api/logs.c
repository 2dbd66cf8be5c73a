/* What instances print, asked of fn-node. */
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/stream.h"
#include "base/names.h"
#include "reconcilers/providers/node.h"

enum { TAIL = 100, TAIL_MAX = 10000, CALL_MS = 5000, INSTANCES_MAX = 1000, FOLLOW_TAIL = 1000, POLL_MS = 500 };

struct source {
	const char *name, *environment;
	int64_t offset;
	bool listed; /* in the last list */
};

struct logs {
	struct node *node;
	const char *prefix; /* of the keys: "target/P/F/" or "target/P/F/E" */
	bool exact;
	int64_t tail;
	bool started;
	struct source *sources;
	size_t n, cap;
};

static void node_done(void *node) { node_free(node); }

static void logs_init(struct logs *l, struct arena *a, const struct api *api, const char *project, const char *function, const char *environment, int64_t tail)
{
	struct key key = key_make("target", project, function, environment);
	const struct node_opts o = {conf_path(api->o.conf, a, "run/node.sock"), CALL_MS};
	l->node = node_new(&o);
	arena_own(a, node_done, l->node);
	l->exact = environment != NULL;
	l->prefix = arena_printf(a, "%s%s", key.text, l->exact ? "" : "/");
	l->tail = tail;
}

static struct source *find_source(const struct logs *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->sources[i].name, name) == 0)
			return &l->sources[i];
	return NULL;
}

static void add_source(struct logs *l, struct arena *a, const char *name, const char *environment)
{
	if (l->n >= INSTANCES_MAX || find_source(l, name))
		return;
	void *items = l->sources;
	struct source *s = arena_push(a, &items, &l->n, &l->cap, sizeof *s);
	l->sources = items;
	*s = (struct source){.name = arena_strdup(a, name), .environment = arena_strdup(a, environment), .listed = true};
}

/* Keeps l->sources equal to the instances that the node has now; they live in keep. */
static enum err_class list_sources(struct logs *l, struct arena *tmp, struct arena *keep, struct err *e)
{
	struct node_view view;
	enum err_class c = node_list(l->node, l->exact ? l->prefix : NULL, tmp, &view, e);
	if (c)
		return c;
	for (size_t i = 0; i < l->n; i++)
		l->sources[i].listed = false;
	for (size_t i = 0; i < view.ninstances; i++) {
		const struct instance *inst = &view.instances[i];
		if (strncmp(inst->key, l->prefix, strlen(l->prefix)) != 0 || l->n >= INSTANCES_MAX)
			continue;
		struct source *s = find_source(l, inst->name);
		if (s)
			s->listed = true;
		else
			add_source(l, keep, inst->name, strrchr(inst->key, '/') + 1);
	}
	size_t kept = 0;
	for (size_t i = 0; i < l->n; i++)
		if (l->sources[i].listed)
			l->sources[kept++] = l->sources[i];
	l->n = kept;
	return OK;
}

/* A release that was given up has stopped, but its log is what one wants to read: the node keeps it for a while. */
static enum err_class add_given_up(struct request *r, const char *const *target, struct logs *l, struct err *e)
{
	enum { SLOTS = 4 };
	struct store *s;
	AUTO_JSON json_t *targets = NULL;
	enum err_class c = request_store(r, &s, e);
	if (!c)
		c = store_read(s, READ_TARGETS, 3, target, &targets, e);
	request_give_store(r); /* the rest asks the node only */
	size_t i;
	json_t *t;
	json_array_foreach(json_object_get(targets, "items"), i, t) {
		const char *release = json_str_or(t, "failedReleaseId", NULL);
		for (int64_t slot = 0; release && slot < SLOTS; slot++)
			add_source(l, &r->arena, instance_name(&r->arena, release, slot), json_str_or(t, "environment", ""));
	}
	return c;
}

struct line {
	json_t *json; /* borrowed from what read_lines made */
	const char *at;
	size_t order;
};

static int by_time(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int c = strcmp(x->at, y->at); /* RFC 3339 of one form sorts as text */
	return c ? c : x->order < y->order ? -1 : 1;
}

/* Appends what each source has beyond its offset to *all. */
static enum err_class read_lines(struct logs *l, json_t *all, struct err *e)
{
	for (size_t i = 0; i < l->n; i++) {
		struct source *s = &l->sources[i];
		AUTO_JSON json_t *lines = NULL;
		int64_t tail = l->started && l->tail < FOLLOW_TAIL ? FOLLOW_TAIL : l->tail;
		enum err_class c = node_logs(l->node, s->name, tail, &s->offset, &lines, e);
		if (c == INVALID)
			continue; /* it went since it was listed */
		if (c)
			return c;
		size_t k;
		json_t *line;
		json_array_foreach(lines, k, line) {
			json_object_set_new(line, "instance", json_string(s->name));
			json_object_set_new(line, "environment", json_string(s->environment));
			json_array_append(all, line);
		}
	}
	return OK;
}

/* In the order of time, at most the last `most`. A new reference. */
static json_t *merge(const json_t *all, size_t most)
{
	size_t n = json_array_size(all);
	AUTO_FREE struct line *lines = xcalloc(n, sizeof *lines);
	for (size_t i = 0; i < n; i++) {
		json_t *j = json_array_get(all, i);
		lines[i] = (struct line){j, json_str_or(j, "at", ""), i};
	}
	qsort(lines, n, sizeof *lines, by_time);
	json_t *out = json_array();
	for (size_t i = n > most ? n - most : 0; i < n; i++)
		json_array_append(out, lines[i].json);
	return out;
}

static enum err_class poll_logs(struct stream *s, struct buf *out, struct err *e)
{
	struct logs *l = s->state;
	AUTO_ARENA struct arena tmp = ARENA_INIT;
	AUTO_JSON json_t *all = json_array();
	enum err_class c = list_sources(l, &tmp, &s->arena, e);
	if (!c)
		c = read_lines(l, all, e);
	AUTO_JSON json_t *lines = merge(all, l->started ? SIZE_MAX : (size_t)l->tail);
	size_t i;
	const json_t *line;
	json_array_foreach(lines, i, line)
		stream_put(out, NULL, NULL, line);
	l->started = l->started || !c;
	return c;
}

static enum err_class follow_logs(struct request *r, const char *project, const char *name, const char *environment, int64_t tail, struct err *e)
{
	struct stream *s;
	enum err_class c = stream_new(r, &s, e);
	if (c)
		return c;
	struct logs *l = arena_alloc(&s->arena, sizeof *l);
	logs_init(l, &s->arena, r->api, project, name, environment, tail);
	s->state = l;
	s->poll = poll_logs;
	s->poll_ms = POLL_MS;
	stream_reply(r, s);
	return OK;
}

enum err_class get_logs(struct request *r, struct err *e)
{
	const char *project, *name, *environment;
	int64_t tail;
	bool follow;
	enum err_class c = request_name(r, "environment", &environment, e);
	if (!c)
		c = request_int(r, "tail", 0, TAIL_MAX, TAIL, &tail, e);
	if (!c)
		c = request_bool(r, "follow", &follow, e);
	if (!c)
		c = request_function(r, &project, &name, e);
	if (c)
		return c;
	if (follow) {
		request_give_store(r); /* the rest asks the node only */
		return follow_logs(r, project, name, environment, tail, e);
	}
	struct logs l = {0};
	AUTO_JSON json_t *all = json_array();
	logs_init(&l, &r->arena, r->api, project, name, environment, tail);
	c = list_sources(&l, &r->arena, &r->arena, e);
	if (!c)
		c = add_given_up(r, (const char *const[]){project, name, environment}, &l, e);
	if (!c)
		c = read_lines(&l, all, e);
	if (c)
		return c;
	json_t *j = json_object();
	json_object_set_new(j, "lines", merge(all, (size_t)tail));
	reply_json(r, 200, j);
	return OK;
}
