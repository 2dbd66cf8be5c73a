/* Conditions of a manifest (docs/reference/conditions.md):
 *   Ready        True: what is declared is so; False: reason and message say why not
 *   Progressing  True: work is under way, Ready may still come by itself; False: it has come, or nothing helps but new input
 * `fnctl wait` and `fnctl apply --wait` read these two and observedGeneration. */
#ifndef FN_RECONCILERS_CONDITIONS_H
#define FN_RECONCILERS_CONDITIONS_H

#include "reconcilers/reconciler.h"

/* Writes Ready and Progressing, and `extra` before them, in one fenced transaction; nothing when nothing differs. */
enum err_class record_conditions(struct pass *p, enum kind kind, int64_t generation, const struct plan *plan, const struct err *failure,
				 const struct condition *extra, size_t nextra, struct err *e) MUST_USE;

#endif
