/* Every line of the log is one JSON object, whatever is in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"

/* What is logged between begin and end, parsed; standard error is the test's own again before anything may fail. */
static int kept = -1, captured = -1;

static void begin(void)
{
	kept = dup(STDERR_FILENO);
	captured = memfd_create("log", MFD_CLOEXEC);
	(void)dup2(captured, STDERR_FILENO);
}

static void end(struct buf *text)
{
	(void)dup2(kept, STDERR_FILENO);
	(void)close(kept);
	(void)lseek(captured, 0, SEEK_SET);
	for (ssize_t n = 1; n > 0;) {
		char chunk[4096];
		n = read(captured, chunk, sizeof chunk);
		assert_true(n >= 0);
		assert_true(buf_add(text, chunk, (size_t)n));
	}
	(void)close(captured);
}

/* The only line. */
static json_t *line_of(const struct buf *text)
{
	struct err e = ERR_INIT;
	json_t *j = NULL;
	const char *nl = strchr(buf_str(text), '\n');
	assert_non_null(nl);
	assert_ptr_equal(nl, text->p + text->len - 1);
	if (json_parse(text->p, text->len - 1, &j, &e) != OK)
		fail_msg("%s: %s", e.msg, text->p);
	return j;
}

static void a_line_has_time_level_and_fields(void **state)
{
	(void)state;
	AUTO_BUF struct buf text = BUF_INIT(1 << 16);
	const char *absent = NULL;
	begin();
	log_event(LOG_INFO, "started", "key", "function/default/hello", "left out", absent, "n", "3", NULL);
	end(&text);
	AUTO_JSON json_t *j = line_of(&text);
	assert_string_equal(json_str_or(j, "level", ""), "info");
	assert_string_equal(json_str_or(j, "msg", ""), "started");
	assert_string_equal(json_str_or(j, "key", ""), "function/default/hello");
	assert_string_equal(json_str_or(j, "n", ""), "3");
	assert_null(json_object_get(j, "left out"));
	const char *time = json_str_or(j, "time", "");
	assert_int_equal(strlen(time), strlen("2025-11-20T12:00:00.123Z"));
	assert_int_equal(time[23], 'Z');
}

static void an_error_with_all_it_has(void **state)
{
	(void)state;
	struct err e = ERR_INIT;
	(void)err_set(&e, TRANSIENT, R_NodeUnavailable, "no answer");
	AUTO_BUF struct buf text = BUF_INIT(1 << 16);
	begin();
	log_err(LOG_WARN, "pass failed", &e, "attempt", "2", NULL);
	end(&text);
	AUTO_JSON json_t *j = line_of(&text);
	assert_string_equal(json_str_or(j, "level", ""), "warn");
	assert_string_equal(json_str_or(j, "class", ""), "transient");
	assert_string_equal(json_str_or(j, "reason", ""), "NodeUnavailable");
	assert_string_equal(json_str_or(j, "error", ""), "no answer");
	assert_string_equal(json_str_or(j, "attempt", ""), "2");
}

static void strange_text_stays_one_line_of_json(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"a\nb", "a\nb"}, {"say \"hi\" \\ there", "say \"hi\" \\ there"}, {"tab\tbell\a del\x7f", "tab\tbell\a del\x7f"}, {"\xc3\xa4", "\xc3\xa4"},
		{"bad \xff\xfe byte", "bad ?? byte"}, {"", ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO_BUF struct buf text = BUF_INIT(1 << 16);
		begin();
		log_event(LOG_ERROR, rows[i].in, "value", rows[i].in, NULL);
		end(&text);
		AUTO_JSON json_t *j = line_of(&text);
		assert_string_equal(json_str_or(j, "msg", "none"), rows[i].out);
		assert_string_equal(json_str_or(j, "value", "none"), rows[i].out);
	}
}

static void what_does_not_fit_is_left_out_whole(void **state)
{
	(void)state;
	AUTO_FREE char *long_text = xmalloc(40001);
	memset(long_text, 'x', 40000);
	long_text[40000] = '\0';
	AUTO_BUF struct buf text = BUF_INIT(1 << 20);
	begin();
	log_event(LOG_INFO, "big", "before", "1", "huge", long_text, "after", "2", NULL);
	end(&text);
	AUTO_JSON json_t *j = line_of(&text);
	assert_string_equal(json_str_or(j, "before", ""), "1");
	assert_null(json_object_get(j, "huge"));
	assert_string_equal(json_str_or(j, "after", ""), "2");
}

static void lines_below_the_level_are_dropped(void **state)
{
	(void)state;
	AUTO_BUF struct buf text = BUF_INIT(1 << 16);
	begin();
	log_event(LOG_DEBUG, "dropped", NULL);
	log_set_level(LOG_DEBUG);
	log_event(LOG_DEBUG, "kept", NULL);
	log_set_level(LOG_ERROR);
	log_event(LOG_WARN, "dropped too", NULL);
	log_set_level(LOG_INFO);
	end(&text);
	AUTO_JSON json_t *j = line_of(&text);
	assert_string_equal(json_str_or(j, "msg", ""), "kept");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_has_time_level_and_fields),
		cmocka_unit_test(an_error_with_all_it_has),
		cmocka_unit_test(strange_text_stays_one_line_of_json),
		cmocka_unit_test(what_does_not_fit_is_left_out_whole),
		cmocka_unit_test(lines_below_the_level_are_dropped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
