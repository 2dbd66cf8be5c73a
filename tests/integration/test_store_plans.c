/* How PostgreSQL goes about reads among many rows: by index, whatever there is of other functions. */
#include "function_case.h"

#include "schema_sql.h"

static const char *plan_of(struct store_case *c, const char *sql, const char *params)
{
	return peek(c, arena_printf(&c->a, "SET plan_cache_mode = force_custom_plan; PREPARE q AS %s; EXPLAIN (FORMAT JSON) EXECUTE q(%s)", sql, params));
}

static bool reads_all_of(const char *plan, const char *table)
{
	static const char relation[] = "\"Relation Name\": \"";
	for (const char *scan = strstr(plan, "\"Seq Scan\""); scan; scan = strstr(scan + 1, "\"Seq Scan\"")) {
		const char *name = strstr(scan, relation);
		if (name && strncmp(name + strlen(relation), table, strlen(table)) == 0 && name[strlen(relation) + strlen(table)] == '"')
			return true;
	}
	return false;
}

static void pages_are_found_by_an_index(void **state)
{
	enum { MANY = 20000 };
	struct store_case *c = *state;
	const char *f = with_function(c), *release;
	int64_t n;
	release = mint(c, f, "dev", built_version(c, f, "sha256:1"), "a", &n);
	(void)peek(c, arena_printf(&c->a,
				   "INSERT INTO function_deployments (function_id, version, input_hash, source_digest, runtime, base, spec, created_by, created_at) "
				   "SELECT '%s', n + 10, '', '', 'static', 'scratch', '{}', 'x', now() - n * interval '1 second' FROM generate_series(1, %d) n; "
				   "INSERT INTO rollbacks (function_id, environment, actor, to_version, to_release, held_release, image, floor, base, settled, created_at) "
				   "SELECT '%s', 'dev', 'x', 1, '%s', '%s', 'kept', 1, '{}', true, now() - n * interval '1 second' FROM generate_series(1, %d) n; "
				   "INSERT INTO function_logs (function_id, actor, operation, message) SELECT '%s', 'x', 'deploy', '' FROM generate_series(1, %d) n; "
				   "ANALYZE",
				   f, MANY, f, release, release, MANY, f, MANY));
	static const char cursor[] = "'2026-01-01T00:00:00.000000Z_00000000-0000-0000-0000-000000000000'";
	const struct {
		const char *sql, *params, *index, *table;
	} rows[] = {
		{q_read_all_deployments, "'default', NULL, '50'", "function_deployments_created", "function_deployments"},
		{q_read_all_deployments, arena_printf(&c->a, "NULL, %s, '50'", cursor), "function_deployments_created", "function_deployments"},
		{q_read_deployments, "'default', 'hello', NULL, '50'", "function_deployments_function_id_version_key", "function_deployments"},
		{q_read_deployments, "'default', 'hello', '19000', '50'", "function_deployments_function_id_version_key", "function_deployments"},
		{q_read_deployment, "'default', 'hello', '19000'", "function_deployments_function_id_version_key", "function_deployments"},
		{q_read_rollbacks, "'default', 'hello', NULL, '50'", "rollbacks_function", "rollbacks"},
		{q_read_rollbacks, arena_printf(&c->a, "'default', 'hello', %s, '50'", cursor), "rollbacks_function", "rollbacks"},
		{q_read_rollback, "'default', 'hello', '00000000-0000-0000-0000-000000000000'", "rollbacks_pkey", "rollbacks"},
		{q_read_function_logs, "'default', 'hello', NULL, '50'", "function_logs_", "function_logs"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *plan = plan_of(c, rows[i].sql, rows[i].params);
		if (!strstr(plan, rows[i].index))
			fail_msg("row %zu does not use %s:\n%s", i, rows[i].index, plan);
		if (reads_all_of(plan, rows[i].table))
			fail_msg("row %zu reads all of %s:\n%s", i, rows[i].table, plan);
	}
}

/* Each function with its manifest, versions of which ten are ready, a release of each, a target that serves the newest and two instances. */
static void with_many_functions(struct store_case *c, int functions, int versions)
{
	(void)peek(c, arena_printf(&c->a,
		"INSERT INTO functions (project, name, runtime, next_version) SELECT 'default', 'f' || n, 'static', %d FROM generate_series(1, %d) n; "
		"INSERT INTO manifests (kind, project, name, spec, spec_hash, owner, source) "
		"SELECT 'function', project, name, '{\"retention\": {\"versions\": 10, \"archives\": 0, \"warm\": 1, \"warmTime\": \"10m\"}}', '', '', '' "
		"FROM functions; "
		"INSERT INTO function_deployments (function_id, version, input_hash, source_digest, source_size, runtime, base, s3_key, layer_digest, layer_size, "
		"image_tag, image_digest, status, spec, created_by, archived_at, image_deleted_at) "
		"SELECT f.id, v, '', '', 1, 'static', 'scratch', 'k', f.name || 'l' || v, 1, f.name || ':v' || v, f.name || 'i' || v, "
		"CASE WHEN v > %d THEN 'ready' ELSE 'archived' END, '{}', 'x', CASE WHEN v <= %d THEN now() END, CASE WHEN v <= %d THEN now() END "
		"FROM functions f, generate_series(1, %d) v; "
		"INSERT INTO releases (function_id, environment, n, deployment_id, config_hash, tuple, created_by, routed_at, unrouted_at) "
		"SELECT function_id, 'dev', version, id, '', '{}', 'x', now(), CASE WHEN version < %d THEN now() - interval '1 day' END FROM function_deployments; "
		"INSERT INTO targets (function_id, environment, project, name, mode, want_version, active_release, routed_release) "
		"SELECT f.id, 'dev', f.project, f.name, 'follow', r.n, r.id, r.id FROM functions f JOIN releases r ON r.function_id = f.id AND r.n = %d; "
		"INSERT INTO instances (id, function_id, release_id, slot, state) "
		"SELECT r.id || '-' || s, r.function_id, r.id, s, 'ready' FROM releases r, generate_series(0, 1) s WHERE r.n = %d; "
		"INSERT INTO rollbacks (function_id, environment, actor, to_version, to_release, held_release, image, floor, base, settled, state) "
		"SELECT function_id, 'dev', 'x', n, id, id, 'kept', n, '{}', true, 'done' FROM releases WHERE n = 1; "
		"INSERT INTO collections (actor, started_at, registry_at, finished_at, result) "
		"VALUES ('x', now(), now(), now(), '{\"registry\": {\"state\": \"done\"}}'); "
		"ANALYZE",
		versions + 1, functions, versions - 10, versions - 10, versions - 10, versions, versions, versions, versions));
}

/* What one function's retention costs does not depend on how many others there are, nor does a page of all of them. */
static void retention_starts_from_its_function(void **state)
{
	static const char *const tables[] = {"functions", "function_deployments", "releases", "targets", "instances", "rollbacks", "manifests"};
	static const char none[] = "'00000000-0000-0000-0000-000000000000'", ids[] = "'default', 'f7', '[\"00000000-0000-0000-0000-000000000000\"]', 'true'";
	/* of every part of the rules: they are not hidden in a function that is called */
	static const char *const parts[] = {"releases_unrouted", "instances_function", "manifests_pins", "function_deployments_building"};
	const struct {
		const char *name, *sql, *params;
	} rows[] = {
		{"retention_versions", q_retention_versions, "'default', 'f7', '200'"},
		{"retention_archive", q_retention_archive, none},
		{"retention_drop", q_retention_drop, none},
		{"retention_image", q_retention_image, none},
		{"retention_take_back", q_retention_take_back, none},
		{"read_deployment", q_read_deployment, "'default', 'f7', '7'"},
		{"read_fates of a function", q_read_fates, "'default', 'f7', NULL, '200'"},
		{"read_fates of a project", q_read_fates, "'default', NULL, NULL, '200'"},
		{"read_fates of all", q_read_fates, "NULL, NULL, NULL, '200'"},
		{"read_fates, a later page", q_read_fates, "NULL, NULL, 'default f7 00000000-0000-0000-0000-000000000000 7', '200'"},
		{"read_frees of a function", q_read_frees, ids},
		{"read_frees of a page", q_read_frees, "NULL, NULL, '[\"00000000-0000-0000-0000-000000000000\"]', 'false'"},
	};
	struct store_case *c = *state;
	with_many_functions(c, 2000, 40);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *plan = plan_of(c, rows[i].sql, rows[i].params);
		for (size_t k = 0; k < ARRAY_LEN(tables); k++)
			if (reads_all_of(plan, tables[k]))
				fail_msg("%s reads all of %s:\n%s", rows[i].name, tables[k], plan);
		for (size_t k = 0; k < ARRAY_LEN(parts); k++)
			if (!strstr(plan, parts[k]))
				fail_msg("%s does not use %s:\n%s", rows[i].name, parts[k], plan);
	}
	const char *plan = plan_of(c, q_read_targets, "'default', 'f7', NULL");
	if (reads_all_of(plan, "releases") || reads_all_of(plan, "instances") || reads_all_of(plan, "targets"))
		fail_msg("one target is read among all: %s", plan);
}

#define T(f) cmocka_unit_test_setup_teardown(f, store_setup, store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {T(pages_are_found_by_an_index), T(retention_starts_from_its_function)};
	return cmocka_run_group_tests(tests, store_group_setup, store_group_teardown);
}
