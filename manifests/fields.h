/* The one table of fields per kind. The decoder, canonical output, the JSON Schemas and the reference pages read it;
 * adding a field is adding a row here and a member to its struct. */
#ifndef FN_MANIFESTS_FIELDS_H
#define FN_MANIFESTS_FIELDS_H

#include "manifests/format.h"
#include "manifests/manifest.h"

enum field_type {                 /* stored as */
	FIELD_TEXT,               /* const char *; format */
	FIELD_CHOICE,             /* const char *; choices */
	FIELD_FLAG,               /* bool: true when the only choice is given */
	FIELD_INT,                /* int64_t; min, max */
	FIELD_DURATION,           /* int64_t milliseconds */
	FIELD_SIZE,               /* int64_t bytes */
	FIELD_CPU,                /* int64_t thousandths */
	FIELD_LIST,               /* struct strings; at most max items, each of format */
	FIELD_PAIRS,              /* struct pairs; keys of key_format, values of format, at most max bytes in all */
	FIELD_OBJECT,             /* nothing itself; fields */
	FIELD_VERSION             /* struct pin_spec's to, number and word; offset is not used */
};

struct fields;
struct field {
	const char *name; /* NULL ends a table */
	enum field_type type;
	bool required;
	bool secret_like;            /* values are kept out of messages */
	const char *fallback;        /* the default, as it would be written; NULL: none */
	size_t offset;               /* into the spec's struct (metadata: into struct manifest) */
	enum format format, key_format;
	int64_t min, max;            /* in the unit stored */
	const char *const *choices;  /* NULL-terminated */
	const struct field *fields;  /* of FIELD_OBJECT */
	const char *shorthand;       /* of FIELD_OBJECT: a plain text stands for this member */
	const char *doc;             /* one line */
	const char *example;         /* JSON, or NULL */
};

struct kind_fields {
	const struct field *metadata, *spec;
	size_t spec_offset;  /* of the spec's struct in struct manifest */
	const char *doc;     /* what the kind is, a short paragraph */
	const char *example; /* YAML */
};
const struct kind_fields *kind_fields(enum kind k);

/* Members of metadata that reads add; accepted and ignored, so that what was read can be applied. NULL-terminated. */
extern const char *const metadata_ignored[];

#endif
