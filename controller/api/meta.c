#include "api/handlers.h"
#include "base/utf8.h"

enum err_class get_healthz(struct request *r, struct err *e)
{
	(void)e; /* to answer is to be healthy */
	reply_text(r, 200, "ok\n");
	return OK;
}

enum err_class get_readyz(struct request *r, struct err *e)
{
	struct store *s;
	int64_t due;
	enum err_class c = request_store(r, &s, e);
	if (!c)
		c = work_next_due(s, &due, e);
	if (!c && r->api->o.ready)
		c = r->api->o.ready(r->api->o.ready_ctx, e);
	if (c == OK)
		reply_text(r, 200, "ok\n");
	else if (c != TRANSIENT) /* not ready is 503 whatever the class; the message keeps the cause */
		e->class = TRANSIENT;
	return c;
}

enum err_class get_version(struct request *r, struct err *e)
{
	(void)e; /* all of it is known */
	const struct conf *conf = r->api->o.conf;
	json_t *j = json_object();
	json_object_set_new(j, "version", json_string(r->api->o.version));
	json_object_set_new(j, "apiVersion", json_string(API_VERSION));
	json_object_set_new(j, "gateway", json_string(arena_printf(&r->arena, "http://%s:%d", conf->listen, conf->gateway_port)));
	json_object_set_new(j, "domain", json_clean(conf->domain));
	json_object_set_new(j, "instance", json_clean(conf->instance));
	reply_json(r, 200, j);
	return OK;
}
