#include "engine/engine.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/builds.h"
#include "engine/leases.h"

enum { MAX_CHILDREN = 256, PAUSE_MS = 1000 };

struct worker {
	struct engine *en;
	pthread_t thread;
	struct store *store;
	struct registry *registry;
	struct node *node;
	struct lease owed; /* could not be given back at the end of a pass */
	bool owes;
};

struct engine {
	struct engine_opts o;
	char owner[64];
	struct worker *workers;
	size_t nworkers;
	pthread_t waiter;
	struct build_children *children;
	struct builds builds;
	struct leases *leases;     /* a slot a worker */
	int wake_fd;               /* eventfd: the waiter looks anew */
	pthread_mutex_t lock;
	pthread_cond_t some_work;
	unsigned hints;            /* under lock: how many looks are owed */
	atomic_bool stopping;
};

static void poke_waiter(void *ctx)
{
	struct engine *en = ctx;
	uint64_t one = 1;
	ssize_t n = write(en->wake_fd, &one, sizeof one);
	(void)n; /* fails only when it is readable already */
}

static void wake_workers(struct engine *en, bool all)
{
	(void)pthread_mutex_lock(&en->lock);
	unsigned most = (unsigned)en->nworkers; /* each worker looks once more: further looks would find nothing */
	en->hints = all || en->hints >= most ? most : en->hints + 1;
	(void)(all ? pthread_cond_broadcast(&en->some_work) : pthread_cond_signal(&en->some_work));
	(void)pthread_mutex_unlock(&en->lock);
}

void engine_hint(struct engine *en) { wake_workers(en, false); }

static void hint_from_pass(void *ctx) { engine_hint(ctx); }

/* ---- workers ---- */

/* Waits for a hint; none is lost, since hints are counted. */
static void wait_for_hint(struct engine *en)
{
	(void)pthread_mutex_lock(&en->lock);
	while (en->hints == 0 && !atomic_load(&en->stopping))
		(void)pthread_cond_wait(&en->some_work, &en->lock);
	if (en->hints > 0)
		en->hints--;
	(void)pthread_mutex_unlock(&en->lock);
}

/* A pass that ended while the database was away left its key leased: it is given back first, or nobody would look at it until the lease runs
 * out. False while the database stays away. */
static bool settle_debt(struct worker *w)
{
	struct err e = ERR_INIT, why = ERR_INIT;
	if (!w->owes)
		return true;
	(void)err_set(&why, TRANSIENT, R_DatabaseUnavailable, "the database went away during the pass");
	w->owes = work_retry(w->store, &w->owed, 0, &why, &e) == TRANSIENT; /* CONFLICT: it has run out */
	return !w->owes;
}

/* By the first part of the key; NULL when there is none. */
static const struct reconciler *reconciler_of(const char *key)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct key_parts k;
	return key_split(key, &a, &k) ? reconciler_find(k.kind) : NULL;
}

/* One claim and pass. False when nothing was due or the database is away. */
static bool work_once(struct worker *w)
{
	struct engine *en = w->en;
	struct err e = ERR_INIT;
	struct lease lease;
	bool found = false, waits = false;
	if (!settle_debt(w))
		return false;
	enum err_class c = work_claim(w->store, en->owner, en->o.lease_ms, &lease, &found, &e);
	if (c) {
		log_err(LOG_WARN, "no work could be claimed", &e, NULL);
		return false;
	}
	if (!found)
		return false;
	engine_hint(en); /* there may be more: let the next worker look while this one is busy */
	struct pass p = {
		.conf = en->o.conf,
		.store = w->store,
		.registry = w->registry,
		.node = w->node,
		.artifacts = en->o.artifacts,
		.cache = en->o.cache,
		.builds = &en->builds,
		.build_program = en->o.build_program,
		.hint = hint_from_pass,
		.hint_ctx = en,
	};
	size_t slot = (size_t)(w - en->workers);
	leases_take(en->leases, slot, &lease);
	w->owes = pass_run(&p, reconciler_of(lease.key), &lease, &waits) == TRANSIENT;
	w->owed = lease;
	leases_give(en->leases, slot);
	if (waits)
		poke_waiter(en);
	return true;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	while (!atomic_load(&w->en->stopping))
		if (!work_once(w))
			wait_for_hint(w->en);
	return NULL;
}

static enum err_class worker_open(struct engine *en, struct worker *w, struct err *e)
{
	w->en = en;
	w->store = store_new(en->o.conf->database);
	w->node = node_new(&en->o.node);
	return registry_open(&en->o.registry, &w->registry, e);
}

static void worker_close(struct worker *w)
{
	store_free(w->store);
	node_free(w->node);
	registry_free(w->registry);
}

/* ---- the waiter ---- */

struct waiter {
	struct engine *en;
	struct store *store;
	struct node *node;
	int listen_fd, node_fd;        /* -1: not connected */
	int64_t resync_at, connect_at, extend_at; /* monotonic */
	bool said_database, said_node;            /* that it is away: an outage is one line of the log, not one a second */
};

static void enqueue_all(struct waiter *w)
{
	struct err e = ERR_INIT;
	int64_t n;
	if (work_resync(w->store, &n, &e) != OK)
		log_err(LOG_WARN, "the resync failed", &e, NULL);
	w->resync_at = clock_mono_ms() + w->en->o.resync_ms;
	wake_workers(w->en, true);
}

/* Tells of an outage once, and of its end. */
static void tell_away(bool *said, const char *away, const char *back, const struct err *e)
{
	if (e && !*said)
		log_err(LOG_WARN, away, e, NULL);
	else if (!e && *said)
		log_event(LOG_INFO, back, NULL);
	*said = e != NULL;
}

/* Connects what is not connected; after each new connection everything is looked at, since hints may have been lost. */
static void connect_sources(struct waiter *w)
{
	struct err e = ERR_INIT;
	bool fresh = false;
	if (w->listen_fd < 0) {
		bool ok = store_listen(w->store, &w->listen_fd, &e) == OK;
		tell_away(&w->said_database, "not listening to the database", "listening to the database again", ok ? NULL : &e);
		fresh = ok;
	}
	if (w->node_fd < 0) {
		bool ok = node_watch(w->node, &w->node_fd, &e) == OK;
		tell_away(&w->said_node, "not watching the node", "watching the node again", ok ? NULL : &e);
		fresh = fresh || ok;
	}
	w->connect_at = clock_mono_ms() + PAUSE_MS;
	if (fresh)
		enqueue_all(w);
}

static void take_notifications(struct waiter *w)
{
	struct err e = ERR_INIT;
	bool any = false;
	if (store_notified(w->store, &any, &e) != OK) {
		log_err(LOG_WARN, "the database's notifications ended", &e, NULL);
		w->listen_fd = -1;
	}
	if (any)
		wake_workers(w->en, false);
}

static void take_node_events(struct waiter *w)
{
	struct err e = ERR_INIT;
	for (;;) {
		AUTO_ARENA struct arena a = ARENA_INIT;
		const char *key = NULL;
		enum err_class c = node_watch_next(w->node, &a, &key, &e);
		if (c) {
			log_err(LOG_WARN, "the node's events ended", &e, NULL);
			w->node_fd = -1;
			return;
		}
		if (!key)
			return;
		if (!*key) {
			enqueue_all(w); /* the gateway: any route may be concerned */
			continue;
		}
		if (work_enqueue(w->store, key, &e) != OK)
			log_err(LOG_WARN, "an event was lost until the next resync", &e, "key", key, NULL);
		wake_workers(w->en, false);
	}
}

static void take_children(struct waiter *w)
{
	char key[KEY_MAX_LEN];
	struct err e = ERR_INIT;
	while (build_children_reap(w->en->children, key)) {
		if (work_enqueue(w->store, key, &e) != OK)
			log_err(LOG_WARN, "a build's end was lost until the next resync", &e, "key", key, NULL);
		wake_workers(w->en, false);
	}
}

/* A third of the leases' time, so that one failure costs none. */
static void extend_leases(struct waiter *w)
{
	struct err e = ERR_INIT;
	bool ok = leases_extend(w->en->leases, w->store, w->en->o.lease_ms, &e) == OK;
	w->extend_at = clock_mono_ms() + (ok ? w->en->o.lease_ms / 3 : PAUSE_MS);
}

/* How long to sleep: until work is due, a resync, or a connection is to be tried. */
static int time_to_wait(struct waiter *w)
{
	struct err e = ERR_INIT;
	int64_t now = clock_mono_ms(), due = -1;
	int64_t wait = (w->resync_at < w->extend_at ? w->resync_at : w->extend_at) - now;
	if (work_next_due(w->store, &due, &e) != OK)
		due = PAUSE_MS;
	else if (due == 0) { /* due but not taken: the workers may all be busy, so look again soon */
		wake_workers(w->en, false);
		due = PAUSE_MS / 10;
	}
	if (due >= 0 && due < wait)
		wait = due;
	if ((w->listen_fd < 0 || w->node_fd < 0) && w->connect_at - now < wait)
		wait = w->connect_at - now;
	return wait < 0 ? 0 : (int)wait;
}

static void wait_once(struct waiter *w)
{
	enum { WAKE, LISTEN, NODE, CHILDREN };
	struct pollfd fds[CHILDREN + MAX_CHILDREN];
	fds[WAKE] = (struct pollfd){.fd = w->en->wake_fd, .events = POLLIN};
	fds[LISTEN] = (struct pollfd){.fd = w->listen_fd, .events = POLLIN};
	fds[NODE] = (struct pollfd){.fd = w->node_fd, .events = POLLIN};
	size_t n = CHILDREN + build_children_poll(w->en->children, fds + CHILDREN, MAX_CHILDREN);
	if (poll(fds, n, time_to_wait(w)) < 0 && errno != EINTR)
		return;
	if (fds[WAKE].revents) {
		uint64_t count;
		ssize_t got = read(w->en->wake_fd, &count, sizeof count);
		(void)got; /* only to make it unreadable */
	}
	if (w->listen_fd >= 0) /* readable or not: another statement of this store may have connected anew */
		take_notifications(w);
	if (w->node_fd >= 0 && fds[NODE].revents)
		take_node_events(w);
	take_children(w);
	int64_t now = clock_mono_ms();
	if ((w->listen_fd < 0 || w->node_fd < 0) && now >= w->connect_at)
		connect_sources(w);
	if (now >= w->resync_at)
		enqueue_all(w);
	if (now >= w->extend_at)
		extend_leases(w);
}

static void *waiter_main(void *arg)
{
	struct engine *en = arg;
	struct waiter w = {.en = en, .listen_fd = -1, .node_fd = -1, .store = store_new(en->o.conf->database), .node = node_new(&en->o.node)};
	w.resync_at = clock_mono_ms() + en->o.resync_ms;
	w.extend_at = clock_mono_ms() + en->o.lease_ms / 3;
	connect_sources(&w);
	while (!atomic_load(&en->stopping))
		wait_once(&w);
	store_free(w.store);
	node_free(w.node);
	return NULL;
}

/* ---- life ---- */

static enum err_class free_old_leases(struct engine *en, struct err *e)
{
	struct store *s = store_new(en->o.conf->database);
	enum err_class c = work_free_owner(s, en->owner, e);
	store_free(s);
	return c;
}

static void engine_free(struct engine *en)
{
	for (size_t i = 0; i < en->nworkers; i++)
		worker_close(&en->workers[i]);
	build_children_free(en->children);
	leases_free(en->leases);
	if (en->wake_fd >= 0)
		(void)close(en->wake_fd);
	(void)pthread_mutex_destroy(&en->lock);
	(void)pthread_cond_destroy(&en->some_work);
	free(en->workers);
	free(en);
}

static enum err_class start_threads(struct engine *en, struct err *e)
{
	size_t started = 0;
	int failed = 0;
	while (started < en->nworkers && !failed) {
		failed = pthread_create(&en->workers[started].thread, NULL, worker_main, &en->workers[started]);
		started += !failed;
	}
	if (!failed)
		failed = pthread_create(&en->waiter, NULL, waiter_main, en);
	if (!failed)
		return OK;
	atomic_store(&en->stopping, true);
	wake_workers(en, true);
	for (size_t i = 0; i < started; i++)
		(void)pthread_join(en->workers[i].thread, NULL);
	return err_errno(e, failed, TRANSIENT, R_OutOfResources, "start the workers");
}

enum err_class engine_start(const struct engine_opts *o, struct engine **ret, struct err *e)
{
	if (strlen(o->owner) >= sizeof ((struct engine *)NULL)->owner)
		return err_set(e, BUG, R_Internal, "the owner's name \"%s\" is too long", o->owner); /* cut, it might be another's */
	struct engine *en = xcalloc(1, sizeof *en);
	en->o = *o;
	(void)snprintf(en->owner, sizeof en->owner, "%s", o->owner);
	(void)pthread_mutex_init(&en->lock, NULL);
	(void)pthread_cond_init(&en->some_work, NULL);
	en->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	en->children = build_children_new(poke_waiter, en);
	en->builds = build_children_interface(en->children);
	en->leases = leases_new((size_t)o->conf->workers);
	en->workers = xcalloc((size_t)o->conf->workers, sizeof *en->workers);
	enum err_class c = en->wake_fd < 0 ? err_errno(e, errno, TRANSIENT, R_OutOfResources, "eventfd") : free_old_leases(en, e);
	while (!c && en->nworkers < (size_t)o->conf->workers)
		c = worker_open(en, &en->workers[en->nworkers++], e);
	if (!c)
		c = start_threads(en, e);
	if (c)
		engine_free(en);
	else
		*ret = en;
	return c;
}

void engine_stop(struct engine *en)
{
	if (!en)
		return;
	atomic_store(&en->stopping, true);
	wake_workers(en, true);
	poke_waiter(en);
	for (size_t i = 0; i < en->nworkers; i++)
		(void)pthread_join(en->workers[i].thread, NULL);
	(void)pthread_join(en->waiter, NULL);
	engine_free(en);
}
