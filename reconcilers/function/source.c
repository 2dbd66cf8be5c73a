#include "reconcilers/function/source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static const char *upload_path(const struct pass *p, const struct digest *d)
{
	char hex[DIGEST_HEX];
	return arena_printf(p->arena, "%s/uploads/%s", p->conf->home, digest_hex(d, hex));
}

/* An earlier version of this function with the same source has it in the store. */
static enum err_class from_store(struct pass *p, const char *function_id, const char *source_digest, int *ret_fd, struct err *e)
{
	struct deployment_row d;
	bool found;
	uint64_t size;
	enum err_class c = deployment_of_source(p->store, function_id, source_digest, p->arena, &d, &found, e);
	if (c)
		return c;
	return found ? artifacts_get(p->artifacts, d.s3_key, ret_fd, &size, e)
		     : err_set(e, INVALID, R_SourceMissing, "the source %s was not uploaded", source_digest);
}

enum err_class source_open(struct pass *p, const char *function_id, const char *source_digest, int *ret_fd, struct err *e)
{
	struct digest d;
	if (!digest_parse(source_digest, &d))
		return err_set(e, INVALID, R_SourceMissing, "\"%s\" is not a digest", source_digest);
	int fd = open(upload_path(p, &d), O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return from_store(p, function_id, source_digest, ret_fd, e);
	if (fd < 0)
		return err_errno(e, errno, TRANSIENT, R_StoreUnavailable, "open the upload");
	*ret_fd = fd;
	return OK;
}
