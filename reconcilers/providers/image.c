#include "reconcilers/providers/image.h"

#include <string.h>

#include "base/json.h"
#include "reconcilers/providers/oci.h"

static const char EPOCH[] = "1970-01-01T00:00:00Z";

/* Members of a base's config that mean something to a runtime; builders' leftovers (Hostname, Image, OnBuild …) go. */
static json_t *kept_config(const json_t *from)
{
	static const char *const keep[] = { "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels",
					    "StopSignal" };
	json_t *to = json_object();
	for (size_t i = 0; i < ARRAY_LEN(keep); i++) {
		json_t *v = json_object_get(from, keep[i]);
		if (v && !json_is_null(v))
			(void)json_object_set(to, keep[i], v); /* fails when out of memory only; then json_text aborts */
	}
	return to;
}

static json_t *string_array(const char *const *list)
{
	json_t *to = json_array();
	for (; list && *list; list++)
		(void)json_array_append_new(to, json_string(*list)); /* not UTF-8: refused by check_spec */
	return to;
}

/* NAME=value replaces the base's NAME where it stands, or goes to the end. */
static void set_env(json_t *env, const char *pair)
{
	size_t name = (size_t)(strchr(pair, '=') - pair) + 1, i;
	json_t *j;
	json_array_foreach(env, i, j) {
		if (json_is_string(j) && strncmp(json_string_value(j), pair, name) == 0) {
			(void)json_array_set_new(env, i, json_string(pair));
			return;
		}
	}
	(void)json_array_append_new(env, json_string(pair));
}

static void set_run(json_t *run, const struct image_spec *s)
{
	if (s->env && *s->env) {
		AUTO_JSON json_t *env = json_deep_copy(json_object_get(run, "Env"));
		if (!json_is_array(env)) {
			json_decref(env);
			env = json_array();
		}
		for (const char *const *pair = s->env; *pair; pair++)
			set_env(env, *pair);
		(void)json_object_set(run, "Env", env);
	}
	if (s->command) {
		(void)json_object_del(run, "Entrypoint"); /* absent is what is wanted */
		(void)json_object_set_new(run, "Cmd", string_array(s->command));
	}
	if (s->workdir)
		(void)json_object_set_new(run, "WorkingDir", json_string(s->workdir));
	if (s->user)
		(void)json_object_set_new(run, "User", json_string(s->user));
	if (s->port) {
		AUTO_FREE char *port = xprintf("%d/tcp", s->port);
		json_t *ports = json_object();
		(void)json_object_set_new(ports, port, json_object());
		(void)json_object_set_new(run, "ExposedPorts", ports);
	}
}

/* One entry a layer, "empty_layer" ones aside: tools walk both together, so a base's that does not fit is made anew. */
static json_t *kept_history(const json_t *from, size_t nlayers)
{
	size_t full = 0, i;
	json_t *j;
	json_array_foreach(from, i, j)
		full += json_is_object(j) && !json_bool_or(j, "empty_layer", false);
	if (full == nlayers && json_is_array(from))
		return json_deep_copy(from);
	json_t *to = json_array();
	for (i = 0; i < nlayers; i++) {
		json_t *entry = json_object();
		(void)json_object_set_new(entry, "created", json_string(EPOCH));
		(void)json_object_set_new(entry, "comment", json_string("layer of the base"));
		(void)json_array_append_new(to, entry);
	}
	return to;
}

/* The new config on the base's (an empty object for scratch), which has nlayers layers. */
static enum err_class make_config(const json_t *base, size_t nlayers, const struct image_spec *s, struct arena *a, json_t **ret,
				  struct err *e)
{
	const json_t *diffs = json_object_get(json_object_get(base, "rootfs"), "diff_ids");
	if (json_array_size(diffs) != nlayers)
		return err_set(e, INVALID, R_BaseInvalid, "the base's config names %zu layers, its manifest %zu", json_array_size(diffs),
			       nlayers);
	if (strcmp(json_str_or(base, "os", "linux"), "linux") != 0)
		return err_set(e, INVALID, R_BaseInvalid, "the base is not a Linux image");
	json_t *j = json_object(), *rootfs = json_object(), *ids = diffs ? json_deep_copy(diffs) : json_array();
	json_t *run = kept_config(json_object_get(base, "config")), *entry = json_object();
	json_t *history = kept_history(json_object_get(base, "history"), nlayers);
	char text[DIGEST_TEXT];
	set_run(run, s);
	(void)json_array_append_new(ids, json_string(digest_text(&s->diff_id, text)));
	(void)json_object_set_new(rootfs, "type", json_string("layers"));
	(void)json_object_set_new(rootfs, "diff_ids", ids);
	(void)json_object_set_new(entry, "created", json_string(EPOCH));
	(void)json_object_set_new(entry, "created_by", json_string("functions-controller"));
	(void)json_array_append_new(history, entry);
	(void)json_object_set_new(j, "created", json_string(EPOCH));
	(void)json_object_set_new(j, "architecture", json_string(json_str_or(base, "architecture", oci_architecture(a))));
	const char *variant = json_str_or(base, "variant", NULL);
	if (variant)
		(void)json_object_set_new(j, "variant", json_string(variant));
	(void)json_object_set_new(j, "os", json_string("linux"));
	(void)json_object_set_new(j, "config", run);
	(void)json_object_set_new(j, "rootfs", rootfs);
	(void)json_object_set_new(j, "history", history);
	*ret = j;
	return OK;
}

static json_t *descriptor(const char *type, const struct digest *d, uint64_t size)
{
	char text[DIGEST_TEXT];
	json_t *j = json_object();
	(void)json_object_set_new(j, "mediaType", json_string(type));
	(void)json_object_set_new(j, "digest", json_string(digest_text(d, text)));
	(void)json_object_set_new(j, "size", json_integer((json_int_t)size));
	return j;
}

static json_t *make_manifest(const struct oci_manifest *base, const struct image_spec *s, const struct digest *config, size_t config_size)
{
	json_t *j = json_object(), *layers = json_array();
	for (size_t i = 0; i < base->nlayers; i++)
		(void)json_array_append_new(layers,
					    descriptor(base->layers[i].media_type, &base->layers[i].digest, base->layers[i].size));
	(void)json_array_append_new(layers, descriptor(OCI_TYPE_LAYER "+gzip", &s->layer, s->layer_size));
	(void)json_object_set_new(j, "schemaVersion", json_integer(2));
	(void)json_object_set_new(j, "mediaType", json_string(OCI_TYPE_MANIFEST));
	(void)json_object_set_new(j, "config", descriptor(OCI_TYPE_CONFIG, config, config_size));
	(void)json_object_set_new(j, "layers", layers);
	return j;
}

static bool is_text(const char *s)
{
	AUTO_JSON json_t *j = json_string(s); /* NULL unless UTF-8 */
	return j != NULL;
}

static enum err_class check_spec(const struct image_spec *s, struct err *e)
{
	for (const char *const *p = s->command; p && *p; p++)
		if (!is_text(*p))
			return err_set(e, INVALID, R_InvalidValue, "the command is not UTF-8");
	for (const char *const *p = s->env; p && *p; p++) {
		const char *eq = strchr(*p, '=');
		if (!eq || eq == *p || !is_text(*p)) /* the value is not repeated */
			return err_set(e, INVALID, R_InvalidValue, "env entry %d must be NAME=value in UTF-8", (int)(p - s->env) + 1);
	}
	if ((s->workdir && (s->workdir[0] != '/' || !is_text(s->workdir))) || (s->user && !is_text(s->user)))
		return err_set(e, INVALID, R_InvalidValue, "the working directory must be an absolute path, and the user text");
	if (s->port < 0 || s->port > 65535)
		return err_set(e, INVALID, R_InvalidValue, "port %d is not within 1 and 65535", s->port);
	return OK;
}

static enum err_class load_config(const struct cache *c, const struct oci_manifest *m, json_t **ret, struct err *e)
{
	AUTO_BUF struct buf b = BUF_INIT(OCI_CONFIG_MAX);
	struct err inner = ERR_INIT;
	json_t *j = NULL;
	enum err_class cl = cache_read(c, &m->config.digest, &b, e);
	if (cl)
		return err_wrap(e, "the base's config"), cl;
	if (json_parse(buf_str(&b), b.len, &j, &inner) != OK)
		return err_set(e, INVALID, R_BaseInvalid, "the base's config is %s", inner.msg);
	*ret = j;
	return OK;
}

static enum err_class put_json(const struct cache *c, const json_t *j, struct digest *ret, size_t *ret_size, struct err *e)
{
	AUTO_FREE char *text = json_text(j);
	*ret_size = strlen(text);
	return cache_put(c, text, *ret_size, ret, e);
}

enum err_class image_write(const struct cache *c, const struct image_spec *s, struct digest *ret, struct err *e)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	AUTO_JSON json_t *base_config = NULL, *config = NULL, *manifest = NULL;
	struct oci_manifest base = { 0 };
	struct digest config_digest, manifest_digest;
	size_t config_size = 0, manifest_size = 0;
	enum err_class cl = check_spec(s, e);
	if (!cl && s->base)
		cl = oci_load(c, s->base, &a, &base, e);
	if (!cl && base.nlayers + 1 > OCI_LAYERS_MAX)
		cl = err_set(e, INVALID, R_BaseInvalid, "the base has no room for another layer: it has %zu", base.nlayers);
	if (!cl && s->base)
		cl = load_config(c, &base, &base_config, e);
	if (!cl)
		cl = make_config(base_config, base.nlayers, s, &a, &config, e);
	if (!cl)
		cl = put_json(c, config, &config_digest, &config_size, e);
	if (cl)
		return cl;
	manifest = make_manifest(&base, s, &config_digest, config_size);
	cl = put_json(c, manifest, &manifest_digest, &manifest_size, e);
	if (!cl)
		*ret = manifest_digest;
	return cl;
}
