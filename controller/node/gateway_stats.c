#include "node/gateway_stats.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *counter, *member;
} counters[] = {
	{"http_req_cnt", "requests"},
	{"http_err_cnt", "client_errors"},
	{"http_fail_cnt", "failures"},
	{"conn_cur", "open"},
};

/* The value of " name=" in a line, or NULL; its end is the next space. */
static const char *field(const char *line, const char *name)
{
	size_t n = strlen(name);
	for (const char *s = strchr(line, ' '); s; s = strchr(s + 1, ' '))
		if (strncmp(s + 1, name, n) == 0 && s[1 + n] == '=')
			return s + n + 2;
	return NULL;
}

/* "0x55…: key=10.214.0.5:8080 use=0 exp=3582156 conn_cur=0 http_req_cnt=3 …" */
static void parse_entry(const char *line, json_t *all)
{
	const char *key = field(line, "key");
	if (strncmp(line, "0x", 2) != 0 || !key)
		return;
	json_t *entry = json_object();
	for (size_t i = 0; i < ARRAY_LEN(counters); i++) {
		const char *value = field(line, counters[i].counter);
		json_object_set_new(entry, counters[i].member, json_integer(value ? strtoll(value, NULL, 10) : 0));
	}
	AUTO_FREE char *name = xstrdup(key);
	name[strcspn(name, " ")] = '\0';
	json_object_set_new(all, name, entry);
}

json_t *gateway_parse_table(const char *text)
{
	json_t *all = json_object();
	AUTO_FREE char *copy = xstrdup(text);
	for (char *line = copy, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		parse_entry(line, all);
	}
	return all;
}
