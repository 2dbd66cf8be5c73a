#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "reconcilers/function/function.h"
#include "reconcilers/function/source.h"
#include "reconcilers/providers/builder.h"
#include "reconcilers/providers/image.h"
#include "reconcilers/restore.h"
#include "reconcilers/tx.h"

static const char user_in_image[] = "65534:65534"; /* nobody; fn-node gives each environment its own */

/* One publishing, step by step; each step may be repeated. */
struct publishing {
	struct pass *p;
	const struct function_world *w;
	struct deployment_row d;
	struct version_specs specs;
	struct build_result build;
	const char *archive_key, *repository, *tag, *base_repository;
	struct digest base, image;
	bool scratch;
	uint64_t source_size;
};

static enum err_class store_archive(struct publishing *k, struct err *e)
{
	struct pass *p = k->p;
	bool there;
	enum err_class c = artifacts_exists(p->artifacts, k->archive_key, &there, e);
	if (c)
		return c;
	AUTO_CLOSE int fd = -1;
	c = source_open(p, k->w->function_id, k->d.source_digest, &fd, e);
	if (c)
		return c;
	k->source_size = (uint64_t)lseek(fd, 0, SEEK_END);
	(void)lseek(fd, 0, SEEK_SET); /* a plain file: cannot fail */
	struct digest want;
	if (there || !digest_parse(k->d.source_digest, &want))
		return OK;
	return artifacts_put(p->artifacts, k->archive_key, fd, &want, e);
}

static enum err_class open_layer(const struct publishing *k, int *ret_fd, struct err *e)
{
	*ret_fd = open(k->build.layer_path, O_RDONLY | O_CLOEXEC);
	return *ret_fd < 0 ? err_errno(e, errno, TRANSIENT, R_StoreUnavailable, "open the layer just built") : OK;
}

static enum err_class cache_layer(struct publishing *k, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	enum err_class c = open_layer(k, &fd, e);
	return c ? c : cache_put_fd(k->p->cache, &k->build.layer, fd, e);
}

static enum err_class fetch_base(struct publishing *k, struct err *e)
{
	k->scratch = strcmp(k->d.base, "scratch") == 0;
	if (k->scratch)
		return OK;
	if (!image_reference_parse(k->d.base, k->p->arena, &k->base_repository, &k->base))
		return err_set(e, INVALID, R_BaseMissing, "\"%s\" is not repository@sha256:…", k->d.base);
	enum err_class c = registry_pull(k->p->registry, k->base_repository, &k->base, k->p->cache, e);
	if (c == INVALID && strcmp(e->reason, "ImageMissing") == 0)
		return err_set(e, INVALID, R_BaseMissing, "the registry has no base image %s", k->d.base);
	return c;
}

static const char **env_of(const struct pairs *env, struct arena *a)
{
	const char **list = arena_array(a, env->n + 1, sizeof *list);
	for (size_t i = 0; i < env->n; i++)
		list[i] = arena_printf(a, "%s=%s", env->items[i].name, env->items[i].value);
	return list;
}

static enum err_class write_image(struct publishing *k, struct err *e)
{
	const struct function_spec *f = &k->specs.function;
	const struct runtime_spec *r = &k->specs.runtime;
	const struct strings *command = f->command.n ? &f->command : &r->command;
	const char **argv = arena_array(k->p->arena, command->n + 1, sizeof *argv);
	for (size_t i = 0; i < command->n; i++)
		argv[i] = command->items[i];
	struct image_spec s = {
		.base = k->scratch ? NULL : &k->base,
		.layer = k->build.layer,
		.diff_id = k->build.diff_id,
		.layer_size = k->build.size,
		.command = argv,
		.env = env_of(&r->env, k->p->arena),
		.workdir = r->workdir,
		.port = 0, /* part of the release's tuple, not of the image: changing it builds nothing */
		.user = user_in_image,
	};
	return image_write(k->p->cache, &s, &k->image, e);
}

/* The digests as they are recorded; strings in the arena. */
static struct deployment_built describe(const struct publishing *k)
{
	struct arena *a = k->p->arena;
	char text[DIGEST_TEXT];
	return (struct deployment_built){
		.s3_key = k->archive_key,
		.layer_digest = arena_strdup(a, digest_text(&k->build.layer, text)),
		.layer_diff_id = arena_strdup(a, digest_text(&k->build.diff_id, text)),
		.image_tag = arena_printf(a, "%s:%s", k->repository, k->tag),
		.image_digest = arena_strdup(a, digest_text(&k->image, text)),
		.source_size = (int64_t)k->source_size,
		.layer_size = (int64_t)k->build.size,
	};
}

static enum err_class wake_targets(struct publishing *k, struct err *e)
{
	enum err_class c = OK;
	for (size_t i = 0; !c && i < k->w->ntargets; i++)
		c = enqueue(k->p, "target", k->p->key.name, k->w->targets[i].environment, e);
	return c;
}

static enum err_class record_written(struct publishing *k, struct err *e)
{
	struct pass *p = k->p;
	struct deployment_built built = describe(k);
	enum err_class c = store_begin_fenced(p->store, &p->lease, e);
	if (c)
		return c;
	c = deployment_written(p->store, k->d.id, &built, e);
	if (!c)
		c = wake_targets(k, e);
	return tx_end(p, c, e);
}

static enum err_class record_ready(struct publishing *k, struct err *e)
{
	struct pass *p = k->p;
	struct deployment_built built = describe(k);
	const char *message = arena_printf(p->arena, "version %lld is built: %s", (long long)k->d.version, built.image_digest);
	enum err_class c = store_begin_fenced(p->store, &p->lease, e);
	if (c)
		return c;
	c = deployment_ready(p->store, k->d.id, &built, e);
	if (!c)
		c = function_mirror(p->store, k->w->function_id, e);
	if (!c)
		c = function_log_add(p->store, k->w->function_id, k->d.id, NULL, k->d.created_by, "build", message, e);
	if (!c)
		c = tell(p, false, R_Building, message, e);
	if (!c)
		c = enqueue_retention(p, e);
	if (!c)
		c = wake_targets(k, e);
	return tx_end(p, c, e);
}

static enum err_class begin(struct publishing *k, const char *deployment_id, struct err *e)
{
	struct pass *p = k->p;
	const char *id = k->w->function_id;
	enum err_class c = deployment_load(p->store, deployment_id, p->arena, &k->d, e);
	if (!c)
		c = version_specs(&k->d, p->arena, &k->specs, e);
	if (!c)
		c = builder_result(builds_dir(p), deployment_id, p->arena, &k->build, e);
	if (!c)
		c = image_name(p->conf->image_template, p->arena, p->key.project, p->key.name, id, k->d.version, &k->repository, &k->tag, e);
	if (c)
		return c;
	if (!k->build.present || k->build.class != OK)
		return err_set(e, CONFLICT, R_Internal, "the build's result went away");
	k->archive_key = arena_printf(p->arena, "functions/%s/v%lld/function.tar.gz", id, (long long)k->d.version);
	return OK;
}

/* The same inputs give the same image, so that publishing writes it again rather than trusting what was recorded. */
static enum err_class make_image(struct publishing *k, struct err *e)
{
	enum err_class c = cache_layer(k, e);
	if (!c)
		c = fetch_base(k, e);
	return c ? c : write_image(k, e);
}

enum err_class function_write_image(struct pass *p, const struct function_world *w, const char *deployment_id, struct err *e)
{
	struct publishing k = {.p = p, .w = w};
	enum err_class c = begin(&k, deployment_id, e);
	if (!c)
		c = make_image(&k, e);
	return c ? c : record_written(&k, e);
}

enum err_class function_publish(struct pass *p, const struct function_world *w, const char *deployment_id, struct err *e)
{
	struct publishing k = {.p = p, .w = w};
	enum err_class c = begin(&k, deployment_id, e);
	if (!c)
		c = make_image(&k, e);
	if (!c)
		c = registry_push(p->registry, k.repository, k.tag, k.base_repository, &k.image, p->cache, e);
	if (!c)
		c = store_archive(&k, e);
	if (!c)
		c = image_keep(p, w->function_id, k.d.version, &k.image, e);
	if (!c)
		c = record_ready(&k, e);
	return c ? c : builder_discard(builds_dir(p), deployment_id, e);
}
