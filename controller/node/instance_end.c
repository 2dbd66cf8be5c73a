#include "node/instance.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"

/* The end of a process. */

/* The kernel counts in the cgroup, which is still there, whom it killed for want of memory. */
static bool ran_out_of_memory(const struct instance *i)
{
	bool v2 = runtime_cgroup_v2();
	AUTO_FREE char *path = xprintf("/sys/fs/cgroup%s%s/%s/%s", v2 ? "" : "/memory", i->set->d.conf->cgroup_parent, i->spec.name,
				       v2 ? "memory.events" : "memory.oom_control");
	AUTO_BUF struct buf text = BUF_INIT(4096);
	if (fs_read(path, &text, NULL))
		return false;
	const char *at = strstr(buf_str(&text), "oom_kill ");
	return at && strtol(at + 9, NULL, 10) > 0;
}

static void judge_end(struct instance *i)
{
	struct err e = ERR_INIT;
	if (i->stopping || i->unhealthy || i->verdict_failed)
		return; /* the reason is known already */
	if (i->exit_code == 128 + SIGKILL && ran_out_of_memory(i))
		(void)err_set(&e, TRANSIENT, R_Exited, "the program needed more than its %lld MiB of memory and was killed",
			      (long long)(i->spec.memory_bytes >> 20));
	else if (i->exit_code < 0)
		(void)err_set(&e, TRANSIENT, R_Exited, "the program ended; its status is not known");
	else if (i->exit_code > 128)
		(void)err_set(&e, TRANSIENT, R_Exited, "the program was killed by signal %d", i->exit_code - 128);
	else
		(void)err_set(&e, TRANSIENT, R_Exited, "the program ended with status %d", i->exit_code);
	instance_set_error(i, &e, true);
	if (i->was_ready && i->restarts >= CRASH_LOOP_AFTER && i->backoff_ms > BACKOFF_FIRST_MS)
		(void)snprintf(i->reason, sizeof i->reason, "%s", reason_token(R_CrashLoop));
}

static void ended(struct instance *i, int status)
{
	i->exit_code = status;
	i->container = i->conmon = (struct process){0, 0};
	judge_end(i);
	instance_clean(i, !i->was_ready && !i->stopping);
}

static void on_no_exit_file(void *ctx)
{
	struct instance *i = ctx;
	int status;
	i->exit_timer = 0;
	ended(i, runtime_exit_status(i->set->d.runtime, i->spec.name, &status) ? status : -1);
}

static void close_pidfds(struct instance *i)
{
	int *const fds[] = {&i->pidfd, &i->conmon_pidfd};
	for (size_t k = 0; k < ARRAY_LEN(fds); k++) {
		if (*fds[k] < 0)
			continue;
		loop_unwatch(i->set->d.loop, *fds[k]);
		(void)close(*fds[k]);
		*fds[k] = -1;
	}
}

static void cancel_timers(struct instance *i)
{
	uint64_t *const timers[] = {&i->kill_timer, &i->drain_timer, &i->exit_timer, &i->wait_timer};
	for (size_t k = 0; k < ARRAY_LEN(timers); k++) {
		loop_cancel(i->set->d.loop, *timers[k]);
		*timers[k] = 0;
	}
	instance_end_probes(i);
	runtime_detach(i->starting);
	i->starting = NULL;
}

void instance_on_process_end(struct instance *i)
{
	int status;
	cancel_timers(i);
	close_pidfds(i);
	i->phase = P_ENDING;
	i->ready = false;
	i->ended_ms = clock_mono_ms();
	if (runtime_exit_status(i->set->d.runtime, i->spec.name, &status))
		ended(i, status);
	else /* conmon still reads its last words, unless it is gone too */
		i->exit_timer = loop_after(i->set->d.loop, process_alive(&i->conmon) ? EXIT_FILE_MS : 0, on_no_exit_file, i);
}

/* Killing. */

static void send_signal(const struct instance *i, int sig)
{
	if (i->pidfd >= 0 && syscall(SYS_pidfd_send_signal, i->pidfd, sig, NULL, 0U) != 0 && errno != ESRCH) {
		struct err e;
		(void)err_errno(&e, errno, TRANSIENT, R_Internal, "signal %d", sig);
		log_err(LOG_WARN, "instance", &e, "name", i->spec.name, NULL);
	}
}

static void on_kill(void *ctx)
{
	struct instance *i = ctx;
	i->kill_timer = 0;
	send_signal(i, SIGKILL);
}

/* Whether the signal is in one of the masks that /proc tells of. */
static bool has_signal(const char *status, const char *mask, int sig)
{
	const char *at = strstr(status, mask);
	return at && (strtoull(at + strlen(mask), NULL, 16) >> (sig - 1) & 1);
}

/* The first process of a pid namespace gets SIGTERM only if it catches it, or has it blocked to take it by sigwait or a signalfd; waiting for one that
 * does neither is lost time. */
static bool takes_term(const struct process *p)
{
	AUTO_FREE char *path = xprintf("/proc/%d/status", (int)p->pid);
	AUTO_BUF struct buf text = BUF_INIT(16384);
	if (fs_read(path, &text, NULL))
		return false;
	return has_signal(buf_str(&text), "\nSigCgt:", SIGTERM) || has_signal(buf_str(&text), "\nSigBlk:", SIGTERM);
}

void instance_kill(struct instance *i, int64_t term_ms)
{
	cancel_timers(i);
	i->phase = P_ENDING;
	i->ready = false;
	if (i->pidfd < 0) {
		i->exit_timer = loop_after(i->set->d.loop, 0, on_no_exit_file, i);
		return;
	}
	if (term_ms > 0 && takes_term(&i->container)) {
		send_signal(i, SIGTERM);
		i->kill_timer = loop_after(i->set->d.loop, term_ms, on_kill, i);
	} else {
		send_signal(i, SIGKILL);
	}
}

/* Cleaning up. */

static int64_t next_backoff(struct instance *i)
{
	int64_t delay = i->backoff_ms;
	if (i->ready_since_ms && i->ended_ms - i->ready_since_ms >= HEALTHY_RESETS_MS)
		delay = BACKOFF_FIRST_MS;
	i->ready_since_ms = 0;
	i->backoff_ms = delay * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : delay * 2;
	return delay;
}

static void on_backoff(void *ctx)
{
	struct instance *i = ctx;
	i->wait_timer = 0;
	instance_begin(i);
}

static void unmount(struct instance *i)
{
	struct err e = ERR_INIT;
	if (bundle_unmount(i->bundle, &e))
		log_err(LOG_WARN, "instance", &e, "name", i->spec.name, NULL);
}

static void cleaned(struct instance *i)
{
	if (i->stopping) {
		instance_leave(i);
		return;
	}
	if (i->verdict_failed) {
		i->phase = P_FAILED;
		unmount(i);
		instance_note(i);
		return;
	}
	int64_t wait = 0;
	if (!i->again) {
		wait = next_backoff(i) - (i->ended_ms ? clock_mono_ms() - i->ended_ms : 0);
		i->restarts++;
	}
	i->again = false;
	i->phase = P_WAITING;
	i->wait_timer = loop_after(i->set->d.loop, wait, on_backoff, i);
}

static void delete_container(void *ctx);

static void on_deleted(void *ctx, const struct err *error)
{
	struct instance *i = ctx;
	if (error) { /* for ever: what is left of it holds its name and address */
		log_err(LOG_WARN, "instance", error, "name", i->spec.name, NULL);
		i->wait_timer = loop_after(i->set->d.loop, RETRY_MS, delete_container, i);
		return;
	}
	i->container_left = false;
	cleaned(i);
}

static void delete_container(void *ctx)
{
	struct instance *i = ctx;
	struct err e = ERR_INIT;
	i->wait_timer = 0;
	if (!i->container_left)
		cleaned(i);
	else if (runtime_delete(i->set->d.runtime, i->spec.name, on_deleted, i, &e))
		on_deleted(i, &e);
}

void instance_clean(struct instance *i, bool failed)
{
	cancel_timers(i);
	close_pidfds(i);
	bool fails = failed && !i->was_ready && !i->stopping && !i->again;
	i->verdict_failed = i->verdict_failed || fails;
	i->phase = P_CLEANING;
	i->ended_ms = clock_mono_ms();
	i->ready = i->unhealthy = i->started = false;
	if (!i->verdict_failed)
		instance_note(i); /* else when it is done: who sees "failed" may stop it at once */
	else
		instance_store(i);
	delete_container(i);
}

/* Leaving. */

static void leave_again(void *ctx)
{
	struct instance *i = ctx;
	i->wait_timer = 0;
	instance_leave(i);
}

static void on_network_down(void *ctx, const struct err *error)
{
	struct instance *i = ctx;
	i->network_busy = false;
	if (!error) {
		instance_forget(i);
		return;
	}
	log_err(LOG_WARN, "instance", error, "name", i->spec.name, NULL);
	i->wait_timer = loop_after(i->set->d.loop, RETRY_MS, leave_again, i);
}

void instance_leave(struct instance *i)
{
	struct err e = ERR_INIT;
	i->phase = P_LEAVING;
	enum err_class c = bundle_unmount(i->bundle, &e);
	if (!c)
		c = network_down(i->set->d.network, i->slot, on_network_down, i, &e);
	i->network_busy = !c;
	if (c) {
		log_err(LOG_WARN, "instance", &e, "name", i->spec.name, NULL);
		i->wait_timer = loop_after(i->set->d.loop, RETRY_MS, leave_again, i);
	}
}

/* Stopping. */

/* Each look is a question to HAProxy: the longer it takes already (a WebSocket may stay for the whole time), the less often. */
static int64_t drain_pause(const struct instance *i, int64_t now)
{
	int64_t left = i->drain_until_ms - now, spent = i->drain_ms - left, pause = spent / 20;
	if (i->quiet || pause < DRAIN_POLL_MS)
		pause = DRAIN_POLL_MS;
	if (pause > DRAIN_SLOWEST_MS)
		pause = DRAIN_SLOWEST_MS;
	return pause < left ? pause : left;
}

static void on_drain(void *ctx)
{
	struct instance *i = ctx;
	i->drain_timer = 0;
	AUTO_FREE char *address = xprintf("%s:%d", i->ip, i->spec.port);
	int64_t now = clock_mono_ms();
	int64_t open = now < i->drain_until_ms ? gateway_open_requests(i->set->d.gateway, address) : 0;
	i->quiet = open == 0 ? i->quiet + 1 : 0;
	if (i->quiet >= 2 || now >= i->drain_until_ms) /* twice: one may be on its way from the gateway's map to its counter */
		instance_kill(i, TERM_MS);
	else
		i->drain_timer = loop_after(i->set->d.loop, drain_pause(i, now), on_drain, i);
}

void instance_begin_stop(struct instance *i, int64_t drain_ms)
{
	i->stopping = true;
	i->drain_ms = drain_ms;
	i->drain_until_ms = clock_mono_ms() + drain_ms;
	instance_note(i);
	switch (i->phase) {
	case P_PREPARING: /* an unpacking goes on for whoever wants the layer next */
		layers_forget(i->set->d.layers, i->layers_ticket);
		i->layers_ticket = 0;
		if (!i->network_busy)
			instance_clean(i, false);
		break;
	case P_RUNNING:
		instance_end_probes(i);
		on_drain(i);
		break;
	case P_WAITING:
	case P_FAILED:
		loop_cancel(i->set->d.loop, i->wait_timer);
		i->wait_timer = 0;
		instance_leave(i);
		break;
	case P_CREATING: /* on_created or on_started goes on */
	case P_ENDING:
	case P_CLEANING:
	case P_LEAVING:
		break;
	}
}
