/* fnctl's words: flags, arguments, and the tables behind the help. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <string.h>

#include "cli/cli.h" /* before cmocka, which has a macro fail() */
#include "cli/output.h"

#include <cmocka.h>

struct words {
	struct arena a;
	struct cli c;
	struct err e;
	enum err_class class;
};

static const struct command *command(const char *name)
{
	for (size_t i = 0; i < commands_n; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	fail_msg("there is no command %s", name);
	return NULL;
}

/* Parses what stands after "fnctl", words separated by single spaces. */
static void parse(struct words *w, const char *line)
{
	char *argv[32];
	int argc = 0;
	*w = (struct words){.e = ERR_INIT};
	for (char *word = arena_strdup(&w->a, line), *next; word; word = next) {
		next = strchr(word, ' ');
		if (next)
			*next++ = '\0';
		argv[argc++] = word;
	}
	w->c = (struct cli){.command = command(argv[0]), .arena = &w->a};
	w->class = flags_parse(&w->c, argc - 1, argv + 1, &w->e);
}

#define WORDS(name, line) \
	struct words name __attribute__((cleanup(forget))); \
	parse(&name, line)

static void forget(struct words *w) { arena_release(&w->a); }

static void values_in_every_spelling(void **state)
{
	(void)state;
	static const char *const lines[] = {"get functions -o json", "get functions -ojson", "get functions --output json", "get functions --output=json",
					    "get -o yaml functions -o json", "get -o json -- functions"};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		WORDS(w, lines[i]);
		if (w.class)
			fail_msg("%s: %s", lines[i], w.e.msg);
		assert_string_equal(flag_or(&w.c, FLAG_OUTPUT, "none"), "json"); /* the last one counts */
		assert_int_equal(w.c.args.n, 1);
		assert_string_equal(w.c.args.items[0], "functions");
	}
}

static void switches_and_repeated_values(void **state)
{
	(void)state;
	WORDS(w, "apply -f a.yaml -f b --wait --filename=-");
	assert_int_equal(w.class, OK);
	assert_int_equal(w.c.flag[FLAG_FILE].n, 3);
	assert_string_equal(w.c.flag[FLAG_FILE].items[0], "a.yaml");
	assert_string_equal(w.c.flag[FLAG_FILE].items[2], "-");
	assert_true(flag_on(&w.c, FLAG_WAIT));
	assert_false(flag_on(&w.c, FLAG_FORCE));
	assert_string_equal(flag_or(&w.c, FLAG_TIMEOUT, "none"), "none");
}

static void one_letter_means_what_the_command_says(void **state)
{
	(void)state;
	WORDS(logs, "logs hello -f");
	assert_int_equal(logs.class, OK);
	assert_true(flag_on(&logs.c, FLAG_FOLLOW));
	assert_false(flag_on(&logs.c, FLAG_FILE));
	WORDS(dry, "apply -f - --dry-run");
	assert_int_equal(dry.class, OK);
	assert_string_equal(flag_or(&dry.c, FLAG_DRY_RUN, "none"), "server");
	assert_int_equal(dry.c.args.n, 0); /* a lone dash is a value */
	WORDS(words, "invoke -- -strange-name");
	assert_int_equal(words.class, OK);
	assert_string_equal(words.c.args.items[0], "-strange-name");
	WORDS(header, "invoke hello -H A:1 -H B:2 -d @-");
	assert_int_equal(header.c.flag[FLAG_HEADER].n, 2);
	assert_string_equal(flag_or(&header.c, FLAG_DATA, ""), "@-");
}

static void mistakes(void **state)
{
	(void)state;
	static const struct {
		const char *line, *says;
	} rows[] = {
		{"apply --wiat", "did you mean --wait?"}, {"apply --watch", "unknown flag --watch"}, {"apply -z", "unknown flag -z"},
		{"get --timeout 3s", "unknown flag --timeout"}, {"get functions -o", "--output needs a value: FORMAT"}, {"apply --wait=yes", "--wait takes no value"},
		{"get -wA", "unknown flag -wA"}, {"apply --", NULL}, {"apply --nonsense", "unknown flag --nonsense"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		WORDS(w, rows[i].line);
		if (!rows[i].says) {
			assert_int_equal(w.class, OK);
			continue;
		}
		if (w.class != INVALID)
			fail_msg("\"%s\" was taken", rows[i].line);
		assert_string_equal(w.e.reason, "InvalidFlag");
		if (!strstr(w.e.msg, rows[i].says))
			fail_msg("\"%s\" does not say \"%s\"", w.e.msg, rows[i].says);
	}
}

/* Or "-m --dry-run" rolls back, with that as its reason. */
static void a_flag_is_no_value(void **state)
{
	(void)state;
	static const struct {
		const char *line, *says;
	} rows[] = {
		{"rollback shop -m --dry-run", "--message needs a value: REASON; write --message=--dry-run if that is meant"},
		{"rollback shop --message --dry-run=server", "write --message=--dry-run=server if"},
		{"rollback shop -e --no-wait", "--env needs a value: NAME; write --env=--no-wait if"}, {"rollback shop -m --project", "--message needs a value"},
		{"rollback shop -m --message", "--message needs a value"}, {"invoke shop -d --method", "--data needs a value"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		WORDS(w, rows[i].line);
		if (w.class != INVALID)
			fail_msg("\"%s\" was taken", rows[i].line);
		assert_string_equal(w.e.reason, "InvalidFlag");
		if (!strstr(w.e.msg, rows[i].says))
			fail_msg("\"%s\" does not say \"%s\"", w.e.msg, rows[i].says);
	}
	static const char *const fine[][2] = {{"rollback shop --message=--dry-run", "--dry-run"}, {"rollback shop -m --", "--"}, {"rollback shop -m -e", "-e"},
					      {"rollback shop -m --dry-runs", "--dry-runs"}, {"rollback shop -m --follow", "--follow"}};
	for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
		WORDS(w, fine[i][0]);
		assert_int_equal(w.class, OK);
		assert_string_equal(flag_or(&w.c, FLAG_MESSAGE, ""), fine[i][1]);
		assert_false(flag_on(&w.c, FLAG_DRY_RUN));
	}
}

static void a_note_is_one_line_of_text(void **state)
{
	(void)state;
	static const char *const bad[][2] = {{"a\nb", "control characters"}, {"a\tb", "control characters"}, {"\033[2J", "control characters"}, {"\x7f", "control characters"},
					     {"\xc2\x9b" "31m", "control characters"}, {"caf\xe9", "not valid UTF-8"}};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const char *note;
		AUTO_FREE char *line = xprintf("rollback shop --message=%s", bad[i][0]);
		WORDS(w, line);
		assert_int_equal(w.class, OK);
		assert_int_equal(flag_note(&w.c, &note, &w.e), INVALID);
		assert_string_equal(w.e.reason, "InvalidFlag");
		if (!strstr(w.e.msg, bad[i][1]))
			fail_msg("\"%s\" does not say \"%s\"", w.e.msg, bad[i][1]);
	}
	const char *note;
	WORDS(fine, "deploy . -m caf\xc3\xa9\xc2\xa0" "ok");
	assert_int_equal(flag_note(&fine.c, &note, &fine.e), OK);
	assert_string_equal(note, "caf\xc3\xa9\xc2\xa0" "ok");
	WORDS(none, "deploy .");
	assert_int_equal(flag_note(&none.c, &note, &none.e), OK);
	assert_null(note);
	AUTO_BUF struct buf line = BUF_INIT(4096);
	(void)buf_puts(&line, "deploy . -m ");
	for (size_t i = 0; i <= 1000; i++)
		(void)buf_puts(&line, "x");
	WORDS(longer, buf_str(&line));
	assert_int_equal(flag_note(&longer.c, &note, &longer.e), INVALID);
	assert_string_equal(longer.e.reason, "InvalidFlag"); /* no limit to raise */
	assert_string_equal(longer.e.msg, "--message has more than 1000 bytes");
}

/* What JSON cannot hold must not become the default environment. */
static void an_environment_is_not_lost(void **state)
{
	(void)state;
	AUTO_JSON json_t *body = json_object();
	WORDS(bad, "rollback shop -e caf\xe9");
	assert_int_equal(flag_environment(&bad.c, body, &bad.e), INVALID);
	assert_string_equal(bad.e.reason, "InvalidFlag");
	WORDS(none, "rollback shop");
	assert_int_equal(flag_environment(&none.c, body, &none.e), OK);
	assert_int_equal(json_object_size(body), 0);
	WORDS(given, "rollback shop -e dev");
	assert_int_equal(flag_environment(&given.c, body, &given.e), OK);
	assert_string_equal(json_str_or(body, "environment", ""), "dev");
}

static void there_may_not_be_too_many(void **state)
{
	(void)state;
	AUTO_BUF struct buf line = BUF_INIT(10000);
	assert_true(buf_puts(&line, "get"));
	struct words w = {.e = ERR_INIT};
	char *argv[MAX_VALUES + 1];
	for (size_t i = 0; i <= MAX_VALUES; i++)
		argv[i] = arena_printf(&w.a, "w%zu", i);
	w.c = (struct cli){.command = command("get"), .arena = &w.a};
	assert_int_equal(flags_parse(&w.c, MAX_VALUES + 1, argv, &w.e), INVALID);
	assert_string_equal(w.e.reason, "InvalidFlag");
	arena_release(&w.a);
}

static void durations(void **state)
{
	(void)state;
	int64_t ms = 7;
	struct err e = ERR_INIT;
	WORDS(given, "wait function/hello --timeout 1m");
	assert_int_equal(flag_duration(&given.c, FLAG_TIMEOUT, 5, &ms, &e), OK);
	assert_int_equal(ms, 60000);
	WORDS(absent, "wait function/hello");
	assert_int_equal(flag_duration(&absent.c, FLAG_TIMEOUT, 5, &ms, &e), OK);
	assert_int_equal(ms, 5);
	static const char *const bad[] = {"wait x --timeout 30", "wait x --timeout -1s", "wait x --timeout soon", "wait x --timeout="};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		WORDS(w, bad[i]);
		if (flag_duration(&w.c, FLAG_TIMEOUT, 5, &ms, &e) != INVALID)
			fail_msg("\"%s\" was taken", bad[i]);
		assert_string_equal(e.reason, "InvalidFlag");
	}
}

static void objects_in_both_spellings(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		enum kind kind;
		const char *name;
	} rows[] = {
		{"wait function/hello", KIND_FUNCTION, "hello"}, {"wait functions hello", KIND_FUNCTION, "hello"}, {"wait fn hello", KIND_FUNCTION, "hello"},
		{"wait environment/dev", KIND_ENVIRONMENT, "dev"}, {"wait env", KIND_ENVIRONMENT, NULL}, {"wait rt/python", KIND_RUNTIME, "python"},
		{"wait pin/p", KIND_PIN, "p"}, {"wait projects shop", KIND_PROJECT, "shop"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		WORDS(w, rows[i].line);
		enum kind kind = KIND_COUNT;
		const char *name = "untouched";
		assert_int_equal(object_argument(&w.c, 0, &kind, &name, &w.e), OK);
		assert_int_equal(kind, rows[i].kind);
		if (rows[i].name)
			assert_string_equal(name, rows[i].name);
		else
			assert_null(name);
	}
}

static void what_is_no_object(void **state)
{
	(void)state;
	static const struct {
		const char *line, *reason;
	} rows[] = {
		{"wait", "InvalidFlag"}, {"wait gadget/x", "UnknownKind"}, {"wait function/a b", "InvalidFlag"}, {"wait function a b", "InvalidFlag"},
		{"wait function/", "InvalidFlag"}, {"wait /a", "UnknownKind"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		WORDS(w, rows[i].line);
		enum kind kind = KIND_COUNT;
		const char *name = "untouched";
		if (object_argument(&w.c, 0, &kind, &name, &w.e) != INVALID)
			fail_msg("\"%s\" was taken", rows[i].line);
		assert_string_equal(w.e.reason, rows[i].reason);
		assert_string_equal(name, "untouched");
	}
}

static void words_that_nobody_asked_for(void **state)
{
	(void)state;
	WORDS(w, "apply -f a.yaml b.yaml");
	assert_int_equal(no_arguments(&w.c, &w.e), INVALID);
	assert_string_equal(w.e.reason, "InvalidFlag");
	assert_non_null(strstr(w.e.msg, "b.yaml"));
	WORDS(none, "apply -f a.yaml");
	assert_int_equal(no_arguments(&none.c, &none.e), OK);
}

static void the_tables_are_whole(void **state)
{
	(void)state;
	for (size_t f = 0; f < FLAG_COUNT; f++) {
		assert_non_null(flags[f].long_name);
		assert_true(strlen(flags[f].help) > 5);
		for (size_t other = 0; other < f; other++)
			assert_string_not_equal(flags[f].long_name, flags[other].long_name);
	}
	for (size_t i = 0; i < commands_n; i++) {
		const struct command *cmd = &commands[i];
		assert_non_null(cmd->run);
		bool letters[256] = {['h'] = true, ['p'] = true}; /* every command's */
		for (const enum flag_id *f = cmd->flags; *f != FLAG_COUNT; f++) {
			unsigned char letter = (unsigned char)flags[*f].short_name;
			if (letter && letters[letter])
				fail_msg("fnctl %s: -%c means two things", cmd->name, letter);
			letters[letter] = true;
		}
		for (size_t other = 0; other < i; other++)
			assert_string_not_equal(cmd->name, commands[other].name);
	}
}

static void help_shows_what_the_tables_have(void **state)
{
	(void)state;
	AUTO_BUF struct buf general = BUF_INIT(1 << 16);
	general_help(&general);
	assert_false(general.overflow);
	for (size_t i = 0; i < commands_n; i++) {
		const struct command *cmd = &commands[i];
		assert_non_null(strstr(buf_str(&general), cmd->summary));
		AUTO_BUF struct buf help = BUF_INIT(1 << 16);
		command_help(cmd, &help);
		assert_false(help.overflow);
		for (const enum flag_id *f = cmd->flags; *f != FLAG_COUNT; f++) {
			AUTO_FREE char *flag = xprintf("--%s", flags[*f].long_name);
			assert_non_null(strstr(buf_str(&help), flag));
			assert_non_null(strstr(buf_str(&help), flags[*f].help));
		}
		assert_non_null(strstr(buf_str(&help), "--server"));
		if (strcmp(cmd->name, "version") != 0 && strcmp(cmd->name, "help") != 0)
			assert_non_null(strstr(buf_str(&help), "Examples:"));
	}
}

static void flags_before_the_command(void **state)
{
	(void)state;
	static const struct {
		const char *words[6];
		int at; /* of the command; the number of words when there is none */
	} lines[] = {
		{{"fnctl", "get", "-p"}, 1},
		{{"fnctl", "-p", "team", "get", "pins"}, 3},
		{{"fnctl", "-pteam", "get"}, 2},
		{{"fnctl", "--project=team", "--server", "unix:/s", "get"}, 4},
		{{"fnctl", "-p", "team"}, 3},
		{{"fnctl", "-o", "json", "get"}, 4}, /* not every command's */
		{{"fnctl", "--help", "get"}, 3},
		{{"fnctl"}, 1},
	};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		int argc = 0;
		while (argc < 6 && lines[i].words[argc])
			argc++;
		int at = flags_before_command(argc, (char **)(uintptr_t)lines[i].words);
		if (at < argc ? at != lines[i].at : lines[i].at != argc)
			fail_msg("line %zu: the command is at %d, not %d", i, at, lines[i].at);
	}
}

static void what_is_a_function(void **state)
{
	(void)state;
	static const struct {
		const char *line, *name, *reason;
	} rows[] = {
		{"logs hello", "hello", ""},
		{"logs function/hello", "hello", ""},
		{"logs fn/hello", "hello", ""},
		{"logs 0d9c7c3e-8f0a-4a58-9a53-6a3f6d1a5f10", "0d9c7c3e-8f0a-4a58-9a53-6a3f6d1a5f10", ""},
		{"logs", NULL, "InvalidFlag"},
		{"logs a b", NULL, "InvalidFlag"},
		{"logs pin/hello", NULL, "InvalidFlag"},
		{"logs function/", NULL, "InvalidName"},
		{"logs ../secrets", NULL, "InvalidFlag"},
		{"logs fn/../x", NULL, "InvalidName"},
		{"logs a?b", NULL, "InvalidName"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *name = NULL;
		WORDS(w, rows[i].line);
		assert_int_equal(w.class, OK);
		enum err_class class = function_argument(&w.c, "fnctl logs NAME", &name, &w.e);
		assert_int_equal(class, rows[i].name ? OK : INVALID);
		assert_string_equal(w.e.reason, rows[i].reason);
		if (rows[i].name)
			assert_string_equal(name, rows[i].name);
	}
}

/* What a function printed does not command the terminal of who reads about it. */
static void messages_are_plain(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	assert_string_equal(plain_copy(&a, "one\n\ttwo \xc3\xa9"), "one\n\ttwo \xc3\xa9");
	assert_string_equal(plain_copy(&a, "\033[2J\r\a\x7f"), "?[2J???");
	assert_string_equal(plain_copy(&a, "a\xc2\x9b" "31mb"), "a??31mb"); /* a C1 control */
	assert_string_equal(plain_copy(&a, ""), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_in_every_spelling),
		cmocka_unit_test(switches_and_repeated_values),
		cmocka_unit_test(one_letter_means_what_the_command_says),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(a_flag_is_no_value),
		cmocka_unit_test(a_note_is_one_line_of_text),
		cmocka_unit_test(an_environment_is_not_lost),
		cmocka_unit_test(there_may_not_be_too_many),
		cmocka_unit_test(durations),
		cmocka_unit_test(objects_in_both_spellings),
		cmocka_unit_test(what_is_no_object),
		cmocka_unit_test(words_that_nobody_asked_for),
		cmocka_unit_test(the_tables_are_whole),
		cmocka_unit_test(help_shows_what_the_tables_have),
		cmocka_unit_test(flags_before_the_command), cmocka_unit_test(what_is_a_function), cmocka_unit_test(messages_are_plain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
