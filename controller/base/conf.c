#include "base/conf.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"

enum { CONF_MAX = 65536 };

enum value_type { STRING, NUMBER, DURATION, ADDRESS, INSTANCE, GROUP };

static const struct key {
	const char *name;
	enum value_type type;
	size_t offset;
	long min, max; /* of a duration min only, in seconds */
} keys[] = {
	{"instance", INSTANCE, offsetof(struct conf, instance), 0, 0},
	{"listen", ADDRESS, offsetof(struct conf, listen), 0, 0},
	{"api_port", NUMBER, offsetof(struct conf, api_port), 1, 65535},
	{"registry_port", NUMBER, offsetof(struct conf, registry_port), 1, 65535},
	{"gateway_port", NUMBER, offsetof(struct conf, gateway_port), 1, 65535},
	{"subnet", ADDRESS, offsetof(struct conf, subnet), 0, 0},
	{"link_address", ADDRESS, offsetof(struct conf, link_address), 0, 0},
	{"cgroup_parent", GROUP, offsetof(struct conf, cgroup_parent), 0, 0},
	{"domain", STRING, offsetof(struct conf, domain), 0, 0},
	{"image_template", STRING, offsetof(struct conf, image_template), 0, 0},
	{"database", STRING, offsetof(struct conf, database), 0, 0},
	{"registry_url", STRING, offsetof(struct conf, registry_url), 0, 0},
	{"registry_auth_file", STRING, offsetof(struct conf, registry_auth_file), 0, 0},
	{"user", STRING, offsetof(struct conf, user), 0, 0},
	{"uid_base", NUMBER, offsetof(struct conf, uid_base), 65536, 2000000000},
	{"workers", NUMBER, offsetof(struct conf, workers), 1, 64},
	{"collect_interval", DURATION, offsetof(struct conf, collect_interval_ms), 10, 0},
	{"collect_grace", DURATION, offsetof(struct conf, collect_grace_ms), 1, 0},
};

char *conf_path(const struct conf *c, struct arena *a, const char *path)
{
	return arena_printf(a, "%s/%s", c->home, path);
}

static char *trim(char *s)
{
	while (isspace((unsigned char)*s))
		s++;
	char *end = s + strlen(s);
	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return s;
}

/* What is wrong with a text, or NULL. Root makes links, cgroups and files with these names. */
static const char *fault(enum value_type type, const char *value)
{
	struct in_addr address;
	size_t n = strlen(value);
	switch (type) {
	case ADDRESS: return inet_pton(AF_INET, value, &address) == 1 ? NULL : "must be an IPv4 address";
	case INSTANCE:
		return n >= 1 && n <= 6 && strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789") == n ? NULL : "must be 1 to 6 of a-z 0-9";
	case GROUP: return value[0] == '/' && n > 1 && !strstr(value, "..") ? NULL : "must be a path below the cgroups' root, such as /fn";
	case STRING:
	case NUMBER:
	case DURATION: break;
	}
	return n ? NULL : "must not be empty";
}

/* "30s", "10m", "1h"; -1 when it is none. */
static int64_t duration_ms(const char *value)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = {{"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}};
	char *end;
	long n = strtol(value, &end, 10);
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (isdigit((unsigned char)*value) && strcmp(end, units[i].unit) == 0 && n <= 1000L * 3600 * 1000 / units[i].ms)
			return n * units[i].ms;
	return -1;
}

static enum err_class set_key(struct conf *c, const char *name, char *value, const char *at, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const struct key *k = &keys[i];
		if (strcmp(k->name, name) != 0)
			continue;
		void *slot = (char *)c + k->offset;
		if (k->type == DURATION) {
			int64_t ms = duration_ms(value);
			if (ms < k->min * 1000)
				return err_set(e, INVALID, R_InvalidValue, "%s: %s must be a duration from %lds to 1000h, such as 30s, 10m or 1h", at, name, k->min);
			*(int64_t *)slot = ms;
			return OK;
		}
		if (k->type != NUMBER) {
			const char *wrong = fault(k->type, value);
			if (wrong)
				return err_set(e, INVALID, R_InvalidValue, "%s: %s %s", at, name, wrong);
			*(const char **)slot = value;
			return OK;
		}
		char *end;
		long n = strtol(value, &end, 10);
		if (!*value || *end || n < k->min || n > k->max)
			return err_set(e, INVALID, R_InvalidValue, "%s: %s must be a number from %ld to %ld", at, name, k->min,
				       k->max);
		*(int *)slot = (int)n;
		return OK;
	}
	return err_set(e, INVALID, R_UnknownField, "%s: unknown key \"%s\"", at, name);
}

static enum err_class parse(struct conf *c, struct arena *a, const char *path, char *text, struct err *e)
{
	int line = 0;
	for (char *next; text; text = next) {
		next = strchr(text, '\n');
		if (next)
			*next++ = '\0';
		line++;
		char *s = trim(text);
		if (!*s || *s == '#')
			continue;
		const char *at = arena_printf(a, "%s:%d", path, line);
		char *eq = strchr(s, '=');
		if (!eq)
			return err_set(e, INVALID, R_InvalidValue, "%s: expected `key = value`", at);
		*eq = '\0';
		enum err_class class = set_key(c, trim(s), trim(eq + 1), at, e);
		if (class)
			return class;
	}
	return OK;
}

static void fill_derived(struct conf *c, struct arena *a)
{
	if (!c->cgroup_parent)
		c->cgroup_parent = arena_printf(a, "/%s", c->instance);
	if (!c->database)
		c->database = arena_printf(a, "host=%s/run/postgresql dbname=fn user=fn", c->home);
	if (!c->registry_url)
		c->registry_url = arena_printf(a, "http://%s:%d", c->listen, c->registry_port);
	if (!c->registry_auth_file)
		c->registry_auth_file = conf_path(c, a, "secrets/registry");
	const struct passwd *pw = getpwnam(c->user);
	c->user_uid = pw ? pw->pw_uid : (uid_t)-1;
	c->user_gid = pw ? pw->pw_gid : (gid_t)-1;
}

enum err_class conf_load(const char *home, struct arena *a, struct conf *ret, struct err *e)
{
	if (!home)
		home = getenv("FN_HOME");
	if (!home || !*home)
		home = "/var/lib/fn";
	if (home[0] != '/')
		return err_set(e, INVALID, R_InvalidValue, "FN_HOME must be an absolute path, not \"%s\"", home);
	struct conf c = {
		.home = arena_strdup(a, home), .instance = "fn", .listen = "127.0.0.1", .api_port = 7300, .registry_port = 7350,
		.gateway_port = 7380, .subnet = "10.214.0.0", .link_address = "169.254.1.1", .domain = "fn.localhost",
		.image_template = "functions/{project}/{name}:v{n}", .user = "fn", .uid_base = 200000, .workers = 4,
		.collect_interval_ms = 3600 * 1000, .collect_grace_ms = 600 * 1000,
	};
	const char *path = conf_path(&c, a, "fn.conf");
	AUTO_BUF struct buf text = BUF_INIT(CONF_MAX);
	struct err why = ERR_INIT;
	enum err_class class = fs_read(path, &text, &why);
	if (!class)
		class = parse(&c, a, path, arena_strdup(a, buf_str(&text)), &why);
	/* What cannot be read is not absent: the defaults may be another installation's. */
	if (class && strcmp(why.reason, "NotFound") != 0) {
		if (e)
			*e = why;
		return class;
	}
	fill_derived(&c, a);
	*ret = c;
	return OK;
}
