/* A function: its manifest, and the versions built of it. Serving is the targets' business. Pure types. */
#ifndef FN_RECONCILERS_FUNCTION_H
#define FN_RECONCILERS_FUNCTION_H

#include "manifests/manifest.h"
#include "reconcilers/function/number.h"
#include "reconcilers/reconciler.h"

enum { BUILD_AWAY_MS = 5 * 60 * 1000 }; /* so long after its deadline a build that does not run gets a new one */

enum build_state {
	BUILD_NONE,     /* not begun, or its child died without a word */
	BUILD_RUNNING,
	BUILD_DONE,     /* a layer is there */
	BUILD_REFUSED   /* the source is at fault */
};

struct function_version {
	const char *id;
	int64_t n;
	bool runtime_changed;       /* what the runtime gives to an image is not what it gave to this one */
	const char *input_hash, *base, *status, *reason, *message; /* status: building | ready | failed | archived */
	int64_t deadline_ms;
	enum build_state build;     /* while status is building */
	bool written;               /* the image is in the cache and its digest recorded; targets may start it, not route to it */
	enum reason refused;        /* BUILD_REFUSED */
	const char *refused_message;
};

/* An environment where it is declared to serve, or still has a target. */
struct function_target {
	const char *environment;
	const char *declared; /* "follow", "pin", or "" */
	bool exists;          /* there is a target row */
	const char *status, *message;
	int64_t want;            /* version; 0: none yet */
	int64_t seen_generation; /* of this manifest, by the target's last pass */
	int64_t serving;         /* the version that is routed; 0: none */
	bool asked;              /* it wants `want` because somebody asked for just that version */
};

struct function_world {
	/* desired */
	bool declared, deleting;
	const char *name;
	int64_t generation;
	const struct function_spec *spec;  /* NULL unless declared */
	struct runtime_given runtime;
	const char *owner;                 /* who declared it */
	/* observed */
	const char *function_id;           /* NULL: there is no row */
	struct function_version newest;    /* id NULL: none yet */
	const struct function_version *older; /* those before the newest that are still building */
	size_t nolder;
	struct function_target *targets;
	size_t ntargets;
	int64_t next_version;
};

void function_plan(const void *world, int64_t now_ms, struct arena *a, struct plan *ret);

/* FN_HOME/builds, in the pass's arena. */
char *builds_dir(const struct pass *p);

/* Puts the layer into the cache, writes the image on it there, records its digest and wakes the targets, which may start it already. */
enum err_class function_write_image(struct pass *p, const struct function_world *w, const char *deployment_id, struct err *e) MUST_USE;

/* Stores the archive and the layer, pushes the image, records the version as ready and wakes its targets, which may now route to it. */
enum err_class function_publish(struct pass *p, const struct function_world *w, const char *deployment_id, struct err *e) MUST_USE;

enum err_class function_observe(struct pass *p, void **ret_world, struct err *e) MUST_USE;
enum err_class function_act(struct pass *p, void *world, const struct step *s, struct err *e) MUST_USE;
enum err_class function_record(struct pass *p, const void *world, const struct plan *plan, const struct err *failure,
			       struct err *e) MUST_USE;

#endif
