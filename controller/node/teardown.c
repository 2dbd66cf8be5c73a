#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"
#include "node/fnode.h"

enum { LOCK_WAIT_MS = 10000, END_WAIT_MS = 10000, POLL_MS = 10, MAX_TEXT = 4 << 20 };

/* cgroups: one tree below the parent in each hierarchy (v1) or in the only one (v2). */

static void kill_listed(const char *file)
{
	AUTO_BUF struct buf text = BUF_INIT(MAX_TEXT);
	if (fs_read(file, &text, NULL))
		return; /* gone */
	for (char *at = text.p, *end; at && *at; at = *end ? end + 1 : end) {
		long pid = strtol(at, &end, 10);
		if (pid > 1)
			(void)kill((pid_t)pid, SIGKILL); /* gone meanwhile is fine */
		if (end == at)
			break;
	}
}

/* Kills and removes what is below and at path; true when it is gone. */
static bool end_cgroup(const char *path)
{
	DIR *d = opendir(path);
	if (!d)
		return errno == ENOENT;
	for (struct dirent *ent; (ent = readdir(d)) != NULL;) {
		AUTO_FREE char *below = xprintf("%s/%s", path, ent->d_name);
		if (ent->d_type == DT_DIR && ent->d_name[0] != '.')
			(void)end_cgroup(below); /* rmdir of this one fails while it stays */
	}
	(void)closedir(d);
	AUTO_FREE char *procs = xprintf("%s/cgroup.procs", path);
	kill_listed(procs);
	return rmdir(path) == 0 || errno == ENOENT;
}

static bool end_cgroups_once(const char *parent)
{
	AUTO_FREE char *unified = xprintf("/sys/fs/cgroup%s", parent);
	if (runtime_cgroup_v2())
		return end_cgroup(unified);
	bool all = true;
	DIR *d = opendir("/sys/fs/cgroup");
	for (struct dirent *ent; d && (ent = readdir(d)) != NULL;) {
		AUTO_FREE char *path = xprintf("/sys/fs/cgroup/%s%s", ent->d_name, parent);
		if (ent->d_name[0] != '.' && fs_exists(path))
			all = end_cgroup(path) && all;
	}
	if (d)
		(void)closedir(d);
	return all;
}

static enum err_class end_cgroups(const char *parent, struct err *e)
{
	if (parent[0] != '/' || !parent[1] || strstr(parent, ".."))
		return err_set(e, INVALID, R_InvalidValue, "cgroup_parent must be a path below /");
	int64_t until = clock_mono_ms() + END_WAIT_MS;
	while (!end_cgroups_once(parent)) {
		if (clock_mono_ms() > until)
			return err_set(e, TRANSIENT, R_Timeout, "the cgroups below %s do not go away", parent);
		(void)poll(NULL, 0, POLL_MS); /* killed processes leave their cgroup without an event that all kernels give */
	}
	return OK;
}

/* conmons: known by the bundle in their arguments. */

static bool is_our_conmon(const char *pid, const char *bundles)
{
	AUTO_FREE char *path = xprintf("/proc/%s/cmdline", pid);
	AUTO_BUF struct buf line = BUF_INIT(16384);
	if (fs_read(path, &line, NULL) || line.len == 0 || !strstr(line.p, "conmon"))
		return false;
	size_t n = strlen(bundles);
	for (size_t i = 0; i < line.len; i += strlen(line.p + i) + 1)
		if (strncmp(line.p + i, bundles, n) == 0 && line.p[i + n] == '/')
			return true;
	return false;
}

static void kill_conmons(const char *bundles)
{
	DIR *d = opendir("/proc");
	for (struct dirent *ent; d && (ent = readdir(d)) != NULL;)
		if (strspn(ent->d_name, "0123456789") == strlen(ent->d_name) && is_our_conmon(ent->d_name, bundles))
			(void)kill((pid_t)strtol(ent->d_name, NULL, 10), SIGKILL); /* gone meanwhile is fine */
	if (d)
		(void)closedir(d);
}

/* Mounts below FN_HOME/run/node, the last first. */

static size_t unmount_below(const char *dir, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(MAX_TEXT);
	size_t n = strlen(dir), found = 0;
	char *last = NULL;
	if (fs_read("/proc/self/mountinfo", &text, e))
		return 0;
	for (char *save = NULL, *line = strtok_r(text.p, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char point[4096];
		if (sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1 || strncmp(point, dir, n) != 0 ||
		    (point[n] != '\0' && point[n] != '/'))
			continue;
		free(last);
		last = xstrdup(point);
		found++;
	}
	if (last && umount2(last, UMOUNT_NOFOLLOW) != 0 && umount2(last, MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
		(void)err_errno(e, errno, TRANSIENT, R_Internal, "unmount %s", last);
	free(last);
	return found;
}

static enum err_class unmount_all(const char *dir, struct err *e)
{
	struct err why = ERR_INIT;
	while (unmount_below(dir, &why) > 0 && !why.class)
		;
	if (why.class && e)
		*e = why;
	return why.class;
}

static void keep_first(struct err *first, const struct err *e)
{
	if (e->class && !first->class)
		*first = *e;
}

enum err_class fnode_teardown(const struct conf *c, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	AUTO_CLOSE int lock = -1;
	enum err_class class = fnode_lock(c, LOCK_WAIT_MS, &lock, e);
	if (class)
		return class;
	struct err first = ERR_INIT, one = ERR_INIT; /* as much as possible goes, whatever fails */
	if (end_cgroups(c->cgroup_parent, &one))
		keep_first(&first, &one);
	kill_conmons(conf_path(c, &a, RUN_BUNDLES));
	if (gateway_teardown(c, &one))
		keep_first(&first, &one);
	if (network_teardown(c, &one))
		keep_first(&first, &one);
	if (unmount_all(conf_path(c, &a, RUN_NODE), &one))
		keep_first(&first, &one);
	(void)unlink(conf_path(c, &a, "run/node.sock")); /* absent after an orderly end */
	if (first.class)
		*e = first;
	return first.class;
}
