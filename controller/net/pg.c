#include "net/pg.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"

enum {
	CONNECT_MS = 5000,
	GRACE_MS = 1000, /* the server's own timeout answers first and keeps the connection */
	NAME_LEN = 16
};

struct pg {
	char *conninfo;
	int64_t statement_ms;
	PGconn *c;             /* NULL: not connected, or lost */
	const char **prepared; /* a statement's index here is its name on the connection */
	size_t nprepared, cap;
	bool in_tx; /* with c NULL: lost inside a transaction */
	char *channel; /* listened to, on every connection; NULL: none */
	bool replaced; /* the connection that pg_listen told of is not this one */
	bool hinted;   /* a notification came along with an answer */
};

struct pg *pg_new(const char *conninfo, int64_t statement_ms)
{
	struct pg *p = xcalloc(1, sizeof *p);
	p->conninfo = xstrdup(conninfo);
	p->statement_ms = statement_ms;
	return p;
}

static void drop(struct pg *p)
{
	PQfinish(p->c);
	p->c = NULL;
	p->nprepared = 0;
}

void pg_free(struct pg *p)
{
	if (!p)
		return;
	drop(p);
	free(p->prepared);
	free(p->channel);
	free(p->conninfo);
	free(p);
}

/* libpq's message up to its first newline; it never holds the password. */
static enum err_class lost(struct pg *p, const char *doing, struct err *e)
{
	const char *msg = p->c ? PQerrorMessage(p->c) : "";
	if (!*msg)
		msg = "the connection was lost";
	err_set(e, TRANSIENT, R_DatabaseUnavailable, "%s: %.*s", doing, (int)strcspn(msg, "\n"), msg);
	drop(p);
	return TRANSIENT;
}

/* Waits for events on the socket; false past the deadline. */
static bool wait_for(struct pg *p, short events, int64_t deadline)
{
	struct pollfd fd = {.fd = PQsocket(p->c), .events = events};
	for (;;) {
		int64_t left = deadline - clock_mono_ms();
		int n = poll(&fd, 1, left < 0 ? 0 : (int)left);
		if (n > 0)
			return true;
		if (n == 0 || errno != EINTR)
			return false;
	}
}

static enum err_class late(struct pg *p, const char *doing, struct err *e)
{
	err_set(e, TRANSIENT, R_DatabaseUnavailable, "%s: no answer in time", doing);
	drop(p);
	return TRANSIENT;
}

static enum err_class flush(struct pg *p, int64_t deadline, struct err *e)
{
	for (;;) {
		int more = PQflush(p->c);
		if (more == 0)
			return OK;
		if (more < 0)
			return lost(p, "sending to PostgreSQL", e);
		/* The server may be waiting for us to read before it reads on. */
		if (!wait_for(p, POLLIN | POLLOUT, deadline))
			return late(p, "sending to PostgreSQL", e);
		if (!PQconsumeInput(p->c))
			return lost(p, "sending to PostgreSQL", e);
	}
}

static bool failed(const PGresult *r)
{
	ExecStatusType s = PQresultStatus(r);
	return s != PGRES_COMMAND_OK && s != PGRES_TUPLES_OK;
}

/* What was sent is answered: the first error, or else the last result. */
static enum err_class collect(struct pg *p, int64_t deadline, struct pg_result *ret, struct err *e)
{
	AUTO_RESULT struct pg_result kept = PG_RESULT_INIT;
	enum err_class r = flush(p, deadline, e);
	if (r)
		return r;
	for (;;) {
		while (PQisBusy(p->c)) {
			if (!wait_for(p, POLLIN, deadline))
				return late(p, "waiting for PostgreSQL", e);
			if (!PQconsumeInput(p->c))
				return lost(p, "waiting for PostgreSQL", e);
		}
		PGresult *next = PQgetResult(p->c);
		if (!next)
			break;
		if (kept.res && failed(kept.res)) {
			PQclear(next);
			continue;
		}
		PQclear(kept.res);
		kept.res = next;
	}
	if (PQstatus(p->c) != CONNECTION_OK)
		return lost(p, "waiting for PostgreSQL", e);
	*ret = kept;
	kept.res = NULL;
	return OK;
}

/* What has arrived of notifications. */
static void take_hints(struct pg *p)
{
	for (PGnotify *n; (n = PQnotifies(p->c)); PQfreemem(n))
		p->hinted = true;
}

/* A result that is an error becomes ours. */
static enum err_class judge(struct pg *p, const struct pg_result *got, struct err *e)
{
	if (!failed(got->res))
		return OK;
	const char *state = PQresultErrorField(got->res, PG_DIAG_SQLSTATE);
	const char *msg = PQresultErrorField(got->res, PG_DIAG_MESSAGE_PRIMARY);
	enum reason reason;
	enum err_class class = pg_sqlstate_class(state ? state : "", &reason);
	err_set(e, class, reason, "%s (SQLSTATE %s)", msg ? msg : "PostgreSQL gave no message", state ? state : "none");
	/* 26000, 0A000: what we had prepared is gone or out of date, so the connection is of no more use. */
	if (state && (strcmp(state, "26000") == 0 || strcmp(state, "0A000") == 0))
		drop(p);
	return class;
}

static enum err_class answer(struct pg *p, int sent, int64_t ms, struct pg_result *ret, struct err *e)
{
	if (!sent)
		return lost(p, "sending to PostgreSQL", e);
	AUTO_RESULT struct pg_result got = PG_RESULT_INIT;
	enum err_class r = collect(p, clock_mono_ms() + ms + GRACE_MS, &got, e);
	if (r)
		return r;
	take_hints(p);
	r = judge(p, &got, e);
	if (r || !ret)
		return r;
	*ret = got;
	ret->rows = (size_t)PQntuples(got.res);
	got.res = NULL;
	return OK;
}

static void no_notice(void *arg, const PGresult *r)
{
	(void)arg; /* "relation exists, skipping" and the like are no news */
	(void)r;
}

static enum err_class set_limits(struct pg *p, struct err *e)
{
	static const char sql[] = "SELECT set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false),"
				  " set_config('idle_in_transaction_session_timeout', $3, false)";
	char statement[NAME_LEN * 2], lock[NAME_LEN * 2], idle[NAME_LEN * 2];
	(void)snprintf(statement, sizeof statement, "%lld", (long long)p->statement_ms);
	(void)snprintf(lock, sizeof lock, "%lld", (long long)(p->statement_ms / 2 + 1));
	(void)snprintf(idle, sizeof idle, "%lld", (long long)(p->statement_ms * 3));
	const char *params[] = {statement, lock, idle};
	return answer(p, PQsendQueryParams(p->c, sql, 3, NULL, params, NULL, NULL, 0), CONNECT_MS, NULL, e);
}

/* LISTEN takes an identifier, not a parameter: the one statement that is put together, by libpq's own quoting. */
static enum err_class listen_now(struct pg *p, struct err *e)
{
	char *quoted = PQescapeIdentifier(p->c, p->channel, strlen(p->channel));
	if (!quoted)
		return lost(p, "listening", e);
	AUTO_FREE char *sql = xprintf("LISTEN %s", quoted);
	PQfreemem(quoted);
	return answer(p, PQsendQuery(p->c, sql), p->statement_ms, NULL, e);
}

static enum err_class handshake(struct pg *p, struct err *e)
{
	int64_t deadline = clock_mono_ms() + CONNECT_MS;
	for (PostgresPollingStatusType s = PGRES_POLLING_WRITING; s != PGRES_POLLING_OK; s = PQconnectPoll(p->c)) {
		if (s == PGRES_POLLING_FAILED)
			return lost(p, "connecting to PostgreSQL", e);
		if (!wait_for(p, s == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline))
			return late(p, "connecting to PostgreSQL", e);
	}
	return OK;
}

static enum err_class connect_now(struct pg *p, struct err *e)
{
	/* Later ones win, so what conninfo says about these stands. */
	const char *const keys[] = {"application_name", "client_encoding", "target_session_attrs", "tcp_user_timeout",
				    "keepalives_idle", "keepalives_interval", "keepalives_count", "dbname", NULL};
	const char *const values[] = {"fn-controller", "UTF8", "read-write", "10000", "30", "10", "3", p->conninfo, NULL};
	p->c = PQconnectStartParams(keys, values, 1);
	if (!p->c)
		abort(); /* out of memory */
	if (PQstatus(p->c) == CONNECTION_BAD)
		return lost(p, "connecting to PostgreSQL", e);
	(void)PQsetNoticeReceiver(p->c, no_notice, NULL); /* returns the receiver before it */
	enum err_class r = handshake(p, e);
	if (r)
		return r;
	if (PQsetnonblocking(p->c, 1))
		return lost(p, "connecting to PostgreSQL", e);
	r = set_limits(p, e);
	if (r == OK && p->channel)
		r = listen_now(p, e);
	p->replaced = true;
	if (r)
		drop(p);
	return r;
}

/* A server that went away while we were idle shows as a readable socket with nothing but its end. */
static bool gone(struct pg *p)
{
	struct pollfd fd = {.fd = PQsocket(p->c), .events = POLLIN};
	while (PQstatus(p->c) == CONNECTION_OK && poll(&fd, 1, 0) > 0)
		if (!PQconsumeInput(p->c))
			return true;
	return PQstatus(p->c) != CONNECTION_OK;
}

static enum err_class ready(struct pg *p, struct err *e)
{
	if (p->in_tx)
		return p->c ? OK : err_set(e, TRANSIENT, R_DatabaseUnavailable, "the connection was lost inside the transaction");
	if (p->c && gone(p))
		drop(p);
	return p->c ? OK : connect_now(p, e);
}

static enum err_class prepare(struct pg *p, const char *sql, char name[NAME_LEN], struct err *e)
{
	size_t i = 0;
	while (i < p->nprepared && p->prepared[i] != sql)
		i++;
	(void)snprintf(name, NAME_LEN, "q%u", (unsigned)i);
	if (i < p->nprepared)
		return OK;
	enum err_class r = answer(p, PQsendPrepare(p->c, name, sql, 0, NULL), p->statement_ms, NULL, e);
	if (r)
		return r;
	if (p->nprepared == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 64;
		p->prepared = xrealloc(p->prepared, p->cap * sizeof *p->prepared);
	}
	p->prepared[p->nprepared++] = sql;
	return OK;
}

/* A message cut in the middle of a character must not keep what it tells from being recorded. */
static const char *well_formed(const char *s, struct arena *a)
{
	if (!s || utf8_valid(s))
		return s;
	AUTO_FREE char *clean = utf8_clean(s);
	return arena_strdup(a, clean);
}

static enum err_class execute(struct pg *p, const char *sql, int n, const char *const *params, struct pg_result *ret, struct err *e)
{
	char name[NAME_LEN];
	enum err_class r = prepare(p, sql, name, e);
	if (r)
		return r;
	AUTO_ARENA struct arena a = ARENA_INIT;
	const char **clean = arena_array(&a, (size_t)n, sizeof *clean);
	for (int i = 0; i < n; i++)
		clean[i] = well_formed(params[i], &a);
	return answer(p, PQsendQueryPrepared(p->c, name, n, clean, NULL, NULL, 0), p->statement_ms, ret, e);
}

enum err_class pg_query(struct pg *p, const char *sql, int n, const char *const *params, struct pg_result *ret, struct err *e)
{
	enum err_class r = ready(p, e);
	return r ? r : execute(p, sql, n, params, ret, e);
}

static const char sql_begin[] = "BEGIN", sql_commit[] = "COMMIT", sql_rollback[] = "ROLLBACK";

enum err_class pg_begin(struct pg *p, struct err *e)
{
	if (p->in_tx)
		return err_set(e, BUG, R_Internal, "a transaction is already open");
	enum err_class r = pg_query(p, sql_begin, 0, NULL, NULL, e);
	if (r == OK)
		p->in_tx = true;
	return r;
}

enum err_class pg_commit(struct pg *p, struct err *e)
{
	if (!p->in_tx)
		return err_set(e, BUG, R_Internal, "no transaction is open");
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	enum err_class r = ready(p, e);
	if (r == OK)
		r = execute(p, sql_commit, 0, NULL, &res, e);
	/* A commit after a statement that failed rolls back and says so in its tag only. */
	if (r == OK && strcmp(PQcmdStatus(res.res), sql_commit) != 0)
		r = err_set(e, BUG, R_DatabaseError, "the transaction had failed and was rolled back");
	else if (r && p->c && PQtransactionStatus(p->c) != PQTRANS_IDLE)
		drop(p);
	p->in_tx = false;
	return r;
}

void pg_rollback(struct pg *p)
{
	if (!p->in_tx)
		return;
	if (p->c && execute(p, sql_rollback, 0, NULL, NULL, NULL) && p->c)
		drop(p); /* the server rolls back what its client left */
	p->in_tx = false;
}

bool pg_in_transaction(const struct pg *p) { return p->in_tx; }

enum err_class pg_script(struct pg *p, const char *sql, struct err *e)
{
	enum err_class r = ready(p, e);
	return r ? r : answer(p, PQsendQuery(p->c, sql), PG_SCRIPT_MS, NULL, e);
}

enum err_class pg_listen(struct pg *p, const char *channel, int *ret_fd, struct err *e)
{
	enum err_class r = ready(p, e);
	if (r)
		return r;
	free(p->channel);
	p->channel = xstrdup(channel);
	r = listen_now(p, e);
	if (r)
		return r;
	p->replaced = false;
	*ret_fd = PQsocket(p->c);
	return OK;
}

bool pg_hinted(struct pg *p)
{
	bool any = p->hinted;
	p->hinted = false;
	return any;
}

enum err_class pg_notified(struct pg *p, bool *ret, struct err *e)
{
	if (!p->c || gone(p))
		return lost(p, "listening", e);
	if (p->replaced)
		return err_set(e, TRANSIENT, R_DatabaseUnavailable, "listening: the connection was replaced");
	take_hints(p);
	*ret = pg_hinted(p);
	return OK;
}
