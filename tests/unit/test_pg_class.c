#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/pg.h"

static void sqlstates_have_classes(void **state)
{
	(void)state;
	static const struct {
		const char *state;
		enum err_class class;
		const char *reason;
	} rows[] = {
		{"40001", CONFLICT, "DatabaseConflict"},     {"40P01", CONFLICT, "DatabaseConflict"},     {"23505", CONFLICT, "DatabaseConflict"},
		{"23503", CONFLICT, "DatabaseConflict"},     {"23001", CONFLICT, "DatabaseConflict"},     {"08006", TRANSIENT, "DatabaseUnavailable"},
		{"57P01", TRANSIENT, "DatabaseUnavailable"}, {"57P03", TRANSIENT, "DatabaseUnavailable"}, {"57014", TRANSIENT, "DatabaseUnavailable"},
		{"53300", TRANSIENT, "DatabaseUnavailable"}, {"53100", TRANSIENT, "DiskFull"},            {"58030", TRANSIENT, "DatabaseUnavailable"},
		{"25006", TRANSIENT, "DatabaseUnavailable"}, {"25P03", TRANSIENT, "DatabaseUnavailable"}, {"55P03", TRANSIENT, "DatabaseConflict"},
		{"42501", DENIED, "Forbidden"},              {"28000", DENIED, "Forbidden"},              {"23514", INVALID, "InvalidValue"},
		{"22P02", INVALID, "InvalidValue"},          {"22001", INVALID, "InvalidValue"},          {"42P01", BUG, "DatabaseError"},
		{"23502", BUG, "DatabaseError"},             {"25P02", BUG, "DatabaseError"},             {"", BUG, "DatabaseError"},
		{"XX000", BUG, "DatabaseError"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum reason reason;
		assert_int_equal(pg_sqlstate_class(rows[i].state, &reason), rows[i].class);
		assert_string_equal(reason_token(reason), rows[i].reason);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(sqlstates_have_classes)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
