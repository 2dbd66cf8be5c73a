/* What the database alone takes, in milliseconds: the least that anything kept in it can cost. One figure a line.
 *
 *   database CONNINFO notify ROUNDS           an UPDATE and a NOTIFY, until another connection that listens has it; both are open
 *   database CONNINFO command                 the same, from the start of a command that connects and does it
 *   database CONNINFO update                  that command
 *   database CONNINFO query SQL ROUNDS [PARAMETER…]   a prepared statement, until its rows are here; "-" is NULL
 *
 * The first three want the table bench_row (id integer, n bigint) with the row 1. */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

enum { DEADLINE_MS = 10000, MAX_PARAMETERS = 8 };

extern char **environ;

static double now_ms(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static PGconn *open_database(const char *conninfo)
{
	PGconn *c = PQconnectdb(conninfo);
	if (PQstatus(c) != CONNECTION_OK)
		errx(1, "%s", PQerrorMessage(c));
	return c;
}

static void check(PGconn *c, PGresult *r)
{
	ExecStatusType s = PQresultStatus(r);
	if (s != PGRES_COMMAND_OK && s != PGRES_TUPLES_OK)
		errx(1, "%s", PQerrorMessage(c));
	PQclear(r);
}

/* Both in one transaction and one exchange. */
static void update(PGconn *c) { check(c, PQexec(c, "UPDATE bench_row SET n = n + 1 WHERE id = 1; NOTIFY bench_row")); }

static PGconn *listener(const char *conninfo)
{
	PGconn *c = open_database(conninfo);
	check(c, PQexec(c, "LISTEN bench_row"));
	return c;
}

static void wait_notification(PGconn *c)
{
	struct pollfd fd = {.fd = PQsocket(c), .events = POLLIN};
	PGnotify *n;
	while (!(n = PQnotifies(c))) {
		int ready = poll(&fd, 1, DEADLINE_MS);
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0 || !PQconsumeInput(c))
			errx(1, "no notification in %d ms", DEADLINE_MS);
	}
	PQfreemem(n);
}

static void time_notify(const char *conninfo, long rounds)
{
	PGconn *here = open_database(conninfo), *there = listener(conninfo);
	update(here); /* the first one reads the catalogues */
	wait_notification(there);
	for (long i = 0; i < rounds; i++) {
		double began = now_ms();
		update(here);
		wait_notification(there);
		(void)printf("%.3f\n", now_ms() - began);
	}
	PQfinish(here);
	PQfinish(there);
}

/* Whoever listens is there already, as the controller is. */
static void time_command(char *self, char *conninfo)
{
	char update_word[] = "update";
	char *command[] = {self, conninfo, update_word, NULL};
	PGconn *there = listener(conninfo);
	pid_t child;
	int status;
	double began = now_ms();
	int failed = posix_spawnp(&child, self, NULL, NULL, command, environ);
	if (failed)
		errx(1, "%s: %s", self, strerror(failed));
	wait_notification(there);
	(void)printf("%.3f\n", now_ms() - began);
	if (waitpid(child, &status, 0) != child || status)
		errx(1, "the command failed");
	PQfinish(there);
}

static void time_query(const char *conninfo, const char *sql, long rounds, int n, char **words)
{
	const char *parameters[MAX_PARAMETERS] = {NULL};
	PGconn *c = open_database(conninfo);
	for (int i = 0; i < n && i < MAX_PARAMETERS; i++)
		parameters[i] = strcmp(words[i], "-") == 0 ? NULL : words[i];
	check(c, PQprepare(c, "q", sql, 0, NULL));
	for (long i = -1; i < rounds; i++) { /* the first one reads the catalogues */
		double began = now_ms();
		PGresult *r = PQexecPrepared(c, "q", n, parameters, NULL, NULL, 0);
		double took = now_ms() - began;
		if (PQntuples(r) < 1)
			errx(1, "no row: %s", PQerrorMessage(c));
		check(c, r);
		if (i >= 0)
			(void)printf("%.3f\n", took);
	}
	PQfinish(c);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[2] : "";
	if (argc == 4 && strcmp(what, "notify") == 0) {
		time_notify(argv[1], strtol(argv[3], NULL, 10));
	} else if (argc == 3 && strcmp(what, "command") == 0) {
		time_command(argv[0], argv[1]);
	} else if (argc == 3 && strcmp(what, "update") == 0) {
		PGconn *c = open_database(argv[1]);
		update(c);
		PQfinish(c);
	} else if (argc >= 5 && argc <= 5 + MAX_PARAMETERS && strcmp(what, "query") == 0) {
		time_query(argv[1], argv[3], strtol(argv[4], NULL, 10), argc - 5, argv + 5);
	} else {
		errx(2, "usage: database CONNINFO notify ROUNDS | command | update | query SQL ROUNDS [PARAMETER...]");
	}
	return 0;
}
