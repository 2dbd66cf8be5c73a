/* PostgreSQL: the only user of libpq. One connection, one thread. Reconnects by itself outside a transaction.
 *
 * A connection that was lost while idle is replaced before the next statement. One lost under a statement gives TRANSIENT
 * DatabaseUnavailable with an unknown outcome: nothing is sent twice. One lost inside a transaction stays lost until
 * pg_rollback or pg_commit ends it. */
#ifndef FN_NET_PG_H
#define FN_NET_PG_H

#include "base/mem.h"

struct pg;

/* Does not connect yet. statement_ms becomes the server's statement_timeout, half of it lock_timeout, three times it the limit of
 * an idle transaction; the client itself waits statement_ms and a second, then gives the connection up. */
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
 * q_ strings. Bytes that are not UTF-8 are sent as "?". */
enum err_class pg_query(struct pg *p, const char *sql, int n, const char *const *params, struct pg_result *ret /* or NULL */, struct err *e) MUST_USE;

/* The one place where SQLSTATE becomes a class: 40*, 23503, 23505, 23001 CONFLICT; 08*, 57*, 53*, 58*, 25006, 25P03 TRANSIENT (53100
 * DiskFull); 55P03 TRANSIENT DatabaseConflict; 42501, 28* DENIED; 23514, 22* INVALID; the rest BUG. Pure. */
enum err_class pg_sqlstate_class(const char *state, enum reason *ret);

enum err_class pg_begin(struct pg *p, struct err *e) MUST_USE;
/* TRANSIENT with an unknown outcome when the connection is lost in commit: the caller looks again. The transaction has ended whatever
 * is returned. */
enum err_class pg_commit(struct pg *p, struct err *e) MUST_USE;
void pg_rollback(struct pg *p); /* outside a transaction: nothing */
bool pg_in_transaction(const struct pg *p);

/* Several statements without parameters (migrations). Waits up to PG_SCRIPT_MS. */
enum { PG_SCRIPT_MS = 600000 };
enum err_class pg_script(struct pg *p, const char *sql, struct err *e) MUST_USE;

/* LISTEN: the socket to poll, then pg_notified; *ret is whether anything arrived. TRANSIENT when the connection was lost or replaced by
 * another statement's: listen again (which connects) and look at everything. One channel a connection. */
enum err_class pg_listen(struct pg *p, const char *channel, int *ret_fd, struct err *e) MUST_USE;
enum err_class pg_notified(struct pg *p, bool *ret, struct err *e) MUST_USE;
/* A notification came with a statement's answer and does not make the socket readable again. Asking forgets it. */
bool pg_hinted(struct pg *p);

#endif
