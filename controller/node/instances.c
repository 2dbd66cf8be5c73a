#include "node/instance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/utf8.h"
#include "node/logs.h"

struct instances *instances_new(const struct instances_deps *d, instances_changed_fn *changed, void *ctx)
{
	struct instances *s = xcalloc(1, sizeof *s);
	*s = (struct instances){.d = *d, .changed = changed, .ctx = ctx};
	return s;
}

static void free_instance(struct instance *i)
{
	struct loop *l = i->set->d.loop;
	layers_forget(i->set->d.layers, i->layers_ticket);
	runtime_detach(i->starting);
	instance_end_probes(i);
	loop_cancel(l, i->wait_timer);
	loop_cancel(l, i->kill_timer);
	loop_cancel(l, i->drain_timer);
	loop_cancel(l, i->exit_timer);
	for (int k = 0; k < 2; k++) {
		int fd = k ? i->conmon_pidfd : i->pidfd;
		if (fd >= 0) {
			loop_unwatch(l, fd);
			(void)close(fd);
		}
	}
	json_decref(i->request);
	free(i->key);
	free(i->bundle);
	free(i->log_dir);
	free(i->log);
	free(i->message);
	arena_release(&i->arena);
	free(i);
}

void instances_free(struct instances *s)
{
	if (!s)
		return;
	for (struct instance *i = s->all, *next; i; i = next) {
		next = i->next;
		free_instance(i);
	}
	for (struct held *h = s->held, *next; h; h = next) {
		next = h->next;
		free(h->name);
		free(h);
	}
	free(s);
}

struct instance *instances_find(const struct instances *s, const char *name)
{
	for (struct instance *i = s->all; i; i = i->next)
		if (strcmp(i->spec.name, name) == 0)
			return i;
	return NULL;
}

size_t instances_count(const struct instances *s)
{
	size_t n = 0;
	for (const struct instance *i = s->all; i; i = i->next)
		n++;
	return n;
}

/* State, as the protocol names it. */

const char *instance_state(const struct instance *i)
{
	if (i->stopping)
		return "stopping";
	if (i->phase == P_FAILED || i->verdict_failed)
		return "failed";
	if (i->unhealthy || (i->phase == P_ENDING && i->was_ready)) /* why it ended is not known yet */
		return "unhealthy";
	if (i->was_ready && (i->phase == P_WAITING || i->phase == P_CLEANING))
		return "backoff";
	return i->ready ? "ready" : "starting";
}

void instance_note(struct instance *i)
{
	i->since_ms = clock_wall_ms();
	instance_store(i);
	i->set->changed(i->set->ctx, i->key, i->spec.name, instance_state(i));
}

void instance_set_error(struct instance *i, const struct err *e, bool with_log)
{
	AUTO_FREE char *words = with_log ? logs_last_words(i->log, LAST_LINES, LAST_BYTES) : xstrdup("");
	free(i->message);
	i->message = xprintf("%s%s%s", e->msg, *words ? "; last lines: " : "", words);
	(void)snprintf(i->reason, sizeof i->reason, "%s", e->reason);
}

static json_t *describe(const struct instance *i)
{
	AUTO_FREE char *address = xprintf("%s:%d", i->ip, i->spec.port);
	json_t *j = json_pack("{s:s,s:s,s:s,s:s,s:s,s:i,s:i,s:s,s:I}", "name", i->spec.name, "key", i->key, "release", i->spec.release,
			      "state", instance_state(i), "address", address, "restarts", i->restarts, "exit_code", i->exit_code,
			      "reason", i->reason, "since_ms", (json_int_t)i->since_ms);
	(void)json_object_set_new(j, "message", json_clean(i->message ? i->message : ""));
	return j;
}

json_t *instances_list(const struct instances *s, const char *key)
{
	json_t *out = json_array();
	for (const struct instance *i = s->all; i; i = i->next)
		if (!key || strcmp(key, i->key) == 0)
			(void)json_array_append_new(out, describe(i));
	return out;
}

const char *instances_address(const struct instances *s, const char *name, struct arena *a)
{
	const struct instance *i = instances_find(s, name);
	if (!i || i->stopping)
		return NULL;
	return arena_printf(a, "%s:%d", i->ip, i->spec.port);
}

/* Slots. One that a route points to stays taken when its instance goes: another instance under that address would be given the
 * route's requests. */

struct sought {
	const char *ip;
	bool found;
};

static void compare_member(void *ctx, const char *name, const char *address)
{
	struct sought *s = ctx;
	size_t n = strlen(s->ip);
	(void)name;
	s->found = s->found || (strncmp(address, s->ip, n) == 0 && address[n] == ':');
}

static bool routed(struct instances *s, const char *ip)
{
	struct sought sought = {ip, false};
	gateway_each_member(s->d.gateway, compare_member, &sought);
	return sought.found;
}

static void hold(struct instances *s, const char *name, int slot)
{
	struct held *h = xcalloc(1, sizeof *h);
	*h = (struct held){s->held, xstrdup(name), slot};
	s->held = h;
}

void instances_routes_changed(struct instances *s)
{
	for (struct held **at = &s->held; *at;) {
		struct held *h = *at;
		char ip[16];
		network_address(s->d.network, h->slot, ip);
		if (routed(s, ip)) {
			at = &h->next;
			continue;
		}
		network_release_slot(s->d.network, h->slot);
		*at = h->next;
		free(h->name);
		free(h);
	}
}

/* The slot that an instance of this name had, if a route still holds it. */
static int held_slot(struct instances *s, const char *name)
{
	for (struct held **at = &s->held; *at; at = &(*at)->next)
		if (strcmp((*at)->name, name) == 0) {
			struct held *h = *at;
			int slot = h->slot;
			*at = h->next;
			free(h->name);
			free(h);
			return slot;
		}
	return 0;
}

static int slot_of_address(const struct instances *s, const char *address)
{
	unsigned a, b, c, d, na, nb;
	if (sscanf(address, "%u.%u.%u.%u:", &a, &b, &c, &d) != 4 || c > 255 || d > 255 ||
	    sscanf(s->d.conf->subnet, "%u.%u.", &na, &nb) != 2 || a != na || b != nb)
		return 0;
	return (int)(c * 256 + d);
}

static void hold_member(void *ctx, const char *name, const char *address)
{
	struct instances *s = ctx;
	int slot = slot_of_address(s, address);
	bool known = slot < 1 || instances_find(s, name);
	for (const struct held *h = s->held; h && !known; h = h->next)
		known = h->slot == slot;
	for (const struct instance *in = s->all; in && !known; in = in->next)
		known = in->slot == slot;
	if (known)
		return;
	network_hold_slot(s->d.network, slot);
	hold(s, name, slot);
}

/* At start: addresses in routes whose instances are not here (the machine was restarted) are kept for them. */
static void hold_routed(struct instances *s) { gateway_each_member(s->d.gateway, hold_member, s); }

/* Adding and forgetting. */

struct instance *instances_add(struct instances *s, const char *key, const json_t *request, const struct node_spec *spec,
			       struct arena *a)
{
	struct instance *i = xcalloc(1, sizeof *i);
	*i = (struct instance){.set = s, .next = s->all, .arena = *a, .spec = *spec, .request = json_deep_copy(request), .pidfd = -1,
			       .conmon_pidfd = -1, .since_ms = clock_wall_ms(), .backoff_ms = BACKOFF_FIRST_MS};
	*a = (struct arena)ARENA_INIT;
	i->key = xstrdup(key);
	i->bundle = xprintf("%s/%s", s->d.bundles, spec->name);
	i->log_dir = xprintf("%s/%s", s->d.logs, spec->name);
	i->log = xprintf("%s/log", i->log_dir);
	s->all = i;
	return i;
}

void instance_forget(struct instance *i)
{
	struct instances *s = i->set;
	AUTO_FREE char *state = xprintf("%s/%s.json", s->d.states, i->spec.name);
	(void)unlink(state); /* on the tmpfs; an old one would only be cleaned at the next start */
	err_ignore(fs_remove_tree(i->bundle, NULL)); /* likewise */
	if (i->slot && routed(s, i->ip))
		hold(s, i->spec.name, i->slot);
	else if (i->slot)
		network_release_slot(s->d.network, i->slot);
	struct instance **at = &s->all;
	while (*at != i)
		at = &(*at)->next;
	*at = i->next;
	s->changed(s->ctx, i->key, i->spec.name, "gone");
	free_instance(i);
}

static bool environment_used(void *ctx, const char *environment)
{
	const struct instances *s = ctx;
	for (const struct instance *i = s->all; i; i = i->next)
		if (strcmp(i->spec.environment, environment) == 0)
			return true;
	return false;
}

static enum err_class take_identity(struct instances *s, const struct node_spec *spec, int *slot, uid_t *uid, struct err *e)
{
	*slot = held_slot(s, spec->name);
	enum err_class c = *slot ? OK : network_take_slot(s->d.network, slot, e);
	if (c)
		return c;
	c = environments_uid(s->d.environments, spec->environment, *slot, environment_used, s, uid, e);
	if (c)
		network_release_slot(s->d.network, *slot);
	return c;
}

enum err_class instances_ensure(struct instances *s, const char *key, const json_t *request, const char **ret_state, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct node_spec spec;
	enum err_class c = node_spec_parse(request, &a, &spec, e);
	if (c)
		return c;
	struct instance *i = instances_find(s, spec.name);
	if (i && i->stopping)
		return err_set(e, CONFLICT, R_BadRequest, "%s is being stopped", spec.name);
	if (i && (strcmp(i->key, key) != 0 || !digest_eq(&i->spec.digest, &spec.digest)))
		return err_set(e, CONFLICT, R_BadRequest, "%s is there with another spec", spec.name);
	if (!i) {
		int slot;
		uid_t uid;
		c = take_identity(s, &spec, &slot, &uid, e);
		if (c)
			return c;
		i = instances_add(s, key, request, &spec, &a);
		i->slot = slot;
		i->uid = uid;
		network_address(s->d.network, slot, i->ip);
		instance_begin(i);
	}
	*ret_state = instance_state(i);
	return OK;
}

enum err_class instances_stop(struct instances *s, const char *key, const char *name, int64_t drain_ms, struct err *e)
{
	struct instance *i = instances_find(s, name);
	if (i && strcmp(i->key, key) != 0)
		return err_set(e, CONFLICT, R_BadRequest, "%s belongs to another key", name);
	if (i && !i->stopping)
		instance_begin_stop(i, drain_ms);
	return OK;
}

/* Tidying. */

static bool log_used(void *ctx, const char *name) { return instances_find(ctx, name) != NULL; }

static bool layer_used(void *ctx, const char *hex)
{
	const struct instances *s = ctx;
	for (const struct instance *i = s->all; i; i = i->next) {
		if (i->layers_unknown)
			return true;
		for (size_t k = 0; k < i->image.nlayers; k++) {
			char own[DIGEST_HEX];
			if (strcmp(digest_hex(&i->image.layers[k].diff_id, own), hex) == 0)
				return true;
		}
	}
	return false;
}

struct keep {
	struct instances *set;
	const struct digest *sorted;
	size_t n;
};

static int digest_order(const void *a, const void *b) { return memcmp(a, b, sizeof(struct digest)); }

static bool layer_kept(void *ctx, const char *hex)
{
	const struct keep *keep = ctx;
	struct digest d;
	AUTO_FREE char *text = xprintf("sha256:%s", hex);
	if (!digest_parse(text, &d) || (keep->n && bsearch(&d, keep->sorted, keep->n, sizeof d, digest_order)))
		return true;
	return layer_used(keep->set, hex);
}

struct layers_freed instances_collect_layers(struct instances *s, struct digest *keep, size_t n)
{
	struct keep k = {s, keep, n};
	if (n)
		qsort(keep, n, sizeof *keep, digest_order);
	return layers_collect(s->d.layers, layer_kept, &k);
}

void instances_tidy(struct instances *s)
{
	logs_prune(s->d.logs, LOG_KEEP, log_used, s);
	layers_prune(s->d.layers, KEEP_LAYERS, layer_used, s);
}

void instances_on_exit(void *instances, const char *name, int status)
{
	struct instance *i = instances_find(instances, name);
	(void)status; /* read again where it is needed */
	if (i && i->exit_timer)
		instance_on_process_end(i);
}


void instances_adopt(struct instances *s)
{
	instance_adopt_all(s);
	hold_routed(s);
}
