#include "reconcilers/function/deploy.h"

#include <string.h>

#include "base/names.h"
#include "reconcilers/function/number.h"
#include "reconcilers/target/rollback.h"

/* One request: what it declares, the version it takes, and how that comes to serve. */
struct deploying {
	struct store *s;
	const struct deploy_request *r;
	struct arena *a;
	const char *environment;
	struct manifest_row before; /* as it was declared */
	struct manifest m;          /* as it is declared now */
	struct applied applied;
	struct function_row f;
	struct runtime_given runtime;
	struct binding *bindings;   /* everywhere it serves, or should */
	size_t nbindings;
	bool moves_by_itself;       /* what is declared there says: this version */
	struct target_row target;
	char id[UUID_TEXT];
	int64_t version;
	json_t *released;           /* the hold that ended, in the arena, or NULL */
};

/* ---- what is declared ---- */

static enum err_class find_environment(struct deploying *k, struct err *e)
{
	struct err why = ERR_INIT;
	enum err_class c = environment_or_default(k->s, k->r->project, k->r->environment, k->a, &k->environment, &why);
	if (c == INVALID)
		return err_set(e, INVALID, R_InvalidReference, "%s: apply one, or name another with -e", why.msg);
	if (c)
		*e = why;
	return c;
}

static enum err_class read_declared(struct deploying *k, struct err *e)
{
	const struct deploy_request *r = k->r;
	enum err_class c = manifest_load(k->s, KIND_FUNCTION, r->project, r->function, k->a, &k->before, e);
	if (!c)
		c = function_load_locked(k->s, r->project, r->function, k->a, &k->f, e);
	if (c)
		return c;
	if (k->before.found && k->before.deleting)
		return err_set(e, CONFLICT, R_Deleting, "function/%s is being removed; try again in a moment", r->function);
	if (!k->before.found && !r->manifest)
		return err_set(e, INVALID, R_NotFound, "there is no function \"%s\" in project \"%s\": deploy it with its manifest first", r->function, r->project);
	k->m = r->manifest ? *r->manifest : k->before.m;
	if (r->source_digest)
		k->m.spec.function.source_digest = r->source_digest;
	return OK;
}

/* A source that was admitted once may be built again. The version that has it is held until this one is numbered: from then on its archive stays for it. */
static enum err_class check_source(struct deploying *k, struct err *e)
{
	const char *digest = k->m.spec.function.source_digest, *known = k->before.found ? k->before.m.spec.function.source_digest : NULL;
	struct deployment_row earlier;
	bool found = k->r->uploaded || (digest && known && strcmp(digest, known) == 0);
	enum err_class c = OK;
	if (!found && digest && k->f.found)
		c = deployment_of_source_locked(k->s, k->f.id, digest, k->a, &earlier, &found, e);
	if (c || found)
		return c;
	return err_set(e, INVALID, R_SourceMissing, "the source %.71s was not uploaded", digest ? digest : "of the manifest");
}

static bool changes_nothing(const struct deploying *k)
{
	const char *known = k->before.found ? k->before.m.spec.function.source_digest : NULL;
	return !k->r->manifest && known && strcmp(known, k->m.spec.function.source_digest) == 0;
}

static enum err_class declare(struct deploying *k, struct err *e)
{
	const struct deploy_request *r = k->r;
	const struct apply_opts o = {.owner = r->manifest ? "manifest" : "api", .actor = r->actor, .force = r->force};
	k->applied = (struct applied){.change = APPLY_UNCHANGED, .generation = k->before.generation};
	enum err_class c = changes_nothing(k) ? OK : manifest_apply(k->s, &k->m, &o, &k->applied, e);
	if (!c)
		c = manifest_check_references(k->s, &k->m, e);
	if (!c)
		c = function_load_locked(k->s, r->project, r->function, k->a, &k->f, e);
	if (!c && !k->f.found)
		c = err_set(e, CONFLICT, R_DatabaseConflict, "the function went away");
	return c;
}

/* ---- where it is to serve ---- */

static const struct binding *binding_there(const struct deploying *k)
{
	for (size_t i = 0; i < k->nbindings; i++)
		if (strcmp(k->bindings[i].environment, k->environment) == 0)
			return &k->bindings[i];
	return NULL;
}

static enum err_class check_pin(struct deploying *k, struct err *e)
{
	struct manifest_row pin;
	enum err_class c = pin_for_target(k->s, k->r->project, k->r->function, k->environment, k->a, &pin, e);
	if (c || !pin.found)
		return c;
	const struct pin_spec *p = &pin.m.spec.pin;
	k->moves_by_itself = p->to == PIN_LATEST || (p->to == PIN_NUMBER && p->number == k->f.next_version);
	if (k->moves_by_itself)
		return OK;
	return err_set(e, INVALID, R_Pinned, "%s is pinned to %s in %s by pin/%s (%s): change the pin, which force does not move, or name another environment",
		       k->r->function, p->word, k->environment, pin.m.name, pin.source);
}

static enum err_class find_binding(struct deploying *k, struct err *e)
{
	enum err_class c = bindings_load(k->s, k->r->project, k->r->function, k->f.id, k->a, &k->bindings, &k->nbindings, e);
	if (!c)
		c = target_load(k->s, k->f.id, k->environment, k->a, &k->target, e);
	if (c)
		return c;
	const struct binding *there = binding_there(k);
	if (there && strcmp(there->declared, "pin") == 0)
		return check_pin(k, e);
	k->moves_by_itself = there && strcmp(there->declared, "follow") == 0;
	return OK;
}

/* ---- the version ---- */

static enum err_class number(struct deploying *k, struct err *e)
{
	const struct numbering n = {
		.function_id = k->f.id, .project = k->r->project, .name = k->r->function, .spec = &k->m.spec.function, .runtime = &k->runtime,
		.created_by = k->r->actor, .source_kind = "api", .note = k->r->note, .expected = k->f.next_version,
	};
	enum err_class c = runtime_find(k->s, k->r->project, k->m.spec.function.runtime, k->a, &k->runtime, e);
	if (!c && !k->runtime.found)
		c = err_set(e, CONFLICT, R_DatabaseConflict, "the runtime went away");
	return c ? c : version_take(k->s, &n, k->id, &k->version, e);
}

/* Until the target's own pass says more; what it said of the version before is not about this one. */
static enum err_class want_version(struct deploying *k, struct err *e)
{
	const char *message = arena_printf(k->a, "version %lld is being built", (long long)k->version);
	enum err_class c = target_want(k->s, k->f.id, k->r->project, k->r->function, k->environment, "explicit", k->version, e);
	return c ? c : target_set_status(k->s, k->f.id, k->environment, reason_token(R_Building), message, &k->target.seen, e);
}

/* ---- how it is told ---- */

static enum err_class tell(struct deploying *k, enum reason reason, const char *operation, const char *message, struct err *e)
{
	const struct event ev = {.kind = "function", .project = k->r->project, .name = k->r->function, .environment = k->environment,
				 .reason = reason_token(reason), .message = message};
	enum err_class c = function_log_add(k->s, k->f.id, k->id, k->environment, k->r->actor, operation, message, e);
	return c ? c : event_add(k->s, &ev, e);
}

static enum err_class lift_hold(struct deploying *k, struct err *e)
{
	const struct hold_row *h = &k->target.hold;
	struct release_row held;
	bool was = false;
	if (!k->target.found || !*h->id)
		return OK;
	enum err_class c = release_load(k->s, h->release, k->a, &held, e);
	if (!c)
		c = hold_lift(k->s, k->f.id, k->environment, k->r->actor, &was, e);
	if (c)
		return c;
	k->released = json_in_arena(json_pack("{s:I, s:s, s:s}", "version", (json_int_t)held.version, "actor", h->actor, "note", h->note), k->a);
	const char *message = arena_printf(k->a, "version %lld ends the hold of version %lld in %s", (long long)k->version, (long long)held.version,
					   k->environment);
	return tell(k, R_Held, "release-hold", message, e);
}

static enum err_class look_at(struct deploying *k, const char *kind, const char *environment, struct err *e)
{
	struct key key = key_make(kind, k->r->project, k->r->function, environment);
	return work_enqueue(k->s, key.text, e);
}

/* Other environments that follow move as well. */
static enum err_class wake(struct deploying *k, struct err *e)
{
	enum err_class c = look_at(k, "function", NULL, e);
	if (!c)
		c = look_at(k, "target", k->environment, e);
	for (size_t i = 0; !c && i < k->nbindings; i++)
		c = look_at(k, "target", k->bindings[i].environment, e);
	return c;
}

static enum err_class record(struct deploying *k, struct err *e)
{
	const char *note = k->r->note ? k->r->note : "";
	const char *message = arena_printf(k->a, "version %lld by %s%s%s", (long long)k->version, k->r->actor, *note ? ": " : "", note);
	enum err_class c = lift_hold(k, e);
	if (!c && !k->moves_by_itself)
		c = want_version(k, e);
	if (!c)
		c = tell(k, R_Building, "deploy", message, e);
	if (!c)
		c = function_mirror(k->s, k->f.id, e);
	return c ? c : wake(k, e);
}

static json_t *answer_json(const struct deploying *k)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:I, s:b, s:O?}", "project", k->r->project, "function", k->r->function, "id", k->f.id, "version",
			 (json_int_t)k->version, "deploymentId", k->id, "environment", k->environment, "generation", (json_int_t)k->applied.generation, "created",
			 k->applied.change == APPLY_CREATED, "released", k->released);
}

enum err_class deploy_request(struct store *s, const struct deploy_request *r, struct arena *a, json_t **ret, struct err *e)
{
	struct deploying k = {.s = s, .r = r, .a = a};
	enum err_class c = admission_begin(s, e); /* before the function's row, as an apply has it */
	if (!c)
		c = find_environment(&k, e);
	if (!c)
		c = read_declared(&k, e);
	if (!c)
		c = check_source(&k, e);
	if (!c)
		c = declare(&k, e);
	if (!c)
		c = find_binding(&k, e);
	if (!c)
		c = number(&k, e);
	if (!c)
		c = record(&k, e);
	if (!c)
		*ret = answer_json(&k);
	return c;
}
