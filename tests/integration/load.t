#!/usr/bin/env bash
# The load that judges switching must not be blind: it and its function without a controller, one release after another.
set -u
TESTS=$(dirname "$(dirname "$(readlink -f "$0")")")
. "$TESTS/support/tap.sh"
. "$TESTS/support/instance.sh"
. "$TESTS/support/load.sh"
take_instance || exit 1
WORK=$(mktemp -d "${TMPDIR:-/var/tmp}/load.XXXXXX")
cleanup() {
	# shellcheck disable=SC2046
	kill -9 $(jobs -p) 2>/dev/null
	wait 2>/dev/null
	rm -rf "$WORK"
}
trap cleanup EXIT

URL=http://switching.dev.fn.localhost:$GATEWAY_PORT
answers_as() { [ "$(curl -s -m 5 "$URL/" | jq .release)" = "$1" ]; }
serve() { # RELEASE: from now on
	PORT=$GATEWAY_PORT FN_VERSION=$1 FN_RELEASE=$1 "$WORK/source/server" "$WORK/source/version.txt" {INSTANCE_LOCK}>&- &
	SERVER=$!
	ok "release $1 serves" within 10 answers_as "$1"
}
# Of each kind at least N answers that were asked for after T.
has() { # LOAD T N KIND…
	local log=$WORK/load.$1.log t=t$2 n=$3 kind
	shift 3
	for kind; do
		[ "$(awk -v t="$t" -v kind="$kind" '"t" $1 > t && $4 == kind' "$log" | wc -l)" -ge "$n" ] || return 1
	done
}
# Twenty requests to PATH.
twenty() { # PATH OPTION…
	local path=$1
	shift
	# shellcheck disable=SC2034
	LOAD=$("$TESTS/support/load" "$URL$path" --most 20 --slow 0 --websockets 0 "$@" 2>&1 | tail -n 1)
}
# How many failures are of a kind that matches.
failed() { loaded "[.kinds | to_entries[] | select(.key | test(\"$1\")) | .value] | add // 0"; }

ok 'the function compiles' switching "$WORK/source" 'text with "quotes" and a \'
serve 1
is 'it answers its text and who it is' "$(curl -s "$URL/")" '{"text":"text with \u0022quotes\u0022 and a \u005c","version":1,"release":1}'
is 'no other path' "$(curl -s -o /dev/null -w '%{http_code}' "$URL/else")" 404

# --- a load without failures
begin=$(now)
start_load calm switching.dev --slow-ms 300 --hold 0.5
ok 'each kind is answered, and WebSockets are opened again' within 20 has calm "$begin" 3 request slow websocket
no_failed_load 'a release that stays' calm
is 'each client kept its connection' "$(loaded .connections)" 10
is 'slow answers took their time' "$(loaded '.slow_max >= 300')" true
is 'the log has every answer' "$(wc -l <"$WORK/load.calm.log")" "$(loaded '.requests + .slow + .websockets')"

# --- one release ends as it should, another comes
start_load change switching.dev --slow-ms 300 --hold 60
curl -sSN "$URL/slow?ms=2000" >"$WORK/slow" 2>&1 &
slow=$!
ok 'a request is in the middle of its answer' within 10 test -s "$WORK/slow"
ending=$(now)
kill "$SERVER"
wait "$slow"
is 'it gets all of it from who was told to end' "$? $(jq .release "$WORK/slow")" '0 1'
wait "$SERVER"
is 'who ends well' $? 0
serve 2
changed=$(now)
ok 'requests are answered again' within 20 has change "$changed" 1 request slow
ok 'and a WebSocket is open' within 20 has change "$ending" 1 websocket
stop_load change
is 'the WebSocket was told' "$(failed '^message closed$')" 1
is 'nothing was cut' "$(failed ' cut')" 0
like 'but requests were refused' "$(failed '^(request|slow) refused')" '^[1-9]'
ok 'afterwards all answers are the new release'"'"'s' no_old_answers "$WORK/load.change.log" "$changed" 2
run_no_old() { ! no_old_answers "$@" >"$WORK/old"; }
ok 'not all of them were' run_no_old "$WORK/load.change.log" "$begin" 2
like 'and it says which' "$(cat "$WORK/old")" '^request started [0-9.]+ ms after, answered by release 1 instead of 2'
ok 'all before were the old one'"'"'s' no_old_answers "$WORK/load.change.log" "$begin" 1 "$ending"
ok 'no answer at all is no good sign' run_no_old "$WORK/load.change.log" "$(now)" 2

# --- killed
start_load killed switching.dev --slow-ms 300 --hold 60
{ kill -9 "$SERVER" && wait "$SERVER"; } 2>/dev/null
stop_load killed
is 'killed: the load says so' "$(loaded '.failures > 0')" true
is 'killed: the WebSocket is cut' "$(failed '^(message|close) cut')" 1
like 'killed: slow answers are' "$(failed '^slow (cut|unanswered)')" '^[12]$'
twenty /
is 'nobody there: all are refused' "$(loaded '.failures == .requests') $(failed '^request refused$')" 'true 20'

# --- wrong answers
serve 3
for wrong in '/else status 404' '/healthz invalid'; do
	twenty "${wrong%% *}"
	is "${wrong#* }: is a failure" "$(loaded '.failures == .requests') $(failed "^request $(cut -d" " -f2 <<<"$wrong")")" 'true 20'
done
twenty / --slow 1 --slow-ms 800 --timeout 0.3
like 'too slow: a timeout' "$(failed '^slow timeout$')" '^[1-9]'
done_testing
