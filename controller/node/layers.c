#include "node/layers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "node/unpack.h"

enum { MAX_AT_ONCE = 4, SYNC_DELAY_MS = 2000, SYNC_DEADLINE_MS = 120000 };

/* A layer that is known to be there. */
struct present {
	struct present *next;
	char hex[DIGEST_HEX];
	bool synced; /* "<hex>.synced" says so on disk */
	int64_t used_ms;
};

struct job {
	struct layers *store;
	struct job *next;
	struct unpack_job unpack;
	bool running;
};

struct want {
	struct want *next;
	uint64_t ticket;
	layers_done_fn *done;
	void *ctx;
	char (*missing)[DIGEST_HEX];
	size_t nmissing;
};

struct layers {
	struct loop *loop;
	char *dir, *blobs;
	struct present *present;
	struct job *jobs; /* oldest first */
	struct want *wants;
	uint64_t last_ticket, sync_timer;
	bool syncing;
	size_t running;
};

static struct present *find_present(struct layers *s, const char *hex)
{
	for (struct present *p = s->present; p; p = p->next)
		if (strcmp(p->hex, hex) == 0)
			return p;
	return NULL;
}

static struct present *add_present(struct layers *s, const char *hex, bool synced)
{
	struct present *p = xcalloc(1, sizeof *p);
	*p = (struct present){.next = s->present, .synced = synced, .used_ms = clock_mono_ms()};
	memcpy(p->hex, hex, DIGEST_HEX);
	s->present = p;
	return p;
}

/* Opening: what is there, and which of it a power failure may have damaged. */

static bool is_hex_name(const char *s)
{
	return strlen(s) == DIGEST_HEX - 1 && strspn(s, "0123456789abcdef") == DIGEST_HEX - 1;
}

/* True when the machine has not been restarted since the layers were written; remembers this start otherwise. */
static bool same_boot(const char *dir)
{
	AUTO_FREE char *path = xprintf("%s/boot", dir);
	AUTO_BUF struct buf now = BUF_INIT(64), then = BUF_INIT(64);
	if (fs_read("/proc/sys/kernel/random/boot_id", &now, NULL))
		return false;
	if (!fs_read(path, &then, NULL) && strcmp(buf_str(&now), buf_str(&then)) == 0)
		return true;
	if (fs_write_atomic(path, now.p, now.len, 0600, true, NULL))
		return false; /* then the next start looks again */
	return false;
}

static void scan_entry(struct layers *s, const char *name, bool trust_unsynced)
{
	AUTO_FREE char *path = xprintf("%s/%s", s->dir, name);
	if (is_hex_name(name)) {
		AUTO_FREE char *mark = xprintf("%s.synced", path);
		bool synced = fs_exists(mark);
		if (synced || trust_unsynced)
			(void)add_present(s, name, synced);
		else
			err_ignore(fs_remove_tree(path, NULL)); /* else it is in the way of its successor, which says so */
	} else if (strncmp(name, "tmp-", 4) == 0) {
		err_ignore(fs_remove_tree(path, NULL)); /* left by a killed child; only room is lost when it stays */
	}
}

enum err_class layers_open(struct loop *l, const char *dir, const char *blobs, struct layers **ret, struct err *e)
{
	enum err_class c = fs_mkdirs(dir, 0700, e);
	if (c)
		return c;
	DIR *d = opendir(dir);
	if (!d)
		return err_errno(e, errno, TRANSIENT, R_Internal, "open %s", dir);
	struct layers *s = xcalloc(1, sizeof *s);
	*s = (struct layers){.loop = l, .dir = xstrdup(dir), .blobs = xstrdup(blobs)};
	bool trust = same_boot(dir);
	for (struct dirent *ent; (ent = readdir(d)) != NULL;)
		scan_entry(s, ent->d_name, trust);
	(void)closedir(d);
	*ret = s;
	return OK;
}

static void free_want(struct want *w)
{
	free(w->missing);
	free(w);
}

void layers_free(struct layers *s)
{
	if (!s)
		return;
	loop_cancel(s->loop, s->sync_timer);
	for (struct present *p = s->present, *next; p; p = next) {
		next = p->next;
		free(p);
	}
	for (struct job *j = s->jobs, *next; j; j = next) {
		next = j->next;
		free(j);
	}
	for (struct want *w = s->wants, *next; w; w = next) {
		next = w->next;
		free_want(w);
	}
	free(s->dir);
	free(s->blobs);
	free(s);
}

/* Syncing: some time after unpacking, in a child, so that no start waits for the disk. */

static int sync_main(void *arg)
{
	struct layers *s = arg;
	int dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || syncfs(dir) != 0)
		return 1;
	for (struct present *p = s->present; p; p = p->next) {
		AUTO_FREE char *mark = xprintf("%s.synced", p->hex);
		int fd = p->synced ? -1 : openat(dir, mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		if (fd >= 0)
			(void)close(fd);
	}
	return 0;
}

static void on_synced(void *ctx, pid_t pid, int status, struct buf *output)
{
	(void)pid;
	(void)output;
	struct layers *s = ctx;
	s->syncing = false;
	for (struct present *p = s->present; p && status == 0; p = p->next) {
		AUTO_FREE char *mark = xprintf("%s/%s.synced", s->dir, p->hex);
		p->synced = p->synced || fs_exists(mark);
	}
}

static void start_sync(void *ctx)
{
	struct layers *s = ctx;
	s->sync_timer = 0;
	if (!s->syncing && !loop_fork(s->loop, sync_main, s, SYNC_DEADLINE_MS, on_synced, s, NULL))
		s->syncing = true; /* else: a power failure costs unpacking again */
}

/* Jobs. */

static void tell(struct layers *s, const char *hex, const struct err *error)
{
	struct want *ready = NULL;
	for (struct want **at = &s->wants; *at;) {
		struct want *w = *at;
		for (size_t i = 0; i < w->nmissing; i++)
			if (strcmp(w->missing[i], hex) == 0) {
				memmove(w->missing[i], w->missing[--w->nmissing], DIGEST_HEX);
				if (error)
					w->nmissing = 0;
				if (w->nmissing == 0)
					break;
			}
		if (w->nmissing == 0) {
			*at = w->next;
			w->next = ready;
			ready = w;
		} else {
			at = &w->next;
		}
	}
	for (struct want *next; ready; ready = next) {
		next = ready->next;
		ready->done(ready->ctx, error);
		free_want(ready);
	}
}

static void start_jobs(struct layers *s);

static void end_job(struct job *j, const struct err *error)
{
	struct layers *s = j->store;
	char hex[DIGEST_HEX];
	memcpy(hex, j->unpack.hex, DIGEST_HEX);
	struct job **at = &s->jobs;
	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	free(j);
	if (!error) {
		(void)add_present(s, hex, false);
		if (!s->sync_timer)
			s->sync_timer = loop_after(s->loop, SYNC_DELAY_MS, start_sync, s);
	}
	tell(s, hex, error);
}

static void on_unpacked(void *ctx, pid_t pid, int status, struct buf *output)
{
	(void)pid;
	struct job *j = ctx;
	struct layers *s = j->store;
	struct err e = ERR_INIT;
	s->running--;
	if (status != 0)
		unpack_error(buf_str(output), status, &e);
	end_job(j, status != 0 ? &e : NULL);
	start_jobs(s);
}

static int job_main(void *arg) { return unpack_main(&((const struct job *)arg)->unpack); }

static void start_jobs(struct layers *s)
{
	for (struct job *j = s->jobs, *next; j && s->running < MAX_AT_ONCE; j = next) {
		next = j->next;
		if (j->running)
			continue;
		struct err e = ERR_INIT;
		if (loop_fork(s->loop, job_main, j, UNPACK_DEADLINE_MS, on_unpacked, j, &e)) {
			end_job(j, &e);
			return; /* no process to be had: the next one's end tries the others */
		}
		j->running = true;
		s->running++;
	}
}

static void add_job(struct layers *s, const struct oci_layer *layer, const char *hex)
{
	struct job **at = &s->jobs;
	for (; *at; at = &(*at)->next)
		if (strcmp((*at)->unpack.hex, hex) == 0)
			return;
	struct job *j = xcalloc(1, sizeof *j);
	*j = (struct job){.store = s, .unpack = {.blobs = s->blobs, .dir = s->dir, .layer = *layer}};
	memcpy(j->unpack.hex, hex, DIGEST_HEX);
	*at = j;
}

static void begin(void *ctx) { start_jobs(ctx); }

enum err_class layers_want(struct layers *s, const struct oci_layer *want, size_t n, layers_done_fn *done, void *ctx,
			   uint64_t *ret_ticket, struct err *e)
{
	struct want *w = xcalloc(1, sizeof *w);
	*w = (struct want){.done = done, .ctx = ctx, .missing = xcalloc(n, DIGEST_HEX)};
	for (size_t i = 0; i < n; i++) {
		char hex[DIGEST_HEX];
		digest_hex(&want[i].diff_id, hex);
		struct present *p = find_present(s, hex);
		if (p) {
			p->used_ms = clock_mono_ms();
			continue;
		}
		bool twice = false; /* an image may hold one layer more than once */
		for (size_t k = 0; k < w->nmissing; k++)
			twice = twice || strcmp(w->missing[k], hex) == 0;
		if (!twice)
			memcpy(w->missing[w->nmissing++], hex, DIGEST_HEX);
		add_job(s, &want[i], hex);
	}
	(void)e; /* a process that cannot be made is told to done */
	*ret_ticket = 0;
	if (w->nmissing == 0) {
		free_want(w);
		return OK;
	}
	w->ticket = *ret_ticket = ++s->last_ticket;
	w->next = s->wants;
	s->wants = w;
	(void)loop_after(s->loop, 0, begin, s);
	return OK;
}

void layers_forget(struct layers *s, uint64_t ticket)
{
	for (struct want **at = &s->wants; ticket && *at; at = &(*at)->next)
		if ((*at)->ticket == ticket) {
			struct want *w = *at;
			*at = w->next;
			free_want(w);
			return;
		}
}

/* Pruning. */

static int remove_main(void *arg)
{
	const char *path = arg;
	return fs_remove_tree(path, NULL) ? 1 : 0;
}

static void on_removed(void *ctx, pid_t pid, int status, struct buf *output)
{
	(void)ctx;
	(void)pid;
	(void)status; /* what stays is a "tmp-" that the next start removes */
	(void)output;
}

static bool remove_layer(struct layers *s, const struct present *p)
{
	AUTO_FREE char *path = xprintf("%s/%s", s->dir, p->hex), *mark = xprintf("%s.synced", path);
	AUTO_FREE char *gone = xprintf("%s/tmp-%s-gone", s->dir, p->hex);
	if (rename(path, gone) != 0)
		return false;
	(void)unlink(mark); /* without its layer it means nothing, and it is never looked at */
	return !loop_fork(s->loop, remove_main, gone, SYNC_DEADLINE_MS, on_removed, NULL, NULL);
}

void layers_prune(struct layers *s, size_t keep, layers_used_fn *used, void *ctx)
{
	size_t n = 0;
	for (struct present *p = s->present; p; p = p->next)
		n++;
	while (n-- > keep) {
		struct present **oldest = NULL;
		for (struct present **at = &s->present; *at; at = &(*at)->next)
			if (!used(ctx, (*at)->hex) && (!oldest || (*at)->used_ms < (*oldest)->used_ms))
				oldest = at;
		if (!oldest)
			return;
		struct present *p = *oldest;
		*oldest = p->next;
		if (!s->syncing && !remove_layer(s, p))
			(void)add_present(s, p->hex, p->synced); /* it is still there: another time */
		free(p);
	}
}
