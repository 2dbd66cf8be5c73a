/* The network's pure parts: names, addresses, and what ip, nft and dnsmasq are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "node/network_text.h"

static const struct conf conf = {.home = "/var/lib/fn", .instance = "fn", .subnet = "10.214.0.0", .link_address = "169.254.1.1",
				 .gateway_port = 7380};

static void names_fit_the_kernels_limit(void **state)
{
	(void)state;
	struct conf longest = conf;
	longest.instance = "abcdef";
	char name[LINK_NAME];
	network_link_name(&longest, SLOT_MAX, name);
	assert_string_equal(name, "abcdef-v65000");
	network_gateway_link(&longest, 'w', name);
	assert_string_equal(name, "abcdef-gw");
}

static void addresses_count_from_the_subnet(void **state)
{
	(void)state;
	char a[ADDRESS_TEXT] = "untouched";
	assert_true(network_slot_address(&conf, 5, a));
	assert_string_equal(a, "10.214.0.5");
	assert_true(network_slot_address(&conf, SLOT_MAX, a));
	assert_string_equal(a, "10.214.253.232");
	static const char *const bad[] = {"", "10.214.0", "10.214.1.0", "10.214.0.1", "::", "10.214.0.0/16"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct conf c = conf;
		c.subnet = bad[i];
		assert_false(network_slot_address(&c, 5, a));
	}
}

static void only_our_own_names_stand_for_slots(void **state)
{
	(void)state;
	static const struct {
		const char *link;
		int slot;
	} links[] = {{"fn-v5", 5}, {"fn-v65000", 65000}, {"fn-v65001", 0}, {"fn-v0", 0}, {"fn-v05", 0}, {"fn-v", 0}, {"fn-v5x", 0},
		     {"fn-gw", 0}, {"fn2-v5", 0}, {"f-v5", 0}, {"fn-5", 0}, {"eth0", 0}, {"", 0}, {"fn-v999999999999", 0}};
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		assert_int_equal(network_slot_of_link(&conf, links[i].link), links[i].slot);
	assert_int_equal(network_slot_of_netns(&conf, "fn-5"), 5);
	assert_int_equal(network_slot_of_netns(&conf, "fn-v5"), 0);
	assert_int_equal(network_slot_of_netns(&conf, "fn2-5"), 0);
	assert_int_equal(network_slot_of_netns(&conf, "fn"), 0);
}

static void rules_speak_of_our_links_only(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	const char *text = network_ruleset(&conf, &a);
	assert_ptr_equal(strstr(text, "table inet fn\ndelete table inet fn\ntable inet fn {\n"), text); /* one transaction */
	assert_non_null(strstr(text, "tcp dport { 53, 7380 } accept\n"));
	assert_non_null(strstr(text, "iifname \"fn-v*\" fib saddr . iif oif missing drop\n"));
	for (const char *at = text; (at = strstr(at, "ifname ")) != NULL; at++)
		assert_true(strstr(at, "ifname \"fn-v*\" ") == at || strstr(at, "ifname != \"lo\" ip daddr 169.254.1.1 drop\n") == at);
}

static void batches_may_be_repeated(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	assert_string_equal(network_inside_batch(&conf, 258, 42, &a),
			    "link add name eth0 address 02:66:6e:00:01:02 type veth peer name fn-v258 address 02:66:6e:01:01:02 netns 42\n"
			    "link set lo up\n"
			    "link set eth0 up\n"
			    "addr replace 10.214.1.2/32 dev eth0\n"
			    "neigh replace 169.254.1.1 lladdr 02:66:6e:01:01:02 dev eth0 nud permanent\n"
			    "route replace default via 169.254.1.1 dev eth0 onlink\n");
	assert_null(strstr(network_inside_batch(&conf, 258, 0, &a), " add "));
	assert_string_equal(network_outside_batch(&conf, 258, &a),
			    "link set fn-v258 up\n"
			    "neigh replace 10.214.1.2 lladdr 02:66:6e:00:01:02 dev fn-v258 nud permanent\n"
			    "route replace 10.214.1.2/32 dev fn-v258 src 169.254.1.1\n");
	assert_non_null(strstr(network_shared_batch(&conf, false, &a), "link add fn-gw type veth peer name fn-gx\n"));
	assert_null(strstr(network_shared_batch(&conf, true, &a), " add "));
}

static void dns_knows_one_domain(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	const char *text = network_dns_config(&conf, &a);
	static const char *const lines[] = {"listen-address=169.254.1.1\n", "bind-interfaces\n", "no-resolv\n", "no-hosts\n",
					    "address=/fn.internal/169.254.1.1\n", "local=/#/\n", "user=dnsmasq\n"};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		assert_non_null(strstr(text, lines[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_fit_the_kernels_limit),
		cmocka_unit_test(addresses_count_from_the_subnet),
		cmocka_unit_test(only_our_own_names_stand_for_slots),
		cmocka_unit_test(rules_speak_of_our_links_only),
		cmocka_unit_test(batches_may_be_repeated),
		cmocka_unit_test(dns_knows_one_domain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
