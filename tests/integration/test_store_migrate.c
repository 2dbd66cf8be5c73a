#include "store_case.h"

#include <pthread.h>

static int bare_setup(void **state)
{
	*state = store_case_new(*state);
	return 0;
}

static void twice_is_once(void **state)
{
	struct store_case *c = *state;
	must(c, store_migrate(c->s, &c->e));
	assert_string_equal(peek(c, "SELECT count(*) FROM projects WHERE name = 'default'"), "1");
	must(c, store_migrate(c->s, &c->e));
	assert_string_equal(peek(c, "SELECT string_agg(number || ' ' || name, ',' ORDER BY number) FROM schema_migrations"), "1 0001_initial,2 0002_versions");
}

struct migrator {
	const char *conninfo;
	enum err_class class;
	struct err e;
};

static void *migrate(void *arg)
{
	struct migrator *m = arg;
	struct store *s = store_new(m->conninfo);
	m->class = store_migrate(s, &m->e);
	store_free(s);
	return NULL;
}

static void at_once_is_once(void **state)
{
	struct store_case *c = *state;
	struct migrator m[6];
	pthread_t t[ARRAY_LEN(m)];
	for (size_t i = 0; i < ARRAY_LEN(m); i++) {
		m[i] = (struct migrator){.conninfo = c->conninfo};
		assert_int_equal(pthread_create(&t[i], NULL, migrate, &m[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(m); i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(m); i++)
		if (m[i].class != OK)
			fail_msg("%s: %s", m[i].e.reason, m[i].e.msg);
	assert_string_equal(peek(c, "SELECT count(*) FROM schema_migrations"), "2");
}

static void newer_schema_is_refused(void **state)
{
	struct store_case *c = *state;
	must(c, store_migrate(c->s, &c->e));
	(void)peek(c, "INSERT INTO schema_migrations (number, name) VALUES (9999, 'from the future')");
	refuses(c, store_migrate(c->s, &c->e), INVALID, "SchemaTooNew");
	assert_non_null(strstr(c->e.msg, "9999"));
}

static void failure_leaves_nothing(void **state)
{
	struct store_case *c = *state;
	(void)peek(c, "CREATE TABLE releases (in_the_way integer)");
	refuses(c, store_migrate(c->s, &c->e), BUG, "DatabaseError");
	assert_non_null(strstr(c->e.msg, "0001_initial"));
	assert_string_equal(peek(c, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), "1");
}

/* What is issued does not change, whoever asks. */
static void issued_rows_are_immutable(void **state)
{
	struct store_case *c = *state;
	must(c, store_migrate(c->s, &c->e));
	(void)peek(c, "WITH f AS (INSERT INTO functions (project, name, runtime) VALUES ('default', 'f', 'r') RETURNING id),"
		      " d AS (INSERT INTO function_deployments (function_id, version, input_hash, source_digest, runtime, base, spec, created_by)"
		      " SELECT id, 1, 'h', 's', 'r', 'b', '{}', 'me' FROM f RETURNING id, function_id)"
		      " INSERT INTO releases (function_id, environment, n, deployment_id, config_hash, tuple, created_by)"
		      " SELECT function_id, 'dev', 1, id, 'h', '{}', 'me' FROM d");
	PGconn *pg = PQconnectdb(c->conninfo);
	static const char *const changes[] = {"UPDATE releases SET tuple = '{\"a\":1}'", "UPDATE releases SET n = 2",
					      "UPDATE function_deployments SET version = 2", "UPDATE function_deployments SET source_digest = 'x'"};
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		PGresult *r = PQexec(pg, changes[i]);
		assert_int_equal(PQresultStatus(r), PGRES_FATAL_ERROR);
		assert_string_equal(PQresultErrorField(r, PG_DIAG_SQLSTATE), "23514");
		PQclear(r);
	}
	PQfinish(pg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(twice_is_once, bare_setup, store_teardown),
		cmocka_unit_test_setup_teardown(at_once_is_once, bare_setup, store_teardown),
		cmocka_unit_test_setup_teardown(newer_schema_is_refused, bare_setup, store_teardown),
		cmocka_unit_test_setup_teardown(failure_leaves_nothing, bare_setup, store_teardown),
		cmocka_unit_test_setup_teardown(issued_rows_are_immutable, bare_setup, store_teardown),
	};
	return cmocka_run_group_tests(tests, store_group_setup, store_group_teardown);
}
