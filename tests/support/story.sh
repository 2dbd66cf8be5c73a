# What the stories in tests/e2e share beyond an installation: an installation ready to use, functions to put into it, a
# prober, and looks from outside. Sourced after e2e.sh.
# shellcheck shell=bash

# open_story: an installation without the examples.
open_story() {
	open_installation
	set_up --no-examples
}

# set_up OPTION…: deploy/up, with environments dev and staging; HELLO is a source to copy, API calls the API.
set_up() {
	if ! up "$@" >"$WORK/up.log" 2>&1; then
		fail_with 'deploy/up' "$(tail -n 30 "$WORK/up.log")"
		done_testing
		exit 1
	fi
	fnctl apply -f "$TOP/manifests/examples/environments.yaml" >"$WORK/environments.log" 2>&1 || diag "$(cat "$WORK/environments.log")"
	HELLO=$TOP/manifests/examples/hello-static
	API=(curl -sS -m 60 --unix-socket "$FN_HOME/run/api.sock")
}

# hello DIR NAME TEXT: the source of a static file server named NAME that answers TEXT.
hello() {
	mkdir -p "$1"
	cp -a "${HELLO:?}/." "$1/"
	sed -i "s/^  name: hello$/  name: $2/" "$1/function.yaml"
	printf '%s\n' "$3" >"$1/public/index.html"
}

# edit DIR SED-SCRIPT: of the manifest.
edit() { sed -i "$2" "$1/function.yaml"; }

# run COMMAND…: sets STATUS and OUT (both streams).
run() {
	STATUS=0
	OUT=$("$@" 2>&1) || STATUS=$?
}

apply() { fnctl apply -f "$@"; }

# of KIND/NAME JQ-EXPRESSION
of() { fnctl get "$1" -o json 2>/dev/null | jq -r "$2"; }

# ready_of KIND/NAME: "True Serving version 1"
ready_of() { of "$1" '.status.conditions[] | select(.type == "Ready") | "\(.status) \(.reason) \(.message)"'; }

# target FUNCTION ENVIRONMENT JQ-EXPRESSION
target() {
	fnctl get targets -o json 2>/dev/null | jq -r --arg f "$1" --arg e "$2" \
		".items[] | select(.function == \$f and .environment == \$e) | $3"
}
instances_of() { target "$1" "$2" '.instances[] | select(.state == "ready") | .name' | sort; }
addresses_of() { target "$1" "$2" '.instances[] | select(.state == "ready") | .address' | sort; }

# equals WANTED COMMAND…: whether the command prints just that.
equals() {
	local wanted=$1
	shift
	[ "$("$@" 2>/dev/null)" = "$wanted" ]
}
contains() {
	local wanted=$1
	shift
	[[ $("$@" 2>/dev/null) == *"$wanted"* ]]
}

# start_prober NAME HOST[/PATH] OPTION…: runs until stop_prober NAME, which sets PROBE to what it says.
declare -A PROBERS=()
start_prober() {
	local name=$1 host=${2%%/*} path=
	[[ $2 != */* ]] || path=/${2#*/}
	shift 2
	"$TESTS/support/prober" "http://$host.fn.localhost:$GATEWAY_PORT$path" "$@" >"$WORK/prober.$name" 2>&1 {INSTANCE_LOCK}>&- &
	PROBERS[$name]=$!
	within 10 grep -qx ready "$WORK/prober.$name" || diag "prober $name: no good answer in 10 s: $(cat "$WORK/prober.$name")"
}
stop_prober() {
	kill "${PROBERS[$1]}" 2>/dev/null
	wait "${PROBERS[$1]}" 2>/dev/null
	unset "PROBERS[$1]"
	PROBE=$(tail -n 1 "$WORK/prober.$1")
}
probed() { jq -r "$1" <<<"$PROBE" 2>/dev/null; }

# no_failures NAME PROBER: stops it; every request was answered, and there were some.
no_failures() {
	stop_prober "$2"
	if [ "$(probed '.failures == 0 and .requests > 10')" = true ]; then
		pass "$1: no failure in $(probed .requests) requests, slowest $(probed '.max | round') ms"
	else
		fail_with "$1: no failure" "$PROBE"
	fi
}

# Processes of this installation's services.
service_pid() { cat "$FN_HOME/sv/$1/supervise/pid"; }
node_listens() { [ -n "$(ss -Hlx "src $FN_HOME/run/node.sock")" ]; }
service_is_new() { local pid; pid=$(service_pid "$1") && [ -n "$pid" ] && [ "$pid" != "$2" ]; }
haproxy_pid() { pgrep -f "^haproxy .*-f $FN_HOME/gateway/haproxy.cfg" | tail -n 1; }
