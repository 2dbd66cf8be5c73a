/* Retention's passes and a collection's sweeps on a real database, registry, store and cache. */
#include "function_case.h"
#include "registry_case.h"

#include "engine/engine.h"
#include "reconcilers/collection/sweeps.h"
#include "reconcilers/restore.h"
#include "reconcilers/retention/report.h"
#include "reconcilers/retention/retention.h"
#include "reconcilers/target/target.h"

#define KEEPS(versions, archives) \
	DOC("Function", "hello") "spec:\n  runtime: static\n  retention: {versions: " versions ", archives: " archives "}\n" \
	"  source:\n    digest: sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
#define REPO "functions/default/hello"

enum { OLD_MS = 3600 * 1000 };

/* What all tests share: one server each. */
struct servers {
	struct postgres pg;
	struct fixture *f;
};

struct place {
	struct servers *servers;
	struct store_case *c;
	struct fixture *f;
	struct conf conf;
	struct registry *registry, *away;
	struct artifacts *artifacts;
	const char *function;
};

static int open_servers(void **state)
{
	struct servers *s = xcalloc(1, sizeof *s);
	void *f = NULL;
	postgres_start(&s->pg);
	(void)setup(&f);
	s->f = f;
	*state = s;
	return 0;
}

static int close_servers(void **state)
{
	struct servers *s = *state;
	void *f = s->f;
	(void)teardown(&f);
	postgres_stop(&s->pg);
	free(s);
	return 0;
}

static int open_place(void **state)
{
	struct place *p = xcalloc(1, sizeof *p);
	struct err e = ERR_INIT;
	p->servers = *state;
	p->f = p->servers->f;
	void *f = p->f;
	(void)fresh(&f);
	p->c = store_case_new(&p->servers->pg);
	must(p->c, store_migrate(p->c->s, &p->c->e));
	p->function = with_function(p->c);
	p->registry = client(p->f->real, p->f->auth_file, CALL_MS);
	p->away = client("http://127.0.0.1:1", p->f->auth_file, CALL_MS);
	p->conf = (struct conf){.home = arena_printf(&p->c->a, "%s/home-%lld", p->f->home, (long long)clock_mono_ms()), .collect_grace_ms = OLD_MS, .domain = "fn.localhost"};
	assert_int_equal(artifacts_open_dir(conf_path(&p->conf, &p->c->a, "store"), &p->artifacts, &e), OK);
	*state = p;
	return 0;
}

static int close_place(void **state)
{
	struct place *p = *state;
	*state = p->servers;
	registry_free(p->registry);
	registry_free(p->away);
	artifacts_free(p->artifacts);
	store_case_free(p->c);
	free(p);
	return 0;
}

static struct pass pass_of(struct place *p, struct registry *r)
{
	return (struct pass){.conf = &p->conf, .store = p->c->s, .registry = r, .artifacts = p->artifacts, .cache = &p->f->cache, .arena = &p->c->a};
}

struct version {
	const char *id;
	int64_t n;
	struct digest image;
};

/* Built, pushed and stored, as publishing leaves it. */
static struct version publish(struct place *p, const char *layer)
{
	struct store_case *c = p->c;
	struct version v;
	char image[DIGEST_TEXT], blob[DIGEST_TEXT];
	struct digest of_layer = digest_of_str(layer);
	v.image = make_image(p->f, layer, NULL);
	v.id = new_version(c, c->s, p->function, &v.n, &c->e);
	const char *tag = arena_printf(&c->a, "v%lld", (long long)v.n), *key = arena_printf(&c->a, "functions/%s/%s/function.tar.gz", p->function, tag);
	struct pass pass = pass_of(p, p->registry);
	must(c, registry_push(p->registry, REPO, tag, NULL, &v.image, &p->f->cache, &c->e));
	must(c, image_keep(&pass, p->function, v.n, &v.image, &c->e));
	AUTO_CLOSE int fd = -1;
	must(c, cache_open(&p->f->cache, &of_layer, &fd, &c->e));
	must(c, artifacts_put(p->artifacts, key, fd, NULL, &c->e)); /* any bytes do */
	const struct deployment_built b = {.s3_key = key, .layer_digest = arena_strdup(&c->a, digest_text(&of_layer, blob)), .layer_diff_id = "sha256:diff",
					   .image_tag = arena_printf(&c->a, REPO ":%s", tag), .image_digest = digest_text(&v.image, image), .source_size = 100,
					   .layer_size = (int64_t)strlen(layer)};
	must(c, deployment_ready(c->s, v.id, &b, &c->e));
	return v;
}

/* One pass; what it failed with, or "". */
static const char *run(struct place *p, struct registry *r)
{
	struct store_case *c = p->c;
	struct lease lease;
	bool found = false, waits;
	clean_all(c);
	must(c, work_enqueue(c->s, "retention/default/hello", &c->e));
	must(c, work_claim(c->s, "tester", 60000, &lease, &found, &c->e));
	assert_true(found);
	struct pass pass = pass_of(p, r);
	assert_int_equal(pass_run(&pass, reconciler_find("retention"), &lease, &waits), OK);
	return peek(c, "SELECT CASE WHEN attempt > 0 THEN last_reason ELSE '' END FROM work WHERE key = 'retention/default/hello'");
}

static bool has_image(struct place *p, const struct version *v)
{
	struct digest there;
	char text[DIGEST_TEXT];
	bool found;
	must(p->c, registry_head(p->registry, REPO, digest_text(&v->image, text), &found, &there, &p->c->e));
	return found;
}

static const char *status(struct place *p, const struct version *v)
{
	return peek(p->c, arena_printf(&p->c->a, "SELECT status || CASE WHEN image_deleted_at IS NULL THEN '' ELSE ', deleted' END FROM function_deployments WHERE id = '%s'", v->id));
}

static bool has_artifact(struct place *p, const struct version *v, const char *name)
{
	bool there;
	must(p->c, artifacts_exists(p->artifacts, arena_printf(&p->c->a, "functions/%s/v%lld/%s", p->function, (long long)v->n, name), &there, &p->c->e));
	return there;
}

static void forget_artifact(struct place *p, const struct version *v, const char *name)
{
	must(p->c, artifacts_delete(p->artifacts, arena_printf(&p->c->a, "functions/%s/v%lld/%s", p->function, (long long)v->n, name), &p->c->e));
}

static void empty_cache(struct place *p)
{
	void *f = p->f;
	must(p->c, fs_remove_tree(p->f->cache.dir, &p->c->e));
	(void)fresh(&f);
}

/* ---- passes ---- */

static void an_archived_version_comes_back_with_the_same_digest(void **state)
{
	struct place *p = *state;
	must(p->c, apply(p->c, KEEPS("1", "0"), NULL));
	struct version one = publish(p, "round one"), two = publish(p, "round two");
	assert_string_equal(run(p, p->registry), "");
	assert_string_equal(status(p, &one), "archived, deleted");
	assert_false(has_image(p, &one));
	assert_true(has_image(p, &two) && has_artifact(p, &one, "layer.tar.gz") && has_artifact(p, &one, "function.tar.gz"));
	assert_string_equal(peek(p->c, "SELECT message FROM function_logs WHERE operation = 'archive'"), "version 1: beyond the newest 1 that were built");
	empty_cache(p);
	struct deployment_row d;
	must(p->c, deployment_load(p->c->s, one.id, &p->c->a, &d, &p->c->e));
	struct pass pass = pass_of(p, p->registry);
	must(p->c, image_restore(&pass, &d, &p->c->e));
	assert_true(has_image(p, &one));
}

/* What serves is never archived; but should it be, the registry and the row say the same afterwards. */
static void what_serves_from_an_archive_is_ready_again(void **state)
{
	struct place *p = *state;
	struct store_case *c = p->c;
	must(c, apply(c, KEEPS("1", "0"), NULL));
	struct version one = publish(p, "served one");
	(void)publish(p, "served two");
	assert_string_equal(run(p, p->registry), "");
	assert_string_equal(status(p, &one), "archived, deleted");
	empty_cache(p);
	int64_t n;
	const char *release = mint(c, p->function, "prod", one.id, "a", &n);
	must(c, target_want(c->s, p->function, "default", "hello", "prod", "explicit", 1, &c->e));
	must(c, target_set_active(c->s, p->function, "prod", release, &c->e));
	must(c, target_set_routed(c->s, p->function, "prod", release, "", &c->e));
	struct pass pass = pass_of(p, p->registry);
	struct target_world *world;
	bool found = false;
	clean_all(c);
	must(c, work_enqueue(c->s, "target/default/hello/prod", &c->e));
	must(c, work_claim(c->s, "tester", 60000, &pass.lease, &found, &c->e));
	pass.key = (struct key_parts){"target", "default", "hello", "prod"};
	must(c, target_desired(&pass, &world, &c->e));
	const struct step fetch = {.kind = STEP_FETCH_IMAGE, .subject = "hello in prod", .id = release, .number = 1};
	must(c, target_act(&pass, world, &fetch, &c->e));
	assert_true(has_image(p, &one));
	assert_string_equal(status(p, &one), "ready");
}

static void an_outage_deletes_nothing_and_ends(void **state)
{
	struct place *p = *state;
	must(p->c, apply(p->c, KEEPS("1", "0"), NULL));
	struct version one = publish(p, "away one");
	(void)publish(p, "away two");
	assert_string_equal(run(p, p->away), "RegistryUnavailable");
	assert_string_equal(status(p, &one), "archived"); /* its image is not known to be gone */
	assert_true(has_image(p, &one));
	assert_string_equal(run(p, p->registry), "");
	assert_string_equal(status(p, &one), "archived, deleted");
	assert_false(has_image(p, &one));
}

static void what_the_store_lost_is_pulled_before_the_image_goes(void **state)
{
	struct place *p = *state;
	must(p->c, apply(p->c, KEEPS("1", "0"), NULL));
	struct version one = publish(p, "heal one");
	(void)publish(p, "heal two");
	forget_artifact(p, &one, "layer.tar.gz");
	forget_artifact(p, &one, "manifest.json");
	empty_cache(p);
	assert_string_equal(run(p, p->away), "RegistryUnavailable");
	assert_string_equal(status(p, &one), "ready"); /* it could not be restored */
	assert_string_equal(run(p, p->registry), "");
	assert_true(has_artifact(p, &one, "layer.tar.gz") && has_artifact(p, &one, "manifest.json"));
	assert_false(has_image(p, &one));
}

/* As a broken disk of the registry would. */
static void lose_blob(struct place *p, const char *text)
{
	char hex[DIGEST_HEX];
	struct digest d = digest_of_str(text);
	(void)digest_hex(&d, hex);
	const char *dir = arena_printf(&p->c->a, "%s/registry/data/docker/registry/v2/blobs/sha256/%.2s/%s", p->f->home, hex, hex);
	assert_true(fs_exists(dir));
	must(p->c, fs_remove_tree(dir, &p->c->e));
}

static void what_is_nowhere_keeps_its_version_but_no_other(void **state)
{
	struct place *p = *state;
	must(p->c, apply(p->c, KEEPS("1", "0"), NULL));
	struct version one = publish(p, "gone one"), two = publish(p, "gone two");
	(void)publish(p, "gone three");
	forget_artifact(p, &one, "layer.tar.gz");
	lose_blob(p, "gone one");
	empty_cache(p);
	assert_string_equal(run(p, p->registry), "");
	assert_string_equal(status(p, &one), "ready");
	assert_string_equal(status(p, &two), "archived, deleted");
	assert_string_equal(peek(p->c, "SELECT reason FROM function_deployments WHERE version = 1"), "ImageMissing");
	assert_non_null(strstr(peek(p->c, "SELECT kind || '/' || name || ': ' || message FROM events WHERE type = 'Warning'"),
			       "function/hello: version 1 is not archived, since it could not be restored: "));
	assert_string_equal(run(p, p->registry), ""); /* and it is at rest */
	assert_string_equal(peek(p->c, "SELECT count(*) FROM events WHERE type = 'Warning'"), "1");
}

static void an_image_that_two_versions_have_goes_with_the_second(void **state)
{
	struct place *p = *state;
	must(p->c, apply(p->c, KEEPS("2", "0"), NULL));
	struct version one = publish(p, "same"), two = publish(p, "same");
	(void)publish(p, "other");
	assert_true(digest_eq(&one.image, &two.image));
	assert_string_equal(run(p, p->registry), "");
	assert_string_equal(status(p, &one), "archived, deleted");
	assert_true(has_image(p, &two));
	(void)publish(p, "another");
	assert_string_equal(run(p, p->registry), "");
	assert_false(has_image(p, &two));
}

static void a_dropped_archive_takes_its_own_files_only(void **state)
{
	struct place *p = *state;
	must(p->c, apply(p->c, KEEPS("1", "10"), NULL));
	struct version all[11];
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		all[i] = publish(p, arena_printf(&p->c->a, "version %zu", i + 1));
	assert_string_equal(run(p, p->registry), "");
	assert_false(has_artifact(p, &all[0], "layer.tar.gz") || has_artifact(p, &all[0], "function.tar.gz") || has_artifact(p, &all[0], "manifest.json"));
	assert_true(has_artifact(p, &all[9], "layer.tar.gz") && has_artifact(p, &all[10], "layer.tar.gz")); /* 10 and 11 begin with 1 */
	struct deployment_row d;
	must(p->c, deployment_load(p->c->s, all[0].id, &p->c->a, &d, &p->c->e));
	struct pass pass = pass_of(p, p->registry);
	refuses(p->c, image_restore(&pass, &d, &p->c->e), INVALID, "ArtifactMissing");
	assert_string_equal(run(p, p->registry), "");
}

/* ---- sweeps ---- */

static void age(struct place *p, const char *path)
{
	int64_t then = clock_wall_ms() - 2 * OLD_MS;
	const struct timespec times[2] = {{then / 1000, 0}, {then / 1000, 0}};
	(void)p;
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void age_image(struct place *p, const struct digest *image)
{
	struct oci_manifest m;
	must(p->c, oci_load(&p->f->cache, image, &p->c->a, &m, &p->c->e));
	age(p, cache_path(&p->f->cache, &p->c->a, image));
	age(p, cache_path(&p->f->cache, &p->c->a, &m.config.digest));
	for (size_t i = 0; i < m.nlayers; i++)
		age(p, cache_path(&p->f->cache, &p->c->a, &m.layers[i].digest));
}

static int64_t sweep(struct place *p, bool dry)
{
	struct marks m;
	struct swept s;
	must(p->c, marks_load(p->c->s, &p->f->cache, &p->c->a, &m, &p->c->e));
	must(p->c, cache_sweep(&p->f->cache, &m, clock_wall_ms() - OLD_MS, dry, &s, &p->c->e));
	return s.count;
}

static bool cached(struct place *p, const struct digest *d) { return fs_exists(cache_path(&p->f->cache, &p->c->a, d)); }

static void the_cache_keeps_what_images_in_use_are_made_of(void **state)
{
	struct place *p = *state;
	struct store_case *c = p->c;
	char text[DIGEST_TEXT];
	struct version idle = publish(p, "idle"), used = publish(p, "used");
	struct digest base = make_image(p->f, "base of a runtime", NULL), stray = digest_of_str("stray"), d;
	must(c, apply(c, arena_printf(&c->a, DOC("Runtime", "based") "spec:\n  base: base/x@%s\n  command: [/x]\n", digest_text(&base, text)), NULL));
	must(c, target_want(c->s, p->function, "default", "hello", "prod", "explicit", used.n, &c->e));
	must(c, cache_put(&p->f->cache, "stray", 5, &d, &c->e));
	assert_int_equal(sweep(p, false), 0); /* all was used just now */
	age_image(p, &idle.image);
	age_image(p, &used.image);
	age_image(p, &base);
	age(p, cache_path(&p->f->cache, &c->a, &stray));
	assert_int_equal(sweep(p, true), 3);
	assert_true(cached(p, &stray));
	assert_int_equal(sweep(p, false), 3); /* manifest and layer of the idle one, and the stray; all configs are the same */
	struct digest used_layer = digest_of_str("used"), idle_layer = digest_of_str("idle"), base_layer = digest_of_str("base of a runtime");
	assert_false(cached(p, &stray) || cached(p, &idle.image) || cached(p, &idle_layer));
	assert_true(cached(p, &used.image) && cached(p, &used_layer) && cached(p, &base) && cached(p, &base_layer));
	struct marks m;
	must(c, marks_load(c->s, &p->f->cache, &c->a, &m, &c->e));
	struct digest diff = digest_of_str("diff");
	assert_true(m.diff_ids.n > 0 && digest_eq(&m.diff_ids.items[0], &diff));
}

static void what_is_about_to_be_started_is_spared(void **state)
{
	struct place *p = *state;
	struct version v = publish(p, "pulled again");
	age_image(p, &v.image);
	must(p->c, registry_pull(p->registry, REPO, &v.image, &p->f->cache, &p->c->e)); /* all is there: nothing is fetched, but it was asked for */
	assert_int_equal(sweep(p, false), 0);
}

static void a_manifest_that_cannot_be_read_ends_the_sweep(void **state)
{
	struct place *p = *state;
	struct version v = publish(p, "unreadable");
	must(p->c, target_want(p->c->s, p->function, "default", "hello", "prod", "explicit", v.n, &p->c->e));
	const char *path = cache_path(&p->f->cache, &p->c->a, &v.image);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0); /* there, and no file */
	struct marks m;
	assert_int_not_equal(marks_load(p->c->s, &p->f->cache, &p->c->a, &m, &p->c->e), OK);
}

static const char *make_upload(struct place *p, const char *text, bool old)
{
	char hex[DIGEST_HEX];
	struct digest d = digest_of_str(text);
	const char *path = arena_printf(&p->c->a, "%s/%s", conf_path(&p->conf, &p->c->a, "uploads"), digest_hex(&d, hex));
	must(p->c, fs_write_atomic(path, text, strlen(text), 0600, false, &p->c->e));
	if (old)
		age(p, path);
	return path;
}

static void uploads_and_builds_that_nobody_needs_go(void **state)
{
	struct place *p = *state;
	struct store_case *c = p->c;
	struct swept s;
	const char *uploads = conf_path(&p->conf, &c->a, "uploads"), *builds = conf_path(&p->conf, &c->a, "builds");
	must(c, fs_mkdirs(uploads, 0700, &c->e));
	const char *declared = make_upload(p, "", true), *old = make_upload(p, "old", true), *fresh_one = make_upload(p, "fresh", false);
	int64_t n;
	const char *building = new_version(c, c->s, p->function, &n, &c->e);
	const char *left = arena_printf(&c->a, "%s/00000000-0000-0000-0000-000000000000", builds), *busy = arena_printf(&c->a, "%s/%s", builds, building);
	must(c, fs_mkdirs(left, 0700, &c->e));
	must(c, fs_mkdirs(busy, 0700, &c->e));
	must(c, uploads_sweep(c->s, uploads, &c->a, false, &s, &c->e));
	assert_int_equal(s.count, 1);
	assert_false(fs_exists(old));
	assert_true(fs_exists(declared) && fs_exists(fresh_one)); /* its manifest names the empty source, which no version has stored */
	must(c, builds_sweep(c->s, builds, &c->a, &s, &c->e));
	assert_int_equal(s.count, 1);
	assert_false(fs_exists(left));
	assert_true(fs_exists(busy));
}

/* ---- the report ---- */

static const json_t *item(const json_t *report, int64_t version)
{
	size_t i;
	json_t *j;
	json_array_foreach(json_object_get(report, "items"), i, j)
		if (json_int_or(j, "version", 0) == version)
			return j;
	fail_msg("version %lld is not there", (long long)version);
	return NULL;
}

static const char *kept_by(struct place *p, const json_t *report, int64_t version)
{
	return json_text_arena(json_object_get(item(report, version), "keptBy"), &p->c->a);
}

static void the_report_says_why_and_how_much(void **state)
{
	struct place *p = *state;
	struct store_case *c = p->c;
	must(c, apply(c, KEEPS("2", "0"), NULL));
	(void)publish(p, "shared layer");     /* 1: 3 has the same and stays */
	(void)publish(p, "of two that go");   /* 2 */
	(void)publish(p, "shared layer");     /* 3 */
	(void)publish(p, "of two that go");   /* 4 */
	(void)publish(p, "five");
	(void)publish(p, "six");
	must(c, target_want(c->s, p->function, "default", "hello", "prod", "explicit", 3, &c->e));
	struct report_request q = {.project = "default", .function = "hello", .limit = 4};
	AUTO_JSON json_t *first = NULL;
	AUTO_JSON json_t *second = NULL;
	must(c, retention_report(c->s, &p->conf, &q, &c->a, &first, &c->e));
	assert_string_equal(kept_by(p, first, 6), "[\"one of the newest 2 that were built\"]");
	assert_string_equal(kept_by(p, first, 3), "[\"wanted in prod\"]");
	assert_string_equal(json_str_or(item(first, 4), "rule", ""), "beyond the newest 2 that were built");
	assert_int_equal(json_int_or(item(first, 4), "frees", -1), 0); /* counted with 2 */
	assert_int_equal(json_int_or(json_object_get(first, "totals"), "versions", -1), 3);
	assert_int_equal(json_int_or(json_object_get(first, "totals"), "registry", -1), strlen("of two that go"));
	q.cursor = json_str_or(first, "next", NULL);
	assert_non_null(q.cursor);
	must(c, retention_report(c->s, &p->conf, &q, &c->a, &second, &c->e));
	assert_int_equal(json_int_or(item(second, 2), "frees", -1), strlen("of two that go"));
	assert_int_equal(json_int_or(item(second, 1), "frees", -1), 0);
	assert_true(json_is_null(json_object_get(second, "next")) && !json_object_get(second, "totals"));
	/* done: the bytes still wait for the registry's collection, and then there is nothing */
	assert_string_equal(run(p, p->registry), "");
	AUTO_JSON json_t *after = NULL;
	AUTO_JSON json_t *collected = NULL;
	q = (struct report_request){.limit = 100};
	must(c, fs_mkdirs(conf_path(&p->conf, &c->a, "cache/blobs/sha256"), 0755, &c->e));
	must(c, retention_report(c->s, &p->conf, &q, &c->a, &after, &c->e));
	assert_int_equal(json_int_or(json_object_get(after, "totals"), "versions", -1), 0);
	assert_int_equal(json_int_or(json_object_get(after, "totals"), "registry", -1), strlen("of two that go"));
	assert_string_equal(json_str_or(item(after, 2), "rule", ""), "its image was deleted, and its bytes wait for a collection");
	assert_int_equal(json_int_or(json_object_get(json_object_get(after, "totals"), "cache"), "count", -1), 0);
	(void)peek(c, "INSERT INTO collections (actor, started_at, registry_at, finished_at, result) VALUES ('x', clock_timestamp(), clock_timestamp(),"
		      " clock_timestamp(), '{\"registry\": {\"state\": \"done\"}}')");
	must(c, retention_report(c->s, &p->conf, &q, &c->a, &collected, &c->e));
	assert_int_equal(json_int_or(json_object_get(collected, "totals"), "registry", -1), 0);
	assert_string_equal(kept_by(p, collected, 2), "[\"its archive\"]");
	assert_int_equal(json_array_size(json_object_get(collected, "collections")), 1);
}

#define P(f) cmocka_unit_test_setup_teardown(f, open_place, close_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		P(an_archived_version_comes_back_with_the_same_digest), P(what_serves_from_an_archive_is_ready_again), P(an_outage_deletes_nothing_and_ends),
		P(what_the_store_lost_is_pulled_before_the_image_goes), P(what_is_nowhere_keeps_its_version_but_no_other),
		P(an_image_that_two_versions_have_goes_with_the_second), P(a_dropped_archive_takes_its_own_files_only),
		P(the_cache_keeps_what_images_in_use_are_made_of),	P(what_is_about_to_be_started_is_spared),
		P(a_manifest_that_cannot_be_read_ends_the_sweep),	P(uploads_and_builds_that_nobody_needs_go),
		P(the_report_says_why_and_how_much),
	};
	return cmocka_run_group_tests(tests, open_servers, close_servers);
}
