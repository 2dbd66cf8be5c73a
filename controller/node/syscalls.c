#include "node/syscalls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include "base/fs.h"

/* Refused with EPERM whatever the profile says. clone and socket are not here: they are allowed by argument below. */
static const char *const refused[] = {
	"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd", /* other processes */
	"keyctl", "add_key", "request_key",                                                          /* kernel keyrings */
	"unshare", "setns", "chroot", "pivot_root",                                                  /* namespaces */
	"mount", "umount", "umount2", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick", "open_tree", "mount_setattr",
	"open_by_handle_at", "name_to_handle_at", "quotactl", "quotactl_fd", "fanotify_init", "fanotify_mark",
	"bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", /* kernel surface */
	"lookup_dcookie", "syslog", "modify_ldt", "vmsplice", "kexec_load", "kexec_file_load", "init_module",
	"finit_module", "delete_module", "ioperm", "iopl", "acct", "reboot", "swapon", "swapoff", "sethostname",
	"setdomainname", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "vhangup", NULL};

enum { EPERM_RET = 1, EAFNOSUPPORT_RET = 97, TYPE_MASK = 0xf };
/* CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET */
#define NEW_NAMESPACES 0x7e020000

enum err_class syscalls_machine(struct syscalls_machine *ret, struct err *e)
{
	struct utsname u;
	if (uname(&u) != 0)
		return err_errno(e, errno, INVALID, R_Internal, "uname");
	struct syscalls_machine m = {0};
	if (strcmp(u.machine, "x86_64") == 0)
		m = (struct syscalls_machine){"amd64", "SCMP_ARCH_X86_64", 0, 0};
	else if (strcmp(u.machine, "aarch64") == 0)
		m = (struct syscalls_machine){"arm64", "SCMP_ARCH_AARCH64", 0, 0};
	else
		return err_set(e, INVALID, R_Internal, "no seccomp profile for %s", u.machine);
	char *end;
	m.major = (int)strtol(u.release, &end, 10);
	m.minor = *end == '.' ? (int)strtol(end + 1, NULL, 10) : 0;
	*ret = m;
	return OK;
}

static bool lists(const json_t *array, const char *s)
{
	size_t i;
	json_t *item;
	json_array_foreach(array, i, item)
		if (json_is_string(item) && strcmp(json_string_value(item), s) == 0)
			return true;
	return false;
}

static bool kernel_at_least(const char *want, const struct syscalls_machine *m)
{
	char *end;
	long major = strtol(want, &end, 10);
	long minor = *end == '.' ? strtol(end + 1, NULL, 10) : 0;
	return m->major > major || (m->major == major && m->minor >= minor);
}

/* Does a rule hold for a process without capabilities on this machine? */
static bool applies(const json_t *rule, const struct syscalls_machine *m)
{
	const json_t *in = json_object_get(rule, "includes"), *ex = json_object_get(rule, "excludes");
	const char *min = json_str_or(in, "minKernel", NULL), *not_from = json_str_or(ex, "minKernel", NULL);
	if (json_array_size(json_object_get(in, "caps")) > 0)
		return false;
	const json_t *arches = json_object_get(in, "arches");
	if (json_array_size(arches) > 0 && !lists(arches, m->arch))
		return false;
	if (lists(json_object_get(ex, "arches"), m->arch))
		return false;
	return (!min || kernel_at_least(min, m)) && (!not_from || !kernel_at_least(not_from, m));
}

static bool ours(const char *name)
{
	if (strcmp(name, "clone") == 0 || strcmp(name, "clone3") == 0 || strcmp(name, "socket") == 0 ||
	    strcmp(name, "socketcall") == 0)
		return true;
	for (const char *const *r = refused; *r; r++)
		if (strcmp(*r, name) == 0)
			return true;
	return false;
}

static json_t *rule(json_t *names, const char *action, int errno_ret, json_t *args)
{
	json_t *r = json_pack("{s:o, s:s}", "names", names, "action", action);
	if (errno_ret)
		(void)json_object_set_new(r, "errnoRet", json_integer(errno_ret));
	if (args)
		(void)json_object_set_new(r, "args", args);
	return r;
}

static json_t *argument(int index, const char *op, int64_t value, int64_t value_two)
{
	return json_pack("{s:i, s:s, s:I, s:I}", "index", index, "op", op, "value", (json_int_t)value, "valueTwo",
			 (json_int_t)value_two);
}

static json_t *equals(int index, int64_t value) { return argument(index, "SCMP_CMP_EQ", value, 0); }
static json_t *masked(int index, int64_t mask, int64_t value)
{
	return argument(index, "SCMP_CMP_MASKED_EQ", mask, value);
}

/* Unix, TCP and UDP sockets, and the routing information that getaddrinfo and getifaddrs ask for. */
static void add_socket_rules(json_t *out)
{
	static const int families[] = {AF_INET, AF_INET6}, types[] = {SOCK_STREAM, SOCK_DGRAM};
	(void)json_array_append_new(out, rule(json_pack("[s]", "socket"), "SCMP_ACT_ALLOW", 0, json_pack("[o]", equals(0, AF_UNIX))));
	(void)json_array_append_new(out, rule(json_pack("[s]", "socket"), "SCMP_ACT_ALLOW", 0,
					      json_pack("[o, o]", equals(0, AF_NETLINK), equals(2, 0 /* NETLINK_ROUTE */))));
	for (size_t f = 0; f < ARRAY_LEN(families); f++) {
		for (size_t t = 0; t < ARRAY_LEN(types); t++)
			(void)json_array_append_new(
				out, rule(json_pack("[s]", "socket"), "SCMP_ACT_ALLOW", 0,
					  json_pack("[o, o]", equals(0, families[f]), masked(1, TYPE_MASK, types[t]))));
		(void)json_array_append_new(
			out, rule(json_pack("[s]", "socket"), "SCMP_ACT_ERRNO", EPERM_RET,
				  json_pack("[o, o]", equals(0, families[f]), masked(1, TYPE_MASK, SOCK_RAW))));
	}
	(void)json_array_append_new(out, rule(json_pack("[s]", "socket"), "SCMP_ACT_ERRNO", EAFNOSUPPORT_RET,
					      json_pack("[o]", argument(0, "SCMP_CMP_GT", AF_NETLINK, 0))));
}

static void add_own_rules(json_t *out)
{
	json_t *names = json_array();
	for (const char *const *r = refused; *r; r++)
		(void)json_array_append_new(names, json_string(*r));
	(void)json_array_append_new(out, rule(names, "SCMP_ACT_ERRNO", EPERM_RET, NULL));
	(void)json_array_append_new(out, rule(json_pack("[s]", "clone"), "SCMP_ACT_ALLOW", 0,
					      json_pack("[o]", masked(0, NEW_NAMESPACES, 0))));
	/* clone3's flags are behind a pointer: ENOSYS makes every libc use clone. */
	(void)json_array_append_new(out, rule(json_pack("[s]", "clone3"), "SCMP_ACT_ERRNO", ENOSYS, NULL));
	add_socket_rules(out);
}

/* Copies a profile's rule, or adds its names to allowed when it is a plain permission (one rule compiles faster). */
static void take_rule(const json_t *from, json_t *allowed, json_t *out)
{
	const char *action = json_str_or(from, "action", "");
	const json_t *args = json_object_get(from, "args");
	bool plain = strcmp(action, "SCMP_ACT_ALLOW") == 0 && json_array_size(args) == 0;
	json_t *names = json_array();
	size_t i;
	json_t *name;
	json_array_foreach(json_object_get(from, "names"), i, name)
		if (json_is_string(name) && !ours(json_string_value(name)) && !lists(allowed, json_string_value(name)))
			(void)json_array_append(plain ? allowed : names, name);
	if (json_array_size(names) == 0) {
		json_decref(names);
		return;
	}
	(void)json_array_append_new(out, rule(names, action, (int)json_int_or(from, "errnoRet", 0),
					      json_array_size(args) ? json_deep_copy(args) : NULL));
}

enum err_class syscalls_convert(const json_t *profile, const struct syscalls_machine *m, json_t **ret, struct err *e)
{
	const json_t *rules = json_object_get(profile, "syscalls");
	const char *action = json_str_or(profile, "defaultAction", "");
	if (strcmp(action, "SCMP_ACT_ERRNO") != 0 || json_array_size(rules) == 0)
		return err_set(e, INVALID, R_InvalidValue, "the seccomp profile does not refuse by default");
	json_t *allowed = json_array(), *out = json_array();
	size_t i;
	json_t *r;
	json_array_foreach(rules, i, r)
		if (applies(r, m))
			take_rule(r, allowed, out);
	(void)json_array_append_new(out, rule(allowed, "SCMP_ACT_ALLOW", 0, NULL));
	add_own_rules(out);
	*ret = json_pack("{s:s, s:I, s:[s], s:o}", "defaultAction", action, "defaultErrnoRet",
			 (json_int_t)json_int_or(profile, "defaultErrnoRet", EPERM_RET), "architectures", m->scmp_arch,
			 "syscalls", out);
	return OK;
}

enum err_class syscalls_load(const char *path, json_t **ret, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(1 << 20);
	AUTO_JSON json_t *profile = NULL;
	struct syscalls_machine m;
	enum err_class c = fs_read(path, &text, e);
	if (!c)
		c = json_parse(buf_str(&text), text.len, &profile, e);
	if (!c)
		c = syscalls_machine(&m, e);
	if (!c)
		c = syscalls_convert(profile, &m, ret, e);
	return c ? err_wrap(e, "%s", path) : OK;
}
