#include "base/digest.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char prefix[] = "sha256:";

void digest_init(struct digest_ctx *c)
{
	c->md = EVP_MD_CTX_new();
	if (!c->md || EVP_DigestInit_ex(c->md, EVP_sha256(), NULL) != 1)
		abort(); /* out of memory, or an OpenSSL without SHA-256 */
}

void digest_update(struct digest_ctx *c, const void *p, size_t n)
{
	if (EVP_DigestUpdate(c->md, p, n) != 1)
		abort();
}

struct digest digest_final(struct digest_ctx *c)
{
	struct digest d;
	if (EVP_DigestFinal_ex(c->md, d.b, NULL) != 1)
		abort();
	digest_release(c);
	return d;
}

void digest_release(struct digest_ctx *c)
{
	EVP_MD_CTX_free(c->md);
	c->md = NULL;
}

struct digest digest_of(const void *p, size_t n)
{
	struct digest_ctx c;
	digest_init(&c);
	digest_update(&c, p, n);
	return digest_final(&c);
}

struct digest digest_of_str(const char *s) { return digest_of(s, strlen(s)); }

bool digest_eq(const struct digest *a, const struct digest *b) { return memcmp(a->b, b->b, sizeof a->b) == 0; }

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool digest_parse(const char *s, struct digest *ret)
{
	size_t skip = sizeof prefix - 1;
	if (!s || strlen(s) != skip + 2 * DIGEST_BYTES || memcmp(s, prefix, skip) != 0)
		return false;
	struct digest d;
	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		int hi = hex_value(s[skip + 2 * i]), lo = hex_value(s[skip + 2 * i + 1]);
		if (hi < 0 || lo < 0)
			return false;
		d.b[i] = (uint8_t)(hi * 16 + lo);
	}
	*ret = d;
	return true;
}

char *digest_hex(const struct digest *d, char out[DIGEST_HEX])
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < DIGEST_BYTES; i++) {
		out[2 * i] = digits[d->b[i] >> 4];
		out[2 * i + 1] = digits[d->b[i] & 15];
	}
	out[DIGEST_HEX - 1] = '\0';
	return out;
}

char *digest_text(const struct digest *d, char out[DIGEST_TEXT])
{
	memcpy(out, prefix, sizeof prefix - 1);
	(void)digest_hex(d, out + sizeof prefix - 1);
	return out;
}

enum err_class digest_of_fd(int fd, struct digest *ret, uint64_t *ret_size, struct err *e)
{
	struct digest_ctx c;
	digest_init(&c);
	uint64_t size = 0;
	for (;;) {
		char chunk[65536];
		ssize_t n = read(fd, chunk, sizeof chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			digest_release(&c);
			return err_errno(e, errno, TRANSIENT, R_Internal, "read");
		}
		if (n == 0)
			break;
		digest_update(&c, chunk, (size_t)n);
		size += (uint64_t)n;
	}
	*ret = digest_final(&c);
	if (ret_size)
		*ret_size = size;
	return OK;
}
