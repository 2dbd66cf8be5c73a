/* A target's route: its hosts lead to one release, and each release that is ready has hosts of its own. */
#include "reconcilers/target/planning.h"

const struct instance *find_instance(const struct target_world *w, const char *name)
{
	for (size_t i = 0; i < w->nseen; i++)
		if (strcmp(w->seen[i].name, name) == 0)
			return &w->seen[i];
	return NULL;
}

/* Those in one of the states that may get requests; *ret_ready counts the ready ones, which come first in the list of theirs. */
static const char **names_of(const struct planning *k, const struct target_release *r, bool only_ready, size_t *ret_n)
{
	const char **names = name_list(k->a, (size_t)k->w->instances);
	*ret_n = 0;
	for (int64_t slot = 0; slot < k->w->instances; slot++) {
		const struct instance *i = find_instance(k->w, instance_name(k->a, r->id, slot));
		if (!i || i->state == INST_STOPPING || i->state == INST_FAILED || i->state == INST_GONE || (only_ready && i->state != INST_READY))
			continue;
		names[(*ret_n)++] = i->name;
	}
	return names;
}

const char *const *route_names(const struct planning *k, const struct target_release *r)
{
	size_t nready, nall;
	const char **ready = names_of(k, r, true, &nready);
	return nready ? ready : names_of(k, r, false, &nall);
}

static bool same_list(const char *const *a, const char *const *b)
{
	for (; *a && *b; a++, b++)
		if (strcmp(*a, *b) != 0)
			return false;
	return !*a && !*b;
}

/* ---- releases at their own hosts ---- */

struct own_routes {
	struct route_beside *items;
	size_t n, cap;
	int64_t *versions; /* parallel to items: whose version's host is taken */
};

/* The version's host leads to its newest release; releases are added the newest number first. */
static void add_own(struct planning *k, struct own_routes *own, const struct target_release *r)
{
	size_t ready;
	const char **names = names_of(k, r, true, &ready);
	if (ready == 0)
		return;
	bool taken = false;
	for (size_t i = 0; i < own->n; i++)
		taken = taken || own->versions[i] == r->version;
	const char **hosts = name_list(k->a, 2);
	hosts[0] = r->release_host;
	hosts[1] = taken ? NULL : r->version_host;
	own->versions[own->n] = r->version;
	own->items[own->n++] = (struct route_beside){.release = r->id, .hosts = hosts, .instances = names, .timeout_ms = r->timeout_ms};
}

static void add_candidate(const struct target_release **list, size_t *n, const struct target_release *r)
{
	if (!r->id)
		return;
	for (size_t i = 0; i < *n; i++)
		if (same_id(list[i]->id, r->id))
			return;
	size_t at = (*n)++;
	for (; at > 0 && list[at - 1]->n < r->n; at--)
		list[at] = list[at - 1];
	list[at] = r;
}

/* All of it, so that its host appears once and not with each instance. */
static bool wanted_is_ready(const struct planning *k)
{
	const struct target_world *w = k->w;
	size_t ready;
	if (!w->wanted.id || same_id(w->failed, w->wanted.id))
		return false;
	(void)names_of(k, &w->wanted, true, &ready);
	return ready == (size_t)w->instances;
}

/* What is wanted, what serves, and what is or will be warm once the hosts lead to main. */
static struct own_routes own_routes(struct planning *k, const struct target_release *main)
{
	const struct target_world *w = k->w;
	const struct target_release **list = arena_array(k->a, w->nwarm + 3, sizeof(struct target_release *));
	size_t n = 0;
	bool moves = main && w->routed.id && !same_id(main->id, w->routed.id);
	size_t warm = (size_t)w->warm_limit;
	if (wanted_is_ready(k))
		add_candidate(list, &n, &w->wanted);
	if (main)
		add_candidate(list, &n, main);
	if (!moves || warm > 0)
		add_candidate(list, &n, &w->routed);
	if (moves && warm > 0)
		warm--;
	for (size_t i = 0; i < w->nwarm && i < warm; i++)
		if (k->now < w->warm[i].warm_until_ms)
			add_candidate(list, &n, &w->warm[i]);
	struct own_routes own = {
		.items = arena_array(k->a, n, sizeof *own.items),
		.versions = arena_array(k->a, n, sizeof *own.versions),
	};
	for (size_t i = 0; i < n; i++)
		add_own(k, &own, list[i]);
	return own;
}

static bool same_own(const struct route *have, const struct own_routes *own)
{
	if (!have || have->nbeside != own->n)
		return false;
	for (size_t i = 0; i < own->n; i++) {
		const struct route_beside *a = &have->beside[i], *b = &own->items[i];
		if (!same_id(a->release, b->release) || a->timeout_ms != b->timeout_ms || !same_list(a->hosts, b->hosts) ||
		    !same_list(a->instances, b->instances))
			return false;
	}
	return true;
}

/* ---- all of it ---- */

static bool leads_to(const struct target_world *w, const struct target_release *r, const char *const *names)
{
	const struct route *have = w->route;
	if (!r)
		return !have || !*have->hosts;
	return have && have->loaded && same_id(have->release, r->id) && have->timeout_ms == r->timeout_ms && same_list(have->instances, names) &&
	       same_list(have->hosts, w->hosts);
}

void add_route(struct planning *k, const struct target_release *r)
{
	const char *const *names = r ? route_names(k, r) : name_list(k->a, 0);
	struct own_routes own = own_routes(k, r);
	bool leads = leads_to(k->w, r, names);
	if (leads && (same_own(k->w->route, &own) || (!k->w->route && own.n == 0)))
		return;
	struct step *s = leads ? plan_add(k->p, k->a, STEP_ROUTE_OWN, k->w->subject, (int64_t)own.n)
			       : plan_add(k->p, k->a, STEP_ROUTE, k->w->subject, r ? r->version : 0);
	s->id = r ? r->id : NULL;
	s->names = names;
	s->beside = own.items;
	s->nbeside = own.n;
}
