#include <inttypes.h>
#include <string.h>

#include "manifests/decode.h"
#include "manifests/units.h"

static json_t *pairs_json(const struct pairs *p)
{
	json_t *j = json_object();
	for (size_t i = 0; i < p->n; i++)
		json_object_set_new(j, p->items[i].name, json_string(p->items[i].value));
	return j;
}

static json_t *strings_json(const struct strings *s)
{
	json_t *j = json_array();
	for (size_t i = 0; i < s->n; i++)
		json_array_append_new(j, json_string(s->items[i]));
	return j;
}

static json_t *version_json(const struct pin_spec *p)
{
	if (p->to == PIN_NUMBER)
		return json_integer(p->number);
	return p->word ? json_string(p->word) : NULL;
}

/* NULL where there is nothing to say. */
static json_t *encode_value(const struct field *f, const void *base)
{
	const void *at = (const char *)base + f->offset;
	char unit[UNIT_TEXT];
	switch (f->type) {
	case FIELD_TEXT:
	case FIELD_CHOICE:
		return *(const char *const *)at ? json_string(*(const char *const *)at) : NULL;
	case FIELD_FLAG:
		return *(const bool *)at ? json_string(f->choices[0]) : NULL;
	case FIELD_INT:
		return json_integer(*(const int64_t *)at);
	case FIELD_DURATION:
		return json_string(format_duration(*(const int64_t *)at, unit));
	case FIELD_SIZE:
		return json_string(format_size(*(const int64_t *)at, unit));
	case FIELD_CPU:
		return json_string(format_cpu(*(const int64_t *)at, unit));
	case FIELD_LIST:
		return strings_json(at);
	case FIELD_PAIRS:
		return pairs_json(at);
	case FIELD_OBJECT:
		return encode_fields(f->fields, base);
	case FIELD_VERSION:
		return version_json(base);
	}
	return NULL;
}

json_t *encode_fields(const struct field *table, const void *base)
{
	json_t *j = json_object();
	for (const struct field *f = table; f->name; f++) {
		json_t *v = encode_value(f, base);
		if (v)
			json_object_set_new(j, f->name, v);
	}
	return j;
}

json_t *field_default(const struct field *f)
{
	if (f->type == FIELD_LIST)
		return json_array();
	if (f->type == FIELD_PAIRS)
		return json_object();
	if (!f->fallback)
		return NULL;
	int64_t v;
	if (f->type == FIELD_INT && parse_size(f->fallback, &v))
		return json_integer(v);
	return json_string(f->fallback);
}

json_t *manifest_spec_json(const struct manifest *m)
{
	const struct kind_fields *k = kind_fields(m->kind);
	return encode_fields(k->spec, (const char *)m + k->spec_offset);
}

json_t *manifest_json(const struct manifest *m)
{
	json_t *metadata = encode_fields(kind_fields(m->kind)->metadata, m);
	if (m->labels.n == 0)
		json_object_del(metadata, "labels");
	if (m->annotations.n == 0)
		json_object_del(metadata, "annotations");
	json_t *j = json_object();
	json_object_set_new(j, "apiVersion", json_string(API_VERSION));
	json_object_set_new(j, "kind", json_string(kind_info(m->kind)->name));
	json_object_set_new(j, "metadata", metadata);
	json_object_set_new(j, "spec", manifest_spec_json(m));
	return j;
}

struct digest function_source_hash(const struct function_spec *f, const char *base)
{
	AUTO_JSON json_t *j = json_object();
	json_object_set_new(j, "runtime", json_string(f->runtime));
	json_object_set_new(j, "base", json_string(base));
	json_object_set_new(j, "source", json_string(f->source_digest ? f->source_digest : ""));
	json_object_set_new(j, "command", strings_json(&f->command));
	return json_digest(j);
}
