/* A target: one function in one environment. What it wants to run (binding, or a rollback's hold), the release that is, its instances and its route. Pure types.
 *
 * Order of a switch: release minted -> instances started -> all ready -> active committed -> route switched -> routed acknowledged -> the old
 * release stays warm -> drained and stopped. Until the new release is routed, the routed one is kept as it is. Each release whose instances are
 * ready is reached at hosts of its own, beside the target's. */
#ifndef FN_RECONCILERS_TARGET_H
#define FN_RECONCILERS_TARGET_H

#include "manifests/manifest.h"
#include "reconcilers/reconciler.h"

enum {
	DRAIN_MS = 30 * 1000,       /* how long open requests may take to end */
	LOOP_RESTARTS = 3,          /* from so many on it is a crash loop */
	START_GRACE_MS = 15 * 1000  /* beyond the health deadline: layers, network, container */
};

struct target_release {
	const char *id;            /* NULL: there is none */
	int64_t version;
	int64_t n;
	const char *deployment_id;
	const char *image;         /* digest */
	const char *repository;    /* where the image is pulled from */
	const json_t *tuple;
	int64_t timeout_ms;        /* of the tuple */
	bool unpublished;          /* its image is not in the registry yet: it may start, not be made active */
	bool archived;             /* its image is not in the registry any more */
	int64_t warm_until_ms;     /* of a warm one: wall clock */
	const char *release_host, *version_host; /* its own, where id is known */
};

struct target_world {
	const char *subject;       /* "hello in dev" */
	/* desired */
	bool declared;             /* the function's manifest is there and not going */
	bool environment_declared;
	const char *binding;       /* "follow", "pin", "explicit", or NULL: nothing puts it here */
	enum reason unresolved;    /* R_None, or why the binding names no version now; R_Building: one is on its way */
	const char *unresolved_message;
	struct target_release wanted; /* version, deployment_id, image, repository, tuple of what is wanted; id where such a release exists;
	                                 version 0: no version is ready yet */
	int64_t instances;         /* how many */
	int64_t health_deadline_ms;
	const char *const *hosts;  /* NULL-terminated */
	struct target_seen seen_now; /* the generations this world is made of */
	const char *pin;           /* the pin that binds it, or NULL */
	const char *hold_id;       /* of the rollback that holds it; "": none */
	bool hold_pending;         /* that is not finished */
	bool held;                 /* wanted is what a rollback holds, whatever the binding says */
	const char *hold_message;
	bool lifts;                /* there is a hold, and what is declared now ends it */
	bool rolling_back;         /* the rollback that holds is not finished, and wanted is what it goes to */
	int64_t warm_limit;        /* how many previous releases stay warm */
	/* observed */
	bool exists;               /* the row */
	const char *mode;
	int64_t want_version;
	struct target_release active, routed;
	const struct target_release *warm; /* the latest first */
	size_t nwarm;
	const char *failed;        /* release id that did not become healthy, or NULL */
	enum reason failed_reason; /* as recorded with it */
	const char *failed_message;
	int64_t routed_at_ms;
	const struct instance *seen; /* the node's instances of this key */
	size_t nseen;
	const struct route *route; /* the node's route of this key, or NULL */
};

void target_plan(const void *world, int64_t now_ms, struct arena *a, struct plan *ret);

/* What the database says of it: all but what runs. Needs no node. */
enum err_class target_desired(struct pass *p, struct target_world **ret, struct err *e) MUST_USE;
/* Whoever declared the target looks at it: function, environment, and the pin (or NULL). In a transaction. */
enum err_class target_wake_declarers(struct pass *p, const char *pin, struct err *e) MUST_USE;

enum err_class target_observe(struct pass *p, void **ret_world, struct err *e) MUST_USE;
enum err_class target_act(struct pass *p, void *world, const struct step *s, struct err *e) MUST_USE;
enum err_class target_record(struct pass *p, const void *world, const struct plan *plan, const struct err *failure,
			     struct err *e) MUST_USE;

#endif
