#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "manifests/manifest.h"
#include "manifests/node.h"

/* Would a reader of YAML 1.1 or 1.2 take the plain text for something else? Rather quote once too often. */
static bool needs_quotes(const char *s)
{
	static const char *const words[] = {"y", "n", "yes", "no", "on", "off", "<<", "="};
	if (scalar_type(s) != NODE_STRING)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcasecmp(s, words[i]) == 0)
			return true;
	/* 1_000, 0b1, 12:30:45 and 2001-12-14t21:59:43 are numbers and times to YAML 1.1 */
	return strchr("+-.0123456789", s[0]) && s[strspn(s, "0123456789abcdefABCDEFoOxXtTzZ_:.+- ")] == '\0';
}

/* Lines that a literal block gives back exactly, whoever reads it. */
static bool literal(const char *s)
{
	if (!strchr(s, '\n') || strchr(" \n", s[0]))
		return false;
	for (const char *c = s; *c; c++)
		if ((unsigned char)*c >= 0x7f || (*c < ' ' && *c != '\n') || (*c == ' ' && (c[1] == '\n' || !c[1])) ||
		    (*c == '\n' && (c[1] == '\n' || c[1] == ' ')))
			return false;
	return true;
}

static yaml_scalar_style_t style_of(const char *s)
{
	if (literal(s))
		return YAML_LITERAL_SCALAR_STYLE;
	return strchr(s, '\n') || needs_quotes(s) ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_ANY_SCALAR_STYLE;
}

static bool emit(yaml_emitter_t *y, int made, yaml_event_t *ev)
{
	return made && yaml_emitter_emit(y, ev); /* the emitter owns the event, also when it fails */
}

static bool emit_scalar(yaml_emitter_t *y, const char *s, yaml_scalar_style_t style)
{
	yaml_event_t ev;
	return emit(y, yaml_scalar_event_initialize(&ev, NULL, NULL, (const yaml_char_t *)s, (int)strlen(s), 1, 1, style), &ev);
}

static bool write_value(yaml_emitter_t *y, const json_t *j);

static bool write_member(yaml_emitter_t *y, const char *key, const json_t *value)
{
	yaml_scalar_style_t style = strchr(key, '\n') ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : style_of(key);
	return emit_scalar(y, key, style) && write_value(y, value);
}

/* Documents begin as people write them, whatever order the JSON came in. */
static const char *const first[] = {"apiVersion", "kind", "metadata", "spec", "status"};

static bool leads(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(first); i++)
		if (strcmp(first[i], key) == 0)
			return true;
	return false;
}

static bool write_members(yaml_emitter_t *y, const json_t *j)
{
	bool document = json_object_get(j, "apiVersion") && json_object_get(j, "kind");
	for (size_t i = 0; document && i < ARRAY_LEN(first); i++) {
		const json_t *v = json_object_get(j, first[i]);
		if (v && !write_member(y, first[i], v))
			return false;
	}
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)j, key, value)
		if (!(document && leads(key)) && !write_member(y, key, value))
			return false;
	return true;
}

static bool write_items(yaml_emitter_t *y, const json_t *j)
{
	for (size_t i = 0; i < json_array_size(j); i++)
		if (!write_value(y, json_array_get(j, i)))
			return false;
	return true;
}

static bool write_value(yaml_emitter_t *y, const json_t *j)
{
	yaml_event_t ev;
	if (json_is_object(j))
		return emit(y, yaml_mapping_start_event_initialize(&ev, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE), &ev) &&
		       write_members(y, j) && emit(y, yaml_mapping_end_event_initialize(&ev), &ev);
	if (json_is_array(j))
		return emit(y, yaml_sequence_start_event_initialize(&ev, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE), &ev) &&
		       write_items(y, j) && emit(y, yaml_sequence_end_event_initialize(&ev), &ev);
	if (json_is_string(j))
		return emit_scalar(y, json_string_value(j), style_of(json_string_value(j)));
	AUTO_FREE char *text = json_text(j);
	return emit_scalar(y, text, YAML_PLAIN_SCALAR_STYLE);
}

static int append(void *out, unsigned char *p, size_t n) { return buf_add(out, p, n); }

static bool write_document(yaml_emitter_t *y, const json_t *j)
{
	yaml_event_t ev;
	return emit(y, yaml_stream_start_event_initialize(&ev, YAML_UTF8_ENCODING), &ev) &&
	       emit(y, yaml_document_start_event_initialize(&ev, NULL, NULL, NULL, 1), &ev) && write_value(y, j) &&
	       emit(y, yaml_document_end_event_initialize(&ev, 1), &ev) &&
	       emit(y, yaml_stream_end_event_initialize(&ev), &ev) && yaml_emitter_flush(y);
}

static void cleanup_emitter(yaml_emitter_t *y) { yaml_emitter_delete(y); }

enum err_class yaml_write(const json_t *j, struct buf *out, struct err *e)
{
	__attribute__((cleanup(cleanup_emitter))) yaml_emitter_t y;
	if (!yaml_emitter_initialize(&y))
		abort(); /* out of memory */
	yaml_emitter_set_output(&y, append, out);
	yaml_emitter_set_unicode(&y, 1);
	yaml_emitter_set_width(&y, -1);
	size_t before = out->len;
	if (write_document(&y, j))
		return OK;
	if (out->overflow)
		return err_set(e, INVALID, R_TooLarge, "the YAML has more than %zu bytes", out->max);
	out->len = before; /* a part of a document is of no use */
	return err_set(e, BUG, R_Internal, "cannot write YAML: %s", y.problem ? y.problem : "not UTF-8");
}
