#!/usr/bin/env bash
# Explicit deploys: of a directory, an archive, a digest, what is declared; into any environment; in the middle of each other.
. "$(dirname "$0")/../support/e2e.sh"
. "$TESTS/support/story.sh"
open_story

hello "$WORK/hello" hello 'text 1'
text() { printf '%s\n' "$1" >"$WORK/hello/public/index.html"; }
# deploy FLAG…: what the directory holds.
deploy() { fnctl deploy "$WORK/hello" "$@"; }
# version N JQ-EXPRESSION, of hello
version() { "${API[@]}" "http://localhost/api/functions/hello/deployments/$1" | jq -r "$2"; }
latest() { of function/hello .status.latestVersion; }
serving() { target hello "$1" .version; }
building() { [ "$(version "$1" .status)" = building ]; }

# --- a directory
run fnctl deploy "$WORK/hello" --dry-run
is 'a dry run: exit status' "$STATUS" 0
like 'a dry run says what would be' "$OUT" 'hello version 1 would be deployed to dev; the function is new'
is 'and makes nothing' "$(fnctl get functions -o name)" ''
run deploy -m 'the first'
is 'a directory that was never applied: exit status' "$STATUS" 0
like 'one line says what serves where' "$OUT" "^hello version 1 serves in dev: http://hello\.dev\.fn\.localhost:$GATEWAY_PORT/ \([0-9]+ ms\)\$"
is 'it answers when the command returns' "$(get hello.dev)" 'text 1'
start_prober all hello.dev --expect text --rate 20
run deploy
is 'the same again: exit status' "$STATUS" 0
like 'takes the next number although nothing has changed' "$OUT" '^hello version 2 serves in dev'
is 'both are of one source' "$(version 1 .sourceDigest)" "$(version 2 .sourceDigest)"
is 'who, why and how is kept' "$(version 1 '"\(.createdBy) \(.note) \(.source)"')" 'root the first api'
ok 'an apply of it' apply "$WORK/hello" --wait
is 'makes none' "$(latest)" 2

# --- an archive, a digest, what is declared
text 'text packed'
tar -C "$WORK/hello" -czf "$WORK/hello.tgz" server public
post() { "${API[@]}" -H "Content-Type: $1" --data-binary "$2" "http://localhost/api/functions/hello/deploy$3"; }
like 'the source of a manifest is not replaced by the way' "$(post application/gzip "@$WORK/hello.tgz" '')" '"status":409.*OwnedByManifest|OwnedByManifest.*"status":409'
is 'the archive as body, with force' "$(post application/gzip "@$WORK/hello.tgz" '?force=true&note=by+curl' | jq '.version')" 3
ok 'serves' within 30 answers hello.dev / 'text packed'
is 'garbage is no archive' "$(post application/gzip 'garbage' '?force=true' | jq -r '"\(.status) \(.reason)"')" '400 SourceInvalid'
is 'by digest: the source of version 1' "$(post application/json "{\"digest\":\"$(version 1 .sourceDigest)\"}" '' | jq .version)" 4
ok 'serves' within 30 answers hello.dev / 'text 1'
run fnctl deploy hello --rebuild
like 'what is declared' "$OUT" '^hello version 5 serves in dev'
text 'text named'
run fnctl deploy hello --source "$WORK/hello"
like 'another directory, by name' "$OUT" '^hello version 6 serves in dev'
is 'answers' "$(get hello.dev)" 'text named'
text 'text 7'
run deploy
is 'the manifest does not take it back by itself: exit status' "$STATUS" 3
run deploy --force
like 'but with force' "$OUT" '^hello version 7 serves in dev'

# --- words
run fnctl deploy hello
is 'a name alone: exit status' "$STATUS" 2
like 'a name alone: says both ways' "$OUT" '--source DIR.*--rebuild'
run fnctl deploy hello --rebuild -e nowhere
is 'an environment that is not declared: exit status' "$STATUS" 2
like 'an environment that is not declared: says so' "$OUT" 'nowhere.*apply one.*-e.*InvalidReference'
cp "$TOP/manifests/examples/environments.yaml" "$WORK/hello/function.yaml.more"
mkdir "$WORK/mixed"
cat "$WORK/hello/function.yaml" - "$WORK/hello/function.yaml.more" >"$WORK/mixed/all.yaml" <<<'---'
rm "$WORK/hello/function.yaml.more"
run fnctl deploy "$WORK/mixed"
is 'a manifest of more than the function: exit status' "$STATUS" 2
like 'a manifest of more than the function: says how' "$OUT" 'all.yaml:[0-9]+: environment/.*one Function document.*fnctl apply -f'
is 'none of that took a number' "$(latest)" 7

# --- a function of flags
run fnctl deploy flagged --source "$WORK/hello" --runtime static --command '/app/server /app/public' --port 8080
like 'flags create a function' "$OUT" '^flagged version 1 serves in dev'
text 'text flagged'
run fnctl deploy flagged --source "$WORK/hello"
like 'and it takes sources by name' "$OUT" '^flagged version 2 serves in dev'
is 'which answer' "$(get flagged.dev)" 'text flagged'

# --- an environment that follows nothing
run fnctl deploy hello --rebuild -e production
like 'an environment that follows nothing' "$OUT" '^hello version 8 serves in production: http://hello\.production'
ok 'dev moves as well, because it says so' within 30 equals 8 serving dev
text 'text 9'
ok 'a changed source is applied' apply "$WORK/hello" --wait
is 'dev moves' "$(serving dev)" 9
is 'production does not' "$(serving production) $(get hello.production)" '8 text 7'
cat >"$WORK/pin.yaml" <<'END'
apiVersion: fn/v1
kind: Pin
metadata: {name: hello-production}
spec: {function: hello, environment: production, version: 8}
END
ok 'a pin' fnctl apply -f "$WORK/pin.yaml" --wait
run fnctl deploy hello --rebuild -e production --force
is 'to another version decides, force or not: exit status' "$STATUS" 3
like 'and is named with its file' "$OUT" 'pin/hello-production \(.*pin.yaml:1\)'
ok 'the pin goes' fnctl delete -f "$WORK/pin.yaml"

# --- a hold ends
run fnctl rollback hello
is 'rolled back' "$STATUS $(target hello dev .held)" '0 true'
run fnctl deploy hello --rebuild -m 'mended'
is 'a deploy: exit status' "$STATUS" 0
like 'ends the hold and says so' "$OUT" 'hello in dev: version 8 is no longer held'
is 'and serves' "$(target hello dev '"\(.held) \(.version)"')" 'false 10'

# --- one in the middle of another's build
sv -w 20 down "$FN_HOME/sv/registry" >/dev/null
deploy >"$WORK/first.out" 2>&1 &
first=$!
ok 'a build waits for its registry' within 30 building 11
run deploy --no-wait
like 'another is taken meanwhile' "$OUT" '^hello version 12 is being deployed to dev'
STATUS=0; wait "$first" || STATUS=$?
is 'the first ends with 6' "$STATUS" 6
like 'and says what took its place' "$(cat "$WORK/first.out")" 'version 11 was superseded by version 12'
ok 'its build is given up' within 10 equals 'failed superseded by version 12' version 11 '"\(.status) \(.message)"'
sv up "$FN_HOME/sv/registry" >/dev/null
ok 'the second serves' within 60 equals 12 serving dev
ok 'alone' within 20 equals 0 target hello dev '[.instances[] | select(.state != "ready")] | length'

# --- one in the middle of another's start
edit "$WORK/hello" 's|path: /healthz|path: /nothing|; s|deadline: 10s|deadline: 60s|'
run deploy --no-wait
starts() { [ "$(target hello dev '"\(.wantedVersion) \(.status)"')" = '13 Starting' ]; }
ok 'a release that does not get healthy' within 30 starts
edit "$WORK/hello" 's|path: /nothing|path: /healthz|; s|deadline: 60s|deadline: 10s|'
run deploy
like 'the next deploy does not wait for it' "$OUT" '^hello version 14 serves in dev'
is 'which never served' "$(version 13 '"\(.status) \(.deployedAt) \(.activeIn | length)"')" 'ready null 0'
gone() { [ "$(fnctl get instances -o json | jq '[.items[] | select(.function == "hello" and .version == 13)] | length')" = 0 ]; }
ok 'and leaves no instance' within 20 gone

# --- two at once
deploy >"$WORK/one.out" 2>&1 & one=$!
deploy >"$WORK/two.out" 2>&1 & two=$!
wait "$one"; wait "$two"
is 'two at once take two numbers' "$(latest)" 16
ok 'and the second serves' within 30 equals 16 serving dev
like 'which one of them says' "$(cat "$WORK/one.out" "$WORK/two.out")" '^hello version 16 serves in dev'

# --- what fails
mv "$WORK/hello/public" "$WORK/hello/private"
ln -s /etc/passwd "$WORK/hello/link"
tar -C "$WORK/hello" -czf "$WORK/bad.tgz" server link
is 'a source that is refused is taken' "$(post application/gzip "@$WORK/bad.tgz" '?force=true' | jq .version)" 17
ok 'its build fails' within 30 equals failed version 17 .status
run fnctl deploy hello --rebuild
is 'deployed by hand: exit status' "$STATUS" 6
like 'deployed by hand: says why, and what serves' "$OUT" '^error: hello version 18 does not serve in dev: .*link.*(ArchiveEscape|SourceInvalid)'
like 'and what next' "$OUT" 'version 16 keeps serving'
rm "$WORK/hello/link"
run deploy --force
is 'a program that ends at once: exit status' "$STATUS" 6
like 'a program that ends at once: says so' "$OUT" 'hello version 19 does not serve in dev.*Exited|CrashLoop'
mv "$WORK/hello/private" "$WORK/hello/public"
is 'what served goes on' "$(get hello.dev)" 'text 9'

# --- late, held, removed in the middle
sv -w 20 down "$FN_HOME/sv/registry" >/dev/null
text 'text last'
run deploy --timeout 1s
is 'what takes longer than it may: exit status' "$STATUS" 5
like 'what takes longer than it may: says that it goes on' "$OUT" 'hello version 20 does not serve in dev after 1 s; it goes on'
deploy >"$WORK/held.out" 2>&1 &
held=$!
ok 'a build waits for its registry again' within 30 building 21
run fnctl rollback hello -m 'not now'
is 'a rollback calls it off' "$STATUS" 0
STATUS=0; wait "$held" || STATUS=$?
is 'the deploy ends with 7' "$STATUS" 7
like 'and says who holds what' "$(cat "$WORK/held.out")" "hello version 21 does not serve in dev: version 16 is held by root's rollback: not now"
deploy >"$WORK/last.out" 2>&1 &
last=$!
ok 'once more' within 30 building 22
no_failures 'through all of it' all
ok 'the function is deleted meanwhile' fnctl delete function/hello
STATUS=0; wait "$last" || STATUS=$?
is 'the deploy ends with 6' "$STATUS" 6
sv up "$FN_HOME/sv/registry" >/dev/null
is 'it serves nowhere' "$(status_of hello.dev)" 404
left() { fnctl get instances -o json | jq -r '.items[] | select(.function == "hello") | .name'; ls "$FN_HOME/builds"; fnctl get targets -o json | jq -r '.items[] | select(.function == "hello") | .environment'; }
ok 'and nothing of it is left' within 20 equals '' left
run deploy
like 'its name is free, and numbers begin anew' "$OUT" '^hello version 1 serves in dev'
done_testing
