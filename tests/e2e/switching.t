#!/usr/bin/env bash
# 200 deploys and rollbacks in a row under load: keep-alive requests, slow ones, WebSockets. No request fails, and after each acknowledgement
# nothing is answered by the old release. Then drains: what is open when its release cools is waited for, up to the deadline.
. "$(dirname "$0")/../support/e2e.sh"
. "$TESTS/support/story.sh"
. "$TESTS/support/load.sh"
open_story

SWITCHES=200
began=() acked=() release=()
release_of() { target switching dev .release; }

# one NAME COMMAND…: a switch, with the moments between which only its release may answer.
one() {
	local i=${#acked[@]}
	began[i]=$(now)
	if ! "$@" >"$WORK/switch.log" 2>&1; then
		fail_with "switch $i: $*" "$(tail -n 5 "$WORK/switch.log")"
		return 1
	fi
	acked[i]=$(now)
	release[i]=$(release_of)
}
RETENTION=
deploy() {
	switching "$WORK/s" "text $1"
	sed -i "s/^spec:/spec:$RETENTION/" "$WORK/s/function.yaml"
	apply "$WORK/s" --wait --timeout 60s
}

ok 'the first version' deploy 0
start_load many switching.dev --clients 12 --rate 150 --slow 3 --websockets 2 --hold 10
started=$(now)
failed=0 deploys=0 rollbacks=0
while [ $((deploys + rollbacks)) -lt "$SWITCHES" ] && [ "$failed" -eq 0 ]; do
	# Two deploys, then back to what served before, which is warm, then forward to it again.
	case $(((deploys + rollbacks) % 4)) in
	0 | 1) one deploy "$deploys" || failed=1; deploys=$((deploys + 1)) ;;
	2) one fnctl rollback switching || failed=1; rollbacks=$((rollbacks + 1)) ;;
	3) one fnctl rollback switching "$(of function/switching .status.latestVersion)" || failed=1; rollbacks=$((rollbacks + 1)) ;;
	esac
done
seconds=$((($(now) - started) / 1000000000))
is "$deploys deploys and $rollbacks rollbacks in $seconds s" "$failed" 0
no_failed_load 'under load' many
diag "$(jq -c 'del(.first)' <<<"$LOAD")"
old=0
for i in "${!acked[@]}"; do
	# Between two switches there may be no request at all: only offenders count. As texts: awk's numbers do not hold nanoseconds.
	offenders=$(awk -v from="t${acked[i]}" -v to="t${began[i + 1]:-9}" -v release="${release[i]}" \
		'"t" $1 > from && "t" $1 < to && $3 != release' "$WORK/load.many.log" | wc -l)
	old=$((old + offenders))
done
is 'after an acknowledgement nothing is answered by the old release' "$old" 0
answered=$(awk '{ seen[$3] = 1 } END { n = 0; for (r in seen) n++; print n }' "$WORK/load.many.log")
ok "$answered releases have answered" [ "$answered" -gt $((deploys / 2)) ]
one_instance_each() { [ "$(fnctl get instances -o json | jq '[.items[] | select(.function == "switching")] | length')" -le 2 ]; }
ok 'of all releases what serves and what is warm are left' within 60 one_instance_each

# --- what is open is waited for: nothing stays warm, so the old release drains at once
RETENTION='\n  retention: {warm: 0}'
ok 'nothing stays warm from now on' deploy 999
start_load open switching.dev --clients 2 --rate 20 --slow 2 --slow-ms 5000 --websockets 2 --hold 8
ok 'a deploy with slow requests and WebSockets open' deploy 1000
ok 'and another' deploy 1001
no_failed_load 'what was open was finished' open
gone() { [ "$(fnctl get instances -o json | jq '[.items[] | select(.function == "switching")] | length')" -eq 1 ]; }
ok 'and the old instances are gone long before the deadline' within 25 gone

# --- up to a deadline
start_load held switching.dev --clients 1 --rate 5 --slow 0 --websockets 1 --hold 300
ok 'a deploy with a WebSocket that does not end' deploy 1002
began=$(now)
ok 'ends it at the deadline' within 60 gone
waited=$((($(now) - began) / 1000000000))
ok "which is half a minute ($waited s)" [ "$waited" -ge 20 ]
stop_load held
is 'by asking the program, which closes it properly' "$(loaded '.kinds | keys | join(", ")')" 'message closed'
ok 'down leaves nothing' down
done_testing
