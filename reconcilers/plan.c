#include <string.h>

#include "reconcilers/reconciler.h"

static const struct {
	const char *name, *sentence;
	bool outside;
} steps[STEP_KIND_COUNT] = {
#define STEP(token, name, outside, sentence) [STEP_##token] = {name, sentence, outside},
#include "reconcilers/steps.def"
#undef STEP
};

const char *step_name(enum step_kind k) { return steps[k].name; }

bool step_is_outside(enum step_kind k) { return steps[k].outside; }

const char *step_sentence(const struct step *s, struct arena *a)
{
	AUTO_BUF struct buf out = BUF_INIT(1024); /* longer than any subject */
	for (const char *c = steps[s->kind].sentence; *c; c++) {
		const char *rest = c;
		if (strncmp(c, "{subject}", 9) == 0) {
			(void)buf_puts(&out, s->subject);
			rest = c + 8;
		} else if (strncmp(c, "{n}", 3) == 0) {
			(void)buf_printf(&out, "%lld", (long long)s->number);
			rest = c + 2;
		} else {
			(void)buf_add(&out, c, 1);
		}
		c = rest;
	}
	return arena_strdup(a, buf_str(&out));
}

struct step *plan_add(struct plan *p, struct arena *a, enum step_kind kind, const char *subject, int64_t number)
{
	void *items = p->steps;
	struct step *s = arena_push(a, &items, &p->nsteps, &p->cap, sizeof *s);
	p->steps = items;
	s->kind = kind;
	s->subject = subject;
	s->number = number;
	p->verdict = VERDICT_ACT;
	return s;
}

const char *verdict_name(enum verdict v)
{
	switch (v) {
	case VERDICT_STEADY: return "steady";
	case VERDICT_ACT: return "act";
	case VERDICT_WAIT: return "wait";
	case VERDICT_BLOCKED: return "blocked";
	}
	return "";
}
