#include <string.h>

#include "manifests/manifest.h"

static bool has_pair(const struct pairs *labels, const struct pair *want)
{
	for (size_t i = 0; i < labels->n; i++)
		if (strcmp(labels->items[i].name, want->name) == 0)
			return strcmp(labels->items[i].value, want->value) == 0;
	return false;
}

bool labels_match(const struct pairs *selector, const struct pairs *labels)
{
	for (size_t i = 0; i < selector->n; i++)
		if (!has_pair(labels, &selector->items[i]))
			return false;
	return true;
}
