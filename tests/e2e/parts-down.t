#!/usr/bin/env bash
# Each part is stopped or killed under requests: what serves goes on serving, and what was begun is finished afterwards.
. "$(dirname "$0")/../support/e2e.sh"
. "$TESTS/support/story.sh"

# --- a port in use: nothing is begun
open_installation
for option in api registry gateway; do
	variable=${option^^}_PORT
	port=${!variable}
	python3 -uc 'import signal, socket, sys
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen()
print("up"); signal.pause()' "$port" >"$WORK/holder.$option" {INSTANCE_LOCK}>&- &
	holder=$!
	ok "another program holds the $option's port" within 10 grep -q up "$WORK/holder.$option"
	run up --no-examples
	is "port of the $option in use: exit status" "$STATUS" 1
	like "port of the $option in use: port and holder are named" "$OUT" "port $port is in use by python3.*\(pid $holder\)"
	like "port of the $option in use: and what to do" "$OUT" "next: .*--$option-port"
	is "port of the $option in use: nothing was started" "$(census | grep -vxF "port 127.0.0.1:$port")$(ls "$FN_HOME")" ''
	kill "$holder"
	wait "$holder" 2>/dev/null
done

set_up --no-examples
hello "$WORK/hello" hello 'hello 0'
ok 'a function serves' apply "$WORK/hello" --wait
serves() { answers hello.dev / "$1"; }
n=0
change() { # a new source, not applied yet; TEXT is what it will answer
	n=$((n + 1)) TEXT="hello $n."
	printf '%s\n' "$TEXT" >"$WORK/hello/public/index.html"
}
start_prober all hello.dev --expect hello --rate 20

stop_part() { sv -w 30 down "$FN_HOME/sv/$1" >/dev/null; }
start_part() { sv up "$FN_HOME/sv/$1" >/dev/null; }
says() { [[ $(ready_of function/hello) =~ $1 ]]; }

# --- the registry, during a deploy
stop_part registry
change
ok 'registry stopped: a deploy is taken' apply "$WORK/hello"
ok 'registry stopped: the status says so' within 30 says '^False RegistryUnavailable'
like 'registry stopped: describe does too' "$(fnctl describe function/hello)" 'RegistryUnavailable'
run fnctl wait function/hello --timeout 2s
is 'registry stopped: waiting for it times out' "$STATUS" 5
run fnctl deploy hello --rebuild --timeout 5s
is 'registry stopped: so does a deploy' "$STATUS" 5
like 'registry stopped: which says why while it waits' "$OUT" '^function/hello: RegistryUnavailable: '
like 'registry stopped: and at its end' "$OUT" 'it goes on: RegistryUnavailable: .*\(Timeout\)'
like 'registry stopped: what served serves' "$(get hello.dev)" '^hello 0'
attempts() { fnctl get work -o json | jq '[.items[].attempt // 0] | max // 0'; }
tries_again() { [ "$(attempts)" -gt "$1" ]; }
ok 'registry stopped: it is tried again' within 30 tries_again "$(attempts)"
start_part registry
ok 'registry back: the deploy is finished by itself' within 90 serves "$TEXT"
ok 'registry back: the status says so' fnctl wait function/hello --timeout 30s
kill -9 "$(service_pid registry)"
change
ok 'registry killed: a deploy at that moment ends well' apply "$WORK/hello" --wait --timeout 90s
ok 'registry killed: with the new answer' serves "$TEXT"

# --- fn-node
programs=$(instance_pids hello | sort)
haproxy=$(haproxy_pid)
for i in 1 2 3; do
	pid=$(service_pid node)
	kill -9 "$pid"
	ok "fn-node killed ($i): there is another" within 20 service_is_new node "$pid"
	ok "fn-node killed ($i): which answers" within 20 node_listens
done
is 'fn-node killed: programs were not started again' "$(instance_pids hello | sort)" "$programs"
is 'fn-node killed: nor was the gateway' "$(haproxy_pid)" "$haproxy"
change
ok 'fn-node killed: deploying goes on' apply "$WORK/hello" --wait --timeout 60s
ok 'fn-node killed: with the new answer' serves "$TEXT"
stop_part node
serving=$TEXT
change
ok 'fn-node stopped: a deploy is taken' apply "$WORK/hello"
ok 'fn-node stopped: the status says so' within 30 says '^(False|Unknown) NodeUnavailable'
ok 'fn-node stopped: what served serves' serves "$serving"
run fnctl wait function/hello --timeout 2s
is 'fn-node stopped: waiting for it times out, it has not failed' "$STATUS" 5
run fnctl rollback hello 1 --timeout 5s
is 'fn-node stopped: so does a rollback' "$STATUS" 5
like 'fn-node stopped: which says why' "$OUT" 'it goes on: NodeUnavailable: .*\(Timeout\)'
ok 'fn-node stopped: it is released' fnctl release-hold hello --no-wait
start_part node
ok 'fn-node back: the deploy is finished by itself' within 60 serves "$TEXT"
ok 'fn-node back: the status says so' fnctl wait function/hello --timeout 30s

# --- the controller, at several moments of a deploy
moment() { # 1: just taken; then as soon as there is a version, a release, and after it serves
	case $1 in
	1) ;;
	2) within 20 equals "$latest" of function/hello .status.latestVersion ;;
	3) within 20 newer_release ;;
	4) within 20 serves "$TEXT" ;;
	esac
}
newer_release() { [ "$(target hello dev '.instances | map(.release) | max')" -gt "$release" ]; }
for i in 1 2 3 4; do
	latest=$(($(of function/hello .status.latestVersion) + 1)) release=$(target hello dev .release)
	change
	ok "controller killed at moment $i of a deploy that is taken" apply "$WORK/hello"
	moment "$i"
	pid=$(service_pid controller)
	kill -9 "$pid"
	ok "controller killed ($i): there is another" within 20 service_is_new controller "$pid"
	ok "controller killed ($i): the deploy is finished by itself" within 60 serves "$TEXT"
	ok "controller killed ($i): and said to be" within 30 fnctl wait function/hello --timeout 30s
	is "controller killed ($i): it is one version" "$(of function/hello .status.latestVersion)" "$latest"
done
stop_part controller
run fnctl get functions
is 'controller stopped: exit status of fnctl' "$STATUS" 20
like 'controller stopped: says so' "$OUT" 'controller did not answer|not answer|[Cc]ontroller'
start_part controller
ok 'controller back: it answers' within 30 fnctl get functions

# --- both at once
change
ok 'a deploy is taken' apply "$WORK/hello"
pids="$(service_pid controller) $(service_pid node)"
# shellcheck disable=SC2086
kill -9 $pids
ok 'controller and fn-node killed: the deploy is finished by itself' within 60 serves "$TEXT"

# --- PostgreSQL
stop_part postgresql
ok 'PostgreSQL stopped: what served serves' serves "$TEXT"
run fnctl get functions
ok 'PostgreSQL stopped: fnctl fails' [ "$STATUS" -ne 0 ]
like 'PostgreSQL stopped: and says why' "$OUT" 'DatabaseUnavailable|[Dd]atabase|PostgreSQL'
change
run apply "$WORK/hello"
ok 'PostgreSQL stopped: apply fails' [ "$STATUS" -ne 0 ]
start_part postgresql
applied() { apply "$WORK/hello" --wait --timeout 60s; }
ok 'PostgreSQL back: deploying goes on' within 60 applied
ok 'PostgreSQL back: with the new answer' serves "$TEXT"
change
ok 'PostgreSQL killed in the middle of a deploy that is taken' apply "$WORK/hello"
kill -9 "$(head -n 1 "$FN_HOME/postgresql/postmaster.pid")"
ok 'PostgreSQL killed: the deploy is finished by itself' within 90 serves "$TEXT"
no_failures 'registry, fn-node, controller and PostgreSQL stopped and killed' all

# --- HAProxy: what was in flight may break, but no connection is refused or left without routes
start_prober gateway hello.dev --expect hello --rate 50 --least 100
for i in 1 2 3; do
	pid=$(haproxy_pid)
	kill -9 "$pid"
	new_haproxy() { local now; now=$(haproxy_pid) && [ -n "$now" ] && [ "$now" != "$pid" ]; }
	ok "HAProxy killed ($i): there is another" within 20 new_haproxy
	ok "HAProxy killed ($i): which answers" within 10 serves "$TEXT"
done
stop_prober gateway
is 'HAProxy killed: no connection was refused, no answer was an error' \
	"$(probed '[.first[] | select(.error | test("Disconnected|Reset|IncompleteRead") | not)] | length')" 0
ok "HAProxy killed: $(probed .failures) of $(probed .requests) requests were cut" [ "$(probed '.failures <= 6 and .requests >= 100')" = true ]

# --- an instance: back under its address, while requests wait
start_prober instance hello.dev --expect hello --rate 50 --least 100
address=$(addresses_of hello dev)
restarts() { target hello dev '.release as $r | .instances[] | select(.release == $r) | "\(.state) \(.restarts)"'; }
for i in 1 2 3; do
	# The newest release's only: one that is kept warm for a rollback serves nobody.
	name=$(target hello dev '.release as $r | .instances[] | select(.release == $r) | .name')
	pid=$(grep -lsE ":/$INSTANCE/.*$name" /proc/[0-9]*/cgroup | cut -d/ -f3 | head -n 1)
	kill -9 "$pid"
	ok "instance killed ($i): it comes back" within 20 equals "ready $i" restarts
done
is 'instance killed: under its address' "$(addresses_of hello dev)" "$address"
stop_prober instance
is 'instance killed: requests waited for it' "$(probed '[.first[] | select(.error | test("status 502|Disconnected|Reset") | not)] | length')" 0
ok "instance killed: $(probed .failures) of $(probed .requests) requests were on it" [ "$(probed '.failures <= 3 and .requests >= 100')" = true ]

# --- what holds an instance's output
start_prober holder hello.dev --expect hello --rate 20 --least 20
conmon=$(pgrep -f "conmon .*-n $name( |\$)|conmon .*$name" | head -n 1)
ok 'an instance has a conmon' [ -n "$conmon" ]
kill -9 "$conmon"
ok 'conmon killed: the instance comes back' within 20 equals 'ready 4' restarts
stop_prober holder
ok "conmon killed: $(probed .failures) of $(probed .requests) requests were on it" [ "$(probed '.failures <= 1')" = true ]
ok 'after all of it: the function serves' fnctl wait function/hello --timeout 10s
ok 'down leaves nothing' down
is 'at all' "$(census)" ''
done_testing
