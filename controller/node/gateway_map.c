#include "node/gateway_map.h"

#include <stdlib.h>
#include <string.h>

#include "node/gateway_routes.h"

void map_release(struct map *m)
{
	arena_release(&m->arena);
	*m = (struct map){0};
}

void map_put(struct map *m, const char *key, const char *value)
{
	struct map_entry *at = arena_push(&m->arena, (void **)&m->entries, &m->n, &m->cap, sizeof *at);
	at->key = arena_strdup(&m->arena, key);
	at->value = arena_strdup(&m->arena, value);
}

static int by_key(const void *pa, const void *pb)
{
	const struct map_entry *a = pa, *b = pb;
	int order = strcmp(a->key, b->key);
	return order ? order : strcmp(a->value, b->value);
}

void map_sort(struct map *m)
{
	if (m->n > 1)
		qsort(m->entries, m->n, sizeof *m->entries, by_key);
}

static int key_order(const void *key, const void *entry) { return strcmp(key, ((const struct map_entry *)entry)->key); }

bool map_has(const struct map *m, const char *key)
{
	return m->n > 0 && bsearch(key, m->entries, m->n, sizeof *m->entries, key_order) != NULL;
}

void map_text(const struct map *m, struct buf *out)
{
	for (size_t i = 0; i < m->n; i++) {
		(void)buf_puts(out, m->entries[i].key);
		(void)buf_puts(out, " ");
		(void)buf_puts(out, m->entries[i].value);
		(void)buf_puts(out, "\n"); /* the caller checks for overflow once */
	}
}

enum err_class map_parse_shown(const char *text, struct map *m, struct err *e)
{
	for (const char *line = text; *line;) {
		size_t len = strcspn(line, "\n");
		const char *key = memchr(line, ' ', len);
		const char *value = key ? memchr(key + 1, ' ', len - (size_t)(key + 1 - line)) : NULL;
		if (len > 0 && (!value || strncmp(line, "0x", 2) != 0))
			return err_set(e, INVALID, R_BadRequest, "not an answer to `show map`: %.80s", line);
		if (len > 0) {
			const char *k = arena_strndup(&m->arena, key + 1, (size_t)(value - key - 1));
			map_put(m, k, arena_strndup(&m->arena, value + 1, (size_t)(line + len - value - 1)));
		}
		line += len + (line[len] == '\n');
	}
	map_sort(m);
	return OK;
}

size_t map_diff(const struct map *from, const struct map *to, struct arena *a, struct map_change **ret)
{
	struct map_change *all = NULL;
	size_t n = 0, cap = 0, i = 0, j = 0;
	while (i < from->n || j < to->n) {
		const struct map_entry *f = i < from->n ? &from->entries[i] : NULL, *t = j < to->n ? &to->entries[j] : NULL;
		int order = !f ? 1 : !t ? -1 : strcmp(f->key, t->key);
		i += order <= 0;
		j += order >= 0;
		if (order == 0 && strcmp(f->value, t->value) == 0)
			continue;
		struct map_change *c = arena_push(a, (void **)&all, &n, &cap, sizeof *c);
		if (order < 0)
			*c = (struct map_change){MAP_DEL, f->key, f->value};
		else
			*c = (struct map_change){order == 0 ? MAP_SET : MAP_ADD, t->key, t->value};
	}
	*ret = all;
	return n;
}

/* 16 hex digits: names a list of addresses of a release. */
static char *set_name(const json_t *served, struct arena *a)
{
	struct digest_ctx d;
	char hex[DIGEST_HEX];
	const char *release = json_str_or(served, "release", "");
	digest_init(&d);
	digest_update(&d, release, strlen(release) + 1);
	size_t i;
	json_t *address;
	json_array_foreach(json_object_get(served, "addresses"), i, address)
		digest_update(&d, json_string_value(address), json_string_length(address) + 1);
	struct digest sum = digest_final(&d);
	return arena_strndup(a, digest_hex(&sum, hex), 16);
}

static enum err_class put_served(const struct conf *c, const json_t *served, struct map *hosts, struct map *addresses,
				 struct err *e)
{
	const char *set = set_name(served, &hosts->arena);
	const json_t *list = json_object_get(served, "addresses"), *names = json_object_get(served, "hosts");
	if (json_array_size(names) == 0)
		return OK; /* only what is beside it serves */
	size_t n = json_array_size(list);
	/* With none at all the lookup of "#0" finds nothing, which is the right answer: no instance. */
	const char *value = arena_printf(&hosts->arena, "%s|%s|%zu|%lld", json_str_or(served, "release", ""), set, n ? n : 1,
					 (long long)json_int_or(served, "timeout_ms", 0));
	size_t i;
	json_t *v;
	json_array_foreach(list, i, v)
		map_put(addresses, arena_printf(&addresses->arena, "%s#%zu", set, i), json_string_value(v));
	json_array_foreach(names, i, v) {
		char label[GATEWAY_HOST_MAX];
		enum err_class class = gateway_host_label(c, json_string_value(v), label, e);
		if (class)
			return class;
		map_put(hosts, label, value);
	}
	return OK;
}

static enum err_class put_route(const struct conf *c, const json_t *route, struct map *hosts, struct map *addresses,
				struct err *e)
{
	enum err_class class = OK;
	const json_t *served;
	for (size_t i = 0; !class && (served = gateway_served_at(route, i)) != NULL; i++)
		class = put_served(c, served, hosts, addresses, e);
	return class;
}

/* Two routes with the same release and addresses share their set, and a host may be named below both domains. */
static void drop_repeated(struct map *m)
{
	size_t n = 0;
	for (size_t i = 0; i < m->n; i++)
		if (n == 0 || by_key(&m->entries[n - 1], &m->entries[i]) != 0)
			m->entries[n++] = m->entries[i];
	m->n = n;
}

enum err_class gateway_make_maps(const struct conf *c, const json_t *routes, struct map *hosts, struct map *addresses,
				 struct err *e)
{
	const char *key;
	json_t *route;
	map_put(hosts, "_loaded", "1");
	json_object_foreach((json_t *)(uintptr_t)routes, key, route) { /* jansson's iterators take no const; nothing is changed */
		enum err_class class = put_route(c, route, hosts, addresses, e);
		if (class)
			return err_wrap(e, "%s", key);
	}
	map_sort(hosts);
	map_sort(addresses);
	drop_repeated(hosts);
	drop_repeated(addresses);
	for (size_t i = 1; i < hosts->n; i++)
		if (strcmp(hosts->entries[i - 1].key, hosts->entries[i].key) == 0)
			return err_set(e, INVALID, R_DuplicateKey, "host %s.%s is claimed by two routes", hosts->entries[i].key,
				       c->domain);
	return OK;
}
