#include "reconcilers/providers/base_image.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archive/archive.h"
#include "base/log.h"
#include "reconcilers/providers/image.h"
#include "reconcilers/providers/registry.h"

enum { ENV_MAX = 64, BASE_ENTRIES = 200000, CALL_MS = 30000 };
#define BASE_BYTES ((uint64_t)4 << 30)

struct args {
	const char *name, *tag, *dir;
	const char *env[ENV_MAX + 1];
	size_t nenv;
	const char *const *command; /* NULL: none */
};

static const char usage[] = "usage: push-base --name REPO --tag TAG DIR [--env NAME=value]... [--home DIR] [-- COMMAND...]\n";

static bool parse(int argc, char **argv, struct args *a)
{
	a->env[a->nenv++] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	for (int i = 1; i < argc; i++) {
		bool more = i + 1 < argc;
		if (strcmp(argv[i], "--") == 0) {
			a->command = more ? (const char *const *)&argv[i + 1] : NULL;
			break;
		}
		if (strcmp(argv[i], "--home") == 0 && more)
			i++; /* conf was read from there */
		else if (strcmp(argv[i], "--name") == 0 && more)
			a->name = argv[++i];
		else if (strcmp(argv[i], "--tag") == 0 && more)
			a->tag = argv[++i];
		else if (strcmp(argv[i], "--env") == 0 && more && a->nenv < ENV_MAX)
			a->env[a->nenv++] = argv[++i];
		else if (argv[i][0] != '-' && !a->dir)
			a->dir = argv[i];
		else
			return false;
	}
	return a->name && a->tag && a->dir;
}

/* The cache is the user's, whoever was here first. */
static enum err_class own_cache(const struct conf *conf, const struct cache *cache, struct err *e)
{
	static const char *const dirs[] = { "cache", "cache/tmp", "cache/blobs", "cache/blobs/sha256" };
	AUTO_ARENA struct arena a = ARENA_INIT;
	enum err_class c = cache_init(cache, e);
	bool give = geteuid() == 0 && conf->user_uid != (uid_t)-1;
	for (size_t i = 0; !c && give && i < ARRAY_LEN(dirs); i++)
		if (lchown(conf_path(conf, &a, dirs[i]), conf->user_uid, conf->user_gid) != 0)
			c = err_errno(e, errno, TRANSIENT, R_StoreUnavailable, "give %s to %s", dirs[i], conf->user);
	return c;
}

static enum err_class become_user(const struct conf *conf, struct err *e)
{
	if (geteuid() != 0 || conf->user_uid == (uid_t)-1)
		return OK;
	if (setgroups(1, &conf->user_gid) != 0 || setresgid(conf->user_gid, conf->user_gid, conf->user_gid) != 0 ||
	    setresuid(conf->user_uid, conf->user_uid, conf->user_uid) != 0)
		return err_errno(e, errno, DENIED, R_Internal, "become user %s", conf->user);
	return OK;
}

/* The packed tree into out, which is then at its start. */
static enum err_class pack(const char *dir, int out, struct packed *ret, struct err *e)
{
	AUTO_CLOSE int from = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (from < 0)
		return err_errno(e, errno, INVALID, R_SourceMissing, "%s", dir);
	const struct pack_opts opts = { .prefix = "", .rootfs = true, .max_bytes = BASE_BYTES, .max_entries = BASE_ENTRIES };
	enum err_class c = archive_pack(from, &opts, out, ret, e);
	if (c)
		return err_wrap(e, "pack %s", dir), c;
	return lseek(out, 0, SEEK_SET) == 0 ? OK : err_errno(e, errno, BUG, R_Internal, "rewind");
}

static enum err_class push(const struct conf *conf, const struct args *args, const struct cache *cache, const struct digest *image,
			   struct err *e)
{
	struct registry *r = NULL;
	const struct registry_opts opts = { .url = conf->registry_url, .auth_file = conf->registry_auth_file, .call_ms = CALL_MS };
	enum err_class c = registry_open(&opts, &r, e);
	if (!c)
		c = registry_push(r, args->name, args->tag, NULL, image, cache, e);
	registry_free(r);
	return c;
}

static enum err_class run(const struct conf *conf, const struct args *args, struct digest *ret, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	const struct cache cache = { conf_path(conf, &a, "cache") };
	struct packed packed;
	struct digest image;
	enum err_class c = own_cache(conf, &cache, e);
	if (c)
		return c;
	AUTO_CLOSE int layer = open(conf_path(conf, &a, "cache/tmp"), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (layer < 0)
		return err_errno(e, errno, TRANSIENT, R_StoreUnavailable, "temporary file in the cache");
	c = pack(args->dir, layer, &packed, e);
	if (!c)
		c = become_user(conf, e);
	if (!c)
		c = cache_put_fd(&cache, &packed.digest, layer, e);
	if (c)
		return c;
	const struct image_spec spec = { .layer = packed.digest, .diff_id = packed.diff_id, .layer_size = packed.size,
					 .command = args->command, .env = args->env };
	c = image_write(&cache, &spec, &image, e);
	if (!c)
		c = push(conf, args, &cache, &image, e);
	if (!c)
		*ret = image;
	return c;
}

int base_image_main(const struct conf *conf, int argc, char **argv)
{
	struct args args = { 0 };
	struct err e = ERR_INIT;
	struct digest image;
	char text[DIGEST_TEXT];
	if (!parse(argc, argv, &args)) {
		(void)fputs(usage, stderr);
		return 2;
	}
	if (run(conf, &args, &image, &e) != OK) {
		log_err(LOG_ERROR, "push-base failed", &e, "name", args.name, "tag", args.tag, NULL);
		return 1;
	}
	return printf("%s@%s\n", args.name, digest_text(&image, text)) > 0 && fflush(stdout) == 0 ? 0 : 1;
}
