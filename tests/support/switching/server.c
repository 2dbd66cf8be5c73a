/* A function for tests of switching: it says which release answers, slowly where asked to, and speaks WebSocket.
 *
 *   server FILE       listens on $PORT; the first line of FILE is the text that it answers
 *
 *   GET /             {"text": …, "version": $FN_VERSION, "release": $FN_RELEASE}
 *   GET /slow?ms=N    the same, one half at once and one after N ms: who is cut off can tell
 *   GET /ws           a WebSocket that echoes what it is sent and answers pings; the header Fn-Release says who answers
 *   GET /healthz      ok
 *
 * A thread for each connection. SIGTERM ends it as a function should end: nothing new is accepted, what has begun is answered,
 * idle connections are closed, and WebSockets with 1001. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 1000, INPUT = 8192, BODY = 4096, IDLE_MS = 120000, GRACE_MS = 5000, STACK = 64 * 1024, KEY = 24, ACCEPT = 28 };
enum { FIN = 0x80, OPCODE = 0x0f, CLOSE = 8, PING = 9, PONG = 10, MASKED = 0x80, GOING_AWAY = 1001 };

struct connection {
	int fd;
	size_t have;
	unsigned char in[INPUT + 1];
};

/* Becomes readable at the signal, which nobody reads: every thread sees it. */
static int stop_fd;
static sem_t slots;
static int release;
static char body[BODY];

static bool stopping(void)
{
	return poll(&(struct pollfd){.fd = stop_fd, .events = POLLIN}, 1, 0) > 0;
}

/* Waits for more input. False at its end, and for who is idle also when the program stops; others then have GRACE_MS. */
static bool fill(struct connection *c, bool idle)
{
	struct pollfd p[] = {{.fd = c->fd, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}};
	if (poll(p, 2, IDLE_MS) <= 0 || (!p[0].revents && (idle || poll(p, 1, GRACE_MS) <= 0)))
		return false;
	ssize_t n = recv(c->fd, c->in + c->have, INPUT - c->have, 0);
	c->have += n > 0 ? (size_t)n : 0;
	return n > 0;
}

static void consume(struct connection *c, size_t n)
{
	c->have -= n;
	memmove(c->in, c->in + n, c->have);
}

static bool send_all(int fd, const void *data, size_t n)
{
	for (const char *at = data; n > 0;) {
		ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
		if (sent <= 0)
			return false;
		at += sent;
		n -= (size_t)sent;
	}
	return true;
}

static uint32_t rotate(uint32_t x, int n) { return x << n | x >> (32 - n); }

static void sha1_block(uint32_t h[5], const unsigned char *block)
{
	static const uint32_t constants[] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
	uint32_t w[80] = {0}, s[5];
	memcpy(s, h, sizeof s);
	for (int i = 0; i < 64; i++)
		w[i / 4] |= (uint32_t)block[i] << (24 - i % 4 * 8);
	for (int i = 16; i < 80; i++)
		w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	for (int i = 0; i < 80; i++) {
		uint32_t choose = (s[1] & s[2]) | (~s[1] & s[3]), most = (s[1] & s[2]) | (s[1] & s[3]) | (s[2] & s[3]);
		uint32_t f = i < 20 ? choose : i >= 40 && i < 60 ? most : s[1] ^ s[2] ^ s[3];
		uint32_t next = rotate(s[0], 5) + f + s[4] + constants[i / 20] + w[i];
		s[4] = s[3], s[3] = s[2], s[2] = rotate(s[1], 30), s[1] = s[0], s[0] = next;
	}
	for (int i = 0; i < 5; i++)
		h[i] += s[i];
}

/* RFC 6455, 4.2.2: base64 of the SHA-1 of the key and a constant. Those are 60 bytes together, so two blocks. */
static void accept_key(const char *key, char out[ACCEPT + 1])
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char guid[36] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char blocks[128] = {[60] = 0x80, [126] = 60 * 8 >> 8, [127] = 60 * 8 & 0xff}, digest[21] = {0};
	uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
	memcpy(blocks, key, KEY);
	memcpy(blocks + KEY, guid, sizeof guid);
	sha1_block(h, blocks);
	sha1_block(h, blocks + 64);
	for (int i = 0; i < 20; i++)
		digest[i] = (unsigned char)(h[i / 4] >> (24 - i % 4 * 8));
	for (int i = 0, bit = 0; i < ACCEPT - 1; i++, bit += 6)
		out[i] = digits[(digest[bit / 8] << 8 | digest[bit / 8 + 1]) >> (10 - bit % 8) & 0x3f];
	memcpy(out + ACCEPT - 1, "=", 2); /* 20 bytes are 27 digits */
}

static bool send_frame(int fd, int first, const unsigned char *payload, size_t n)
{
	unsigned char frame[INPUT + 4] = {(unsigned char)first, n < 126 ? (unsigned char)n : 126, (unsigned char)(n >> 8), (unsigned char)n};
	size_t head = n < 126 ? 2 : 4;
	memcpy(frame + head, payload, n);
	return send_all(fd, frame, head + n);
}

/* Where the payload of the frame begins that the input starts with; 0 when it is not complete, -1 for one that is not masked or
 * too long. A masked frame has 6 bytes at least. */
static int frame_at(const struct connection *c, size_t *length)
{
	if (c->have < 6)
		return 0;
	size_t head = 2, n = c->in[1] & 0x7f;
	if (!(c->in[1] & MASKED) || n == 127)
		return -1;
	if (n == 126)
		n = (size_t)c->in[2] << 8 | c->in[3], head = 4;
	if (head + 4 + n > INPUT)
		return -1;
	*length = n;
	return c->have < head + 4 + n ? 0 : (int)head + 4;
}

/* Each piece of a message is echoed as it came. */
static bool echo(struct connection *c, int at, size_t length)
{
	unsigned char *payload = c->in + at, *mask = payload - 4;
	int first = c->in[0], opcode = first & OPCODE;
	for (size_t i = 0; i < length; i++)
		payload[i] ^= mask[i % 4];
	return opcode == PONG || (send_frame(c->fd, opcode == PING ? FIN | PONG : first, payload, length) && opcode != CLOSE);
}

static void websocket(struct connection *c)
{
	size_t length = 0;
	for (bool open = true, closing = false; open;) {
		int at = frame_at(c, &length);
		if (at < 0)
			return;
		if (at > 0) {
			/* After our close nothing more is sent. */
			open = closing ? (c->in[0] & OPCODE) != CLOSE : echo(c, at, length);
			consume(c, (size_t)at + length);
		} else if (!fill(c, !closing)) {
			if (closing || !stopping())
				return;
			closing = true;
			open = send_frame(c->fd, FIN | CLOSE, (unsigned char[]){GOING_AWAY >> 8, GOING_AWAY & 0xff}, 2);
		}
	}
}

static void upgrade(struct connection *c, const char *key)
{
	char accept[ACCEPT + 1], text[300];
	accept_key(key, accept);
	int n = snprintf(text, sizeof text, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
			 "Sec-WebSocket-Accept: %s\r\nFn-Release: %d\r\n\r\n", accept, release);
	if (send_all(c->fd, text, (size_t)n))
		websocket(c);
}

static const char *header(const char *head, const char *name)
{
	size_t n = strlen(name);
	for (const char *line = head; (line = strstr(line, "\r\n"));) {
		line += 2;
		if (strncasecmp(line, name, n) == 0 && line[n] == ':')
			return line + n + 1 + strspn(line + n + 1, " \t");
	}
	return "";
}

static bool answer(int fd, const char *status, const char *text, int pause_ms, bool keep)
{
	char all[BODY + 200];
	int n = snprintf(all, sizeof all, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n%s", status,
			 strlen(text), keep ? "" : "Connection: close\r\n", text);
	size_t last = pause_ms ? strlen(text) / 2 : 0, first = (size_t)n - last;
	struct timespec pause = {pause_ms / 1000, pause_ms % 1000 * 1000000L};
	return send_all(fd, all, first) && nanosleep(&pause, NULL) == 0 && send_all(fd, all + first, last) && keep;
}

/* Whether the connection goes on. */
static bool request(struct connection *c, const char *head)
{
	size_t line = strcspn(head, "\r");
	bool keep = line > 8 && memcmp(head + line - 8, "HTTP/1.1", 8) == 0 && strncasecmp(header(head, "Connection"), "close", 5) != 0;
	const char *key = header(head, "Sec-WebSocket-Key");
	unsigned ms = 0;
	keep = keep && !stopping();
	if (strncmp(head, "GET / ", 6) == 0)
		return answer(c->fd, "200 OK", body, 0, keep);
	if (sscanf(head, "GET /slow?ms=%6u ", &ms) == 1)
		return answer(c->fd, "200 OK", body, (int)ms, keep);
	if (strncmp(head, "GET /healthz ", 13) == 0)
		return answer(c->fd, "200 OK", "\"ok\"\n", 0, keep);
	if (strncmp(head, "GET /ws ", 8) != 0 || strcspn(key, "\r ") != KEY)
		return answer(c->fd, "404 Not Found", "\"not found\"\n", 0, false);
	upgrade(c, key);
	return false;
}

static void *serve(void *arg)
{
	struct connection c = {.fd = (int)(intptr_t)arg};
	for (bool open = true, fresh = true; open;) {
		char head[INPUT + 1];
		c.in[c.have] = '\0';
		const char *end = strstr((const char *)c.in, "\r\n\r\n");
		if (end) {
			size_t n = (size_t)(end + 4 - (const char *)c.in);
			memcpy(head, c.in, n);
			head[n] = '\0';
			consume(&c, n);
			open = request(&c, head);
			fresh = false;
		} else {
			open = fill(&c, !fresh && c.have == 0);
		}
	}
	close(c.fd);
	sem_post(&slots);
	return NULL;
}

static void start(int fd, const pthread_attr_t *attr)
{
	pthread_t thread;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	sem_wait(&slots);
	if (pthread_create(&thread, attr, serve, (void *)(intptr_t)fd) != 0) {
		close(fd);
		sem_post(&slots);
	}
}

static int variable(const char *name, int otherwise)
{
	const char *value = getenv(name);
	return value ? atoi(value) : otherwise;
}

static bool make_body(const char *path)
{
	char text[500] = "", escaped[6 * sizeof text] = "", *to = escaped;
	FILE *f = fopen(path, "r");
	bool ok = f && fgets(text, sizeof text, f);
	if (f)
		(void)fclose(f);
	for (const char *from = text; *from && *from != '\n'; from++)
		to += sprintf(to, (unsigned char)*from < ' ' || *from == '"' || *from == '\\' ? "\\u%04x" : "%c", (unsigned char)*from);
	release = variable("FN_RELEASE", 0);
	(void)snprintf(body, sizeof body, "{\"text\":\"%s\",\"version\":%d,\"release\":%d}\n", escaped, variable("FN_VERSION", 0), release);
	return ok;
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)variable("PORT", 8080))};
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (argc != 2 || !make_body(argv[1]) || bind(listener, (struct sockaddr *)&a, sizeof a) < 0 || listen(listener, 512) < 0) {
		perror("usage: server FILE");
		return 2;
	}
	sigset_t stop;
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &stop, NULL);
	stop_fd = signalfd(-1, &stop, SFD_CLOEXEC);
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sem_init(&slots, 0, CONNECTIONS);
	for (bool stopped = false; !stopped;) {
		struct pollfd p[] = {{.fd = listener, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}};
		(void)poll(p, 2, -1);
		stopped = p[1].revents != 0;
		/* At the end too: what waits to be accepted would be cut with the socket. */
		for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;)
			start(fd, &attr);
	}
	close(listener);
	for (int i = 0; i < CONNECTIONS; i++)
		sem_wait(&slots);
	return 0;
}
