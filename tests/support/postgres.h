/* A private PostgreSQL 15 for a test program: unix socket only, never as root, in a directory of its own that goes with it.
 *
 *	static struct postgres pg;                       group setup:    postgres_start(&pg);
 *	char *conninfo = postgres_database(&pg);         test setup:     a fresh, empty database; free() it
 *	                                                 group teardown: postgres_stop(&pg);
 *
 * FN_TEST_PG=<directory of its socket> uses a server that runs already (one for a whole run of the suites); then the directory, the
 * server and its death are not ours, and postgres_kill and postgres_restart may not be used. Failing to start ends the program. */
#ifndef FN_TESTS_POSTGRES_H
#define FN_TESTS_POSTGRES_H

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "base/proc.h"

#define POSTGRES_BIN "/usr/lib/postgresql/15/bin/"
enum { POSTGRES_WAIT_MS = 30000 };

struct postgres {
	char *dir;    /* data and socket */
	char *user;   /* whom it runs as, and its superuser */
	pid_t pid;    /* 0: not ours or not running */
	int pidfd;
	int databases;
};

__attribute__((noreturn)) static inline void postgres_die(const char *what, const char *why)
{
	(void)fprintf(stderr, "postgres.h: %s: %s\n", what, why);
	exit(99);
}

static inline bool postgres_answers(const struct postgres *p)
{
	const char *const keys[] = {"host", "user", "dbname", "connect_timeout", NULL}, *const values[] = {p->dir, p->user, "postgres", "2", NULL};
	return PQpingParams(keys, values, 0) == PQPING_OK;
}

/* With the postmaster as our own child that dies with us: a test that is killed leaves no server behind. */
static inline void postgres_restart(struct postgres *p)
{
	char *uid = xprintf("--reuid=%s", p->user), *gid = xprintf("--regid=%s", p->user), *data = xprintf("%s/data", p->dir);
	const char *const as_user[] = {"setpriv", uid, gid, "--clear-groups", "--pdeathsig=QUIT", POSTGRES_BIN "postgres", "-D", data, "-k", p->dir, "-c",
				       "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=60", "-c", "shared_buffers=16MB", NULL};
	AUTO_CLOSE int log = -1;
	char *log_path = xprintf("%s/log", p->dir);
	FILE *f = fopen(log_path, "a");
	if (f) {
		log = dup(fileno(f));
		(void)fclose(f);
	}
	struct proc_spec spec = PROC_SPEC_INIT;
	spec.argv = geteuid() == 0 ? as_user : as_user + 5;
	spec.out = spec.err = log;
	spec.new_session = true;
	struct err e = ERR_INIT;
	if (proc_spawn(&spec, &p->pid, &p->pidfd, &e))
		postgres_die("start", e.msg);
	for (int64_t deadline = clock_mono_ms() + POSTGRES_WAIT_MS; !postgres_answers(p);) {
		struct pollfd ended = {.fd = p->pidfd, .events = POLLIN};
		if (poll(&ended, 1, 20) > 0 || clock_mono_ms() > deadline)
			postgres_die("it did not start; see", log_path);
	}
	free(log_path);
	free(data);
	free(gid);
	free(uid);
}

/* Ends it at once, as a crash would: SIGQUIT, no checkpoint. */
static inline void postgres_kill(struct postgres *p)
{
	if (!p->pid)
		return;
	(void)kill(p->pid, SIGQUIT);
	struct pollfd ended = {.fd = p->pidfd, .events = POLLIN};
	if (poll(&ended, 1, POSTGRES_WAIT_MS) != 1)
		postgres_die("stop", "it does not end");
	(void)proc_reap(p->pid);
	(void)close(p->pidfd);
	p->pid = 0;
}

static inline void postgres_init(struct postgres *p)
{
	struct passwd *pw = getpwnam("postgres");
	if (geteuid() != 0)
		pw = getpwuid(geteuid());
	if (!pw)
		pw = getpwnam("nobody");
	if (!pw)
		postgres_die("init", "no user to run it as");
	p->user = xstrdup(pw->pw_name);
	p->dir = xstrdup("/tmp/fn-pg-XXXXXX");
	if (!mkdtemp(p->dir) || chmod(p->dir, 0755) || (geteuid() == 0 && chown(p->dir, pw->pw_uid, pw->pw_gid)))
		postgres_die("init", strerror(errno));
	char *uid = xprintf("--reuid=%s", p->user), *gid = xprintf("--regid=%s", p->user), *data = xprintf("%s/data", p->dir);
	const char *const argv[] = {"setpriv", uid, gid, "--clear-groups", POSTGRES_BIN "initdb", "-D", data, "-U", p->user, "-A", "trust",
				    "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions", NULL};
	struct err e = ERR_INIT;
	if (proc_run(geteuid() == 0 ? argv : argv + 4, NULL, POSTGRES_WAIT_MS * 2, NULL, &e))
		postgres_die("initdb", e.msg);
	free(data);
	free(gid);
	free(uid);
}

static inline void postgres_start(struct postgres *p)
{
	*p = (struct postgres){.pidfd = -1};
	const char *running = getenv("FN_TEST_PG");
	if (running) {
		struct stat st;
		struct passwd *pw = stat(running, &st) ? NULL : getpwuid(st.st_uid);
		p->dir = xstrdup(running);
		p->user = xstrdup(pw ? pw->pw_name : "postgres");
		return;
	}
	postgres_init(p);
	postgres_restart(p);
}

static inline void postgres_stop(struct postgres *p)
{
	if (p->pid) {
		postgres_kill(p);
		if (fs_remove_tree(p->dir, NULL))
			postgres_die("stop: cannot remove", p->dir);
	}
	free(p->dir);
	free(p->user);
}

static inline char *postgres_conninfo(const struct postgres *p, const char *database)
{
	return xprintf("host=%s user=%s dbname=%s", p->dir, p->user, database);
}

/* Runs SQL the store itself would not: test set-up and looks from outside. The first column of the first row, or NULL; free() it. */
static inline char *postgres_sql(const char *conninfo, const char *sql)
{
	PGconn *c = PQconnectdb(conninfo);
	PGresult *r = PQexec(c, sql);
	ExecStatusType s = PQresultStatus(r);
	if (s != PGRES_COMMAND_OK && s != PGRES_TUPLES_OK)
		postgres_die(sql, PQerrorMessage(c));
	char *out = PQntuples(r) && !PQgetisnull(r, 0, 0) ? xstrdup(PQgetvalue(r, 0, 0)) : NULL;
	PQclear(r);
	PQfinish(c);
	return out;
}

static inline char *postgres_database(struct postgres *p)
{
	char *name = xprintf("t%d_%d", (int)getpid(), p->databases++);
	char *admin = postgres_conninfo(p, "postgres"), *create = xprintf("CREATE DATABASE %s", name); /* our own letters and digits */
	free(postgres_sql(admin, create));
	char *conninfo = postgres_conninfo(p, name);
	free(create);
	free(admin);
	free(name);
	return conninfo;
}

#endif
