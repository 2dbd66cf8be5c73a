/* Where unpacking gets its entries from: a descriptor, what decompresses it, and the reader of tar or zip. */
#ifndef FN_ARCHIVE_INPUT_H
#define FN_ARCHIVE_INPUT_H

#include <archive.h>

#include "archive/archive.h"

struct input {
	int fd;
	off_t start;        /* of the archive in fd; -1: not seekable */
	uint64_t size;      /* of the file from start; UINT64_MAX when unknown */
	uint64_t read;      /* raw bytes taken from fd */
	uint64_t stream;    /* bytes of the tar so far */
	uint64_t max_ratio;
	struct archive *raw; /* decompresses; NULL for a zip */
	struct archive *entries;
	struct digest_ctx digest;
	bool digesting, bomb;
	int read_errno;
	unsigned char buf[65536];
};

/* Looks at the first bytes and opens what they call for. INVALID garbage (the reason to give for what is no archive). */
enum err_class input_open(struct input *in, int fd, const struct unpack_opts *o, enum reason garbage, struct err *e) MUST_USE;
void input_close(struct input *in);

/* Whether out bytes unpacked are too many for what was read. */
bool input_ratio_exceeded(const struct input *in, uint64_t out);

/* Reads to the end of the compressed stream, which the last entry need not be, and gives the tar's digest. */
enum err_class input_finish(struct input *in, struct digest *ret_diff_id, enum reason garbage, struct err *e) MUST_USE;

/* The error behind a failed libarchive call on in->entries. */
enum err_class input_error(struct input *in, enum reason garbage, const char *what, struct err *e);

#endif
