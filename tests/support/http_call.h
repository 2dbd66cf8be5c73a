/* One HTTP exchange of a test over libcurl: by TCP or through a unix socket. */
#ifndef FN_TESTS_HTTP_CALL_H
#define FN_TESTS_HTTP_CALL_H

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"

struct call {
	const char *socket;           /* NULL: TCP */
	const char *method, *url;
	const char *const *headers;   /* NULL-terminated, or NULL */
	const void *body;             /* NULL: none */
	size_t nbody;
	/* the answer */
	long status;                  /* 0: none, see curl */
	CURLcode curl;
	struct buf text, head;
	json_t *json;                 /* NULL when it is none */
};

static inline size_t call_take(char *p, size_t size, size_t n, void *to)
{
	return buf_add(to, p, size * n) ? size * n : 0;
}

static inline void call_release(struct call *c)
{
	buf_release(&c->text);
	buf_release(&c->head);
	json_decref(c->json);
	c->json = NULL;
}

static inline struct curl_slist *call_headers(const struct call *c)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");
	for (size_t i = 0; c->headers && c->headers[i]; i++)
		list = curl_slist_append(list, c->headers[i]);
	return list;
}

/* Fills in the answer; a new one replaces the old. */
static inline void call_run(struct call *c)
{
	call_release(c);
	c->text.max = c->head.max = 64 << 20;
	CURL *h = curl_easy_init();
	struct curl_slist *list = call_headers(c);
	if (c->socket)
		curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, c->socket);
	curl_easy_setopt(h, CURLOPT_URL, c->url);
	curl_easy_setopt(h, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, c->method);
	if (strcmp(c->method, "HEAD") == 0)
		curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
	if (c->body) {
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, c->body);
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->nbody);
	}
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, call_take);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, &c->text);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, call_take);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, &c->head);
	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, 30000L);
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	c->curl = curl_easy_perform(h);
	c->status = 0;
	curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &c->status);
	curl_slist_free_all(list);
	curl_easy_cleanup(h);
	c->json = json_loadb(buf_str(&c->text), c->text.len, 0, NULL);
}

static inline bool call_has_header(const struct call *c, const char *line)
{
	return strcasestr(buf_str(&c->head), line) != NULL;
}

#endif
