/* Logs as conmon writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "node/logs.h"

#define AT "2026-11-20T13:05:00.000000001+00:00 "

struct fixture {
	char dir[64], path[128];
};

static int set_up(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	(void)snprintf(f->dir, sizeof f->dir, "/tmp/fn-logs.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->path, sizeof f->path, "%s/log", f->dir);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	err_ignore(fs_remove_tree(f->dir, NULL)); /* a temporary directory */
	free(f);
	return 0;
}

static void add(const struct fixture *f, const char *text)
{
	FILE *file = fopen(f->path, "ae");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static json_t *read_log(const struct fixture *f, int64_t tail, int64_t *offset)
{
	struct err e = ERR_INIT;
	json_t *lines = NULL;
	if (logs_read(f->path, tail, offset, &lines, &e) != OK)
		fail_msg("%s", e.msg);
	return lines;
}

static const char *text(const json_t *lines, size_t i) { return json_str_or(json_array_get(lines, i), "text", "(none)"); }

static void lines_have_time_stream_and_text(void **state)
{
	int64_t offset = 0;
	add(*state, AT "stdout F hello world\n" AT "stderr F oh no\n" AT "stdout F \n" AT "stdout F unfinis");
	AUTO_JSON json_t *lines = read_log(*state, 0, &offset);
	assert_int_equal(json_array_size(lines), 3);
	assert_string_equal(json_str_or(json_array_get(lines, 0), "at", ""), "2026-11-20T13:05:00.000000001+00:00");
	assert_string_equal(json_str_or(json_array_get(lines, 1), "stream", ""), "stderr");
	assert_string_equal(text(lines, 0), "hello world");
	assert_string_equal(text(lines, 2), "");
	add(*state, "hed\n");
	AUTO_JSON json_t *more = read_log(*state, 0, &offset);
	assert_int_equal(json_array_size(more), 1);
	assert_string_equal(text(more, 0), "unfinished");
	AUTO_JSON json_t *none = read_log(*state, 0, &offset);
	assert_int_equal(json_array_size(none), 0);
}

static void parts_are_joined_and_the_tail_is_the_end(void **state)
{
	int64_t offset = 0;
	add(*state, AT "stdout F one\n" AT "stdout P tw\n" AT "stdout P o a\n" AT "stdout F nd a half\n" AT "stdout F three\n");
	AUTO_JSON json_t *lines = read_log(*state, 2, &offset);
	assert_int_equal(json_array_size(lines), 2);
	assert_string_equal(text(lines, 0), "two and a half");
	assert_string_equal(text(lines, 1), "three");
}

static void a_new_file_in_its_place_is_read_from_its_beginning(void **state)
{
	struct fixture *f = *state;
	int64_t offset = 0;
	add(f, AT "stdout F old\n" AT "stdout F older\n");
	AUTO_JSON json_t *first = read_log(f, 0, &offset);
	assert_int_equal(json_array_size(first), 2);
	AUTO_FREE char *kept = xprintf("%s.kept", f->path);
	assert_int_equal(rename(f->path, kept), 0); /* so that the new file is not given its inode */
	add(f, AT "stdout F new 1\n" AT "stdout F new 2\n" AT "stdout F new 3\n");
	AUTO_JSON json_t *second = read_log(f, 0, &offset);
	assert_int_equal(json_array_size(second), 3);
	assert_string_equal(text(second, 0), "new 1");
}

static void a_log_beginning_empty_is_followed(void **state)
{
	int64_t offset = 0;
	add(*state, "");
	AUTO_JSON json_t *none = read_log(*state, 10, &offset);
	assert_int_equal(json_array_size(none), 0);
	add(*state, AT "stdout F first\n");
	AUTO_JSON json_t *lines = read_log(*state, 0, &offset);
	assert_string_equal(text(lines, 0), "first");
}

static void one_read_is_bounded_and_the_next_goes_on(void **state)
{
	struct fixture *f = *state;
	int64_t offset = 1; /* not a first read: from the beginning, whatever file it was of */
	FILE *file = fopen(f->path, "we");
	assert_non_null(file);
	for (int i = 0; i < 10000; i++)
		assert_true(fprintf(file, AT "stdout F line %d\n", i) > 0);
	assert_int_equal(fclose(file), 0);
	size_t seen = 0;
	for (int turn = 0; turn < 10; turn++) {
		AUTO_JSON json_t *lines = read_log(f, 0, &offset);
		for (size_t i = 0; i < json_array_size(lines); i++) {
			AUTO_FREE char *want = xprintf("line %zu", seen++);
			assert_string_equal(text(lines, i), want);
		}
		assert_true(json_array_size(lines) < 6000);
	}
	assert_int_equal(seen, 10000);
}

static void garbage_is_skipped_and_text_made_valid(void **state)
{
	int64_t offset = 0;
	add(*state, "garbage\n\n" AT "stdout X no\n" AT "stdout F bad \xff\xc0\x80 \xe2\x82\xac\n");
	AUTO_JSON json_t *lines = read_log(*state, 0, &offset);
	assert_int_equal(json_array_size(lines), 1);
	assert_string_equal(text(lines, 0), "bad ??? \xe2\x82\xac");
}

static void an_absent_log_is_not_found(void **state)
{
	struct fixture *f = *state;
	struct err e = ERR_INIT;
	json_t *lines;
	int64_t offset = 0;
	assert_int_equal(logs_read(f->path, 1, &offset, &lines, &e), INVALID);
	assert_string_equal(e.reason, "NotFound");
	AUTO_FREE char *words = logs_last_words(f->path, 10, 1024);
	assert_string_equal(words, "");
}

static void last_words_are_few_and_printable(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 30; i++)
		add(f, AT "stdout F line\n");
	add(f, AT "stderr F \033[31mError:\tno \x01" "db\n");
	AUTO_FREE char *words = logs_last_words(f->path, 3, 1024);
	assert_string_equal(words, "line | line |  [31mError: no  db");
	AUTO_FREE char *few = logs_last_words(f->path, 10, 40);
	assert_true(strlen(few) <= 40);
	assert_non_null(strstr(few, "Error"));
	AUTO_FREE char *tiny = logs_last_words(f->path, 10, 8);
	assert_true(strlen(tiny) <= 8);
}

static bool is_kept(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "3") == 0;
}

static void the_oldest_logs_go(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 10; i++) {
		AUTO_FREE char *dir = xprintf("%s/%d", f->dir, i);
		const struct timespec when[2] = {{1000 + i, 0}, {1000 + i, 0}};
		assert_int_equal(mkdir(dir, 0700), 0);
		assert_int_equal(utimensat(AT_FDCWD, dir, when, 0), 0);
	}
	logs_prune(f->dir, 4, is_kept, NULL);
	for (int i = 0; i < 10; i++) {
		AUTO_FREE char *dir = xprintf("%s/%d", f->dir, i);
		assert_int_equal(fs_exists(dir), i == 3 || i >= 6);
	}
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(lines_have_time_stream_and_text),
		CASE(parts_are_joined_and_the_tail_is_the_end),
		CASE(a_new_file_in_its_place_is_read_from_its_beginning),
		CASE(a_log_beginning_empty_is_followed),
		CASE(one_read_is_bounded_and_the_next_goes_on),
		CASE(garbage_is_skipped_and_text_made_valid),
		CASE(an_absent_log_is_not_found),
		CASE(last_words_are_few_and_printable),
		CASE(the_oldest_logs_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
