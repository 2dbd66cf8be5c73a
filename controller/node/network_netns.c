#include "node/network_netns.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/proc.h"
#include "node/network_text.h"

#define NETNS_DIR "/run/netns"
enum { IP_MS = 5000, NSFS = 0x6e736673 };

enum err_class netns_prepare(struct err *e)
{
	enum err_class c = fs_mkdirs(NETNS_DIR, 0755, e);
	if (c)
		return c;
	if (mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) == 0)
		return OK;
	if (mount(NETNS_DIR, NETNS_DIR, "none", MS_BIND | MS_REC, NULL) != 0 ||
	    mount("", NETNS_DIR, "none", MS_SHARED | MS_REC, NULL) != 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "make %s a mount point", NETNS_DIR);
	return OK;
}

/* A file without a namespace on it is what a crash between creating and mounting left. */
static bool is_netns(const char *path)
{
	struct statfs fs;
	return statfs(path, &fs) == 0 && fs.f_type == NSFS;
}

static enum err_class enter_existing(const char *path, struct err *e)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) != 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "enter %s", path);
	return OK;
}

static enum err_class enter_new(const char *path, struct err *e)
{
	int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0444);
	if (fd < 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "create %s", path);
	(void)close(fd);
	if (unshare(CLONE_NEWNET) != 0)
		return err_errno(e, errno, TRANSIENT, R_OutOfResources, "unshare the network");
	if (mount("/proc/thread-self/ns/net", path, "none", MS_BIND, NULL) != 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "mount %s", path);
	return OK;
}

/* /proc/sys/net shows the namespace of whoever opens it. A kernel without IPv6 has nothing to disable. */
static enum err_class disable_ipv6(const char *where, struct err *e)
{
	AUTO_FREE char *path = xprintf("/proc/sys/net/ipv6/conf/%s/disable_ipv6", where);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return OK;
	if (fd < 0 || write(fd, "1", 1) != 1)
		return err_errno(e, errno, TRANSIENT, R_Internal, "write %s", path);
	return OK;
}

static enum err_class ip_batch(const char *input, struct err *e)
{
	return proc_run((const char *const[]){"ip", "-batch", "-", NULL}, input, IP_MS, NULL, e);
}

static enum err_class delete_link(const char *link, struct err *e)
{
	if (if_nametoindex(link) == 0)
		return OK;
	return proc_run((const char *const[]){"ip", "link", "del", link, NULL}, NULL, IP_MS, NULL, e);
}

static enum err_class set_up_inside(const struct conf *c, int slot, pid_t host_pid, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	enum err_class class = disable_ipv6("all", e);
	if (!class)
		class = disable_ipv6("default", e);
	if (!class)
		class = ip_batch(network_inside_batch(c, slot, host_pid, &a), e);
	return class ? err_wrap(e, "slot %d, inside", slot) : OK;
}

static enum err_class set_up_outside(const struct conf *c, int slot, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	char link[LINK_NAME];
	network_link_name(c, slot, link);
	enum err_class class = disable_ipv6(link, e);
	if (!class)
		class = ip_batch(network_outside_batch(c, slot, &a), e);
	return class ? err_wrap(e, "slot %d, outside", slot) : OK;
}

enum err_class netns_up(const struct conf *c, int slot, pid_t host_pid, struct err *e)
{
	AUTO_FREE char *path = xprintf(NETNS_DIR "/%s-%d", c->instance, slot);
	char link[LINK_NAME];
	network_link_name(c, slot, link);
	AUTO_CLOSE int host = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (host < 0)
		return err_errno(e, errno, TRANSIENT, R_OutOfResources, "open the host's network namespace");
	bool have_link = if_nametoindex(link) != 0, have_netns = is_netns(path);
	enum err_class class = have_netns ? enter_existing(path, e) : enter_new(path, e);
	if (class)
		return class;
	bool whole = have_link && if_nametoindex("eth0") != 0;
	if (have_link && !whole) { /* its other end is in a namespace that nobody can find any more */
		int inside = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
		class = setns(host, CLONE_NEWNET) == 0 ? delete_link(link, e)
						       : err_errno(e, errno, TRANSIENT, R_Internal, "setns");
		if (!class && setns(inside, CLONE_NEWNET) != 0)
			class = err_errno(e, errno, TRANSIENT, R_Internal, "setns");
		(void)close(inside);
	}
	if (!class)
		class = set_up_inside(c, slot, whole ? 0 : host_pid, e);
	if (!class && setns(host, CLONE_NEWNET) != 0)
		class = err_errno(e, errno, TRANSIENT, R_Internal, "setns");
	return class ? class : set_up_outside(c, slot, e);
}

/* The link goes first: a namespace ends later, in the kernel's own time, and would keep the link's name taken until then. */
enum err_class netns_down(const struct conf *c, int slot, struct err *e)
{
	AUTO_FREE char *path = xprintf(NETNS_DIR "/%s-%d", c->instance, slot);
	char link[LINK_NAME];
	network_link_name(c, slot, link);
	enum err_class class = delete_link(link, e);
	if (class)
		return class;
	if (is_netns(path) && umount2(path, MNT_DETACH) != 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "unmount %s", path);
	if (unlink(path) != 0 && errno != ENOENT)
		return err_errno(e, errno, TRANSIENT, R_Internal, "remove %s", path);
	return OK;
}
