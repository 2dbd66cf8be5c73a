/* fn-node with real parts: OCI runtime, conmon, overlayfs, network, HAProxy. The life of instances. */
#include "node_case.h"

#define ONE "1a2b3c4d5e6f-0"
#define TWO "1a2b3c4d5e6f-1"

/* What must be gone with an instance. */
static void assert_nothing_left(struct node_case *c, const char *name)
{
	static const char *const hierarchies[] = {"", "/memory", "/pids", "/cpu", "/unified"};
	AUTO_FREE char *bundles = xprintf("%s/run/node/b/%s", c->env.home, name), *netns = xprintf("/run/netns/%s-1", c->env.instance);
	assert_false(fs_exists(bundles));
	assert_false(fs_exists(netns));
	assert_false(case_file_has("/proc/self/mountinfo", bundles));
	assert_int_equal(case_processes(bundles), 0);
	for (size_t i = 0; i < ARRAY_LEN(hierarchies); i++) {
		AUTO_FREE char *path = xprintf("/sys/fs/cgroup%s/%s/%s", hierarchies[i], c->env.instance, name);
		assert_false(fs_exists(path));
	}
}

static void an_instance_starts_serves_logs_and_stops_without_a_trace(void **state)
{
	struct node_case *c = *state;
	AUTO_BUF struct buf body = BUF_INIT(65536);
	struct instance_spec s = case_spec(c, ONE, (const char *const[]){"GREETING=world", "PORT=1", NULL});
	case_ensure(c, &s);
	const struct instance *i = case_wait(c, ONE, INST_READY);
	assert_string_equal(i->address, "10.213.0.1:8080");
	assert_string_equal(i->key, KEY);
	assert_int_equal(i->restarts, 0);
	case_ensure(c, &s); /* the same again changes nothing */
	case_route(c, (const char *const[]){ONE, NULL});
	assert_int_equal(case_get(NULL, "/", &body), 200);
	assert_string_equal(buf_str(&body), "hello world\n");
	assert_int_equal(case_get("10.213.0.1", "/env", &body), 200);
	assert_non_null(strstr(body.p, "PORT=8080\n"));
	assert_null(strstr(body.p, "PORT=1\n"));
	assert_non_null(strstr(body.p, "FROM_IMAGE=yes\n"));
	int64_t offset = 0;
	struct err e = ERR_INIT;
	AUTO_JSON json_t *lines = NULL;
	must(node_logs(c->node, ONE, 10, &offset, &lines, &e), e);
	assert_string_equal(json_str_or(json_array_get(lines, 0), "text", ""), "listening");
	assert_string_equal(json_str_or(json_array_get(lines, 0), "stream", ""), "stdout");
	const struct route_switch none = {case_fence, {.hosts = case_no_command, .instances = case_no_command}};
	must(node_route(c->node, &none, 1, &e), e);
	assert_int_equal(case_get(NULL, "/", &body), 404);
	case_stop(c, ONE, 0);
	assert_nothing_left(c, ONE);
	AUTO_JSON json_t *kept = NULL;
	offset = 0;
	must(node_logs(c->node, ONE, 1, &offset, &kept, &e), e); /* a stopped instance's log stays */
	assert_int_equal(json_array_size(kept), 1);
}

static pid_t program_pid(struct node_case *c)
{
	AUTO_FREE char *path = xprintf("%s/run/node/b/%s/pid", c->env.home, ONE);
	AUTO_BUF struct buf text = BUF_INIT(64);
	struct err e = ERR_INIT;
	must(fs_read(path, &text, &e), e);
	return (pid_t)strtol(buf_str(&text), NULL, 10);
}

/* Until then the kernel still takes connections for it, and cuts them off. */
static void wait_for_end(pid_t pid)
{
	int64_t until = clock_mono_ms() + READY_MS;
	while (kill(pid, 0) == 0 && clock_mono_ms() < until)
		(void)poll(NULL, 0, 1);
	assert_int_equal(kill(pid, 0), -1);
}

static void a_killed_instance_comes_back_under_its_address(void **state)
{
	struct node_case *c = *state;
	AUTO_BUF struct buf body = BUF_INIT(65536);
	struct instance_spec s = case_spec(c, ONE, NULL);
	case_ensure(c, &s);
	(void)case_wait(c, ONE, INST_READY);
	case_route(c, (const char *const[]){ONE, NULL});
	for (int n = 1; n <= 3; n++) {
		pid_t pid = program_pid(c);
		assert_int_equal(case_get("10.213.0.1", "/exit", &body), 0);
		wait_for_end(pid);
		assert_int_equal(case_get(NULL, "/", &body), 200); /* the gateway waits for it */
		const struct instance *i = case_restarted(c, ONE, n);
		assert_int_equal(i->exit_code, 3);
		assert_string_equal(i->address, "10.213.0.1:8080");
	}
}

static void a_program_that_ends_at_once_fails_with_its_last_lines(void **state)
{
	struct node_case *c = *state;
	struct instance_spec s = case_spec(c, ONE, (const char *const[]){"DIE=7", "SAY=no database: giving up\033[1m", NULL});
	case_ensure(c, &s);
	const struct instance *i = case_wait(c, ONE, INST_FAILED);
	assert_string_equal(i->reason, "Exited");
	assert_int_equal(i->exit_code, 7);
	assert_string_equal(i->message, "the program ended with status 7; last lines: no database: giving up [1m");
	case_stop(c, ONE, 0);
	assert_nothing_left(c, ONE);
}

static void a_program_that_never_listens_fails_when_its_time_is_up(void **state)
{
	struct node_case *c = *state;
	struct instance_spec s = case_spec(c, ONE, (const char *const[]){"MUTE=1", "SAY=waiting", NULL});
	s.health_deadline_ms = 300;
	case_ensure(c, &s);
	const struct instance *i = case_wait(c, ONE, INST_FAILED);
	assert_string_equal(i->reason, "Unhealthy");
	assert_string_equal(i->message, "no health check succeeded within 300 ms: the port refuses connections; last lines: waiting");
}

static void a_program_that_is_not_in_the_image_fails(void **state)
{
	struct node_case *c = *state;
	struct instance_spec s = case_spec(c, ONE, NULL);
	s.command = (const char *const[]){"/no/such/program", NULL};
	case_ensure(c, &s);
	const struct instance *i = case_wait(c, ONE, INST_FAILED);
	assert_string_equal(i->reason, "StartFailed");
	assert_non_null(strstr(i->message, "/no/such/program"));
}

static void a_sick_instance_is_restarted(void **state)
{
	struct node_case *c = *state;
	AUTO_BUF struct buf body = BUF_INIT(65536);
	struct instance_spec s = case_spec(c, ONE, NULL);
	case_ensure(c, &s);
	(void)case_wait(c, ONE, INST_READY);
	assert_int_equal(case_get("10.213.0.1", "/sick", &body), 200);
	assert_string_equal(case_wait(c, ONE, INST_BACKOFF)->reason, "Unhealthy");
	assert_string_equal(case_restarted(c, ONE, 1)->reason, "");
}

static void memory_beyond_the_limit_ends_only_that_instance(void **state)
{
	struct node_case *c = *state;
	AUTO_BUF struct buf body = BUF_INIT(65536);
	struct instance_spec s = case_spec(c, ONE, NULL), other = case_spec(c, TWO, NULL);
	case_ensure(c, &s);
	case_ensure(c, &other);
	(void)case_wait(c, ONE, INST_READY);
	(void)case_wait(c, TWO, INST_READY);
	assert_int_equal(case_get("10.213.0.1", "/eat", &body), 0);
	const struct instance *i = case_wait(c, ONE, INST_BACKOFF);
	assert_string_equal(i->reason, "Exited");
	assert_string_equal(i->message, "the program needed more than its 64 MiB of memory and was killed; last lines: listening");
	assert_int_equal(case_get("10.213.0.2", "/", &body), 200);
	(void)case_wait(c, ONE, INST_READY);
}

static void a_stopped_instance_finishes_its_requests_and_hears_sigterm(void **state)
{
	struct node_case *c = *state;
	struct instance_spec s = case_spec(c, ONE, (const char *const[]){"TERM_OK=1", NULL});
	s.health_timeout_ms = 5000;
	case_ensure(c, &s);
	(void)case_wait(c, ONE, INST_READY);
	case_route(c, (const char *const[]){ONE, NULL});
	int fd = env_connect("127.0.0.1", GATEWAY_PORT, 5000);
	static const char request[] = "GET /slow HTTP/1.1\r\nHost: " HOST "\r\nConnection: close\r\n\r\n";
	assert_int_equal(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
	case_wait_open(c, "10.213.0.1:8080", 1);
	struct err e = ERR_INIT;
	const char *name = ONE;
	must(node_stop(c->node, &case_fence, &name, 1, 10000, &e), e);
	assert_int_equal(case_look(c, ONE)->state, INST_STOPPING);
	char answer[256] = "";
	assert_true(recv(fd, answer, sizeof answer - 1, MSG_WAITALL) > 0);
	assert_memory_equal(answer, "HTTP/1.1 200", 12);
	(void)close(fd);
	(void)case_wait(c, ONE, INST_GONE);
	AUTO_FREE char *log = xprintf("%s/node/logs/%s/log", c->env.home, ONE);
	assert_true(case_file_has(log, "terminated"));
}

static void the_next_node_adopts_what_runs_and_restarts_what_died(void **state)
{
	struct node_case *c = *state;
	AUTO_BUF struct buf body = BUF_INIT(65536);
	struct instance_spec s = case_spec(c, ONE, NULL), other = case_spec(c, TWO, NULL);
	case_ensure(c, &s);
	(void)case_wait(c, ONE, INST_READY);
	case_ensure(c, &other);
	(void)case_wait(c, TWO, INST_READY);
	case_route(c, (const char *const[]){ONE, NULL});
	pid_t pid = program_pid(c);
	case_signal(c, SIGKILL);
	assert_int_equal(case_get(NULL, "/", &body), 200); /* nobody misses fn-node */
	assert_int_equal(case_get("10.213.0.2", "/exit", &body), 0);
	case_start(c);
	assert_int_equal(case_look(c, ONE)->state, INST_READY);
	assert_int_equal(program_pid(c), pid);
	assert_string_equal(case_restarted(c, TWO, 1)->address, "10.213.0.2:8080");
	case_ensure(c, &s); /* known by its spec */
	assert_int_equal(case_get(NULL, "/", &body), 200);
	assert_int_equal(case_get("10.213.0.1", "/exit", &body), 0); /* and still watched */
	(void)case_restarted(c, ONE, 1);
	case_stop(c, ONE, 0);
	case_stop(c, TWO, 0);
	assert_nothing_left(c, ONE);
	assert_nothing_left(c, TWO);
}

static void an_orderly_end_leaves_instances_running(void **state)
{
	struct node_case *c = *state;
	AUTO_BUF struct buf body = BUF_INIT(65536);
	struct instance_spec s = case_spec(c, ONE, NULL);
	case_ensure(c, &s);
	(void)case_wait(c, ONE, INST_READY);
	case_signal(c, SIGTERM);
	assert_int_equal(case_get("10.213.0.1", "/", &body), 200);
	case_start(c);
	assert_int_equal(case_look(c, ONE)->state, INST_READY);
	assert_int_equal(case_look(c, ONE)->restarts, 0);
}

/* Killed at every moment of a start, one after the other: what is half-made is made again or gone. */
static void a_start_that_was_interrupted_is_made_again(void **state)
{
	struct node_case *c = *state;
	struct instance_spec s = case_spec(c, ONE, NULL);
	for (int ms = 0; ms < 60; ms += 6) {
		case_ensure(c, &s);
		(void)poll(NULL, 0, ms); /* the moment is the test */
		case_signal(c, SIGKILL);
		case_start(c);
		(void)case_wait(c, ONE, INST_READY);
		case_stop(c, ONE, 0);
		assert_nothing_left(c, ONE);
	}
}

static void without_conmon_an_instance_is_restarted(void **state)
{
	struct node_case *c = *state;
	struct instance_spec s = case_spec(c, ONE, NULL);
	case_ensure(c, &s);
	(void)case_wait(c, ONE, INST_READY);
	AUTO_FREE char *path = xprintf("%s/run/node/b/%s/conmon.pid", c->env.home, ONE);
	AUTO_BUF struct buf text = BUF_INIT(64);
	struct err e = ERR_INIT;
	must(fs_read(path, &text, &e), e);
	assert_int_equal(kill((pid_t)strtol(buf_str(&text), NULL, 10), SIGKILL), 0);
	(void)case_restarted(c, ONE, 1);
}

static void teardown_leaves_nothing(void **state)
{
	struct node_case *c = *state;
	struct instance_spec s = case_spec(c, ONE, NULL);
	case_ensure(c, &s);
	(void)case_wait(c, ONE, INST_READY);
	case_route(c, (const char *const[]){ONE, NULL});
	case_signal(c, SIGKILL);
	case_teardown(c);
	assert_nothing_left(c, ONE);
	AUTO_FREE char *run = xprintf("%s/run/node", c->env.home);
	assert_false(case_file_has("/proc/self/mountinfo", run));
	assert_int_equal(case_processes(c->env.home), 0);
	case_teardown(c); /* again is fine */
}

/* After a restart of the machine the gateway knows routes whose instances are gone: nobody else may get their addresses. */
static void an_address_that_a_route_leads_to_is_kept(void **state)
{
	struct node_case *c = *state;
	AUTO_BUF struct buf body = BUF_INIT(65536);
	struct instance_spec one = case_spec(c, ONE, (const char *const[]){"GREETING=one", NULL}), two = case_spec(c, TWO, NULL);
	case_ensure(c, &one);
	(void)case_wait(c, ONE, INST_READY);
	case_route(c, (const char *const[]){ONE, NULL});
	case_signal(c, SIGTERM);
	case_teardown(c);
	case_start(c);
	assert_int_equal(case_look(c, ONE)->state, INST_GONE);
	case_ensure(c, &two);
	assert_string_equal(case_wait(c, TWO, INST_READY)->address, "10.213.0.2:8080");
	case_ensure(c, &one);
	assert_string_equal(case_wait(c, ONE, INST_READY)->address, "10.213.0.1:8080");
	case_route(c, (const char *const[]){ONE, NULL});
	assert_int_equal(case_get(NULL, "/", &body), 200);
	assert_string_equal(buf_str(&body), "hello one\n");
	case_stop(c, ONE, 0); /* stopped although it is routed: its address stays its own */
	case_ensure(c, &one);
	assert_string_equal(case_wait(c, ONE, INST_READY)->address, "10.213.0.1:8080");
}

/* An instance that is only beside its key's own is held, listed and served as those of the key itself. */
static void an_instance_beside_a_keys_own_is_served_and_its_address_kept(void **state)
{
	struct node_case *c = *state;
	struct err e = ERR_INIT;
	AUTO_BUF struct buf body = BUF_INIT(65536);
	struct instance_spec one = case_spec(c, ONE, (const char *const[]){"GREETING=one", NULL}), two = case_spec(c, TWO, NULL);
	case_ensure(c, &one);
	(void)case_wait(c, ONE, INST_READY);
	case_route_beside(c, ONE);
	assert_int_equal(case_get(NULL, "/", &body), 200); /* HOST is beside */
	assert_string_equal(buf_str(&body), "hello one\n");
	struct node_view v;
	arena_release(&c->arena);
	must(node_list(c->node, KEY, &c->arena, &v, &e), e);
	assert_int_equal(v.nroutes, 1);
	assert_true(v.routes[0].loaded);
	assert_string_equal(v.routes[0].release, "");
	assert_null(v.routes[0].hosts[0]);
	assert_int_equal(v.routes[0].nbeside, 1);
	const struct route_beside *b = v.routes[0].beside;
	assert_string_equal(b->release, "7f0c5a9e");
	assert_string_equal(b->hosts[0], HOST);
	assert_null(b->hosts[1]);
	assert_string_equal(b->instances[0], ONE);
	assert_null(b->instances[1]);
	assert_int_equal(b->timeout_ms, 5000);
	assert_int_equal(case_get("10.213.0.1", "/exit", &body), 0);
	assert_string_equal(case_restarted(c, ONE, 1)->address, "10.213.0.1:8080");
	assert_int_equal(case_get(NULL, "/", &body), 200);

	case_stop(c, ONE, 0); /* stopped although it is routed: its address stays its own */
	case_ensure(c, &two);
	assert_string_equal(case_wait(c, TWO, INST_READY)->address, "10.213.0.2:8080");
	case_signal(c, SIGTERM);
	case_teardown(c);
	case_start(c); /* after a restart of the machine, too */
	case_ensure(c, &two);
	assert_string_not_equal(case_wait(c, TWO, INST_READY)->address, "10.213.0.1:8080");
	case_ensure(c, &one);
	assert_string_equal(case_wait(c, ONE, INST_READY)->address, "10.213.0.1:8080");
	/* Without a route that leads there it is nobody's any more. */
	case_route(c, (const char *const[]){TWO, NULL});
	assert_int_equal(case_get(NULL, "/", &body), 200);
	assert_string_equal(buf_str(&body), "hello \n");
	case_stop(c, ONE, 0);
	case_ensure(c, &one);
	assert_string_not_equal(case_wait(c, ONE, INST_READY)->address, "10.213.0.1:8080");
}

static void two_nodes_of_one_installation_do_not_run(void **state)
{
	struct node_case *c = *state;
	struct err e = ERR_INIT;
	enum err_class class = proc_run((const char *const[]){c->binary, "--home", c->env.home, NULL}, NULL, 20000, NULL, &e);
	assert_int_equal(class, TRANSIENT);
	assert_non_null(strstr(e.msg, "another fn-node runs"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, case_setup, case_teardown_free)
int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_instance_starts_serves_logs_and_stops_without_a_trace),
		CASE(a_killed_instance_comes_back_under_its_address),
		CASE(a_program_that_ends_at_once_fails_with_its_last_lines),
		CASE(a_program_that_never_listens_fails_when_its_time_is_up),
		CASE(a_program_that_is_not_in_the_image_fails),
		CASE(a_sick_instance_is_restarted),
		CASE(memory_beyond_the_limit_ends_only_that_instance),
		CASE(a_stopped_instance_finishes_its_requests_and_hears_sigterm),
		CASE(the_next_node_adopts_what_runs_and_restarts_what_died),
		CASE(an_orderly_end_leaves_instances_running),
		CASE(a_start_that_was_interrupted_is_made_again),
		CASE(without_conmon_an_instance_is_restarted),
		CASE(teardown_leaves_nothing),
		CASE(an_address_that_a_route_leads_to_is_kept),
		CASE(an_instance_beside_a_keys_own_is_served_and_its_address_kept),
		CASE(two_nodes_of_one_installation_do_not_run),
	};
	return cmocka_run_group_tests(tests, case_group_setup, case_group_teardown);
}
