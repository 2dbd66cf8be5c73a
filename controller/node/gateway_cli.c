#include "node/gateway_cli.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

#define ADMIN_SOCKET "admin.sock"
enum { BACKLOG = 64, LINE_MAX_BYTES = 12000 /* of HAProxy's 16 KiB buffer */, ANSWER_MAX = 64 << 20 };

/* Through the directory's descriptor, since a socket's path has at most 107 bytes and FN_HOME may be long. */
static struct sockaddr_un admin_address(int dirfd)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	(void)snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/" ADMIN_SOCKET, dirfd);
	return a;
}

enum err_class cli_listen(int dirfd, int *ret_fd, struct err *e)
{
	struct sockaddr_un a = admin_address(dirfd);
	if (unlinkat(dirfd, ADMIN_SOCKET, 0) != 0 && errno != ENOENT)
		return err_errno(e, errno, TRANSIENT, R_Internal, "remove " ADMIN_SOCKET);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(e, errno, TRANSIENT, R_OutOfResources, "socket");
	if (bind(fd, (const struct sockaddr *)&a, sizeof a) != 0 || fchmodat(dirfd, ADMIN_SOCKET, 0600, 0) != 0 ||
	    listen(fd, BACKLOG) != 0) {
		int saved = errno;
		(void)close(fd);
		return err_errno(e, saved, TRANSIENT, R_Internal, "listen on " ADMIN_SOCKET);
	}
	*ret_fd = fd;
	return OK;
}

enum err_class cli_send(int dirfd, const char *line, int *ret_fd, struct err *e)
{
	struct sockaddr_un a = admin_address(dirfd);
	AUTO_FREE char *text = xprintf("%s\n", line);
	size_t n = strlen(text);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(e, errno, TRANSIENT, R_OutOfResources, "socket");
	/* A line fits into the socket's buffer whole. */
	if (connect(fd, (const struct sockaddr *)&a, sizeof a) != 0 || send(fd, text, n, MSG_NOSIGNAL) != (ssize_t)n) {
		int saved = errno;
		(void)close(fd);
		return err_errno(e, saved, TRANSIENT, R_GatewayUnavailable, "HAProxy's runtime socket");
	}
	*ret_fd = fd;
	return OK;
}

/* HAProxy closes the connection after its answer; one that ends without a single byte ended with HAProxy. */
static enum err_class read_answer(int fd, int64_t until, struct buf *answer, struct err *e)
{
	for (;;) {
		int64_t left = until - clock_mono_ms();
		struct pollfd p = {fd, POLLIN, 0};
		int n = left > 0 ? poll(&p, 1, (int)left) : 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			return err_set(e, TRANSIENT, R_GatewayUnavailable, "HAProxy did not answer in time");
		char chunk[65536];
		ssize_t got = recv(fd, chunk, sizeof chunk, 0);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got < 0 || (got == 0 && answer->len == 0))
			return err_errno(e, got < 0 ? errno : ECONNRESET, TRANSIENT, R_GatewayUnavailable, "HAProxy's answer");
		if (got == 0)
			return OK;
		if (!buf_add(answer, chunk, (size_t)got))
			return err_set(e, TRANSIENT, R_GatewayUnavailable, "HAProxy's answer exceeds %zu bytes", answer->max);
	}
}

enum err_class cli_call(int dirfd, const char *line, int64_t until, struct buf *answer, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	enum err_class c = cli_send(dirfd, line, &fd, e);
	return c ? c : read_answer(fd, until, answer, e);
}

enum err_class cli_read_map(int dirfd, const char *name, int64_t until, struct map *m, struct err *e)
{
	AUTO_BUF struct buf answer = BUF_INIT(ANSWER_MAX);
	AUTO_FREE char *line = xprintf("show map %s", name);
	enum err_class c = cli_call(dirfd, line, until, &answer, e);
	if (!c && map_parse_shown(buf_str(&answer), m, e) != OK)
		c = err_set(e, TRANSIENT, R_GatewayUnavailable, "HAProxy's map %s: %.80s", name, buf_str(&answer));
	return c;
}

/* Commands that say nothing when all is well, joined by ';'. */
struct batch {
	int dirfd;
	int64_t until;
	struct buf line;
};

static enum err_class batch_flush(struct batch *b, struct err *e)
{
	if (b->line.len == 0)
		return OK;
	AUTO_BUF struct buf answer = BUF_INIT(ANSWER_MAX);
	enum err_class c = cli_call(b->dirfd, buf_str(&b->line), b->until, &answer, e);
	buf_clear(&b->line);
	const char *s = buf_str(&answer);
	while (isspace((unsigned char)*s))
		s++;
	return c || !*s ? c : err_set(e, TRANSIENT, R_GatewayUnavailable, "HAProxy refused a change: %.200s", s);
}

static enum err_class batch_add(struct batch *b, const char *command, struct err *e)
{
	enum err_class c = b->line.len + strlen(command) + 1 > LINE_MAX_BYTES ? batch_flush(b, e) : OK;
	if (b->line.len)
		(void)buf_puts(&b->line, ";");
	(void)buf_puts(&b->line, command); /* the buffer's maximum is far beyond one line */
	return c;
}

enum err_class cli_change_map(int dirfd, const char *name, const struct map_change *changes, size_t n, int64_t until,
			      struct err *e)
{
	static const char *const verbs[] = {[MAP_ADD] = "add", [MAP_SET] = "set", [MAP_DEL] = "del"};
	struct batch b = {dirfd, until, BUF_INIT(2 * LINE_MAX_BYTES)};
	enum err_class c = OK;
	for (size_t i = 0; !c && i < n; i++) {
		const struct map_change *m = &changes[i];
		AUTO_FREE char *command = xprintf("%s map %s %s %s", verbs[m->kind], name, m->key, m->kind == MAP_DEL ? "" : m->value);
		c = batch_add(&b, command, e);
	}
	if (!c)
		c = batch_flush(&b, e);
	buf_release(&b.line);
	return c;
}

static enum err_class prepare(int dirfd, const char *name, int64_t until, unsigned long *ret, struct err *e)
{
	AUTO_BUF struct buf answer = BUF_INIT(65536);
	AUTO_FREE char *line = xprintf("prepare map %s", name);
	enum err_class c = cli_call(dirfd, line, until, &answer, e);
	if (c)
		return c;
	static const char said[] = "New version created: ";
	const char *at = strstr(buf_str(&answer), said);
	if (!at)
		return err_set(e, TRANSIENT, R_GatewayUnavailable, "HAProxy prepares no map: %.200s", buf_str(&answer));
	*ret = strtoul(at + strlen(said), NULL, 10);
	return OK;
}

enum err_class cli_replace_map(int dirfd, const char *name, const struct map *m, int64_t until, struct err *e)
{
	unsigned long version = 0;
	enum err_class c = prepare(dirfd, name, until, &version, e);
	if (c)
		return c;
	struct batch b = {dirfd, until, BUF_INIT(2 * LINE_MAX_BYTES)};
	for (size_t i = 0; !c && i < m->n; i++) {
		AUTO_FREE char *command = xprintf("add map @%lu %s %s %s", version, name, m->entries[i].key, m->entries[i].value);
		c = batch_add(&b, command, e);
	}
	if (!c)
		c = batch_flush(&b, e);
	AUTO_FREE char *last = xprintf("%s map @%lu %s", c ? "clear" : "commit", version, name);
	struct err ignored = ERR_INIT; /* clearing what was prepared: the first error is the one to report */
	buf_clear(&b.line);
	enum err_class end = batch_add(&b, last, c ? &ignored : e);
	if (!end)
		end = batch_flush(&b, c ? &ignored : e);
	buf_release(&b.line);
	return c ? c : end;
}
