#include "node/instance.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/utf8.h"

enum { MAX_STATE = 4 << 20 };

static json_t *process_json(const struct process *p)
{
	return json_pack("{s:i,s:I}", "pid", (int)p->pid, "start", (json_int_t)p->start);
}

static struct process process_from(const json_t *j)
{
	return (struct process){(pid_t)json_int_or(j, "pid", 0), json_int_or(j, "start", 0)};
}

void instance_store(const struct instance *i)
{
	AUTO_JSON json_t *j = json_pack(
		"{s:s,s:O,s:i,s:I,s:o,s:o,s:b,s:b,s:b,s:b,s:b,s:b,s:i,s:i,s:s,s:I,s:I}", "key", i->key, "instance", i->request, "slot",
		i->slot, "uid", (json_int_t)i->uid, "container", process_json(&i->container), "conmon", process_json(&i->conmon),
		"started", i->started, "ready", i->ready, "was_ready", i->was_ready, "stopping", i->stopping, "failed",
		i->verdict_failed, "container_left", i->container_left, "restarts", i->restarts, "exit_code", i->exit_code, "reason",
		i->reason, "since_ms", (json_int_t)i->since_ms, "drain_ms", (json_int_t)i->drain_ms);
	(void)json_object_set_new(j, "message", json_clean(i->message ? i->message : ""));
	struct err e = ERR_INIT;
	AUTO_FREE char *text = json_text(j);
	AUTO_FREE char *path = xprintf("%s/%s.json", i->set->d.states, i->spec.name);
	if (fs_write_atomic(path, text, strlen(text), 0600, false, &e))
		log_err(LOG_ERROR, "instance state not kept", &e, "name", i->spec.name, NULL);
}

static void take_fields(struct instance *i, const json_t *j)
{
	i->slot = (int)json_int_or(j, "slot", 0);
	i->uid = (uid_t)json_int_or(j, "uid", 0);
	i->container = process_from(json_object_get(j, "container"));
	i->conmon = process_from(json_object_get(j, "conmon"));
	i->started = json_bool_or(j, "started", false);
	i->ready = json_bool_or(j, "ready", false);
	i->was_ready = json_bool_or(j, "was_ready", false);
	i->verdict_failed = json_bool_or(j, "failed", false);
	i->container_left = json_bool_or(j, "container_left", true);
	i->restarts = (int)json_int_or(j, "restarts", 0);
	i->exit_code = (int)json_int_or(j, "exit_code", 0);
	(void)snprintf(i->reason, sizeof i->reason, "%s", json_str_or(j, "reason", ""));
	i->message = xstrdup(json_str_or(j, "message", ""));
	i->since_ms = json_int_or(j, "since_ms", clock_wall_ms());
	i->drain_ms = json_int_or(j, "drain_ms", 0);
	i->ready_since_ms = i->ready ? clock_mono_ms() : 0;
}

/* What is left of it decides how it goes on. */
static void resume(struct instance *i, bool stopping)
{
	bool alive = process_alive(&i->container);
	if (i->started && alive && process_alive(&i->conmon) && !i->verdict_failed) {
		i->phase = P_RUNNING;
		instance_watch_process(i);
		if (stopping)
			instance_begin_stop(i, i->drain_ms);
		else
			instance_begin_probes(i, !i->ready);
		return;
	}
	if (alive)
		(void)kill(i->container.pid, SIGKILL); /* gone meanwhile is fine; runtime_delete makes sure */
	i->stopping = stopping;
	if (i->started) {
		instance_on_process_end(i);
		return;
	}
	runtime_kill_conmon(i->bundle);
	i->container_left = !i->verdict_failed || i->container_left;
	i->again = !i->verdict_failed;
	instance_clean(i, i->verdict_failed);
}

static enum err_class adopt(struct instances *s, const char *path, struct err *e)
{
	AUTO_JSON json_t *j = NULL;
	AUTO_BUF struct buf text = BUF_INIT(MAX_STATE);
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct node_spec spec;
	const char *key;
	enum err_class c = fs_read(path, &text, e);
	if (!c)
		c = json_parse(buf_str(&text), text.len, &j, e);
	if (!c)
		c = json_need_str(j, "key", &key, e);
	if (!c)
		c = node_spec_parse(json_object_get(j, "instance"), &a, &spec, e);
	if (c)
		return c;
	struct instance *i = instances_add(s, key, json_object_get(j, "instance"), &spec, &a);
	take_fields(i, j);
	network_hold_slot(s->d.network, i->slot);
	network_address(s->d.network, i->slot, i->ip);
	if (oci_image_load(s->d.blobs, &i->spec.image, &i->arena, &i->image, NULL))
		i->layers_unknown = true;
	resume(i, json_bool_or(j, "stopping", false));
	return OK;
}

/* What was made for an instance whose state is gone already. */
static void remove_strays(struct instances *s)
{
	DIR *d = opendir(s->d.bundles);
	if (!d)
		return; /* none was ever made */
	for (struct dirent *ent; (ent = readdir(d)) != NULL;) {
		struct err e = ERR_INIT;
		if (ent->d_name[0] == '.' || instances_find(s, ent->d_name))
			continue;
		AUTO_FREE char *path = xprintf("%s/%s", s->d.bundles, ent->d_name);
		if (bundle_unmount(path, &e) || fs_remove_tree(path, &e))
			log_err(LOG_WARN, "stray bundle", &e, "name", ent->d_name, NULL);
	}
	(void)closedir(d);
}

void instance_adopt_all(struct instances *s)
{
	DIR *d = opendir(s->d.states);
	if (!d)
		return; /* the first start */
	for (struct dirent *ent; (ent = readdir(d)) != NULL;) {
		const char *dot = strrchr(ent->d_name, '.');
		AUTO_FREE char *path = xprintf("%s/%s", s->d.states, ent->d_name);
		struct err e = ERR_INIT;
		if (!dot || strcmp(dot, ".json") != 0)
			continue;
		if (adopt(s, path, &e)) {
			log_err(LOG_ERROR, "instance not adopted", &e, "file", ent->d_name, NULL);
			(void)unlink(path); /* nobody could make anything of it */
		}
	}
	(void)closedir(d);
	remove_strays(s);
}
