#include <inttypes.h>

#include "manifests/fields.h"
#include "manifests/schema.h"
#include "manifests/units.h"

static void range(const struct field *f, char *(*spell)(int64_t, char *), struct buf *out)
{
	char low[UNIT_TEXT], high[UNIT_TEXT];
	buf_printf(out, ", %s to %s", spell(f->min, low), spell(f->max, high));
}

static char *plain(int64_t v, char *out)
{
	(void)snprintf(out, UNIT_TEXT, "%" PRId64, v);
	return out;
}

static void type_text(const struct field *f, struct buf *out)
{
	switch (f->type) {
	case FIELD_TEXT:
	case FIELD_VERSION:
		buf_puts(out, format_info(f->format)->title);
		return;
	case FIELD_CHOICE:
	case FIELD_FLAG:
		for (const char *const *c = f->choices; *c; c++)
			buf_printf(out, "%s`%s`", c == f->choices ? "" : " or ", *c);
		return;
	case FIELD_INT:
		buf_puts(out, "an integer");
		range(f, plain, out);
		return;
	case FIELD_DURATION:
		buf_puts(out, "a duration");
		range(f, format_duration, out);
		return;
	case FIELD_SIZE:
		buf_puts(out, "a size");
		range(f, format_size, out);
		return;
	case FIELD_CPU:
		buf_puts(out, "an amount of cpu");
		range(f, format_cpu, out);
		return;
	case FIELD_LIST:
		buf_printf(out, "a list of texts, at most %" PRId64, f->max);
		return;
	case FIELD_PAIRS:
		buf_puts(out, "a mapping of texts");
		return;
	case FIELD_OBJECT:
		buf_puts(out, f->shorthand ? "a mapping, or a text" : "a mapping");
		return;
	}
}

static void default_text(const struct field *f, struct buf *out)
{
	if (f->required)
		buf_puts(out, "**required**");
	else if (f->fallback && *f->fallback)
		buf_printf(out, "`%s`", f->fallback);
	else if (f->fallback || f->type == FIELD_LIST || f->type == FIELD_PAIRS)
		buf_puts(out, "empty");
}

static void rows(const struct field *table, const char *up, struct buf *out)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	for (const struct field *f = table; f->name; f++) {
		const char *path = arena_printf(&a, "%s.%s", up, f->name);
		buf_printf(out, "| `%s` | ", path);
		type_text(f, out);
		buf_puts(out, " | ");
		default_text(f, out);
		buf_printf(out, " | %s |\n", f->doc);
		if (f->type == FIELD_OBJECT)
			rows(f->fields, path, out);
	}
}

static void formats_used(const struct field *table, bool used[FORMAT_COUNT])
{
	for (const struct field *f = table; f->name; f++) {
		used[f->type == FIELD_DURATION ? FORMAT_DURATION
		     : f->type == FIELD_SIZE   ? FORMAT_SIZE
		     : f->type == FIELD_CPU    ? FORMAT_CPU
					       : f->format] = true;
		used[f->key_format] = true;
		if (f->type == FIELD_OBJECT)
			formats_used(f->fields, used);
	}
}

void kind_reference(enum kind k, struct buf *out)
{
	const struct kind_info *i = kind_info(k);
	const struct kind_fields *f = kind_fields(k);
	buf_printf(out, "# %s\n\n%s\n\nOn the command line: `%s`, `%s`", i->name, f->doc, i->singular, i->plural);
	if (i->alias)
		buf_printf(out, ", `%s`", i->alias);
	buf_printf(out, ". Schema for editors: `schema/kinds/%s.json`.\n\n```yaml\n%s```\n\n", i->singular, f->example);
	buf_puts(out, "| field | what | default | |\n| --- | --- | --- | --- |\n| `apiVersion` | `fn/v1` | **required** | |\n");
	buf_printf(out, "| `kind` | `%s` | **required** | |\n", i->name);
	rows(f->metadata, "metadata", out);
	rows(f->spec, "spec", out);
	buf_puts(out, "\n`status` and what reads add to `metadata` (");
	for (const char *const *m = metadata_ignored; *m; m++)
		buf_printf(out, "%s`%s`", m == metadata_ignored ? "" : ", ", *m);
	buf_puts(out, ") are accepted and ignored. Every other field is an error (`UnknownField`).\n\n");
	bool used[FORMAT_COUNT] = {false};
	formats_used(f->metadata, used);
	formats_used(f->spec, used);
	for (size_t n = 0; n < FORMAT_COUNT; n++) {
		const struct format_info *fmt = format_info((enum format)n);
		if (used[n] && *fmt->rule)
			buf_printf(out, "- %s: %s.\n", fmt->title, fmt->rule);
	}
	buf_puts(out, "\nHow values are read, and what is bounded: [limits](../limits.md).\n"
		      "\n<!-- Made by build/gen-schemas from manifests/fields.c; do not edit. -->\n");
}
