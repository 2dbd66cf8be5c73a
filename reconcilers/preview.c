#include "reconcilers/preview.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "reconcilers/function/function.h"
#include "reconcilers/target/target.h"

static void add_sentences(const struct plan *plan, struct arena *a, json_t *out)
{
	for (size_t i = 0; i < plan->nsteps; i++)
		(void)json_array_append_new(out, json_string(step_sentence(&plan->steps[i], a))); /* fails only out of memory */
}

static bool makes_version(const struct plan *plan)
{
	for (size_t i = 0; i < plan->nsteps; i++)
		if (plan->steps[i].kind == STEP_NEW_VERSION)
			return true;
	return false;
}

static enum err_class preview_target(struct pass *p, const char *environment, json_t *out, struct err *e)
{
	p->key.kind = "target";
	p->key.environment = environment;
	void *world = NULL;
	enum err_class c = target_observe(p, &world, e);
	if (c)
		return c;
	struct plan plan;
	target_plan(world, clock_wall_ms(), p->arena, &plan);
	add_sentences(&plan, p->arena, out);
	return OK;
}

/* A new version is foretold by where it will serve; without one the targets' own plans say what changes. */
static enum err_class preview_function(struct pass *p, json_t *out, struct err *e)
{
	void *world = NULL;
	enum err_class c = function_observe(p, &world, e);
	if (c)
		return c;
	const struct function_world *w = world;
	struct plan plan;
	function_plan(w, clock_wall_ms(), p->arena, &plan);
	add_sentences(&plan, p->arena, out);
	bool fresh = makes_version(&plan);
	for (size_t i = 0; !c && i < w->ntargets; i++) {
		const struct function_target *t = &w->targets[i];
		if (!fresh)
			c = preview_target(p, t->environment, out, e);
		else if (strcmp(t->declared, "follow") == 0)
			(void)json_array_append_new(out, json_sprintf("serve version %lld in %s", (long long)w->next_version, t->environment));
	}
	return c;
}

enum err_class reconcilers_preview(struct pass *p, const struct manifest *const *docs, size_t n, json_t **ret, struct err *e)
{
	AUTO_JSON json_t *all = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *sentences = json_array();
		(void)json_array_append_new(all, sentences);
		if (docs[i]->kind != KIND_FUNCTION)
			continue;
		p->key = (struct key_parts){"function", docs[i]->project, docs[i]->name, NULL};
		enum err_class c = preview_function(p, sentences, e);
		if (c)
			return c;
	}
	*ret = json_incref(all);
	return OK;
}
