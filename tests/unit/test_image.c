/* The image writer: what is written, that the same inputs give the same bytes, and what is refused of a base. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "reconcilers/providers/image.h"
#include "reconcilers/providers/oci.h"

static const char EPOCH[] = "1970-01-01T00:00:00Z";

struct fixture {
	char home[32];
	struct arena a;
	struct cache cache;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	struct err e = ERR_INIT;
	(void)strcpy(f->home, "/tmp/fn-image.XXXXXX");
	assert_non_null(mkdtemp(f->home));
	f->cache.dir = f->home;
	assert_int_equal(cache_init(&f->cache, &e), OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	assert_int_equal(fs_remove_tree(f->home, &e), OK);
	arena_release(&f->a);
	free(f);
	return 0;
}

static json_t *read_json(struct fixture *f, const struct digest *d)
{
	struct err e = ERR_INIT;
	json_t *j = NULL;
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	assert_int_equal(cache_read(&f->cache, d, &b, &e), OK);
	assert_int_equal(json_parse(buf_str(&b), b.len, &j, &e), OK);
	return j;
}

static json_t *config_of(struct fixture *f, const struct digest *manifest)
{
	AUTO_JSON json_t *m = read_json(f, manifest);
	struct digest d;
	assert_true(digest_parse(json_str_or(json_object_get(m, "config"), "digest", NULL), &d));
	return read_json(f, &d);
}

/* value as canonical text, with " written as ' */
static void assert_json(const json_t *j, const char *want)
{
	AUTO_FREE char *got = j ? json_text(j) : xstrdup("(none)");
	for (char *p = got; *p; p++)
		if (*p == '"')
			*p = '\'';
	assert_string_equal(got, want);
}

/* Stores text, written with ' for ", as a blob. */
static struct digest store(struct fixture *f, const char *text, size_t *ret_size)
{
	struct err e = ERR_INIT;
	struct digest d;
	AUTO_FREE char *copy = xstrdup(text);
	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	assert_int_equal(cache_put(&f->cache, copy, strlen(copy), &d, &e), OK);
	if (ret_size)
		*ret_size = strlen(copy);
	return d;
}

static struct image_spec app_spec(void)
{
	static const char *const command[] = { "python3", "main.py", NULL };
	static const char *const env[] = { "PORT=8080", "PATH=/opt/bin", NULL };
	return (struct image_spec){ .layer = digest_of_str("layer"), .diff_id = digest_of_str("diff"), .layer_size = 42,
				    .command = command, .env = env, .workdir = "/app", .port = 8080, .user = "65534:65534" };
}

/* A base of two layers in the cache, of the media types given; returns its manifest's digest. */
static struct digest put_base(struct fixture *f, const char *config, const char *type, const char *layer_type, const char *manifest_extra)
{
	size_t size;
	char c[DIGEST_TEXT], l1[DIGEST_TEXT], l2[DIGEST_TEXT];
	struct digest cd = store(f, config, &size), d1 = digest_of_str("base1"), d2 = digest_of_str("base2");
	const char *text = arena_printf(&f->a,
		"{'schemaVersion':2,'mediaType':'%s','config':{'mediaType':'application/vnd.docker.container.image.v1+json','digest':'%s',"
		"'size':%zu},'layers':[{'mediaType':'%s','digest':'%s','size':10},{'mediaType':'%s','digest':'%s','size':20}]%s}",
		type, digest_text(&cd, c), size, layer_type, digest_text(&d1, l1), layer_type, digest_text(&d2, l2), manifest_extra);
	return store(f, text, NULL);
}

static const char base_config[] =
	"{'architecture':'amd64','os':'linux','container':'x','docker_version':'20','config':{'Hostname':'h','Env':['PATH=/usr/bin','LANG=C'],"
	"'Entrypoint':['/entry'],'Cmd':['sh'],'Labels':{'a':'b'}},'history':[{'created':'2024-01-01T00:00:00Z','created_by':'one'},"
	"{'created_by':'meta','empty_layer':true},{'created_by':'two'}],'rootfs':{'type':'layers','diff_ids':['sha256:1','sha256:2']}}";

static void from_scratch(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct image_spec s = app_spec();
	struct digest d;
	char text[DIGEST_TEXT];
	assert_int_equal(image_write(&f->cache, &s, &d, &e), OK);
	AUTO_JSON json_t *m = read_json(f, &d), *c = config_of(f, &d);
	assert_int_equal(json_int_or(m, "schemaVersion", 0), 2);
	assert_string_equal(json_str_or(m, "mediaType", ""), OCI_TYPE_MANIFEST);
	assert_string_equal(json_str_or(json_object_get(m, "config"), "mediaType", ""), OCI_TYPE_CONFIG);
	const json_t *layers = json_object_get(m, "layers"), *layer = json_array_get(layers, 0);
	assert_int_equal(json_array_size(layers), 1);
	assert_string_equal(json_str_or(layer, "mediaType", ""), OCI_TYPE_LAYER "+gzip");
	assert_string_equal(json_str_or(layer, "digest", ""), digest_text(&s.layer, text));
	assert_int_equal(json_int_or(layer, "size", 0), 42);
	assert_string_equal(json_str_or(c, "architecture", ""), oci_architecture(&f->a));
	assert_string_equal(json_str_or(c, "os", ""), "linux");
	assert_string_equal(json_str_or(c, "created", ""), EPOCH);
	assert_json(json_object_get(c, "config"), "{'Cmd':['python3','main.py'],'Env':['PORT=8080','PATH=/opt/bin'],'ExposedPorts':"
						  "{'8080/tcp':{}},'User':'65534:65534','WorkingDir':'/app'}");
	const json_t *ids = json_object_get(json_object_get(c, "rootfs"), "diff_ids");
	assert_int_equal(json_array_size(ids), 1);
	assert_string_equal(json_string_value(json_array_get(ids, 0)), digest_text(&s.diff_id, text));
	assert_int_equal(json_array_size(json_object_get(c, "history")), 1);
	assert_string_equal(json_str_or(json_array_get(json_object_get(c, "history"), 0), "created", ""), EPOCH);
}

static void on_a_base(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct digest base = put_base(f, base_config, OCI_TYPE_MANIFEST, OCI_TYPE_LAYER "+zstd", ""), d;
	struct image_spec s = app_spec();
	char text[DIGEST_TEXT];
	s.base = &base;
	assert_int_equal(image_write(&f->cache, &s, &d, &e), OK);
	AUTO_JSON json_t *m = read_json(f, &d), *c = config_of(f, &d);
	const json_t *layers = json_object_get(m, "layers");
	assert_int_equal(json_array_size(layers), 3);
	assert_string_equal(json_str_or(json_array_get(layers, 0), "mediaType", ""), OCI_TYPE_LAYER "+zstd");
	assert_string_equal(json_str_or(json_array_get(layers, 2), "digest", ""), digest_text(&s.layer, text));
	/* PATH where the base has it, PORT at the end; no Entrypoint; labels stay; docker's leftovers go */
	assert_json(json_object_get(c, "config"), "{'Cmd':['python3','main.py'],'Env':['PATH=/opt/bin','LANG=C','PORT=8080'],'ExposedPorts':"
						  "{'8080/tcp':{}},'Labels':{'a':'b'},'User':'65534:65534','WorkingDir':'/app'}");
	assert_null(json_object_get(c, "container"));
	assert_null(json_object_get(c, "docker_version"));
	const json_t *ids = json_object_get(json_object_get(c, "rootfs"), "diff_ids"), *h = json_object_get(c, "history");
	assert_int_equal(json_array_size(ids), 3);
	assert_string_equal(json_string_value(json_array_get(ids, 1)), "sha256:2");
	assert_int_equal(json_array_size(h), 4);
	assert_string_equal(json_str_or(json_array_get(h, 2), "created_by", ""), "two");
	assert_string_equal(json_str_or(json_array_get(h, 3), "created", ""), EPOCH);
}

static void what_is_not_given_stays_the_bases(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct digest base = put_base(f, base_config, OCI_TYPE_MANIFEST, OCI_TYPE_LAYER "+gzip", ""), d;
	struct image_spec s = { .base = &base, .layer = digest_of_str("l"), .diff_id = digest_of_str("d"), .layer_size = 1 };
	assert_int_equal(image_write(&f->cache, &s, &d, &e), OK);
	AUTO_JSON json_t *c = config_of(f, &d);
	assert_json(json_object_get(c, "config"),
		    "{'Cmd':['sh'],'Entrypoint':['/entry'],'Env':['PATH=/usr/bin','LANG=C'],'Labels':{'a':'b'}}");
}

static void the_same_inputs_give_the_same_digest(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct digest base = put_base(f, base_config, OCI_TYPE_MANIFEST, OCI_TYPE_LAYER "+gzip", ""), one, two, other;
	struct image_spec s = app_spec();
	s.base = &base;
	assert_int_equal(image_write(&f->cache, &s, &one, &e), OK);
	assert_int_equal(image_write(&f->cache, &s, &two, &e), OK);
	assert_true(digest_eq(&one, &two));
	s.port = 8081;
	assert_int_equal(image_write(&f->cache, &s, &other, &e), OK);
	assert_false(digest_eq(&one, &other));
}

static void a_docker_base_becomes_oci(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct digest base = put_base(f, base_config, DOCKER_TYPE_MANIFEST, "application/vnd.docker.image.rootfs.diff.tar.gzip", ""), d;
	struct image_spec s = app_spec();
	s.base = &base;
	assert_int_equal(image_write(&f->cache, &s, &d, &e), OK);
	AUTO_JSON json_t *m = read_json(f, &d);
	assert_string_equal(json_str_or(m, "mediaType", ""), OCI_TYPE_MANIFEST);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(json_str_or(json_array_get(json_object_get(m, "layers"), i), "mediaType", ""), OCI_TYPE_LAYER "+gzip");
}

static void an_index_gives_the_image_of_this_machine(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct digest base = put_base(f, base_config, OCI_TYPE_MANIFEST, OCI_TYPE_LAYER "+gzip", ""), by_index, by_image, nothing = digest_of_str("?");
	char text[DIGEST_TEXT], foreign[DIGEST_TEXT];
	AUTO_FREE char *index = NULL, *useless = NULL;
	index = xprintf("{'schemaVersion':2,'manifests':[{'mediaType':'%s','digest':'%s','size':3,'platform':{'os':'linux','architecture':"
			"'vax'}},{'mediaType':'%s','digest':'%s','size':3,'platform':{'os':'linux','architecture':'%s'}}]}",
			OCI_TYPE_MANIFEST, digest_text(&nothing, foreign), OCI_TYPE_MANIFEST, digest_text(&base, text), oci_architecture(&f->a));
	struct digest i = store(f, index, NULL);
	struct image_spec s = app_spec();
	s.base = &i;
	assert_int_equal(image_write(&f->cache, &s, &by_index, &e), OK);
	s.base = &base;
	assert_int_equal(image_write(&f->cache, &s, &by_image, &e), OK);
	assert_true(digest_eq(&by_index, &by_image));
	useless = xprintf("{'schemaVersion':2,'manifests':[{'digest':'%s','size':3,'platform':{'os':'linux','architecture':'vax'}}]}", foreign);
	i = store(f, useless, NULL);
	s.base = &i;
	assert_int_equal(image_write(&f->cache, &s, &by_index, &e), INVALID);
	assert_string_equal(e.reason, "BaseInvalid");
}

static void a_history_that_does_not_fit_is_made_anew(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	struct digest base = put_base(f, "{'architecture':'amd64','os':'linux','rootfs':{'diff_ids':['sha256:1','sha256:2']}}", OCI_TYPE_MANIFEST,
				      OCI_TYPE_LAYER, ""), d;
	struct image_spec s = app_spec();
	s.base = &base;
	assert_int_equal(image_write(&f->cache, &s, &d, &e), OK);
	AUTO_JSON json_t *c = config_of(f, &d);
	assert_int_equal(json_array_size(json_object_get(c, "history")), 3);
}

static void bad_bases_are_refused(void **state)
{
	struct fixture *f = *state;
	const struct digest bases[] = {
		store(f, "not json", NULL),
		store(f, "{'schemaVersion':1}", NULL),
		put_base(f, base_config, OCI_TYPE_MANIFEST, OCI_TYPE_LAYER, ",'manifests':[]"), /* two images in one */
		put_base(f, base_config, OCI_TYPE_MANIFEST, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", ""),
		put_base(f, "{'os':'linux','rootfs':{'diff_ids':['sha256:1']}}", OCI_TYPE_MANIFEST, OCI_TYPE_LAYER, ""),
		put_base(f, "{'os':'windows','rootfs':{'diff_ids':['sha256:1','sha256:2']}}", OCI_TYPE_MANIFEST, OCI_TYPE_LAYER, ""),
		put_base(f, "nothing", OCI_TYPE_MANIFEST, OCI_TYPE_LAYER, ""),
		store(f, "{'schemaVersion':2,'config':{'digest':'sha256:zz','size':1},'layers':[]}", NULL),
	};
	for (size_t i = 0; i < ARRAY_LEN(bases); i++) {
		struct err e = ERR_INIT;
		struct digest d;
		struct image_spec s = app_spec();
		s.base = &bases[i];
		assert_int_equal(image_write(&f->cache, &s, &d, &e), INVALID);
		assert_string_equal(e.reason, "BaseInvalid");
	}
	struct err e = ERR_INIT;
	struct digest absent = digest_of_str("absent"), d;
	struct image_spec s = app_spec();
	s.base = &absent;
	assert_int_equal(image_write(&f->cache, &s, &d, &e), TRANSIENT);
	assert_string_equal(e.reason, "ImageMissing");
}

static void bad_specs_are_refused(void **state)
{
	struct fixture *f = *state;
	static const char *const no_name[] = { "=x", NULL }, *const no_equals[] = { "secretvalue", NULL }, *const latin[] = { "A=\xe9", NULL };
	struct image_spec bad[6];
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		bad[i] = app_spec();
	bad[0].env = no_name;
	bad[1].env = no_equals;
	bad[2].env = latin;
	bad[3].workdir = "app";
	bad[4].port = 65536;
	bad[5].command = latin;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = ERR_INIT;
		struct digest d;
		assert_int_equal(image_write(&f->cache, &bad[i], &d, &e), INVALID);
		assert_string_equal(e.reason, "InvalidValue");
		assert_null(strstr(e.msg, "secretvalue"));
	}
}

static void references(void **state)
{
	struct fixture *f = *state;
	struct digest want = digest_of_str("x"), d;
	char text[DIGEST_TEXT];
	const char *repo = NULL;
	assert_true(image_reference_parse(arena_printf(&f->a, "base/python@%s", digest_text(&want, text)), &f->a, &repo, &d));
	assert_string_equal(repo, "base/python");
	assert_true(digest_eq(&d, &want));
	static const char *const bad[] = { "base/python", "@%s", "Base/python@%s", "base//python@%s", "base/python:3@%s", "base/../x@%s", "a@b@%s",
					   "base/python@%s0", "/base@%s", "base/@%s", "base/-x@%s", "base/x-@%s", "a...b@%s", "a___b@%s" };
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_BUF struct buf b = BUF_INIT(1000);
		const char *mark = strstr(bad[i], "%s");
		(void)buf_add(&b, bad[i], mark ? (size_t)(mark - bad[i]) : strlen(bad[i]));
		if (mark) {
			(void)buf_puts(&b, text);
			(void)buf_puts(&b, mark + 2);
		}
		assert_false(image_reference_parse(buf_str(&b), &f->a, &repo, &d));
	}
	assert_false(image_reference_parse(NULL, &f->a, &repo, &d));
}

static void names(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *template, *repo, *tag; /* repo NULL: refused */
	} table[] = {
		{ "functions/{project}/{name}:v{n}", "functions/shop/hello", "v7" },
		{ "dart-function-{id}-v{n}:latest", "dart-function-0a1b-v7", "latest" },
		{ "{name}:{n}", "hello", "7" },
		{ "functions/{project}/{name}", NULL, NULL },
		{ "functions/{nope}:v{n}", NULL, NULL },
		{ "functions/{name:v{n}", NULL, NULL },
		{ "Functions/{name}:v{n}", NULL, NULL },
		{ "functions/{name}:-{n}", NULL, NULL },
		{ "functions/{name}:", NULL, NULL },
		{ ":v{n}", NULL, NULL },
		{ "", NULL, NULL },
	};
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		struct err e = ERR_INIT;
		const char *repo = NULL, *tag = NULL;
		enum err_class c = image_name(table[i].template, &f->a, "shop", "hello", "0a1b", 7, &repo, &tag, &e);
		if (table[i].repo) {
			assert_int_equal(c, OK);
			assert_string_equal(repo, table[i].repo);
			assert_string_equal(tag, table[i].tag);
		} else {
			assert_int_equal(c, INVALID);
			assert_string_equal(e.reason, "InvalidValue");
			assert_null(repo);
		}
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(from_scratch), T(on_a_base), T(what_is_not_given_stays_the_bases), T(the_same_inputs_give_the_same_digest),
		T(a_docker_base_becomes_oci), T(an_index_gives_the_image_of_this_machine), T(a_history_that_does_not_fit_is_made_anew),
		T(bad_bases_are_refused), T(bad_specs_are_refused), T(references), T(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
