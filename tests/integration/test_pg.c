/* The client against a server that dies, hangs and is slow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>

#include "net/pg.h"
#include "postgres.h"

struct fixture {
	struct postgres server;
	char *conninfo;
	struct pg *pg;
	struct err e;
};

static const char sql_one[] = "SELECT 1", sql_pid[] = "SELECT pg_backend_pid()", sql_echo[] = "SELECT $1::text, $2::text, 41 + 1, true",
		  sql_sleep[] = "SELECT pg_sleep(60)", sql_bad[] = "SELECT nothing FROM nowhere",
		  sql_lock[] = "SELECT pg_advisory_xact_lock(1)", sql_prepared[] = "SELECT count(*) FROM pg_prepared_statements",
		  sql_notify[] = "SELECT pg_notify('some \"odd\" name', '')";

#define ok(f, call)                                                                                            \
	do {                                                                                                   \
		if ((call) != OK)                                                                              \
			fail_msg("%s: %s %s: %s", #call, err_class_name((f)->e.class), (f)->e.reason, (f)->e.msg); \
	} while (0)

#define refuses(f, call, want_class, want_reason)                                      \
	do {                                                                           \
		(f)->e = (struct err)ERR_INIT;                                         \
		assert_string_equal(err_class_name(call), err_class_name(want_class)); \
		assert_string_equal((f)->e.reason, want_reason);                       \
	} while (0)

static int64_t number(struct fixture *f, struct pg *pg, const char *sql)
{
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	ok(f, pg_query(pg, sql, 0, NULL, &res, &f->e));
	return pg_int(&res, 0, 0, -1);
}

static enum err_class run(struct fixture *f, const char *sql) { return pg_query(f->pg, sql, 0, NULL, NULL, &f->e); }

/* From another connection: end ours, and wait until it is gone. */
static void terminate(struct fixture *f, int64_t pid)
{
	char *kill_it = xprintf("SELECT pg_terminate_backend(%lld, 10000)", (long long)pid);
	char *done = postgres_sql(f->conninfo, kill_it);
	assert_string_equal(done, "t");
	free(done);
	free(kill_it);
}

static void values_come_as_text(void **state)
{
	struct fixture *f = *state;
	AUTO_RESULT struct pg_result res = PG_RESULT_INIT;
	const char *const params[] = {"it's \xff", NULL};
	ok(f, pg_query(f->pg, sql_echo, 2, params, &res, &f->e));
	assert_int_equal(res.rows, 1);
	assert_string_equal(pg_text(&res, 0, 0), "it's ?");
	assert_null(pg_text(&res, 0, 1));
	assert_int_equal(pg_int(&res, 0, 1, -7), -7);
	assert_int_equal(pg_int(&res, 0, 2, 0), 42);
	assert_true(pg_bool(&res, 0, 3));
	assert_false(pg_bool(&res, 0, 1));
}

static void prepared_once(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(number(f, f->pg, sql_one), 1);
	assert_int_equal(number(f, f->pg, sql_prepared), 2); /* that one and itself */
}

static void idle_loss_is_not_noticed(void **state)
{
	struct fixture *f = *state;
	terminate(f, number(f, f->pg, sql_pid));
	assert_int_equal(number(f, f->pg, sql_one), 1);
	terminate(f, number(f, f->pg, sql_pid));
	ok(f, pg_begin(f->pg, &f->e));
	pg_rollback(f->pg);
}

static void loss_in_a_transaction_ends_it(void **state)
{
	struct fixture *f = *state;
	int64_t pid = number(f, f->pg, sql_pid);
	ok(f, pg_begin(f->pg, &f->e));
	terminate(f, pid);
	refuses(f, run(f, sql_one), TRANSIENT, "DatabaseUnavailable");
	refuses(f, run(f, sql_one), TRANSIENT, "DatabaseUnavailable"); /* not on a new connection, without the transaction */
	assert_true(pg_in_transaction(f->pg));
	refuses(f, pg_commit(f->pg, &f->e), TRANSIENT, "DatabaseUnavailable");
	assert_false(pg_in_transaction(f->pg));
	assert_int_equal(number(f, f->pg, sql_one), 1);
}

static void failed_transaction_is_no_commit(void **state)
{
	struct fixture *f = *state;
	ok(f, pg_begin(f->pg, &f->e));
	refuses(f, run(f, sql_bad), BUG, "DatabaseError");
	assert_non_null(strstr(f->e.msg, "42P01"));
	refuses(f, pg_commit(f->pg, &f->e), BUG, "DatabaseError");
	ok(f, pg_begin(f->pg, &f->e));
	refuses(f, pg_begin(f->pg, &f->e), BUG, "Internal");
	ok(f, pg_commit(f->pg, &f->e));
	refuses(f, pg_commit(f->pg, &f->e), BUG, "Internal");
	pg_rollback(f->pg); /* nothing */
}

static void slow_statements_and_locks_end(void **state)
{
	struct fixture *f = *state;
	struct pg *quick = pg_new(f->conninfo, 200);
	assert_int_equal(pg_query(quick, sql_sleep, 0, NULL, NULL, &f->e), TRANSIENT);
	assert_string_equal(f->e.reason, "DatabaseUnavailable");
	assert_non_null(strstr(f->e.msg, "57014"));
	ok(f, pg_begin(f->pg, &f->e));
	ok(f, run(f, sql_lock));
	ok(f, pg_begin(quick, &f->e));
	assert_int_equal(pg_query(quick, sql_lock, 0, NULL, NULL, &f->e), TRANSIENT);
	assert_string_equal(f->e.reason, "DatabaseConflict");
	pg_rollback(quick);
	pg_rollback(f->pg);
	ok(f, pg_query(quick, sql_one, 0, NULL, NULL, &f->e));
	pg_free(quick);
}

/* A server process that is stopped answers nothing, not even its own timeout. */
static void hung_server_holds_nobody(void **state)
{
	struct fixture *f = *state;
	struct pg *quick = pg_new(f->conninfo, 200);
	pid_t pid = (pid_t)number(f, quick, sql_pid);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	int64_t start = clock_mono_ms();
	enum err_class r = pg_query(quick, sql_one, 0, NULL, NULL, &f->e);
	int64_t took = clock_mono_ms() - start;
	assert_int_equal(kill(pid, SIGCONT), 0);
	assert_int_equal(r, TRANSIENT);
	assert_string_equal(f->e.reason, "DatabaseUnavailable");
	assert_in_range(took, 1000, 10000);
	ok(f, pg_query(quick, sql_one, 0, NULL, NULL, &f->e)); /* on a new connection */
	pg_free(quick);
}

/* Takes connections and never says a word. */
static void mute_server_holds_nobody(void **state)
{
	struct fixture *f = *state;
	AUTO_CLOSE int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof at;
	assert_int_equal(bind(s, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(s, 4), 0);
	assert_int_equal(getsockname(s, (struct sockaddr *)&at, &n), 0);
	AUTO_FREE char *conninfo = xprintf("host=127.0.0.1 port=%d dbname=x user=y", ntohs(at.sin_port));
	struct pg *pg = pg_new(conninfo, 200);
	int64_t start = clock_mono_ms();
	assert_int_equal(pg_query(pg, sql_one, 0, NULL, NULL, &f->e), TRANSIENT);
	assert_string_equal(f->e.reason, "DatabaseUnavailable");
	assert_in_range(clock_mono_ms() - start, 1000, 20000);
	pg_free(pg);
}

static void server_dies_and_comes_back(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(number(f, f->pg, sql_one), 1);
	postgres_kill(&f->server);
	refuses(f, run(f, sql_one), TRANSIENT, "DatabaseUnavailable");
	refuses(f, pg_begin(f->pg, &f->e), TRANSIENT, "DatabaseUnavailable");
	assert_false(pg_in_transaction(f->pg));
	postgres_restart(&f->server);
	assert_int_equal(number(f, f->pg, sql_one), 1);
	ok(f, pg_begin(f->pg, &f->e));
	ok(f, run(f, sql_one));
	postgres_kill(&f->server);
	refuses(f, pg_commit(f->pg, &f->e), TRANSIENT, "DatabaseUnavailable");
	assert_false(pg_in_transaction(f->pg));
	postgres_restart(&f->server);
	assert_int_equal(number(f, f->pg, sql_one), 1);
}

static bool wait_notified(struct fixture *f, struct pg *pg, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 10000), 1);
	bool any = false;
	ok(f, pg_notified(pg, &any, &f->e));
	return any;
}

static void notifications_arrive(void **state)
{
	struct fixture *f = *state;
	struct pg *listener = pg_new(f->conninfo, 5000);
	int fd = -1;
	bool any = true;
	ok(f, pg_listen(listener, "some \"odd\" name", &fd, &f->e));
	ok(f, pg_notified(listener, &any, &f->e));
	assert_false(any);
	ok(f, pg_begin(f->pg, &f->e));
	ok(f, run(f, sql_notify));
	ok(f, pg_notified(listener, &any, &f->e));
	assert_false(any); /* at commit */
	ok(f, pg_commit(f->pg, &f->e));
	assert_true(wait_notified(f, listener, fd));
	terminate(f, number(f, listener, sql_pid));
	assert_int_equal(pg_notified(listener, &any, &f->e), TRANSIENT);
	ok(f, pg_listen(listener, "some \"odd\" name", &fd, &f->e));
	ok(f, run(f, sql_notify));
	assert_true(wait_notified(f, listener, fd));
	pg_free(listener);
}

/* The listener does something else between two looks. */
static void notifications_survive_other_statements(void **state)
{
	struct fixture *f = *state;
	struct pg *listener = pg_new(f->conninfo, 5000);
	int fd = -1;
	bool any = false;
	ok(f, pg_listen(listener, "some \"odd\" name", &fd, &f->e));
	ok(f, run(f, sql_notify));
	for (int64_t deadline = clock_mono_ms() + 10000; !any && clock_mono_ms() < deadline; any = pg_hinted(listener))
		assert_int_equal(number(f, listener, sql_one), 1);
	assert_true(any);
	assert_false(pg_hinted(listener));
	terminate(f, number(f, listener, sql_pid));
	assert_int_equal(number(f, listener, sql_one), 1); /* connects anew */
	assert_int_equal(pg_notified(listener, &any, &f->e), TRANSIENT);
	assert_string_equal(f->e.reason, "DatabaseUnavailable");
	ok(f, run(f, sql_notify)); /* heard all the same */
	any = false;
	for (int64_t deadline = clock_mono_ms() + 10000; !any && clock_mono_ms() < deadline; any = pg_hinted(listener))
		assert_int_equal(number(f, listener, sql_one), 1);
	assert_true(any);
	pg_free(listener);
}

static void scripts_run_whole(void **state)
{
	struct fixture *f = *state;
	ok(f, pg_script(f->pg, "CREATE TABLE x (i integer); INSERT INTO x VALUES (1); DROP TABLE x", &f->e));
	refuses(f, pg_script(f->pg, "CREATE TABLE x (i integer); SELECT nothing", &f->e), BUG, "DatabaseError");
	ok(f, pg_script(f->pg, "CREATE TABLE x (i integer); DROP TABLE x", &f->e)); /* the failed one left nothing */
}

static void nobody_there(void **state)
{
	struct fixture *f = *state;
	struct pg *pg = pg_new("host=/nonexistent dbname=x user=y", 200);
	refuses(f, pg_query(pg, sql_one, 0, NULL, NULL, &f->e), TRANSIENT, "DatabaseUnavailable");
	pg_free(pg);
	pg = pg_new("no such=option", 200);
	refuses(f, pg_query(pg, sql_one, 0, NULL, NULL, &f->e), TRANSIENT, "DatabaseUnavailable");
	pg_free(pg);
	pg_free(NULL);
}

static int group_setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	(void)unsetenv("FN_TEST_PG"); /* this one is killed: it must be ours */
	postgres_start(&f->server);
	f->conninfo = postgres_database(&f->server);
	*state = f;
	return 0;
}

static int group_teardown(void **state)
{
	struct fixture *f = *state;
	postgres_stop(&f->server);
	free(f->conninfo);
	free(f);
	return 0;
}

static int setup(void **state)
{
	struct fixture *f = *state;
	f->pg = pg_new(f->conninfo, 5000);
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	pg_free(f->pg);
	return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(values_come_as_text), T(prepared_once), T(idle_loss_is_not_noticed), T(loss_in_a_transaction_ends_it), T(failed_transaction_is_no_commit),
		T(slow_statements_and_locks_end), T(hung_server_holds_nobody), T(mute_server_holds_nobody), T(notifications_arrive), T(notifications_survive_other_statements),
		T(scripts_run_whole),
		T(nobody_there), T(server_dies_and_comes_back),
	};
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
