/* What apply.c and references.c share. */
#ifndef FN_SCHEMA_ADMISSION_H
#define FN_SCHEMA_ADMISSION_H

#include "schema/store_private.h"

/* INVALID InUse naming one that still refers to it. */
enum err_class check_referrers(struct store *s, enum kind kind, const char *project, const char *name, struct err *e) MUST_USE;

#endif
