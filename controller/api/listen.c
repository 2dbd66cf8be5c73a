#include "api/listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 128 };

static enum err_class bind_unix(int fd, const char *path, gid_t group, struct err *e)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof sa.sun_path)
		return err_set(e, INVALID, R_InvalidValue, "%s: longer than the %zu bytes a socket's path may have", path, sizeof sa.sun_path - 1);
	memcpy(sa.sun_path, path, strlen(path));
	if (unlink(path) != 0 && errno != ENOENT)
		return err_errno(e, errno, TRANSIENT, R_Internal, "unlink %s", path);
	if (fchmod(fd, 0600) != 0 || bind(fd, (const struct sockaddr *)&sa, sizeof sa) != 0) /* the file gets the socket's mode */
		return err_errno(e, errno, TRANSIENT, R_Internal, "bind %s", path);
	if (chown(path, (uid_t)-1, group) != 0 || chmod(path, 0660) != 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "group and mode of %s", path);
	return OK;
}

enum err_class listen_unix(const char *path, gid_t group, int *ret_fd, struct stat *ret_st, struct err *e)
{
	AUTO_FREE char *tmp = xprintf("%s.%d", path, (int)getpid());
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(e, errno, TRANSIENT, R_OutOfResources, "socket");
	struct stat st;
	enum err_class c = bind_unix(fd, tmp, group, e);
	if (!c && (listen(fd, BACKLOG) != 0 || stat(tmp, &st) != 0 || rename(tmp, path) != 0))
		c = err_errno(e, errno, TRANSIENT, R_Internal, "listen on %s", path);
	if (c) {
		(void)unlink(tmp); /* the first error is the one to report */
		return c;
	}
	*ret_st = st;
	*ret_fd = fd;
	fd = -1;
	return OK;
}

enum err_class listen_tcp(const char *address, int port, int *ret_fd, struct err *e)
{
	char service[16];
	(void)snprintf(service, sizeof service, "%d", port);
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM};
	struct addrinfo *ai;
	int rc = getaddrinfo(address, service, &hints, &ai);
	if (rc != 0)
		return err_set(e, INVALID, R_InvalidValue, "listen = %s in fn.conf: %s", address, gai_strerror(rc));
	AUTO_CLOSE int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;
	bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 && bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 &&
		  listen(fd, BACKLOG) == 0;
	int errnum = errno;
	freeaddrinfo(ai);
	if (!ok)
		return err_errno(e, errnum, errnum == EADDRINUSE || errnum == EADDRNOTAVAIL ? INVALID : TRANSIENT,
				 errnum == EADDRINUSE || errnum == EADDRNOTAVAIL ? R_InvalidValue : R_OutOfResources,
				 "the API cannot listen on %s port %d (listen and api_port in fn.conf)", address, port);
	*ret_fd = fd;
	fd = -1;
	return OK;
}
