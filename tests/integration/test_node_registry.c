/* fn-node collects the garbage of a real docker-registry under a real supervisor, as deploy/up makes them. */
#include "node_case.h"
#include "registry_case.h"

#include <dirent.h>
#include <sys/prctl.h>

#define USER "www-data" /* an unprivileged user that every Debian has */
enum { PORT = 17350, BIG = 1 << 20, COLLECT_MS = 60000 };

struct test {
	struct node_case c;
	struct fixture f; /* its arena and cache */
	struct registry *r;
	pid_t supervisor;
	char *service, *data, *marker;
};

static int supervise(void *arg)
{
	const struct test *t = arg;
	AUTO_FREE char *sv = xprintf("%s/sv", t->c.env.home);
	(void)prctl(PR_SET_PDEATHSIG, SIGHUP); /* with which it ends its services */
	(void)execlp("runsvdir", "runsvdir", "-P", sv, (char *)NULL);
	return 127;
}

static bool up(void)
{
	int fd = env_connect("127.0.0.1", PORT, 1000);
	if (fd >= 0)
		(void)close(fd);
	return fd >= 0;
}

static void wait_up(void)
{
	for (int64_t until = clock_mono_ms() + READY_MS; !up(); (void)poll(NULL, 0, 5))
		if (clock_mono_ms() > until)
			fail_msg("the registry is not up");
}

static int set_up_node(void **state)
{
	struct test *t = xcalloc(1, sizeof *t);
	struct err e = ERR_INIT;
	*state = t;
	case_open(&t->c, "/bin/true"); /* no instance is started */
	AUTO_FREE char *path = xprintf("%s/fn.conf", t->c.env.home);
	AUTO_BUF struct buf conf = BUF_INIT(4096);
	must(fs_read(path, &conf, &e), e);
	AUTO_FREE char *text = xprintf("%suser = " USER "\nregistry_port = %d\n", buf_str(&conf), PORT);
	must(fs_write_atomic(path, text, strlen(text), 0644, false, &e), e);
	t->service = xprintf("%s/sv/registry", t->c.env.home);
	t->data = xprintf("%s/registry", t->c.env.home);
	t->marker = xprintf("%s/node/registry-stopped", t->c.env.home);
	case_signal(&t->c, SIGTERM);
	case_start(&t->c);
	return 0;
}

static int set_up(void **state)
{
	struct err e = ERR_INIT;
	(void)set_up_node(state);
	struct test *t = *state;
	AUTO_FREE char *port = xprintf("%d", PORT), *url = xprintf("http://127.0.0.1:%d", PORT);
	must(proc_run((const char *const[]){"bash", support(&t->f, "supervised_registry.sh"), t->c.env.home, USER, port, NULL}, NULL, 30000,
		      NULL, &e), e);
	t->supervisor = env_start(NULL, supervise, t);
	wait_up();
	t->f.cache.dir = arena_printf(&t->f.a, "%s/pulled", t->c.env.home);
	must(cache_init(&t->f.cache, &e), e);
	t->r = client(arena_strdup(&t->f.a, url), arena_printf(&t->f.a, "%s/secrets/registry", t->c.env.home), CALL_MS);
	return 0;
}

static int tear_down(void **state)
{
	struct test *t = *state;
	struct err e = ERR_INIT;
	registry_free(t->r);
	if (t->supervisor) {
		/* Its services end with it only after it has gone: wait for them here. */
		must(proc_run((const char *const[]){"sv", "-w", "30", "force-shutdown", t->service, NULL}, NULL, 60000, NULL, &e), e);
		(void)kill(t->supervisor, SIGHUP);
		assert_int_equal(waitpid(t->supervisor, NULL, 0), t->supervisor);
	}
	arena_release(&t->f.a);
	free(t->service);
	free(t->data);
	free(t->marker);
	case_close(&t->c);
	free(t);
	return 0;
}

static struct registry_collection ask(struct test *t, const char *id)
{
	struct registry_collection now;
	struct err e = ERR_INIT;
	must(node_collect_registry(t->c.node, &case_fence, id, &t->c.arena, &now, &e), e);
	return now;
}

static struct registry_collection collect(struct test *t, const char *id)
{
	struct registry_collection now = ask(t, id);
	for (int64_t until = clock_mono_ms() + COLLECT_MS; now.state == COLLECT_RUNNING; now = ask(t, id)) {
		if (clock_mono_ms() > until)
			fail_msg("the collection does not end");
		(void)poll(NULL, 0, 5);
	}
	return now;
}

static void collected(struct test *t, const char *id)
{
	struct registry_collection now = collect(t, id);
	if (now.state != COLLECT_DONE)
		fail_msg("%s", now.message);
	assert_true(up());
	assert_false(fs_exists(t->marker));
}

static uint64_t bytes(const struct test *t)
{
	AUTO_FREE char *blobs = xprintf("%s/docker/registry/v2/blobs", t->data);
	struct err e = ERR_INIT;
	uint64_t n = 0;
	must(fs_tree_bytes(blobs, &n, &e), e);
	return n;
}

/* An image with a layer of its own of BIG bytes. */
static struct digest big_image(struct test *t, int seed, const struct digest *base)
{
	char *layer = xmalloc(BIG + 1);
	for (size_t i = 0; i < BIG; i++)
		layer[i] = (char)('a' + (i * 2654435761U + (unsigned)seed) % 23);
	layer[BIG] = '\0';
	struct digest d = make_image(&t->f, layer, base);
	free(layer);
	return d;
}

static bool there(struct test *t, const char *repo, const struct digest *image)
{
	struct digest found;
	struct err e = ERR_INIT;
	char text[DIGEST_TEXT];
	bool is = false;
	must(registry_head(t->r, repo, digest_text(image, text), &is, &found, &e), e);
	return is;
}

static void pulls(struct test *t, const char *repo, const struct digest *image)
{
	struct err e = ERR_INIT;
	const struct cache fresh_one = {arena_printf(&t->f.a, "%s/pulled-%lld", t->c.env.home, (long long)clock_mono_ms())};
	must(fs_remove_tree(fresh_one.dir, &e), e);
	must(cache_init(&fresh_one, &e), e);
	must(registry_pull(t->r, repo, image, &fresh_one, &e), e);
}

static void push(struct test *t, const char *repo, const char *tag, const struct digest *image)
{
	struct err e = ERR_INIT;
	must(registry_push(t->r, repo, tag, "base/test", image, &t->f.cache, &e), e);
}

static void deleted_images_give_their_room_back(void **state)
{
	struct test *t = *state;
	struct err e = ERR_INIT;
	AUTO_BUF struct buf strangers = BUF_INIT(4096);
	struct digest base = big_image(t, 1, NULL), old = big_image(t, 2, &base), new = big_image(t, 3, &base), gone = big_image(t, 4, &base);
	push(t, "base/test", "v1", &base);
	push(t, "functions/hello", "v1", &old);
	push(t, "functions/hello", "v2", &new);
	push(t, "functions/gone", "v1", &gone);
	push(t, "functions/half", "v1", &new);
	AUTO_FREE char *half = xprintf("%s/docker/registry/v2/repositories/functions/half/_manifests", t->data);
	must(fs_remove_tree(half, &e), e); /* as if the first push had ended before its manifest */
	uint64_t before = bytes(t);
	collected(t, "nothing-to-do");
	assert_int_equal(bytes(t), before);
	must(registry_delete(t->r, "functions/hello", &old, &e), e);
	must(registry_delete(t->r, "functions/gone", &gone, &e), e); /* nothing is left in that repository */
	assert_int_equal(bytes(t), before);

	struct registry_collection done = collect(t, "c.1");
	assert_int_equal(done.state, COLLECT_DONE);
	assert_in_range(done.freed_bytes, 2 * BIG, 2 * BIG + BIG / 2);
	assert_in_range(bytes(t), before - 2 * BIG - BIG / 2, before - 2 * BIG);
	assert_false(there(t, "functions/hello", &old));
	assert_false(there(t, "functions/gone", &gone));
	pulls(t, "functions/hello", &new);
	pulls(t, "base/test", &base);
	assert_int_equal(ask(t, "c.1").freed_bytes, done.freed_bytes); /* over is over */
	must(proc_run((const char *const[]){"find", t->data, "!", "-user", USER, NULL}, NULL, 10000, &strangers, &e), e);
	assert_string_equal(buf_str(&strangers), "");

	push(t, "functions/hello", "v1", &old); /* what has gone can come again */
	push(t, "functions/gone", "v1", &gone);
	assert_true(there(t, "functions/hello", &old));
	pulls(t, "functions/hello", &old);
	pulls(t, "functions/gone", &gone);
	done = collect(t, "c.2");
	assert_int_equal(done.state, COLLECT_DONE);
	assert_true(done.freed_bytes < BIG);
	pulls(t, "functions/gone", &gone);
}

/* A process by what its arguments hold, and by its user; 0: none. */
static pid_t find_process(const char *what, uid_t uid)
{
	DIR *d = opendir("/proc");
	pid_t found = 0;
	assert_non_null(d);
	for (struct dirent *ent; !found && (ent = readdir(d)) != NULL;) {
		AUTO_FREE char *path = xprintf("/proc/%s/cmdline", ent->d_name), *dir = xprintf("/proc/%s", ent->d_name);
		AUTO_BUF struct buf args = BUF_INIT(65536);
		struct stat st;
		if (ent->d_name[0] < '1' || ent->d_name[0] > '9' || fs_read(path, &args, NULL) || stat(dir, &st) != 0 || st.st_uid != uid)
			continue;
		for (size_t i = 0; i < args.len; i++)
			if (!args.p[i])
				args.p[i] = ' ';
		if (strstr(buf_str(&args), what))
			found = (pid_t)strtol(ent->d_name, NULL, 10);
	}
	(void)closedir(d);
	return found;
}

enum { USER_UID = 33 };

static pid_t collecting(const struct test *t)
{
	AUTO_FREE char *what = xprintf("docker-registry garbage-collect %s/", t->c.env.home);
	return find_process(what, USER_UID);
}

/* Begins collections until one is caught, and stopped, in the middle. Its process; the id is that of the last one. */
static pid_t catch_one(struct test *t, char id[32])
{
	for (int n = 0;; n++) {
		(void)snprintf(id, 32, "caught-%d", n);
		while (ask(t, id).state == COLLECT_RUNNING) {
			pid_t pid = collecting(t);
			if (pid && kill(pid, SIGSTOP) == 0) {
				assert_true(fs_exists(t->marker));
				assert_false(up());
				return pid;
			}
		}
		assert_true(n < 50);
	}
}

static void wait_for_end(pid_t pid)
{
	int64_t until = clock_mono_ms() + READY_MS;
	while (kill(pid, 0) == 0 && clock_mono_ms() < until)
		(void)poll(NULL, 0, 2);
	assert_int_equal(kill(pid, 0), -1);
}

static pid_t parent_of(pid_t pid)
{
	AUTO_FREE char *path = xprintf("/proc/%d/status", (int)pid);
	AUTO_BUF struct buf text = BUF_INIT(16384);
	struct err e = ERR_INIT;
	must(fs_read(path, &text, &e), e);
	return (pid_t)strtol(strstr(buf_str(&text), "\nPPid:") + 6, NULL, 10);
}

static void a_collection_that_is_killed_leaves_the_registry_up(void **state)
{
	struct test *t = *state;
	struct digest image = big_image(t, 1, NULL);
	char id[32];
	push(t, "functions/hello", "v1", &image);
	pid_t gc = catch_one(t, id);
	assert_int_equal(ask(t, "another").state, COLLECT_RUNNING);
	pid_t child = parent_of(gc);
	assert_int_equal(parent_of(child), t->c.pid);
	assert_int_equal(kill(child, SIGKILL), 0); /* as its deadline does */
	struct registry_collection now = collect(t, id);
	assert_int_equal(now.state, COLLECT_FAILED);
	assert_string_equal(now.message, "it was ended before it was over");
	wait_for_end(gc); /* it must not sweep under a registry that runs */
	assert_true(up());
	assert_false(fs_exists(t->marker));
	pulls(t, "functions/hello", &image);
	collected(t, "again");
}

static void the_next_node_brings_the_registry_up_again(void **state)
{
	struct test *t = *state;
	struct digest image = big_image(t, 1, NULL);
	char id[32];
	push(t, "functions/hello", "v1", &image);
	pid_t gc = catch_one(t, id);
	case_signal(&t->c, SIGKILL);
	wait_for_end(gc);
	assert_false(up());
	assert_true(fs_exists(t->marker));
	case_start(&t->c);
	wait_up();
	struct registry_collection now = collect(t, id);
	assert_int_equal(now.state, COLLECT_FAILED);
	assert_string_equal(now.message, "fn-node ended while it was under way");
	assert_false(fs_exists(t->marker));
	pulls(t, "functions/hello", &image);
	collected(t, "again");
}

static void a_collection_that_fails_says_why_and_leaves_the_registry_up(void **state)
{
	struct test *t = *state;
	struct err e = ERR_INIT;
	struct digest image = big_image(t, 1, NULL);
	char hex[DIGEST_HEX];
	push(t, "functions/hello", "v1", &image);
	digest_hex(&image, hex);
	AUTO_FREE char *path = xprintf("%s/docker/registry/v2/blobs/sha256/%.2s/%s/data", t->data, hex, hex);
	must(fs_write_atomic(path, "{", 1, 0644, false, &e), e);
	assert_int_equal(chown(path, USER_UID, USER_UID), 0);
	struct registry_collection now = collect(t, "broken");
	assert_int_equal(now.state, COLLECT_FAILED);
	assert_non_null(strstr(now.message, "ended with 1"));
	assert_true(up());
	assert_false(fs_exists(t->marker));
	assert_int_equal(ask(t, "broken").state, COLLECT_FAILED);
}

static void a_registry_that_somebody_stopped_stays_so(void **state)
{
	struct test *t = *state;
	struct err e = ERR_INIT;
	must(proc_run((const char *const[]){"sv", "-w", "20", "down", t->service, NULL}, NULL, 30000, NULL, &e), e);
	struct registry_collection now = collect(t, "stopped");
	assert_int_equal(now.state, COLLECT_FAILED);
	assert_string_equal(now.message, "the registry does not run");
	assert_false(up());
	assert_false(fs_exists(t->marker));
	case_signal(&t->c, SIGKILL);
	case_start(&t->c);
	assert_false(up());
}

static void without_a_registry_there_is_nothing_to_collect(void **state)
{
	struct test *t = *state;
	struct err e = ERR_INIT;
	struct registry_collection now;
	assert_int_equal(ask(t, "any").state, COLLECT_NO_REGISTRY);
	const struct fence stale = {KEY, 6};
	assert_int_equal(node_collect_registry(t->c.node, &stale, "any", &t->c.arena, &now, &e), CONFLICT);
	assert_string_equal(e.reason, "StaleEpoch");
	static const char *const bad[] = {"", "a b", "../x", "a/b", "a\n", "01234567890123456789012345678901234567890123456789012345678901234"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(node_collect_registry(t->c.node, &case_fence, bad[i], &t->c.arena, &now, &e), INVALID);
		assert_string_equal(e.reason, "BadRequest");
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(deleted_images_give_their_room_back),
		CASE(a_collection_that_is_killed_leaves_the_registry_up),
		CASE(the_next_node_brings_the_registry_up_again),
		CASE(a_collection_that_fails_says_why_and_leaves_the_registry_up),
		CASE(a_registry_that_somebody_stopped_stays_so),
		cmocka_unit_test_setup_teardown(without_a_registry_there_is_nothing_to_collect, set_up_node, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
