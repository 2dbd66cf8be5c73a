/* What happened, as a list or as a stream. */
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/stream.h"

enum { LIMIT = 100, LIMIT_MAX = 500 };

struct follow {
	const char *project, *kind, *name;
	int64_t limit; /* of the first look */
	int64_t after; /* where to read on: ids appear in their order. 0: the newest `limit` are wanted */
};

static enum err_class read_events(struct store *s, const struct follow *f, int64_t limit, struct arena *a, json_t **ret, struct err *e)
{
	const char *params[] = {f->project, f->kind, f->name, arena_printf(a, "%lld", (long long)f->after), arena_printf(a, "%lld", (long long)limit)};
	json_t *j = NULL;
	enum err_class c = store_read(s, READ_EVENTS, ARRAY_LEN(params), params, &j, e);
	if (!c)
		*ret = j ? j : json_pack("{s:[],s:I}", "items", "last", (json_int_t)f->after);
	return c;
}

static enum err_class poll_events(struct stream *s, struct buf *out, struct err *e)
{
	struct follow *f = s->state;
	AUTO_ARENA struct arena tmp = ARENA_INIT;
	AUTO_JSON json_t *j = NULL;
	struct store *store;
	enum err_class c = pool_take(s->api->pool, API_STORE_WAIT_MS, &store, e);
	if (c)
		return c;
	c = read_events(store, f, f->after ? LIMIT_MAX : f->limit, &tmp, &j, e);
	pool_give(s->api->pool, store);
	if (c)
		return c;
	size_t i;
	const json_t *item;
	json_array_foreach(json_object_get(j, "items"), i, item) {
		AUTO_FREE char *id = xprintf("%lld", (long long)json_int_or(item, "id", 0));
		stream_put(out, id, NULL, item);
	}
	f->after = json_int_or(j, "last", f->after);
	return OK;
}

static enum err_class parse_filters(struct request *r, struct follow *f, struct err *e)
{
	enum err_class c = request_name(r, "project", &f->project, e);
	if (!c)
		c = request_name(r, "name", &f->name, e);
	if (!c)
		c = request_int(r, "limit", 1, LIMIT_MAX, LIMIT, &f->limit, e);
	if (!c)
		c = request_int(r, "after", 0, INT64_MAX / 2, 0, &f->after, e);
	const char *word = request_query(r, "kind");
	enum kind kind;
	if (c || !word || !*word)
		return c;
	if (!kind_parse(word, &kind))
		return err_set(e, INVALID, R_BadRequest, "?kind= is not a kind: \"%.40s\"", word);
	f->kind = kind_info(kind)->singular;
	return OK;
}

static enum err_class resume(struct request *r, struct follow *f, struct err *e)
{
	const char *last = MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, "Last-Event-ID");
	if (!last || !*last)
		return OK;
	if (strlen(last) > 18 || strspn(last, "0123456789") != strlen(last))
		return err_set(e, INVALID, R_BadRequest, "Last-Event-ID must be the number of an event");
	f->after = strtoll(last, NULL, 10);
	return OK;
}

static enum err_class stream_events(struct request *r, const struct follow *asked, struct err *e)
{
	struct stream *s;
	enum err_class c = stream_new(r, &s, e);
	if (c)
		return c;
	struct follow *f = arena_alloc(&s->arena, sizeof *f);
	f->project = arena_strdup(&s->arena, asked->project);
	f->kind = asked->kind;
	f->name = arena_strdup(&s->arena, asked->name);
	f->limit = asked->limit;
	f->after = asked->after;
	s->state = f;
	s->poll = poll_events;
	stream_reply(r, s);
	return OK;
}

enum err_class get_events(struct request *r, struct err *e)
{
	struct follow *f = arena_alloc(&r->arena, sizeof *f);
	struct store *s;
	enum err_class c = parse_filters(r, f, e);
	bool stream = request_accepts_events(r);
	if (!c && stream)
		c = resume(r, f, e);
	if (c)
		return c;
	if (stream)
		return stream_events(r, f, e);
	json_t *j;
	c = request_store(r, &s, e);
	if (!c)
		c = read_events(s, f, f->limit, &r->arena, &j, e);
	if (!c)
		reply_json(r, 200, j);
	return c;
}
