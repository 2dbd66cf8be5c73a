#define SCHEMA_SQL_MIGRATIONS
#include "schema/store_private.h"

static enum err_class newest(struct store *s, int64_t *ret, struct err *e)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = pg_query(s->pg, q_migrations_newest, 0, NULL, &res, e);
	if (r == OK)
		*ret = pg_int(&res, 0, 0, 0);
	return r;
}

static enum err_class migrate_from(struct store *s, int64_t have, struct err *e)
{
	struct number limit = number_text(PG_SCRIPT_MS);
	enum err_class r = RUN(s, q_migrate_limits, NULL, e, limit.text);
	for (size_t i = 0; r == OK && i < ARRAY_LEN(migrations); i++) {
		if (migrations[i].number <= have)
			continue;
		struct number number = number_text(migrations[i].number);
		r = pg_script(s->pg, migrations[i].sql, e);
		if (r == OK)
			r = RUN(s, q_migration_record, NULL, e, number.text, migrations[i].name);
		if (r)
			err_wrap(e, "migration %s", migrations[i].name);
	}
	return r;
}

/* Everything in one transaction: a migration that fails leaves the schema as it was. */
static enum err_class migrate_in_tx(struct store *s, struct err *e)
{
	int64_t have = 0;
	enum err_class r = pg_query(s->pg, q_migrate_lock, 0, NULL, NULL, e);
	if (r == OK)
		r = pg_query(s->pg, q_migrations_table, 0, NULL, NULL, e);
	if (r == OK)
		r = newest(s, &have, e);
	if (r)
		return r;
	if (have > SCHEMA_VERSION)
		return err_set(e, INVALID, R_SchemaTooNew, "the database has schema %lld, this program knows %d", (long long)have, SCHEMA_VERSION);
	return have == SCHEMA_VERSION ? OK : migrate_from(s, have, e);
}

enum err_class store_migrate(struct store *s, struct err *e)
{
	enum err_class r = store_begin(s, e);
	if (r)
		return r;
	r = migrate_in_tx(s, e);
	if (r == OK)
		return store_commit(s, e);
	store_rollback(s);
	return r;
}
