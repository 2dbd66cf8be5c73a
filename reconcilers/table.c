#include <string.h>

#include "reconcilers/collection/collection.h"
#include "reconcilers/declared.h"
#include "reconcilers/function/function.h"
#include "reconcilers/retention/retention.h"
#include "reconcilers/target/target.h"

const struct reconciler reconcilers[] = {
	{"project", project_observe, declared_plan, declared_act, declared_record},
	{"runtime", runtime_observe, declared_plan, declared_act, declared_record},
	{"environment", environment_observe, declared_plan, declared_act, declared_record},
	{"pin", pin_observe, declared_plan, declared_act, declared_record},
	{"function", function_observe, function_plan, function_act, function_record},
	{"target", target_observe, target_plan, target_act, target_record},
	{"retention", retention_observe, retention_plan, retention_act, retention_record},
	{"collection", collection_observe, collection_plan, collection_act, collection_record},
};
const size_t reconcilers_n = ARRAY_LEN(reconcilers);

const struct reconciler *reconciler_find(const char *kind)
{
	for (size_t i = 0; i < reconcilers_n; i++)
		if (strcmp(reconcilers[i].kind, kind) == 0)
			return &reconcilers[i];
	return NULL;
}
