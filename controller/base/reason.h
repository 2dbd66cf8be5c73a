/* The closed list of reason tokens; see reason.def. */
#ifndef FN_BASE_REASON_H
#define FN_BASE_REASON_H

#include <stdbool.h>

enum reason {
#define REASON(token, sentence, hint) R_##token,
#include "base/reason.def"
#undef REASON
	REASON_COUNT
};

const char *reason_token(enum reason r);    /* "UnknownField" */
enum reason reason_parse(const char *token); /* R_Internal when unknown */
const char *reason_sentence(enum reason r); /* what it means, one sentence */
const char *reason_hint(const char *token); /* what to do next; "" when unknown */

/* Whether a reason (of a plan, a target or a failure) means that work is under way. */
bool reason_progresses(enum reason r);
/* Whether it means that something outside is away for now: it is tried again for ever. A target says so even before it has seen
 * what is declared, since looking is what it cannot do. */
bool reason_is_outage(enum reason r);

#endif
