/* What becomes of old versions, and collections. The rules are in one place, fates_of() (migrations/0002_versions.sql): who looks, who acts and who only
 * shows read the same. */
#ifndef FN_SCHEMA_RETENTION_H
#define FN_SCHEMA_RETENTION_H

#include "schema/store.h"

enum fate {
	FATE_STAYS,
	FATE_ARCHIVE,        /* its image is of no more use */
	FATE_DELETE_IMAGE,   /* archived or failed, and the registry may have its image still */
	FATE_DROP_ARCHIVE,   /* archived, and not even its archive is to be kept */
	FATE_DELETE_ARCHIVE  /* dropped, and the store may have its files still */
};

struct fate_row {
	char id[UUID_TEXT], function_id[UUID_TEXT];
	int64_t version;
	const char *status, *rule; /* rule: "beyond the newest 10 that were built" */
	enum fate due;
	bool shared;               /* other versions in use have the same image in the same repository */
	bool kept;                 /* something refers to it */
	bool gone;                 /* the function is: nobody can go back to it */
	int64_t look_again_ms;     /* nobody tells when what keeps it is gone: wall clock; 0: an event does */
};
/* Of all functions that have or had this name: the versions that something is due for, or may be by itself later; at most `limit`, those due first. */
enum err_class fates_load(struct store *s, const char *project, const char *name, size_t limit, struct arena *a, struct fate_row **ret, size_t *ret_n,
			  struct err *e) MUST_USE;

/* All of these in the caller's transaction, which they make hold the version's row until its end; what was due is looked at anew under that lock.
 * *ret_done is false when it is not due any more. */
enum err_class fate_archive(struct store *s, const char *id, bool *ret_done, struct err *e) MUST_USE;
/* archived -> ready, because something refers to it again before its image was deleted. */
enum err_class fate_take_back(struct store *s, const char *id, bool *ret_done, struct err *e) MUST_USE;
/* Whether its image is to be deleted, and not shared by now (*ret_shared): then the caller deletes it, still in this transaction. */
enum err_class fate_image(struct store *s, const char *id, bool *ret_due, bool *ret_shared, struct err *e) MUST_USE;
enum err_class fate_image_deleted(struct store *s, const char *id, struct err *e) MUST_USE;
enum err_class fate_drop_archive(struct store *s, const char *id, bool *ret_done, struct err *e) MUST_USE;

/* Its files are gone from the store. */
enum err_class fate_archive_deleted(struct store *s, const char *id, struct err *e) MUST_USE;
/* It cannot be archived, and why; it stays as it is until the next collection tries again. *ret_news: that was not recorded yet. */
enum err_class fate_stuck(struct store *s, const char *id, const char *reason, const char *message, bool *ret_news, struct err *e) MUST_USE;

/* Returns once nobody is just deleting the image of this version on behalf of another that had the same. Before it is pushed again. */
enum err_class image_settled(struct store *s, const char *id, struct err *e) MUST_USE;

/* ---- collections ---- */

#define COLLECTION_KEY "collection/default/all"

struct collection_row {
	int64_t id;                /* of the one under way; 0: none */
	int64_t started_ms, looked_ms;
	json_t *result;            /* a member for each part that is done; owned by the arena, read-only */
	bool asked;                /* one waits to begin */
	int64_t last_ms;           /* when the last one began; 0: never */
};
enum err_class collection_load(struct store *s, struct arena *a, struct collection_row *ret, struct err *e) MUST_USE;
/* Marks the key as well. */
enum err_class collection_ask(struct store *s, const char *actor, int64_t *ret_id, struct err *e) MUST_USE;
/* All that were asked for begin, as one; what could not be archived is tried again; every function with something due is marked. */
enum err_class collection_begin(struct store *s, struct err *e) MUST_USE;
struct collection_progress {
	int64_t working;      /* retentions that are not done */
	const char *failing, *reason; /* "key: message" of one that fails, or NULL */
	bool registry_dirty;  /* images were deleted since its last collection */
};
enum err_class collection_progress(struct store *s, struct arena *a, struct collection_progress *ret, struct err *e) MUST_USE;
enum err_class collection_looked(struct store *s, int64_t id, struct err *e) MUST_USE;
enum err_class collection_part(struct store *s, int64_t id, const char *part, const json_t *result, struct err *e) MUST_USE;
enum err_class collection_end(struct store *s, int64_t id, const char *reason, const char *message, struct err *e) MUST_USE;

/* What a collection spares, as lists of texts. */
enum collection_list {
	KEEP_IMAGES,  /* digests of images in use, with the bases of runtimes */
	KEEP_SOURCES, /* digests of uploads */
	KEEP_BUILDS   /* deployment ids */
};
enum err_class collection_keeps(struct store *s, enum collection_list what, struct arena *a, const char *const **ret, size_t *ret_n, struct err *e) MUST_USE;

/* ---- reads for the API: JSON made by PostgreSQL, new references ---- */

/* {"items": [{"project", "function", "version", "status", "keptBy": [], "rule", "due", "size", …}], "next"}; project and function may be NULL: all. */
enum err_class fates_read(struct store *s, const char *project, const char *function, const char *cursor, int64_t limit, json_t **ret, struct err *e) MUST_USE;
/* {"totals": {"versions", "registry", "store"}, "frees": {deployment id: bytes}}: frees of the items of a page; totals, of the whole list, only if asked for:
 * else null. */
enum err_class frees_read(struct store *s, const char *project, const char *function, const json_t *items, bool totals, json_t **ret, struct err *e) MUST_USE;
enum err_class collections_read(struct store *s, json_t **ret, struct err *e) MUST_USE; /* the last ten */
enum err_class collection_read(struct store *s, int64_t id, json_t **ret, struct err *e) MUST_USE; /* NULL: there is none */

#endif
