/* The registry client against a real docker-registry. */
#include "registry_case.h"

static void push_head_pull_delete(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct registry *r = client(f->real, f->auth_file, CALL_MS);
	struct digest base = make_image(f, "base layer", NULL), image = make_image(f, "function layer", &base), there;
	char text[DIGEST_TEXT];
	bool found = true;
	assert_int_equal(registry_head(r, "functions/shop/hello", "v1", &found, &there, &e), OK);
	assert_false(found);
	assert_int_equal(registry_push(r, "base/test", "v1", NULL, &base, &f->cache, &e), OK);
	assert_int_equal(registry_push(r, "functions/shop/hello", "v1", "base/test", &image, &f->cache, &e), OK);
	assert_int_equal(registry_push(r, "functions/shop/hello", "v1", "base/test", &image, &f->cache, &e), OK);
	assert_int_equal(registry_head(r, "functions/shop/hello", "v1", &found, &there, &e), OK);
	assert_true(found);
	assert_true(digest_eq(&there, &image));
	struct cache other = { arena_printf(&f->a, "%s/other", f->home) };
	assert_int_equal(cache_init(&other, &e), OK);
	assert_int_equal(registry_pull(r, "functions/shop/hello", &image, &other, &e), OK);
	struct oci_manifest m;
	assert_int_equal(oci_load(&other, &image, &f->a, &m, &e), OK);
	assert_int_equal(m.nlayers, 2);
	for (size_t i = 0; i < m.nlayers; i++)
		assert_true(cache_has(&other, &m.layers[i].digest, NULL));
	assert_int_equal(registry_delete(r, "functions/shop/hello", &image, &e), OK);
	assert_int_equal(registry_delete(r, "functions/shop/hello", &image, &e), OK);
	assert_int_equal(registry_head(r, "functions/shop/hello", digest_text(&image, text), &found, &there, &e), OK);
	assert_false(found);
	/* healed from the cache */
	assert_int_equal(registry_push(r, "functions/shop/hello", "v1", "base/test", &image, &f->cache, &e), OK);
	assert_int_equal(registry_head(r, "functions/shop/hello", digest_text(&image, text), &found, &there, &e), OK);
	assert_true(found);
	registry_free(r);
}

static void a_large_layer_goes_and_comes(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct registry *r = client(f->real, f->auth_file, CALL_MS);
	size_t n = 8 << 20;
	char *big = xmalloc(n + 1);
	for (size_t i = 0; i < n; i++)
		big[i] = (char)('a' + i * 2654435761U % 26);
	big[n] = '\0';
	struct digest image = make_image(f, big, NULL);
	assert_int_equal(registry_push(r, "large/one", "v1", NULL, &image, &f->cache, &e), OK);
	assert_int_equal(registry_push(r, "large/two", "v1", "large/one", &image, &f->cache, &e), OK);
	struct cache other = { arena_printf(&f->a, "%s/large", f->home) };
	assert_int_equal(cache_init(&other, &e), OK);
	assert_int_equal(registry_pull(r, "large/two", &image, &other, &e), OK);
	registry_free(r);
	free(big);
}

static void a_blob_in_no_cache_cannot_be_pushed(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct registry *r = client(f->real, f->auth_file, CALL_MS);
	struct digest image = make_image(f, "to be lost", NULL), layer = digest_of_str("to be lost");
	cache_drop(&f->cache, &layer);
	assert_int_equal(registry_push(r, "lost/x", "v1", NULL, &image, &f->cache, &e), TRANSIENT);
	assert_string_equal(e.reason, "ImageMissing");
	registry_free(r);
}

static void a_spoilt_blob_is_dropped_not_pushed(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct registry *r = client(f->real, f->auth_file, CALL_MS);
	struct digest image = make_image(f, "good bytes", NULL), layer = digest_of_str("good bytes");
	AUTO_CLOSE int fd = open(cache_path(&f->cache, &f->a, &layer), O_WRONLY);
	assert_int_equal(write(fd, "b", 1), 1);
	assert_int_equal(registry_push(r, "spoilt/x", "v1", NULL, &image, &f->cache, &e), TRANSIENT);
	assert_string_equal(e.reason, "DigestMismatch");
	assert_false(cache_has(&f->cache, &layer, NULL));
	registry_free(r);
}

static void wrong_credentials_are_denied_and_not_told(void **state)
{
	struct fixture *f = *state;
	const char *wrong = arena_printf(&f->a, "%s/wrong", f->home), *broken = arena_printf(&f->a, "%s/broken", f->home);
	struct err e = ERR_INIT;
	assert_int_equal(fs_write_atomic(wrong, "user:wrong-canary", 17, 0600, false, &e), OK);
	assert_int_equal(fs_write_atomic(broken, "broken-canary", 13, 0600, false, &e), OK);
	const char *files[] = { wrong, broken, arena_printf(&f->a, "%s/absent", f->home), NULL };
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct registry *r = client(f->real, files[i], CALL_MS);
		bool found;
		struct digest d;
		e = (struct err)ERR_INIT;
		assert_int_equal(registry_head(r, "x", "v1", &found, &d, &e), DENIED);
		assert_string_equal(e.reason, "RegistryDenied");
		assert_null(strstr(e.msg, "canary"));
		registry_free(r);
	}
}

static void the_credentials_file_is_read_at_each_use(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	const char *path = arena_printf(&f->a, "%s/rotating", f->home);
	AUTO_FREE char *line = xprintf("user:%s", PASSWORD);
	bool found;
	struct digest d;
	assert_int_equal(fs_write_atomic(path, "user:old", 8, 0600, false, &e), OK);
	struct registry *r = client(f->real, path, CALL_MS);
	assert_int_equal(registry_head(r, "x", "v1", &found, &d, &e), DENIED);
	assert_int_equal(fs_write_atomic(path, line, strlen(line), 0600, false, &e), OK);
	assert_int_equal(registry_head(r, "x", "v1", &found, &d, &e), OK);
	assert_false(found);
	registry_free(r);
}

static void nobody_there(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	bool found;
	struct digest d;
	struct registry *r = client(arena_printf(&f->a, "http://127.0.0.1:%d", free_port()), f->auth_file, CALL_MS);
	assert_int_equal(registry_head(r, "x", "v1", &found, &d, &e), TRANSIENT);
	assert_string_equal(e.reason, "RegistryUnavailable");
	registry_free(r);
	const struct registry_opts bad = { .url = "http://user:canary@127.0.0.1" };
	assert_int_equal(registry_open(&bad, &r, &e), INVALID);
	assert_string_equal(e.reason, "InvalidValue");
	assert_null(strstr(e.msg, "canary"));
}

static void names_that_are_not_repositories(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = { "", "../x", "a/../../b", "A", "a?b", "a b", "a#b", "/a" };
	struct registry *r = client(f->real, f->auth_file, CALL_MS);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		bool found;
		struct digest d = digest_of_str("x");
		assert_int_equal(registry_head(r, bad[i], "v1", &found, &d, &e), INVALID);
		assert_string_equal(e.reason, "InvalidName");
		assert_int_equal(registry_delete(r, bad[i], &d, &e), INVALID);
		assert_int_equal(registry_pull(r, bad[i], &d, &f->cache, &e), INVALID);
		assert_int_equal(registry_push(r, "ok", "v1", bad[i], &d, &f->cache, &e), INVALID);
	}
	registry_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(push_head_pull_delete),
		T(a_large_layer_goes_and_comes),
		T(a_blob_in_no_cache_cannot_be_pushed),
		T(a_spoilt_blob_is_dropped_not_pushed),
		T(wrong_credentials_are_denied_and_not_told),
		T(the_credentials_file_is_read_at_each_use),
		T(nobody_there),
		T(names_that_are_not_repositories),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
