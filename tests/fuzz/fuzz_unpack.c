/* libFuzzer target for archive_unpack: whatever the bytes, it ends with OK or with a class and a known reason, stays within its
 * limits, and nothing appears or changes outside its directory. The first byte chooses what the rest is taken for.
 *
 *   clang -g -O1 -fsanitize=fuzzer,address,undefined -std=c17 -D_GNU_SOURCE -Icontroller tests/fuzz/fuzz_unpack.c \
 *         controller/archive/[!c]*.c controller/base/[!cfp]*.c controller/base/fs.c \
 *         $(pkg-config --libs libarchive libdeflate zlib libcrypto jansson) -o build/fuzz_unpack
 *   build/fuzz_unpack -max_len=65536 -max_total_time=60
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "archive/archive.h"
#include "base/fs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_ENTRIES = 200, MAX_BYTES = 1 << 22 };

/* The directory that is to stay as it is around the one unpacked into. */
struct place {
	char dir[64], root[80], victim[80];
};

static void need(bool condition, const char *what)
{
	if (condition)
		return;
	(void)fprintf(stderr, "fuzz_unpack: %s\n", what);
	abort();
}

static struct place make_place(void)
{
	struct place p;
	(void)snprintf(p.dir, sizeof p.dir, "%s/fn-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	need(mkdtemp(p.dir) != NULL, "no temporary directory");
	(void)snprintf(p.root, sizeof p.root, "%s/root", p.dir);
	(void)snprintf(p.victim, sizeof p.victim, "%s/victim", p.dir);
	need(mkdir(p.root, 0755) == 0, "no directory");
	struct err e;
	need(fs_write_atomic(p.victim, "untouched", 9, 0600, false, &e) == OK, "no file");
	return p;
}

static void check_outside(const struct place *p)
{
	struct err e;
	AUTO_BUF struct buf b = BUF_INIT(64);
	struct stat st;
	need(fs_read(p->victim, &b, &e) == OK && strcmp(buf_str(&b), "untouched") == 0, "a file outside was changed");
	need(stat(p->victim, &st) == 0 && st.st_nlink == 1, "a file outside was linked");
	DIR *d = opendir(p->dir);
	need(d != NULL, "the directory outside is gone");
	int n = 0;
	while (readdir(d))
		n++;
	(void)closedir(d);
	need(n == 4, "something appeared outside");
}

/* The bytes as they are, or gzipped first so that mutations reach the tar. */
static int input_fd(const uint8_t *data, size_t size, bool zipped)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct err e;
	need(fd >= 0, "no memfd");
	if (zipped) {
		gzFile gz = gzdopen(dup(fd), "wb1");
		need(gz && gzwrite(gz, data, (unsigned)size) == (int)size && gzclose(gz) == Z_OK, "gzip");
	} else {
		need(fs_write_all(fd, data, size, &e) == OK, "write");
	}
	need(lseek(fd, 0, SEEK_SET) == 0, "seek");
	return fd;
}

static void known_failure(enum err_class c, const struct err *e)
{
	static const char *const reasons[] = {"ArchiveEscape", "ArchiveBomb", "SourceInvalid", "LayerInvalid"};
	need(c == INVALID && e->class == INVALID && e->msg[0], "a failure other than INVALID");
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (strcmp(e->reason, reasons[i]) == 0)
			return;
	need(false, "an unknown reason");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct place p = make_place();
	int in = input_fd(data + 1, size - 1, data[0] & 2), root = open(p.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct digest diff_id;
	struct unpack_opts o = {.max_bytes = MAX_BYTES, .max_entries = MAX_ENTRIES, .layer = data[0] & 1};
	if (data[0] & 4)
		o.ret_diff_id = &diff_id;
	struct unpacked got = {0, 0};
	struct err e = ERR_INIT;
	enum err_class c = archive_unpack(in, root, &o, &got, &e);
	if (c)
		known_failure(c, &e);
	need(got.entries <= MAX_ENTRIES && got.bytes <= MAX_BYTES, "a limit was passed");
	check_outside(&p);
	(void)close(in);
	(void)close(root);
	need(fs_remove_tree(p.dir, &e) == OK, "cannot be removed");
	return 0;
}
