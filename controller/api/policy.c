/* Who may ask. The unix socket believes the kernel (peer credentials); the port believes the token, and only from programs: a browser names a Host
 * that is not ours after DNS rebinding, and sends Origin or Sec-Fetch-Site when another site made it ask. */
#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/server.h"
#include "base/fs.h"

enum { TOKEN_RANDOM = 40, TOKEN_MIN = 20, TOKEN_MAX = 512 };

static enum err_class random_base62(char *out, size_t n, struct err *e)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	for (size_t i = 0; i < n;) {
		unsigned char bytes[64];
		if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
			return err_errno(e, errno, TRANSIENT, R_OutOfResources, "getrandom");
		for (size_t k = 0; k < sizeof bytes && i < n; k++)
			if (bytes[k] < 62 * 4) /* all digits equally likely */
				out[i++] = digits[bytes[k] % 62];
	}
	return OK;
}

static enum err_class create_token(const struct api *a, struct err *e)
{
	const struct conf *conf = a->o.conf;
	AUTO_ARENA struct arena tmp = ARENA_INIT;
	const char *dir = conf_path(conf, &tmp, "secrets");
	bool fresh = !fs_exists(dir);
	enum err_class c = fs_mkdirs(dir, 0700, e);
	char text[sizeof "fnt_" + TOKEN_RANDOM + 1] = "fnt_";
	if (!c)
		c = random_base62(text + 4, TOKEN_RANDOM, e);
	text[4 + TOKEN_RANDOM] = '\n';
	if (!c)
		c = fs_write_atomic(a->token_path, text, 4 + TOKEN_RANDOM + 1, 0600, true, e);
	if (c || geteuid() != 0 || conf->user_uid == (uid_t)-1)
		return c;
	if ((fresh && chown(dir, conf->user_uid, conf->user_gid) != 0) || chown(a->token_path, conf->user_uid, conf->user_gid) != 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "chown %s", a->token_path);
	return OK;
}

enum err_class policy_init(struct api *a, struct err *e)
{
	a->token_path = conf_path(a->o.conf, &a->arena, "secrets/token");
	struct stat st;
	if (stat(a->token_path, &st) != 0 && errno == ENOENT)
		return create_token(a, e);
	AUTO_BUF struct buf text = BUF_INIT(TOKEN_MAX);
	enum err_class c = fs_read(a->token_path, &text, e);
	if (c)
		return err_wrap(e, "the API's token"), c;
	if ((st.st_mode & 077) != 0)
		return err_set(e, INVALID, R_InvalidValue, "%s can be read by others: its mode is %04o and must be 0600", a->token_path,
			       (unsigned)(st.st_mode & 07777));
	if (text.len < TOKEN_MIN)
		return err_set(e, INVALID, R_InvalidValue, "%s must hold at least %d characters", a->token_path, TOKEN_MIN);
	return OK;
}

/* Of their digests, so that neither length nor content shows in the time taken. */
static bool same_secret(const char *a, size_t na, const char *b, size_t nb)
{
	struct digest da = digest_of(a, na), db = digest_of(b, nb);
	volatile uint8_t differs = 0;
	for (size_t i = 0; i < DIGEST_BYTES; i++)
		differs |= da.b[i] ^ db.b[i];
	return differs == 0;
}

static void wipe(struct buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->cap);
	buf_release(b);
}

/* Read anew each time: replacing the file replaces the token. */
static enum err_class check_token(struct request *r, struct err *e)
{
	const char *given = MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, "Authorization");
	if (!given)
		return err_set(e, DENIED, R_Unauthenticated, "the request has no Authorization header");
	if (strncasecmp(given, "Bearer ", 7) != 0)
		return err_set(e, DENIED, R_Unauthenticated, "the Authorization header must be `Bearer <token>`");
	given += 7;
	__attribute__((cleanup(wipe))) struct buf text = BUF_INIT(TOKEN_MAX);
	enum err_class c = fs_read(r->api->token_path, &text, e);
	if (c)
		return err_set(e, TRANSIENT, R_Internal, "the token cannot be read");
	size_t n = strcspn(buf_str(&text), "\r\n");
	if (n < TOKEN_MIN || !same_secret(given, strlen(given), text.p, n))
		return err_set(e, DENIED, R_Unauthenticated, "the token is not valid");
	r->actor = "token";
	return OK;
}

static enum err_class check_peer(struct request *r, struct err *e)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct ucred peer;
	socklen_t n = sizeof peer;
	if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0)
		return err_set(e, DENIED, R_Unauthenticated, "the caller's credentials cannot be read");
	const struct conf *conf = r->api->o.conf;
	if (peer.uid == 0)
		r->actor = "root";
	else if (peer.uid == conf->user_uid && peer.uid != (uid_t)-1)
		r->actor = conf->user;
	else
		return err_set(e, DENIED, R_Unauthenticated, "user id %u may not use this socket", (unsigned)peer.uid);
	return OK;
}

static bool host_is_local(const char *host, const char *listen)
{
	static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};
	const char *all[ARRAY_LEN(names) + 1] = {listen};
	memcpy(all + 1, names, sizeof names);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		size_t n = strlen(all[i]);
		if (strncasecmp(host, all[i], n) != 0)
			continue;
		const char *rest = host + n;
		if (!*rest || (*rest == ':' && rest[1] && strspn(rest + 1, "0123456789") == strlen(rest + 1)))
			return true; /* any port: it may be forwarded */
	}
	return false;
}

struct header_count {
	const char *name, *value;
	int n;
};

static enum MHD_Result count_header(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	(void)kind; /* headers are all we ask for */
	struct header_count *h = ctx;
	if (strcasecmp(name, h->name) == 0) {
		h->n++;
		h->value = value;
	}
	return MHD_YES;
}

static enum err_class check_not_a_browser(struct request *r, struct err *e)
{
	struct header_count host = {"Host", NULL, 0};
	(void)MHD_get_connection_values(r->conn, MHD_HEADER_KIND, count_header, &host); /* the count is in host */
	if (!r->local && (host.n != 1 || !host.value || !host_is_local(host.value, r->api->o.conf->listen)))
		return err_set(e, DENIED, R_Forbidden, "the Host header must name this machine: 127.0.0.1, localhost or [::1]");
	if (MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, "Origin"))
		return err_set(e, DENIED, R_Forbidden, "requests from web pages (with an Origin header) are refused");
	const char *site = MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, "Sec-Fetch-Site");
	if (site && strcmp(site, "none") != 0 && strcmp(site, "same-origin") != 0)
		return err_set(e, DENIED, R_Forbidden, "requests that another site made (Sec-Fetch-Site) are refused");
	return OK;
}

enum err_class policy_check(struct request *r, enum access access, struct err *e)
{
	enum err_class c = check_not_a_browser(r, e);
	if (c || access == ACCESS_OPEN)
		return c;
	return r->local ? check_peer(r, e) : check_token(r, e);
}
