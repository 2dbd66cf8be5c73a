#include <string.h>

#include "manifests/decode.h"
#include "manifests/schema.h"

static json_t *text_schema(enum format f)
{
	const struct format_info *i = format_info(f);
	json_t *j = json_pack("{s:s}", "type", "string");
	if (i->pattern)
		json_object_set_new(j, "pattern", json_string(i->pattern));
	if (f == FORMAT_LINE)
		json_object_set_new(j, "minLength", json_integer(1));
	json_object_set_new(j, "maxLength", json_integer((json_int_t)i->max));
	return j;
}

/* Where any scalar counts as its text. */
static json_t *scalar_schema(enum format f)
{
	json_t *j = text_schema(f);
	json_object_set_new(j, "type", json_pack("[s,s,s]", "string", "number", "boolean"));
	return j;
}

static json_t *list_schema(const struct field *f)
{
	json_t *first = scalar_schema(f->format);
	json_object_set_new(first, "minLength", json_integer(1));
	return json_pack("{s:s, s:[o], s:o, s:I}", "type", "array", "prefixItems", first, "items", scalar_schema(f->format),
			 "maxItems", (json_int_t)f->max);
}

static json_t *pairs_schema(const struct field *f)
{
	return json_pack("{s:s, s:o, s:o}", "type", "object", "propertyNames", text_schema(f->key_format),
			 "additionalProperties", scalar_schema(f->format));
}

static json_t *choices_schema(const struct field *f)
{
	json_t *all = json_array();
	for (const char *const *c = f->choices; *c; c++)
		json_array_append_new(all, json_string(*c));
	return json_pack("{s:o}", "enum", all);
}

static json_t *fields_schema(const struct field *table);

static json_t *object_schema(const struct field *f)
{
	json_t *object = fields_schema(f->fields);
	if (!f->shorthand)
		return object;
	const struct field *m = f->fields;
	while (strcmp(m->name, f->shorthand) != 0)
		m++;
	return json_pack("{s:[o,o]}", "anyOf", text_schema(m->format), object);
}

/* Bounds of quantities cannot be said of texts; the decoder has the last word. */
static json_t *quantity_schema(const struct field *f, enum format format)
{
	json_t *j = text_schema(format);
	if (f->type != FIELD_DURATION)
		json_object_set_new(j, "type", json_pack("[s,s]", "string", "number"));
	return j;
}

static json_t *type_schema(const struct field *f)
{
	switch (f->type) {
	case FIELD_TEXT:
		return text_schema(f->format);
	case FIELD_CHOICE:
	case FIELD_FLAG:
		return choices_schema(f);
	case FIELD_INT:
		return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum", (json_int_t)f->min, "maximum",
				 (json_int_t)f->max);
	case FIELD_DURATION:
		return quantity_schema(f, FORMAT_DURATION);
	case FIELD_SIZE:
		return quantity_schema(f, FORMAT_SIZE);
	case FIELD_CPU:
		return quantity_schema(f, FORMAT_CPU);
	case FIELD_LIST:
		return list_schema(f);
	case FIELD_PAIRS:
		return pairs_schema(f);
	case FIELD_OBJECT:
		return object_schema(f);
	case FIELD_VERSION: {
		json_t *j = text_schema(f->format);
		json_object_update_new(j, json_pack("{s:[s,s], s:I, s:I}", "type", "string", "integer", "minimum",
						    (json_int_t)f->min, "maximum", (json_int_t)f->max));
		return j;
	}
	}
	return NULL;
}

static json_t *field_schema(const struct field *f)
{
	json_t *j = json_pack("{s:s}", "description", f->doc);
	json_object_update_new(j, type_schema(f));
	json_t *fallback = field_default(f);
	if (fallback && !f->required)
		json_object_set_new(j, "default", fallback);
	else
		json_decref(fallback);
	if (f->example)
		json_object_set_new(j, "examples", json_pack("[o]", json_loads(f->example, JSON_DECODE_ANY, NULL)));
	return j;
}

static bool any_required(const struct field *table)
{
	for (; table->name; table++)
		if (table->required)
			return true;
	return false;
}

static json_t *fields_schema(const struct field *table)
{
	json_t *properties = json_object(), *required = json_array();
	for (const struct field *f = table; f->name; f++) {
		json_object_set_new(properties, f->name, field_schema(f));
		if (f->required)
			json_array_append_new(required, json_string(f->name));
	}
	json_t *j = json_pack("{s:s, s:o, s:b}", "type", "object", "properties", properties, "additionalProperties", 0);
	if (any_required(table))
		json_object_set(j, "required", required);
	json_decref(required);
	return j;
}

static json_t *metadata_schema(const struct field *table)
{
	json_t *j = fields_schema(table), *properties = json_object_get(j, "properties");
	for (const char *const *name = metadata_ignored; *name; name++)
		json_object_set_new(properties, *name,
				    json_pack("{s:s, s:b}", "description", "Added by reads; ignored.", "readOnly", 1));
	return j;
}

static json_t *kind_body(enum kind k)
{
	const struct kind_fields *f = kind_fields(k);
	json_t *required = json_pack("[s,s,s]", "apiVersion", "kind", "metadata");
	if (any_required(f->spec))
		json_array_append_new(required, json_string("spec"));
	json_t *properties = json_pack("{s:{s:s}, s:{s:s}, s:o, s:o, s:{s:s, s:b}}", "apiVersion", "const", API_VERSION, "kind",
				       "const", kind_info(k)->name, "metadata", metadata_schema(f->metadata), "spec",
				       fields_schema(f->spec), "status", "description", "Added by reads; ignored.", "readOnly",
				       1);
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:b}", "title", kind_info(k)->name, "description", f->doc, "type", "object",
			 "properties", properties, "required", required, "additionalProperties", 0);
}

static json_t *with_head(const char *name, json_t *body)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	json_t *j = json_pack("{s:s, s:s}", "$schema", "https://json-schema.org/draft/2020-12/schema", "$id",
			      arena_printf(&a, "urn:fn:v1:%s", name));
	json_object_update_new(j, body);
	return j;
}

json_t *kind_schema(enum kind k) { return with_head(kind_info(k)->singular, kind_body(k)); }

json_t *manifest_schema(void)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	json_t *defs = json_object(), *refs = json_array();
	for (size_t i = 0; i < KIND_COUNT; i++) {
		const char *name = kind_info((enum kind)i)->singular;
		json_object_set_new(defs, name, kind_body((enum kind)i));
		json_array_append_new(refs, json_pack("{s:s}", "$ref", arena_printf(&a, "#/$defs/%s", name)));
	}
	return with_head("manifest", json_pack("{s:s, s:o, s:o}", "title", "A manifest", "oneOf", refs, "$defs", defs));
}
