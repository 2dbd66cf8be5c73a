#include "reconcilers/target/rollback.h"
#include "reconcilers/target/target.h"

static enum err_class look(struct pass *p, const struct held_target *t, json_t *to, struct err *e)
{
	struct target_world *w;
	p->key.environment = t->environment;
	enum err_class c = target_desired(p, &w, e);
	if (!c && w->held && !w->lifts)
		json_array_append_new(to, json_pack("{s:s, s:s, s:I, s:s, s:s}", "function", p->key.name, "environment", t->environment, "version",
						    (json_int_t)w->wanted.version, "actor", t->actor, "note", t->note));
	return c;
}

enum err_class holds_now(struct store *s, const struct conf *conf, const char *project, const char *function, struct arena *a, json_t **ret, struct err *e)
{
	struct pass p = {.conf = conf, .store = s, .arena = a, .key = {"target", project, function, NULL}};
	struct held_target *targets;
	size_t n;
	AUTO_JSON json_t *all = json_array();
	enum err_class c = held_targets(s, project, function, a, &targets, &n, e);
	for (size_t i = 0; !c && i < n; i++)
		c = look(&p, &targets[i], all, e);
	if (!c)
		*ret = json_incref(all);
	return c;
}
