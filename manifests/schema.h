/* What the tables say, for editors and for people. schema/gen_schemas.c writes it to files. */
#ifndef FN_MANIFESTS_SCHEMA_H
#define FN_MANIFESTS_SCHEMA_H

#include "manifests/manifest.h"

/* kind_schema() is in manifest.h. */

/* The JSON Schema of any document: one of the kinds. New reference. */
json_t *manifest_schema(void);

/* docs/reference/kinds/<singular>.md, Markdown. */
void kind_reference(enum kind k, struct buf *out);

#endif
