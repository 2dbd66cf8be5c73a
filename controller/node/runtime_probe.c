#include "node/runtime_probe.h"

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/proc.h"
#include "node/bundle.h"
#include "node/runtime.h"

enum { VERSION_MS = 5000, RUN_MS = 10000 };

/* A container like an instance's, but with the host's programs in it and no network: it runs `true`. */
static json_t *probe_config(const char *cgroup_parent, json_t *seccomp)
{
	static const char *const command[] = {"/usr/bin/true", NULL}, *const none[] = {NULL};
	static const char *const binds[] = {"/usr", "/lib", "/lib64"};
	AUTO_FREE char *cgroup = xprintf("%s/probe", cgroup_parent);
	const struct bundle b = {.name = "probe", .command = command, .image_env = none, .env = none, .workdir = "/", .netns = "",
				 .cgroup = cgroup, .uid = 65534, .port = 1, .memory_bytes = 64 << 20, .cpu_millis = 1000, .pids = 64,
				 .cgroup_v2 = runtime_cgroup_v2(), .seccomp = seccomp};
	json_t *config = bundle_config(&b);
	json_t *namespaces = json_object_get(json_object_get(config, "linux"), "namespaces"), *item;
	size_t i;
	json_array_foreach(namespaces, i, item)
		if (strcmp(json_str_or(item, "type", ""), "network") == 0)
			(void)json_object_del(item, "path"); /* a new one */
	for (i = 0; i < ARRAY_LEN(binds); i++)
		if (fs_exists(binds[i]))
			(void)json_array_append_new(json_object_get(config, "mounts"),
						    json_pack("{s:s,s:s,s:s,s:[s,s,s]}", "destination", binds[i], "type", "bind",
							      "source", binds[i], "options", "bind", "ro", "nosuid"));
	(void)json_object_set_new(json_object_get(config, "root"), "readonly", json_false());
	return config;
}

static enum err_class make_bundle(const char *dir, const char *cgroup_parent, json_t *seccomp, struct err *e)
{
	AUTO_FREE char *rootfs = xprintf("%s/rootfs", dir), *path = xprintf("%s/config.json", dir);
	AUTO_JSON json_t *config = probe_config(cgroup_parent, seccomp);
	AUTO_FREE char *text = json_text(config);
	enum err_class c = fs_mkdirs(rootfs, 0755, e);
	return c ? c : fs_write_atomic(path, text, strlen(text), 0600, false, e);
}

/* "runc version 1.1.5+ds1" and "crun version 1.8.1" become "runc 1.1.5+ds1" and "crun 1.8.1". */
static char *version_of(const char *binary, const char *name)
{
	AUTO_BUF struct buf out = BUF_INIT(4096);
	char version[64] = "?";
	if (!proc_run((const char *[]){binary, "--version", NULL}, NULL, VERSION_MS, &out, NULL)) {
		const char *at = strstr(buf_str(&out), "version ");
		size_t n = at ? strcspn(at + 8, " \n") : 0;
		if (at && n > 0 && n < sizeof version) {
			memcpy(version, at + 8, n);
			version[n] = '\0';
		}
	}
	return xprintf("%s %s", name, version);
}

static bool works(const char *binary, const char *dir, struct err *e)
{
	AUTO_FREE char *state = xprintf("%s/state", dir);
	const char *run[] = {binary, "--root", state, "run", "--bundle", dir, "probe", NULL};
	const char *clean[] = {binary, "--root", state, "delete", "--force", "probe", NULL};
	AUTO_BUF struct buf out = BUF_INIT(8192);
	err_ignore(proc_run(clean, NULL, RUN_MS, NULL, NULL)); /* of a start that was interrupted */
	enum err_class c = proc_run(run, NULL, RUN_MS, &out, e);
	if (c)
		err_ignore(proc_run(clean, NULL, RUN_MS, NULL, NULL)); /* what a failed run left, if anything */
	return !c;
}

void runtime_probe(const char *dir, const char *cgroup_parent, json_t *seccomp, char **ret_binary, char **ret_name)
{
	static const char *const paths[][2] = {{"/usr/bin/crun", "crun"}, {"/usr/sbin/runc", "runc"}, {"/usr/bin/runc", "runc"}};
	AUTO_BUF struct buf why = BUF_INIT(2048);
	struct err e = ERR_INIT;
	*ret_binary = *ret_name = NULL;
	if (make_bundle(dir, cgroup_parent, seccomp, &e))
		(void)buf_puts(&why, e.msg);
	for (size_t i = 0; i < ARRAY_LEN(paths) && !e.class && !*ret_binary; i++) {
		if (!fs_exists(paths[i][0]))
			continue;
		struct err not = ERR_INIT;
		if (works(paths[i][0], dir, &not)) {
			*ret_binary = xstrdup(paths[i][0]);
			*ret_name = version_of(paths[i][0], paths[i][1]);
		} else {
			(void)buf_printf(&why, "%s%s", why.len ? "; " : "", not.msg);
		}
	}
	if (!*ret_binary)
		*ret_name = xprintf("none: %s", why.len ? why.p : "neither crun nor runc is installed");
	err_ignore(fs_remove_tree(dir, NULL)); /* on the tmpfs: nothing depends on it */
}
