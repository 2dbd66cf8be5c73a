/* FN_HOME/uploads/<64 hex>: packed sources, named by what they are. A file appears under its name only whole, checked and synced. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/handlers.h"
#include "base/fs.h"
#include "base/sweep.h"

enum { STALE_S = 3600 };

struct upload {
	bool named;   /* by its digest, want; else it is an archive, whatever its digest */
	struct digest want;
	struct digest_ctx sum;
	size_t seen;  /* bytes */
	bool present; /* it was there already */
	char *tmp;    /* NULL: nothing on disk */
	int fd;
};

static const char *path_of(const struct api *a, const struct digest *d, struct arena *arena)
{
	char hex[DIGEST_HEX];
	return arena_printf(arena, "%s/%s", a->uploads_dir, digest_hex(d, hex));
}

/* What a controller that died in the middle of an upload left. Another may be writing now, so only old ones go. */
static void sweep(const char *dir)
{
	DIR *d = opendir(dir);
	if (!d)
		return;
	for (struct dirent *ent; (ent = readdir(d)) != NULL;) {
		struct stat st;
		if (strncmp(ent->d_name, ".upload-", 8) == 0 && fstatat(dirfd(d), ent->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_mtime < time(NULL) - STALE_S)
			(void)unlinkat(dirfd(d), ent->d_name, 0); /* the next start tries again */
	}
	(void)closedir(d);
}

enum err_class uploads_init(struct api *a, struct err *e)
{
	const struct conf *conf = a->o.conf;
	a->uploads_dir = conf_path(conf, &a->arena, "uploads");
	bool fresh = !fs_exists(a->uploads_dir);
	enum err_class c = fs_mkdirs(a->uploads_dir, 0700, e);
	if (c)
		return c;
	if (fresh && geteuid() == 0 && conf->user_uid != (uid_t)-1 && chown(a->uploads_dir, conf->user_uid, conf->user_gid) != 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "chown %s", a->uploads_dir);
	sweep(a->uploads_dir);
	return OK;
}

bool uploads_has(const struct api *a, const struct digest *d)
{
	AUTO_ARENA struct arena tmp = ARENA_INIT;
	return sweep_touch(path_of(a, d, &tmp)); /* whoever asks is about to apply it: it is not swept before */
}

enum err_class upload_begin(struct request *r, const struct digest *want, struct err *e)
{
	struct upload *u = xcalloc(1, sizeof *u);
	r->sink_state = u;
	u->fd = -1;
	digest_init(&u->sum);
	u->named = want != NULL;
	if (want)
		u->want = *want;
	u->present = want && uploads_has(r->api, want);
	if (u->present)
		return OK;
	u->tmp = xprintf("%s/.upload-XXXXXX", r->api->uploads_dir);
	u->fd = mkostemp(u->tmp, O_CLOEXEC);
	if (u->fd >= 0)
		return OK;
	free(u->tmp);
	u->tmp = NULL;
	return err_errno(e, errno, TRANSIENT, R_StoreUnavailable, "create a file in %s", r->api->uploads_dir);
}

static enum err_class upload_open(struct request *r, struct err *e)
{
	struct digest want;
	if (!digest_parse(r->digest, &want))
		return err_set(e, BUG, R_Internal, "the route let a malformed digest pass");
	return upload_begin(r, &want, e);
}

/* What gzip files begin with: more is looked at by the build. */
static const unsigned char gzip_magic[] = {0x1f, 0x8b, 0x08};

static bool begins_as_gzip(const struct upload *u, const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n && u->seen + i < sizeof gzip_magic; i++)
		if (p[i] != gzip_magic[u->seen + i])
			return false;
	return true;
}

static enum err_class not_an_archive(struct err *e)
{
	return err_set(e, INVALID, R_SourceInvalid, "the body is not a tar archive packed with gzip");
}

enum err_class upload_write(struct request *r, const void *p, size_t n, struct err *e)
{
	struct upload *u = r->sink_state;
	if (u->present)
		return OK;
	if (!u->named && !begins_as_gzip(u, p, n))
		return not_an_archive(e);
	u->seen += n;
	digest_update(&u->sum, p, n);
	return fs_write_all(u->fd, p, n, e);
}

void upload_close(struct request *r)
{
	struct upload *u = r->sink_state;
	if (!u)
		return;
	if (u->fd >= 0)
		(void)close(u->fd); /* synced where it matters */
	if (u->tmp)
		(void)unlink(u->tmp); /* swept later if this fails */
	free(u->tmp);
	digest_release(&u->sum);
	free(u);
	r->sink_state = NULL;
}

const struct sink upload_sink = {upload_open, upload_write, upload_close};

static enum err_class publish(struct upload *u, const char *dir, const char *path, struct err *e)
{
	AUTO_CLOSE int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0 || fsync(u->fd) != 0 || rename(u->tmp, path) != 0 || fsync(dirfd) != 0)
		return err_errno(e, errno, TRANSIENT, R_StoreUnavailable, "store the upload in %s", dir);
	free(u->tmp);
	u->tmp = NULL;
	return OK;
}

enum err_class upload_take(struct request *r, struct digest *ret, struct err *e)
{
	struct upload *u = r->sink_state;
	struct digest got = digest_final(&u->sum);
	char text[DIGEST_TEXT];
	if (u->named && !digest_eq(&got, &u->want))
		return err_set(e, INVALID, R_DigestMismatch, "the body has the digest %s, not %s; nothing was stored", digest_text(&got, text), r->digest);
	if (!u->named && u->seen < sizeof gzip_magic)
		return not_an_archive(e);
	*ret = got;
	return uploads_has(r->api, &got) ? OK : publish(u, r->api->uploads_dir, path_of(r->api, &got, &r->arena), e);
}

static json_t *upload_json(const struct request *r)
{
	json_t *j = json_object();
	json_object_set_new(j, "digest", json_string(r->digest));
	return j;
}

enum err_class put_upload(struct request *r, struct err *e)
{
	struct upload *u = r->sink_state;
	struct digest got;
	bool present = u->present;
	enum err_class c = present ? OK : upload_take(r, &got, e);
	if (!c)
		reply_json(r, present ? 200 : 201, upload_json(r));
	return c;
}

enum err_class head_upload(struct request *r, struct err *e)
{
	struct digest d;
	if (!digest_parse(r->digest, &d) || !uploads_has(r->api, &d))
		return err_set(e, INVALID, R_NotFound, "%s was not uploaded", r->digest);
	reply_json(r, 200, upload_json(r));
	return OK;
}
