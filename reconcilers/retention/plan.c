#include <string.h>

#include "reconcilers/retention/retention.h"

/* Steps about one version stand apart from those about others: what fails for one is left out for it alone. */
static void add(struct plan *p, struct arena *a, enum step_kind kind, const struct retention_world *w, const struct fate_row *v)
{
	struct step *s = plan_add(p, a, kind, w->subject, v->version);
	s->id = v->id;
	s->apart = true;
	s->message = v->rule;
}

/* An image goes with the last version that uses it. */
static void add_letting_go(struct plan *p, struct arena *a, const struct retention_world *w, const struct fate_row *v)
{
	add(p, a, v->shared ? STEP_LEAVE_IMAGE : STEP_DELETE_IMAGE, w, v);
}

static void plan_version(struct plan *p, struct arena *a, const struct retention_world *w, const struct fate_row *v)
{
	switch (v->due) {
	case FATE_STAYS:
		if (v->look_again_ms && (!p->wake_ms || v->look_again_ms < p->wake_ms))
			p->wake_ms = v->look_again_ms;
		break;
	case FATE_ARCHIVE:
		add(p, a, STEP_KEEP_IMAGE, w, v); /* first what a restore needs, then the word, then the image */
		add(p, a, STEP_ARCHIVE_VERSION, w, v);
		add_letting_go(p, a, w, v);
		break;
	case FATE_DELETE_IMAGE:
		if (v->kept && strcmp(v->status, "archived") == 0)
			add(p, a, STEP_TAKE_BACK, w, v);
		else
			add_letting_go(p, a, w, v);
		break;
	case FATE_DROP_ARCHIVE:
		add(p, a, STEP_DROP_ARCHIVE, w, v); /* the word first: what says that it can be restored must be true */
		add(p, a, STEP_DELETE_ARCHIVE, w, v);
		break;
	case FATE_DELETE_ARCHIVE: add(p, a, STEP_DELETE_ARCHIVE, w, v); break;
	}
}

void retention_plan(const void *world, int64_t now_ms, struct arena *a, struct plan *ret)
{
	const struct retention_world *w = world;
	(void)now_ms; /* what is due is due; what is not yet is told by the clock that its time came from */
	*ret = (struct plan){.verdict = VERDICT_STEADY, .status = R_None, .message = ""};
	for (size_t i = 0; i < w->n; i++)
		plan_version(ret, a, w, &w->rows[i]);
}
