#include <libpq-fe.h>
#include <stdlib.h>

#include "net/pg.h"

void pg_result_release(struct pg_result *r)
{
	PQclear(r->res);
	*r = (struct pg_result)PG_RESULT_INIT;
}

const char *pg_text(const struct pg_result *r, size_t row, int column)
{
	return PQgetisnull(r->res, (int)row, column) ? NULL : PQgetvalue(r->res, (int)row, column);
}

int64_t pg_int(const struct pg_result *r, size_t row, int column, int64_t null)
{
	const char *s = pg_text(r, row, column);
	return s ? strtoll(s, NULL, 10) : null;
}

bool pg_bool(const struct pg_result *r, size_t row, int column)
{
	const char *s = pg_text(r, row, column);
	return s && *s == 't';
}
