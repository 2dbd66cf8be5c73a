/* push_image CACHE URL AUTH_FILE NAME TAG DIR [BASE@DIGEST]: packs DIR below /app, writes an image on the base or from scratch, pushes it
 * and prints NAME@DIGEST: what the controller does for a function, without a controller. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/archive.h"
#include "reconcilers/providers/image.h"
#include "reconcilers/providers/registry.h"

static enum err_class pack_layer(const struct cache *cache, const char *dir, struct packed *ret, struct err *e)
{
	char path[] = "/tmp/fn-push-image.XXXXXX";
	AUTO_CLOSE int from = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), out = mkostemp(path, O_CLOEXEC);
	const struct pack_opts opts = { .prefix = "app" };
	if (from < 0 || out < 0 || unlink(path) != 0)
		return err_set(e, BUG, R_Internal, "open %s", dir);
	enum err_class c = archive_pack(from, &opts, out, ret, e);
	if (c || lseek(out, 0, SEEK_SET) != 0)
		return c ? c : err_set(e, BUG, R_Internal, "lseek");
	return cache_put_fd(cache, &ret->digest, out, e);
}

static enum err_class run(char **argv, struct arena *a, struct digest *ret, struct err *e)
{
	static const char *const command[] = { "/app/run", "with an argument", NULL }, *const env[] = { "GREETING=hello", NULL };
	const struct cache cache = { argv[1] };
	const struct registry_opts opts = { .url = argv[2], .auth_file = argv[3] };
	struct registry *r = NULL;
	struct packed p = { .size = 0 };
	struct digest base;
	const char *from = NULL;
	enum err_class c = cache_init(&cache, e);
	if (!c)
		c = registry_open(&opts, &r, e);
	if (!c && argv[7] && !image_reference_parse(argv[7], a, &from, &base))
		c = err_set(e, INVALID, R_InvalidValue, "not a reference: %s", argv[7]);
	if (!c && from)
		c = registry_pull(r, from, &base, &cache, e);
	if (!c)
		c = pack_layer(&cache, argv[6], &p, e);
	const struct image_spec s = { .base = from ? &base : NULL, .layer = p.digest, .diff_id = p.diff_id, .layer_size = p.size,
				      .command = command, .env = env, .workdir = "/app", .port = 8080, .user = "65534:65534" };
	if (!c)
		c = image_write(&cache, &s, ret, e);
	if (!c)
		c = registry_push(r, argv[4], argv[5], from, ret, &cache, e);
	registry_free(r);
	return c;
}

int main(int argc, char **argv)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct digest d;
	char text[DIGEST_TEXT];
	if (argc < 7 || argc > 8)
		return 2;
	if (run(argv, &a, &d, &e) != OK) {
		(void)fprintf(stderr, "%s: %s\n", e.reason, e.msg);
		return 1;
	}
	return printf("%s@%s\n", argv[4], digest_text(&d, text)) > 0 ? 0 : 1;
}
