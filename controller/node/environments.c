#include "node/environments.h"

#include <stdlib.h>
#include <string.h>

#include "base/fs.h"

struct environments {
	char *path;
	uid_t base;
	json_t *index; /* name -> number */
};

enum { MAX_FILE = 1 << 20 };

static enum err_class check_file(const json_t *j, const char *path, struct err *e)
{
	const char *name;
	json_t *v;
	bool taken[ENVIRONMENT_MAX] = {false};
	json_object_foreach((json_t *)j, name, v) {
		json_int_t n = json_is_integer(v) ? json_integer_value(v) : -1;
		if (n < 0 || n >= ENVIRONMENT_MAX || taken[n])
			return err_set(e, INVALID, R_InvalidValue, "%s is damaged at \"%s\"", path, name);
		taken[n] = true;
	}
	return json_is_object(j) ? OK : err_set(e, INVALID, R_InvalidValue, "%s is not an object", path);
}

enum err_class environments_open(const char *path, uid_t base, struct environments **ret, struct err *e)
{
	AUTO_JSON json_t *j = NULL;
	AUTO_BUF struct buf text = BUF_INIT(MAX_FILE);
	if (fs_exists(path)) {
		enum err_class c = fs_read(path, &text, e);
		if (!c)
			c = json_parse(buf_str(&text), text.len, &j, e);
		if (!c)
			c = check_file(j, path, e);
		if (c)
			return err_wrap(e, "%s", path);
	} else {
		j = json_object();
	}
	struct environments *v = xcalloc(1, sizeof *v);
	*v = (struct environments){xstrdup(path), base, json_incref(j)};
	*ret = v;
	return OK;
}

void environments_free(struct environments *v)
{
	if (!v)
		return;
	json_decref(v->index);
	free(v->path);
	free(v);
}

static int lowest_free(const json_t *index)
{
	bool taken[ENVIRONMENT_MAX] = {false};
	const char *name;
	json_t *n;
	json_object_foreach((json_t *)index, name, n)
		taken[json_integer_value(n)] = true;
	for (int i = 0; i < ENVIRONMENT_MAX; i++)
		if (!taken[i])
			return i;
	return -1;
}

/* An environment without instances gives its number away. */
static int take_away(json_t *index, environments_used_fn *used, void *ctx)
{
	const char *name;
	json_t *n;
	json_object_foreach(index, name, n) {
		if (used(ctx, name))
			continue;
		int i = (int)json_integer_value(n);
		(void)json_object_del(index, name);
		return i;
	}
	return -1;
}

enum err_class environments_uid(struct environments *v, const char *environment, int slot, environments_used_fn *used, void *ctx,
				uid_t *ret, struct err *e)
{
	int64_t index = json_int_or(v->index, environment, -1);
	if (index < 0) {
		AUTO_JSON json_t *changed = json_deep_copy(v->index);
		index = lowest_free(changed);
		if (index < 0)
			index = take_away(changed, used, ctx);
		if (index < 0)
			return err_set(e, TRANSIENT, R_NoCapacity, "all %d environments of this node are in use", ENVIRONMENT_MAX);
		(void)json_object_set_new(changed, environment, json_integer(index));
		AUTO_FREE char *text = json_text(changed);
		enum err_class c = fs_write_atomic(v->path, text, strlen(text), 0600, true, e);
		if (c)
			return c;
		json_decref(v->index);
		v->index = json_incref(changed);
	}
	*ret = v->base + (uid_t)index * ENVIRONMENT_UIDS + (uid_t)(slot % ENVIRONMENT_UIDS);
	return OK;
}
