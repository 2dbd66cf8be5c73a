/* Sweeping a directory whose files say by their time when they were last used. */
#ifndef FN_BASE_SWEEP_H
#define FN_BASE_SWEEP_H

#include "base/mem.h"

struct swept {
	int64_t count, bytes; /* disk space */
};

/* The file was used now. False when it is not there. */
bool sweep_touch(const char *path);

/* Calls spare(ctx, name) for each plain file of dir, and removes those not spared and not used after before_ms (wall clock); also not while they are looked
 * at: who touched a file with success finds it afterwards. dry: only counts. An absent directory has no files. */
typedef bool sweep_spare_fn(void *ctx, const char *name);
enum err_class sweep_dir(const char *dir, int64_t before_ms, sweep_spare_fn *spare, void *ctx, bool dry, struct swept *ret, struct err *e) MUST_USE;

#endif
