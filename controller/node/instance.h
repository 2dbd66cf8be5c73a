/* One instance, inside instances*.c.
 *
 *            layers + network        conmon, create         start          end of the process
 *   PREPARING ------------> CREATING ------------> RUNNING ------> CLEANING -----> WAITING (backoff) -> PREPARING
 *       |                      |                     |  kill         |   |--------> FAILED
 *       +----------------------+---------------------+--> ENDING ----+   +--------> LEAVING -> forgotten
 *
 * At most one asynchronous operation per resource is under way; an instance is freed only in LEAVING, when there is none. */
#ifndef FN_NODE_INSTANCE_H
#define FN_NODE_INSTANCE_H

#include "node/bundle.h"
#include "node/health.h"
#include "node/instance_spec.h"
#include "node/instances.h"

enum phase { P_PREPARING, P_CREATING, P_RUNNING, P_ENDING, P_CLEANING, P_WAITING, P_FAILED, P_LEAVING };

enum {
	PROBE_FIRST_MS = 2, PROBE_SLOWEST_MS = 50,   /* until the first success */
	BACKOFF_FIRST_MS = 100, BACKOFF_MAX_MS = 30000, HEALTHY_RESETS_MS = 60000, CRASH_LOOP_AFTER = 5,
	TERM_MS = 10000, UNHEALTHY_TERM_MS = 2000, DRAIN_POLL_MS = 20, DRAIN_SLOWEST_MS = 500, EXIT_FILE_MS = 2000, RETRY_MS = 1000,
	LAST_LINES = 10, LAST_BYTES = 1024, KEEP_LAYERS = 1000
};

struct instance {
	struct instances *set;
	struct instance *next;
	struct arena arena;
	struct node_spec spec;
	json_t *request; /* as it came, for the state file */
	char *key;
	int slot;
	uid_t uid;
	char ip[16];
	struct oci_image image;
	char *bundle, *log_dir, *log;

	enum phase phase;
	bool stopping, ready, was_ready, unhealthy;
	bool verdict_failed; /* it failed, or will have when it is cleaned up */
	bool container_left; /* a container may be there and must be deleted */
	bool layers_unknown; /* it was adopted and its image cannot be read: no layer may go */
	bool again;          /* after cleaning up start at once: fn-node ended while it was being made */
	int restarts, exit_code, failures;
	char reason[32];
	char *message;
	int64_t since_ms, ready_since_ms, ended_ms; /* wall, monotonic, monotonic */
	int64_t backoff_ms, probe_ms;
	char probe_why[160];      /* what the last failed check said */

	/* under way */
	uint64_t layers_ticket;
	bool network_busy;
	struct runtime_action *starting;
	struct err prepare_error;
	struct probe *probe;
	uint64_t probe_timer, deadline_timer, wait_timer, kill_timer, drain_timer, exit_timer;
	int64_t drain_ms, drain_until_ms; /* as asked; monotonic */
	int quiet;              /* times in a row that no request was open */

	struct process container, conmon;
	int pidfd, conmon_pidfd; /* -1: none */
	bool started;            /* its program was let go */
};

struct instances {
	struct instances_deps d;
	instances_changed_fn *changed;
	void *ctx;
	struct instance *all;
	struct held *held; /* slots that only routes point to */
};

struct held {
	struct held *next;
	char *name; /* of the instance that had it */
	int slot;
};

const char *instance_state(const struct instance *i);
void instance_note(struct instance *i);   /* the state changed: remember when, store, tell */
void instance_store(const struct instance *i);
void instance_forget(struct instance *i); /* frees; the slot is free unless a route points to it */
void instance_set_error(struct instance *i, const struct err *e, bool with_log);
struct instance *instances_find(const struct instances *s, const char *name);
struct instance *instances_add(struct instances *s, const char *key, const json_t *request, const struct node_spec *spec,
			       struct arena *a);

/* instance_start.c */
void instance_begin(struct instance *i);          /* to PREPARING */
void instance_watch_process(struct instance *i);  /* pidfds of container and conmon; in RUNNING */
void instance_begin_probes(struct instance *i, bool first);
void instance_end_probes(struct instance *i);

/* instance_end.c */
void instance_begin_stop(struct instance *i, int64_t drain_ms);
void instance_kill(struct instance *i, int64_t term_ms); /* to ENDING */
void instance_on_process_end(struct instance *i);        /* it is gone; the exit file may still come */
void instance_clean(struct instance *i, bool failed);    /* to CLEANING: the container, if any, goes */
void instance_leave(struct instance *i);                 /* to LEAVING */

/* instance_adopt.c */
void instance_adopt_all(struct instances *s);

#endif
