#include "cli/deploy_body.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/sources.h"
#include "cli/wait.h"

/* Where what flags declare comes from: as files have a name. */
static const char flags_file[] = "flags of fnctl deploy";

static const enum flag_id settings[] = {FLAG_RUNTIME, FLAG_COMMAND, FLAG_PORT};

/* The first of the flags that is given, or FLAG_COUNT. */
static enum flag_id given_among(const struct cli *c, const enum flag_id *ids, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (flag_on(c, ids[i]))
			return ids[i];
	return FLAG_COUNT;
}

/* ---- a directory ---- */

static bool names_directory(const struct cli *c)
{
	static const enum flag_id of_names[] = {FLAG_SOURCE, FLAG_REBUILD, FLAG_RUNTIME};
	const char *word = c->args.items[0], *slash = strchr(word, '/');
	struct stat st;
	enum kind kind;
	if (!slash && given_among(c, of_names, ARRAY_LEN(of_names)) != FLAG_COUNT)
		return strcmp(word, ".") == 0 || strcmp(word, "..") == 0;
	if (stat(word, &st) == 0 && S_ISDIR(st.st_mode))
		return true;
	return slash && !kind_parse(arena_strndup(c->arena, word, (size_t)(slash - word)), &kind);
}

static enum err_class from_directory(struct cli *c, struct deploy_body *b, struct err *e)
{
	static const enum flag_id of_names[] = {FLAG_SOURCE, FLAG_REBUILD, FLAG_RUNTIME, FLAG_COMMAND, FLAG_PORT};
	const char *dir = c->args.items[0];
	size_t n = strlen(dir);
	enum flag_id wrong = given_among(c, of_names, ARRAY_LEN(of_names));
	if (wrong != FLAG_COUNT)
		return err_set(e, INVALID, R_InvalidFlag, "--%s goes with the name of a function; %s has its manifest", flags[wrong].long_name, dir);
	while (n > 1 && dir[n - 1] == '/')
		n--;
	enum err_class class = sources_load_function(c, arena_strndup(c->arena, dir, n), &b->docs, &b->json, e);
	if (class)
		return class;
	const struct manifest *m = b->docs.n ? &b->docs.items[0] : NULL;
	if (m && m->kind == KIND_FUNCTION && b->docs.n > 1)
		m = &b->docs.items[1];
	if (!m || m->kind != KIND_FUNCTION || b->docs.n > 1)
		return err_set(e, INVALID, R_InvalidFlag, "%s:%d: %s: a deploy takes one Function document; `fnctl apply -f %s` takes all", m ? m->file : dir,
			       m ? m->line : 1, m ? arena_printf(c->arena, "%s/%s", kind_info(m->kind)->singular, m->name) : "empty", m ? m->file : dir);
	b->project = m->project;
	b->function = m->name;
	return sources_upload(c, &b->docs, b->json, e);
}

/* ---- a name ---- */

static enum err_class read_existing(struct cli *c, const char *name, json_t **ret, struct err *e)
{
	struct client *cl;
	const char *query[] = {"project", cli_project(c), NULL};
	enum err_class class = cli_client(c, &cl, e);
	if (!class)
		class = client_call(cl, "GET", object_path(c, KIND_FUNCTION, name), query, NULL, ret, e);
	return class == INVALID && strcmp(e->reason, reason_token(R_NotFound)) == 0 ? OK : class;
}

static enum err_class set_command(struct cli *c, json_t *spec, struct err *e)
{
	const struct values *given = &c->flag[FLAG_COMMAND];
	json_t *command = json_array();
	(void)json_object_set_new(spec, "command", command); /* these fail only out of memory */
	if (given->n > 1)
		for (size_t i = 0; i < given->n; i++)
			(void)json_array_append_new(command, json_string(given->items[i]));
	for (const char *at = given->n == 1 ? given->items[0] : ""; *(at += strspn(at, " "));) {
		size_t n = strcspn(at, " ");
		(void)json_array_append_new(command, json_stringn(at, n));
		at += n;
	}
	return json_array_size(command) ? OK : err_set(e, INVALID, R_InvalidFlag, "--command is empty");
}

static enum err_class set_port(struct cli *c, json_t *spec, struct err *e)
{
	enum { DIGITS_MAX = 5 };
	const char *text = flag_or(c, FLAG_PORT, "");
	size_t n = strlen(text);
	if (n == 0 || n > DIGITS_MAX || strspn(text, "0123456789") != n)
		return err_set(e, INVALID, R_InvalidFlag, "--port: \"%.40s\" is no port", text);
	(void)json_object_set_new(spec, "port", json_integer(strtol(text, NULL, 10)));
	return OK;
}

static enum err_class set_spec(struct cli *c, json_t *spec, struct err *e)
{
	enum err_class class = OK;
	if (flag_on(c, FLAG_RUNTIME))
		(void)json_object_set_new(spec, "runtime", json_string(flag_or(c, FLAG_RUNTIME, "")));
	if (flag_on(c, FLAG_SOURCE))
		(void)json_object_set_new(spec, "source", json_pack("{s:s}", "dir", flag_or(c, FLAG_SOURCE, "")));
	if (flag_on(c, FLAG_COMMAND))
		class = set_command(c, spec, e);
	return !class && flag_on(c, FLAG_PORT) ? set_port(c, spec, e) : class;
}

/* A whole manifest: what is declared, if anything, with what the flags say. */
static enum err_class manifest_of_flags(struct cli *c, const char *name, json_t *doc, struct deploy_body *b, struct err *e)
{
	AUTO_BUF struct buf text = BUF_INIT(MANIFEST_MAX_BYTES);
	AUTO_JSON json_t *fresh = json_pack("{s:s, s:s, s:{s:s, s:s}, s:{}}", "apiVersion", API_VERSION, "kind", "Function", "metadata", "name", name, "project",
					    cli_project(c), "spec");
	if (!doc)
		doc = fresh;
	(void)json_object_del(doc, "status"); /* absent is fine */
	enum err_class class = set_spec(c, json_object_get(doc, "spec"), e);
	if (!class)
		class = yaml_write(doc, &text, e);
	if (!class)
		b->json = json_pack("{s:[{s:s, s:s}], s:{}}", "files", "name", flags_file, "text", buf_str(&text), "sources");
	return class;
}

static bool declared_by_flags(const json_t *doc)
{
	return strncmp(json_str_or(json_object_get(doc, "metadata"), "source", ""), flags_file, sizeof flags_file - 1) == 0;
}

static enum err_class check_flags(const struct cli *c, const char *name, const json_t *doc, struct err *e)
{
	static const enum flag_id not_with_rebuild[] = {FLAG_SOURCE, FLAG_RUNTIME, FLAG_COMMAND, FLAG_PORT};
	enum flag_id setting = given_among(c, settings, ARRAY_LEN(settings)), beside = given_among(c, not_with_rebuild, ARRAY_LEN(not_with_rebuild));
	const json_t *meta = json_object_get(doc, "metadata");
	if (flag_on(c, FLAG_REBUILD) && beside != FLAG_COUNT)
		return err_set(e, INVALID, R_InvalidFlag, "--rebuild builds what is declared: without --%s", flags[beside].long_name);
	if (!doc && (!flag_on(c, FLAG_RUNTIME) || !flag_on(c, FLAG_SOURCE)))
		return err_set(e, INVALID, R_NotFound, "there is no function %s in project %s: create it from its directory, or with --runtime and --source", name,
			       cli_project(c));
	if (doc && setting == FLAG_COUNT && !flag_on(c, FLAG_SOURCE) && !flag_on(c, FLAG_REBUILD))
		return err_set(e, INVALID, R_InvalidFlag, "say what to deploy: --source DIR packs a directory, --rebuild builds the declared source again");
	if (doc && setting != FLAG_COUNT && !declared_by_flags(doc) && !flag_on(c, FLAG_FORCE))
		return err_set(e, INVALID, R_OwnedByManifest, "function/%s is declared by %s: change --%s there, or take it over with --force", name,
			       json_str_or(meta, "source", "another"), flags[setting].long_name);
	return OK;
}

static enum err_class set_source(struct cli *c, struct deploy_body *b, struct err *e)
{
	struct digest d;
	char text[DIGEST_TEXT];
	if (!flag_on(c, FLAG_SOURCE))
		return OK;
	enum err_class class = sources_upload_directory(c, flag_or(c, FLAG_SOURCE, ""), b->function, &d, e);
	if (class)
		return class;
	json_t *sources = json_object_get(b->json, "sources");
	const char *key = sources ? arena_printf(c->arena, "%s/%s", b->project, b->function) : "digest";
	(void)json_object_set_new(sources ? sources : b->json, key, json_string(digest_text(&d, text))); /* fails only out of memory */
	return OK;
}

static enum err_class from_name(struct cli *c, struct deploy_body *b, struct err *e)
{
	AUTO_JSON json_t *doc = NULL;
	enum err_class class = function_argument(c, "fnctl deploy DIR or NAME", &b->function, e);
	if (!class)
		class = read_existing(c, b->function, &doc, e);
	if (!class)
		class = check_flags(c, b->function, doc, e);
	if (class)
		return class;
	const json_t *meta = json_object_get(doc, "metadata");
	b->function = arena_strdup(c->arena, json_str_or(meta, "name", b->function)); /* it may have been named by its id */
	b->project = arena_strdup(c->arena, json_str_or(meta, "project", cli_project(c)));
	bool whole = !doc || given_among(c, settings, ARRAY_LEN(settings)) != FLAG_COUNT || (declared_by_flags(doc) && flag_on(c, FLAG_SOURCE));
	if (whole)
		class = manifest_of_flags(c, b->function, doc, b, e);
	else
		b->json = json_object();
	return class ? class : set_source(c, b, e);
}

static enum err_class set_options(const struct cli *c, const char *note, json_t *body, struct err *e)
{
	if (note)
		(void)json_object_set_new(body, "note", json_string(note)); /* these fail only out of memory */
	(void)json_object_set_new(body, "force", json_boolean(flag_on(c, FLAG_FORCE)));
	(void)json_object_set_new(body, "dryRun", json_boolean(flag_on(c, FLAG_DRY_RUN)));
	return flag_environment(c, body, e);
}

enum err_class deploy_body(struct cli *c, struct deploy_body *ret, struct err *e)
{
	if (c->args.n != 1)
		return err_set(e, INVALID, R_InvalidFlag, "say what to deploy: fnctl deploy DIR, or fnctl deploy NAME --source DIR");
	const char *note;
	enum err_class class = flag_note(c, &note, e); /* before anything is uploaded */
	if (!class)
		class = names_directory(c) ? from_directory(c, ret, e) : from_name(c, ret, e);
	return class ? class : set_options(c, note, ret->json, e);
}
