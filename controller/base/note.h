/* What people write beside a deploy or a rollback: one line of text, told in tables, events and logs. */
#ifndef FN_BASE_NOTE_H
#define FN_BASE_NOTE_H

#include "base/err.h"

enum { NOTE_MAX = 1000 }; /* bytes */

/* INVALID in a message that begins with `what`: too_long beyond NOTE_MAX, else `reason` for what is not UTF-8 or has control characters. */
enum err_class note_check(const char *note, const char *what, enum reason reason, enum reason too_long, struct err *e) MUST_USE;

#endif
