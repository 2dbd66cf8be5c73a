#include "reconcilers/target/rollback.h"

#include <string.h>

#include "reconcilers/reconciler.h"
#include "reconcilers/target/tuple.h"
#include "schema/retention.h"

/* One request: what is there, what it goes back to, and how it is told. */
struct rolling {
	struct store *s;
	const struct rollback_request *r;
	struct arena *a;
	const char *environment, *subject;
	struct function_row f;
	struct manifest_row function;
	const struct environment_spec **chain;
	size_t nchain;
	struct target_row t;
	json_t *config;            /* as it is declared now, whatever the version */
	const char *pin;           /* what a pin says, or NULL */
	int64_t newest;            /* the newest version, where it was built; else 0 */
	bool serves;               /* something is routed: from here */
	struct release_row routed;
	int64_t called_off;        /* a version that is on its way; 0: what is wanted serves */
	bool settled;
	struct release_row to;
	const char *image;         /* where it comes from */
	bool take_back;            /* it was archived, and the registry has its image still */
};

enum err_class environment_or_default(struct store *s, const char *project, const char *environment, struct arena *a, const char **ret, struct err *e)
{
	struct manifest_row row;
	enum err_class c = OK;
	if (!environment) {
		c = manifest_load(s, KIND_PROJECT, project, project, a, &row, e);
		if (!c && !row.found)
			c = err_set(e, INVALID, R_NotFound, "there is no project \"%s\"", project);
		if (c)
			return c;
		environment = row.m.spec.project.default_environment;
	}
	c = manifest_load(s, KIND_ENVIRONMENT, project, environment, a, &row, e);
	if (!c && (!row.found || row.deleting))
		c = err_set(e, INVALID, R_NotFound, "there is no environment \"%s\" in project \"%s\"", environment, project);
	*ret = environment;
	return c;
}

/* ---- what is there ---- */

static enum err_class read_target(struct rolling *k, struct err *e)
{
	const struct rollback_request *r = k->r;
	enum err_class c = environment_or_default(k->s, r->project, r->environment, k->a, &k->environment, e);
	if (!c)
		c = function_load_locked(k->s, r->project, r->function, k->a, &k->f, e);
	if (!c && !k->f.found)
		c = err_set(e, INVALID, R_NotFound, "there is no function \"%s\" in project \"%s\"", r->function, r->project);
	if (!c)
		c = target_load(k->s, k->f.id, k->environment, k->a, &k->t, e);
	if (!c && !k->t.found)
		c = err_set(e, INVALID, R_NotFound, "%s does not run in %s", r->function, k->environment);
	k->subject = arena_printf(k->a, "%s in %s", r->function, k->environment);
	return c;
}

static enum err_class read_config(struct rolling *k, struct err *e)
{
	struct manifest_row *rows;
	struct manifest_row pin;
	enum err_class c = manifest_load(k->s, KIND_FUNCTION, k->r->project, k->r->function, k->a, &k->function, e);
	if (!c && (!k->function.found || k->function.deleting))
		c = err_set(e, CONFLICT, R_Deleting, "%s is being removed", k->r->function);
	if (!c)
		c = environment_chain(k->s, k->r->project, k->environment, k->a, &rows, &k->nchain, e);
	if (!c)
		c = pin_for_target(k->s, k->r->project, k->r->function, k->environment, k->a, &pin, e);
	if (c)
		return c;
	k->pin = pin.found && !pin.deleting ? pin.m.spec.pin.word : NULL;
	k->chain = arena_array(k->a, k->nchain, sizeof *k->chain);
	for (size_t i = 0; i < k->nchain; i++)
		k->chain[i] = &rows[i].m.spec.environment;
	k->config = json_in_arena(tuple_config(&k->function.m.spec.function, k->chain, k->nchain), k->a);
	return OK;
}

static json_t *tuple_today(const struct rolling *k, const char *image)
{
	return json_in_arena(tuple_make(image, &k->function.m.spec.function, k->chain, k->nchain), k->a);
}

/* Whether what serves is what is wanted, down to the variables. */
static enum err_class compare_tuples(struct rolling *k, struct err *e)
{
	const struct hold_row *h = &k->t.hold;
	struct release_row held;
	if (!*h->id) {
		k->settled = json_equal(tuple_today(k, k->routed.image_digest), k->routed.tuple);
		return OK;
	}
	enum err_class c = release_load(k->s, h->release, k->a, &held, e);
	if (!c)
		k->settled = json_equal(json_in_arena(tuple_rebase(held.tuple, h->base, k->config), k->a), k->routed.tuple);
	return c;
}

/* A version that would come by itself: the newest, where it is still being built or could not be. */
static bool comes_by_itself(const struct rolling *k, const struct deployment_row *newest)
{
	bool follows = strcmp(k->t.mode, "follow") == 0 || (k->pin && strcmp(k->pin, "latest") == 0);
	bool unbuilt = strcmp(newest->status, "building") == 0 || strcmp(newest->status, "failed") == 0;
	return follows && unbuilt && newest->version > k->t.hold.floor && newest->version > k->t.want_version;
}

/* What is on its way is called off; a rollback on its way is not, for it is what to walk on from. */
static enum err_class read_rollout(struct rolling *k, struct err *e)
{
	struct deployment_row *newest;
	size_t n;
	enum err_class c = OK;
	k->serves = *k->t.routed;
	if (k->serves)
		c = release_load(k->s, k->t.routed, k->a, &k->routed, e);
	if (!c)
		c = deployments_load(k->s, k->f.id, 1, k->a, &newest, &n, e);
	if (c)
		return c;
	k->newest = n && strcmp(newest->status, "ready") == 0 ? newest->version : 0;
	if (k->t.hold.pending)
		return OK;
	if (n && comes_by_itself(k, newest))
		k->called_off = newest->version;
	else if (k->t.want_version && (!k->serves || k->t.want_version != k->routed.version))
		k->called_off = k->t.want_version;
	else if (k->serves)
		return compare_tuples(k, e);
	return OK;
}

/* ---- what it goes back to ---- */

/* A version that never served here runs with what is declared today. */
static enum err_class mint_version(struct rolling *k, int64_t version, struct err *e)
{
	struct deployment_row d;
	bool found;
	char id[UUID_TEXT];
	int64_t n;
	enum err_class c = deployment_by_version(k->s, k->f.id, version, k->a, &d, &found, e);
	if (c)
		return c;
	if (!found)
		return err_set(e, INVALID, R_NotFound, "%s has no version %lld", k->r->function, (long long)version);
	if (strcmp(d.status, "building") == 0)
		return err_set(e, INVALID, R_Building, "version %lld of %s is still being built", (long long)version, k->r->function);
	if (strcmp(d.status, "failed") == 0)
		return err_set(e, INVALID, R_BuildFailed, "version %lld of %s was not built: %s", (long long)version, k->r->function, d.message);
	c = release_mint(k->s, k->f.id, k->environment, d.id, tuple_today(k, d.image_digest), k->r->actor, id, &n, e);
	return c ? c : release_load(k->s, id, k->a, &k->to, e);
}

static enum err_class choose_version(struct rolling *k, struct err *e)
{
	bool found = false;
	enum err_class c = release_of_version(k->s, k->f.id, k->environment, k->r->version, k->a, &k->to, &found, e);
	if (!c && !found)
		c = mint_version(k, k->r->version, e);
	if (!c && k->serves && k->settled && strcmp(k->to.id, k->routed.id) == 0)
		c = err_set(e, INVALID, R_AlreadyServing, "%s serves version %lld already", k->subject, (long long)k->to.version);
	return c;
}

static enum err_class choose_before(struct rolling *k, struct err *e)
{
	bool found = false;
	if (k->serves && !k->settled && !k->t.hold.pending) {
		k->to = k->routed;
		return OK;
	}
	enum err_class c = release_before(k->s, k->f.id, k->environment, k->t.hold.pending ? k->t.hold.release : k->t.routed, k->a, &k->to, &found, e);
	if (!c && !found)
		c = err_set(e, INVALID, R_NothingBefore, "nothing served %s before version %lld that was not rejected", k->subject,
			    (long long)(k->serves ? k->routed.version : k->t.want_version));
	return c;
}

/* The lock keeps the version from being archived until the hold refers to it. */
static enum err_class find_image(struct rolling *k, struct err *e)
{
	const char *status;
	int64_t running;
	struct deployment_row d;
	enum err_class c = deployment_lock(k->s, k->to.deployment_id, k->a, &status, e);
	if (!c)
		c = deployment_load(k->s, k->to.deployment_id, k->a, &d, e);
	if (!c)
		c = release_runs(k->s, k->to.id, &running, e);
	if (c)
		return c;
	k->take_back = strcmp(status, "archived") == 0 && !d.image_deleted;
	bool archived = strcmp(status, "archived") == 0 && !k->take_back;
	if (archived && !d.s3_key)
		return err_set(e, INVALID, R_ArtifactMissing, "the image and the archive of version %lld of %s were removed", (long long)k->to.version, k->r->function);
	int64_t wanted = k->function.m.spec.function.instances;
	if (k->serves && strcmp(k->to.id, k->routed.id) == 0)
		k->image = "serving";
	else if (wanted > 0 && running >= wanted)
		k->image = "warm";
	else
		k->image = archived ? "archived" : "kept";
	return OK;
}

/* ---- how it is told ---- */

/* Whether there is something to keep out: what is declared anyway needs no hold, and gets none. */
static bool will_hold(const struct rolling *k)
{
	bool latest = k->pin ? strcmp(k->pin, "latest") == 0 : strcmp(k->t.mode, "follow") == 0;
	const char *number = arena_printf(k->a, "%lld", (long long)k->to.version);
	bool meant = latest ? k->to.version == k->newest : k->pin && (strcmp(k->pin, number) == 0 || strcmp(k->pin, k->to.image_digest) == 0);
	return !meant || !json_equal(tuple_today(k, k->to.image_digest), k->to.tuple);
}

static void add_changed(json_t *names, const json_t *from, const json_t *to, bool settings)
{
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)to, key, value) {
		bool setting = strcmp(key, "image") != 0 && strcmp(key, "env") != 0;
		if ((!settings || setting) && !json_equal(value, json_object_get(from, key)))
			(void)json_array_append_new(names, json_string(key)); /* fails only out of memory */
	}
	json_object_foreach((json_t *)(uintptr_t)from, key, value)
		if (!json_object_get(to, key))
			(void)json_array_append_new(names, json_string(key));
}

/* What serves now beside what will. */
static json_t *changes_json(const struct rolling *k)
{
	const json_t *from = k->serves ? k->routed.tuple : NULL, *to = k->to.tuple;
	json_t *env = json_array(), *settings = json_array();
	if (from) {
		add_changed(env, json_object_get(from, "env"), json_object_get(to, "env"), false);
		add_changed(settings, from, to, true);
	}
	bool code = !from || strcmp(json_str_or(from, "image", ""), json_str_or(to, "image", "")) != 0;
	return json_pack("{s:b, s:o, s:o}", "code", code, "env", env, "settings", settings);
}

static void add_step(const struct rolling *k, json_t *steps, enum step_kind kind, int64_t number)
{
	struct step s = {.kind = kind, .subject = k->subject, .number = number};
	(void)json_array_append_new(steps, json_string(step_sentence(&s, k->a))); /* fails only out of memory */
}

static json_t *steps_json(const struct rolling *k)
{
	json_t *steps = json_array();
	bool archived = strcmp(k->image, "archived") == 0, starts = archived || strcmp(k->image, "kept") == 0;
	if (archived)
		add_step(k, steps, STEP_RESTORE_IMAGE, k->to.version);
	for (int64_t slot = 0; starts && slot < k->function.m.spec.function.instances; slot++)
		add_step(k, steps, STEP_START_INSTANCE, slot);
	if (strcmp(k->image, "serving") != 0)
		add_step(k, steps, STEP_ROUTE, k->to.version);
	return steps;
}

static const char *message_of(const struct rolling *k)
{
	long long to = k->to.version;
	if (k->called_off && strcmp(k->image, "serving") == 0)
		return arena_printf(k->a, "version %lld is called off; version %lld goes on serving", (long long)k->called_off, to);
	if (k->called_off)
		return arena_printf(k->a, "version %lld is called off for version %lld", (long long)k->called_off, to);
	if (strcmp(k->image, "serving") == 0)
		return arena_printf(k->a, "the change under way is called off; version %lld goes on serving as it is", to);
	if (k->serves && k->routed.version == k->to.version)
		return arena_printf(k->a, "back to version %lld as it was configured in release %lld", to, (long long)k->to.n);
	if (!k->serves)
		return arena_printf(k->a, "back to version %lld", to);
	return arena_printf(k->a, "%sfrom version %lld to version %lld", to < k->routed.version ? "back " : "", (long long)k->routed.version, to);
}

static json_t *answer_json(const struct rolling *k, const char *id, const char *message)
{
	json_t *from = json_null();
	if (k->called_off)
		from = json_pack("{s:I, s:n}", "version", (json_int_t)k->called_off, "release");
	else if (k->serves)
		from = json_pack("{s:I, s:I}", "version", (json_int_t)k->routed.version, "release", (json_int_t)k->routed.n);
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:{s:I, s:I}, s:s, s:b, s:I, s:o, s:o, s:s}", "id", id, "project", k->r->project, "function", k->r->function,
			 "environment", k->environment, "from", from, "to", "version", (json_int_t)k->to.version, "release", (json_int_t)k->to.n, "image",
			 k->image, "holds", will_hold(k), "floor", (json_int_t)(k->f.next_version - 1), "steps", steps_json(k), "changes", changes_json(k), "message", message);
}

/* ---- recording ---- */

/* What everybody sees of it: log, event, and a look by the loop. */
static enum err_class tell(struct store *s, const struct key_parts *at, const char *function_id, const char *deployment_id, const char *actor,
			   const char *operation, const char *message, struct err *e)
{
	const struct event ev = {.kind = "function", .project = at->project, .name = at->name, .environment = at->environment,
				 .reason = reason_token(R_Held), .message = message};
	struct key key = key_make("target", at->project, at->name, at->environment);
	enum err_class c = function_log_add(s, function_id, deployment_id, at->environment, actor, operation, message, e);
	if (!c)
		c = event_add(s, &ev, e);
	return c ? c : work_enqueue(s, key.text, e);
}

static enum err_class record(struct rolling *k, json_t **ret, struct err *e)
{
	char id[UUID_TEXT];
	const struct rollback_new row = {
		.function_id = k->f.id, .environment = k->environment, .actor = k->r->actor, .note = k->r->note ? k->r->note : "",
		.from_version = k->called_off ? k->called_off : k->serves ? k->routed.version : 0,
		.from_release = !k->called_off && k->serves ? k->routed.id : NULL,
		.to_version = k->to.version, .to_release = k->to.id, .image = k->image, .pin = k->pin,
		.floor = k->f.next_version - 1, .base = k->config, .settled = k->settled, .walks = !k->r->version,
	};
	bool taken;
	enum err_class c = rollback_create(k->s, &row, id, e);
	if (!c && k->take_back) /* it is wanted by now */
		c = fate_take_back(k->s, k->to.deployment_id, &taken, e);
	if (c)
		return c;
	const char *what = message_of(k);
	const char *message = arena_printf(k->a, "%s in %s: %s%s%s", k->r->actor, k->environment, what, *row.note ? ": " : "", row.note);
	const struct key_parts at = {"target", k->r->project, k->r->function, k->environment};
	c = tell(k->s, &at, k->f.id, k->to.deployment_id, k->r->actor, "rollback", message, e);
	if (!c)
		*ret = answer_json(k, id, what);
	return c;
}

enum err_class rollback_request(struct store *s, const struct rollback_request *r, struct arena *a, json_t **ret, struct err *e)
{
	struct rolling k = {.s = s, .r = r, .a = a};
	enum err_class c = read_target(&k, e);
	if (!c)
		c = read_config(&k, e);
	if (!c)
		c = read_rollout(&k, e);
	if (!c)
		c = r->version ? choose_version(&k, e) : choose_before(&k, e);
	if (!c)
		c = find_image(&k, e);
	return c ? c : record(&k, ret, e);
}

enum err_class hold_release(struct store *s, const char *project, const char *function, const char *environment, const char *actor, struct arena *a,
			    json_t **ret, struct err *e)
{
	const struct rollback_request r = {.project = project, .function = function, .environment = environment, .actor = actor};
	struct rolling k = {.s = s, .r = &r, .a = a};
	struct release_row held;
	bool was = false;
	enum err_class c = read_target(&k, e);
	const struct hold_row *h = &k.t.hold;
	if (!c && !*h->id)
		c = err_set(e, INVALID, R_NotHeld, "no rollback holds %s", k.subject);
	if (!c)
		c = release_load(s, h->release, a, &held, e);
	if (!c)
		c = hold_lift(s, k.f.id, k.environment, actor, &was, e);
	if (c)
		return c;
	const char *message = arena_printf(a, "%s ends the hold of version %lld in %s", actor, (long long)held.version, k.environment);
	const struct key_parts at = {"target", project, function, k.environment};
	c = tell(s, &at, k.f.id, held.deployment_id, actor, "release-hold", message, e);
	if (!c)
		*ret = json_pack("{s:s, s:s, s:s, s:{s:I, s:s, s:s}}", "project", project, "function", function, "environment", k.environment, "released",
				 "version", (json_int_t)held.version, "actor", h->actor, "note", h->note);
	return c;
}
