#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "archive/internal.h"

int open_resolved(int root, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve};
	for (int tries = 0;; tries++) {
		int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
		if (fd >= 0 || (errno != EINTR && errno != EAGAIN) || tries == 16)
			return fd;
	}
}

const char *entry_shown(const char *name, char out[SHOWN])
{
	AUTO_FREE char *clean = utf8_clean(name);
	size_t used = 0;
	for (const unsigned char *p = (const unsigned char *)clean; *p; p++) {
		bool starts = (*p & 0xc0) != 0x80;
		if (starts && used + 4 + sizeof "..." > SHOWN) { /* 4: the longest character, or one escaped */
			memcpy(out + used, "...", 3);
			used += 3;
			break;
		}
		if (*p < 0x20 || *p == 0x7f)
			used += (size_t)snprintf(out + used, 5, "\\x%02x", (unsigned)*p);
		else
			out[used++] = (char)*p;
	}
	out[used] = '\0';
	return out;
}

enum path_kind path_clean(const char *name, char out[ENTRY_PATH], unsigned *ret_depth)
{
	if (name[0] == '/')
		return PATH_ABSOLUTE;
	size_t used = 0;
	unsigned depth = 0;
	for (const char *p = name; *p;) {
		size_t n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.')
			return PATH_CLIMBS;
		if (n > 0 && !(n == 1 && p[0] == '.')) {
			if (n > NAME_MAX || used + n + 2 > ENTRY_PATH)
				return PATH_TOO_LONG;
			if (used > 0)
				out[used++] = '/';
			memcpy(out + used, p, n);
			used += n;
			depth++;
		}
		p += n;
		while (*p == '/')
			p++;
	}
	out[used] = '\0';
	*ret_depth = depth;
	return PATH_FINE;
}

const char *path_base(const char *path, size_t *ret_parent_len)
{
	const char *slash = strrchr(path, '/');
	*ret_parent_len = slash ? (size_t)(slash - path) : 0;
	return slash ? slash + 1 : path;
}

bool link_climbs(const char *path, const char *target)
{
	if (target[0] == '/')
		return true;
	unsigned depth = 0;
	for (const char *p = path; *p; p++)
		depth += *p == '/';
	for (const char *p = target; *p;) {
		size_t n = strcspn(p, "/");
		if (n == 2 && p[0] == '.' && p[1] == '.') {
			if (depth-- == 0)
				return true;
		} else if (n > 0 && !(n == 1 && p[0] == '.')) {
			depth++;
		}
		p += n;
		p += *p == '/';
	}
	return false;
}

bool link_leaves(int root, const char *path)
{
	AUTO_CLOSE int fd = open_resolved(root, path, O_PATH, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
	return fd < 0 && errno == EXDEV;
}
