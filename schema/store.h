/* The store: every statement the product runs, typed. The only SQL is in queries/ and migrations/.
 *
 * A struct store is one connection for one thread. Writes of the loop run inside store_begin_fenced … store_commit, which holds the work row and
 * checks its epoch, so a controller that lost its lease writes nothing (docs/architecture.md, invariant 9). */
#ifndef FN_SCHEMA_STORE_H
#define FN_SCHEMA_STORE_H

#include "base/digest.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/names.h"
#include "manifests/manifest.h"
#include "net/pg.h"

enum { UUID_TEXT = 37, SCHEMA_VERSION = 2 };

struct store;
struct store *store_new(const char *conninfo);
void store_free(struct store *s);

/* Brings the schema to SCHEMA_VERSION under an advisory lock; INVALID SchemaTooNew when it is beyond it. Safe to run twice and at once. */
enum err_class store_migrate(struct store *s, struct err *e) MUST_USE;

enum err_class store_begin(struct store *s, struct err *e) MUST_USE;
enum err_class store_commit(struct store *s, struct err *e) MUST_USE;
void store_rollback(struct store *s); /* outside a transaction: nothing */

/* Hints from other controllers (work_notify): poll the descriptor, then drain; *ret is whether any came. After an error, also when another
 * statement of this store had to connect anew, listen again and look at everything. A hint that comes with another statement's answer
 * makes the next work_next_due 0. */
enum err_class store_listen(struct store *s, int *ret_fd, struct err *e) MUST_USE;
enum err_class store_notified(struct store *s, bool *ret, struct err *e) MUST_USE;

/* ---- work (engine) ---- */

struct lease {
	char key[KEY_MAX_LEN];
	char owner[64];
	int64_t epoch, seq;  /* seq as claimed: done_seq becomes this */
	int attempt;
};

/* Claims the most overdue free dirty key, raising its epoch; *ret_found false when there is none. Keys whose lease has run out are free. */
enum err_class work_claim(struct store *s, const char *owner, int64_t lease_ms, struct lease *ret, bool *ret_found, struct err *e) MUST_USE;

/* The three exits of a pass, each ends the lease; CONFLICT LeaseLost when it was taken over. An event since the claim (seq moved) keeps
 * the key due at once whatever is asked. */
enum err_class work_done(struct store *s, const struct lease *l, struct err *e) MUST_USE;                     /* nothing to do until an event */
enum err_class work_wait(struct store *s, const struct lease *l, int64_t delay_ms, const char *reason, struct err *e) MUST_USE; /* look again then */
enum err_class work_retry(struct store *s, const struct lease *l, int64_t delay_ms, const struct err *why, struct err *e) MUST_USE; /* attempt + 1 */
enum err_class work_extend(struct store *s, const struct lease *l, int64_t lease_ms, struct err *e) MUST_USE;

/* Marks a key dirty, due now and without backoff. Inside or outside a transaction; never waits for a fenced one. */
enum err_class work_enqueue(struct store *s, const char *key, struct err *e) MUST_USE;
/* The same, but due only after delay_ms: for what is in nobody's way then. */
enum err_class work_enqueue_later(struct store *s, const char *key, int64_t delay_ms, struct err *e) MUST_USE;
/* Every clean key that a resync looks at (dirty ones keep their time and backoff): functions, targets, runtimes, pins, environments. One statement; *ret_count keys were marked. */
enum err_class work_resync(struct store *s, int64_t *ret_count, struct err *e) MUST_USE;
/* Frees the leases of an owner (a new incarnation of the same controller). */
enum err_class work_free_owner(struct store *s, const char *owner, struct err *e) MUST_USE;
/* Milliseconds until the next dirty key is due: 0 when one is due now, -1 when there is none. */
enum err_class work_next_due(struct store *s, int64_t *ret_ms, struct err *e) MUST_USE;
/* NOTIFY fn_work for other controllers; in a transaction it is sent at commit. */
enum err_class work_notify(struct store *s, struct err *e) MUST_USE;

/* A transaction of the loop: begins and locks the lease's row; CONFLICT LeaseLost when epoch or owner differ or it ran out. */
enum err_class store_begin_fenced(struct store *s, const struct lease *l, struct err *e) MUST_USE;

/* ---- intents ---- */
/* What earlier epochs of the key left open becomes "unknown". CONFLICT LeaseLost. */
enum err_class intent_open(struct store *s, const struct lease *l, const char *step, const json_t *detail, int64_t *ret_id, struct err *e) MUST_USE;
enum err_class intent_close(struct store *s, int64_t id, const char *outcome, struct err *e) MUST_USE;

/* ---- admission: manifests in ---- */

enum apply_change { APPLY_CREATED, APPLY_CONFIGURED, APPLY_UNCHANGED };
struct applied {
	enum apply_change change;
	int64_t generation;
	char uid[UUID_TEXT];
};
/* In one transaction of the caller (store_begin … store_commit): upserts the manifest (unchanged when spec_hash is equal and it is not being deleted),
 * mirrors it into projects, environments and functions, and enqueues it and all that depends on it:
 *   function -> function/P/F and target/P/F/E of every environment;  environment -> environment/P/E and the targets of every function in it and in those that inherit
 *   from it;  pin -> pin/P/N and its target (old and new);  runtime -> runtime/P/R and the functions that use it.
 * A project or environment that is missing is not made here: INVALID InvalidReference (the project "default" exists from migration on).
 * Another owner: INVALID OwnedByManifest naming owner and source, unless force or nothing changed. While it is being removed: CONFLICT Deleting.
 * One transaction at a time admits (an advisory lock until its end), so keep it short. A project's runtimes include those of the project "default". */
struct apply_opts {
	const char *owner, *actor;
	bool force;
};
/* Takes that lock at once, in the caller's transaction: what is read from here on is not admitted anew until its end. */
enum err_class admission_begin(struct store *s, struct err *e) MUST_USE;
enum err_class manifest_apply(struct store *s, const struct manifest *m, const struct apply_opts *o, struct applied *ret, struct err *e) MUST_USE;
/* After all documents of one apply: references that must exist do (runtime of a function, inherits, function and environment of a pin), no inheritance cycle. */
enum err_class manifest_check_references(struct store *s, const struct manifest *m, struct err *e) MUST_USE;
/* Marks for deletion and enqueues, in the caller's transaction; again is fine; INVALID NotFound. INVALID InUse when others still refer to it (a runtime in use, an environment inherited from). */
enum err_class manifest_delete(struct store *s, enum kind kind, const char *project, const char *name, const char *actor, struct err *e) MUST_USE;
/* The loop's last step of a deletion: the row goes (functions keep theirs with deleted_at). */
enum err_class manifest_remove(struct store *s, enum kind kind, const char *project, const char *name, struct err *e) MUST_USE;

struct manifest_row {
	bool found, deleting;
	struct manifest m;
	int64_t generation, observed_generation;
	const char *owner, *source, *actor; /* actor: who declared it last, or deletes it */
	json_t *conditions; /* owned by the arena (json_in_arena), read-only */
};
/* The object with this uid (of a function also its id in functions). project and name live in the arena. */
enum err_class manifest_by_uid(struct store *s, enum kind kind, const char *uid, struct arena *a, bool *ret_found, const char **ret_project, const char **ret_name, struct err *e) MUST_USE;
enum err_class manifest_load(struct store *s, enum kind kind, const char *project, const char *name, struct arena *a, struct manifest_row *ret, struct err *e) MUST_USE;

struct condition {
	const char *type;    /* "Ready", "Built", … */
	const char *status;  /* "True" | "False" | "Unknown" */
	const char *reason, *message;
};
/* Replaces the conditions (lastTransitionTime kept where status is unchanged) and observed_generation; writes nothing when nothing differs. */
enum err_class manifest_set_status(struct store *s, enum kind kind, const char *project, const char *name, int64_t observed_generation,
				   const struct condition *c, size_t n, struct err *e) MUST_USE;

/* ---- functions, deployments, releases, targets ---- */

struct deployment_row {
	char id[UUID_TEXT];
	int64_t version;
	const char *input_hash, *source_digest, *runtime, *base, *s3_key, *layer_digest, *layer_diff_id, *image_tag, *image_digest, *status, *reason, *message, *created_by;
	int64_t source_size, layer_size;
	int64_t deadline_ms; /* wall clock; 0: none */
	json_t *spec;        /* as manifest_spec_json; owned by the arena, read-only */
	bool image_deleted;  /* archived: the registry has the image no more; else it is still to be deleted there */
};

struct function_row {
	bool found;
	char id[UUID_TEXT];
	const char *status;
	int64_t next_version;
};
enum err_class function_load(struct store *s, const char *project, const char *name, struct arena *a, struct function_row *ret, struct err *e) MUST_USE;
/* The same, locked until the end of the transaction. Whoever changes a function's row and those of its targets or versions locks it first, so that two
 * of them wait for each other but never deadlock. */
enum err_class function_load_locked(struct store *s, const char *project, const char *name, struct arena *a, struct function_row *ret, struct err *e) MUST_USE;
/* The newest deployments first. */
enum err_class deployments_load(struct store *s, const char *function_id, size_t limit, struct arena *a, struct deployment_row **ret, size_t *ret_n, struct err *e) MUST_USE;
enum err_class deployment_load(struct store *s, const char *id, struct arena *a, struct deployment_row *ret, struct err *e) MUST_USE;
/* The newest that is ready; bindings.c. */
enum err_class deployment_newest_ready(struct store *s, const char *function_id, struct arena *a, struct deployment_row *ret, bool *ret_found, struct err *e) MUST_USE;
/* The newest ready version with this image digest ("sha256:…") or label; bindings.c. */
enum err_class deployment_by_word(struct store *s, const char *function_id, const char *word, struct arena *a, struct deployment_row *ret, bool *ret_found, struct err *e) MUST_USE;
enum err_class deployment_by_version(struct store *s, const char *function_id, int64_t version, struct arena *a, struct deployment_row *ret, bool *ret_found, struct err *e) MUST_USE;

/* The newest version whose archive is in the artifact store and is this source. */
enum err_class deployment_of_source(struct store *s, const char *function_id, const char *source_digest, struct arena *a, struct deployment_row *ret, bool *ret_found, struct err *e) MUST_USE;
/* The same; its archive is not dropped before the end of the caller's transaction. CONFLICT DatabaseConflict as deployment_lock. */
enum err_class deployment_of_source_locked(struct store *s, const char *function_id, const char *source_digest, struct arena *a, struct deployment_row *ret,
					   bool *ret_found, struct err *e) MUST_USE;

/* Takes the next number. CONFLICT DatabaseConflict when that is not `expected` any more (0: any). */
struct deployment_new {
	const char *function_id, *input_hash, *source_digest, *runtime, *base, *created_by, *source_kind;
	const char *note; /* why, in the words of whoever deployed; "" */
	const json_t *spec;
	int64_t deadline_in_ms, expected;
};
enum err_class deployment_create(struct store *s, const struct deployment_new *d, char ret_id[UUID_TEXT], int64_t *ret_version, struct err *e) MUST_USE;

/* Versions that are still building although a newer one was numbered. */
enum err_class deployments_superseded(struct store *s, const char *function_id, struct arena *a, struct deployment_row **ret, size_t *ret_n, struct err *e) MUST_USE;

/* archived -> ready: the registry has the image again. CONFLICT while its deletion there is not finished. */
enum err_class deployment_restored(struct store *s, const char *id, struct err *e) MUST_USE;

/* Locks the version's row in the caller's transaction against being archived, and gives its status. INVALID NotFound; CONFLICT DatabaseConflict, at once, while
 * another transaction has it: its image may just be being deleted, for as long as the registry takes (REGISTRY_DELETE_MS at most). */
enum err_class deployment_lock(struct store *s, const char *id, struct arena *a, const char **ret_status, struct err *e) MUST_USE;

/* A new deadline for a version that is still building. */
enum err_class deployment_renew(struct store *s, const char *id, int64_t deadline_in_ms, struct err *e) MUST_USE;
/* The image is written (in the cache, not in the registry yet): its digests, while status stays building. s3_key and source_size are not looked at. */
struct deployment_built;
enum err_class deployment_written(struct store *s, const char *id, const struct deployment_built *b, struct err *e) MUST_USE;
/* status building -> ready with everything known. */
struct deployment_built {
	const char *s3_key, *layer_digest, *layer_diff_id, *image_tag, *image_digest;
	int64_t source_size, layer_size;
};
enum err_class deployment_ready(struct store *s, const char *id, const struct deployment_built *b, struct err *e) MUST_USE;
enum err_class deployment_failed(struct store *s, const char *id, const char *reason, const char *message, struct err *e) MUST_USE;
/* status and active_deployment_id of the function, is_active of its deployments; from the target in the project's default environment. */
enum err_class function_mirror(struct store *s, const char *function_id, struct err *e) MUST_USE;
/* deleted_at; CONFLICT DatabaseConflict while it has targets. */
enum err_class function_delete(struct store *s, const char *function_id, struct err *e) MUST_USE;

struct release_row {
	char id[UUID_TEXT];
	int64_t n, version;
	char deployment_id[UUID_TEXT];
	const char *config_hash, *image_digest, *image_tag;
	json_t *tuple; /* owned by the arena, read-only */
	bool served, rejected;
	bool archived;          /* its version's image is not in the registry */
	int64_t unrouted_at_ms; /* wall clock; 0: it serves, or never did */
};
/* The generations of the manifests that a target's last pass saw: what declared it can tell by them whether its status is about them already. */
struct target_seen {
	int64_t function;
	int64_t environment; /* the sum of the environment's and its ancestors' */
	int64_t pin;         /* 0: no pin binds it */
};
/* What a rollback leaves on a target: the release it went back to, kept against automation up to version floor. */
struct hold_row {
	char id[UUID_TEXT];       /* of the rollback; "": none */
	char release[UUID_TEXT];  /* what is held */
	int64_t floor;
	const char *actor, *note;
	const char *pin;          /* what a pin said then (pin_spec.word), or NULL */
	json_t *base;             /* the configuration declared then (tuple_config); owned by the arena, read-only */
	bool pending;             /* the rollback is not finished */
};
struct target_row {
	bool found;
	char function_id[UUID_TEXT];
	struct hold_row hold;
	const char *mode, *status, *message;
	const char *failed_reason, *failed_message; /* with failed */
	int64_t want_version /* 0: none */, floor;
	struct target_seen seen;
	char active[UUID_TEXT], routed[UUID_TEXT], previous[UUID_TEXT], failed[UUID_TEXT]; /* "" when NULL */
	int64_t routed_at_ms; /* wall clock */
};
enum err_class target_load(struct store *s, const char *function_id, const char *environment, struct arena *a, struct target_row *ret, struct err *e) MUST_USE;
/* Inserts, or updates mode and want_version; CONFLICT NotFound when the function was removed. */
enum err_class target_want(struct store *s, const char *function_id, const char *project, const char *name, const char *environment, const char *mode,
			   int64_t want_version, struct err *e) MUST_USE;
enum err_class target_set_active(struct store *s, const char *function_id, const char *environment, const char *release_id, struct err *e) MUST_USE;
/* The gateway acknowledged: routed becomes release, what was routed becomes previous, served_at and deployed_at are set the first time. With it the
 * rollback named, if it holds the target and is pending, is done; "": none. */
enum err_class target_set_routed(struct store *s, const char *function_id, const char *environment, const char *release_id, const char *rollback_id,
				 struct err *e) MUST_USE;
/* release_id "": clear. */
enum err_class target_set_failed(struct store *s, const char *function_id, const char *environment, const char *release_id, const char *reason, const char *message,
				 struct err *e) MUST_USE;
/* status, message, and what the pass saw. */
enum err_class target_set_status(struct store *s, const char *function_id, const char *environment, const char *reason, const char *message,
				 const struct target_seen *seen, struct err *e) MUST_USE;
enum err_class target_delete(struct store *s, const char *function_id, const char *environment, struct err *e) MUST_USE;

enum err_class releases_load(struct store *s, const char *function_id, const char *environment, size_t limit, struct arena *a, struct release_row **ret, size_t *ret_n, struct err *e) MUST_USE;
enum err_class release_load(struct store *s, const char *id, struct arena *a, struct release_row *ret, struct err *e) MUST_USE;
/* The newest with this deployment and exactly this tuple, however old: what release_mint would give again. */
enum err_class release_find(struct store *s, const char *function_id, const char *environment, const char *deployment_id, const json_t *tuple,
			    struct arena *a, struct release_row *ret, bool *ret_found, struct err *e) MUST_USE;
/* Mints the next n, or gives the newest existing release with the same deployment and config_hash. */
enum err_class release_mint(struct store *s, const char *function_id, const char *environment, const char *deployment_id, const json_t *tuple, const char *created_by,
			    char ret_id[UUID_TEXT], int64_t *ret_n, struct err *e) MUST_USE;

/* The newest `limit` releases that another took the place of within the last ms, the latest first. */
enum err_class releases_warm(struct store *s, const char *function_id, const char *environment, size_t limit, int64_t ms, struct arena *a,
			     struct release_row **ret, size_t *ret_n, struct err *e) MUST_USE;
/* What served last before `release` ("": at all) and was not rejected by a rollback. */
enum err_class release_before(struct store *s, const char *function_id, const char *environment, const char *release, struct arena *a,
			      struct release_row *ret, bool *ret_found, struct err *e) MUST_USE;
/* The newest release of a version that served there. */
enum err_class release_of_version(struct store *s, const char *function_id, const char *environment, int64_t version, struct arena *a,
				  struct release_row *ret, bool *ret_found, struct err *e) MUST_USE;

/* How many of its instances were ready when last looked at. */
enum err_class release_runs(struct store *s, const char *id, int64_t *ret, struct err *e) MUST_USE;

/* ---- rollbacks and holds ---- */

struct rollback_new {
	const char *function_id, *environment, *actor, *note, *from_release /* or NULL */, *to_release, *image, *pin /* or NULL */;
	int64_t from_version /* 0: none */, to_version, floor;
	const json_t *base;
	bool settled;
	bool walks; /* no version was named: from_release is rejected, whatever its number */
};
/* In the caller's transaction: records it, holds the target at to_release and floor, makes newer releases that served rejected (and to_release not),
 * supersedes an unfinished one, forgets a failure of to_release. */
enum err_class rollback_create(struct store *s, const struct rollback_new *r, char ret_id[UUID_TEXT], struct err *e) MUST_USE;
/* The pending rollback of the target's hold has failed: the target wants what serves again, under the hold it had before, if any; where something else
 * was on its way then, what serves is held. */
enum err_class rollback_fail(struct store *s, const char *function_id, const char *environment, const char *reason, const char *message, struct err *e) MUST_USE;
/* The targets of a function that a rollback holds. */
struct held_target {
	const char *environment, *actor, *note;
};
enum err_class held_targets(struct store *s, const char *project, const char *function, struct arena *a, struct held_target **ret, size_t *ret_n,
			    struct err *e) MUST_USE;
/* Ends the hold; an unfinished rollback is superseded. *ret_was: there was one. */
enum err_class hold_lift(struct store *s, const char *function_id, const char *environment, const char *actor, bool *ret_was, struct err *e) MUST_USE;

/* Where a function should serve by declaration (an environment that follows latest and selects it, or a Pin), and its target there, if any; also targets that
 * nothing declares (mode "" in declared). bindings.c. */
struct binding {
	const char *environment;
	const char *declared;  /* "follow", "pin", or "" */
	bool has_target;
	const char *mode, *status, *message; /* of the target */
	int64_t want_version, serving_version, seen_generation;
};
enum err_class bindings_load(struct store *s, const char *project, const char *function, const char *function_id /* or NULL */, struct arena *a,
			     struct binding **ret, size_t *ret_n, struct err *e) MUST_USE;

/* The same, seen from an environment: the functions declared to serve there, or with a target there. */
struct environment_binding {
	const char *function;
	bool has_target;
	const char *status, *message;
	int64_t seen_environment;
};
enum err_class environment_bindings_load(struct store *s, const char *project, const char *environment, struct arena *a, struct environment_binding **ret,
					 size_t *ret_n, struct err *e) MUST_USE;

/* The environment and its ancestors, nearest first; *ret_n 0 when absent. */
enum err_class environment_chain(struct store *s, const char *project, const char *name, struct arena *a, struct manifest_row **ret, size_t *ret_n, struct err *e) MUST_USE;
/* The pin that binds (function, environment), if any. Several: the first by name. */
enum err_class pin_for_target(struct store *s, const char *project, const char *function, const char *environment, struct arena *a, struct manifest_row *ret, struct err *e) MUST_USE;

/* Replaces what is recorded of a target's instances. */
struct instance_row {
	const char *id, *release_id, *address, *state, *reason, *message;
	int64_t slot, incarnation;
};
enum err_class instances_record(struct store *s, const char *function_id, const char *environment, const struct instance_row *rows, size_t n, struct err *e) MUST_USE;

/* ---- append-only ---- */
struct event {
	bool warning;
	const char *kind, *project, *name, *environment /* or NULL */, *reason, *message;
};
/* Leaves out what the object's newest event said within the last ten seconds. Ids are given at commit, in its order. */
enum err_class event_add(struct store *s, const struct event *ev, struct err *e) MUST_USE;
enum err_class function_log_add(struct store *s, const char *function_id, const char *deployment_id /* or NULL */, const char *environment /* or NULL */,
				const char *actor, const char *operation, const char *message, struct err *e) MUST_USE;

/* ---- reads for the API: JSON made by PostgreSQL ---- */
/* Runs one of the read queries (queries/read_*.sql: one row, one json column) and parses it; *ret NULL when there is no row. New reference. */
enum store_read {
	READ_MANIFESTS,       /* kind, project or NULL, name or NULL, cursor or NULL, limit -> {"items":[…],"next":cursor|null}; a document each, with status */
	READ_DEPLOYMENTS,     /* project, function, cursor or NULL, limit -> {"items":[{version,status,digest,size,createdBy,createdAt,source,activeIn:[…]}],"next"} */
	READ_TARGETS,         /* project or NULL, function or NULL, environment or NULL -> {"items":[{function,project,environment,mode,version,release,serving,status,message,instances:[…]}]} */
	READ_EVENTS,          /* project or NULL, kind or NULL, name or NULL, after id, limit -> {"items":[…],"last":id}; oldest first, the newest `limit` when after is "0" */
	READ_FUNCTION_LOGS,   /* project, function, cursor or NULL, limit */
	READ_INSTANCES,       /* project, function or NULL, environment or NULL -> {"items":[{name,function,environment,release,state,address,…}]} */
	READ_WORK,            /* -> {"items":[{key,dirty,dueAt,attempt,reason,message}]} of what is out of shape */
	READ_ALL_DEPLOYMENTS, /* project or NULL, cursor or NULL, limit: of every function, the newest first */
	READ_DEPLOYMENT,      /* project, function, version -> one, with its releases and what keeps its image */
	READ_ROLLBACKS,       /* project, function, cursor or NULL, limit */
	READ_ROLLBACK,        /* project, function, id */
	STORE_READ_COUNT
};
enum err_class store_read(struct store *s, enum store_read what, int n, const char *const *params, json_t **ret, struct err *e) MUST_USE;

#endif
