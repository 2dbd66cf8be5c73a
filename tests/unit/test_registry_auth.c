/* WWW-Authenticate, as registries and those who pretend to be one write it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "reconcilers/providers/registry_impl.h"

static const char *or_none(const char *s) { return s ? s : "-"; }

static void challenges(void **state)
{
	(void)state;
	static const struct {
		const char *value, *scheme, *realm, *service; /* scheme NULL: refused */
	} table[] = {
		{ "Basic realm=\"x\"", "Basic", "x", "-" },
		{ "basic", "basic", "-", "-" },
		{ "Bearer realm=\"https://a/token\",service=\"s\",scope=\"repository:x:pull,push\"", "Bearer", "https://a/token", "s" },
		{ "Bearer realm = \"https://a/token\" , service=plain", "Bearer", "https://a/token", "plain" },
		{ "Bearer service=\"a\\\"b\", REALM=\"r\"", "Bearer", "r", "a\"b" },
		{ "Bearer realm=\"r\", Basic realm=\"other\"", "Bearer", "r", "-" },
		{ "Bearer error=\"invalid_token\", realm=\"r\"", "Bearer", "r", "-" },
		{ "Bearer realm=\"unterminated", NULL, NULL, NULL },
		{ "Bearer realm=\"ends in \\", NULL, NULL, NULL },
		{ "Bearer realm=", "Bearer", "", "-" },
		{ "Bearer =x", "Bearer", "-", "-" },
		{ "", NULL, NULL, NULL },
		{ "   ", NULL, NULL, NULL },
		{ "\"quoted\"", NULL, NULL, NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO_ARENA struct arena a = ARENA_INIT;
		struct challenge c = { 0 };
		bool ok = challenge_parse(table[i].value, &a, &c);
		assert_int_equal(ok, table[i].scheme != NULL);
		if (!ok)
			continue;
		assert_string_equal(c.scheme, table[i].scheme);
		assert_string_equal(or_none(c.realm), table[i].realm);
		assert_string_equal(or_none(c.service), table[i].service);
	}
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct challenge c;
	assert_false(challenge_parse(NULL, &a, &c));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(challenges) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
