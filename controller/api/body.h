/* What handlers read from a JSON body. Texts are borrowed from it; it lives as long as the request. INVALID BadRequest for what does not fit. */
#ifndef FN_API_BODY_H
#define FN_API_BODY_H

#include "api/server.h"

enum { BODY_OPTIONS_MAX = 16 << 10 }; /* of a body that has a few options */

bool body_is(const struct request *r, const char *content_type);

/* The body as an object with no members but these. */
enum err_class body_object(struct request *r, const char *const *members, size_t n, const json_t **ret, struct err *e) MUST_USE;
/* The same, of type application/json; where all is optional no body at all is fine: *ret NULL. */
enum err_class body_options(struct request *r, const char *const *members, size_t n, const json_t **ret, struct err *e) MUST_USE;
/* where: "the body". */
enum err_class body_members(const json_t *j, const char *const *known, size_t n, const char *where, struct err *e) MUST_USE;

/* body may be NULL. */
enum err_class body_flag(const json_t *body, const char *key, bool *ret, struct err *e) MUST_USE; /* sets, never clears */
enum err_class body_name(const json_t *body, const char *key, const char **ret, struct err *e) MUST_USE; /* NULL: absent */
enum err_class body_note(const json_t *body, const char **ret, struct err *e) MUST_USE; /* "note"; "": absent. one line of text, INVALID TooLarge beyond NOTE_MAX */
enum err_class body_version(const json_t *body, const char *key, int64_t *ret, struct err *e) MUST_USE; /* 0: absent */

#endif
