/* Images and layers from a blob cache that is not believed. Needs root, as fn-node does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/layers.h"
#include "tiny_image.h"

struct fixture {
	char home[64];
	char *blobs, *dir;
	struct loop *loop;
	struct layers *store;
	struct arena arena;
	int waiting, failed;
	struct err first;
};

static void open_store(struct fixture *f)
{
	struct err e = ERR_INIT;
	if (layers_open(f->loop, f->dir, f->blobs, &f->store, &e) != OK)
		fail_msg("%s", e.msg);
}

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	(void)snprintf(f->home, sizeof f->home, "/tmp/fn-layers.XXXXXX");
	assert_non_null(mkdtemp(f->home));
	f->blobs = xprintf("%s/blobs", f->home);
	f->dir = xprintf("%s/layers", f->home);
	f->loop = loop_new();
	assert_int_equal(fs_mkdirs(f->blobs, 0755, NULL), OK);
	open_store(f);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	layers_free(f->store);
	loop_free(f->loop);
	arena_release(&f->arena);
	err_ignore(fs_remove_tree(f->home, NULL)); /* a temporary directory */
	free(f->blobs);
	free(f->dir);
	free(f);
	return 0;
}

static struct tiny_layer layer(struct fixture *f, const char *name, const char *content)
{
	AUTO_BUF struct buf tar = BUF_INIT(TINY_MAX);
	tiny_entry(&tar, name, '0', 0644, "", content, strlen(content));
	return tiny_layer(f->blobs, &tar);
}

static struct oci_layer as_wanted(const struct tiny_layer *l) { return (struct oci_layer){l->blob, l->diff_id, l->size}; }

static void on_done(void *ctx, const struct err *error)
{
	struct fixture *f = ctx;
	if (error && f->failed++ == 0)
		f->first = *error;
	if (--f->waiting == 0)
		loop_stop(f->loop);
}

static uint64_t want(struct fixture *f, const struct tiny_layer *l)
{
	struct oci_layer w = as_wanted(l);
	struct err e = ERR_INIT;
	uint64_t ticket = 0;
	assert_int_equal(layers_want(f->store, &w, 1, on_done, f, &ticket, &e), OK);
	f->waiting += ticket != 0;
	return ticket;
}

static char *path_of(const struct fixture *f, const struct tiny_layer *l, const char *below)
{
	char hex[DIGEST_HEX];
	return xprintf("%s/%s%s", f->dir, digest_hex(&l->diff_id, hex), below);
}

static void assert_present(const struct fixture *f, const struct tiny_layer *l, const char *below, bool present)
{
	AUTO_FREE char *path = path_of(f, l, below);
	assert_int_equal(fs_exists(path), present);
}

static void a_layer_is_unpacked_once_for_all_who_want_it(void **state)
{
	struct fixture *f = *state;
	const struct tiny_layer l = layer(f, "file", "content");
	assert_true(want(f, &l) != 0);
	assert_true(want(f, &l) != 0);
	uint64_t forgotten = want(f, &l);
	layers_forget(f->store, forgotten);
	f->waiting--;
	loop_run_until_stopped(f->loop);
	assert_int_equal(f->failed, 0);
	assert_present(f, &l, "/file", true);
	assert_true(want(f, &l) == 0); /* at once */
	char hex[DIGEST_HEX];
	AUTO_FREE char *blob = xprintf("%s/%s", f->blobs, digest_hex(&l.blob, hex));
	assert_int_equal(unlink(blob), 0); /* not read again */
	layers_free(f->store);
	open_store(f);
	assert_true(want(f, &l) == 0);
}

static void refused(struct fixture *f, const struct tiny_layer *l, enum err_class class, const char *reason)
{
	f->failed = 0;
	assert_true(want(f, l) != 0);
	loop_run_until_stopped(f->loop);
	assert_int_equal(f->failed, 1);
	assert_string_equal(f->first.reason, reason);
	assert_int_equal(f->first.class, class);
	assert_present(f, l, "", false);
}

static void wrong_digests_and_absent_blobs_leave_nothing(void **state)
{
	struct fixture *f = *state;
	struct tiny_layer l = layer(f, "file", "content");
	l.diff_id = digest_of_str("something else");
	refused(f, &l, INVALID, "DigestMismatch");
	l.blob = digest_of_str("nothing");
	refused(f, &l, TRANSIENT, "ImageMissing");
	char hex[DIGEST_HEX];
	AUTO_FREE char *path = xprintf("%s/%s", f->blobs, digest_hex(&l.blob, hex));
	assert_int_equal(mkfifo(path, 0644), 0);
	refused(f, &l, INVALID, "DigestMismatch"); /* not waited for */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	refused(f, &l, TRANSIENT, "ImageMissing"); /* not followed */
}

static void hostile_archives_are_the_layers_fault(void **state)
{
	struct fixture *f = *state;
	const struct tiny_layer up = layer(f, "../../escaped", "x"), root = layer(f, "/../escaped", "x");
	refused(f, &up, INVALID, "LayerInvalid");
	refused(f, &root, INVALID, "LayerInvalid");
	AUTO_FREE char *outside = xprintf("%s/escaped", f->home);
	assert_false(fs_exists(outside));
}

static void several_layers_wait_for_the_last_or_the_first_failure(void **state)
{
	struct fixture *f = *state;
	struct tiny_layer made[8];
	struct oci_layer w[8];
	struct err e = ERR_INIT;
	uint64_t ticket;
	for (size_t i = 0; i < ARRAY_LEN(w); i++) {
		AUTO_FREE char *name = xprintf("file-%zu", i % 7); /* one of them twice */
		made[i] = layer(f, name, "x");
		w[i] = as_wanted(&made[i]);
	}
	f->waiting = 1;
	assert_int_equal(layers_want(f->store, w, ARRAY_LEN(w), on_done, f, &ticket, &e), OK);
	loop_run_until_stopped(f->loop);
	assert_int_equal(f->failed, 0);
	assert_present(f, &made[6], "/file-6", true);
	w[3].diff_id = digest_of_str("wrong");
	f->waiting = 1;
	assert_int_equal(layers_want(f->store, w, ARRAY_LEN(w), on_done, f, &ticket, &e), OK);
	loop_run_until_stopped(f->loop);
	assert_int_equal(f->failed, 1);
}

static void after_a_power_failure_only_synced_layers_are_believed(void **state)
{
	struct fixture *f = *state;
	const struct tiny_layer sure = layer(f, "sure", "x"), doubtful = layer(f, "doubtful", "x");
	AUTO_FREE char *mark = path_of(f, &sure, ".synced"), *boot = xprintf("%s/boot", f->dir), *left = xprintf("%s/tmp-left", f->dir);
	(void)want(f, &sure);
	(void)want(f, &doubtful);
	loop_run_until_stopped(f->loop);
	assert_int_equal(fs_write_atomic(mark, "", 0, 0600, false, NULL), OK);
	assert_int_equal(mkdir(left, 0700), 0);
	layers_free(f->store);
	open_store(f); /* the same boot: both are there */
	assert_present(f, &doubtful, "", true);
	assert_false(fs_exists(left));
	layers_free(f->store);
	assert_int_equal(fs_write_atomic(boot, "another boot\n", 13, 0600, false, NULL), OK);
	open_store(f);
	assert_present(f, &sure, "/sure", true);
	assert_present(f, &doubtful, "", false);
	assert_true(want(f, &sure) == 0);
	assert_true(want(f, &doubtful) != 0);
	loop_run_until_stopped(f->loop);
	assert_present(f, &doubtful, "/doubtful", true);
}

static bool is_used(void *ctx, const char *hex) { return strcmp(ctx, hex) == 0; }

static void unused_layers_beyond_the_limit_go(void **state)
{
	struct fixture *f = *state;
	const struct tiny_layer used = layer(f, "used", "x"), spare = layer(f, "spare", "x");
	char hex[DIGEST_HEX];
	(void)want(f, &used);
	(void)want(f, &spare);
	loop_run_until_stopped(f->loop);
	layers_prune(f->store, 2, is_used, digest_hex(&used.diff_id, hex));
	assert_present(f, &spare, "", true);
	layers_prune(f->store, 0, is_used, hex);
	assert_present(f, &used, "", true);
	assert_present(f, &spare, "", false);
	assert_true(want(f, &spare) != 0);
}

/* Images. */

static enum err_class load(struct fixture *f, struct digest d, struct oci_image *img, struct err *e)
{
	*e = (struct err)ERR_INIT;
	return oci_image_load(f->blobs, &d, &f->arena, img, e);
}

static void an_image_is_read_with_all_its_parts(void **state)
{
	struct fixture *f = *state;
	const struct tiny_layer l[2] = {layer(f, "a", "x"), layer(f, "b", "y")};
	struct oci_image img;
	struct err e;
	assert_int_equal(load(f, tiny_manifest(f->blobs, l, 2, "/a"), &img, &e), OK);
	assert_int_equal(img.nlayers, 2);
	assert_true(digest_eq(&img.layers[1].diff_id, &l[1].diff_id));
	assert_int_equal(img.layers[0].size, l[0].size);
	assert_string_equal(img.command[0], "/a");
	assert_null(img.command[1]);
	assert_string_equal(img.env[0], "FROM_IMAGE=yes");
	assert_string_equal(img.workdir, "/");
}

/* A manifest with one member of it or of its config replaced. */
static enum err_class load_changed(struct fixture *f, const char *where, const char *member, json_t *value, struct err *e)
{
	const struct tiny_layer l = layer(f, "a", "x");
	char text[DIGEST_TEXT];
	size_t size;
	json_t *config = json_pack("{s:s,s:{},s:{s:[s]}}", "os", "linux", "config", "rootfs", "diff_ids", digest_text(&l.diff_id, text));
	if (strcmp(where, "config") == 0)
		(void)json_object_set_new(config, member, value);
	struct digest d = tiny_json(f->blobs, config, &size);
	char blob[DIGEST_TEXT];
	json_t *m = json_pack("{s:i,s:{s:s,s:s,s:I},s:[{s:s,s:s,s:I}]}", "schemaVersion", 2, "config", "mediaType",
			      "application/vnd.oci.image.config.v1+json", "digest", digest_text(&d, text), "size", (json_int_t)size, "layers",
			      "mediaType", "application/vnd.oci.image.layer.v1.tar", "digest", digest_text(&l.blob, blob), "size",
			      (json_int_t)l.size);
	if (strcmp(where, "manifest") == 0)
		(void)json_object_set_new(m, member, value);
	struct oci_image img;
	return load(f, tiny_json(f->blobs, m, &size), &img, e);
}

static void documents_that_are_not_images_are_refused(void **state)
{
	struct fixture *f = *state;
	struct err e;
	assert_int_equal(load_changed(f, "nowhere", "", NULL, &e), OK);
	const struct {
		const char *where, *member;
		json_t *value;
	} changes[] = {
		{"manifest", "schemaVersion", json_integer(1)},
		{"manifest", "mediaType", json_string("application/vnd.oci.image.index.v1+json")},
		{"manifest", "config", json_object()},
		{"manifest", "layers", json_array()},
		{"manifest", "layers", json_pack("[{s:s}]", "mediaType", "text/plain")},
		{"config", "os", json_string("plan9")},
		{"config", "architecture", json_string("pdp11")},
		{"config", "rootfs", json_object()},
		{"config", "config", json_pack("{s:[i]}", "Cmd", 7)},
		{"config", "config", json_pack("{s:s}", "Env", "A=b")},
		{"config", "config", json_pack("{s:s}", "WorkingDir", "app")},
	};
	for (size_t i = 0; i < ARRAY_LEN(changes); i++)
		if (load_changed(f, changes[i].where, changes[i].member, changes[i].value, &e) != INVALID || strcmp(e.reason, "LayerInvalid") != 0)
			fail_msg("%s %s: %s %s", changes[i].where, changes[i].member, e.reason, e.msg);
}

static void documents_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct oci_image img;
	struct err e;
	size_t n = OCI_MAX_DOCUMENT + 2;
	AUTO_FREE char *large = xmalloc(n);
	memset(large, ' ', n);
	assert_int_equal(load(f, tiny_blob(f->blobs, large, n), &img, &e), INVALID);
	assert_string_equal(e.reason, "LayerInvalid");
	assert_non_null(strstr(e.msg, "at most"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_layer_is_unpacked_once_for_all_who_want_it),
		CASE(wrong_digests_and_absent_blobs_leave_nothing),
		CASE(hostile_archives_are_the_layers_fault),
		CASE(several_layers_wait_for_the_last_or_the_first_failure),
		CASE(after_a_power_failure_only_synced_layers_are_believed),
		CASE(unused_layers_beyond_the_limit_go),
		CASE(an_image_is_read_with_all_its_parts),
		CASE(documents_that_are_not_images_are_refused),
		CASE(documents_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
