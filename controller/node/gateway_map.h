/* HAProxy's maps as sorted lists of key and value: made from routes, written to files, read back from the runtime socket,
 * compared. Pure. */
#ifndef FN_NODE_GATEWAY_MAP_H
#define FN_NODE_GATEWAY_MAP_H

#include "base/conf.h"
#include "base/json.h"

struct map_entry {
	const char *key, *value;
};

/* Owns its strings; zeroed is empty. */
struct map {
	struct arena arena;
	struct map_entry *entries;
	size_t n, cap;
};
#define AUTO_MAP __attribute__((cleanup(map_release)))
void map_release(struct map *m);
void map_put(struct map *m, const char *key, const char *value); /* copies; then map_sort */
void map_sort(struct map *m);
bool map_has(const struct map *m, const char *key); /* m is sorted */

/* The lines of a map file. */
void map_text(const struct map *m, struct buf *out);

/* Reads what `show map` answers ("0x55… key value" a line) into *m, sorted. INVALID BadRequest on anything else. */
enum err_class map_parse_shown(const char *text, struct map *m, struct err *e) MUST_USE;

enum map_change_kind { MAP_ADD, MAP_SET, MAP_DEL };
struct map_change {
	enum map_change_kind kind;
	const char *key, *value; /* of the map it comes from */
};
/* What turns from into to, both sorted; *ret is an array in *a. A key twice in from shows as a change, too. */
size_t map_diff(const struct map *from, const struct map *to, struct arena *a, struct map_change **ret);

/* The two maps of all routes (an object key -> route, see gateway_routes.h):
 *   hosts      "hello.dev" -> "<release>|<set>|<instances>|<timeout ms>", and "_loaded" -> "1"
 *   addresses  "<set>#<k>" -> "10.214.0.5:8080"
 * A set's name is a hash of its release and addresses, so that an address list never changes under a release that serves:
 * another list is another set, whose entries are there before any host names it.
 * INVALID DuplicateKey when two routes claim one host. */
enum err_class gateway_make_maps(const struct conf *c, const json_t *routes, struct map *hosts, struct map *addresses,
				 struct err *e) MUST_USE;

#endif
