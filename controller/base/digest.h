/* SHA-256 digests in the OCI form "sha256:<64 hex>" (image-spec, descriptor.md, "Digests"). */
#ifndef FN_BASE_DIGEST_H
#define FN_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { DIGEST_BYTES = 32, DIGEST_HEX = 65, DIGEST_TEXT = 72 };

struct digest {
	uint8_t b[DIGEST_BYTES];
};

struct digest digest_of(const void *p, size_t n);
struct digest digest_of_str(const char *s);
bool digest_eq(const struct digest *a, const struct digest *b);
/* Parses exactly "sha256:" and 64 lower-case hex digits; false otherwise and *ret untouched. */
bool digest_parse(const char *s, struct digest *ret);
char *digest_text(const struct digest *d, char out[DIGEST_TEXT]); /* "sha256:…"; returns out */
char *digest_hex(const struct digest *d, char out[DIGEST_HEX]);   /* 64 hex digits; returns out */

/* Streaming: init, update any number of times, then final or release. */
struct digest_ctx {
	void *md;
};
void digest_init(struct digest_ctx *c);
void digest_update(struct digest_ctx *c, const void *p, size_t n);
struct digest digest_final(struct digest_ctx *c); /* also releases */
void digest_release(struct digest_ctx *c);

/* Digest and size of what is left to read in fd. */
enum err_class digest_of_fd(int fd, struct digest *ret, uint64_t *ret_size, struct err *e) MUST_USE;

#endif
