#include "cli/sources.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/archive.h"
#include "base/fs.h"

/* ---- manifest files ---- */

static enum err_class read_stdin(struct buf *text, struct err *e)
{
	for (;;) {
		char chunk[16384];
		ssize_t n = read(STDIN_FILENO, chunk, sizeof chunk);
		if (n < 0 && errno != EINTR)
			return err_errno(e, errno, TRANSIENT, R_Internal, "read standard input");
		if (n == 0)
			return OK;
		if (n > 0 && !buf_add(text, chunk, (size_t)n))
			return err_set(e, INVALID, R_TooLarge, "standard input is larger than %zu bytes", text->max);
	}
}

/* Decoding goes on over a file's problems, so that all files' are seen at once; only what cannot be read ends it. */
static enum err_class add_file(struct cli *c, const char *path, struct manifests *docs, json_t *files, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(MANIFEST_MAX_BYTES);
	bool in = strcmp(path, "-") == 0;
	enum err_class class = in ? read_stdin(&text, e) : fs_read(path, &text, e);
	if (class == INVALID && strcmp(e->reason, reason_token(R_NotFound)) == 0)
		return err_set(e, INVALID, R_InvalidFlag, "-f %s: no such file or directory", path);
	if (class && strcmp(e->reason, reason_token(R_TooLarge)) != 0) {
		AUTO_FREE char *why = xstrdup(e->msg);
		return err_set(e, INVALID, R_InvalidFlag, "-f %s: %s", path, why);
	}
	if (class)
		return class;
	struct err summed = ERR_INIT;
	const char *name = in ? "standard input" : path;
	class = manifests_decode(arena_strdup(c->arena, name), buf_str(&text), text.len, c->arena, docs, &summed);
	if (class && docs->nproblems == 0) {
		*e = summed;
		return class;
	}
	json_t *j = json_stringn(buf_str(&text), text.len);
	if (!j && docs->nproblems == 0)
		return err_set(e, INVALID, R_InvalidYaml, "%s is not UTF-8", name);
	if (j)
		(void)json_array_append_new(files, json_pack("{s:s, s:o}", "name", name, "text", j));
	return OK;
}

static int is_manifest(const struct dirent *d)
{
	const char *dot = strrchr(d->d_name, '.');
	return d->d_name[0] != '.' && dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

static enum err_class add_directory(struct cli *c, const char *dir, struct manifests *docs, json_t *files, struct err *e)
{
	struct dirent **names;
	int n = scandir(dir, &names, is_manifest, alphasort);
	if (n < 0)
		return err_errno(e, errno, INVALID, R_InvalidFlag, "read directory %s", dir);
	enum err_class class = n ? OK : err_set(e, INVALID, R_InvalidFlag, "%s holds no *.yaml or *.yml file", dir);
	for (int i = 0; i < n; i++) {
		if (!class)
			class = add_file(c, arena_printf(c->arena, "%s/%s", dir, names[i]->d_name), docs, files, e);
		free(names[i]);
	}
	free(names);
	return class;
}

/* -p does not move what a manifest puts elsewhere. */
static enum err_class check_project(const struct cli *c, const struct manifests *docs, struct err *e)
{
	for (size_t i = 0; flag_on(c, FLAG_PROJECT) && i < docs->n; i++) {
		const struct manifest *m = &docs->items[i];
		if (m->kind != KIND_PROJECT && strcmp(m->project, cli_project(c)) != 0)
			return err_set(e, INVALID, R_InvalidFlag, "%s:%d: %s/%s is of project %s (metadata.project), not %s as -p says", m->file, m->line,
				       kind_info(m->kind)->singular, m->name, m->project, cli_project(c));
	}
	return OK;
}

static enum err_class load(struct cli *c, const char *const *paths, size_t n, struct manifests *ret_docs, json_t **ret, struct err *e)
{
	AUTO_JSON json_t *files = json_array();
	*ret_docs = (struct manifests){.n = 0};
	for (size_t i = 0; i < n; i++) {
		const char *path = paths[i];
		struct stat st;
		bool dir = strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
		enum err_class class = dir ? add_directory(c, path, ret_docs, files, e) : add_file(c, path, ret_docs, files, e);
		if (class)
			return class;
	}
	if (ret_docs->nproblems > 0)
		return err_set(e, INVALID, ret_docs->problems[0].reason, "%zu problem%s in the manifests; nothing was applied", ret_docs->nproblems,
			       ret_docs->nproblems == 1 ? "" : "s");
	enum err_class class = check_project(c, ret_docs, e);
	if (!class)
		*ret = json_pack("{s:O, s:{}}", "files", files, "sources");
	return class;
}

enum err_class sources_load(struct cli *c, struct manifests *ret_docs, json_t **ret, struct err *e)
{
	const struct values *given = &c->flag[FLAG_FILE];
	if (given->n == 0)
		return err_set(e, INVALID, R_InvalidFlag, "say what to apply with -f FILE, -f DIR or -f -");
	return load(c, given->items, given->n, ret_docs, ret, e);
}

/* ---- a function's directory ---- */

static const char own_manifest[] = "function.yaml";

/* One that cannot be read may well be meant: its problems are then told. */
static bool declares_function(struct cli *c, const char *path)
{
	struct manifests docs = {.n = 0};
	struct err ignored = ERR_INIT;
	AUTO_JSON json_t *files = json_array();
	bool found = add_file(c, path, &docs, files, &ignored) != OK || docs.nproblems > 0;
	for (size_t i = 0; i < docs.n; i++)
		found = found || docs.items[i].kind == KIND_FUNCTION;
	return found;
}

static enum err_class find_manifest(struct cli *c, const char *dir, const char **ret, struct err *e)
{
	AUTO_BUF struct buf names = BUF_INIT(4096);
	struct dirent **entries;
	size_t found = 0;
	*ret = arena_printf(c->arena, "%s/%s", dir, own_manifest);
	if (fs_exists(*ret))
		return OK;
	int n = scandir(dir, &entries, is_manifest, alphasort);
	if (n < 0)
		return err_errno(e, errno, INVALID, R_InvalidFlag, "read directory %s", dir);
	for (int i = 0; i < n; i++) {
		const char *path = arena_printf(c->arena, "%s/%s", dir, entries[i]->d_name);
		if (declares_function(c, path)) {
			(void)buf_printf(&names, "%s%s", found++ ? ", " : "", entries[i]->d_name); /* for people: may be cut */
			*ret = path;
		}
		free(entries[i]);
	}
	free(entries);
	if (found == 0)
		return err_set(e, INVALID, R_InvalidFlag, "%s holds neither %s nor another manifest of a function", dir, own_manifest);
	if (found > 1)
		return err_set(e, INVALID, R_InvalidFlag, "%s holds %zu manifests of functions (%.200s): call the one to deploy %s, or apply them", dir, found,
			       buf_str(&names), own_manifest);
	return OK;
}

enum err_class sources_load_function(struct cli *c, const char *dir, struct manifests *ret_docs, json_t **ret, struct err *e)
{
	const char *path;
	*ret_docs = (struct manifests){.n = 0};
	enum err_class class = find_manifest(c, dir, &path, e);
	return class ? class : load(c, &path, 1, ret_docs, ret, e);
}

/* ---- source directories ---- */

static const char *source_directory(struct cli *c, const struct manifest *m)
{
	const char *dir = m->spec.function.source_dir;
	const char *slash = strrchr(m->file, '/');
	if (dir[0] == '/' || !slash)
		return dir;
	return arena_printf(c->arena, "%.*s/%s", (int)(slash - m->file), m->file, dir);
}

/* The manifests themselves are no part of a source: to change a setting is not to change the program. */
static const struct file_id *manifest_files(struct cli *c, const struct manifests *docs, size_t *ret_n)
{
	struct file_id *ids = arena_array(c->arena, docs->n, sizeof *ids);
	size_t n = 0;
	for (size_t i = 0; i < docs->n; i++) {
		struct stat st;
		if (stat(docs->items[i].file, &st) == 0) /* not for standard input */
			ids[n++] = (struct file_id){st.st_dev, st.st_ino};
	}
	*ret_n = n;
	return ids;
}

static enum err_class pack(const char *path, const struct pack_opts *o, int out, struct packed *ret, struct err *e)
{
	AUTO_CLOSE int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_errno(e, errno, INVALID, R_SourceMissing, "source directory %s", path);
	enum err_class class = archive_pack(dir, o, out, ret, e);
	return class ? (err_wrap(e, "pack %s", path), class) : OK;
}

static enum err_class upload(struct cli *c, const char *path, const struct pack_opts *o, struct digest *ret, struct err *e)
{
	AUTO_CLOSE int fd = memfd_create("source", MFD_CLOEXEC);
	if (fd < 0)
		return err_errno(e, errno, TRANSIENT, R_OutOfResources, "memfd_create");
	struct packed packed = {.entries = 0};
	enum err_class class = pack(path, o, fd, &packed, e);
	if (class)
		return class;
	struct client *cl;
	char text[DIGEST_TEXT];
	const char *at = arena_printf(c->arena, "/api/uploads/%s", digest_text(&packed.digest, text));
	bool there = false;
	class = cli_client(c, &cl, e);
	if (!class)
		class = client_exists(cl, at, &there, e);
	if (!class && !there) {
		(void)lseek(fd, 0, SEEK_SET); /* a memory file: cannot fail */
		class = client_upload(cl, at, fd, packed.size, e);
	}
	*ret = packed.digest;
	return class ? (err_wrap(e, "upload"), class) : OK;
}

enum err_class sources_upload_directory(struct cli *c, const char *dir, const char *function, struct digest *ret, struct err *e)
{
	struct stat st;
	struct file_id manifest = {0};
	bool there = stat(arena_printf(c->arena, "%s/%s", dir, own_manifest), &st) == 0;
	if (there)
		manifest = (struct file_id){st.st_dev, st.st_ino};
	const struct pack_opts o = {.prefix = "", .ignore = true, .leave_out = &manifest, .nleave_out = there};
	enum err_class class = upload(c, dir, &o, ret, e);
	return class ? (err_wrap(e, "function/%s", function), class) : OK;
}

static enum err_class upload_source(struct cli *c, const struct manifests *docs, const struct manifest *m, struct digest *ret, struct err *e)
{
	struct pack_opts o = {.prefix = "", .ignore = true};
	o.leave_out = manifest_files(c, docs, &o.nleave_out);
	enum err_class class = upload(c, source_directory(c, m), &o, ret, e);
	return class ? (err_wrap(e, "%s:%d: function/%s", m->file, m->spec_line, m->name), class) : OK;
}

enum err_class sources_upload(struct cli *c, const struct manifests *docs, json_t *body, struct err *e)
{
	json_t *sources = json_object_get(body, "sources");
	for (size_t i = 0; i < docs->n; i++) {
		const struct manifest *m = &docs->items[i];
		const struct function_spec *f = &m->spec.function;
		if (m->kind != KIND_FUNCTION || !f->source_dir || f->source_digest)
			continue; /* a digest says which source: `get -o yaml` gives both */
		struct digest d;
		char text[DIGEST_TEXT];
		enum err_class class = upload_source(c, docs, m, &d, e);
		if (class)
			return class;
		AUTO_FREE char *key = xprintf("%s/%s", m->project, m->name);
		(void)json_object_set_new(sources, key, json_string(digest_text(&d, text))); /* fails only out of memory */
	}
	return OK;
}
