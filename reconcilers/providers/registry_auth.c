#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/json.h"
#include "reconcilers/providers/registry_impl.h"

enum { SECRET_MAX = 32 << 10, TOKEN_DEFAULT_S = 60 /* distribution: token.md */, TOKEN_MARGIN_MS = 5000 };

static bool token_char(char c)
{
	return c && (strchr("!#$%&'*+-.^_`|~", c) || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'));
}

static const char *skip_blanks(const char *s) { return s + strspn(s, " \t"); }

static const char *take_token(const char *s, struct arena *a, const char **ret)
{
	const char *end = s;
	while (token_char(*end))
		end++;
	*ret = arena_strndup(a, s, (size_t)(end - s));
	return end;
}

/* A quoted string from its opening quote, or NULL when it does not end. */
static const char *take_quoted(const char *s, struct arena *a, const char **ret)
{
	char *out = arena_alloc(a, strlen(s) + 1), *to = out;
	for (s++; *s && *s != '"'; s++) {
		if (*s == '\\' && s[1])
			s++;
		*to++ = *s;
	}
	*ret = out;
	return *s == '"' ? s + 1 : NULL;
}

bool challenge_parse(const char *value, struct arena *a, struct challenge *ret)
{
	struct challenge c = { 0 };
	if (!value)
		return false;
	const char *s = take_token(skip_blanks(value), a, &c.scheme);
	if (!*c.scheme)
		return false;
	for (s = skip_blanks(s); *s; s = skip_blanks(s)) {
		const char *name, *text;
		s = skip_blanks(take_token(s, a, &name));
		if (!*name || *s != '=')
			break; /* the next challenge, or nothing of ours */
		s = skip_blanks(s + 1);
		s = *s == '"' ? take_quoted(s, a, &text) : take_token(s, a, &text);
		if (!s)
			return false;
		if (strcasecmp(name, "realm") == 0)
			c.realm = text;
		else if (strcasecmp(name, "service") == 0)
			c.service = text;
		s = skip_blanks(s);
		if (*s != ',')
			break;
		s++;
	}
	*ret = c;
	return true;
}

static void base64(const unsigned char *p, size_t n, struct buf *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < n; i += 3) {
		unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) | (i + 2 < n ? (unsigned)p[i + 2] : 0);
		char four[4] = { digits[v >> 18], digits[v >> 12 & 63], i + 1 < n ? digits[v >> 6 & 63] : '=',
				 i + 2 < n ? digits[v & 63] : '=' };
		(void)buf_add(out, four, sizeof four); /* overflow is looked at by the caller */
	}
}

static void wipe(struct buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->cap);
	buf_clear(b);
}

void secret_release(struct buf *b)
{
	wipe(b);
	buf_release(b);
}

/* "Basic …" from the file's first line. */
static enum err_class basic_value(const struct registry *r, struct buf *out, struct err *e)
{
	AUTO_SECRET struct buf line = BUF_INIT(1024);
	(void)buf_reserve(&line, 1023); /* never moved: no copy is left behind unwiped */
	(void)buf_reserve(out, SECRET_MAX);
	enum err_class c = fs_read(r->auth_file, &line, e);
	if (c == INVALID)
		return err_set(e, DENIED, R_RegistryDenied, "the registry's credentials file %s is missing or too large", r->auth_file);
	if (c)
		return c;
	size_t n = strcspn(buf_str(&line), "\r\n");
	if (!memchr(buf_str(&line), ':', n))
		return err_set(e, DENIED, R_RegistryDenied, "%s must hold one line user:password", r->auth_file);
	(void)buf_puts(out, "Basic ");
	base64((const unsigned char *)line.p, n, out);
	return OK;
}

static void token_clear(struct registry_token *t)
{
	if (t->value)
		explicit_bzero(t->value, strlen(t->value));
	free(t->value);
	free(t->scope);
	*t = (struct registry_token){ 0 };
}

void auth_release(struct registry *r)
{
	for (size_t i = 0; i < REGISTRY_TOKENS; i++)
		token_clear(&r->tokens[i]);
}

static struct registry_token *find_token(struct registry *r, const char *scope)
{
	for (size_t i = 0; i < REGISTRY_TOKENS; i++)
		if (r->tokens[i].scope && strcmp(r->tokens[i].scope, scope) == 0)
			return &r->tokens[i];
	return NULL;
}

enum err_class auth_known(struct registry *r, const char *scope, struct buf *ret_secret, const char **ret, struct err *e)
{
	wipe(ret_secret);
	const struct registry_token *t = find_token(r, scope);
	if (t && t->expires_ms > clock_mono_ms()) {
		(void)buf_reserve(ret_secret, SECRET_MAX);
		(void)buf_printf(ret_secret, "Bearer %s", t->value); /* fits: see store_token */
		*ret = buf_str(ret_secret);
		return OK;
	}
	if (!r->basic) {
		*ret = NULL;
		return OK;
	}
	enum err_class c = basic_value(r, ret_secret, e);
	if (!c)
		*ret = buf_str(ret_secret);
	return c;
}

/* Credentials go to the registry's own host, or to a host that the operator named: a registry, or whoever speaks in its place, could
 * otherwise send them anywhere (CVE-2026-33540). */
static bool realm_trusted(const struct registry *r, const char *realm, struct arena *a, struct http_origin *ret)
{
	struct http_origin own, o;
	if (!http_origin_of(r->url, a, &own) || !http_origin_of(realm, a, &o))
		return false;
	bool https = strcmp(o.scheme, "https") == 0;
	bool trusted = strcasecmp(o.host, own.host) == 0 && (https || strcmp(own.scheme, "http") == 0);
	for (char **host = r->token_hosts; host && *host && !trusted; host++)
		trusted = https && strcasecmp(o.host, *host) == 0;
	if (trusted)
		*ret = o;
	return trusted;
}

static enum err_class store_token(struct registry *r, const char *scope, const struct buf *answer, struct err *e)
{
	AUTO_JSON json_t *j = NULL;
	struct err inner = ERR_INIT;
	const char *value = NULL;
	if (json_parse(buf_str(answer), answer->len, &j, &inner) == OK)
		value = json_str_or(j, "token", json_str_or(j, "access_token", NULL));
	if (!value || !*value || strlen(value) > SECRET_MAX - sizeof "Bearer " || value[strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789-._~+/=:")] != '\0')
		return err_set(e, TRANSIENT, R_RegistryProtocol, "the token service's answer holds no usable token");
	struct registry_token *t = find_token(r, scope);
	if (!t) {
		t = &r->tokens[r->next_token];
		r->next_token = (r->next_token + 1) % REGISTRY_TOKENS;
	}
	int64_t seconds = json_int_or(j, "expires_in", TOKEN_DEFAULT_S);
	token_clear(t);
	*t = (struct registry_token){ xstrdup(scope), xstrdup(value),
				      clock_mono_ms() + (seconds > 0 && seconds < 86400 ? seconds : TOKEN_DEFAULT_S) * 1000 - TOKEN_MARGIN_MS };
	return OK;
}

static enum err_class fetch_token(struct registry *r, const char *scope, const struct challenge *ch, const struct http_origin *o,
				  struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	AUTO_SECRET struct buf secret = BUF_INIT(SECRET_MAX);
	AUTO_SECRET struct buf answer = BUF_INIT(REGISTRY_ANSWER_MAX);
	struct http_opts opts = { .base = arena_printf(&a, "%s://%s:%s", o->scheme, o->host, o->port), .stall_ms = r->call_ms,
				  .total_ms = 2 * r->call_ms, .unavailable = R_RegistryUnavailable, .denied = R_RegistryDenied,
				  .protocol = R_RegistryProtocol };
	struct http *http = NULL;
	enum err_class c = r->auth_file ? basic_value(r, &secret, e) : OK;
	if (!c)
		c = http_open(&opts, &http, e);
	if (c)
		return c;
	const char *query[2 * 4 + 1] = { NULL };
	size_t n = 0;
	if (ch->service) {
		query[n++] = "service";
		query[n++] = ch->service;
	}
	/* our scope, not the challenge's: it covers the whole push, and the token is kept under it */
	char *scopes = arena_strdup(&a, scope), *save = NULL;
	for (char *one = strtok_r(scopes, " ", &save); one && n + 2 < ARRAY_LEN(query); one = strtok_r(NULL, " ", &save)) {
		query[n++] = "scope";
		query[n++] = one;
	}
	struct http_request q = { .url = ch->realm, .query = query, .authorization = secret.len ? buf_str(&secret) : NULL, .out = &answer };
	int status = 0;
	c = http_do(http, &q, &status, e);
	if (!c)
		c = http_status_err(http, status, "token", e);
	if (!c)
		c = store_token(r, scope, &answer, e);
	http_free(http);
	return c;
}

enum err_class auth_challenged(struct registry *r, const char *scope, const char *www_authenticate, bool *ret_again, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct challenge ch;
	struct http_origin o;
	if (!challenge_parse(www_authenticate, &a, &ch))
		return err_set(e, DENIED, R_RegistryDenied, "the registry refuses access and does not say what it accepts");
	if (strcasecmp(ch.scheme, "Bearer") != 0 || !ch.realm) {
		*ret_again = !r->basic && r->auth_file && strcasecmp(ch.scheme, "Basic") == 0;
		r->basic = r->auth_file != NULL;
		return OK;
	}
	if (!realm_trusted(r, ch.realm, &a, &o))
		return err_set(e, DENIED, R_RegistryDenied, "the registry asks for a token from a host that is not trusted with its credentials");
	enum err_class c = fetch_token(r, scope, &ch, &o, e);
	if (c)
		return c;
	r->basic = false;
	*ret_again = true;
	return OK;
}
