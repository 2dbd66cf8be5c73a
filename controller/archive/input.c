#include "archive/input.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/internal.h"

enum { FREE_OUT = 16 << 20 }; /* what may come out before the ratio counts */

static la_ssize_t raw_read(struct archive *ar, void *ctx, const void **ret)
{
	struct input *in = ctx;
	ssize_t n;
	do
		n = read(in->fd, in->buf, sizeof in->buf);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		in->read_errno = errno;
		archive_set_error(ar, errno, "read failed");
		return -1;
	}
	in->read += (uint64_t)n;
	*ret = in->buf;
	return n;
}

static la_int64_t raw_seek(struct archive *ar, void *ctx, la_int64_t offset, int whence)
{
	struct input *in = ctx;
	off_t at = lseek(in->fd, whence == SEEK_SET ? in->start + offset : offset, whence);
	if (at < in->start) {
		archive_set_error(ar, EINVAL, "seek failed");
		return ARCHIVE_FATAL;
	}
	return at - in->start;
}

bool input_ratio_exceeded(const struct input *in, uint64_t out)
{
	/* A zip's reader seeks: bytes read twice do not count twice. */
	uint64_t read = in->read < in->size ? in->read : in->size;
	return out > FREE_OUT && out / in->max_ratio > read;
}

/* The tar's bytes on their way from the decompressor to the reader of entries. */
static la_ssize_t tar_read(struct archive *ar, void *ctx, const void **ret)
{
	struct input *in = ctx;
	size_t n;
	la_int64_t offset;
	int r = archive_read_data_block(in->raw, ret, &n, &offset);
	if (r == ARCHIVE_EOF)
		return 0;
	if (r < ARCHIVE_WARN) {
		archive_set_error(ar, EINVAL, "%s", archive_error_string(in->raw) ? archive_error_string(in->raw) : "cut off");
		return -1;
	}
	in->stream += n;
	if (in->digesting)
		digest_update(&in->digest, *ret, n);
	if (input_ratio_exceeded(in, in->stream)) {
		in->bomb = true;
		archive_set_error(ar, EINVAL, "expands too much");
		return -1;
	}
	return (la_ssize_t)n;
}

enum err_class input_error(struct input *in, enum reason garbage, const char *what, struct err *e)
{
	if (in->read_errno)
		return err_errno(e, in->read_errno, TRANSIENT, R_Internal, "read the archive");
	if (in->bomb)
		return err_set(e, INVALID, R_ArchiveBomb, "%s: the archive expands to more than %llu times its size", what,
			       (unsigned long long)in->max_ratio);
	char why[SHOWN];
	const char *text = archive_error_string(in->entries);
	return err_set(e, INVALID, garbage, "%s: the archive is damaged or cut off: %s", what,
		       entry_shown(text ? text : "no more is known", why));
}

static enum err_class not_an_archive(struct input *in, enum reason garbage, struct err *e)
{
	if (in->read_errno)
		return err_errno(e, in->read_errno, TRANSIENT, R_Internal, "read the archive");
	return err_set(e, INVALID, garbage, "neither a tar (plain, gzip or zstd) nor a zip");
}

static enum err_class open_zip(struct input *in, const struct unpack_opts *o, enum reason garbage, struct err *e)
{
	if (o->layer || o->ret_diff_id)
		return err_set(e, INVALID, garbage, "a zip is not a layer");
	(void)archive_read_support_format_zip_seekable(in->entries); /* fails only out of memory, then opening does */
	(void)archive_read_set_seek_callback(in->entries, raw_seek);
	if (archive_read_open2(in->entries, in, NULL, raw_read, NULL, NULL) != ARCHIVE_OK)
		return not_an_archive(in, garbage, e);
	return OK;
}

static enum err_class open_tar(struct input *in, enum reason garbage, struct err *e)
{
	in->raw = archive_read_new();
	if (!in->raw)
		return err_set(e, TRANSIENT, R_OutOfResources, "libarchive");
	(void)archive_read_support_filter_gzip(in->raw); /* these fail only out of memory, then opening does */
	(void)archive_read_support_filter_zstd(in->raw);
	(void)archive_read_support_format_raw(in->raw);
	(void)archive_read_support_format_tar(in->entries);
	struct archive_entry *all;
	if (archive_read_open2(in->raw, in, NULL, raw_read, NULL, NULL) != ARCHIVE_OK ||
	    archive_read_next_header(in->raw, &all) != ARCHIVE_OK)
		return not_an_archive(in, garbage, e);
	if (archive_read_open2(in->entries, in, NULL, tar_read, NULL, NULL) != ARCHIVE_OK)
		return in->bomb ? input_error(in, garbage, "archive", e) : not_an_archive(in, garbage, e);
	return OK;
}

enum err_class input_open(struct input *in, int fd, const struct unpack_opts *o, enum reason garbage, struct err *e)
{
	in->fd = fd;
	in->max_ratio = o->max_ratio ? o->max_ratio : 200;
	in->size = UINT64_MAX;
	in->start = lseek(fd, 0, SEEK_CUR);
	struct stat st;
	char magic[4] = "";
	if (in->start >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		in->size = st.st_size > in->start ? (uint64_t)(st.st_size - in->start) : 0;
		if (pread(fd, magic, sizeof magic, in->start) < 0)
			return err_errno(e, errno, TRANSIENT, R_Internal, "read the archive");
	}
	in->entries = archive_read_new();
	if (!in->entries)
		return err_set(e, TRANSIENT, R_OutOfResources, "libarchive");
	in->digesting = o->ret_diff_id != NULL;
	if (in->digesting)
		digest_init(&in->digest);
	bool zip = memcmp(magic, "PK\3\4", 4) == 0 || memcmp(magic, "PK\5\6", 4) == 0;
	return zip ? open_zip(in, o, garbage, e) : open_tar(in, garbage, e);
}

void input_close(struct input *in)
{
	(void)archive_read_free(in->entries); /* both take NULL, and nothing is left to be lost */
	(void)archive_read_free(in->raw);
	if (in->digesting)
		digest_release(&in->digest);
}

enum err_class input_finish(struct input *in, struct digest *ret_diff_id, enum reason garbage, struct err *e)
{
	if (!in->raw)
		return OK;
	for (;;) {
		const void *p;
		la_ssize_t n = tar_read(in->entries, in, &p);
		if (n < 0)
			return input_error(in, garbage, "end of archive", e);
		if (n == 0)
			break;
	}
	if (ret_diff_id) {
		*ret_diff_id = digest_final(&in->digest);
		in->digesting = false;
	}
	return OK;
}
