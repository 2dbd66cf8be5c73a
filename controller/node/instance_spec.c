#include "node/instance_spec.h"

#include <string.h>

#include "base/names.h"

enum { MAX_COMMAND = 256, MAX_ENV = 1024, MAX_TEXT = 512 << 10, MAX_PATH_TEXT = 1024, MAX_TOKEN = 64, MAX_HOST = 253, MAX_LABEL = 63 };

bool node_instance_name_valid(const char *s)
{
	size_t hex = strspn(s, "0123456789abcdef");
	if (hex != 12 || s[12] != '-')
		return false;
	size_t digits = strspn(s + 13, "0123456789");
	return digits >= 1 && digits <= 4 && s[13 + digits] == '\0';
}

bool node_token_valid(const char *s, size_t max)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
	return n > 0 && n <= max && s[n] == '\0';
}

bool node_key_valid(const char *s)
{
	size_t n = strlen(s);
	if (n == 0 || n >= KEY_MAX_LEN || s[0] == '/' || s[n - 1] == '/' || strstr(s, "//"))
		return false;
	return strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/@:") == n;
}

static bool label_valid(const char *p, size_t n)
{
	if (n == 0 || n > MAX_LABEL || p[0] == '-' || p[n - 1] == '-')
		return false;
	return strspn(p, "abcdefghijklmnopqrstuvwxyz0123456789-") >= n;
}

bool node_host_valid(const char *host, const char *domain)
{
	size_t n = strlen(host), d = strlen(domain);
	if (n > MAX_HOST || n < d || strcmp(host + n - d, domain) != 0 || (n > d && host[n - d - 1] != '.'))
		return false;
	for (const char *p = host;;) {
		size_t len = strcspn(p, ".");
		if (!label_valid(p, len))
			return false;
		if (!p[len])
			return true;
		p += len + 1;
	}
}

static bool environment_valid(const char *s)
{
	const char *slash = strchr(s, '/');
	char project[NAME_MAX_LEN + 1];
	size_t n = slash ? (size_t)(slash - s) : 0;
	if (n == 0 || n > NAME_MAX_LEN)
		return false;
	memcpy(project, s, n);
	project[n] = '\0';
	return name_valid(project) && name_valid(slash + 1);
}

static bool path_valid(const char *s)
{
	size_t n = strlen(s);
	if (s[0] != '/' || n > MAX_PATH_TEXT)
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s > '~')
			return false;
	return true;
}

/* NAME=value with a name as the shell takes it. */
static bool var_valid(const char *s)
{
	static const char name[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
	size_t n = strspn(s, name);
	return n > 0 && s[n] == '=' && !(s[0] >= '0' && s[0] <= '9');
}

static bool any_valid(const char *s)
{
	(void)s;
	return true;
}

static enum err_class get_strings(const json_t *j, const char *member, size_t max, bool (*valid)(const char *), struct arena *a,
				  const char *const **ret, struct err *e)
{
	const json_t *list = json_object_get(j, member);
	size_t n = json_array_size(list), i, total = 0;
	json_t *item;
	if ((list && !json_is_array(list)) || n > max)
		return err_set(e, INVALID, R_BadRequest, "\"%s\" must be an array of at most %zu strings", member, max);
	const char **out = arena_array(a, n + 1, sizeof *out);
	json_array_foreach(list, i, item) {
		const char *s = json_string_value(item);
		total += s ? strlen(s) + 1 : 0;
		if (!s || !valid(s) || total > MAX_TEXT) /* the value may be secret: only its place is named */
			return err_set(e, INVALID, R_BadRequest, "\"%s\": entry %zu is not allowed, or all are too long", member, i);
		out[i] = arena_strdup(a, s);
	}
	*ret = out;
	return OK;
}

struct bound {
	const char *member;
	int64_t min, max;
	size_t offset;
};

#define SPEC(member) offsetof(struct node_spec, member)
static const struct bound numbers[] = {
	{"memory_bytes", 1 << 20, (int64_t)1 << 44, SPEC(memory_bytes)},
	{"cpu_millis", 10, 1024000, SPEC(cpu_millis)},
	{"pids", 1, 1 << 20, SPEC(pids)},
};
static const struct bound health_numbers[] = {
	{"interval_ms", 10, 3600000, SPEC(health_interval_ms)},
	{"timeout_ms", 10, 600000, SPEC(health_timeout_ms)},
	{"deadline_ms", 10, 3600000, SPEC(health_deadline_ms)},
	{"failures", 1, 1000, SPEC(health_failures)},
};

static enum err_class get_numbers(const json_t *j, const struct bound *b, size_t n, struct node_spec *s, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int64_t v;
		enum err_class c = json_need_int(j, b[i].member, &v, e);
		if (c)
			return c;
		if (v < b[i].min || v > b[i].max)
			return err_set(e, INVALID, R_BadRequest, "\"%s\" must be from %lld to %lld", b[i].member, (long long)b[i].min,
				       (long long)b[i].max);
		*(int64_t *)(void *)((char *)s + b[i].offset) = v;
	}
	return OK;
}

static enum err_class only_known(const json_t *j, const char *const *known, struct err *e)
{
	const char *name;
	json_t *v;
	json_object_foreach((json_t *)j, name, v) {
		const char *const *k = known;
		while (*k && strcmp(*k, name) != 0)
			k++;
		if (!*k)
			return err_set(e, INVALID, R_BadRequest, "\"%.60s\" is not a member", name);
	}
	return OK;
}

static enum err_class get_health(const json_t *j, struct arena *a, struct node_spec *s, struct err *e)
{
	static const char *const known[] = {"path", "interval_ms", "timeout_ms", "deadline_ms", "failures", NULL};
	const json_t *path = json_object_get(j, "path");
	if (!json_is_object(j))
		return err_set(e, INVALID, R_BadRequest, "\"health\" must be an object");
	enum err_class c = only_known(j, known, e);
	if (!c)
		c = get_numbers(j, health_numbers, ARRAY_LEN(health_numbers), s, e);
	if (c)
		return c;
	if (!path || json_is_null(path))
		return OK;
	if (!json_is_string(path) || !path_valid(json_string_value(path)))
		return err_set(e, INVALID, R_BadRequest, "\"health.path\" must be an absolute path of printable characters");
	s->health_path = arena_strdup(a, json_string_value(path));
	return OK;
}

static enum err_class get_names(const json_t *j, struct arena *a, struct node_spec *s, struct err *e)
{
	const char *name, *release, *environment;
	enum err_class c = json_need_str(j, "name", &name, e);
	if (!c)
		c = json_need_str(j, "release", &release, e);
	if (!c)
		c = json_need_str(j, "environment", &environment, e);
	if (c)
		return c;
	if (!node_instance_name_valid(name))
		return err_set(e, INVALID, R_InvalidName, "an instance's name is 12 hex digits, a dash and a number");
	if (!node_token_valid(release, MAX_TOKEN) || !environment_valid(environment))
		return err_set(e, INVALID, R_InvalidName, "\"release\" or \"environment\" is not a name");
	s->name = arena_strdup(a, name);
	s->release = arena_strdup(a, release);
	s->environment = arena_strdup(a, environment);
	return OK;
}

enum err_class node_spec_parse(const json_t *j, struct arena *a, struct node_spec *ret, struct err *e)
{
	static const char *const known[] = {"name", "release", "environment", "image", "command", "env", "port", "memory_bytes",
					    "cpu_millis", "pids", "health", NULL};
	struct node_spec s = {0};
	int64_t port = 0;
	if (!json_is_object(j))
		return err_set(e, INVALID, R_BadRequest, "\"instance\" must be an object");
	enum err_class c = only_known(j, known, e);
	if (!c)
		c = get_names(j, a, &s, e);
	if (!c)
		c = json_need_digest(j, "image", &s.image, e);
	if (!c)
		c = get_strings(j, "command", MAX_COMMAND, any_valid, a, &s.command, e);
	if (!c)
		c = get_strings(j, "env", MAX_ENV, var_valid, a, &s.env, e);
	if (!c)
		c = json_need_int(j, "port", &port, e);
	if (!c)
		c = get_numbers(j, numbers, ARRAY_LEN(numbers), &s, e);
	if (!c)
		c = get_health(json_object_get(j, "health"), a, &s, e);
	if (c)
		return c;
	if (port < 1 || port > 65535)
		return err_set(e, INVALID, R_BadRequest, "\"port\" must be from 1 to 65535");
	s.port = (int)port;
	s.digest = json_digest(j);
	*ret = s;
	return OK;
}
