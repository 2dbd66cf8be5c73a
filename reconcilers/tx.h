/* One fenced transaction of a pass:
 *
 *	enum err_class c = store_begin_fenced(p->store, &p->lease, e);
 *	if (!c) c = …; if (!c) c = …;
 *	return tx_end(p, c, e);
 */
#ifndef FN_RECONCILERS_TX_H
#define FN_RECONCILERS_TX_H

#include "reconcilers/reconciler.h"

/* Commits when c is OK, else rolls back; returns c or the commit's class. Wakes another worker for what enqueue() marked. */
enum err_class tx_end(struct pass *p, enum err_class c, struct err *e) MUST_USE;

/* Marks "kind/project/name[/environment]" dirty. */
enum err_class enqueue(struct pass *p, const char *kind, const char *name, const char *environment /* or NULL */, struct err *e) MUST_USE;

/* The function's old versions are looked at in a moment: a switch or a start that is under way comes first. */
enum err_class enqueue_retention(struct pass *p, struct err *e) MUST_USE;

/* An event on the key's object (its function, for a target and for retention). */
enum err_class tell(struct pass *p, bool warning, enum reason reason, const char *message, struct err *e) MUST_USE;

#endif
