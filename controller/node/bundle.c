#include "node/bundle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fs.h"

enum { CPU_PERIOD_US = 100000, OVERLAY_MAGIC = 0x794c7630, MAX_CONFIG = 4 << 20 };

/* As runc's and crun's own defaults. */
static const char *const masked[] = {"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
				     "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi",
				     "/sys/firmware", NULL};
static const char *const readonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL};

static json_t *strings(const char *const *list)
{
	json_t *a = json_array();
	for (; *list; list++)
		(void)json_array_append_new(a, json_string(*list));
	return a;
}

/* Environment: later ones win over earlier ones of the same name. */

static void set_var(json_t *env, const char *var)
{
	const char *eq = strchr(var, '=');
	if (!eq)
		return;
	size_t n = (size_t)(eq - var) + 1, i;
	json_t *item;
	json_array_foreach(env, i, item)
		if (strncmp(json_string_value(item), var, n) == 0) {
			(void)json_array_set_new(env, i, json_string(var));
			return;
		}
	(void)json_array_append_new(env, json_string(var));
}

static json_t *environment(const struct bundle *b)
{
	AUTO_FREE char *port = xprintf("PORT=%d", b->port);
	json_t *env = json_array();
	set_var(env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	set_var(env, "HOME=/tmp"); /* the one directory that can be written */
	for (const char *const *v = b->image_env; *v; v++)
		set_var(env, *v);
	for (const char *const *v = b->env; *v; v++)
		set_var(env, *v);
	set_var(env, port);
	return env;
}

static json_t *mounts(void)
{
	return json_pack("[{s:s,s:s,s:s,s:[s,s,s]},{s:s,s:s,s:s,s:[s,s,s,s,s]},{s:s,s:s,s:s,s:[s,s,s,s,s]},{s:s,s:s,s:s,s:[s,s,s,s]}]",
			 "destination", "/proc", "type", "proc", "source", "proc", "options", "nosuid", "nodev", "noexec",
			 "destination", "/dev", "type", "tmpfs", "source", "tmpfs", "options", "nosuid", "noexec", "strictatime",
			 "mode=755", "size=64k",
			 "destination", "/dev/shm", "type", "tmpfs", "source", "shm", "options", "nosuid", "nodev", "noexec",
			 "mode=1777", "size=16m",
			 "destination", "/tmp", "type", "tmpfs", "source", "tmpfs", "options", "nosuid", "nodev", "mode=1777",
			 "size=64m");
}

static json_t *namespaces(const struct bundle *b)
{
	json_t *a = json_pack("[{s:s},{s:s},{s:s},{s:s},{s:s,s:s}]", "type", "pid", "type", "ipc", "type", "uts", "type", "mount",
			      "type", "network", "path", b->netns);
	if (b->cgroup_v2)
		(void)json_array_append_new(a, json_pack("{s:s}", "type", "cgroup"));
	return a;
}

/* Swap is counted into memory: a function that outgrows its limit ends instead of slowing the machine. */
static json_t *resources(const struct bundle *b)
{
	return json_pack("{s:[{s:b,s:s}],s:{s:I,s:I},s:{s:I,s:I},s:{s:I}}", "devices", "allow", 0, "access", "rwm", "memory",
			 "limit", (json_int_t)b->memory_bytes, "swap", (json_int_t)b->memory_bytes, "cpu", "quota",
			 (json_int_t)(b->cpu_millis * CPU_PERIOD_US / 1000), "period", (json_int_t)CPU_PERIOD_US, "pids", "limit",
			 (json_int_t)b->pids);
}

json_t *bundle_config(const struct bundle *b)
{
	json_t *process = json_pack("{s:b,s:{s:I,s:I},s:o,s:o,s:s,s:b,s:{s:[],s:[],s:[],s:[],s:[]}}", "terminal", 0, "user", "uid",
				    (json_int_t)b->uid, "gid", (json_int_t)b->uid, "args", strings(b->command), "env",
				    environment(b), "cwd", b->workdir, "noNewPrivileges", 1, "capabilities", "bounding",
				    "effective", "inheritable", "permitted", "ambient");
	json_t *linux_part = json_pack("{s:s,s:o,s:o,s:o,s:o}", "cgroupsPath", b->cgroup, "resources", resources(b), "namespaces",
				       namespaces(b), "maskedPaths", strings(masked), "readonlyPaths", strings(readonly));
	if (b->seccomp)
		(void)json_object_set(linux_part, "seccomp", b->seccomp);
	return json_pack("{s:s,s:o,s:{s:s,s:b},s:s,s:o,s:o}", "ociVersion", "1.0.2", "process", process, "root", "path", "rootfs",
			 "readonly", 1, "hostname", b->name, "mounts", mounts(), "linux", linux_part);
}

/* Writing. */

static enum err_class write_text(const char *dir, const char *name, const char *text, struct err *e)
{
	AUTO_FREE char *path = xprintf("%s/%s", dir, name);
	return fs_write_atomic(path, text, strlen(text), 0644, false, e);
}

static enum err_class write_etc(const struct bundle *b, const char *etc, struct err *e)
{
	AUTO_FREE char *hosts = xprintf("127.0.0.1 localhost\n%s %s\n", b->address, b->name);
	AUTO_FREE char *resolv = xprintf("nameserver %s\noptions timeout:2 attempts:2\n", b->nameserver);
	AUTO_FREE char *hostname = xprintf("%s\n", b->name);
	AUTO_FREE char *passwd = xprintf("root:x:0:0:root:/:/sbin/nologin\nfn:x:%u:%u:fn:/tmp:/sbin/nologin\n", b->uid, b->uid);
	AUTO_FREE char *group = xprintf("root:x:0:\nfn:x:%u:\n", b->uid);
	const char *const files[][2] = {{"hosts", hosts}, {"resolv.conf", resolv}, {"hostname", hostname}, {"passwd", passwd},
					{"group", group}, {"nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"}};
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		enum err_class c = write_text(etc, files[i][0], files[i][1], e);
		if (c)
			return c;
	}
	return OK;
}

enum err_class bundle_write(const struct bundle *b, const char *dir, struct err *e)
{
	static const char *const dirs[] = {"", "/rootfs", "/top", "/top/etc", "/top/proc", "/top/dev", "/top/tmp"};
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		AUTO_FREE char *path = xprintf("%s%s", dir, dirs[i]);
		if (mkdir(path, 0755) != 0 && errno != EEXIST) /* rootfs may be mounted already */
			return err_errno(e, errno, TRANSIENT, R_Internal, "mkdir %s", path);
	}
	AUTO_FREE char *tmp = xprintf("%s/top/tmp", dir);
	if (chmod(tmp, 01777) != 0) /* runc gives a tmpfs the mode of the directory below it */
		return err_errno(e, errno, TRANSIENT, R_Internal, "chmod %s", tmp);
	AUTO_FREE char *etc = xprintf("%s/top/etc", dir);
	enum err_class c = write_etc(b, etc, e);
	if (c)
		return c;
	AUTO_JSON json_t *config = bundle_config(b);
	if (!config)
		return err_set(e, INVALID, R_StartFailed, "the command or a variable is not valid UTF-8");
	AUTO_FREE char *text = json_text(config);
	AUTO_FREE char *path = xprintf("%s/config.json", dir);
	return fs_write_atomic(path, text, strlen(text), 0600, false, e);
}

/* Mounting. */

static bool is_mounted(const char *rootfs)
{
	struct statfs st;
	return statfs(rootfs, &st) == 0 && (uint32_t)st.f_type == (uint32_t)OVERLAY_MAGIC;
}

enum err_class bundle_mount(const char *dir, const struct oci_image *image, struct err *e)
{
	AUTO_FREE char *rootfs = xprintf("%s/rootfs", dir);
	if (is_mounted(rootfs))
		return OK;
	AUTO_BUF struct buf o = BUF_INIT(4095);
	(void)buf_printf(&o, "userxattr,lowerdir=%s/top", dir);
	for (size_t i = image->nlayers; i-- > 0;) {
		char hex[DIGEST_HEX];
		(void)buf_printf(&o, ":%s", digest_hex(&image->layers[i].diff_id, hex));
	}
	if (o.overflow)
		return err_set(e, INVALID, R_LayerInvalid, "the image has too many layers to mount");
	if (mount("overlay", rootfs, "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV, buf_str(&o)) != 0)
		return err_errno(e, errno, TRANSIENT, R_StartFailed, "mount the image's layers");
	return OK;
}

enum err_class bundle_unmount(const char *dir, struct err *e)
{
	AUTO_FREE char *rootfs = xprintf("%s/rootfs", dir);
	while (is_mounted(rootfs))
		if (umount2(rootfs, MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
			return err_errno(e, errno, TRANSIENT, R_Internal, "unmount %s", rootfs);
	return OK;
}
