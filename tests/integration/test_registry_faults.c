/* The registry client against a registry that misbehaves in each way we know of. */
#include "registry_case.h"

/* Every failure of the fake, whatever the call: no secret and no body in the message. */
static void assert_failure(enum err_class got, const struct err *e, enum err_class class, const char *reason)
{
	if (got != class || strcmp(e->reason, reason) != 0)
		fail_msg("%s %s: %s", err_class_name(got), e->reason, e->msg);
	assert_null(strstr(e->msg, "canary"));
}

static void heads_that_fail(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *repo;
		enum err_class class;
		const char *reason;
	} table[] = {
		{ "s500/x", TRANSIENT, "RegistryUnavailable" }, { "s503/x", TRANSIENT, "RegistryUnavailable" },
		{ "s429/x", TRANSIENT, "RegistryUnavailable" }, { "s401/x", DENIED, "RegistryDenied" },
		{ "s403/x", DENIED, "RegistryDenied" },         { "s418/x", TRANSIENT, "RegistryProtocol" },
		{ "stall/x", TRANSIENT, "RegistryUnavailable" }, { "hangup/x", TRANSIENT, "RegistryUnavailable" },
		{ "redirectall/x", TRANSIENT, "RegistryProtocol" }, { "wronghead/x", TRANSIENT, "DigestMismatch" },
		{ "evil/x", DENIED, "RegistryDenied" },
	};
	char text[DIGEST_TEXT];
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct registry *r = client(f->fake, f->auth_file, STALL_MS);
		struct err e = ERR_INIT;
		struct digest d;
		bool found = true;
		assert_failure(registry_head(r, table[i].repo, digest_text(&f->fake_image, text), &found, &d, &e), &e, table[i].class,
			       table[i].reason);
		registry_free(r);
	}
}

static void pulls_that_fail(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *repo;
		enum err_class class;
		const char *reason;
	} table[] = {
		{ "wrongmanifest/x", TRANSIENT, "DigestMismatch" }, { "wronghead/x", TRANSIENT, "DigestMismatch" },
		{ "wrongblob/x", TRANSIENT, "DigestMismatch" },     { "longblob/x", TRANSIENT, "DigestMismatch" },
		{ "shortblob/x", TRANSIENT, "DigestMismatch" },     { "truncated/x", TRANSIENT, "RegistryUnavailable" },
		{ "stallblob/x", TRANSIENT, "RegistryUnavailable" }, { "nolayer/x", INVALID, "ImageMissing" },
		{ "loop/x", TRANSIENT, "RegistryProtocol" },        { "s500/x", TRANSIENT, "RegistryUnavailable" },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct registry *r = client(f->fake, f->auth_file, STALL_MS);
		struct err e = ERR_INIT;
		assert_failure(registry_pull(r, table[i].repo, &f->fake_image, &f->cache, &e), &e, table[i].class, table[i].reason);
		assert_false(cache_has(&f->cache, &f->fake_image, NULL)); /* comes last */
		registry_free(r);
		(void)fresh(state);
	}
	struct registry *r = client(f->fake, f->auth_file, CALL_MS);
	struct err e = ERR_INIT;
	struct digest absent = digest_of_str("absent");
	assert_failure(registry_pull(r, "good/x", &absent, &f->cache, &e), &e, INVALID, "ImageMissing");
	registry_free(r);
}

static void a_docker_image_is_pulled_and_extended(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct registry *r = client(f->fake, f->auth_file, CALL_MS), *real = client(f->real, f->auth_file, CALL_MS);
	assert_int_equal(registry_pull(r, "good/x", &f->fake_image, &f->cache, &e), OK);
	struct digest image = make_image(f, "on docker", &f->fake_image);
	assert_int_equal(registry_push(real, "on/docker", "v1", NULL, &image, &f->cache, &e), OK);
	registry_free(r);
	registry_free(real);
}

static void a_head_without_digest_is_counted(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct registry *r = client(f->fake, f->auth_file, CALL_MS);
	struct digest d;
	bool found = false;
	assert_int_equal(registry_head(r, "nodigest/x", "v1", &found, &d, &e), OK);
	assert_true(found);
	assert_true(digest_eq(&d, &f->fake_image));
	registry_free(r);
}

/* What the fake saw of requests to a repository, and of both origins. */
struct seen {
	int count, posts, puts, heads, elsewhere, basic_elsewhere, bearer;
};
static struct seen requests_of(struct fixture *f, const char *mode)
{
	struct err e = ERR_INIT;
	struct http *http = NULL;
	struct http_opts o = { .base = f->fake };
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	AUTO_JSON json_t *log = NULL;
	int status = 0;
	struct seen s = { 0 };
	assert_int_equal(http_open(&o, &http, &e), OK);
	struct http_request q = { .path = "/_log", .out = &b };
	assert_int_equal(http_do(http, &q, &status, &e), OK);
	http_free(http);
	assert_int_equal(json_parse(buf_str(&b), b.len, &log, &e), OK);
	const char *prefix = arena_printf(&f->a, "/v2/%s/", mode);
	size_t i;
	json_t *j;
	json_array_foreach(log, i, j) {
		int port = (int)json_integer_value(json_array_get(j, 0));
		const char *method = json_string_value(json_array_get(j, 1)), *path = json_string_value(json_array_get(j, 2));
		const char *auth = json_string_value(json_array_get(j, 3));
		bool other = port == f->other_port;
		s.elsewhere += other;
		s.basic_elsewhere += other && auth && strstr(path, "/token") == NULL;
		if (strncmp(path, prefix, strlen(prefix)) != 0)
			continue;
		s.count++;
		s.posts += strcmp(method, "POST") == 0;
		s.puts += strcmp(method, "PUT") == 0;
		s.heads += strcmp(method, "HEAD") == 0;
		s.bearer += auth && strcmp(auth, "Bearer token-canary") == 0;
	}
	return s;
}

static void pushes_that_work(void **state)
{
	struct fixture *f = *state;
	static const char *const repos[] = { "push/x", "nomount/x", "falsehead/x", "absolute/x", "bearer/x" };
	struct digest image = make_image(f, "a layer", NULL), there;
	for (size_t i = 0; i < ARRAY_LEN(repos); i++) {
		struct registry *r = client(f->fake, f->auth_file, CALL_MS);
		struct err e = ERR_INIT;
		bool found = false;
		enum err_class c = registry_push(r, repos[i], "v1", "push/base", &image, &f->cache, &e);
		if (c)
			fail_msg("%s: %s", repos[i], e.msg);
		assert_int_equal(registry_head(r, repos[i], "v1", &found, &there, &e), OK);
		assert_true(found);
		assert_true(digest_eq(&there, &image));
		registry_free(r);
	}
	/* HEAD; POST + PUT for the layer and for the config; PUT of the manifest; the test's own HEAD */
	assert_int_equal(requests_of(f, "push/x").count, 7);
	assert_int_equal(requests_of(f, "push/x").heads, 2);
	/* a refused mount is asked for again without it */
	assert_int_equal(requests_of(f, "nomount/x").posts, 4);
	/* the false "already there": both blobs sent after all, the manifest twice */
	assert_int_equal(requests_of(f, "falsehead/x").posts, 4);
	assert_int_equal(requests_of(f, "falsehead/x").puts, 4);
	assert_true(requests_of(f, "bearer/x").bearer > 0);
}

static void a_base_is_not_asked_for_again(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct registry *r = client(f->fake, f->auth_file, CALL_MS);
	struct digest base = make_image(f, "a base", NULL), one = make_image(f, "on it", &base), two = make_image(f, "on it, again", &base);
	assert_int_equal(registry_push(r, "push/seen", "v1", "push/base", &one, &f->cache, &e), OK);
	int before = requests_of(f, "push/seen").count;
	assert_int_equal(before, 8); /* HEAD, three blobs of two requests, PUT */
	assert_int_equal(registry_push(r, "push/seen", "v2", "push/base", &two, &f->cache, &e), OK);
	assert_int_equal(requests_of(f, "push/seen").count - before, 6);
	registry_free(r);
}

static void pushes_that_fail(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *repo;
		enum err_class class;
		const char *reason;
	} table[] = {
		{ "liar/x", TRANSIENT, "RegistryProtocol" },       { "wrongput/x", TRANSIENT, "DigestMismatch" },
		{ "badlocation/x", TRANSIENT, "RegistryProtocol" }, { "s403/x", DENIED, "RegistryDenied" },
		{ "s500/x", TRANSIENT, "RegistryUnavailable" },
		{ "baddigest/x", TRANSIENT, "DigestMismatch" }, /* last: the blob is dropped from the cache */
	};
	struct digest image = make_image(f, "another layer", NULL);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct registry *r = client(f->fake, f->auth_file, STALL_MS);
		struct err e = ERR_INIT;
		assert_failure(registry_push(r, table[i].repo, "v1", NULL, &image, &f->cache, &e), &e, table[i].class, table[i].reason);
		registry_free(r);
	}
	struct registry *r = client(f->fake, f->auth_file, CALL_MS);
	struct err e = ERR_INIT;
	assert_failure(registry_delete(r, "push/x", &image, &e), &e, DENIED, "RegistryDenied");
	registry_free(r);
}

/* Whoever deletes holds a lock. */
static void a_deletion_ends_soon(void **state)
{
	enum { LONG_MS = 25000 };
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct registry *r = client(f->fake, f->auth_file, LONG_MS);
	int64_t start = clock_mono_ms();
	assert_failure(registry_delete(r, "stall/x", &f->fake_image, &e), &e, TRANSIENT, "RegistryUnavailable");
	assert_true(clock_mono_ms() - start < LONG_MS / 2);
	registry_free(r);
}

static void credentials_stay_with_their_origin(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct registry *r = client(f->fake, f->auth_file, CALL_MS);
	assert_int_equal(registry_pull(r, "redirect/x", &f->fake_image, &f->cache, &e), OK);
	struct digest image = make_image(f, "one more layer", NULL);
	assert_int_equal(registry_push(r, "absolute/y", "v1", NULL, &image, &f->cache, &e), OK);
	registry_free(r);
	assert_true(requests_of(f, "redirect/x").elsewhere > 0);
	assert_int_equal(requests_of(f, "redirect/x").basic_elsewhere, 0);
}

static enum err_class get_tls(struct fixture *f, const char *host, const char *ca_file, struct err *e)
{
	struct http *h = NULL;
	const struct http_opts o = { .base = arena_printf(&f->a, "https://%s:%d", host, f->tls_port), .ca_file = ca_file,
				     .unavailable = R_RegistryUnavailable, .denied = R_RegistryDenied, .protocol = R_RegistryProtocol };
	struct http_request q = { .path = "/v2/" };
	int status = 0;
	assert_int_equal(http_open(&o, &h, e), OK);
	enum err_class c = http_do(h, &q, &status, e);
	http_free(h);
	return c;
}

static void certificates_are_verified(void **state)
{
	struct fixture *f = *state;
	const char *ca = arena_printf(&f->a, "%s/cert.pem", f->home);
	struct err e = ERR_INIT;
	assert_int_equal(get_tls(f, "127.0.0.1", ca, &e), OK);
	assert_failure(get_tls(f, "127.0.0.1", NULL, &e), &e, DENIED, "RegistryDenied"); /* nobody vouches for it */
	assert_failure(get_tls(f, "localhost", ca, &e), &e, DENIED, "RegistryDenied");   /* another name */
	assert_failure(get_tls(f, "127.0.0.1", "/nonexistent", &e), &e, DENIED, "RegistryDenied");
}

static void what_the_cache_has_is_not_fetched(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct registry *r = client(f->fake, f->auth_file, CALL_MS);
	assert_int_equal(registry_pull(r, "good/once", &f->fake_image, &f->cache, &e), OK);
	int before = requests_of(f, "good/once").count;
	assert_int_equal(before, 3);
	assert_int_equal(registry_pull(r, "good/once", &f->fake_image, &f->cache, &e), OK);
	assert_int_equal(requests_of(f, "good/once").count, before);
	registry_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(heads_that_fail),
		T(pulls_that_fail),
		T(a_docker_image_is_pulled_and_extended),
		T(a_head_without_digest_is_counted),
		T(pushes_that_work),
		T(a_base_is_not_asked_for_again),
		T(pushes_that_fail),
		T(a_deletion_ends_soon), T(credentials_stay_with_their_origin),
		T(certificates_are_verified),
		T(what_the_cache_has_is_not_fetched),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
