#include "node/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "archive/archive.h"
#include "base/fs.h"

#define MAX_LAYER_BYTES ((uint64_t)4 << 30)
#define MAX_MEMORY ((uint64_t)1 << 30)
enum { MAX_LAYER_ENTRIES = 300000, MAX_CPU_SECONDS = 150, MAX_REPORT = 1024, IN_FD = 3, OUT_FD = 4, DIR_FD = 5 };

static const enum reason told[] = {R_LayerInvalid, R_DigestMismatch, R_ImageMissing, R_DiskFull, R_OutOfResources, R_ArchiveEscape,
				   R_ArchiveBomb, R_SourceInvalid};

static void report(int fd, const struct err *e)
{
	char line[MAX_REPORT];
	int n = snprintf(line, sizeof line, "%d %s %s", (int)e->class, e->reason, e->msg);
	if (n > 0 && write(fd, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1) < 0)
		_exit(126); /* nobody listens: the status says that it failed */
}

/* What a hostile archive does wrong is wrong with the layer, whatever unpacking calls it. */
static enum reason layer_reason(enum err_class class, enum reason r)
{
	return class == INVALID && (r == R_ArchiveEscape || r == R_ArchiveBomb || r == R_SourceInvalid) ? R_LayerInvalid : r;
}

void unpack_error(const char *line, int status, struct err *ret)
{
	char *at;
	long class = strtol(line, &at, 10);
	if (*at == ' ' && (class == TRANSIENT || class == INVALID)) {
		for (size_t i = 0; i < ARRAY_LEN(told); i++) {
			const char *token = reason_token(told[i]);
			size_t n = strlen(token);
			if (strncmp(at + 1, token, n) != 0 || at[1 + n] != ' ')
				continue;
			(void)err_set(ret, (enum err_class)class, layer_reason((enum err_class)class, told[i]), "%s", at + 2 + n);
			return;
		}
	}
	if (status == 128 + SIGSYS || status == 128 + SIGSEGV || status == 128 + SIGXCPU || status == 128 + SIGXFSZ)
		(void)err_set(ret, INVALID, R_LayerInvalid, "unpacking was ended by signal %d", status - 128);
	else
		(void)err_set(ret, TRANSIENT, R_Internal, "unpacking ended with %d: %.200s", status, line);
}

static bool drop_capabilities(void)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	uint32_t keep = 1U << CAP_CHOWN | 1U << CAP_FOWNER | 1U << CAP_DAC_OVERRIDE;
	struct __user_cap_data_struct data[2] = {{keep, keep, 0}, {0, 0, 0}};
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (cap > 31 || !(keep >> cap & 1))
			(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* capset below is what counts */
	return syscall(SYS_capset, &head, data) == 0;
}

/* Puts the three descriptors where they belong and closes the rest, fn-node's among them. */
static bool place_descriptors(int in, int out, int dir)
{
	int high_in = fcntl(in, F_DUPFD, 10), high_out = fcntl(out, F_DUPFD, 10), high_dir = fcntl(dir, F_DUPFD, 10);
	int null = open("/dev/null", O_RDWR);
	return high_in >= 0 && high_out >= 0 && high_dir >= 0 && null >= 0 && dup2(null, 0) == 0 && dup2(null, 1) == 1 &&
	       dup2(null, 2) == 2 && dup2(high_in, IN_FD) == IN_FD && dup2(high_out, OUT_FD) == OUT_FD &&
	       dup2(high_dir, DIR_FD) == DIR_FD && syscall(SYS_close_range, DIR_FD + 1U, ~0U, 0U) == 0;
}

/* The confined process: what comes in on IN_FD is hostile. */
static _Noreturn void run_confined(int in, int out, int dir)
{
	struct err e = ERR_INIT;
	(void)umask(0);
	if (!place_descriptors(in, out, dir) || fchdir(DIR_FD) != 0 || chroot(".") != 0 || setgroups(0, NULL) != 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || !drop_capabilities()) {
		(void)err_errno(&e, errno, TRANSIENT, R_OutOfResources, "confining the unpacking process");
		report(OUT_FD, &e);
		_exit(1);
	}
	struct digest diff_id;
	char text[DIGEST_TEXT];
	struct unpack_opts o = {.max_bytes = MAX_LAYER_BYTES, .max_entries = MAX_LAYER_ENTRIES, .layer = true, .ret_diff_id = &diff_id};
	struct unpacked done;
	if (archive_confine(DIR_FD, MAX_MEMORY, MAX_LAYER_BYTES, MAX_CPU_SECONDS, &e) || archive_unpack(IN_FD, DIR_FD, &o, &done, &e)) {
		report(OUT_FD, &e);
		_exit(1);
	}
	digest_text(&diff_id, text);
	_exit(write(OUT_FD, text, DIGEST_TEXT - 1) == DIGEST_TEXT - 1 ? 0 : 1);
}

/* Hashes the whole blob on its way to the confined process, also what that no longer wants to read: it has its own error to
 * tell, or it met the end of the archive before the end of the blob. */
static enum err_class feed(const struct unpack_job *job, int to, struct err *e)
{
	AUTO_CLOSE int from = -1;
	enum err_class c = oci_blob_open(job->blobs, &job->layer.blob, &from, e);
	if (c)
		return c;
	struct digest_ctx sum;
	digest_init(&sum);
	uint64_t size = 0;
	bool reading = true;
	char chunk[65536];
	for (ssize_t n; !c && (n = read(from, chunk, sizeof chunk)) != 0;) {
		if (n < 0) {
			c = errno == EINTR ? OK : err_errno(e, errno, TRANSIENT, R_Internal, "read a layer");
			continue;
		}
		size += (uint64_t)n;
		if (size > job->layer.size)
			break;
		digest_update(&sum, chunk, (size_t)n);
		reading = reading && !fs_write_all(to, chunk, (size_t)n, NULL);
	}
	struct digest found = digest_final(&sum);
	if (!c && (size != job->layer.size || !digest_eq(&found, &job->layer.blob)))
		c = err_set(e, INVALID, R_DigestMismatch, "a layer's blob has other content than its name says");
	return c;
}

/* What the confined process said: the diff id, or an error line. */
static enum err_class hear(int from, pid_t pid, const struct unpack_job *job, struct err *e)
{
	AUTO_BUF struct buf said = BUF_INIT(MAX_REPORT);
	for (ssize_t n = 1; n > 0;) {
		char *to = buf_reserve(&said, 256);
		n = to ? read(from, to, 256) : 0;
		if (n > 0)
			said.len += (size_t)n;
	}
	(void)buf_puts(&said, ""); /* the terminator */
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	struct digest diff_id;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		unpack_error(buf_str(&said), WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), e);
		return e->class;
	}
	if (!digest_parse(buf_str(&said), &diff_id) || !digest_eq(&diff_id, &job->layer.diff_id))
		return err_set(e, INVALID, R_DigestMismatch, "a layer unpacks to other content than the image's config says");
	return OK;
}

static enum err_class unpack_into(const struct unpack_job *job, int dir, struct err *e)
{
	int in[2], out[2];
	if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
		return err_errno(e, errno, TRANSIENT, R_OutOfResources, "pipe");
	(void)fcntl(in[0], F_SETPIPE_SZ, 1 << 20); /* fewer turns between the two; the default does too */
	pid_t pid = fork();
	if (pid < 0)
		return err_errno(e, errno, TRANSIENT, R_OutOfResources, "fork");
	if (pid == 0)
		run_confined(in[0], out[1], dir);
	(void)close(in[0]);
	(void)close(out[1]);
	struct err feeding = ERR_INIT, unpacking = ERR_INIT;
	enum err_class fed = feed(job, in[1], &feeding);
	(void)close(in[1]);
	enum err_class heard = hear(out[0], pid, job, &unpacking);
	(void)close(out[0]);
	if (fed || heard)
		*e = fed ? feeding : unpacking;
	return fed ? fed : heard;
}

/* What has the name already is no layer that anybody knows: it is left from an unpacking whose fn-node ended. */
static enum err_class put_in_place(const struct unpack_job *job, const char *tmp, struct err *e)
{
	AUTO_FREE char *final = xprintf("%s/%s", job->dir, job->hex);
	if (rename(tmp, final) == 0)
		return OK;
	if ((errno != EEXIST && errno != ENOTEMPTY) || renameat2(AT_FDCWD, tmp, AT_FDCWD, final, RENAME_EXCHANGE) != 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "rename");
	err_ignore(fs_remove_tree(tmp, NULL)); /* the old one by now; what cannot be removed goes at the next start */
	return OK;
}

static enum err_class unpack(const struct unpack_job *job, const char *tmp, uint64_t *ret_bytes, struct err *e)
{
	if (mkdir(tmp, 0755) != 0 || chmod(tmp, 0755) != 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "mkdir");
	AUTO_CLOSE int dir = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "open");
	enum err_class c = unpack_into(job, dir, e);
	if (c)
		return c;
	c = fs_tree_bytes(tmp, ret_bytes, e);
	return c ? c : put_in_place(job, tmp, e);
}

int unpack_main(const struct unpack_job *job)
{
	struct err e = ERR_INIT;
	(void)signal(SIGPIPE, SIG_IGN); /* a reader that gave up is noticed by write */
	AUTO_FREE char *tmp = xprintf("%s/tmp-%s-%d", job->dir, job->hex, (int)getpid());
	uint64_t bytes = 0;
	enum err_class c = unpack(job, tmp, &bytes, &e);
	if (!c)
		return dprintf(1, "%llu\n", (unsigned long long)bytes) < 0;
	err_ignore(fs_remove_tree(tmp, NULL)); /* what cannot be removed now goes at the next start */
	report(1, &e);
	return 1;
}
