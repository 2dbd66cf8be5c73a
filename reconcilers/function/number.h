/* Numbering a version: what its runtime gives, and what is recorded of it. The loop and an explicit deploy both come here. */
#ifndef FN_RECONCILERS_NUMBER_H
#define FN_RECONCILERS_NUMBER_H

#include "manifests/manifest.h"
#include "schema/store.h"

enum { BUILD_DEADLINE_MS = 10 * 60 * 1000 };

/* The member of a version's recorded spec that holds what the runtime gave. */
extern const char built_with[];

/* The runtime that a function of a project means: its own, or the default project's. */
struct runtime_given {
	bool found;
	const struct runtime_spec *spec;
	const json_t *json;    /* what it gives to an image, canonical */
};
enum err_class runtime_find(struct store *s, const char *project, const char *name, struct arena *a, struct runtime_given *ret, struct err *e) MUST_USE;

struct numbering {
	const char *function_id, *project, *name;
	const struct function_spec *spec;
	const struct runtime_given *runtime;
	const char *created_by, *source_kind; /* "manifest" or "api" */
	const char *note;      /* NULL: none */
	int64_t expected;      /* CONFLICT unless this is the next number; 0: any */
};

/* In the caller's transaction. INVALID NotFound when there is no such function. */
enum err_class version_take(struct store *s, const struct numbering *n, char ret_id[UUID_TEXT], int64_t *ret_version, struct err *e) MUST_USE;

/* What a version is built of, as it was recorded when it was numbered, whatever is declared by now. Strings in the arena. */
struct version_specs {
	struct function_spec function;
	struct runtime_spec runtime;
};
enum err_class version_specs(const struct deployment_row *d, struct arena *a, struct version_specs *ret, struct err *e) MUST_USE;

#endif
