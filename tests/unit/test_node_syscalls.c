/* The seccomp profile that instances get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "node/syscalls.h"

static const struct syscalls_machine machine = {"amd64", "SCMP_ARCH_X86_64", 6, 1};

static json_t *convert(const char *rules)
{
	struct err e = ERR_INIT;
	AUTO_FREE char *text = xprintf("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,\"syscalls\":[%s]}", rules);
	AUTO_JSON json_t *profile = NULL;
	json_t *out = NULL;
	assert_int_equal(json_parse(text, strlen(text), &profile, &e), OK);
	assert_int_equal(syscalls_convert(profile, &machine, &out, &e), OK);
	return out;
}

/* The action of the first rule without arguments that names the call; "" when none does. */
static const char *plain_action(const json_t *profile, const char *name)
{
	size_t i, k;
	json_t *rule, *n;
	json_array_foreach(json_object_get(profile, "syscalls"), i, rule)
		if (json_array_size(json_object_get(rule, "args")) == 0)
			json_array_foreach(json_object_get(rule, "names"), k, n)
				if (strcmp(json_string_value(n), name) == 0)
					return json_str_or(rule, "action", "?");
	return "";
}

static bool allowed(const json_t *profile, const char *name) { return strcmp(plain_action(profile, name), "SCMP_ACT_ALLOW") == 0; }

static void rules_are_decided_for_this_machine_without_capabilities(void **state)
{
	(void)state;
	AUTO_JSON json_t *p = convert(
		"{\"names\":[\"read\",\"write\"],\"action\":\"SCMP_ACT_ALLOW\"},"
		"{\"names\":[\"with_cap\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}},"
		"{\"names\":[\"without_cap\"],\"action\":\"SCMP_ACT_ALLOW\",\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}},"
		"{\"names\":[\"ours\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"arches\":[\"arm64\",\"amd64\"]}},"
		"{\"names\":[\"theirs\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"arches\":[\"arm64\"]}},"
		"{\"names\":[\"not_ours\"],\"action\":\"SCMP_ACT_ALLOW\",\"excludes\":{\"arches\":[\"amd64\"]}},"
		"{\"names\":[\"old_enough\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"minKernel\":\"4.8\"}},"
		"{\"names\":[\"too_new\"],\"action\":\"SCMP_ACT_ALLOW\",\"includes\":{\"minKernel\":\"6.2\"}}");
	static const char *const yes[] = {"read", "write", "without_cap", "ours", "old_enough"};
	static const char *const no[] = {"with_cap", "theirs", "not_ours", "too_new", "unheard_of"};
	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		assert_true(allowed(p, yes[i]));
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		assert_string_equal(plain_action(p, no[i]), "");
	assert_int_equal(json_int_or(p, "defaultErrnoRet", 0), 38);
	assert_int_equal(json_array_size(json_object_get(p, "architectures")), 1);
}

static void what_a_function_has_no_business_with_is_refused_whatever_the_profile_says(void **state)
{
	(void)state;
	AUTO_JSON json_t *p = convert("{\"names\":[\"ptrace\",\"mount\",\"bpf\",\"keyctl\",\"unshare\",\"io_uring_setup\",\"socket\",\"clone\","
				      "\"clone3\",\"read\"],\"action\":\"SCMP_ACT_ALLOW\"}");
	static const char *const no[] = {"ptrace", "mount", "bpf", "keyctl", "unshare", "io_uring_setup", "process_vm_readv", "setns",
					 "open_tree", "move_mount", "userfaultfd", "perf_event_open", "clone3"};
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		assert_string_equal(plain_action(p, no[i]), "SCMP_ACT_ERRNO");
	assert_string_equal(plain_action(p, "socket"), ""); /* by argument only */
	assert_string_equal(plain_action(p, "clone"), "");
	assert_true(allowed(p, "read"));
}

/* Would the call with these arguments be allowed? As the kernel's filter: any rule whose comparisons all hold. */
static bool call_allowed(const json_t *p, const char *name, const uint64_t args[3])
{
	size_t i, k, n;
	json_t *rule, *arg, *item;
	json_array_foreach(json_object_get(p, "syscalls"), i, rule) {
		bool named = false, holds = true;
		json_array_foreach(json_object_get(rule, "names"), n, item)
			named = named || strcmp(json_string_value(item), name) == 0;
		json_array_foreach(json_object_get(rule, "args"), k, arg) {
			uint64_t v = args[json_int_or(arg, "index", 9)], a = (uint64_t)json_int_or(arg, "value", -1);
			uint64_t b = (uint64_t)json_int_or(arg, "valueTwo", -1);
			const char *op = json_str_or(arg, "op", "");
			holds = holds && (strcmp(op, "SCMP_CMP_EQ") == 0 ? v == a : strcmp(op, "SCMP_CMP_MASKED_EQ") == 0 ? (v & a) == b : v > a);
		}
		if (named && holds && strcmp(json_str_or(rule, "action", ""), "SCMP_ACT_ALLOW") == 0)
			return true;
	}
	return false;
}

static void sockets_and_clones_are_allowed_by_argument(void **state)
{
	(void)state;
	AUTO_JSON json_t *p = convert("{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ALLOW\"}");
	static const struct {
		const char *name;
		uint64_t args[3];
		bool allowed;
	} cases[] = {
		{"socket", {1, 1, 0}, true}, {"socket", {2, 1, 6}, true}, {"socket", {2, 2, 17}, true}, {"socket", {10, 0x80801, 6}, true},
		{"socket", {16, 3, 0}, true}, {"socket", {16, 3, 9}, false}, {"socket", {2, 3, 1}, false}, {"socket", {10, 0x80003, 58}, false},
		{"socket", {17, 3, 0}, false}, {"socket", {38, 5, 0}, false}, {"socket", {40, 1, 0}, false}, {"socket", {2, 5, 132}, false},
		{"clone", {0x003d0f00, 0, 0}, true}, {"clone", {17, 0, 0}, true}, {"clone", {0x10000011, 0, 0}, false},
		{"clone", {0x00020011, 0, 0}, false}, {"clone", {0x40000000, 0, 0}, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (call_allowed(p, cases[i].name, cases[i].args) != cases[i].allowed)
			fail_msg("%s(%#lx, %#lx, %lu)", cases[i].name, (unsigned long)cases[i].args[0], (unsigned long)cases[i].args[1],
				 (unsigned long)cases[i].args[2]);
}

static void argument_rules_and_errnos_are_kept(void **state)
{
	(void)state;
	AUTO_JSON json_t *p = convert("{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,\"value\":8,"
				      "\"valueTwo\":0,\"op\":\"SCMP_CMP_EQ\"}]},{\"names\":[\"nice\"],\"action\":\"SCMP_ACT_ERRNO\","
				      "\"errnoRet\":1,\"args\":[]}");
	assert_true(call_allowed(p, "personality", (const uint64_t[3]){8, 0, 0}));
	assert_false(call_allowed(p, "personality", (const uint64_t[3]){9, 0, 0}));
	assert_string_equal(plain_action(p, "nice"), "SCMP_ACT_ERRNO");
}

static void a_profile_that_allows_by_default_is_refused(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	AUTO_JSON json_t *profile = json_pack("{s:s,s:[{s:[s],s:s}]}", "defaultAction", "SCMP_ACT_ALLOW", "syscalls", "names", "read",
					      "action", "SCMP_ACT_ALLOW");
	json_t *out = NULL;
	assert_int_equal(syscalls_convert(profile, &machine, &out, &e), INVALID);
	assert_string_equal(e.reason, "InvalidValue");
	AUTO_JSON json_t *empty = json_object();
	assert_int_equal(syscalls_convert(empty, &machine, &out, &e), INVALID);
}

static void the_machines_own_profile_converts(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	AUTO_JSON json_t *p = NULL;
	if (syscalls_load("/usr/share/containers/seccomp.json", &p, &e) != OK)
		fail_msg("%s", e.msg);
	static const char *const needed[] = {"read", "execve", "mmap", "futex", "epoll_wait", "accept4", "getrandom", "openat", "exit_group"};
	for (size_t i = 0; i < ARRAY_LEN(needed); i++)
		assert_true(allowed(p, needed[i]));
	assert_false(allowed(p, "bpf"));
	assert_false(allowed(p, "open_by_handle_at"));
	assert_int_equal(syscalls_load("/nonexistent", &p, &e), INVALID);
	assert_string_equal(e.reason, "NotFound");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_decided_for_this_machine_without_capabilities),
		cmocka_unit_test(what_a_function_has_no_business_with_is_refused_whatever_the_profile_says),
		cmocka_unit_test(sockets_and_clones_are_allowed_by_argument),
		cmocka_unit_test(argument_rules_and_errnos_are_kept),
		cmocka_unit_test(a_profile_that_allows_by_default_is_refused),
		cmocka_unit_test(the_machines_own_profile_converts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
