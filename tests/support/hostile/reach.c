/* What can be reached from here, and as whom. */
#include "attack.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { TARGETS = 64, PATIENCE_MS = 1500 };

static int64_t now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* "1.2.3.4:80" or "[fe80::1]:80", the latter through eth0. */
static socklen_t parse_address(const char *text, struct sockaddr_storage *to)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	if (!colon || (size_t)(colon - text) >= sizeof host)
		return 0;
	in_port_t port = htons((in_port_t)atoi(colon + 1));
	memset(to, 0, sizeof *to);
	if (text[0] == '[') {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;
		(void)snprintf(host, sizeof host, "%.*s", (int)(colon - text - 2), text + 1);
		*in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port, .sin6_scope_id = if_nametoindex("eth0")};
		return inet_pton(AF_INET6, host, &in6->sin6_addr) == 1 ? sizeof *in6 : 0;
	}
	struct sockaddr_in *in = (struct sockaddr_in *)to;
	(void)snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
	*in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
	return inet_pton(AF_INET, host, &in->sin_addr) == 1 ? sizeof *in : 0;
}

struct target {
	const char *name, *result;
	int fd;
};

/* All at once: what is dropped silently costs the patience once. */
static void settle(struct target *t, size_t n, short events, void (*ready)(struct target *))
{
	int64_t end = now_ms() + PATIENCE_MS;
	for (;;) {
		struct pollfd p[TARGETS];
		size_t open = 0;
		for (size_t i = 0; i < n; i++) {
			p[i] = (struct pollfd){.fd = t[i].result ? -1 : t[i].fd, .events = events};
			open += !t[i].result;
		}
		int64_t left = end - now_ms();
		if (open == 0 || left <= 0 || poll(p, n, (int)left) <= 0)
			break;
		for (size_t i = 0; i < n; i++)
			if (p[i].revents)
				ready(&t[i]);
	}
}

static void print_targets(FILE *out, struct target *t, size_t n)
{
	(void)fputc('{', out);
	for (size_t i = 0; i < n; i++) {
		if (i)
			(void)fputc(',', out);
		json_text(out, t[i].name);
		(void)fputc(':', out);
		json_text(out, t[i].result ? t[i].result : "timeout");
		if (t[i].fd >= 0)
			(void)close(t[i].fd);
	}
	(void)fputc('}', out);
}

static size_t split(char *text, char **parts, size_t max)
{
	size_t n = 0;
	for (char *save = NULL, *p = strtok_r(text, ",", &save); p && n < max; p = strtok_r(NULL, ",", &save))
		parts[n++] = p;
	return n;
}

static void tcp_ready(struct target *t)
{
	int error = 0;
	socklen_t size = sizeof error;
	(void)getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &size);
	t->result = error ? error_name(error) : "open";
}

static void udp_ready(struct target *t)
{
	char got[512];
	t->result = recv(t->fd, got, sizeof got, 0) >= 0 ? "answered" : error_name(errno);
}

static void try_all(FILE *out, const char *query, int type)
{
	char text[4096], *names[TARGETS];
	struct target t[TARGETS];
	(void)snprintf(text, sizeof text, "%s", query);
	size_t n = split(text, names, TARGETS);
	for (size_t i = 0; i < n; i++) {
		struct sockaddr_storage to;
		socklen_t size = parse_address(names[i], &to);
		t[i] = (struct target){names[i], size ? NULL : "bad address", -1};
		if (!size)
			continue;
		t[i].fd = socket(to.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		int r = t[i].fd < 0 ? -1 : connect(t[i].fd, (struct sockaddr *)&to, size);
		if (r == 0 && type == SOCK_DGRAM)
			r = send(t[i].fd, "hello", 5, 0) < 0 ? -1 : 0;
		else if (r == 0)
			t[i].result = "open";
		if (r < 0 && errno != EINPROGRESS)
			t[i].result = error_name(errno);
	}
	settle(t, n, type == SOCK_DGRAM ? POLLIN : POLLOUT, type == SOCK_DGRAM ? udp_ready : tcp_ready);
	print_targets(out, t, n);
}

void answer_connect(FILE *out, const char *query) { try_all(out, query, SOCK_STREAM); }
void answer_udp(FILE *out, const char *query) { try_all(out, query, SOCK_DGRAM); }

void answer_unix(FILE *out, const char *query)
{
	char text[4096], *names[TARGETS];
	struct target t[TARGETS];
	(void)snprintf(text, sizeof text, "%s", query);
	size_t n = split(text, names, TARGETS);
	for (size_t i = 0; i < n; i++) {
		struct sockaddr_un to = {.sun_family = AF_UNIX};
		(void)snprintf(to.sun_path, sizeof to.sun_path, "%s", names[i]);
		t[i] = (struct target){names[i], NULL, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
		t[i].result = connect(t[i].fd, (struct sockaddr *)&to, sizeof to) == 0 ? "open" : error_name(errno);
	}
	print_targets(out, t, n);
}

/* DNS, by hand: a static program has no resolver. */
static size_t dns_question(unsigned char *q, const char *name)
{
	static const unsigned char head[12] = {0x12, 0x34, 1, 0, 0, 1};
	memcpy(q, head, sizeof head);
	size_t n = sizeof head;
	while (*name) {
		size_t len = strcspn(name, ".");
		q[n++] = (unsigned char)len;
		memcpy(q + n, name, len);
		n += len;
		name += len + (name[len] == '.');
	}
	static const unsigned char tail[5] = {0, 0, 1, 0, 1};
	memcpy(q + n, tail, sizeof tail);
	return n + sizeof tail;
}

/* As /etc/resolv.conf names it. */
static bool nameserver(struct sockaddr_in *ret)
{
	char line[256], address[64];
	bool found = false;
	FILE *f = fopen("/etc/resolv.conf", "re");
	while (f && !found && fgets(line, sizeof line, f))
		found = sscanf(line, "nameserver %63s", address) == 1;
	if (f)
		(void)fclose(f);
	*ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(53)};
	return found && inet_pton(AF_INET, address, &ret->sin_addr) == 1;
}

void answer_dns(FILE *out, const char *query)
{
	unsigned char q[512], a[512];
	struct sockaddr_in server;
	size_t n = strlen(query) < 200 ? dns_question(q, query) : 0;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!nameserver(&server) || sendto(fd, q, n, 0, (struct sockaddr *)&server, sizeof server) < 0) {
		(void)fprintf(out, "{\"error\":\"%s\"}", error_name(errno));
		return;
	}
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t got = poll(&p, 1, PATIENCE_MS) > 0 ? recv(fd, a, sizeof a, 0) : -1;
	(void)close(fd);
	if (got < 12) {
		(void)fprintf(out, "{\"error\":\"timeout\"}");
		return;
	}
	(void)fprintf(out, "{\"rcode\":%d,\"answers\":%d", a[3] & 15, a[7]);
	if (a[7] && (size_t)got >= n + 16)
		(void)fprintf(out, ",\"address\":\"%d.%d.%d.%d\"", a[n + 12], a[n + 13], a[n + 14], a[n + 15]);
	(void)fputc('}', out);
}

/* IP_FREEBIND needs no privilege: any address can be bound, and packets leave with it. */
static int bound_to(const char *from, int type)
{
	struct sockaddr_storage at;
	int on = 1, fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t size = parse_address(from, &at);
	if (setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof on) != 0 || !size || bind(fd, (struct sockaddr *)&at, size) != 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

void answer_spoof(FILE *out, const char *query)
{
	char text[256], *parts[2];
	unsigned char q[512];
	struct sockaddr_storage to;
	struct sockaddr_in dns;
	(void)snprintf(text, sizeof text, "%s", query);
	socklen_t size = split(text, parts, 2) == 2 ? parse_address(parts[1], &to) : 0;
	int udp = size ? bound_to(parts[0], SOCK_DGRAM) : -1, tcp = size ? bound_to(parts[0], SOCK_STREAM) : -1;
	size_t n = dns_question(q, "spoofed.dev.fn.internal");
	ssize_t sent = udp >= 0 && nameserver(&dns) ? sendto(udp, q, n, 0, (struct sockaddr *)&dns, sizeof dns) : -1;
	struct target t = {"tcp", tcp < 0 ? "not bound" : NULL, tcp};
	if (tcp >= 0 && connect(tcp, (struct sockaddr *)&to, size) != 0 && errno != EINPROGRESS)
		t.result = error_name(errno);
	settle(&t, 1, POLLOUT, tcp_ready);
	(void)fprintf(out, "{\"udp\":\"%s\",\"tcp\":\"%s\"}", sent > 0 ? "sent" : "not sent", t.result ? t.result : "timeout");
	(void)close(udp);
	(void)close(tcp);
}

void answer_heard(FILE *out, const char *query)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((in_port_t)atoi(query))};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), heard = 0;
	if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0) {
		(void)fprintf(out, "{\"error\":\"%s\"}", error_name(errno));
		return;
	}
	/* One of our own first: what the nameserver answers does arrive here. */
	unsigned char q[512], got[512];
	struct sockaddr_in dns;
	size_t n = dns_question(q, "heard.dev.fn.internal");
	if (nameserver(&dns))
		(void)sendto(fd, q, n, 0, (struct sockaddr *)&dns, sizeof dns);
	int64_t end = now_ms() + 2 * PATIENCE_MS;
	for (int64_t left = end - now_ms(); left > 0; left = end - now_ms()) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (poll(&p, 1, (int)left) > 0 && recv(fd, got, sizeof got, 0) > 0)
			heard++;
	}
	(void)close(fd);
	(void)fprintf(out, "{\"heard\":%d}", heard);
}

void answer_http(FILE *out, const char *query)
{
	char text[1024], *parts[3], got[8192];
	struct sockaddr_storage to;
	size_t n = 0;
	(void)snprintf(text, sizeof text, "%s", query);
	socklen_t size = split(text, parts, 3) == 3 ? parse_address(parts[0], &to) : 0;
	struct timeval patience = {5, 0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	if (!size || connect(fd, (struct sockaddr *)&to, size) != 0) {
		(void)fprintf(out, "{\"error\":\"%s\"}", error_name(errno));
		return;
	}
	(void)dprintf(fd, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", parts[2], parts[1]);
	for (ssize_t r; n < sizeof got - 1 && (r = read(fd, got + n, sizeof got - 1 - n)) > 0;)
		n += (size_t)r;
	got[n] = '\0';
	(void)close(fd);
	char *body = strstr(got, "\r\n\r\n");
	(void)fprintf(out, "{\"status\":%d,\"body\":", n > 12 ? atoi(got + 9) : 0);
	json_text(out, body ? body + 4 : "");
	(void)fputc('}', out);
}
