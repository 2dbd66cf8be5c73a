/* Arenas, buffers and cleanup attributes. The sanitizers see what leaks or overlaps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static void an_arena_gives_zeroed_and_separate_memory(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	static const size_t sizes[] = {0, 1, 15, 16, 17, 2048, 2049, 8192, 8193, 100000, 3};
	unsigned char *p[ARRAY_LEN(sizes)];
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		p[i] = arena_alloc(&a, sizes[i]);
		assert_int_equal((uintptr_t)p[i] % _Alignof(max_align_t), 0);
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(p[i][k], 0);
		memset(p[i], (int)i + 1, sizes[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(p[i][k], i + 1);
}

static void a_released_arena_is_usable_again(void **state)
{
	(void)state;
	struct arena a = ARENA_INIT;
	char *s = arena_strdup(&a, "first");
	assert_string_equal(s, "first");
	arena_release(&a);
	assert_null(a.head);
	assert_null(a.owned);
	assert_string_equal(arena_strdup(&a, "second"), "second");
	arena_release(&a);
	arena_release(&a);
}

struct order {
	int seen[3], n;
};
static struct order released;

static void note(void *p) { released.seen[released.n++] = *(int *)p; }

static void what_an_arena_owns_goes_last_first(void **state)
{
	(void)state;
	struct arena a = ARENA_INIT;
	static int one = 1, two = 2, three = 3;
	released = (struct order){.n = 0};
	arena_own(&a, note, &one);
	arena_own(&a, note, &two);
	arena_own(&a, note, &three);
	assert_int_equal(released.n, 0);
	arena_release(&a);
	assert_int_equal(released.n, 3);
	assert_int_equal(released.seen[0], 3);
	assert_int_equal(released.seen[2], 1);
	arena_release(&a);
	assert_int_equal(released.n, 3);
}

static void texts_in_an_arena(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	assert_null(arena_strdup(&a, NULL));
	assert_string_equal(arena_strndup(&a, "hello", 2), "he");
	assert_string_equal(arena_strndup(&a, "hello", 0), "");
	assert_string_equal(arena_printf(&a, "%s-%d", "x", 7), "x-7");
	const char *empty = "";
	assert_string_equal(arena_printf(&a, "%s", empty), "");
}

static void arrays_grow_and_keep_what_they_had(void **state)
{
	(void)state;
	AUTO_ARENA struct arena a = ARENA_INIT;
	void *items = NULL;
	size_t n = 0, cap = 0;
	for (int i = 0; i < 100; i++) {
		int *slot = arena_push(&a, &items, &n, &cap, sizeof *slot);
		assert_int_equal(*slot, 0);
		*slot = i;
	}
	assert_int_equal(n, 100);
	assert_true(cap >= n);
	for (int i = 0; i < 100; i++)
		assert_int_equal(((int *)items)[i], i);
}

static void a_buffer_stops_at_its_maximum(void **state)
{
	(void)state;
	AUTO_BUF struct buf b = BUF_INIT(5);
	assert_string_equal(buf_str(&b), "");
	assert_true(buf_add(&b, "abc", 3));
	assert_true(buf_puts(&b, "de"));
	assert_string_equal(buf_str(&b), "abcde");
	assert_false(b.overflow);
	assert_true(buf_puts(&b, ""));
	assert_false(buf_puts(&b, "f"));
	assert_true(b.overflow);
	assert_string_equal(buf_str(&b), "abcde");
	assert_false(buf_puts(&b, "")); /* nothing more is taken once it was too much: a hole would go unseen */
	buf_clear(&b);
	assert_false(b.overflow);
	assert_string_equal(buf_str(&b), "");
	assert_false(buf_puts(&b, "abcdef"));
	assert_int_equal(b.len, 0);
}

static void a_buffer_formats_and_reserves(void **state)
{
	(void)state;
	AUTO_BUF struct buf b = BUF_INIT(1000);
	assert_true(buf_printf(&b, "%d-%s", 12, "x"));
	char *to = buf_reserve(&b, 900);
	assert_non_null(to);
	memset(to, 'y', 900);
	b.len += 900;
	b.p[b.len] = '\0';
	assert_int_equal(strlen(buf_str(&b)), 904);
	assert_null(buf_reserve(&b, 97));
	assert_true(b.overflow);
	buf_release(&b);
	assert_int_equal(b.max, 1000);
	assert_true(buf_puts(&b, "again"));
	struct buf none = BUF_INIT(0);
	assert_false(buf_puts(&none, "x"));
	buf_release(&none);
}

static void a_buffer_is_always_terminated(void **state)
{
	(void)state;
	AUTO_BUF struct buf b = BUF_INIT(1 << 20);
	for (size_t i = 0; i < 3000; i++) {
		assert_true(buf_add(&b, "z", 1));
		assert_int_equal(b.p[b.len], '\0');
	}
	assert_int_equal(b.len, 3000);
	assert_true(b.cap > b.len);
}

static int opened(void)
{
	AUTO_CLOSE int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	AUTO_CLOSE int none = -1;
	assert_int_equal(none, -1);
	return fd;
}

static void a_descriptor_closes_at_the_end_of_its_scope(void **state)
{
	(void)state;
	int fd = opened();
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void plain_allocations(void **state)
{
	(void)state;
	AUTO_FREE char *copy = xstrdup("text");
	AUTO_FREE char *text = xprintf("%s %d", copy, 3);
	assert_string_equal(text, "text 3");
	AUTO_FREE unsigned char *zero = xcalloc(10, 3);
	for (size_t i = 0; i < 30; i++)
		assert_int_equal(zero[i], 0);
	AUTO_FREE void *nothing = xmalloc(0);
	assert_non_null(nothing);
	zero = xrealloc(zero, 60);
	zero[59] = 1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_arena_gives_zeroed_and_separate_memory),
		cmocka_unit_test(a_released_arena_is_usable_again),
		cmocka_unit_test(what_an_arena_owns_goes_last_first),
		cmocka_unit_test(texts_in_an_arena),
		cmocka_unit_test(arrays_grow_and_keep_what_they_had),
		cmocka_unit_test(a_buffer_stops_at_its_maximum),
		cmocka_unit_test(a_buffer_formats_and_reserves),
		cmocka_unit_test(a_buffer_is_always_terminated),
		cmocka_unit_test(a_descriptor_closes_at_the_end_of_its_scope),
		cmocka_unit_test(plain_allocations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
