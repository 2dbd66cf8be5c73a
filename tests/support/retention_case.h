/* A function whose old versions go, and what its retention does. */
#ifndef FN_TESTS_RETENTION_CASE_H
#define FN_TESTS_RETENTION_CASE_H

#include "function_case.h"

#include "schema/retention.h"

#define DIGEST(c) "sha256:" c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c
#define KEEPS(versions, archives) \
	DOC("Function", "hello") "spec:\n  runtime: static\n  retention: {versions: " versions ", archives: " archives "}\n" \
	"  source:\n    digest: sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"

static inline const char *with_retention(struct store_case *c, const char *versions)
{
	const char *f = with_function(c);
	must(c, apply(c, versions, NULL));
	return f;
}

static inline const char *build(struct store_case *c, const char *f) { return built_version(c, f, arena_printf(&c->a, "sha256:%064d", rand())); }

/* "1:archive 3:archive" */
static inline const char *due(struct store_case *c)
{
	static const char *const names[] = {"stays", "archive", "delete-image", "drop-archive", "delete-archive"};
	struct fate_row *rows;
	size_t n;
	must(c, fates_load(c->s, "default", "hello", 100, &c->a, &rows, &n, &c->e));
	const char *all = "";
	for (size_t i = 0; i < n; i++)
		if (rows[i].due != FATE_STAYS)
			all = arena_printf(&c->a, "%s%s%lld:%s", all, *all ? " " : "", (long long)rows[i].version, names[rows[i].due]);
	return all;
}

static inline bool archive(struct store_case *c, const char *id)
{
	bool done = false;
	must(c, store_begin(c->s, &c->e));
	must(c, fate_archive(c->s, id, &done, &c->e));
	must(c, store_commit(c->s, &c->e));
	return done;
}

/* What a pass does with an image: whether it was deleted in the registry. */
static inline bool let_go(struct store_case *c, const char *id, bool *ret_due)
{
	bool is_due = false, shared = false;
	must(c, store_begin(c->s, &c->e));
	must(c, fate_image(c->s, id, &is_due, &shared, &c->e));
	if (is_due)
		must(c, fate_image_deleted(c->s, id, &c->e));
	must(c, store_commit(c->s, &c->e));
	if (ret_due)
		*ret_due = is_due;
	return is_due && !shared;
}

#endif
