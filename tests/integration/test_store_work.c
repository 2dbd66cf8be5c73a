/* Claims, leases, fences. Time is PostgreSQL's: a lease is made to run out by moving its end, never by waiting. */
#include "function_case.h"

#include <pthread.h>
#include <stdatomic.h>

enum { LONG_MS = 60000 };

static struct lease claim(struct store_case *c, struct store *s, const char *owner)
{
	struct lease l = {.epoch = 0};
	bool found = false;
	must(c, work_claim(s, owner, LONG_MS, &l, &found, &c->e));
	assert_true(found);
	return l;
}

static bool claimable(struct store_case *c, struct store *s)
{
	struct lease l;
	bool found = true;
	must(c, work_claim(s, "looker", LONG_MS, &l, &found, &c->e));
	return found;
}

static void expire(struct store_case *c)
{
	(void)peek(c, "UPDATE work SET lease_until = clock_timestamp() - interval '1 second' WHERE lease_until IS NOT NULL");
}

static void most_overdue_first(void **state)
{
	struct store_case *c = *state;
	must(c, work_enqueue(c->s, "function/p/a", &c->e));
	must(c, work_enqueue(c->s, "function/p/b", &c->e));
	must(c, work_enqueue(c->s, "function/p/c", &c->e));
	(void)peek(c, "UPDATE work SET due_at = due_at - interval '1 minute' WHERE key LIKE '%b'");
	(void)peek(c, "UPDATE work SET due_at = due_at + interval '1 minute' WHERE key LIKE '%c'");
	assert_string_equal(claim(c, c->s, "me").key, "function/p/b");
	assert_string_equal(claim(c, c->s, "me").key, "function/p/a");
	assert_false(claimable(c, c->s)); /* c is not due */
}

static void what_is_for_later_is_due_later(void **state)
{
	struct store_case *c = *state;
	int64_t due;
	must(c, work_enqueue_later(c->s, "function/p/a", LONG_MS, &c->e));
	assert_false(claimable(c, c->s));
	must(c, work_next_due(c->s, &due, &c->e));
	assert_true(due > LONG_MS / 2 && due <= LONG_MS);
	must(c, work_enqueue_later(c->s, "function/p/a", 2 * LONG_MS, &c->e)); /* the earlier time counts */
	must(c, work_next_due(c->s, &due, &c->e));
	assert_true(due <= LONG_MS);
	must(c, work_enqueue(c->s, "function/p/a", &c->e)); /* now is earlier still */
	struct lease l = claim(c, c->s, "me");
	must(c, work_done(c->s, &l, &c->e));
	must(c, work_enqueue_later(c->s, "function/p/a", LONG_MS, &c->e));
	assert_false(claimable(c, c->s));
	(void)peek(c, "UPDATE work SET due_at = clock_timestamp()");
	must(c, work_enqueue_later(c->s, "function/p/a", LONG_MS, &c->e));
	assert_true(claimable(c, c->s)); /* and is not put off */
}

static void done_is_clean_and_epochs_rise(void **state)
{
	struct store_case *c = *state;
	must(c, work_enqueue(c->s, "function/p/a", &c->e));
	struct lease first = claim(c, c->s, "me");
	assert_string_equal(first.owner, "me");
	must(c, work_done(c->s, &first, &c->e));
	assert_false(claimable(c, c->s));
	must(c, work_enqueue(c->s, "function/p/a", &c->e));
	struct lease second = claim(c, c->s, "me");
	assert_true(second.epoch > first.epoch);
	assert_true(second.seq > first.seq);
}

static void event_during_a_pass_is_not_lost(void **state)
{
	struct store_case *c = *state;
	struct store *other = store_new(c->conninfo);
	must(c, work_enqueue(c->s, "function/p/a", &c->e));
	struct lease l = claim(c, c->s, "me");
	must(c, work_enqueue(other, "function/p/a", &c->e));
	assert_false(claimable(c, other)); /* one pass at a time */
	must(c, work_done(c->s, &l, &c->e));
	l = claim(c, c->s, "me");
	must(c, work_enqueue(other, "function/p/a", &c->e));
	must(c, work_wait(c->s, &l, LONG_MS, "Building", &c->e));
	l = claim(c, c->s, "me");
	must(c, work_enqueue(other, "function/p/a", &c->e));
	const struct err why = {TRANSIENT, "NodeUnavailable", "down"};
	must(c, work_retry(c->s, &l, LONG_MS, &why, &c->e));
	l = claim(c, c->s, "me");
	assert_int_equal(l.attempt, 0); /* new input: no backoff */
	store_free(other);
}

/* A key that gets events all the time goes behind what waits already. */
static void busy_key_does_not_starve_others(void **state)
{
	struct store_case *c = *state;
	must(c, work_enqueue(c->s, "function/p/busy", &c->e));
	struct lease l = claim(c, c->s, "me");
	must(c, work_enqueue(c->s, "function/p/quiet", &c->e));
	must(c, work_enqueue(c->s, "function/p/busy", &c->e));
	must(c, work_done(c->s, &l, &c->e));
	assert_string_equal(claim(c, c->s, "me").key, "function/p/quiet");
}

static void retry_counts_and_waits(void **state)
{
	struct store_case *c = *state;
	const struct err why = {TRANSIENT, "NodeUnavailable", "cut in the middle of \xe2\x80"};
	must(c, work_enqueue(c->s, "function/p/a", &c->e));
	for (int attempt = 0; attempt < 3; attempt++) {
		struct lease l = claim(c, c->s, "me");
		assert_int_equal(l.attempt, attempt);
		must(c, work_retry(c->s, &l, LONG_MS, &why, &c->e));
		assert_false(claimable(c, c->s));
		(void)peek(c, "UPDATE work SET due_at = clock_timestamp()");
	}
	assert_string_equal(peek(c, "SELECT last_reason || ': ' || last_message FROM work"), "NodeUnavailable: cut in the middle of ??");
	struct lease l = claim(c, c->s, "me");
	must(c, work_done(c->s, &l, &c->e));
	assert_string_equal(peek(c, "SELECT attempt || last_reason || last_message FROM work"), "0");
}

static void next_due_says_how_long(void **state)
{
	struct store_case *c = *state;
	int64_t ms = 0;
	must(c, work_next_due(c->s, &ms, &c->e));
	assert_int_equal(ms, -1);
	must(c, work_enqueue(c->s, "function/p/a", &c->e));
	must(c, work_next_due(c->s, &ms, &c->e));
	assert_int_equal(ms, 0);
	struct lease l = claim(c, c->s, "me");
	must(c, work_next_due(c->s, &ms, &c->e)); /* when the lease runs out */
	assert_in_range(ms, LONG_MS / 2, LONG_MS);
	must(c, work_wait(c->s, &l, 5000, "Building", &c->e));
	must(c, work_next_due(c->s, &ms, &c->e));
	assert_in_range(ms, 1, 5000);
	must(c, work_enqueue(c->s, "function/p/a", &c->e));
	must(c, work_next_due(c->s, &ms, &c->e));
	assert_int_equal(ms, 0);
}

static void hint_is_heard(void **state)
{
	struct store_case *c = *state;
	struct store *other = store_new(c->conninfo);
	int fd = -1;
	bool any = true;
	int64_t ms = 0;
	must(c, store_listen(c->s, &fd, &c->e));
	must(c, store_notified(c->s, &any, &c->e));
	assert_false(any);
	must(c, work_notify(other, &c->e));
	struct pollfd p = {.fd = fd, .events = POLLIN};
	assert_int_equal(poll(&p, 1, 10000), 1);
	must(c, work_next_due(c->s, &ms, &c->e)); /* came with its answer */
	assert_int_equal(ms, 0);
	must(c, work_next_due(c->s, &ms, &c->e));
	assert_int_equal(ms, -1);
	must(c, work_notify(other, &c->e));
	assert_int_equal(poll(&p, 1, 10000), 1);
	must(c, store_notified(c->s, &any, &c->e));
	assert_true(any);
	store_free(other);
}

static void lost_lease_changes_nothing(void **state)
{
	struct store_case *c = *state;
	struct store *other = store_new(c->conninfo);
	must(c, work_enqueue(c->s, "function/p/a", &c->e));
	struct lease mine = claim(c, c->s, "me");
	expire(c);
	struct lease theirs = claim(c, other, "them");
	assert_string_equal(theirs.key, mine.key);
	assert_true(theirs.epoch > mine.epoch);
	const struct err why = {TRANSIENT, "NodeUnavailable", ""};
	int64_t id = 0;
	refuses(c, work_done(c->s, &mine, &c->e), CONFLICT, "LeaseLost");
	refuses(c, work_wait(c->s, &mine, 1, "", &c->e), CONFLICT, "LeaseLost");
	refuses(c, work_retry(c->s, &mine, 1, &why, &c->e), CONFLICT, "LeaseLost");
	refuses(c, work_extend(c->s, &mine, 1, &c->e), CONFLICT, "LeaseLost");
	refuses(c, store_begin_fenced(c->s, &mine, &c->e), CONFLICT, "LeaseLost");
	refuses(c, intent_open(c->s, &mine, "start", NULL, &id, &c->e), CONFLICT, "LeaseLost");
	must(c, store_begin(c->s, &c->e)); /* the refused transaction was ended */
	store_rollback(c->s);
	must(c, store_begin_fenced(other, &theirs, &c->e));
	must(c, work_done(other, &theirs, &c->e));
	must(c, store_commit(other, &c->e));
	store_free(other);
}

/* Ran out, though nobody took it yet: no write any more, but its pass may still end. */
static void fence_refuses_a_lease_that_ran_out(void **state)
{
	struct store_case *c = *state;
	must(c, work_enqueue(c->s, "function/p/a", &c->e));
	struct lease l = claim(c, c->s, "me");
	expire(c);
	refuses(c, store_begin_fenced(c->s, &l, &c->e), CONFLICT, "LeaseLost");
	must(c, work_extend(c->s, &l, LONG_MS, &c->e));
	must(c, store_begin_fenced(c->s, &l, &c->e));
	must(c, store_commit(c->s, &c->e));
	must(c, work_done(c->s, &l, &c->e));
}

/* The fence holds until the transaction ends, even when the lease runs out inside it; enqueuing goes on. */
static void takeover_waits_for_a_fenced_transaction(void **state)
{
	struct store_case *c = *state;
	struct store *other = store_new(c->conninfo);
	must(c, work_enqueue(c->s, "function/p/a", &c->e));
	struct lease l = claim(c, c->s, "me");
	must(c, store_begin_fenced(c->s, &l, &c->e));
	expire(c); /* an update, as an enqueue: not held off */
	must(c, work_enqueue(other, "function/p/a", &c->e));
	assert_false(claimable(c, other));
	must(c, store_commit(c->s, &c->e));
	assert_true(claimable(c, other));
	store_free(other);
}

static void new_incarnation_takes_over(void **state)
{
	struct store_case *c = *state;
	must(c, work_enqueue(c->s, "function/p/a", &c->e));
	must(c, work_enqueue(c->s, "function/p/b", &c->e));
	struct lease before = claim(c, c->s, "me");
	struct lease theirs = claim(c, c->s, "them");
	must(c, work_free_owner(c->s, "me", &c->e));
	refuses(c, work_done(c->s, &before, &c->e), CONFLICT, "LeaseLost");
	struct lease after = claim(c, c->s, "me");
	assert_string_equal(after.key, before.key);
	refuses(c, work_done(c->s, &before, &c->e), CONFLICT, "LeaseLost"); /* same owner, older epoch */
	must(c, work_done(c->s, &after, &c->e));
	must(c, work_done(c->s, &theirs, &c->e));
}

static void enqueue_in_a_rolled_back_transaction_is_none(void **state)
{
	struct store_case *c = *state;
	must(c, store_begin(c->s, &c->e));
	must(c, work_enqueue(c->s, "function/p/a", &c->e));
	store_rollback(c->s);
	assert_false(claimable(c, c->s));
}

static void pass_may_enqueue_its_own_key(void **state)
{
	struct store_case *c = *state;
	must(c, work_enqueue(c->s, "function/p/a", &c->e));
	struct lease l = claim(c, c->s, "me");
	must(c, store_begin_fenced(c->s, &l, &c->e));
	must(c, work_enqueue(c->s, "function/p/a", &c->e));
	must(c, work_done(c->s, &l, &c->e));
	must(c, store_commit(c->s, &c->e));
	assert_true(claimable(c, c->s));
}

static void intents_open_and_close(void **state)
{
	struct store_case *c = *state;
	int64_t id = 0;
	must(c, work_enqueue(c->s, "function/p/a", &c->e));
	struct lease l = claim(c, c->s, "me");
	AUTO_JSON json_t *detail = json_pack("{s:s}", "release", "r1");
	must(c, intent_open(c->s, &l, "start-instance", detail, &id, &c->e));
	assert_string_equal(peek(c, "SELECT key || ' ' || step || ' ' || (detail->>'release') FROM intents WHERE outcome IS NULL"),
			    "function/p/a start-instance r1");
	must(c, intent_close(c->s, id, "done", &c->e));
	assert_string_equal(peek(c, "SELECT outcome FROM intents WHERE finished_at IS NOT NULL"), "done");
	refuses(c, intent_close(c->s, id + 1, "done", &c->e), BUG, "NotFound");
	must(c, intent_open(c->s, &l, "route", NULL, &id, &c->e)); /* and its holder dies */
	expire(c);
	l = claim(c, c->s, "heir");
	must(c, intent_open(c->s, &l, "route", NULL, &id, &c->e));
	assert_string_equal(peek(c, "SELECT string_agg(coalesce(outcome, '?'), ' ' ORDER BY step_id) FROM intents"), "done unknown ?");
}

static void resync_leaves_backoff_alone(void **state)
{
	struct store_case *c = *state;
	must(c, apply(c, RUNTIME("static") FOLLOWER("dev") ENVIRONMENT("prod") FUNCTION("hello", "static"), NULL));
	clean_all(c);
	int64_t n = 0;
	must(c, work_resync(c->s, &n, &c->e));
	assert_string_equal(dirty(c), "environment/default/dev environment/default/prod function/default/hello project/default/default "
				      "runtime/default/static target/default/hello/dev");
	assert_int_equal(n, 6);
	(void)peek(c, "UPDATE work SET attempt = 3, due_at = clock_timestamp() + interval '1 hour' WHERE key = 'function/default/hello'");
	clean_all(c);
	(void)peek(c, "UPDATE work SET done_seq = seq - 1 WHERE key = 'function/default/hello'");
	must(c, work_resync(c->s, &n, &c->e));
	assert_int_equal(n, 5);
	assert_string_equal(peek(c, "SELECT attempt || ' ' || (due_at > clock_timestamp()) FROM work WHERE key = 'function/default/hello'"), "3 true");
}

static void resync_looks_at_what_waits_for_a_time(void **state)
{
	struct store_case *c = *state;
	must(c, apply(c, RUNTIME("static") FOLLOWER("dev") FUNCTION("hello", "static"), NULL));
	clean_all(c);
	(void)peek(c, "UPDATE work SET done_seq = seq - 1, due_at = clock_timestamp() + interval '1 hour' WHERE key = 'target/default/hello/dev'");
	int64_t n = 0;
	must(c, work_resync(c->s, &n, &c->e));
	assert_string_equal(peek(c, "SELECT due_at <= clock_timestamp() FROM work WHERE key = 'target/default/hello/dev'"), "t");
}

static void resync_looks_at_what_is_not_let_go_yet(void **state)
{
	struct store_case *c = *state;
	const char *f = with_function(c), *archived = built_version(c, f, "sha256:one"), *dropped = built_version(c, function_id(c, "other"), "sha256:two");
	int64_t n = 0;
	clean_all(c);
	must(c, work_resync(c->s, &n, &c->e));
	assert_null(strstr(dirty(c), "retention/"));
	(void)peek(c, arena_printf(&c->a, "UPDATE function_deployments SET status = 'archived' WHERE id = '%s'", archived));
	(void)peek(c, arena_printf(&c->a, "UPDATE function_deployments SET status = 'archived', image_deleted_at = now(), s3_key = NULL WHERE id = '%s'", dropped));
	clean_all(c);
	must(c, work_resync(c->s, &n, &c->e));
	assert_non_null(strstr(dirty(c), "retention/default/hello retention/default/other"));
}

enum { KEYS = 5, WORKERS = 4, MARKS = 60 };

struct crowd {
	const char *conninfo;
	atomic_int held[KEYS], marked[KEYS], seen[KEYS], overlaps, marking;
};

static const char *const crowd_keys[KEYS] = {"function/p/0", "function/p/1", "function/p/2", "function/p/3", "function/p/4"};

/* What was marked before the claim is seen by the pass; a lost event would leave seen behind marked for ever. */
static enum err_class one_pass(struct crowd *k, struct store *s, const struct lease *l, struct err *e)
{
	int i = l->key[strlen(l->key) - 1] - '0';
	if (atomic_fetch_add(&k->held[i], 1) != 0)
		atomic_fetch_add(&k->overlaps, 1);
	atomic_store(&k->seen[i], atomic_load(&k->marked[i]));
	enum err_class r = store_begin_fenced(s, l, e);
	if (r == OK)
		r = i + 1 < KEYS && work_enqueue(s, crowd_keys[i + 1], e) ? e->class : store_commit(s, e);
	store_rollback(s);
	atomic_fetch_sub(&k->held[i], 1);
	enum err_class done = work_done(s, l, e);
	return r ? r : done;
}

static void *worker(void *arg)
{
	struct crowd *k = arg;
	struct store *s = store_new(k->conninfo);
	struct err e = ERR_INIT;
	char owner[32];
	(void)snprintf(owner, sizeof owner, "%p", (void *)s);
	while (atomic_load(&k->marking)) {
		struct lease l;
		bool found = false;
		if (work_claim(s, owner, LONG_MS, &l, &found, &e) || (found && one_pass(k, s, &l, &e)))
			return s;
	}
	store_free(s);
	return NULL;
}

/* All keys at once, as an apply does. */
static enum err_class mark_all(struct crowd *k, struct store *s, struct err *e)
{
	enum err_class r = store_begin(s, e);
	for (int i = 0; r == OK && i < KEYS; i++) {
		r = work_enqueue(s, crowd_keys[i], e);
		atomic_fetch_add(&k->marked[i], 1);
	}
	if (r == OK)
		return store_commit(s, e);
	store_rollback(s);
	return r;
}

static void crowd_loses_nothing(void **state)
{
	struct store_case *c = *state;
	struct crowd k = {.conninfo = c->conninfo, .marking = 1};
	pthread_t t[WORKERS];
	for (size_t i = 0; i < WORKERS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, worker, &k), 0);
	for (int i = 0; i < MARKS; i++)
		must(c, mark_all(&k, c->s, &c->e));
	bool behind = true;
	for (int64_t deadline = clock_mono_ms() + 30000; behind && clock_mono_ms() < deadline;) {
		behind = false;
		for (int i = 0; i < KEYS; i++)
			behind = behind || atomic_load(&k.seen[i]) < MARKS;
	}
	atomic_store(&k.marking, 0);
	for (size_t i = 0; i < WORKERS; i++) {
		void *failed;
		assert_int_equal(pthread_join(t[i], &failed), 0);
		assert_null(failed);
	}
	assert_false(behind);
	assert_int_equal(atomic_load(&k.overlaps), 0);
}

static void injection_is_only_text(void **state)
{
	struct store_case *c = *state;
	static const char evil[] = "x'; DROP TABLE work; --\\\" $1 %s";
	must(c, work_enqueue(c->s, evil, &c->e));
	struct lease l = claim(c, c->s, "o'); DELETE FROM work; --");
	assert_string_equal(l.key, evil);
	must(c, work_wait(c->s, &l, 0, evil, &c->e));
	assert_string_equal(peek(c, "SELECT last_reason FROM work"), evil);
	json_t *j = NULL;
	refuses(c, store_read(c->s, READ_EVENTS, 5, (const char *const[]){NULL, NULL, NULL, "0; DROP TABLE work", "10"}, &j, &c->e), INVALID, "InvalidValue");
	assert_null(j);
}

#define T(f) cmocka_unit_test_setup_teardown(f, store_setup, store_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(most_overdue_first), T(what_is_for_later_is_due_later), T(done_is_clean_and_epochs_rise), T(event_during_a_pass_is_not_lost), T(busy_key_does_not_starve_others),
		T(retry_counts_and_waits), T(next_due_says_how_long), T(hint_is_heard), T(lost_lease_changes_nothing), T(fence_refuses_a_lease_that_ran_out),
		T(takeover_waits_for_a_fenced_transaction), T(new_incarnation_takes_over), T(enqueue_in_a_rolled_back_transaction_is_none),
		T(pass_may_enqueue_its_own_key), T(intents_open_and_close), T(resync_leaves_backoff_alone), T(resync_looks_at_what_waits_for_a_time), T(resync_looks_at_what_is_not_let_go_yet),
		T(crowd_loses_nothing), T(injection_is_only_text),
	};
	return cmocka_run_group_tests(tests, store_group_setup, store_group_teardown);
}
