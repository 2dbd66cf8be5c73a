/* FN_HOME/fn.conf: lines `key = value`, # comments. Written by deploy/up (or a test), read by every program.
 * Everything that two installations on one machine must not share derives from it. */
#ifndef FN_BASE_CONF_H
#define FN_BASE_CONF_H

#include <sys/types.h>

#include "base/mem.h"

struct conf {
	const char *home;         /* FN_HOME, absolute */
	const char *instance;     /* short name, [a-z0-9]{1,6}: prefix of links, netns, nft table, cgroups; "fn" */
	const char *listen;       /* address of the loopback listeners, "127.0.0.1" */
	int api_port;             /* 7300 */
	int registry_port;        /* 7350 */
	int gateway_port;         /* 7380 */
	const char *subnet;       /* /16 of instance addresses, "10.214.0.0" */
	const char *link_address; /* the host's address as instances see it, "169.254.1.1" */
	const char *cgroup_parent;/* "/fn" */
	const char *domain;       /* "fn.localhost" */
	const char *image_template; /* "functions/{project}/{name}:v{n}" */
	const char *database;     /* libpq conninfo: "host=HOME/run/postgresql dbname=fn user=fn" */
	const char *registry_url; /* "http://127.0.0.1:7350" */
	const char *registry_auth_file; /* "HOME/secrets/registry": one line user:password, mode 0600 */
	const char *user;         /* the unprivileged user, "fn" */
	uid_t user_uid;           /* of user, or -1 where it does not exist */
	gid_t user_gid;
	uid_t uid_base;           /* first uid given to instances, 200000; 65536 of them */
	int workers;              /* 4 */
	int64_t collect_interval_ms; /* "1h": between two collections of what nothing uses */
	int64_t collect_grace_ms;    /* "10m": what was used since then is spared */
};

/* Reads home/fn.conf (home NULL: $FN_HOME, else /var/lib/fn). An absent file gives the defaults. INVALID InvalidValue with
 * file and line for an unknown key or a bad value. Strings live in *a. */
enum err_class conf_load(const char *home, struct arena *a, struct conf *ret, struct err *e) MUST_USE;

/* "home/<path>" in the arena. */
char *conf_path(const struct conf *c, struct arena *a, const char *path);

#endif
