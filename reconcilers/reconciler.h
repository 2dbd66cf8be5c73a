/* What the engine knows of a reconciler: a row in a table. And what a reconciler is given: a pass.
 *
 *   observe   reads the database and the outside; changes nothing. *ret_world is the kind's own struct, in the pass's arena
 *   plan      pure and total on (world, now): a verdict, a status to show, and steps that are plain values
 *   act       performs one step, idempotently
 *   record    writes what the pass came to: conditions, status, events; only when something changed
 *
 * The engine repeats observe, plan, act while the verdict is VERDICT_ACT, so that each plan only says what can be done now. */
#ifndef FN_RECONCILERS_RECONCILER_H
#define FN_RECONCILERS_RECONCILER_H

#include "base/conf.h"
#include "base/names.h"
#include "reconcilers/providers/artifacts.h"
#include "reconcilers/providers/cache.h"
#include "reconcilers/providers/node.h"
#include "reconcilers/providers/registry.h"
#include "schema/store.h"

enum verdict {
	VERDICT_STEADY,  /* observed is desired */
	VERDICT_ACT,     /* steps are to be done now, then look again */
	VERDICT_WAIT,    /* something is under way: look again at wake_ms, or at an event */
	VERDICT_BLOCKED  /* nothing helps but new input */
};

enum step_kind {
#define STEP(token, name, outside, sentence) STEP_##token,
#include "reconcilers/steps.def"
#undef STEP
	STEP_KIND_COUNT
};

struct step {
	enum step_kind kind;
	const char *subject; /* what the sentence is about: "hello", "hello in dev" */
	int64_t number;      /* version, slot or count, as the sentence says */
	const char *id;      /* release or deployment it acts on, or NULL */
	enum reason reason;  /* FAIL_*: why; ACKNOWLEDGE: the status that it brings */
	const char *message; /* the same, in words */
	const char *const *names; /* STOP_INSTANCES, ROUTE: instance names; NULL-terminated */
	const struct route_beside *beside; /* ROUTE: releases at their own hosts */
	size_t nbeside;
	bool apart;          /* its failure ends no other steps but those apart with the same id: what cannot start holds up nothing that serves */
	int64_t drain_ms;    /* STOP_INSTANCES */
};

struct plan {
	enum verdict verdict;
	enum reason status;  /* for people: Serving, Building, Starting, Unhealthy … */
	const char *message;
	int64_t wake_ms;     /* VERDICT_WAIT, or a steady plan with a time in it: wall clock; 0: none */
	struct step *steps;
	size_t nsteps, cap;
};

const char *step_name(enum step_kind k);    /* "start-instance" */
bool step_is_outside(enum step_kind k);
const char *step_sentence(const struct step *s, struct arena *a);
/* Appends a zeroed step of that kind and makes the verdict VERDICT_ACT. */
struct step *plan_add(struct plan *p, struct arena *a, enum step_kind kind, const char *subject, int64_t number);
const char *verdict_name(enum verdict v);

/* Children that build, shared by all workers; lives in the engine. */
struct builds {
	void *ctx;
	bool (*running)(void *ctx, const char *id);
	/* Takes over pid and pidfd; enqueues key when it has ended. */
	void (*started)(void *ctx, const char *id, const char *key, pid_t pid, int pidfd);
	void (*kill)(void *ctx, const char *id);
};

struct pass {
	const struct conf *conf;
	struct store *store;
	struct registry *registry;
	struct node *node;
	struct artifacts *artifacts;
	const struct cache *cache;
	const struct builds *builds;
	const char *build_program; /* fn-build, absolute */
	struct lease lease;      /* zeroed in a dry run */
	struct key_parts key;
	struct arena *arena;     /* for one round of observe, plan, act */
	void (*hint)(void *ctx); /* wakes another worker: other keys were marked. NULL in a dry run */
	void *hint_ctx;
	bool marked;             /* in the transaction under way (tx.h) */
};

struct reconciler {
	const char *kind; /* first part of the key */
	enum err_class (*observe)(struct pass *p, void **ret_world, struct err *e);
	void (*plan)(const void *world, int64_t now_ms, struct arena *a, struct plan *ret);
	enum err_class (*act)(struct pass *p, void *world, const struct step *s, struct err *e);
	/* failure is NULL unless a step or the observation failed (then world may be NULL). */
	enum err_class (*record)(struct pass *p, const void *world, const struct plan *plan, const struct err *failure, struct err *e);
};

const struct reconciler *reconciler_find(const char *kind); /* NULL when there is none; the table is table.c */
extern const struct reconciler reconcilers[];
extern const size_t reconcilers_n;

#endif
