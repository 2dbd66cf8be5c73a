#!/usr/bin/env bash
# From nothing to three functions that answer, a change, a mistake, a crash, and nothing left.
. "$(dirname "$0")/../support/e2e.sh"
open_installation

is 'nothing of this instance is there before' "$(census)" ''

# --- up
if up >"$WORK/up.log" 2>&1; then pass 'deploy/up'; else fail_with 'deploy/up' "$(tail -n 30 "$WORK/up.log")"; done_testing; exit 1; fi
mapfile -t curls < <(sed -n 's/^  \(curl .*\)/\1/p' "$WORK/up.log")
is 'it prints a curl line for each of three functions' "${#curls[@]}" 3
like 'the first answers' "$(eval "${curls[0]} -sS" 2>&1)" 'Hello from a static file server'
like 'the second answers' "$(eval "${curls[1]} -sS" 2>&1)" '"accepted": true'
like 'the third answers' "$(eval "${curls[2]} -sS" 2>&1)" '"name":"visits","count":1'
like 'the webhook kept its delivery' "$(get webhook.dev /deliveries)" '"hello": "world"'

services() { cat "$FN_HOME"/sv/*/supervise/pid; }
started=$(services)
instances=$(fnctl get instances -o json | jq -S '[.items[].name] | sort')
ok 'deploy/up again' up
is 'restarts no service' "$(services)" "$started"
is 'and no instance' "$(fnctl get instances -o json | jq -S '[.items[].name] | sort')" "$instances"
like 'which has forgotten nothing' "$(get counter.dev /count/visits)" '"count":1'

# --- a change
cp -a "$TOP/manifests/examples/hello-static" "$WORK/hello"
sed -i 's/Hello from a static file server/Hello again/' "$WORK/hello/public/index.html"
ok 'a changed source is applied' fnctl apply -f "$WORK/hello" --wait
like 'and answers when apply --wait returns' "$(get hello.dev)" 'Hello again'
like 'unchanged input makes no new version' "$(fnctl apply -f "$WORK/hello" --wait 2>&1)" 'function/hello unchanged'

sed -i 's/^spec:/spec:\n  instances: 2/' "$WORK/hello/function.yaml"
ok 'a setting in the manifest beside the source is applied' fnctl apply -f "$WORK/hello" --wait
is 'and makes no new version, since the manifest is no part of the source' "$(fnctl get function/hello -o json | jq .status.latestVersion)" 2
is 'but another instance' "$(fnctl get instances -o json | jq '[.items[] | select(.function == "hello" and .version == 2)] | length')" 2

# --- hosts
is 'an unknown host is a 404' "$(status_of nobody.dev)" 404
like 'that says so' "$(get nobody.dev)" 'no route|unknown host|nobody\.dev'

# --- mistakes
mistake() { # NAME EXIT REGEX <MANIFEST
	local out status=0
	mkdir -p "$WORK/bad"
	cat >"$WORK/bad/bad.yaml"
	out=$(fnctl apply -f "$WORK/bad/bad.yaml" --wait --timeout 30s 2>&1) || status=$?
	is "$1: exit status" "$status" "$2"
	like "$1: says what and where" "$out" "$3"
}
mistake 'broken YAML' 2 'bad\.yaml:[0-9]+:[0-9]+' <<'END'
apiVersion: fn/v1
kind: Function
metadata: {name: [
END
mistake 'an unknown field' 2 'bad\.yaml:5:.*did you mean .?runtime' <<'END'
apiVersion: fn/v1
kind: Function
metadata: {name: other}
spec:
  runtme: python
END
mistake 'an unknown runtime' 2 'did you mean|[Rr]untime.*pyton' <<'END'
apiVersion: fn/v1
kind: Function
metadata: {name: other}
spec: {runtime: pyton, source: {dir: .}}
END
is 'none of it was taken' "$(fnctl get function/other -o name 2>/dev/null)" ''

# --- a source that does not start keeps what serves
broken=$WORK/broken
cp -a "$WORK/hello" "$broken"
sed -i 's|command: .*|command: [/app/server, /nowhere]|' "$broken/function.yaml"
status=0
out=$(fnctl apply -f "$broken" --wait --timeout 60s 2>&1) || status=$?
is 'a program that ends at once: exit status 6' "$status" 6
like 'with its last words' "$out $(fnctl describe function/hello)" 'usage: server DIRECTORY'
like 'which are in its log too' "$(fnctl logs hello)" 'usage: server DIRECTORY'
like 'what served keeps serving' "$(get hello.dev)" 'Hello again'

sed -i -e 's|command: .*|command: [/app/server, /app/public]|' -e 's|path: /healthz|path: /nothing|' -e 's|deadline: 10s|deadline: 2s|' \
	"$broken/function.yaml"
status=0
out=$(fnctl apply -f "$broken" --wait --timeout 60s 2>&1) || status=$?
is 'a health check that never succeeds: exit status 6' "$status" 6
like 'it says Unhealthy' "$out" 'Unhealthy'
like 'what served keeps serving still' "$(get hello.dev)" 'Hello again'
ok 'a good source mends it' fnctl apply -f "$WORK/hello" --wait
like 'and serves' "$(get hello.dev)" 'Hello again'

# --- what would take functions down needs a word of its own
status=0
out=$(fnctl delete environment/dev 2>&1) || status=$?
is 'an environment in which functions serve is not deleted' "$status" 2
like 'and it says why' "$out" 'environment/dev: 3 functions serve in it.*InUse'
like 'they go on' "$(get hello.dev)" 'Hello again'

# --- what is read can be applied
fnctl get function/hello -o yaml >"$WORK/read.yaml"
ok 'what get -o yaml prints is no change, wherever it is applied' fnctl diff -f "$WORK/read.yaml"

# --- a killed instance comes back
pids=$(instance_pids counter)
like 'the counter has a process' "$pids" '^[0-9]+'
kill -9 $pids
ok 'a killed instance comes back' within 10 answers counter.dev /count/visits '"count":0'
told() { fnctl events function/counter | grep -qE 'Warning +function/counter in dev +(Exited|CrashLoop): '; }
# A restart takes 100 ms; an end that no pass has seen meanwhile is not told, so it may take another one.
for _ in 1 2 3; do
	if within 3 told; then break; fi
	kill -9 $(instance_pids counter)
done
ok 'and its end is told' within 3 told

# --- the registry is away: a deploy waits, what serves serves
sv -w 20 down "$FN_HOME/sv/registry" >/dev/null
sed -i 's/Hello again/Hello later/' "$WORK/hello/public/index.html"
status=0
fnctl apply -f "$WORK/hello" --wait --timeout 3s >"$WORK/out" 2>&1 || status=$?
is 'without the registry apply --wait times out' "$status" 5
like 'what served serves' "$(get hello.dev)" 'Hello again'
sv up "$FN_HOME/sv/registry" >/dev/null
ok 'with the registry back it converges by itself' within 60 answers hello.dev / 'Hello later'

# --- controller and node die: nothing is lost
kill -9 "$(cat "$FN_HOME/sv/controller/supervise/pid")" "$(cat "$FN_HOME/sv/node/supervise/pid")"
like 'serving goes on' "$(get hello.dev)" 'Hello later'
sed -i 's/Hello later/Hello after all/' "$WORK/hello/public/index.html"
applied() { fnctl apply -f "$WORK/hello" --wait >"$WORK/out" 2>&1; }
ok 'and after they are back, so does deploying' within 60 applied
like 'with the new answer' "$(get hello.dev)" 'Hello after all'

# --- a port in use
python=/usr/bin/python3
"$python" -c 'import signal, socket, sys
s = socket.socket(); s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(); print("up", flush=True); signal.pause()' \
	$((API_PORT + 5)) >"$WORK/listening" &
listener=$!
ok 'another program listens' within 10 grep -q up "$WORK/listening"
out=$(up --api-port $((API_PORT + 5)) 2>&1)
like 'a port in use is named, with its holder and the option' "$out" "port $((API_PORT + 5)) is in use by python3.*"
like 'and what to do' "$out" 'next: .*--api-port'
kill "$listener"
like 'nothing was changed by that' "$(get hello.dev)" 'Hello after all'

# --- down
ok 'deploy/down' down
is 'leaves nothing' "$(census)" ''
ok 'deploy/down again' down
ok 'and up again brings the functions back' up
like 'as they were' "$(get hello.dev)" 'Hello after all'
ok 'deploy/down --purge' down --purge
ok 'removes the directory' [ ! -e "$FN_HOME" ]
is 'and leaves as little' "$(census)" ''
done_testing
