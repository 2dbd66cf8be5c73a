/* PostgreSQL: the only user of libpq. One connection, one thread. Reconnects by itself outside a transaction. */
#ifndef FN_NET_PG_H
#define FN_NET_PG_H

#include "base/mem.h"

struct pg;

/* Does not connect yet. statement_ms is the server-side statement_timeout and lock_timeout (also a client-side deadline). */
struct pg *pg_new(const char *conninfo, int64_t statement_ms);
void pg_free(struct pg *p);

/* A result; release with pg_result_release (AUTO_RESULT). Values are text; NULL values are NULL pointers. */
struct pg_result {
	void *res;
	size_t rows;
};
#define PG_RESULT_INIT { NULL, 0 }
#define AUTO_RESULT __attribute__((cleanup(pg_result_release)))
void pg_result_release(struct pg_result *r);
const char *pg_text(const struct pg_result *r, size_t row, int column);       /* borrowed; NULL for SQL NULL */
int64_t pg_int(const struct pg_result *r, size_t row, int column, int64_t null);
bool pg_bool(const struct pg_result *r, size_t row, int column);

/* Runs one statement with text parameters ($1 …; NULL is SQL NULL); prepared once per connection by its address, so sql must be one of the
 * q_ strings. SQLSTATE becomes a class in one place: 40001/40P01/23505 CONFLICT, 08* 57P* 53* TRANSIENT (53100 DiskFull), 42501 DENIED,
 * 23514/22* INVALID, the rest BUG. */
enum err_class pg_query(struct pg *p, const char *sql, int n, const char *const *params, struct pg_result *ret /* or NULL */, struct err *e) MUST_USE;

enum err_class pg_begin(struct pg *p, struct err *e) MUST_USE;
/* TRANSIENT with an unknown outcome when the connection is lost in commit: the caller looks again. */
enum err_class pg_commit(struct pg *p, struct err *e) MUST_USE;
void pg_rollback(struct pg *p);
bool pg_in_transaction(const struct pg *p);

/* Several statements without parameters (migrations). */
enum err_class pg_script(struct pg *p, const char *sql, struct err *e) MUST_USE;

/* LISTEN: the socket to poll, then drain. *ret is false when nothing arrived. Errors: connect again (and look at everything). */
enum err_class pg_listen(struct pg *p, const char *channel, int *ret_fd, struct err *e) MUST_USE;
enum err_class pg_notified(struct pg *p, bool *ret, struct err *e) MUST_USE;

#endif
