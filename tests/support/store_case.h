/* A store on a fresh, migrated database for each test; cmocka. */
#ifndef FN_TESTS_STORE_CASE_H
#define FN_TESTS_STORE_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "postgres.h"
#include "schema/store.h"

struct store_case {
	char *conninfo;
	struct store *s;
	struct err e;
	struct arena a;
};

/* The program's server; cmocka hands it to each test's set-up. */
static inline int store_group_setup(void **state)
{
	struct postgres *p = xcalloc(1, sizeof *p);
	postgres_start(p);
	*state = p;
	return 0;
}

static inline int store_group_teardown(void **state)
{
	postgres_stop(*state);
	free(*state);
	return 0;
}

#define must(c, call)                                                                                            \
	do {                                                                                                     \
		if ((call) != OK)                                                                                \
			fail_msg("%s: %s %s: %s", #call, err_class_name((c)->e.class), (c)->e.reason, (c)->e.msg); \
	} while (0)

#define refuses(c, call, want_class, want_reason)                                      \
	do {                                                                           \
		(c)->e = (struct err)ERR_INIT;                                         \
		assert_string_equal(err_class_name(call), err_class_name(want_class)); \
		assert_string_equal((c)->e.reason, want_reason);                       \
		assert_int_equal((c)->e.class, want_class);                            \
	} while (0)

static inline struct store_case *store_case_new(struct postgres *p)
{
	struct store_case *c = xcalloc(1, sizeof *c);
	c->conninfo = postgres_database(p);
	c->s = store_new(c->conninfo);
	return c;
}

static inline void store_case_free(struct store_case *c)
{
	store_free(c->s);
	arena_release(&c->a);
	free(c->conninfo);
	free(c);
}

static inline int store_setup(void **state)
{
	struct store_case *c = store_case_new(*state);
	must(c, store_migrate(c->s, &c->e));
	*state = c;
	return 0;
}

static inline int store_teardown(void **state)
{
	store_case_free(*state);
	return 0;
}

/* One value from outside the store. In the arena; NULL for NULL or no row. */
static inline const char *peek(struct store_case *c, const char *sql)
{
	AUTO_FREE char *s = postgres_sql(c->conninfo, sql);
	return arena_strdup(&c->a, s);
}

/* The documents of a YAML text, which must be right. */
static inline struct manifests decode(struct store_case *c, const char *yaml)
{
	struct manifests ms = {0};
	if (manifests_decode("test.yaml", yaml, strlen(yaml), &c->a, &ms, &c->e) || ms.nproblems)
		fail_msg("%s: %s", c->e.msg, ms.nproblems ? ms.problems[0].message : "");
	return ms;
}

/* Applies all documents in one transaction and checks references, as the API does; rolls back on an error. */
static inline enum err_class apply_as(struct store_case *c, const char *yaml, const struct apply_opts *o, struct applied *ret)
{
	struct manifests ms = decode(c, yaml);
	enum err_class r = store_begin(c->s, &c->e);
	for (size_t i = 0; r == OK && i < ms.n; i++) {
		struct applied ignored;
		r = manifest_apply(c->s, &ms.items[i], o, ret ? &ret[i] : &ignored, &c->e);
	}
	for (size_t i = 0; r == OK && i < ms.n; i++)
		r = manifest_check_references(c->s, &ms.items[i], &c->e);
	if (r == OK)
		return store_commit(c->s, &c->e);
	store_rollback(c->s);
	return r;
}

static inline enum err_class apply(struct store_case *c, const char *yaml, struct applied *ret)
{
	const struct apply_opts o = {.owner = "manifest", .actor = "tester"};
	return apply_as(c, yaml, &o, ret);
}

static inline enum err_class delete_one(struct store_case *c, enum kind kind, const char *name)
{
	enum err_class r = store_begin(c->s, &c->e);
	if (r == OK)
		r = manifest_delete(c->s, kind, "default", name, "tester", &c->e);
	if (r == OK)
		return store_commit(c->s, &c->e);
	store_rollback(c->s);
	return r;
}

/* "key key key" of what is dirty, sorted. */
static inline const char *dirty(struct store_case *c)
{
	const char *s = peek(c, "SELECT string_agg(key, ' ' ORDER BY key COLLATE \"C\") FROM work WHERE seq <> done_seq");
	return s ? s : "";
}

static inline void clean_all(struct store_case *c) { (void)peek(c, "UPDATE work SET done_seq = seq"); }

#define DOC(kind, name) "---\napiVersion: fn/v1\nkind: " kind "\nmetadata:\n  name: " name "\n"
#define RUNTIME(name) DOC("Runtime", name) "spec:\n  base: scratch\n  command: [/app/run]\n"
#define FUNCTION(name, runtime) \
	DOC("Function", name) "spec:\n  runtime: " runtime "\n  source:\n    digest: sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
#define ENVIRONMENT(name) DOC("Environment", name) "spec: {}\n"
#define HEIR(name, of) DOC("Environment", name) "spec:\n  inherits: " of "\n"
#define FOLLOWER(name) DOC("Environment", name) "spec:\n  follow: latest\n"
#define PIN(name, function, environment, version) \
	DOC("Pin", name) "spec:\n  function: " function "\n  environment: " environment "\n  version: " version "\n"

#endif
