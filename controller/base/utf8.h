/* Text from programs and networks that must become UTF-8 before it is stored or put into JSON. */
#ifndef FN_BASE_UTF8_H
#define FN_BASE_UTF8_H

#include "base/json.h"

/* Well-formed by RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
bool utf8_valid(const char *s);

/* A copy in which every byte that is not part of a well-formed sequence is '?'. Free with free(). */
char *utf8_clean(const char *s) __attribute__((malloc, returns_nonnull));

/* A JSON string of the cleaned text (NULL: JSON null). New reference, never NULL. */
json_t *json_clean(const char *s);

#endif
