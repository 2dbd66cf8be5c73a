/* The OCI bundle of an instance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fs.h"
#include "node/bundle.h"

static const char *const command[] = {"/app/main", "--port", "8080", NULL};
static const char *const image_env[] = {"PATH=/opt/bin", "LANG=C", "not a variable", NULL};
static const char *const env[] = {"LANG=C.UTF-8", "SECRET=hunter2", "PORT=1", NULL};

static struct bundle bundle(void)
{
	return (struct bundle){.name = "1a2b3c4d5e6f-0", .command = command, .image_env = image_env, .env = env, .workdir = "/app",
			       .netns = "/run/netns/fn-5", .cgroup = "/fn/1a2b3c4d5e6f-0", .address = "10.214.0.5", .nameserver = "169.254.1.1",
			       .uid = 200005, .port = 8080, .memory_bytes = 128 << 20, .cpu_millis = 250, .pids = 64, .seccomp = NULL};
}

static bool has(const json_t *array, const char *text)
{
	size_t i;
	json_t *v;
	json_array_foreach(array, i, v)
		if (json_is_string(v) && strcmp(json_string_value(v), text) == 0)
			return true;
	return false;
}

static const json_t *by_member(const json_t *array, const char *member, const char *value)
{
	size_t i;
	json_t *v;
	json_array_foreach(array, i, v)
		if (strcmp(json_str_or(v, member, ""), value) == 0)
			return v;
	return NULL;
}

static void the_process_is_nobody_with_nothing(void **state)
{
	(void)state;
	const struct bundle b = bundle();
	AUTO_JSON json_t *j = bundle_config(&b);
	const json_t *p = json_object_get(j, "process"), *capabilities = json_object_get(p, "capabilities");
	assert_int_equal(json_int_or(json_object_get(p, "user"), "uid", 0), 200005);
	assert_int_equal(json_int_or(json_object_get(p, "user"), "gid", 0), 200005);
	assert_true(json_bool_or(p, "noNewPrivileges", false));
	static const char *const sets[] = {"bounding", "effective", "inheritable", "permitted", "ambient"};
	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		assert_true(json_is_array(json_object_get(capabilities, sets[i])));
		assert_int_equal(json_array_size(json_object_get(capabilities, sets[i])), 0);
	}
	assert_null(json_object_get(p, "rlimits")); /* not every machine lets root raise or set them */
	assert_null(json_object_get(p, "oomScoreAdj"));
	assert_true(json_bool_or(json_object_get(j, "root"), "readonly", false));
}

static void variables_of_the_function_win_and_the_port_wins_over_all(void **state)
{
	(void)state;
	const struct bundle b = bundle();
	AUTO_JSON json_t *j = bundle_config(&b);
	const json_t *e = json_object_get(json_object_get(j, "process"), "env");
	static const char *const want[] = {"PATH=/opt/bin", "HOME=/tmp", "LANG=C.UTF-8", "SECRET=hunter2", "PORT=8080"};
	assert_int_equal(json_array_size(e), ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		assert_true(has(e, want[i]));
}

static void limits_and_namespaces_are_set(void **state)
{
	(void)state;
	struct bundle b = bundle();
	AUTO_JSON json_t *j = bundle_config(&b);
	const json_t *l = json_object_get(j, "linux"), *r = json_object_get(l, "resources"), *ns = json_object_get(l, "namespaces");
	assert_int_equal(json_int_or(json_object_get(r, "memory"), "limit", 0), 128 << 20);
	assert_int_equal(json_int_or(json_object_get(r, "memory"), "swap", 0), 128 << 20); /* memory and swap together */
	assert_int_equal(json_int_or(json_object_get(r, "cpu"), "quota", 0), 25000);
	assert_int_equal(json_int_or(json_object_get(r, "cpu"), "period", 0), 100000);
	assert_int_equal(json_int_or(json_object_get(r, "pids"), "limit", 0), 64);
	static const char *const types[] = {"pid", "ipc", "uts", "mount", "network"};
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		assert_non_null(by_member(ns, "type", types[i]));
	assert_string_equal(json_str_or(by_member(ns, "type", "network"), "path", ""), "/run/netns/fn-5");
	assert_null(by_member(ns, "type", "cgroup"));
	b.cgroup_v2 = true;
	AUTO_JSON json_t *v2 = bundle_config(&b);
	assert_non_null(by_member(json_object_get(json_object_get(v2, "linux"), "namespaces"), "type", "cgroup"));
	assert_true(has(json_object_get(l, "maskedPaths"), "/proc/kcore"));
	assert_true(has(json_object_get(l, "readonlyPaths"), "/proc/sys"));
	const json_t *mounts = json_object_get(j, "mounts");
	assert_null(by_member(mounts, "type", "bind"));
	assert_null(by_member(mounts, "type", "sysfs"));
	assert_true(has(json_object_get(by_member(mounts, "destination", "/tmp"), "options"), "nosuid"));
}

static void text_that_is_not_utf8_gives_no_bundle(void **state)
{
	(void)state;
	static const char *const broken[] = {"/app/\xff", NULL};
	struct bundle b = bundle();
	struct err e = ERR_INIT;
	char dir[] = "/tmp/fn-bundle.XXXXXX";
	assert_non_null(mkdtemp(dir));
	b.command = broken;
	if (bundle_write(&b, dir, &e) == OK) { /* left out, or refused: never something else */
		AUTO_JSON json_t *j = bundle_config(&b);
		assert_int_equal(json_array_size(json_object_get(json_object_get(j, "process"), "args")), 0);
	} else {
		assert_string_equal(e.reason, "StartFailed");
	}
	err_ignore(fs_remove_tree(dir, NULL)); /* a temporary directory */
}

static void assert_file(const char *dir, const char *name, const char *part, mode_t mode)
{
	AUTO_FREE char *path = xprintf("%s/%s", dir, name);
	AUTO_BUF struct buf text = BUF_INIT(1 << 20);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
	assert_int_equal(fs_read(path, &text, NULL), OK);
	assert_non_null(strstr(buf_str(&text), part));
}

static void files_tell_the_program_where_it_is(void **state)
{
	(void)state;
	char dir[] = "/tmp/fn-bundle.XXXXXX";
	const struct bundle b = bundle();
	struct err e = ERR_INIT;
	struct stat st;
	assert_non_null(mkdtemp(dir));
	for (int twice = 0; twice < 2; twice++)
		if (bundle_write(&b, dir, &e) != OK)
			fail_msg("%s", e.msg);
	assert_file(dir, "config.json", "hunter2", 0600); /* the environment may be secret */
	assert_file(dir, "top/etc/resolv.conf", "nameserver 169.254.1.1\n", 0644);
	assert_file(dir, "top/etc/hosts", "10.214.0.5 1a2b3c4d5e6f-0\n", 0644);
	assert_file(dir, "top/etc/passwd", "fn:x:200005:200005:", 0644);
	AUTO_FREE char *tmp = xprintf("%s/top/tmp", dir);
	assert_int_equal(stat(tmp, &st), 0);
	assert_int_equal(st.st_mode & 07777, 01777);
	err_ignore(fs_remove_tree(dir, NULL)); /* a temporary directory */
}

static void unmounting_what_is_not_mounted_is_fine(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	assert_int_equal(bundle_unmount("/nonexistent", &e), OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_process_is_nobody_with_nothing),
		cmocka_unit_test(variables_of_the_function_win_and_the_port_wins_over_all),
		cmocka_unit_test(limits_and_namespaces_are_set),
		cmocka_unit_test(text_that_is_not_utf8_gives_no_bundle),
		cmocka_unit_test(files_tell_the_program_where_it_is),
		cmocka_unit_test(unmounting_what_is_not_mounted_is_fine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
