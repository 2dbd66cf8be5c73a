/* fn-node gives room back: unpacked layers that nothing needs, and the registry's garbage. */
#include "node_case.h"

#include <dirent.h>

#define ONE "1a2b3c4d5e6f-0"
#define TWO "1a2b3c4d5e6f-1"

/* Layers. */

static void add_file(struct buf *tar) { tiny_entry(tar, "extra", '0', 0644, "", "extra\n", 6); }
static void add_other_file(struct buf *tar) { tiny_entry(tar, "other", '0', 0644, "", "other\n", 6); }

static size_t layers_there(const struct node_case *c)
{
	AUTO_FREE char *path = xprintf("%s/node/layers", c->env.home);
	DIR *d = opendir(path);
	assert_non_null(d);
	size_t n = 0;
	for (struct dirent *ent; (ent = readdir(d)) != NULL;)
		n += strlen(ent->d_name) == DIGEST_HEX - 1;
	(void)closedir(d);
	return n;
}

static struct node_freed collect(struct node_case *c, const struct digest *keep, size_t n)
{
	struct node_freed freed = {-1, -1};
	struct err e = ERR_INIT;
	must(node_collect_layers(c->node, &case_fence, keep, n, &freed, &e), e);
	return freed;
}

/* The diff id of an image's second layer: what add put into it, as a plain tar. */
static struct digest second_layer(void (*add)(struct buf *tar))
{
	AUTO_BUF struct buf tar = BUF_INIT(TINY_MAX);
	add(&tar);
	tiny_end(&tar);
	return digest_of(tar.p, tar.len);
}

static void layers_that_nothing_needs_go(void **state)
{
	struct node_case *c = *state;
	AUTO_BUF struct buf body = BUF_INIT(65536);
	struct instance_spec one = case_spec(c, ONE, NULL), two = case_spec(c, TWO, NULL), three = case_spec(c, "1a2b3c4d5e6f-2", NULL);
	one.image = case_image(c, add_file, "/tiny");
	two.image = case_image(c, add_other_file, "/tiny");
	struct digest keep = second_layer(add_other_file);
	case_ensure(c, &one);
	case_ensure(c, &two);
	(void)case_wait(c, ONE, INST_READY);
	(void)case_wait(c, TWO, INST_READY);
	assert_int_equal(layers_there(c), 3);
	struct node_freed freed = collect(c, NULL, 0); /* all are in use */
	assert_int_equal(freed.count, 0);
	assert_int_equal(freed.bytes, 0);
	case_stop(c, TWO, 0);
	assert_int_equal(collect(c, &keep, 1).count, 0); /* named */
	assert_int_equal(layers_there(c), 3);
	case_signal(c, SIGKILL);
	case_start(c); /* known to the next one, too: what runs, what it needs, what it takes */
	int64_t until = clock_mono_ms() + READY_MS;
	char hex[DIGEST_HEX];
	AUTO_FREE char *mark = xprintf("%s/node/layers/%s.synced", c->env.home, digest_hex(&keep, hex));
	while (!fs_exists(mark) && clock_mono_ms() < until)
		(void)poll(NULL, 0, 5);
	freed = collect(c, NULL, 0);
	assert_int_equal(freed.count, 1);
	assert_in_range(freed.bytes, 4096, 65536); /* a directory and a file */
	assert_int_equal(layers_there(c), 2);
	AUTO_FREE char *ip = case_ip(case_wait(c, ONE, INST_READY));
	assert_int_equal(case_get(ip, "/cat/extra", &body), 200);
	assert_string_equal(buf_str(&body), "extra\n");
	case_ensure(c, &two); /* unpacked again */
	(void)case_wait(c, TWO, INST_READY);
	case_stop(c, ONE, 0);
	case_stop(c, TWO, 0);
	case_ensure(c, &three);
	freed = collect(c, NULL, 0); /* wanted by a start that has only begun */
	assert_int_equal(freed.count, 2);
	assert_int_equal(layers_there(c), 1);
	(void)case_wait(c, three.name, INST_READY);
}

static void a_stale_or_malformed_collection_is_refused(void **state)
{
	struct node_case *c = *state;
	struct err e = ERR_INIT;
	struct node_freed freed;
	struct instance_spec one = case_spec(c, ONE, NULL);
	case_ensure(c, &one);
	(void)case_wait(c, ONE, INST_READY);
	case_stop(c, ONE, 0);
	const struct fence stale = {KEY, 6};
	assert_refused(node_collect_layers(c->node, &stale, NULL, 0, &freed, &e), CONFLICT, &e, "StaleEpoch");
	json_t *const bad[] = {NULL, json_string("sha256:"), json_pack("[s]", "sha256:00"), json_pack("[i]", 1), json_pack("[s]", "../../etc")};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		json_t *request = json_pack("{s:i,s:s,s:s,s:i,s:o*}", "id", 1, "op", "collect_layers", "key", KEY, "epoch", 7, "keep", bad[i]);
		AUTO_JSON json_t *answer = case_ask(c, request);
		assert_false(json_bool_or(answer, "ok", true));
		assert_string_equal(json_str_or(json_object_get(answer, "error"), "reason", ""), "BadRequest");
	}
	assert_int_equal(layers_there(c), 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, case_setup, case_teardown_free)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(layers_that_nothing_needs_go),
		CASE(a_stale_or_malformed_collection_is_refused),
	};
	return cmocka_run_group_tests(tests, case_group_setup, case_group_teardown);
}
