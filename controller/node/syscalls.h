/* The system calls a function may make: containers-common's profile (/usr/share/containers/seccomp.json), decided for a
 * process without capabilities on this machine, less what an unprivileged function has no business with. */
#ifndef FN_NODE_SYSCALLS_H
#define FN_NODE_SYSCALLS_H

#include "base/json.h"

struct syscalls_machine {
	const char *arch;      /* as the profile names it: "amd64", "arm64" */
	const char *scmp_arch; /* "SCMP_ARCH_X86_64", … */
	int major, minor;      /* kernel */
};

/* Of the running kernel; INVALID Internal on a machine whose architecture is not known here. */
enum err_class syscalls_machine(struct syscalls_machine *ret, struct err *e) MUST_USE;

/* Pure: the OCI runtime configuration's linux.seccomp. Only the machine's own architecture is allowed, because a 32-bit
 * caller's socketcall() hides its arguments. *ret is a new reference. INVALID InvalidValue for a profile that is not one. */
enum err_class syscalls_convert(const json_t *profile, const struct syscalls_machine *m, json_t **ret, struct err *e) MUST_USE;

/* Reads and converts a profile file. */
enum err_class syscalls_load(const char *path, json_t **ret, struct err *e) MUST_USE;

#endif
