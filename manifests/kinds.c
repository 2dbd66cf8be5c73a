#include <string.h>
#include <strings.h>

#include "manifests/manifest.h"

static const struct kind_info kinds[KIND_COUNT] = {
	[KIND_PROJECT] = {KIND_PROJECT, "Project", "project", "projects", NULL},
	[KIND_RUNTIME] = {KIND_RUNTIME, "Runtime", "runtime", "runtimes", "rt"},
	[KIND_ENVIRONMENT] = {KIND_ENVIRONMENT, "Environment", "environment", "environments", "env"},
	[KIND_FUNCTION] = {KIND_FUNCTION, "Function", "function", "functions", "fn"},
	[KIND_PIN] = {KIND_PIN, "Pin", "pin", "pins", NULL},
};

const struct kind_info *kind_info(enum kind k) { return &kinds[k]; }

bool kind_parse(const char *word, enum kind *ret)
{
	for (size_t i = 0; i < KIND_COUNT; i++) {
		const struct kind_info *k = &kinds[i];
		if (strcasecmp(word, k->name) == 0 || strcmp(word, k->plural) == 0 ||
		    (k->alias && strcmp(word, k->alias) == 0)) {
			*ret = k->kind;
			return true;
		}
	}
	return false;
}
