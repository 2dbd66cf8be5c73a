/* fn.conf: defaults, what derives from what, and mistakes with their line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/fs.h"

struct home {
	struct arena a;
	char *dir;
	struct conf c;
	struct err e;
};

static int open_home(void **state)
{
	struct home *h = xcalloc(1, sizeof *h);
	const char *tmp = getenv("TMPDIR");
	h->dir = arena_printf(&h->a, "%s/conf.XXXXXX", tmp && *tmp ? tmp : "/var/tmp");
	*state = h;
	return mkdtemp(h->dir) ? 0 : -1;
}

static int close_home(void **state)
{
	struct home *h = *state;
	enum err_class c = fs_remove_tree(h->dir, &h->e);
	arena_release(&h->a);
	free(h);
	return c;
}

static enum err_class load(struct home *h, const char *text)
{
	const char *path = arena_printf(&h->a, "%s/fn.conf", h->dir);
	assert_int_equal(fs_write_atomic(path, text, strlen(text), 0644, false, &h->e), OK);
	return conf_load(h->dir, &h->a, &h->c, &h->e);
}

static void no_file_gives_the_defaults(void **state)
{
	struct home *h = *state;
	assert_int_equal(conf_load(h->dir, &h->a, &h->c, &h->e), OK);
	const struct conf *c = &h->c;
	assert_string_equal(c->home, h->dir);
	assert_string_equal(c->instance, "fn");
	assert_string_equal(c->listen, "127.0.0.1");
	assert_int_equal(c->api_port, 7300);
	assert_int_equal(c->registry_port, 7350);
	assert_int_equal(c->gateway_port, 7380);
	assert_int_equal(c->collect_interval_ms, 3600 * 1000);
	assert_int_equal(c->collect_grace_ms, 600 * 1000);
	assert_string_equal(c->subnet, "10.214.0.0");
	assert_string_equal(c->link_address, "169.254.1.1");
	assert_string_equal(c->cgroup_parent, "/fn");
	assert_string_equal(c->domain, "fn.localhost");
	assert_string_equal(c->image_template, "functions/{project}/{name}:v{n}");
	assert_string_equal(c->registry_url, "http://127.0.0.1:7350");
	assert_string_equal(c->database, arena_printf(&h->a, "host=%s/run/postgresql dbname=fn user=fn", h->dir));
	assert_string_equal(c->registry_auth_file, arena_printf(&h->a, "%s/secrets/registry", h->dir));
	assert_int_equal(c->uid_base, 200000);
	assert_int_equal(c->workers, 4);
	assert_string_equal(conf_path(c, &h->a, "run/x"), arena_printf(&h->a, "%s/run/x", h->dir));
}

static void what_derives_follows_what_is_given(void **state)
{
	struct home *h = *state;
	assert_int_equal(load(h, "# ours\n\n  instance = t7 \nregistry_port=21071\nuser = nosuchuser\n"), OK);
	assert_string_equal(h->c.instance, "t7");
	assert_string_equal(h->c.cgroup_parent, "/t7");
	assert_string_equal(h->c.registry_url, "http://127.0.0.1:21071");
	assert_true(h->c.user_uid == (uid_t)-1);
	assert_true(h->c.user_gid == (gid_t)-1);
	assert_int_equal(load(h, "user = nobody\nregistry_url = https://r.example\ncgroup_parent = /a/b\ndatabase = host=/x\n"), OK);
	assert_int_equal(h->c.user_uid, 65534);
	assert_string_equal(h->c.registry_url, "https://r.example");
	assert_string_equal(h->c.cgroup_parent, "/a/b");
	assert_string_equal(h->c.database, "host=/x"); /* a value may have = in it */
}

static void the_last_of_two_counts(void **state)
{
	struct home *h = *state;
	assert_int_equal(load(h, "workers = 2\nworkers = 8\r\n"), OK);
	assert_int_equal(h->c.workers, 8);
	assert_int_equal(load(h, "collect_interval = 90m\ncollect_grace = 5s\n"), OK);
	assert_int_equal(h->c.collect_interval_ms, 90 * 60 * 1000);
	assert_int_equal(h->c.collect_grace_ms, 5000);
	assert_int_equal(load(h, "workers = 3"), OK); /* without a line's end */
	assert_int_equal(h->c.workers, 3);
}

static void mistakes_name_their_line(void **state)
{
	struct home *h = *state;
	static const struct {
		const char *text, *reason, *says;
	} rows[] = {
		{"api_prot = 1\n", "UnknownField", "fn.conf:1: unknown key \"api_prot\""},
		{"\n# x\napi_port\n", "InvalidValue", "fn.conf:3: expected"},
		{"api_port = \n", "InvalidValue", "api_port must be a number from 1 to 65535"},
		{"api_port = 0\n", "InvalidValue", "fn.conf:1"},
		{"api_port = 65536\n", "InvalidValue", "fn.conf:1"},
		{"api_port = 80x\n", "InvalidValue", "fn.conf:1"},
		{"api_port = 99999999999999999999\n", "InvalidValue", "fn.conf:1"},
		{"workers = 65\n", "InvalidValue", "from 1 to 64"},
		{"uid_base = 1000\n", "InvalidValue", "uid_base"},
		{"collect_interval = 9s\n", "InvalidValue", "collect_interval must be a duration from 10s to 1000h"},
		{"collect_interval = 1001h\n", "InvalidValue", "collect_interval"},
		{"collect_grace = 10\n", "InvalidValue", "collect_grace must be a duration from 1s"},
		{"collect_grace = -1s\n", "InvalidValue", "collect_grace"},
		{"collect_grace = 1 m\n", "InvalidValue", "collect_grace"},
		{"instance = UPPER\n", "InvalidValue", "fn.conf:1: instance"},
		{"instance = toolong\n", "InvalidValue", "instance"},
		{"instance =\n", "InvalidValue", "instance"},
		{"instance = a/b\n", "InvalidValue", "instance"},
		{"user =\n", "InvalidValue", "user"},
		{"domain =\n", "InvalidValue", "domain"},
		{"subnet = 10.214.0\n", "InvalidValue", "subnet"},
		{"link_address = here\n", "InvalidValue", "link_address"},
		{"listen = localhost\n", "InvalidValue", "listen"},
		{"cgroup_parent = fn\n", "InvalidValue", "cgroup_parent"},
		{"cgroup_parent = /a/../b\n", "InvalidValue", "cgroup_parent"},
	};
	const struct conf before = h->c;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (load(h, rows[i].text) != INVALID)
			fail_msg("\"%s\" was taken", rows[i].text);
		assert_string_equal(h->e.reason, rows[i].reason);
		if (!strstr(h->e.msg, rows[i].says))
			fail_msg("\"%s\" does not say \"%s\"", h->e.msg, rows[i].says);
		assert_memory_equal(&h->c, &before, sizeof before);
	}
}

static void where_home_is(void **state)
{
	struct home *h = *state;
	assert_int_equal(setenv("FN_HOME", h->dir, 1), 0);
	assert_int_equal(conf_load(NULL, &h->a, &h->c, &h->e), OK);
	assert_string_equal(h->c.home, h->dir);
	assert_int_equal(setenv("FN_HOME", "relative/path", 1), 0);
	assert_int_equal(conf_load(NULL, &h->a, &h->c, &h->e), INVALID);
	assert_string_equal(h->e.reason, "InvalidValue");
	assert_int_equal(unsetenv("FN_HOME"), 0);
}

/* The defaults may be another installation's. */
static void what_cannot_be_read_is_not_absent(void **state)
{
	struct home *h = *state;
	assert_int_equal(load(h, "workers = 2\n"), OK);
	const char *no_directory = arena_printf(&h->a, "%s/fn.conf", h->dir);
	assert_int_equal(conf_load(no_directory, &h->a, &h->c, &h->e), TRANSIENT);
	assert_non_null(strstr(h->e.msg, "fn.conf/fn.conf"));
}

static void a_file_that_is_too_large(void **state)
{
	struct home *h = *state;
	AUTO_FREE char *text = xmalloc(70001);
	memset(text, '#', 70000);
	text[70000] = '\0';
	assert_int_equal(load(h, text), INVALID);
	assert_string_equal(h->e.reason, "TooLarge");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_home, close_home)
		CASE(no_file_gives_the_defaults),
		CASE(what_derives_follows_what_is_given),
		CASE(the_last_of_two_counts),
		CASE(mistakes_name_their_line),
		CASE(where_home_is),
		CASE(what_cannot_be_read_is_not_absent),
		CASE(a_file_that_is_too_large),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
