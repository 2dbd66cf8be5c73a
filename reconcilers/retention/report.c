#include "reconcilers/retention/report.h"

#include "base/clock.h"
#include "reconcilers/collection/sweeps.h"

static json_t *swept_json(const struct swept *s) { return json_pack("{s:I, s:I}", "count", (json_int_t)s->count, "bytes", (json_int_t)s->bytes); }

static enum err_class add_places(struct store *s, const struct conf *conf, struct arena *a, json_t *totals, struct err *e)
{
	const struct cache cache = {conf_path(conf, a, "cache")};
	struct marks m;
	struct swept blobs, uploads;
	enum err_class c = marks_load(s, &cache, a, &m, e);
	if (!c)
		c = cache_sweep(&cache, &m, clock_wall_ms() - conf->collect_grace_ms, true, &blobs, e);
	if (!c)
		c = uploads_sweep(s, conf_path(conf, a, "uploads"), a, true, &uploads, e);
	if (c)
		return c;
	json_object_set_new(totals, "cache", swept_json(&blobs));
	json_object_set_new(totals, "uploads", swept_json(&uploads));
	return OK;
}

static void add_frees(json_t *items, const json_t *frees)
{
	size_t i;
	json_t *item;
	json_array_foreach(items, i, item)
		json_object_set_new(item, "frees", json_integer(json_int_or(frees, json_str_or(item, "id", ""), 0)));
}

static enum err_class add_first_page(struct store *s, const struct conf *conf, const struct report_request *q, struct arena *a, json_t *report,
				     const json_t *bytes, struct err *e)
{
	json_t *collections = NULL, *totals = json_deep_copy(json_object_get(bytes, "totals"));
	json_object_set_new(report, "totals", totals);
	enum err_class c = q->project || q->function ? OK : add_places(s, conf, a, totals, e);
	if (!c)
		c = collections_read(s, &collections, e);
	if (!c)
		json_object_set_new(report, "collections", collections);
	return c;
}

enum err_class retention_report(struct store *s, const struct conf *conf, const struct report_request *q, struct arena *a, json_t **ret, struct err *e)
{
	AUTO_JSON json_t *bytes = NULL;
	AUTO_JSON json_t *report = NULL;
	enum err_class c = fates_read(s, q->project, q->function, q->cursor, q->limit, &report, e);
	if (!c)
		c = frees_read(s, q->project, q->function, json_object_get(report, "items"), !q->cursor, &bytes, e);
	if (c)
		return c;
	add_frees(json_object_get(report, "items"), json_object_get(bytes, "frees"));
	c = q->cursor ? OK : add_first_page(s, conf, q, a, report, bytes, e);
	if (!c)
		*ret = json_incref(report);
	return c;
}
