/* The manifest language: text -> documents that know their positions -> typed specs. Pure: no I/O, no database.
 *
 *   manifests_decode()   YAML text (several documents) -> struct manifest[], or every problem at once
 *   manifest_from_json() what the database stored -> the same struct (positions zero)
 *   manifest_spec_json() the canonical spec: all defaults filled, keys sorted; this is stored, hashed and compared
 *
 * All three and the JSON Schemas in schema/kinds/ are driven by one table of fields per kind (fields.c). */
#ifndef FN_MANIFESTS_MANIFEST_H
#define FN_MANIFESTS_MANIFEST_H

#include "base/digest.h"
#include "base/json.h"
#include "base/mem.h"

#define API_VERSION "fn/v1"

enum kind { KIND_PROJECT, KIND_RUNTIME, KIND_ENVIRONMENT, KIND_FUNCTION, KIND_PIN, KIND_COUNT };

struct kind_info {
	enum kind kind;
	const char *name;     /* "Function" */
	const char *singular; /* "function": in keys, in `function/hello created` */
	const char *plural;   /* "functions" */
	const char *alias;    /* "fn", or NULL */
};
const struct kind_info *kind_info(enum kind k);
bool kind_parse(const char *word, enum kind *ret); /* any of the four spellings, case-insensitive for name */

/* Limits on manifest text (docs/reference/limits.md). */
enum {
	MANIFEST_MAX_BYTES = 1 << 20,
	MANIFEST_MAX_DEPTH = 64,
	MANIFEST_MAX_NODES = 50000, /* after aliases are expanded */
	MANIFEST_MAX_ALIASES = 100,
	MANIFEST_MAX_DOCUMENTS = 5000,
	MANIFEST_MAX_PROBLEMS = 100
};

struct pair {
	const char *name, *value;
};
struct pairs {
	struct pair *items; /* sorted by name */
	size_t n;
};
struct strings {
	const char **items;
	size_t n;
};

/* Whether labels has every pair of selector; an empty selector matches everything. */
bool labels_match(const struct pairs *selector, const struct pairs *labels);

struct project_spec {
	const char *description;
	const char *default_environment; /* "dev" */
};

struct runtime_spec {
	const char *base;       /* "base/python@sha256:…" in the configured registry, or "scratch" */
	struct strings command; /* start command where the function gives none */
	struct pairs env;
	const char *workdir;    /* where the source goes: "/app" */
	const char *rebuild;    /* "manual" | "auto" */
};

struct environment_spec {
	const char *inherits;  /* another environment, or NULL */
	struct pairs env;
	bool follow_latest;    /* follow: latest */
	struct pairs selector; /* labels that a function must have; empty selects all */
};

struct health_spec {
	const char *path;      /* HTTP GET, 200..399 is healthy; NULL: the port accepts */
	int64_t interval_ms, timeout_ms;
	int64_t deadline_ms;   /* from start to first success */
	int64_t failures;      /* successive failures before a restart */
};

struct function_spec {
	const char *runtime;
	const char *source_dir;      /* as written, for people and for fnctl; the server never opens it. May be NULL */
	const char *source_digest;   /* "sha256:…" of the uploaded archive; may be NULL in a file, never once admitted */
	struct strings command;      /* empty: the runtime's */
	int64_t port;                /* 8080 */
	struct pairs env;
	struct health_spec health;
	int64_t memory_bytes;        /* 128Mi */
	int64_t cpu_millis;          /* 500m */
	int64_t pids;                /* 64 */
	int64_t timeout_ms;          /* a request's, 30s */
	int64_t instances;           /* 1; 0 is allowed */
	int64_t retention_versions;  /* 10 */
	int64_t retention_archives;  /* 0: all */
	int64_t retention_warm;      /* 1 */
	int64_t retention_warm_ms;   /* 10m */
};

enum pin_to { PIN_NUMBER, PIN_DIGEST, PIN_LABEL, PIN_LATEST };
struct pin_spec {
	const char *function, *environment;
	enum pin_to to;
	int64_t number;   /* PIN_NUMBER */
	const char *word; /* as written: "3", "sha256:…", "stable", "latest" */
};

struct manifest {
	enum kind kind;
	const char *project; /* "default" unless metadata.project says otherwise; a Project's own name for a Project */
	const char *name;
	struct pairs labels, annotations;
	const char *file; /* as given to the decoder; "" from the database */
	int line;         /* of the document's start */
	int spec_line;
	union {
		struct project_spec project;
		struct runtime_spec runtime;
		struct environment_spec environment;
		struct function_spec function;
		struct pin_spec pin;
	} spec;
};

struct problem {
	const char *file;
	int line, column; /* from 1; 0 where there is none */
	enum reason reason;
	const char *object;  /* "function/hello" where known, else "" */
	const char *message; /* one sentence; says "did you mean \"…\"?" where something is near */
};

struct manifests {
	struct manifest *items;
	size_t n, cap;
	struct problem *problems;
	size_t nproblems, problems_cap;
};

/* Decodes one file's text and appends to *ms. Everything lives in *a. Returns OK, or INVALID with *e summing up when
 * any problem was found: "3 problems, the first: hello.yaml:4:3: …". Good documents are appended all the same.
 * Two documents for one object, in this or an earlier file of *ms, are a DuplicateDocument problem. */
enum err_class manifests_decode(const char *file, const char *text, size_t n, struct arena *a, struct manifests *ms,
				struct err *e) MUST_USE;

/* From {"kind","project","name","labels","annotations","spec"} as stored (other members are ignored; the kind in any
 * spelling), or from a whole document {"apiVersion","kind","metadata","spec"} as manifest_json() writes it. The same
 * checks as for text; strings are copied into the arena. */
enum err_class manifest_from_json(const json_t *doc, struct arena *a, struct manifest *ret, struct err *e) MUST_USE;

/* New reference: the canonical spec (defaults filled; source.dir kept) and the whole document for people
 * ({"apiVersion","kind","metadata","spec"}). */
json_t *manifest_spec_json(const struct manifest *m);
json_t *manifest_json(const struct manifest *m);

/* What a version is built of: the runtime's name, base (the reference that the runtime gives at the time), source digest
 * and command; nothing that only the tuple holds (env, port, limits, health), so that changing those makes a release
 * and no version. The runtime's own command, env and workdir are not in it: like a new base of manual runtimes, they
 * come with the next version. SHA-256 of the canonical JSON of these four. */
struct digest function_source_hash(const struct function_spec *f, const char *base);

/* Block-style YAML of a JSON value, as `-o yaml` prints it (libyaml's emitter). */
enum err_class yaml_write(const json_t *j, struct buf *out, struct err *e) MUST_USE;

/* "128Mi" -> bytes, "500m" | "2" -> thousandths, "30s" | "100ms" | "5m" -> milliseconds. False on anything else. */
bool parse_size(const char *s, int64_t *ret);
bool parse_cpu(const char *s, int64_t *ret);
bool parse_duration(const char *s, int64_t *ret);

/* The JSON Schema (draft 2020-12) of one kind, from the field tables. New reference. */
json_t *kind_schema(enum kind k);

#endif
