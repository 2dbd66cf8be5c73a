/* Any bytes as a manifest: no crash, bounded time, every problem has a position; what is accepted survives the trip
 * through canonical JSON and YAML unchanged. Seeds: tests/support/manifests. With libFuzzer:
 *
 *   clang -std=c17 -D_GNU_SOURCE -Icontroller -I. -g -O1 -fsanitize=fuzzer,address,undefined -o build/fuzz_manifest \
 *         tests/fuzz/fuzz_manifest.c manifests/[a-z]*.c controller/base/[a-z]*.c -lyaml -ljansson -lcrypto -pthread
 *   build/fuzz_manifest -max_len=4096 -timeout=5 CORPUS tests/support/manifests/valid tests/support/manifests/invalid
 */
#include <stdlib.h>
#include <string.h>

#include "manifests/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void round_trip(const struct manifest *m)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	AUTO_JSON json_t *j = manifest_json(m);
	const char *text = json_text_arena(j, &a);

	struct manifest back;
	must(manifest_from_json(j, &a, &back, &e) == OK);
	AUTO_JSON json_t *j2 = manifest_json(&back);
	must(strcmp(json_text_arena(j2, &a), text) == 0);

	AUTO_BUF struct buf yaml = BUF_INIT(MANIFEST_MAX_BYTES);
	struct manifests ms = {0};
	must(yaml_write(j, &yaml, &e) == OK);
	must(manifests_decode("again", yaml.p, yaml.len, &a, &ms, &e) == OK && ms.n == 1);
	AUTO_JSON json_t *j3 = manifest_json(&ms.items[0]);
	must(strcmp(json_text_arena(j3, &a), text) == 0);
}

/* The bytes as a value and as an item, so that the writer sees texts that no seed has. */
static void as_value(const char *data, size_t n)
{
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct err e = ERR_INIT;
	struct manifest m;
	json_t *text = json_stringn(data, n); /* NULL unless UTF-8 */
	AUTO_JSON json_t *doc = text ? json_pack("{s:s, s:s, s:{s:O}, s:{s:s, s:[o]}}", "kind", "function", "name", "x", "annotations", "a",
						 text, "spec", "runtime", "r", "command", text)
				     : NULL;
	if (doc && manifest_from_json(doc, &a, &m, &e) == OK)
		round_trip(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	as_value((const char *)data, n);
	AUTO_ARENA struct arena a = ARENA_INIT;
	struct manifests ms = {0};
	struct err e = ERR_INIT;
	enum err_class class = manifests_decode("f", (const char *)data, n, &a, &ms, &e);
	must(class == (ms.nproblems ? INVALID : OK));
	for (size_t i = 0; i < ms.nproblems; i++)
		must(ms.problems[i].line > 0 && ms.problems[i].column > 0 && ms.problems[i].message);
	for (size_t i = 0; i < ms.n; i++)
		round_trip(&ms.items[i]);
	return 0;
}
