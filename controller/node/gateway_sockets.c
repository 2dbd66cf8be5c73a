#include "node/gateway_sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "node/gateway_cli.h"
#include "node/gateway_config.h"

enum { BACKLOG = 4096 };

void gateway_sockets_close(struct gateway_sockets *s)
{
	for (size_t i = 0; i < ARRAY_LEN(s->fds); i++) {
		if (s->fds[i] >= 0)
			(void)close(s->fds[i]);
		s->fds[i] = -1;
	}
}

static struct sockaddr_in address_of(const struct conf *c, size_t i)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)c->gateway_port)};
	if (inet_pton(AF_INET, i == 0 ? c->listen : c->link_address, &a.sin_addr) != 1)
		a.sin_addr.s_addr = htonl(INADDR_LOOPBACK); /* cannot be: gateway_open checked */
	return a;
}

static bool listens_on(int fd, const struct sockaddr_in *want)
{
	struct sockaddr_in have = {0};
	socklen_t n = sizeof have;
	int listening = 0;
	socklen_t m = sizeof listening;
	return getsockname(fd, (struct sockaddr *)&have, &n) == 0 && have.sin_family == AF_INET &&
	       have.sin_port == want->sin_port && have.sin_addr.s_addr == want->sin_addr.s_addr &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &m) == 0 && listening;
}

bool gateway_sockets_adopt(const struct conf *c, int pidfd, struct gateway_sockets *s)
{
	static const int there[] = {GATEWAY_FD_LISTEN, GATEWAY_FD_LINK, GATEWAY_FD_ADMIN};
	struct gateway_sockets got = GATEWAY_SOCKETS_INIT;
	bool good = true;
	for (size_t i = 0; i < ARRAY_LEN(got.fds); i++) {
		got.fds[i] = (int)syscall(SYS_pidfd_getfd, pidfd, there[i], 0U); /* close-on-exec by definition */
		struct sockaddr_in want = address_of(c, i);
		good = good && got.fds[i] >= 0 && (i == 2 || listens_on(got.fds[i], &want));
	}
	if (good)
		*s = got;
	else
		gateway_sockets_close(&got);
	return good;
}

static enum err_class open_tcp(const struct conf *c, size_t i, int *ret, struct err *e)
{
	struct sockaddr_in a = address_of(c, i);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(e, errno, TRANSIENT, R_OutOfResources, "socket");
	/* FREEBIND: the gateway may start before the link that has the address. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
	    setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &one, sizeof one) != 0 ||
	    bind(fd, (const struct sockaddr *)&a, sizeof a) != 0 || listen(fd, BACKLOG) != 0) {
		int saved = errno;
		(void)close(fd);
		return err_errno(e, saved, TRANSIENT, R_Internal, "listen on %s:%d", i == 0 ? c->listen : c->link_address,
				 c->gateway_port);
	}
	*ret = fd;
	return OK;
}

enum err_class gateway_sockets_open(const struct conf *c, int dirfd, struct gateway_sockets *s, struct err *e)
{
	enum err_class class = OK;
	for (size_t i = 0; !class && i < 2; i++)
		if (s->fds[i] < 0)
			class = open_tcp(c, i, &s->fds[i], e);
	return class || s->fds[2] >= 0 ? class : cli_listen(dirfd, &s->fds[2], e);
}
