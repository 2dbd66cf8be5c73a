/* Images and layers from a blob cache that is not believed. Needs root, as fn-node does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
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
	int64_t until;
};

enum { WAIT_MS = 20000 };

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

static int children(void)
{
	AUTO_BUF struct buf b = BUF_INIT(65536);
	assert_int_equal(fs_read("/proc/thread-self/children", &b, NULL), OK);
	return b.len > 0;
}

static void look_for_children(void *ctx)
{
	struct fixture *f = ctx;
	if (clock_mono_ms() > f->until)
		fail_msg("a child goes on and on");
	if (children())
		(void)loop_after(f->loop, 1, look_for_children, f);
	else
		loop_stop(f->loop);
}

/* Until what the store does behind its callers' backs is over. */
static void let_children_end(struct fixture *f)
{
	f->until = clock_mono_ms() + WAIT_MS;
	(void)loop_after(f->loop, 0, look_for_children, f);
	loop_run_until_stopped(f->loop);
}

static void close_store(struct fixture *f)
{
	if (children())
		let_children_end(f);
	layers_free(f->store);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	close_store(f);
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
	close_store(f);
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
	close_store(f);
	open_store(f); /* the same boot: both are there */
	assert_present(f, &doubtful, "", true);
	assert_false(fs_exists(left));
	close_store(f);
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

static bool is_unused(void *ctx, const char *hex) { return hex == ctx; }

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

static uint64_t disk_bytes(const struct fixture *f, const struct tiny_layer *l)
{
	AUTO_FREE char *path = path_of(f, l, "");
	uint64_t n = 0;
	assert_int_equal(fs_tree_bytes(path, &n, NULL), OK);
	return n;
}

static size_t entries(const struct fixture *f)
{
	DIR *d = opendir(f->dir);
	assert_non_null(d);
	size_t n = 0;
	for (struct dirent *ent; (ent = readdir(d)) != NULL;)
		n += !strchr(ent->d_name, '.'); /* no marks */
	(void)closedir(d);
	return n;
}

static void collecting_removes_what_is_not_used_and_says_how_much(void **state)
{
	struct fixture *f = *state;
	static char large[300000], small[5000];
	memset(large, 'x', sizeof large - 1);
	memset(small, 'y', sizeof small - 1);
	const struct tiny_layer used = layer(f, "used", "x"), big = layer(f, "big", large), little = layer(f, "little", small);
	size_t before = entries(f);
	char hex[DIGEST_HEX];
	(void)want(f, &used);
	(void)want(f, &big);
	(void)want(f, &little);
	loop_run_until_stopped(f->loop);
	uint64_t bytes = disk_bytes(f, &big) + disk_bytes(f, &little);
	assert_true(bytes > 300000);
	struct layers_freed freed = layers_collect(f->store, is_used, digest_hex(&used.diff_id, hex));
	assert_int_equal(freed.count, 2);
	assert_int_equal(freed.bytes, bytes);
	assert_present(f, &used, "/used", true);
	assert_present(f, &big, "", false);
	let_children_end(f);
	assert_int_equal(entries(f), before + 1); /* its room is free */
	freed = layers_collect(f->store, is_used, hex);
	assert_int_equal(freed.count, 0);
	assert_int_equal(freed.bytes, 0);
	assert_true(want(f, &big) != 0); /* and it can come back */
	loop_run_until_stopped(f->loop);
	assert_present(f, &big, "/big", true);
}

/* What an fn-node before this one unpacked is measured, and marked, some time after the start. */
static void turn_until_marked(void *ctx)
{
	struct fixture *f = ctx;
	AUTO_BUF struct buf b = BUF_INIT(4096);
	DIR *d = opendir(f->dir);
	assert_non_null(d);
	bool all = true;
	for (struct dirent *ent; (ent = readdir(d)) != NULL;) {
		AUTO_FREE char *mark = xprintf("%s/%s.synced", f->dir, ent->d_name);
		buf_clear(&b);
		if (strlen(ent->d_name) == DIGEST_HEX - 1)
			all = all && !fs_read(mark, &b, NULL) && b.len > 0;
	}
	(void)closedir(d);
	if (clock_mono_ms() > f->until)
		fail_msg("layers are not synced");
	if (all)
		loop_stop(f->loop);
	else
		(void)loop_after(f->loop, 5, turn_until_marked, f);
}

static void wait_for_marks(struct fixture *f)
{
	f->until = clock_mono_ms() + WAIT_MS;
	(void)loop_after(f->loop, 0, turn_until_marked, f);
	loop_run_until_stopped(f->loop);
}

static void sizes_are_known_to_the_next_process(void **state)
{
	struct fixture *f = *state;
	const struct tiny_layer fresh = layer(f, "fresh", "x"), old = layer(f, "old", "y");
	AUTO_FREE char *mark = path_of(f, &old, ".synced");
	(void)want(f, &old);
	(void)want(f, &fresh);
	loop_run_until_stopped(f->loop);
	uint64_t bytes = disk_bytes(f, &old) + disk_bytes(f, &fresh);
	assert_int_equal(fs_write_atomic(mark, "", 0, 0600, false, NULL), OK); /* as an older version marked it */
	close_store(f);
	open_store(f);
	wait_for_marks(f);
	close_store(f);
	open_store(f);
	struct layers_freed freed = layers_collect(f->store, is_unused, NULL);
	assert_int_equal(freed.count, 2);
	assert_int_equal(freed.bytes, bytes);
	assert_false(fs_exists(mark));
}

static void collect_when_a_child_runs(void *ctx)
{
	struct fixture *f = ctx;
	if (clock_mono_ms() > f->until)
		fail_msg("nothing is synced");
	if (!children()) {
		(void)loop_after(f->loop, 0, collect_when_a_child_runs, f);
		return;
	}
	assert_int_equal(layers_collect(f->store, is_unused, NULL).count, 1);
	loop_stop(f->loop);
}

/* What goes while it is being synced is gone, and its successor is not believed to be on disk. */
static void a_layer_may_go_while_it_is_synced(void **state)
{
	struct fixture *f = *state;
	const struct tiny_layer l = layer(f, "file", "x");
	AUTO_FREE char *mark = path_of(f, &l, ".synced"), *boot = xprintf("%s/boot", f->dir);
	(void)want(f, &l);
	loop_run_until_stopped(f->loop);
	f->until = clock_mono_ms() + WAIT_MS;
	(void)loop_after(f->loop, 0, collect_when_a_child_runs, f);
	loop_run_until_stopped(f->loop);
	assert_present(f, &l, "", false);
	assert_true(want(f, &l) != 0); /* not known any more */
	loop_run_until_stopped(f->loop);
	assert_int_equal(f->failed, 0);
	assert_present(f, &l, "/file", true);
	let_children_end(f);
	assert_false(fs_exists(mark));
	close_store(f);
	assert_int_equal(fs_write_atomic(boot, "another boot\n", 13, 0600, false, NULL), OK);
	open_store(f);
	assert_present(f, &l, "", false);
}

static void what_is_in_a_layers_place_is_replaced(void **state)
{
	struct fixture *f = *state;
	const struct tiny_layer l = layer(f, "file", "x");
	AUTO_FREE char *path = path_of(f, &l, ""), *inside = path_of(f, &l, "/other");
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(mkdir(inside, 0755), 0);
	size_t before = entries(f);
	assert_true(want(f, &l) != 0);
	loop_run_until_stopped(f->loop);
	assert_int_equal(f->failed, 0);
	assert_present(f, &l, "/file", true);
	assert_present(f, &l, "/other", false);
	assert_int_equal(entries(f), before);
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
		CASE(collecting_removes_what_is_not_used_and_says_how_much),
		CASE(sizes_are_known_to_the_next_process),
		CASE(a_layer_may_go_while_it_is_synced),
		CASE(what_is_in_a_layers_place_is_replaced),
		CASE(an_image_is_read_with_all_its_parts),
		CASE(documents_that_are_not_images_are_refused),
		CASE(documents_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
