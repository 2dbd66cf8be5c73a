#!/usr/bin/env bash
# Rollbacks that cannot be done leave what serves serving, and say why; rollbacks in the middle of other things.
. "$(dirname "$0")/../support/e2e.sh"
. "$TESTS/support/story.sh"
open_story

# A program that starts only until a time, is well only until a time, or takes its time to start.
mkdir -p "$WORK/picky"
cat >"$WORK/picky/main.py" <<'END'
import os, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

def number(name):
    return float(open("/app/" + name).read())

if time.time() > number("starts-until"):
    sys.exit("too late for this program")
time.sleep(number("takes"))

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        sick = self.path == "/healthz" and time.time() > number("well-until")
        body = open("/app/text", "rb").read()
        self.send_response(500 if sick else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
END
cat >"$WORK/picky/function.yaml" <<'END'
apiVersion: fn/v1
kind: Function
metadata: {name: picky}
spec:
  runtime: python
  source: {dir: .}
  command: [python3, main.py]
  health: {path: /healthz, interval: 200ms, deadline: 5s, failures: 100}
  resources: {cpu: "2"}
  retention: {warm: 0}
END
FOREVER=99999999999
# picky TEXT [STARTS-UNTIL [WELL-UNTIL [TAKES]]]
picky() {
	printf '%s\n' "$1" >"$WORK/picky/text"
	printf '%s\n' "${2:-$FOREVER}" >"$WORK/picky/starts-until"
	printf '%s\n' "${3:-$FOREVER}" >"$WORK/picky/well-until"
	printf '%s\n' "${4:-0}" >"$WORK/picky/takes"
}
deploy() { picky "$@" && apply "$WORK/picky" --wait --timeout 60s; }
state() { target picky dev '"\(.held) \(.floor) \(.version) \(.status)"'; }
counts() { [ "$(state) $(get picky.dev)" = "$1" ]; }
last() { fnctl history picky --rollbacks -o json | jq -r ".items[0] | $1"; }
stopped() { [ "$(fnctl get instances -o json | jq '[.items[] | select(.function == "picky")] | length')" = 1 ]; }
after() { [ "$(date +%s)" -gt "$1" ]; }

soon=$(($(date +%s) + 8))
ok 'version 1 starts for some seconds only' deploy 'text 1' "$soon"
ok 'version 2 stays well for some seconds only' deploy 'text 2' "$FOREVER" "$soon"
ok 'version 3 takes two seconds to start' deploy 'text 3' "$FOREVER" "$FOREVER" 2
ok 'version 4' deploy 'text 4'
start_prober all picky.dev --expect text --rate 30
ok 'the others are stopped' within 60 stopped
ok 'their time is over' within 30 after "$soon"

# --- it does not start
run fnctl rollback picky 1
is 'to a program that ends at once: exit status' "$STATUS" 6
like 'to a program that ends at once: says why' "$OUT" 'Exited'
like 'and what goes on' "$OUT" 'version 4'
ok 'nothing is held, for nothing was' within 10 counts 'false 0 4 Serving text 4'
is 'which the history tells' "$(last '"\(.toVersion) \(.state) \(.reason)"')" '1 failed Exited'
is 'what served serves' "$(get picky.dev)" 'text 4'
ok 'and counts as what is declared' apply "$WORK/picky" --wait --timeout 20s

# --- it is not well
run fnctl rollback picky 2
is 'to a program that is not well: exit status' "$STATUS" 6
like 'to a program that is not well: says why' "$OUT" 'Unhealthy'
ok 'what served serves on' within 10 counts 'false 0 4 Serving text 4'

# --- over a hold
ok 'a rollback that can be done' fnctl rollback picky 3
is 'holds' "$(state)" 'true 4 3 Held'
run fnctl rollback picky 1
is 'a further one that cannot: exit status' "$STATUS" 6
ok 'gives back the hold before' within 10 counts 'true 4 3 Held text 3'
ok 'which can be released' fnctl release-hold picky

# --- in the middle of a deploy
sv -w 30 down "$FN_HOME/sv/registry" >/dev/null
picky 'text 5'
ok 'a version that waits for the registry' apply "$WORK/picky"
ok 'is numbered' within 20 equals 5 of function/picky .status.latestVersion
run fnctl rollback picky 1
is 'a rollback that fails in the middle of it: exit status' "$STATUS" 6
ok 'leaves what serves, held' within 10 counts 'true 5 4 Held text 4'
sv up "$FN_HOME/sv/registry" >/dev/null
version_is() { [ "$(fnctl get deployments picky -o json | jq -r --argjson v "$1" '.items[] | select(.version == $v) | .status')" = "$2" ]; }
ok 'the registry is back: the version is ready' within 60 version_is 5 ready
is 'and stays out' "$(state) $(get picky.dev)" 'true 5 4 Held text 4'
ok 'until it is released' fnctl release-hold picky
is 'then it serves' "$(get picky.dev)" 'text 5'

# --- the next thing comes before it is done
ok 'a rollback that takes two seconds' fnctl rollback picky 3 --no-wait
ok 'and another at once' fnctl rollback picky 4
ok 'the second counts' within 10 counts 'true 5 4 Held text 4'
is 'the first was superseded' "$(fnctl history picky --rollbacks -o json | jq -r '.items[1].state')" superseded
ok 'a rollback that takes two seconds, again' fnctl rollback picky 3 --no-wait
ok 'and a deploy at once' deploy 'text 6'
is 'the deploy counts' "$(state) $(get picky.dev)" 'false 0 6 Serving text 6'
is 'and supersedes it' "$(last .state)" superseded
ok 'a rollback that takes two seconds' fnctl rollback picky 3 --no-wait
edit "$WORK/picky" 's/^  source:/  timeout: 21s\n  source:/'
run apply "$WORK/picky" --wait --timeout 30s
is 'a setting that is changed meanwhile: exit status' "$STATUS" 7
is 'applies onto what is gone back to' "$(state) $(get picky.dev)" 'true 6 3 Held text 3'
is 'and the rollback is done' "$(last .state)" 'done'
ok 'which is released' fnctl release-hold picky
is 'so that what is declared serves' "$(get picky.dev)" 'text 6'
ok 'a rollback that takes two seconds' fnctl rollback picky 3 --no-wait
pid=$(service_pid controller)
kill -9 "$pid"
ok 'the controller is killed meanwhile: there is another' within 20 service_is_new controller "$pid"
serves_3() { [ "$(state)" = 'true 6 3 Held' ] && [ "$(get picky.dev)" = 'text 3' ]; }
ok 'which ends it' within 30 serves_3
is 'as done' "$(last .state)" 'done'

# --- an image that the registry has lost
lose_image() { # VERSION
	local digest hex
	digest=$(fnctl get deployments picky -o json | jq -r --argjson v "$1" '.items[] | select(.version == $v) | .digest')
	curl -sS -o /dev/null -w '%{http_code}' -X DELETE -u "$(cat "$FN_HOME/secrets/registry")" \
		"http://127.0.0.1:$REGISTRY_PORT/v2/functions/default/picky/manifests/$digest"
	rm -f "$FN_HOME/cache/blobs/sha256/${digest#sha256:}"
	printf ' %s' "$digest"
}
lost=$(lose_image 4)
like 'an image is deleted from the registry by hand' "$lost" '^202'
ok 'a rollback to it pushes it again' fnctl rollback picky 4
is 'and serves it' "$(get picky.dev)" 'text 4'
is 'with the same digest' "$(target picky dev .digest)" "${lost#* }"

id=$(of function/picky .status.id)
like 'another is deleted' "$(lose_image 6)" '^202'
mv "$FN_HOME/store/functions/$id/v6" "$WORK/v6"
ok 'nobody runs it any more' within 60 stopped
run fnctl rollback picky 6
is 'and its archive as well: exit status' "$STATUS" 6
like 'and its archive as well: says so' "$OUT" 'ArtifactMissing|not in the store'
is 'what serves goes on' "$(get picky.dev)" 'text 4'
mv "$WORK/v6" "$FN_HOME/store/functions/$id/v6"
ok 'with the archive put back it can be done' fnctl rollback picky 6
is 'and serves' "$(get picky.dev)" 'text 6'
# --- what comes meanwhile cannot be built
printf '\037\213 is no archive' >"$WORK/garbage"
digest=sha256:$(sha256sum "$WORK/garbage" | cut -d' ' -f1)
like 'a source that is none is uploaded' "$("${API[@]}" -X PUT --data-binary "@$WORK/garbage" "http://fn/api/uploads/$digest")" "$digest"
sed "s/^  source: .*/  source: {digest: \"$digest\"}/" "$WORK/picky/function.yaml" >"$WORK/garbage.yaml"
ok 'a rollback that takes two seconds' fnctl rollback picky 3 --no-wait
run apply "$WORK/garbage.yaml"
ended() { [ "$(last .state) $(get picky.dev)" = 'done text 3' ]; }
ok 'is done although something newer came that cannot be built' within 30 ended
ok 'the version after that serves' deploy 'text 8'
no_failures 'all of that' all

# --- the function goes in the middle
ok 'a rollback that takes two seconds' fnctl rollback picky 3 --no-wait
ok 'the function is deleted meanwhile' fnctl delete function/picky --timeout 60s
nobody() { [ "$(fnctl get instances -o json | jq '[.items[] | select(.function == "picky")] | length')" = 0 ]; }
ok 'and nothing of it is left' within 30 nobody
is 'not in the gateway either' "$(status_of picky.dev)" 404
run fnctl rollback picky
is 'a rollback of what is not there: exit status' "$STATUS" 2
ok 'down leaves nothing' down
done_testing
