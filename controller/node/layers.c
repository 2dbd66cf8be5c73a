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

#define MARK ".synced"
#define ASIDE "-gone"
enum { MAX_AT_ONCE = 4, SYNC_DELAY_MS = 2000, SYNC_DEADLINE_MS = 120000, REMOVE_DEADLINE_MS = 600000 };

/* A layer that is known to be there. "<hex>.synced" is on disk when the layer surely is, with its size in it. */
struct present {
	struct present *next;
	char hex[DIGEST_HEX];
	bool synced, measured;
	bool syncing; /* the child that is under way syncs and measures it */
	uint64_t bytes;
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
	bool syncing, removing, remove_again;
	unsigned put_aside; /* counted: each has a name of its own */
	size_t running;
};

static struct present *find_present(struct layers *s, const char *hex)
{
	for (struct present *p = s->present; p; p = p->next)
		if (strcmp(p->hex, hex) == 0)
			return p;
	return NULL;
}

static struct present *add_present(struct layers *s, const char *hex)
{
	struct present *p = xcalloc(1, sizeof *p);
	*p = (struct present){.next = s->present, .used_ms = clock_mono_ms()};
	memcpy(p->hex, hex, DIGEST_HEX);
	s->present = p;
	return p;
}

static char *mark_of(const struct layers *s, const char *hex) { return xprintf("%s/%s" MARK, s->dir, hex); }

/* Removing: out of sight at once by another name, then in a child, since a layer may have a hundred thousand files. */

static bool is_aside(const char *name)
{
	size_t n = strlen(name);
	return strncmp(name, "tmp-", 4) == 0 && n > sizeof ASIDE && strcmp(name + n - (sizeof ASIDE - 1), ASIDE) == 0;
}

static bool put_aside(struct layers *s, const char *name)
{
	AUTO_FREE char *from = xprintf("%s/%s", s->dir, name);
	AUTO_FREE char *to = xprintf("%s/tmp-%s-%d-%u" ASIDE, s->dir, name, (int)getpid(), s->put_aside++);
	return rename(from, to) == 0;
}

static int remove_main(void *arg)
{
	const struct layers *s = arg;
	DIR *d = opendir(s->dir);
	bool all = d != NULL;
	for (struct dirent *ent; d && (ent = readdir(d)) != NULL;) {
		AUTO_FREE char *path = xprintf("%s/%s", s->dir, ent->d_name);
		if (is_aside(ent->d_name))
			all = !fs_remove_tree(path, NULL) && all;
	}
	if (d)
		(void)closedir(d);
	return all ? 0 : 1;
}

static void start_removing(struct layers *s);

static void on_removed(void *ctx, pid_t pid, int status, struct buf *output)
{
	(void)pid;
	(void)status; /* what stays is tried again with the next that is put aside, or at the next start */
	(void)output;
	struct layers *s = ctx;
	s->removing = false;
	if (s->remove_again)
		start_removing(s);
}

static void start_removing(struct layers *s)
{
	s->remove_again = s->removing;
	if (!s->removing)
		s->removing = !loop_fork(s->loop, remove_main, s, REMOVE_DEADLINE_MS, on_removed, s, NULL);
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

static void read_mark(const struct layers *s, struct present *p)
{
	AUTO_FREE char *mark = mark_of(s, p->hex);
	AUTO_BUF struct buf text = BUF_INIT(64);
	char *end;
	p->synced = fs_exists(mark);
	if (!p->synced || fs_read(mark, &text, NULL))
		return;
	p->bytes = strtoull(buf_str(&text), &end, 10);
	p->measured = end != buf_str(&text) && *end == '\n'; /* an empty one is an older fn-node's */
}

/* True when something is to be removed. */
static bool scan_entry(struct layers *s, const char *name, bool trust_unsynced)
{
	size_t n = strlen(name);
	if (is_hex_name(name)) {
		AUTO_FREE char *mark = mark_of(s, name);
		if (!trust_unsynced && !fs_exists(mark))
			return put_aside(s, name); /* else it is replaced by its successor */
		read_mark(s, add_present(s, name));
	} else if (strncmp(name, "tmp-", 4) == 0) { /* left by a killed child; only room is lost when it stays */
		return is_aside(name) || put_aside(s, name);
	} else if (n > sizeof MARK && strcmp(name + n - (sizeof MARK - 1), MARK) == 0) {
		AUTO_FREE char *mark = xprintf("%s/%s", s->dir, name), *layer = xstrdup(mark);
		layer[strlen(layer) - (sizeof MARK - 1)] = '\0';
		if (!fs_exists(layer))
			(void)unlink(mark); /* or it would vouch for the next layer of that name, which takes it away itself */
	}
	return false;
}

static void sync_later(struct layers *s);

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
	bool trust = same_boot(dir), rubbish = false, unsure = false;
	for (struct dirent *ent; (ent = readdir(d)) != NULL;)
		rubbish = scan_entry(s, ent->d_name, trust) || rubbish;
	(void)closedir(d);
	if (rubbish)
		start_removing(s);
	for (const struct present *p = s->present; p; p = p->next)
		unsure = unsure || !p->synced || !p->measured;
	if (unsure)
		sync_later(s);
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

/* Syncing: some time after unpacking, in a child, so that no start waits for the disk. What was found without its size is measured
 * there, too. The marks are made afterwards, here: a layer that went meanwhile gets none, nor does its successor. */

static int sync_main(void *arg)
{
	const struct layers *s = arg;
	AUTO_CLOSE int dir = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || syncfs(dir) != 0)
		return 1;
	for (const struct present *p = s->present; p; p = p->next) {
		AUTO_FREE char *path = xprintf("%s/%s", s->dir, p->hex);
		uint64_t bytes;
		if (!p->measured && !fs_tree_bytes(path, &bytes, NULL))
			(void)dprintf(1, "%s %llu\n", p->hex, (unsigned long long)bytes); /* unheard: measured another time */
	}
	return 0;
}

/* "<hex> <bytes>\n" a line; the last one may be cut. */
static bool take_sizes(struct layers *s, const char *text)
{
	bool any = false;
	for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1) {
		char hex[DIGEST_HEX];
		unsigned long long bytes;
		struct present *p = sscanf(text, "%64s %llu", hex, &bytes) == 2 ? find_present(s, hex) : NULL;
		if (!p || !p->syncing)
			continue;
		p->bytes = bytes;
		p->measured = any = true;
	}
	return any;
}

static bool write_mark(const struct layers *s, const struct present *p)
{
	AUTO_FREE char *mark = mark_of(s, p->hex);
	AUTO_FREE char *text = p->measured ? xprintf("%llu\n", (unsigned long long)p->bytes) : xstrdup("");
	return !fs_write_atomic(mark, text, strlen(text), 0600, false, NULL);
}

static void on_synced(void *ctx, pid_t pid, int status, struct buf *output)
{
	(void)pid;
	struct layers *s = ctx;
	s->syncing = false;
	if (status != 0)
		return; /* the next unpacking tries again; a power failure before that costs unpacking again */
	bool progress = take_sizes(s, buf_str(output)), more = false;
	for (struct present *p = s->present; p; p = p->next) {
		bool left = !p->synced; /* it came meanwhile */
		if (p->syncing) {
			p->synced = write_mark(s, p);
			left = progress && !p->measured; /* there are more than an output holds */
		}
		p->syncing = false;
		more = more || left;
	}
	if (more)
		sync_later(s);
}

static void start_sync(void *ctx)
{
	struct layers *s = ctx;
	s->sync_timer = 0;
	if (s->syncing)
		return; /* its end looks for what is left */
	for (struct present *p = s->present; p; p = p->next)
		p->syncing = !p->synced || !p->measured;
	s->syncing = !loop_fork(s->loop, sync_main, s, SYNC_DEADLINE_MS, on_synced, s, NULL);
}

static void sync_later(struct layers *s)
{
	if (!s->sync_timer)
		s->sync_timer = loop_after(s->loop, SYNC_DELAY_MS, start_sync, s);
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

static void end_job(struct job *j, const struct err *error, uint64_t bytes)
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
		AUTO_FREE char *mark = mark_of(s, hex);
		(void)unlink(mark); /* an old one's */
		struct present *p = add_present(s, hex);
		p->bytes = bytes;
		p->measured = true;
		sync_later(s);
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
	end_job(j, status != 0 ? &e : NULL, strtoull(buf_str(output), NULL, 10));
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
			end_job(j, &e, 0);
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

/* Pruning and collecting. */

/* Takes a layer out; false when it cannot be, and stays as it was. Its mark goes first, since it vouches for a name. */
static bool discard(struct layers *s, struct present **at)
{
	struct present *p = *at;
	AUTO_FREE char *mark = mark_of(s, p->hex);
	if (unlink(mark) != 0 && errno != ENOENT)
		return false;
	if (!put_aside(s, p->hex)) {
		p->synced = p->syncing = false;
		sync_later(s);
		return false;
	}
	*at = p->next;
	free(p);
	return true;
}

void layers_prune(struct layers *s, size_t keep, layers_used_fn *used, void *ctx)
{
	size_t n = 0;
	bool any = false;
	for (struct present *p = s->present; p; p = p->next)
		n++;
	while (n-- > keep) {
		struct present **oldest = NULL;
		for (struct present **at = &s->present; *at; at = &(*at)->next)
			if (!used(ctx, (*at)->hex) && (!oldest || (*at)->used_ms < (*oldest)->used_ms))
				oldest = at;
		if (!oldest || !discard(s, oldest))
			break; /* another time */
		any = true;
	}
	if (any)
		start_removing(s);
}

struct layers_freed layers_collect(struct layers *s, layers_used_fn *used, void *ctx)
{
	struct layers_freed freed = {0, 0};
	for (struct present **at = &s->present; *at;) {
		uint64_t bytes = (*at)->bytes;
		if (used(ctx, (*at)->hex) || !discard(s, at)) {
			at = &(*at)->next;
			continue;
		}
		freed.count++;
		freed.bytes += bytes;
	}
	if (freed.count)
		start_removing(s);
	return freed;
}
