#include "reconcilers/providers/builder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/proc.h"

enum { RESULT_MAX = 65536 };

/* Ids are made by the controller; this keeps a mistake there from becoming a path elsewhere. */
static enum err_class check_id(const char *id, struct err *e)
{
	size_t n = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
	if (n == 0 || id[n] != '\0' || id[0] == '.')
		return err_set(e, BUG, R_Internal, "build id \"%.60s\"", id);
	return OK;
}

static char *path_in(const char *dir, const char *id, const char *name)
{
	return xprintf("%s/%s%s%s", dir, id, name[0] ? "/" : "", name);
}

enum err_class builder_start(const char *program, const char *dir, const char *id, int in_fd, const char *prefix, pid_t *ret_pid,
			     int *ret_pidfd, struct err *e)
{
	enum err_class c = check_id(id, e);
	AUTO_FREE char *path = path_in(dir, id, "");
	AUTO_FREE char *result = path_in(dir, id, "result.json");
	if (!c)
		c = fs_mkdirs(path, 0750, e);
	if (c)
		return c;
	AUTO_CLOSE int lock = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (lock < 0)
		return err_errno(e, errno, TRANSIENT, R_Internal, "open %s", path);
	/* A result of an earlier try would be taken for this one's; one of a child that still runs is awaited (builder_child.c). */
	if (flock(lock, LOCK_EX | LOCK_NB) == 0 && unlink(result) != 0 && errno != ENOENT)
		return err_errno(e, errno, TRANSIENT, R_Internal, "remove %s", result);
	(void)flock(lock, LOCK_UN); /* or by closing */
	const char *const argv[] = {program, dir, id, prefix, NULL};
	struct proc_spec s = {.argv = argv, .in = in_fd, .out = -1, .err = -1, .new_session = true};
	c = proc_spawn(&s, ret_pid, ret_pidfd, e);
	return c ? (err_wrap(e, "start the build"), c) : OK;
}

enum err_class builder_discard(const char *dir, const char *id, struct err *e)
{
	enum err_class c = check_id(id, e);
	AUTO_FREE char *path = path_in(dir, id, "");
	return c ? c : fs_remove_tree(path, e);
}

static bool class_of(const char *name, enum err_class *ret)
{
	for (enum err_class c = OK; c <= BUG; c++)
		if (strcmp(err_class_name(c), name) == 0) {
			*ret = c;
			return true;
		}
	return false;
}

static const char *known_token(const char *token)
{
	for (enum reason r = 0; r < REASON_COUNT; r++)
		if (strcmp(reason_token(r), token) == 0)
			return reason_token(r);
	return reason_token(R_BuildFailed);
}

static enum err_class read_success(const json_t *j, const char *layer, struct build_result *r, struct err *e)
{
	int64_t size = 0, entries = 0;
	enum err_class c = json_need_digest(j, "layer", &r->layer, e);
	if (!c)
		c = json_need_digest(j, "diff_id", &r->diff_id, e);
	if (!c)
		c = json_need_int(j, "size", &size, e);
	if (!c)
		c = json_need_int(j, "entries", &entries, e);
	if (c)
		return c;
	/* The child has read hostile bytes: what it names must be a file of its own, not a link to one of ours. */
	struct stat st;
	if (lstat(layer, &st) != 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_size != size)
		return err_set(e, INVALID, R_BadRequest, "layer.tar.gz is not the file described");
	r->size = (uint64_t)size;
	r->entries = (uint64_t)entries;
	return OK;
}

static enum err_class read_failure(const json_t *j, const char *class, struct arena *a, struct build_result *r, struct err *e)
{
	if (!class_of(class, &r->class) || r->class == OK)
		return err_set(e, INVALID, R_BadRequest, "no such class");
	r->reason = known_token(json_str_or(j, "reason", ""));
	r->message = arena_strdup(a, json_str_or(j, "message", ""));
	return OK;
}

enum err_class builder_result(const char *dir, const char *id, struct arena *a, struct build_result *ret, struct err *e)
{
	enum err_class c = check_id(id, e);
	if (c)
		return c;
	struct build_result r = {.present = false, .reason = "", .message = ""};
	AUTO_FREE char *path = path_in(dir, id, "result.json");
	AUTO_FREE char *layer = path_in(dir, id, "layer.tar.gz");
	AUTO_BUF struct buf text = BUF_INIT(RESULT_MAX);
	struct stat st;
	if (lstat(path, &st) != 0) {
		if (errno != ENOENT)
			return err_errno(e, errno, TRANSIENT, R_Internal, "read %s", path);
		*ret = r;
		return OK;
	}
	AUTO_JSON json_t *j = NULL;
	c = S_ISREG(st.st_mode) ? fs_read(path, &text, e) : err_set(e, INVALID, R_BadRequest, "not a file");
	if (!c)
		c = json_parse(buf_str(&text), text.len, &j, e);
	if (!c) {
		const char *class = json_str_or(j, "class", NULL);
		c = class ? read_failure(j, class, a, &r, e) : read_success(j, layer, &r, e);
	}
	if (c == INVALID) /* only a child gone astray writes such a thing */
		return err_set(e, INVALID, R_BuildFailed, "the build left a result that makes no sense");
	if (c)
		return c;
	r.present = true;
	r.layer_path = arena_strdup(a, layer);
	*ret = r;
	return OK;
}
