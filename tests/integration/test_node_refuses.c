/* What fn-node does not do: stale commands, bad requests, images that are not what they say, programs that reach out. */
#include "node_case.h"

#define ONE "1a2b3c4d5e6f-0"
#define TWO "1a2b3c4d5e6f-1"

static void stale_epochs_are_refused_by_this_node_and_the_next(void **state)
{
	struct node_case *c = *state;
	struct err e = ERR_INIT;
	struct instance_spec s = case_spec(c, ONE, NULL), other = case_spec(c, TWO, NULL);
	case_ensure(c, &s); /* epoch 7 */
	(void)case_wait(c, ONE, INST_READY);
	const struct fence stale = {KEY, 6}, newer = {KEY, 8}, elsewhere = {"target/default/hello/staging", 1};
	const char *name = ONE;
	for (int round = 0; round < 2; round++) {
		assert_refused(node_ensure(c->node, &stale, &other, &e), CONFLICT, &e, "StaleEpoch");
		assert_refused(node_stop(c->node, &stale, &name, 1, 0, &e), CONFLICT, &e, "StaleEpoch");
		const struct route_switch none = {stale, {.hosts = case_no_command, .instances = case_no_command}};
		assert_refused(node_route(c->node, &none, 1, &e), CONFLICT, &e, "StaleEpoch");
		assert_int_equal(case_look(c, TWO)->state, INST_GONE);
		assert_int_equal(case_look(c, ONE)->state, INST_READY);
		case_signal(c, SIGKILL);
		case_start(c);
	}
	/* one stale switch refuses the set: the other key's epoch was not taken either */
	const struct route_switch set[2] = {{{"target/default/hello/staging", 5}, {.hosts = case_no_command, .instances = case_no_command}},
					    {stale, {.hosts = case_no_command, .instances = case_no_command}}};
	assert_refused(node_route(c->node, set, 2, &e), CONFLICT, &e, "StaleEpoch");
	must(node_stop(c->node, &elsewhere, NULL, 0, 0, &e), e);
	must(node_ensure(c->node, &newer, &s, &e), e);
	assert_refused(node_ensure(c->node, &case_fence, &s, &e), CONFLICT, &e, "StaleEpoch");
}

static void another_spec_or_key_under_a_name_is_a_conflict(void **state)
{
	struct node_case *c = *state;
	struct err e = ERR_INIT;
	struct instance_spec s = case_spec(c, ONE, NULL);
	case_ensure(c, &s);
	const struct fence other = {"target/default/other/dev", 7};
	const char *name = ONE;
	assert_refused(node_ensure(c->node, &other, &s, &e), CONFLICT, &e, "BadRequest");
	assert_refused(node_stop(c->node, &other, &name, 1, 0, &e), CONFLICT, &e, "BadRequest");
	s.pids++;
	assert_refused(node_ensure(c->node, &case_fence, &s, &e), CONFLICT, &e, "BadRequest");
	must(node_stop(c->node, &case_fence, (const char *const[]){TWO}, 1, 0, &e), e); /* unknown is fine */
}

static void routes_name_known_instances_and_our_hosts(void **state)
{
	struct node_case *c = *state;
	struct err e = ERR_INIT;
	static const char *const ours[] = {HOST, NULL}, *const foreign[] = {"hello.example.org", NULL}, *const one[] = {ONE, NULL};
	struct route_switch s = {case_fence, {.release = "r", .hosts = ours, .instances = one, .timeout_ms = 1000}};
	assert_refused(node_route(c->node, &s, 1, &e), CONFLICT, &e, "NotFound");
	struct instance_spec spec = case_spec(c, ONE, NULL);
	case_ensure(c, &spec);
	s.route.hosts = foreign;
	assert_refused(node_route(c->node, &s, 1, &e), INVALID, &e, "InvalidName");
	s.route.hosts = ours;
	s.route.timeout_ms = 0;
	assert_refused(node_route(c->node, &s, 1, &e), INVALID, &e, "BadRequest");
	s.route.timeout_ms = 1000;

	static const char *const own[] = {"hello--r2.dev.fn.localhost", NULL}, *const two[] = {TWO, NULL};
	struct route_beside b = {.release = "r2", .hosts = own, .instances = two, .timeout_ms = 1000};
	s.route.beside = &b;
	s.route.nbeside = 1;
	assert_refused(node_route(c->node, &s, 1, &e), CONFLICT, &e, "NotFound");
	b.instances = one;
	b.hosts = foreign;
	assert_refused(node_route(c->node, &s, 1, &e), INVALID, &e, "InvalidName");
	b.hosts = case_no_command;
	assert_refused(node_route(c->node, &s, 1, &e), INVALID, &e, "BadRequest");
	b.hosts = own;
	b.timeout_ms = 0;
	assert_refused(node_route(c->node, &s, 1, &e), INVALID, &e, "BadRequest");
	b.timeout_ms = 1000;
	b.release = "";
	assert_refused(node_route(c->node, &s, 1, &e), INVALID, &e, "BadRequest");
	b.release = "r2";
	b.hosts = ours; /* the key's own */
	assert_refused(node_route(c->node, &s, 1, &e), INVALID, &e, "DuplicateKey");
	struct route_beside many[65];
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = b;
	s.route.beside = many;
	s.route.nbeside = ARRAY_LEN(many);
	assert_refused(node_route(c->node, &s, 1, &e), INVALID, &e, "BadRequest");
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct node_view v;
	must(node_list(c->node, NULL, &a, &v, &e), e);
	assert_int_equal(v.nroutes, 0);

	/* One that is being stopped gets no new requests. */
	s.route.beside = &b;
	s.route.nbeside = 1;
	s.route.instances = case_no_command;
	b.hosts = own;
	(void)case_wait(c, ONE, INST_READY);
	case_switch(c, &s.route);
	int fd = env_connect("127.0.0.1", GATEWAY_PORT, 5000);
	static const char slow[] = "GET /slow HTTP/1.1\r\nHost: hello--r2.dev.fn.localhost\r\nConnection: close\r\n\r\n";
	assert_int_equal(send(fd, slow, sizeof slow - 1, MSG_NOSIGNAL), sizeof slow - 1);
	case_wait_open(c, "10.213.0.1:8080", 1);
	must(node_stop(c->node, &case_fence, one, 1, 10000, &e), e);
	assert_refused(node_route(c->node, &s, 1, &e), CONFLICT, &e, "NotFound");
	(void)close(fd);
}

/* What the client would not send. */
static void a_switch_is_refused_when_what_is_beside_is_none(void **state)
{
	struct node_case *c = *state;
	json_t *const bad[] = {json_object(), json_string("hello--r2.dev.fn.localhost"), json_pack("[s]", "r2"), json_pack("[i]", 2),
			       json_pack("[{s:s,s:[s],s:i}]", "release", "r2", "hosts", "hello--r2.dev.fn.localhost", "timeout_ms", 1000),
			       json_pack("[{s:s,s:[s],s:[],s:s}]", "release", "r2", "hosts", "hello--r2.dev.fn.localhost", "instances",
					 "timeout_ms", "1000"),
			       json_pack("[{s:i,s:[s],s:[],s:i}]", "release", 2, "hosts", "hello--r2.dev.fn.localhost", "instances",
					 "timeout_ms", 1000)};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		json_t *one = json_pack("{s:s,s:i,s:s,s:[],s:[],s:o}", "key", KEY, "epoch", 7, "release", "", "hosts", "instances", "beside",
					bad[i]);
		AUTO_JSON json_t *answer = case_ask(c, json_pack("{s:i,s:s,s:[o]}", "id", 1, "op", "routes", "switches", one));
		const json_t *error = json_object_get(answer, "error");
		if (json_bool_or(answer, "ok", true) || strcmp(json_str_or(error, "reason", ""), "BadRequest") != 0)
			fail_msg("%zu: %s", i, json_str_or(error, "message", "taken"));
	}
}

/* Images. */

static const char *message_of(struct node_case *c, struct digest image, const char *reason)
{
	struct instance_spec s = case_spec(c, ONE, NULL);
	s.image = image;
	case_ensure(c, &s);
	const struct instance *i = case_wait(c, ONE, INST_FAILED);
	assert_string_equal(i->reason, reason);
	const char *message = xstrdup(i->message);
	case_stop(c, ONE, 0);
	return message;
}

static void refuse_image(struct node_case *c, struct digest image, const char *reason, const char *part)
{
	AUTO_FREE char *message = (char *)(uintptr_t)message_of(c, image, reason);
	if (!strstr(message, part))
		fail_msg("\"%s\" does not say \"%s\"", message, part);
}

static void images_that_are_not_what_they_say_are_refused(void **state)
{
	struct node_case *c = *state;
	AUTO_BUF struct buf tar = BUF_INIT(TINY_MAX);
	const struct digest nowhere = digest_of_str("nowhere");
	refuse_image(c, nowhere, "ImageMissing", "not in the cache");
	tiny_entry(&tar, "file", '0', 0644, "", "abc", 3);
	const struct tiny_layer good = tiny_layer(c->blobs, &tar);
	struct tiny_layer bad = good;
	bad.diff_id = digest_of_str("another tar");
	refuse_image(c, tiny_manifest(c->blobs, &bad, 1, "/file"), "DigestMismatch", "config says");
	bad.diff_id = bad.blob = digest_of_str("another blob");
	tiny_put(c->blobs, &bad.blob, tar.p, tar.len);
	refuse_image(c, tiny_manifest(c->blobs, &bad, 1, "/file"), "DigestMismatch", "its name");
	bad = good;
	bad.size++;
	refuse_image(c, tiny_manifest(c->blobs, &bad, 1, "/file"), "DigestMismatch", "its name");
	const struct digest manifest = digest_of_str("a manifest");
	tiny_put(c->blobs, &manifest, "{}", 2);
	refuse_image(c, manifest, "DigestMismatch", "other content");
	refuse_image(c, tiny_blob(c->blobs, "{}", 2), "LayerInvalid", "manifest");
	struct tiny_layer many[41];
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = good;
	refuse_image(c, tiny_manifest(c->blobs, many, ARRAY_LEN(many), "/file"), "LayerInvalid", "1 to 40 layers");
	refuse_image(c, tiny_manifest(c->blobs, &good, 1, NULL), "StartFailed", "command");
	AUTO_FREE char *layers = xprintf("%s/node/layers", c->env.home);
	AUTO_BUF struct buf out = BUF_INIT(65536);
	struct err e = ERR_INIT;
	must(proc_run((const char *const[]){"ls", layers, NULL}, NULL, 5000, &out, &e), e);
	assert_null(strstr(buf_str(&out), "tmp-"));
}

static void escape(struct buf *tar) { tiny_entry(tar, "../../../../escaped", '0', 0644, "", "x", 1); }
static void through_link(struct buf *tar)
{
	tiny_entry(tar, "link", '2', 0777, "/var/tmp", "", 0);
	tiny_entry(tar, "link/fn-escaped", '0', 0644, "", "x", 1);
}
static void garbage(struct buf *tar) { (void)buf_puts(tar, "this is not an archive of any kind, and it is long enough to be sure"); }

static void layers_that_reach_out_are_refused_or_stay_inside(void **state)
{
	struct node_case *c = *state;
	refuse_image(c, case_image(c, escape, "/tiny"), "LayerInvalid", "escaped");
	refuse_image(c, case_image(c, garbage, "/tiny"), "LayerInvalid", "");
	struct instance_spec s = case_spec(c, ONE, NULL);
	s.image = case_image(c, through_link, "/tiny");
	case_ensure(c, &s); /* a link within a layer leads to the layer's own /var/tmp, or nowhere */
	int64_t until = clock_mono_ms() + READY_MS;
	while (case_look(c, ONE)->state == INST_STARTING && clock_mono_ms() < until)
		(void)poll(NULL, 0, 5);
	assert_false(fs_exists("/var/tmp/fn-escaped"));
	assert_false(fs_exists("/escaped"));
}

static void hide_file(struct buf *tar)
{
	tiny_entry(tar, "dir/", '5', 0755, "", "", 0);
	tiny_entry(tar, "dir/.wh.gone", '0', 0644, "", "", 0);
	tiny_entry(tar, "opaque/", '5', 0755, "", "", 0);
	tiny_entry(tar, "opaque/.wh..wh..opq", '0', 0644, "", "", 0);
	tiny_entry(tar, "opaque/new", '0', 0644, "", "new", 3);
}

static void later_layers_remove_files_of_earlier_ones(void **state)
{
	struct node_case *c = *state;
	AUTO_BUF struct buf below = BUF_INIT(TINY_MAX), above = BUF_INIT(TINY_MAX), prog = BUF_INIT(TINY_MAX), body = BUF_INIT(65536);
	struct err e = ERR_INIT;
	must(fs_read(c->program, &prog, &e), e);
	tiny_entry(&below, "tiny", '0', 0755, "", prog.p, prog.len);
	tiny_entry(&below, "dir/", '5', 0755, "", "", 0);
	tiny_entry(&below, "dir/gone", '0', 0644, "", "gone", 4);
	tiny_entry(&below, "dir/kept", '0', 0644, "", "kept", 4);
	tiny_entry(&below, "opaque/", '5', 0755, "", "", 0);
	tiny_entry(&below, "opaque/old", '0', 0644, "", "old", 3);
	hide_file(&above);
	const struct tiny_layer layers[2] = {tiny_layer(c->blobs, &below), tiny_layer(c->blobs, &above)};
	struct instance_spec s = case_spec(c, ONE, NULL);
	s.image = tiny_manifest(c->blobs, layers, 2, "/tiny");
	case_ensure(c, &s);
	(void)case_wait(c, ONE, INST_READY);
	static const char *const want[][2] = {{"/cat/dir/kept", "kept"}, {"/cat/dir/gone", "error: No such file or directory\n"},
					      {"/cat/opaque/new", "new"}, {"/cat/opaque/old", "error: No such file or directory\n"}};
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_int_equal(case_get("10.213.0.1", want[i][0], &body), 200);
		assert_string_equal(buf_str(&body), want[i][1]);
	}
}

/* A hostile program. */

static void a_hostile_program_gets_nowhere(void **state)
{
	struct node_case *c = *state;
	AUTO_BUF struct buf body = BUF_INIT(65536);
	static const char want[] = "mount: Operation not permitted\n"
				   "umount: Operation not permitted\n"
				   "unshare user: Operation not permitted\n"
				   "clone user: Function not implemented\n"
				   "clone3: Function not implemented\n"
				   "ptrace: Operation not permitted\n"
				   "bpf: Operation not permitted\n"
				   "keyctl: Operation not permitted\n"
				   "perf: Operation not permitted\n"
				   "io_uring: Operation not permitted\n"
				   "userfaultfd: Operation not permitted\n"
				   "raw socket: Operation not permitted\n"
				   "packet socket: Address family not supported by protocol\n"
				   "vsock: Address family not supported by protocol\n"
				   "write root: Read-only file system\n"
				   "write etc: Read-only file system\n"
				   "write sysctl: Permission denied\n"
				   "device: Operation not permitted\n"
				   "chroot: Operation not permitted\n"
				   "setuid: Operation not permitted\n"
				   "nice: Permission denied\n"
				   "write tmp: ok\n"
				   "tcp: ok\n"
				   "udp6: ok\n"
				   "unix: ok\n"
				   "netlink: ok\n";
	struct instance_spec s = case_spec(c, ONE, NULL);
	case_ensure(c, &s);
	(void)case_wait(c, ONE, INST_READY);
	assert_int_equal(case_get("10.213.0.1", "/attempts", &body), 200);
	assert_string_equal(buf_str(&body), want);
	assert_int_equal(case_get("10.213.0.1", "/cat/proc/self/status", &body), 200);
	assert_non_null(strstr(body.p, "\nUid:\t200001\t200001\t200001\t200001\n"));
	assert_non_null(strstr(body.p, "\nGroups:\t \n"));
	assert_non_null(strstr(body.p, "\nCapBnd:\t0000000000000000\n"));
	assert_non_null(strstr(body.p, "\nCapEff:\t0000000000000000\n"));
	assert_non_null(strstr(body.p, "\nNoNewPrivs:\t1\n"));
	assert_non_null(strstr(body.p, "\nSeccomp:\t2\n"));
	assert_int_equal(case_get("10.213.0.1", "/fork", &body), 200);
	assert_true(atoi(buf_str(&body)) < 32);
	assert_int_equal(case_get("10.213.0.1", "/cat/etc/resolv.conf", &body), 200);
	assert_string_equal(buf_str(&body), "nameserver 169.254.77.1\noptions timeout:2 attempts:2\n");
	assert_int_equal(case_get("10.213.0.1", "/cat/proc/1/root/../run/node.sock", &body), 200);
	assert_string_equal(buf_str(&body), "error: No such file or directory\n");
}

/* The socket. */

static bool closes(int fd)
{
	char byte;
	struct pollfd p = {fd, POLLIN, 0};
	return poll(&p, 1, 5000) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

static int as_stranger(void *arg)
{
	const struct node_case *c = arg;
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	(void)snprintf(a.sun_path, sizeof a.sun_path, "%s/run/node.sock", c->env.home);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setgid(65534) != 0 || setuid(65534) != 0)
		return 1;
	if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
		return errno == EACCES ? 0 : 2;
	return closes(fd) ? 0 : 3;
}

static void bad_frames_and_strangers_lose_their_connection(void **state)
{
	struct node_case *c = *state;
	static const char *const bad[] = {"\xff\xff\xff\xff", "\0\0\0\x02[]", "\0\0\0\x03{x}", "\0\0\0\x0d{\"a\":1,\"a\":2}"};
	static const size_t sizes[] = {4, 6, 7, 17};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int fd = case_connect(c);
		assert_int_equal(send(fd, bad[i], sizes[i], MSG_NOSIGNAL), sizes[i]);
		assert_true(closes(fd));
		(void)close(fd);
	}
	AUTO_FREE char *path = xprintf("%s/run/node.sock", c->env.home);
	assert_int_equal(env_in(NULL, as_stranger, c), 0);
	assert_int_equal(chmod(path, 0666), 0); /* the peer's credentials count, not only the mode */
	assert_int_equal(env_in(NULL, as_stranger, c), 0);
	json_t *about = NULL;
	struct err e = ERR_INIT;
	must(node_ping(c->node, &about, &e), e);
	json_decref(about);
}

static void watchers_hear_of_changes(void **state)
{
	struct node_case *c = *state;
	struct err e = ERR_INIT;
	AUTO_FREE char *path = xprintf("%s/run/node.sock", c->env.home);
	const struct node_opts o = {.socket = path, .call_ms = 5000};
	struct node *watcher = node_new(&o);
	int fd;
	must(node_watch(watcher, &fd, &e), e);
	struct instance_spec s = case_spec(c, ONE, (const char *const[]){"DIE=1", NULL});
	AUTO_ARENA struct arena a = ARENA_INIT;
	const char *key = NULL;
	case_ensure(c, &s);
	struct pollfd p = {fd, POLLIN, 0};
	while (!key || !*key) { /* the gateway's start may be told first */
		assert_int_equal(poll(&p, 1, 5000), 1);
		must(node_watch_next(watcher, &a, &key, &e), e);
	}
	assert_string_equal(key, KEY);
	(void)case_wait(c, ONE, INST_FAILED);
	do
		must(node_watch_next(watcher, &a, &key, &e), e);
	while (key);
	node_free(watcher);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, case_setup, case_teardown_free)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(stale_epochs_are_refused_by_this_node_and_the_next),
		CASE(another_spec_or_key_under_a_name_is_a_conflict),
		CASE(routes_name_known_instances_and_our_hosts),
		CASE(a_switch_is_refused_when_what_is_beside_is_none),
		CASE(images_that_are_not_what_they_say_are_refused),
		CASE(layers_that_reach_out_are_refused_or_stay_inside),
		CASE(later_layers_remove_files_of_earlier_ones),
		CASE(a_hostile_program_gets_nowhere),
		CASE(bad_frames_and_strangers_lose_their_connection),
		CASE(watchers_hear_of_changes),
	};
	return cmocka_run_group_tests(tests, case_group_setup, case_group_teardown);
}
