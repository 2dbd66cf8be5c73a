#include "manifests/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manifests/manifest.h"

bool report_full(const struct report *r) { return r->ms->nproblems >= MANIFEST_MAX_PROBLEMS; }

void report(struct report *r, int line, int column, enum reason reason, const char *fmt, ...)
{
	if (report_full(r))
		return;
	struct problem *p =
		arena_push(r->arena, (void **)&r->ms->problems, &r->ms->nproblems, &r->ms->problems_cap, sizeof *p);
	*p = (struct problem){.file = r->file, .line = line, .column = column, .reason = reason, .object = r->object};
	if (report_full(r)) {
		p->reason = R_TooLarge;
		p->message = arena_printf(r->arena, "more than %d problems: the rest is not shown",
					  MANIFEST_MAX_PROBLEMS - 1);
		return;
	}
	va_list ap;
	va_start(ap, fmt);
	p->message = arena_vprintf(r->arena, fmt, ap);
	va_end(ap);
}

/* Messages decide last, so that the order never depends on how qsort treats equals. */
static int by_position(const void *a, const void *b)
{
	const struct problem *p = a, *q = b;
	if (p->line != q->line)
		return p->line < q->line ? -1 : 1;
	if (p->column != q->column)
		return p->column < q->column ? -1 : 1;
	return strcmp(p->message, q->message);
}

enum err_class report_end(struct report *r, size_t first, struct err *e)
{
	size_t n = r->ms->nproblems - first;
	if (n == 0)
		return report_full(r) ? err_set(e, INVALID, R_TooLarge, "%s: not read after %d problems", r->file,
						MANIFEST_MAX_PROBLEMS)
				      : OK;
	struct problem *p = r->ms->problems + first;
	if (n > 1)
		qsort(p, report_full(r) ? n - 1 : n, sizeof *p, by_position);
	char count[64] = "";
	if (n > 1)
		(void)snprintf(count, sizeof count, "%zu problems, the first: ", n);
	if (p->line == 0)
		return err_set(e, INVALID, p->reason, "%s%s%s%s", count, p->object, *p->object ? ": " : "", p->message);
	return err_set(e, INVALID, p->reason, "%s%s:%d:%d: %s", count, p->file, p->line, p->column, p->message);
}
