#include "manifests/fields.h"

#include <stddef.h>

enum { PAIRS_MAX = 64 << 10, SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

const char *const metadata_ignored[] = {"uid",    "generation", "observedGeneration", "createdAt", "updatedAt", "deletedAt",
					"owner", "source",     NULL};

#define ENV_DOC "numbers and booleans count as their text; names and values have at most 64 KiB together"

#define METADATA_COMMON                                                                                                \
	{.name = "labels", .type = FIELD_PAIRS, .offset = offsetof(struct manifest, labels),                           \
	 .key_format = FORMAT_LABEL_KEY, .format = FORMAT_LABEL_VALUE, .max = PAIRS_MAX,                               \
	 .doc = "Words to select by."},                                                                                \
	{.name = "annotations", .type = FIELD_PAIRS, .offset = offsetof(struct manifest, annotations),                 \
	 .key_format = FORMAT_LABEL_KEY, .format = FORMAT_ANY, .max = PAIRS_MAX,                                       \
	 .doc = "Notes for people and tools; nothing reads them."},                                                    \
	{.name = NULL}

static const struct field metadata[] = {
	{.name = "name", .type = FIELD_TEXT, .required = true, .offset = offsetof(struct manifest, name),
	 .format = FORMAT_NAME, .doc = "Unique among its kind in the project."},
	{.name = "project", .type = FIELD_TEXT, .fallback = "default", .offset = offsetof(struct manifest, project),
	 .format = FORMAT_NAME, .doc = "The project that it belongs to."},
	METADATA_COMMON,
};

static const struct field project_metadata[] = {
	{.name = "name", .type = FIELD_TEXT, .required = true, .offset = offsetof(struct manifest, name),
	 .format = FORMAT_NAME, .doc = "Unique among projects."},
	METADATA_COMMON,
};

#define AT(member) .offset = offsetof(struct project_spec, member)
static const struct field project[] = {
	{.name = "description", .type = FIELD_TEXT, AT(description), .fallback = "", .format = FORMAT_ANY,
	 .doc = "What it is for."},
	{.name = "defaultEnvironment", .type = FIELD_TEXT, AT(default_environment), .fallback = "dev",
	 .format = FORMAT_NAME, .doc = "The environment that commands and API calls mean when they name none."},
	{.name = NULL},
};
#undef AT

#define AT(member) .offset = offsetof(struct runtime_spec, member)
static const char *const rebuild[] = {"manual", "auto", NULL};
static const struct field runtime[] = {
	{.name = "base", .type = FIELD_TEXT, .required = true, AT(base), .format = FORMAT_BASE,
	 .doc = "The image under the function's layer, by digest, in the configured registry; scratch for none.",
	 .example = "\"scratch\""},
	{.name = "command", .type = FIELD_LIST, AT(command), .max = 64, .format = FORMAT_ANY,
	 .doc = "Program and arguments for functions that give no command."},
	{.name = "env", .type = FIELD_PAIRS, AT(env), .key_format = FORMAT_ENV_NAME, .format = FORMAT_ANY,
	 .max = PAIRS_MAX, .secret_like = true, .doc = "Variables of every function that uses it; " ENV_DOC "."},
	{.name = "workdir", .type = FIELD_TEXT, AT(workdir), .fallback = "/app", .format = FORMAT_DIRECTORY,
	 .doc = "Where the source goes, and where the command starts."},
	{.name = "rebuild", .type = FIELD_CHOICE, AT(rebuild), .fallback = "manual", .choices = rebuild,
	 .doc = "After base changed: manual leaves functions as they are (BaseOutdated); auto builds them anew."},
	{.name = NULL},
};
#undef AT

#define AT(member) .offset = offsetof(struct environment_spec, member)
static const char *const latest[] = {"latest", NULL};
static const struct field selector[] = {
	{.name = "matchLabels", .type = FIELD_PAIRS, AT(selector), .key_format = FORMAT_LABEL_KEY,
	 .format = FORMAT_LABEL_VALUE, .max = PAIRS_MAX, .doc = "Labels that a function must have; none selects all."},
	{.name = NULL},
};
static const struct field environment[] = {
	{.name = "inherits", .type = FIELD_TEXT, AT(inherits), .format = FORMAT_NAME,
	 .doc = "An environment whose variables are taken over where this one gives none.", .example = "\"staging\""},
	{.name = "env", .type = FIELD_PAIRS, AT(env), .key_format = FORMAT_ENV_NAME, .format = FORMAT_ANY,
	 .max = PAIRS_MAX, .secret_like = true, .doc = "Variables of every function in it; " ENV_DOC "."},
	{.name = "follow", .type = FIELD_FLAG, AT(follow_latest), .choices = latest,
	 .doc = "latest: every new version of a selected function is deployed here. Without it only pins and explicit "
		"deploys do."},
	{.name = "selector", .type = FIELD_OBJECT, .fields = selector, .doc = "Which functions it follows."},
	{.name = NULL},
};
#undef AT

#define AT(member) .offset = offsetof(struct function_spec, member)
static const struct field source[] = {
	{.name = "dir", .type = FIELD_TEXT, AT(source_dir), .format = FORMAT_LINE,
	 .doc = "Directory that fnctl packs and uploads, relative to the manifest's file. The server never opens it.",
	 .example = "\"./hello\""},
	{.name = "digest", .type = FIELD_TEXT, AT(source_digest), .format = FORMAT_DIGEST,
	 .doc = "The uploaded archive; fnctl fills it in."},
	{.name = NULL},
};
static const struct field health[] = {
	{.name = "path", .type = FIELD_TEXT, AT(health.path), .format = FORMAT_URL_PATH,
	 .doc = "GET of this path must answer 200 to 399. Without it a port that accepts is healthy.",
	 .example = "\"/healthz\""},
	{.name = "interval", .type = FIELD_DURATION, AT(health.interval_ms), .fallback = "1s", .min = 100,
	 .max = 10 * MINUTE, .doc = "Time between two checks."},
	{.name = "timeout", .type = FIELD_DURATION, AT(health.timeout_ms), .fallback = "1s", .min = 10, .max = MINUTE,
	 .doc = "Time that one check may take."},
	{.name = "deadline", .type = FIELD_DURATION, AT(health.deadline_ms), .fallback = "30s", .min = SECOND,
	 .max = 15 * MINUTE, .doc = "Time from the start to the first success; then the release has failed."},
	{.name = "failures", .type = FIELD_INT, AT(health.failures), .fallback = "3", .min = 1, .max = 100,
	 .doc = "Failed checks in a row before an instance is restarted."},
	{.name = NULL},
};
static const struct field resources[] = {
	{.name = "memory", .type = FIELD_SIZE, AT(memory_bytes), .fallback = "128Mi", .min = 8 << 20,
	 .max = INT64_C(1) << 40, .doc = "Memory of one instance; beyond it the instance is killed and started again."},
	{.name = "cpu", .type = FIELD_CPU, AT(cpu_millis), .fallback = "500m", .min = 10, .max = 128000,
	 .doc = "Cores of one instance; beyond it the instance is slowed down."},
	{.name = "pids", .type = FIELD_INT, AT(pids), .fallback = "64", .min = 4, .max = 32768,
	 .doc = "Processes and threads of one instance."},
	{.name = NULL},
};
static const struct field retention[] = {
	{.name = "versions", .type = FIELD_INT, AT(retention_versions), .fallback = "10", .min = 1, .max = 1000,
	 .doc = "Newest versions that were built whose images are kept; what is in use is kept as well. The others are restored from their archives."},
	{.name = "archives", .type = FIELD_INT, AT(retention_archives), .fallback = "0", .min = 0, .max = 100000,
	 .doc = "Newest versions that were built whose archives are kept; 0 keeps all. Without its archive a version whose image is gone is gone."},
	{.name = "warm", .type = FIELD_INT, AT(retention_warm), .fallback = "1", .min = 0, .max = 10,
	 .doc = "Previous releases that go on running after a switch, so that going back to one needs no start."},
	{.name = "warmTime", .type = FIELD_DURATION, AT(retention_warm_ms), .fallback = "10m", .min = 0, .max = 24 * HOUR,
	 .doc = "How long they do."},
	{.name = NULL},
};
static const struct field function[] = {
	{.name = "runtime", .type = FIELD_TEXT, .required = true, AT(runtime), .format = FORMAT_NAME,
	 .doc = "The Runtime that it is built on.", .example = "\"python\""},
	{.name = "source", .type = FIELD_OBJECT, .fields = source, .shorthand = "dir",
	 .doc = "The program. `source: ./dir` is short for `source: {dir: ./dir}`."},
	{.name = "command", .type = FIELD_LIST, AT(command), .max = 64, .format = FORMAT_ANY,
	 .doc = "Program and arguments; without it the runtime's.", .example = "[\"python3\", \"main.py\"]"},
	{.name = "port", .type = FIELD_INT, AT(port), .fallback = "8080", .min = 1, .max = 65535,
	 .doc = "Where the program answers HTTP."},
	{.name = "env", .type = FIELD_PAIRS, AT(env), .key_format = FORMAT_ENV_NAME, .format = FORMAT_ANY,
	 .max = PAIRS_MAX, .secret_like = true, .doc = "Variables; " ENV_DOC "."},
	{.name = "health", .type = FIELD_OBJECT, .fields = health, .doc = "How the node finds out that an instance is well."},
	{.name = "resources", .type = FIELD_OBJECT, .fields = resources, .doc = "Limits of one instance."},
	{.name = "timeout", .type = FIELD_DURATION, AT(timeout_ms), .fallback = "30s", .min = 100, .max = 24 * HOUR,
	 .doc = "Time that a request may take."},
	{.name = "instances", .type = FIELD_INT, AT(instances), .fallback = "1", .min = 0, .max = 32,
	 .doc = "Instances in each environment; 0 stops it."},
	{.name = "retention", .type = FIELD_OBJECT, .fields = retention, .doc = "What is kept of old versions."},
	{.name = NULL},
};
#undef AT

#define AT(member) .offset = offsetof(struct pin_spec, member)
static const struct field pin[] = {
	{.name = "function", .type = FIELD_TEXT, .required = true, AT(function), .format = FORMAT_NAME,
	 .doc = "A function of the same project.", .example = "\"hello\""},
	{.name = "environment", .type = FIELD_TEXT, .required = true, AT(environment), .format = FORMAT_NAME,
	 .doc = "An environment of the same project.", .example = "\"production\""},
	{.name = "version", .type = FIELD_VERSION, .required = true, .format = FORMAT_VERSION, .min = 1, .max = INT32_MAX,
	 .doc = "The version that runs: its number, its image's digest, a label, or latest.", .example = "3"},
	{.name = NULL},
};
#undef AT

static const struct kind_fields kinds[KIND_COUNT] = {
	[KIND_PROJECT] = {
		.metadata = project_metadata, .spec = project, .spec_offset = offsetof(struct manifest, spec.project),
		.doc = "Owns functions, environments, pins and runtimes; names in different projects do not meet. The project "
		       "`default` always exists.",
		.example = "apiVersion: fn/v1\nkind: Project\nmetadata:\n  name: shop\nspec:\n  description: The web shop's functions\n"
			   "  defaultEnvironment: dev\n"},
	[KIND_RUNTIME] = {
		.metadata = metadata, .spec = runtime, .spec_offset = offsetof(struct manifest, spec.runtime),
		.doc = "What functions are built on: a base image by digest, and how to start them.",
		.example = "apiVersion: fn/v1\nkind: Runtime\nmetadata:\n  name: static\nspec:\n  base: scratch\n"
			   "  command: [./server]\n  workdir: /app\n"},
	[KIND_ENVIRONMENT] = {
		.metadata = metadata, .spec = environment, .spec_offset = offsetof(struct manifest, spec.environment),
		.doc = "Where functions serve: its variables, and whether new versions come by themselves.",
		.example = "apiVersion: fn/v1\nkind: Environment\nmetadata:\n  name: dev\nspec:\n  follow: latest\n"
			   "  selector:\n    matchLabels:\n      tier: web\n  env:\n    LOG_LEVEL: debug\n"},
	[KIND_FUNCTION] = {
		.metadata = metadata, .spec = function, .spec_offset = offsetof(struct manifest, spec.function),
		.doc = "A small HTTP program. Each change of its source, command or runtime makes a new version; where it runs is "
		       "decided by environments and pins.",
		.example = "apiVersion: fn/v1\nkind: Function\nmetadata:\n  name: hello\n  labels:\n    tier: web\nspec:\n"
			   "  runtime: python\n  source: ./hello\n  command: [python3, main.py]\n  env:\n    GREETING: Hello\n"
			   "  health:\n    path: /healthz\n  resources:\n    memory: 128Mi\n    cpu: 500m\n  instances: 2\n"},
	[KIND_PIN] = {
		.metadata = metadata, .spec = pin, .spec_offset = offsetof(struct manifest, spec.pin),
		.doc = "Says which version of a function an environment runs.",
		.example = "apiVersion: fn/v1\nkind: Pin\nmetadata:\n  name: hello-production\nspec:\n  function: hello\n"
			   "  environment: production\n  version: 3\n"},
};

const struct kind_fields *kind_fields(enum kind k) { return &kinds[k]; }
