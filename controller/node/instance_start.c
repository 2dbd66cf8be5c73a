#include "node/instance.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "node/logs.h"

static void prepared(struct instance *i);

/* Preparing: layers and network at the same time. */

static void prepare_failed(struct instance *i, const struct err *e)
{
	if (!i->prepare_error.class)
		i->prepare_error = *e;
}

static void on_layers(void *ctx, const struct err *error)
{
	struct instance *i = ctx;
	i->layers_ticket = 0;
	if (error)
		prepare_failed(i, error);
	prepared(i);
}

static void on_network(void *ctx, const struct err *error)
{
	struct instance *i = ctx;
	i->network_busy = false;
	if (error)
		prepare_failed(i, error);
	prepared(i);
}

static void fill_bundle(const struct instance *i, struct bundle *b, char netns[64], char *cgroup, size_t size)
{
	const struct instances *s = i->set;
	network_netns_path(s->d.network, i->slot, netns);
	(void)snprintf(cgroup, size, "%s/%s", s->d.conf->cgroup_parent, i->spec.name);
	*b = (struct bundle){
		.name = i->spec.name, .command = i->spec.command[0] ? i->spec.command : i->image.command, .image_env = i->image.env,
		.env = i->spec.env, .workdir = i->image.workdir, .netns = netns, .cgroup = cgroup, .address = i->ip,
		.nameserver = s->d.conf->link_address, .uid = i->uid, .port = i->spec.port, .memory_bytes = i->spec.memory_bytes,
		.cpu_millis = i->spec.cpu_millis, .pids = i->spec.pids, .cgroup_v2 = runtime_cgroup_v2(), .seccomp = s->d.seccomp,
	};
}

static enum err_class write_files(struct instance *i, struct err *e)
{
	struct bundle b;
	char netns[64], cgroup[256];
	fill_bundle(i, &b, netns, cgroup, sizeof cgroup);
	if (!b.command[0])
		return err_set(e, INVALID, R_StartFailed, "neither the function nor its image has a command");
	if (mkdir(i->log_dir, 0700) != 0 && errno != EEXIST)
		return err_errno(e, errno, TRANSIENT, R_StartFailed, "mkdir %s", i->log_dir);
	return bundle_write(&b, i->bundle, e);
}

static enum err_class prepare(struct instance *i, struct err *e)
{
	struct instances *s = i->set;
	enum err_class c = OK;
	if (!i->image.nlayers)
		c = oci_image_load(s->d.blobs, &i->spec.image, &i->arena, &i->image, e);
	i->layers_unknown = i->layers_unknown && c;
	if (!c)
		c = network_up(s->d.network, i->slot, on_network, i, e);
	if (c)
		return c;
	i->network_busy = true;
	c = layers_want(s->d.layers, i->image.layers, i->image.nlayers, on_layers, i, &i->layers_ticket, e);
	return c ? c : write_files(i, e);
}

static void begin_soon(void *ctx)
{
	struct instance *i = ctx;
	i->wait_timer = 0;
	prepared(i);
}

void instance_begin(struct instance *i)
{
	struct err e = ERR_INIT;
	i->phase = P_PREPARING;
	i->unhealthy = i->ready = i->started = false;
	i->prepare_error = (struct err)ERR_INIT;
	instance_note(i);
	if (prepare(i, &e)) {
		prepare_failed(i, &e);
		if (!i->network_busy && !i->layers_ticket)
			i->wait_timer = loop_after(i->set->d.loop, 0, begin_soon, i); /* the caller has its answer first */
	}
}

/* Creating and starting. */

static void on_started(void *ctx, const struct err *error)
{
	struct instance *i = ctx;
	i->starting = NULL;
	if (error) {
		instance_set_error(i, error, true);
		instance_kill(i, 0);
		return;
	}
	i->phase = P_RUNNING;
	i->started = true;
	instance_store(i);
	if (i->stopping)
		instance_kill(i, TERM_MS);
	else
		instance_begin_probes(i, true);
}

static void on_created(void *ctx, const struct process *container, const struct process *conmon, const struct err *error)
{
	struct instance *i = ctx;
	struct err e = ERR_INIT;
	i->container = *container;
	i->conmon = *conmon;
	if (error) {
		instance_set_error(i, error, true);
		instance_clean(i, true);
		return;
	}
	instance_watch_process(i);
	if (i->stopping) {
		instance_kill(i, 0);
		return;
	}
	instance_store(i);
	if (runtime_start(i->set->d.runtime, i->spec.name, on_started, i, &i->starting, &e)) {
		instance_set_error(i, &e, false);
		instance_kill(i, 0);
	}
}

static enum err_class create(struct instance *i, struct err *e)
{
	enum err_class c = bundle_mount(i->bundle, &i->image, e);
	if (c)
		return c;
	c = runtime_create(i->set->d.runtime, i->spec.name, i->bundle, i->log, LOG_SIZE_MAX, on_created, i, e);
	i->container_left = i->container_left || !c;
	return c;
}

/* Both have answered, or what failed did so at once. */
static void prepared(struct instance *i)
{
	struct err e = ERR_INIT;
	if (i->layers_ticket || i->network_busy)
		return;
	if (i->stopping) {
		instance_clean(i, false);
		return;
	}
	if (i->prepare_error.class) {
		instance_set_error(i, &i->prepare_error, false);
		instance_clean(i, true);
		return;
	}
	i->phase = P_CREATING;
	if (create(i, &e)) {
		instance_set_error(i, &e, false);
		instance_clean(i, true);
	}
}

/* Watching its processes. */

static void on_container_end(void *ctx, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	instance_on_process_end(ctx);
}

/* Without conmon nobody holds its output: a program that writes would be killed by it, sooner or later. */
static void on_conmon_end(void *ctx, int fd, uint32_t events)
{
	(void)events;
	struct instance *i = ctx;
	loop_unwatch(i->set->d.loop, fd);
	(void)close(fd);
	i->conmon_pidfd = -1;
	if (i->phase == P_RUNNING && process_alive(&i->container))
		instance_kill(i, 0);
}

static int watch_pid(struct instance *i, const struct process *p, loop_fd_fn *fn)
{
	int fd = p->pid > 0 ? (int)syscall(SYS_pidfd_open, p->pid, 0) : -1;
	if (fd >= 0 && !process_alive(p)) { /* the number was given to another meanwhile */
		(void)close(fd);
		fd = -1;
	}
	if (fd >= 0)
		loop_watch(i->set->d.loop, fd, EPOLLIN, fn, i);
	return fd;
}

static void on_gone_already(void *ctx)
{
	struct instance *i = ctx;
	i->exit_timer = 0;
	instance_on_process_end(i);
}

void instance_watch_process(struct instance *i)
{
	i->conmon_pidfd = watch_pid(i, &i->conmon, on_conmon_end);
	i->pidfd = watch_pid(i, &i->container, on_container_end);
	if (i->pidfd < 0)
		i->exit_timer = loop_after(i->set->d.loop, 0, on_gone_already, i);
}

/* Health. */

static void probe_now(void *ctx);

static void probe_later(struct instance *i, int64_t ms)
{
	i->probe_timer = loop_after(i->set->d.loop, ms, probe_now, i);
}

static void on_healthy(struct instance *i)
{
	i->failures = 0;
	if (!i->ready) {
		loop_cancel(i->set->d.loop, i->deadline_timer);
		i->deadline_timer = 0;
		i->ready = i->was_ready = true;
		i->ready_since_ms = clock_mono_ms();
		i->reason[0] = '\0';
		if (i->message)
			i->message[0] = '\0';
		instance_note(i);
	}
	probe_later(i, i->spec.health_interval_ms);
}

static void on_unhealthy(struct instance *i, const char *why)
{
	struct err e = ERR_INIT;
	(void)snprintf(i->probe_why, sizeof i->probe_why, "%s", why); /* cut: the beginning says it */
	if (!i->ready) { /* growing steps until the first success; the deadline timer ends it */
		probe_later(i, i->probe_ms);
		i->probe_ms = i->probe_ms * 3 / 2 > PROBE_SLOWEST_MS ? PROBE_SLOWEST_MS : i->probe_ms * 3 / 2;
		return;
	}
	if (++i->failures < i->spec.health_failures) {
		probe_later(i, i->spec.health_interval_ms);
		return;
	}
	(void)err_set(&e, TRANSIENT, R_Unhealthy, "%d health checks in a row failed: %s", i->failures, why);
	instance_set_error(i, &e, true);
	i->unhealthy = true;
	i->ready = false;
	instance_note(i);
	instance_kill(i, UNHEALTHY_TERM_MS);
}

static void on_probe(void *ctx, bool healthy, const char *why)
{
	struct instance *i = ctx;
	i->probe = NULL;
	if (healthy)
		on_healthy(i);
	else
		on_unhealthy(i, why);
}

static void probe_now(void *ctx)
{
	struct instance *i = ctx;
	i->probe_timer = 0;
	i->probe = probe_start(i->set->d.loop, i->ip, i->spec.port, i->spec.health_path, i->spec.health_timeout_ms, on_probe, i);
}

static void on_deadline(void *ctx)
{
	struct instance *i = ctx;
	struct err e = ERR_INIT;
	i->deadline_timer = 0;
	(void)err_set(&e, TRANSIENT, R_Unhealthy, "no health check succeeded within %lld ms: %s", (long long)i->spec.health_deadline_ms,
		      i->probe_why[0] ? i->probe_why : "no answer");
	instance_set_error(i, &e, true);
	i->unhealthy = i->was_ready;
	i->verdict_failed = !i->was_ready;
	instance_note(i);
	instance_kill(i, UNHEALTHY_TERM_MS);
}

void instance_begin_probes(struct instance *i, bool first)
{
	i->failures = 0;
	i->probe_why[0] = '\0';
	i->probe_ms = PROBE_FIRST_MS;
	if (first) {
		i->deadline_timer = loop_after(i->set->d.loop, i->spec.health_deadline_ms, on_deadline, i);
		probe_now(i);
	} else {
		probe_later(i, i->ready ? i->spec.health_interval_ms : 0);
	}
}

void instance_end_probes(struct instance *i)
{
	loop_cancel(i->set->d.loop, i->probe_timer);
	loop_cancel(i->set->d.loop, i->deadline_timer);
	probe_cancel(i->probe);
	i->probe = NULL;
	i->probe_timer = i->deadline_timer = 0;
}
