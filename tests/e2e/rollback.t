#!/usr/bin/env bash
# Going back: warm, kept, by name, twice; what a hold keeps out and what ends it; what a failure leaves; in the middle of other things.
. "$(dirname "$0")/../support/e2e.sh"
. "$TESTS/support/story.sh"
open_story

# version NAME TEXT: hello's next version, by a changed source
hello "$WORK/hello" hello 'text 1'
text() { printf 'text %s\n' "$1" >"$WORK/hello/public/index.html"; }
deploy() { text "$1" && apply "$WORK/hello" --wait; }
serves() { equals "text $1" get hello.dev; }
latest() { of function/hello .status.latestVersion; }
held() { target hello dev '"\(.held) \(.floor) \(.version) \(.status)"'; }
rollbacks() { fnctl history hello --rollbacks -o json | jq -r ".items[0] | $1"; }

ok 'version 1' deploy 1
start_prober all hello.dev --expect text --rate 40
run fnctl rollback hello
is 'nothing to go back to: exit status' "$STATUS" 2
like 'nothing to go back to: says so' "$OUT" 'NothingBefore'
run fnctl rollback hello 7
is 'a version that is not there: exit status' "$STATUS" 2
ok 'version 2' deploy 2
ok 'version 3' deploy 3

# --- first it shows, then it does
before=$(held)
run fnctl rollback hello --dry-run
is 'a dry run: exit status' "$STATUS" 0
like 'a dry run says from where to where' "$OUT" 'version 3.*version 2'
like 'and that it is warm' "$OUT" 'warm'
is 'and changes nothing' "$(held)" "$before"
is 'nor records anything' "$(fnctl history hello --rollbacks -o json | jq '.items | length')" 0

# --- warm
instances=$(fnctl get instances -o json | jq -S '[.items[].name] | sort')
run fnctl rollback hello -m 'version 3 is slow'
is 'back to what served before: exit status' "$STATUS" 0
is 'it answers when the command returns' "$(get hello.dev)" 'text 2'
is 'nothing was started' "$(fnctl get instances -o json | jq -S '[.items[].name] | sort')" "$instances"
is 'the target is held below the highest number issued' "$(held)" 'true 3 2 Held'
is 'the history tells who, from where, to where, why' "$(rollbacks '"\(.actor) \(.fromVersion) \(.toVersion) \(.note) \(.image) \(.state)"')" \
	'root 3 2 version 3 is slow warm done'
like 'and in words' "$(fnctl history hello --rollbacks)" 'version 3 is slow'
like 'the operations tell of it' "$(fnctl history hello --operations)" 'rollback.*version 3 is slow'
run fnctl wait function/hello --timeout 10s
is 'waiting for what is held: exit status' "$STATUS" 7
like 'describe says how it ends' "$(fnctl describe function/hello)" 'release-hold'
is 'the version has a host of its own while it serves' "$(get hello--v2.dev)" 'text 2'
is 'so has what is warm, by version' "$(get hello--v3.dev)" 'text 3'
is 'and by release' "$(get hello--r3.dev)" 'text 3'

# --- twice
run fnctl rollback hello
is 'back again walks further: exit status' "$STATUS" 0
is 'past what was rejected' "$(get hello.dev)" 'text 1'
run fnctl rollback hello
is 'until there is nothing: exit status' "$STATUS" 2
like 'and says so' "$OUT" 'NothingBefore'
is 'which changed nothing' "$(held)" 'true 3 1 Held'
run fnctl rollback hello 1
is 'to what serves: exit status' "$STATUS" 2
like 'to what serves: says so' "$OUT" 'AlreadyServing'

# --- what the hold keeps out
run apply "$WORK/hello"
is 'the same again: exit status' "$STATUS" 7
like 'the same again: says that it is held and how that ends' "$OUT" 'unchanged.*held.*release-hold|release-hold'
run apply "$WORK/hello" --wait --timeout 20s
is 'the same again, waiting: exit status' "$STATUS" 7
is 'the same again, waiting: says so once, and what ends it' "$(grep -c "by root's rollback" <<<"$OUT") $(sed -n 's/^  next: //p' <<<"$OUT")" '1 fnctl release-hold hello -e dev'
like 'so does a diff' "$(fnctl diff -f "$WORK/hello" 2>&1)" 'held in dev at version 1 .*`fnctl release-hold hello -e dev` ends it'
is 'version 3 does not come up, nor 2' "$(get hello.dev)" 'text 1'
pid=$(service_pid controller)
kill -9 "$pid"
ok 'the controller is killed and back' within 20 service_is_new controller "$pid"
ok 'and answers' within 20 fnctl get functions
run fnctl wait function/hello --timeout 20s
is 'it is held as before' "$(held)" 'true 3 1 Held'
is 'and nothing else came up' "$(get hello.dev)" 'text 1'

# --- later changes apply onto what is held
edit "$WORK/hello" 's/^  timeout: 10s/  timeout: 11s/'
run apply "$WORK/hello" --wait --timeout 20s
is 'a changed setting: exit status' "$STATUS" 7
release_of() { target hello dev .release; }
onto_held() { [ "$(held)" = 'true 3 1 Held' ] && [ "$(release_of)" -gt 3 ]; }
ok 'a changed setting makes a release of the held version' within 20 onto_held
is 'of the held version' "$(get hello.dev)" 'text 1'
is 'and no version' "$(latest)" 3

# --- what ends it
ok 'version 4 comes up' deploy 4
is 'and answers' "$(get hello.dev)" 'text 4'
is 'the hold is over' "$(held)" 'false 0 4 Serving'
like 'which was said' "$(fnctl events function/hello)" 'ends the rollback'
ok 'back by name' fnctl rollback hello v3
is 'to the version named' "$(get hello.dev)" 'text 3'
like 'forward to what is declared would hold nothing' "$(fnctl rollback hello 4 --dry-run)" 'hold +none: version 4 is what is declared'
ok 'release-hold' fnctl release-hold hello
ok 'lets version 4 serve again' within 20 serves 4
run fnctl release-hold hello
is 'release-hold without a hold: exit status' "$STATUS" 2
like 'release-hold without a hold: says so' "$OUT" 'NotHeld'
ok 'back once more' fnctl rollback hello 3
ok 'an explicit deploy of the same source' fnctl deploy "$WORK/hello"
is 'ends the hold with the next number' "$(held)" 'false 0 5 Serving'
is 'and serves' "$(get hello.dev)" 'text 4'

# --- variables only
edit "$WORK/hello" 's/^  timeout: 11s/  timeout: 12s/'
ok 'a changed setting' apply "$WORK/hello" --wait
new=$(release_of)
run fnctl rollback hello --dry-run
like 'back to the same version as it was configured' "$OUT" 'settings|timeout'
ok 'does so' fnctl rollback hello
is 'the version is the same' "$(held)" 'true 5 5 Held'
ok 'the release is not' [ "$(release_of)" -ne "$new" ]
run apply "$WORK/hello" --wait --timeout 20s
is 'which is held the same way' "$STATUS" 7
ok 'and released' fnctl release-hold hello
ok 'to what is declared' within 20 equals "$new" release_of

# --- a build that was under way is issued already
sv -w 30 down "$FN_HOME/sv/registry" >/dev/null
text 6
ok 'a version that cannot be pushed yet' apply "$WORK/hello"
ok 'is numbered' within 20 equals 6 latest
ok 'and reached at its own host before it serves' within 20 equals 'text 6' get hello--v6.dev
is 'while the other one serves' "$(get hello.dev)" 'text 4'
run fnctl rollback hello
is 'a rollback calls it off: exit status' "$STATUS" 0
like 'and says so' "$OUT" 'called off'
is 'what served goes on' "$(get hello.dev)" 'text 4'
ok 'a warm release needs no registry' fnctl rollback hello 3
is 'and serves' "$(get hello.dev)" 'text 3'
sv up "$FN_HOME/sv/registry" >/dev/null
version_is() { [ "$(fnctl get deployments hello -o json | jq -r --argjson v "$1" '.items[] | select(.version == $v) | .status')" = "$2" ]; }
ok 'the registry is back: the version is ready' within 60 version_is 6 ready
run fnctl wait function/hello --timeout 20s
is 'and stays out' "$(held)" 'true 6 3 Held'
is 'with the answers' "$(get hello.dev)" 'text 3'

# --- over a pin
pin() {
	cat >"$WORK/pin.yaml" <<-END
	apiVersion: fn/v1
	kind: Pin
	metadata: {name: hello-production}
	spec: {function: hello, environment: production, version: $1}
	END
	fnctl apply -f "$WORK/pin.yaml" --wait --timeout 30s
}
production() { target hello production '"\(.held) \(.version) \(.status)"'; }
ok 'a pin' pin 4
ok 'another' pin 5
ok 'a rollback over it' fnctl rollback hello -e production -m 'the pin was wrong'
is 'wins' "$(production)" 'true 4 Held'
run pin 5
is 'the same pin again: exit status' "$STATUS" 7
is 'changes nothing' "$(production)" 'true 4 Held'
run pin 3
is 'a changed pin: exit status' "$STATUS" 0
is 'ends the hold' "$(production)" 'false 3 Serving'
like 'and that was said' "$(fnctl events function/hello)" 'ends the rollback'
is 'a function in dev is another matter' "$(held)" 'true 6 3 Held'

# --- to a version that never served there
run fnctl rollback hello 1 -e production
is 'to a version that never served there: exit status' "$STATUS" 0
is 'it serves' "$(get hello.production)" 'text 1'

no_failures 'all of that' all
ok 'down leaves nothing' down
is 'at all' "$(census)" ''
done_testing
