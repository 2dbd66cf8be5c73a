# A function that says which release answers, and a load on it that notices every flaw. Sourced after tap.sh and instance.sh (so also
# after e2e.sh); needs TESTS and WORK.
# shellcheck shell=bash

# switching DIR TEXT: the source of function `switching`, which answers TEXT; again for DIR: only the text changes.
switching() {
	mkdir -p "$1"
	[ -x "$WORK/switching-server" ] ||
		gcc -std=c17 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static -s -o "$WORK/switching-server" "$TESTS/support/switching/server.c" || return
	cp "$WORK/switching-server" "$1/server"
	cp "$TESTS/support/switching/function.yaml" "$1/"
	printf '%s\n' "$2" >"$1/version.txt"
}

now() { date +%s%N; }

# start_load NAME HOST OPTION…: runs until stop_load NAME, which sets LOAD to what it says. Answers are in $WORK/load.NAME.log.
declare -A LOADS=()
start_load() {
	local name=$1 host=$2
	shift 2
	"$TESTS/support/load" "http://$host.fn.localhost:$GATEWAY_PORT" --log "$WORK/load.$name.log" "$@" >"$WORK/load.$name" 2>&1 {INSTANCE_LOCK}>&- &
	LOADS[$name]=$!
	within 15 grep -qx ready "$WORK/load.$name" || diag "load $name: no good answer of each kind in 15 s: $(cat "$WORK/load.$name")"
}
stop_load() {
	kill "${LOADS[$1]}" 2>/dev/null
	wait "${LOADS[$1]}" 2>/dev/null
	unset "LOADS[$1]"
	LOAD=$(tail -n 1 "$WORK/load.$1")
}
loaded() { jq -r "$1" <<<"$LOAD" 2>/dev/null; }

# no_failed_load NAME LOAD: stops it; every request and message was answered, and there were some.
no_failed_load() {
	stop_load "$2"
	if [ "$(loaded '.failures == 0 and .requests + .slow + .messages > 10')" = true ]; then
		pass "$1: no failure in $(loaded '"\(.requests) requests, \(.slow) slow ones and \(.messages) messages, slowest \(.max | round) ms"')"
	else
		fail_with "$1: no failure" "$LOAD"
	fi
}

# no_old_answers LOG T RELEASE [UNTIL]: whatever started after T (and before UNTIL; both from `now`) was answered by RELEASE, and
# something was. Says what was not. What is still being answered is not in the log: ask after stop_load.
no_old_answers() {
	# Compared as texts: awk's numbers do not hold nanoseconds.
	awk -v t="t$2" -v release="$3" -v end="t${4:-9}" '
		"t" $1 > t && "t" $1 < end {
			n++
			if ($3 != release && old++ < 10)
				printf "%s started %.1f ms after, answered by release %s instead of %s\n", $4, ($1 - substr(t, 2)) / 1e6, $3, release
		}
		END {
			if (!n)
				print "nothing was answered"
			if (old)
				printf "%d of %d answers by other releases\n", old, n
			exit !n || old
		}' "$1"
}
