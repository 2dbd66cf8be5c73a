/* The child of the builder. It sees the archive on standard input and its own directory, nothing else. */
#include "reconcilers/providers/builder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/archive.h"
#include "base/fs.h"
#include "base/utf8.h"

enum {
	WALL_SECONDS = 300, /* then SIGALRM ends it */
	CPU_SECONDS = 150,
};
#define MAX_MEMORY ((uint64_t)512 << 20)
#define MAX_LAYER ((uint64_t)2 << 30)

static const char result_file[] = "result.json", layer_file[] = "layer.tar.gz", source_dir[] = "src";

/* Into DIR/ID, alone. *ret_done: another child was at it and has left its result. */
static enum err_class enter(const char *dir, const char *id, int *ret_dir, bool *ret_done, struct err *e)
{
	AUTO_FREE char *path = xprintf("%s/%s", dir, id);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchdir(fd) != 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "open %s", path);
	bool waited = flock(fd, LOCK_EX | LOCK_NB) != 0;
	if (waited && flock(fd, LOCK_EX) != 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "lock %s", path);
	*ret_done = waited && fs_exists(result_file);
	*ret_dir = fd;
	fd = -1;
	return OK;
}

static enum err_class unpack_source(int dir, struct err *e)
{
	if (mkdirat(dir, source_dir, 0700) != 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "make %s", source_dir);
	AUTO_CLOSE int src = openat(dir, source_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (src < 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "open %s", source_dir);
	struct unpack_opts o = {.max_depth = PACK_MAX_DEPTH};
	struct unpacked done;
	return archive_unpack(STDIN_FILENO, src, &o, &done, e);
}

static enum err_class pack_layer(int dir, const char *prefix, struct packed *ret, struct err *e)
{
	AUTO_CLOSE int src = openat(dir, source_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO_CLOSE int out = openat(dir, layer_file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (src < 0 || out < 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "make %s", layer_file);
	/* The entries of the prefix come on top of as many as the source may have. */
	struct pack_opts o = {.prefix = prefix, .max_entries = PACK_MAX_ENTRIES + 64};
	return archive_pack(src, &o, out, ret, e);
}

static enum err_class clear(bool layer_too, struct err *e)
{
	enum err_class c = fs_remove_tree(source_dir, e);
	return c || !layer_too ? c : fs_remove_tree(layer_file, e);
}

static enum err_class write_result(const struct packed *p, const struct err *failed, struct err *e)
{
	AUTO_JSON json_t *j = json_object();
	char text[DIGEST_TEXT];
	int bad = 0;
	if (failed) {
		bad |= json_object_set_new(j, "class", json_string(err_class_name(failed->class)));
		bad |= json_object_set_new(j, "reason", json_string(failed->reason));
		bad |= json_object_set_new(j, "message", json_clean(failed->msg));
	} else {
		bad |= json_object_set_new(j, "layer", json_string(digest_text(&p->digest, text)));
		bad |= json_object_set_new(j, "diff_id", json_string(digest_text(&p->diff_id, text)));
		bad |= json_object_set_new(j, "size", json_integer((json_int_t)p->size));
		bad |= json_object_set_new(j, "entries", json_integer((json_int_t)p->entries));
	}
	if (bad)
		return err_set(e, BUG, R_Internal, "result.json");
	AUTO_FREE char *out = json_text(j);
	/* Not synced: after a crash of the machine a torn one makes no sense, or its layer does not match its digest, and the
	 * build is done again. */
	return fs_write_atomic(result_file, out, strlen(out), 0640, false, e);
}

static enum err_class build(int dir, const char *prefix, struct err *e)
{
	struct packed p = {.entries = 0};
	struct err why = ERR_INIT;
	enum err_class c = clear(true, e); /* what an earlier try left */
	if (c)
		return c;
	enum err_class built = unpack_source(dir, &why);
	if (!built)
		built = pack_layer(dir, prefix, &p, &why);
	c = clear(built != OK, e);
	return c ? c : write_result(&p, built ? &why : NULL, e);
}

int builder_child_main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	if (argc != 4)
		return 2;
	(void)alarm(WALL_SECONDS);
	AUTO_CLOSE int dir = -1;
	bool done = false;
	enum err_class c = enter(argv[1], argv[2], &dir, &done, &e);
	if (!c && !done)
		c = archive_confine(dir, MAX_MEMORY, MAX_LAYER, CPU_SECONDS, &e);
	if (!c && !done)
		c = build(dir, argv[3], &e);
	return c ? 1 : 0;
}
