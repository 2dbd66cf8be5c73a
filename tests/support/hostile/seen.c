/* What is visible from inside. */
#include "attack.h"

#include <ctype.h>
#include <dirent.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

static struct {
	FILE *out;
	int sockets, blocks, setuid_files, writable;
} seen;

static int look(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)at;
	if (strcmp(path, "/proc") == 0)
		return FTW_SKIP_SUBTREE;
	seen.sockets += S_ISSOCK(st->st_mode);
	seen.blocks += S_ISBLK(st->st_mode);
	seen.setuid_files += S_ISREG(st->st_mode) && (st->st_mode & (S_ISUID | S_ISGID)) != 0;
	if (type == FTW_D && access(path, W_OK) == 0) {
		if (seen.writable++)
			(void)fputc(',', seen.out);
		json_text(seen.out, path);
	}
	return FTW_CONTINUE;
}

static void list(FILE *out, const char *dir)
{
	char path[300], target[256];
	bool first = true;
	DIR *d = opendir(dir);
	for (struct dirent *e; d && (e = readdir(d));) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		(void)snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		ssize_t n = readlink(path, target, sizeof target - 1);
		target[n < 0 ? 0 : n] = '\0';
		(void)fprintf(out, "%s", first ? "" : ",");
		json_text(out, n < 0 ? e->d_name : target);
		first = false;
	}
	if (d)
		(void)closedir(d);
}

void answer_seen(FILE *out)
{
	(void)fprintf(out, "{\"uid\":%u,\"pid\":%d,\"writable\":[", geteuid(), getpid());
	seen.out = out;
	(void)nftw("/", look, 32, FTW_PHYS | FTW_ACTIONRETVAL);
	(void)fprintf(out, "],\"sockets\":%d,\"blocks\":%d,\"setuid\":%d,\"processes\":[", seen.sockets, seen.blocks, seen.setuid_files);
	list(out, "/proc");
	(void)fprintf(out, "],\"descriptors\":[");
	list(out, "/proc/1/fd");
	(void)fprintf(out, "]}");
}
