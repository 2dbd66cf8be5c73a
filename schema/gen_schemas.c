/* gen-schemas SCHEMADIR [DOCDIR]: writes schema/kinds/NAME.json and manifest.json into SCHEMADIR, and docs/reference/kinds/NAME.md into DOCDIR. */
#include <stdio.h>
#include <stdlib.h>

#include "base/fs.h"
#include "manifests/schema.h"

static enum err_class write_file(const char *dir, const char *name, const char *suffix, const struct buf *b, struct err *e)
{
	AUTO_FREE char *path = xprintf("%s/%s%s", dir, name, suffix);
	return fs_write_atomic(path, b->p, b->len, 0644, false, e);
}

/* Takes the reference. */
static enum err_class write_schema(const char *dir, const char *name, json_t *taken, struct err *e)
{
	AUTO_JSON json_t *j = taken;
	AUTO_FREE char *text = json_dumps(j, JSON_INDENT(2));
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	if (!text || !buf_puts(&b, text) || !buf_puts(&b, "\n"))
		return err_set(e, BUG, R_Internal, "%s: the schema cannot be written", name);
	return write_file(dir, name, ".json", &b, e);
}

static enum err_class write_all(const char *schemas, const char *docs, struct err *e)
{
	enum err_class class = write_schema(schemas, "manifest", manifest_schema(), e);
	for (size_t i = 0; i < KIND_COUNT && class == OK; i++) {
		const char *name = kind_info((enum kind)i)->singular;
		class = write_schema(schemas, name, kind_schema((enum kind)i), e);
		AUTO_BUF struct buf b = BUF_INIT(1 << 20);
		kind_reference((enum kind)i, &b);
		if (class == OK && docs)
			class = write_file(docs, name, ".md", &b, e);
	}
	return class;
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	if (argc != 2 && argc != 3) {
		(void)fputs("usage: gen-schemas SCHEMADIR [DOCDIR]\n", stderr);
		return 2;
	}
	if (write_all(argv[1], argv[2], &e) != OK) {
		(void)fprintf(stderr, "gen-schemas: %s: %s\n", e.reason, e.msg);
		return 1;
	}
	return 0;
}
