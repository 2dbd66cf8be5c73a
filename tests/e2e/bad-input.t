#!/usr/bin/env bash
# Whatever comes in, the error says what and where, and what served goes on serving; and the everyday of a function's life.
. "$(dirname "$0")/../support/e2e.sh"
. "$TESTS/support/story.sh"
open_story
hello "$WORK/hello" hello 'hello one'
ok 'a function serves' apply "$WORK/hello" --wait
start_prober hello hello.dev --expect hello --rate 10
serves() { answers hello.dev / "$1"; }

# --- manifests
mistake() { # NAME REGEX… <MANIFEST: exit status 2, each expression in the output
	local name=$1 regex
	shift
	mkdir -p "$WORK/bad"
	cat >"$WORK/bad/bad.yaml"
	run apply "$WORK/bad/bad.yaml"
	is "$name: exit status" "$STATUS" 2
	for regex in "$@"; do
		like "$name: says $regex" "$OUT" "$regex"
	done
}
mistake 'broken YAML' 'bad\.yaml:[34]:[0-9]+' 'nothing was applied' <<'END'
apiVersion: fn/v1
kind: Function
metadata: {name: [
END
mistake 'all problems at once' 'bad\.yaml:5:3: .*runtme.*did you mean .*runtime' 'bad\.yaml:6:[0-9]+: .*port' \
	'bad\.yaml:7:[0-9]+: .*inst' 'bad\.yaml:12:[0-9]+: .*Nme|bad\.yaml:12:[0-9]+' 'bad\.yaml:15:[0-9]+: .*Functoin.*did you mean .*Function' <<'END'
apiVersion: fn/v1
kind: Function
metadata: {name: other}
spec:
  runtme: python
  port: many
  instances: -1
---
apiVersion: fn/v1
kind: Function
metadata:
  name: Not_A_Name
---
apiVersion: fn/v1
kind: Functoin
metadata: {name: other}
END
mistake 'a key twice' 'bad\.yaml:5:3: .*runtime' <<'END'
apiVersion: fn/v1
kind: Function
metadata: {name: other}
spec: {runtime: python,
  runtime: static}
END
mistake 'an unknown runtime' 'bad\.yaml:[0-9]+.*pyton' 'did you mean .*python' <<'END'
apiVersion: fn/v1
kind: Function
metadata: {name: other}
spec: {runtime: pyton, source: {dir: .}}
END
mistake 'a source that is not there' 'nowhere' 'bad\.yaml:4' <<'END'
apiVersion: fn/v1
kind: Function
metadata: {name: other}
spec: {runtime: static, source: {dir: nowhere}, command: [/app/x]}
END
mistake 'an environment that inherits from itself by two' 'circle|Cycle|cycle' <<'END'
apiVersion: fn/v1
kind: Environment
metadata: {name: one}
spec: {inherits: two}
---
apiVersion: fn/v1
kind: Environment
metadata: {name: two}
spec: {inherits: one}
END
mkdir -p "$WORK/mixed"
cp -a "$WORK/hello/." "$WORK/mixed/"
printf 'hello mixed\n' >"$WORK/mixed/public/index.html"
cat >"$WORK/mixed/z.yaml" <<'END'
apiVersion: fn/v1
kind: Environment
metadata: {name: not-made}
spec: {follow: latest}
---
apiVersion: fn/v1
kind: Pin
metadata: {name: pin}
spec: {function: nobody, environment: dev, version: 1}
END
run apply "$WORK/mixed"
is 'one bad document among good ones: exit status' "$STATUS" 2
like 'it says which' "$OUT" 'z\.yaml:[0-9]+.*nobody'
is 'no environment was made' "$(fnctl get environment/not-made -o name 2>/dev/null)" ''
is 'no version was' "$(of function/hello .status.latestVersion)" 1
is 'none of the mistakes made an object' "$(fnctl get functions -o json | jq -c '[.items[].metadata.name]')" '["hello"]'
ok 'what served serves' serves 'hello one'

# --- programs that do not serve
failing() { # NAME SED-SCRIPT REASON WORDS: exit status 6; apply, status and describe say why; the old one serves
	hello "$WORK/failing" hello "hello $1"
	cp "$WORK/sleeper" "$WORK/failing/"
	edit "$WORK/failing" "s|deadline: 10s|deadline: 3s|; $2"
	run apply "$WORK/failing" --wait --timeout 60s
	is "$1: exit status" "$STATUS" 6
	like "$1: apply says why" "$OUT" "$3"
	like "$1: with the last words of the program" "$OUT" "$4"
	like "$1: status says so" "$(ready_of function/hello)" "^False $3 .*($4)"
	like "$1: describe does too" "$(fnctl describe function/hello)" "$3.*($4)"
	ok "$1: what served serves" serves 'hello one'
	is "$1: from version 1" "$(target hello dev .version)" 1
}
printf '#include <stdio.h>\n#include <unistd.h>\nint main(void) { puts("asleep"); fflush(stdout); return pause(); }\n' >"$WORK/sleeper.c"
ok 'a program that only sleeps compiles' gcc -static -o "$WORK/sleeper" "$WORK/sleeper.c"
failing 'a program that ends at once' 's|^  command: .*|  command: [/app/server, /nowhere]|' 'Exited|StartFailed|CrashLoop' 'usage: server'
failing 'a program that is not there' 's|^  command: .*|  command: [/app/nothing]|' 'StartFailed|Exited' 'nothing.*(no such file|not found)'
failing 'a program that never listens' 's|^  command: .*|  command: [/app/sleeper]|' Unhealthy 'refuses connections.*last lines: asleep'
failing 'a health check that fails' 's|path: /healthz|path: /nothing|' Unhealthy 'answered 404'
hello "$WORK/hello" hello 'hello again'
ok 'a good source mends it' apply "$WORK/hello" --wait
ok 'and serves' serves 'hello again'

# --- archives
mkdir -p "$WORK/archives"
"$TESTS/support/bad-archives" "$WORK/archives" >"$WORK/archives/list"
upload() { # FILE DIGEST: prints the status
	"${API[@]}" -o "$WORK/answer" -w '%{http_code}' -T "$1" "http://localhost/api/uploads/$2"
}
apply_digest() { # DIGEST: of hello's source; prints the status
	jq -n --rawfile text "$WORK/hello/function.yaml" --arg d "$1" \
		'{files: [{name: "function.yaml", text: $text}], sources: {"default/hello": $d}}' |
		"${API[@]}" -o "$WORK/answer" -w '%{http_code}' -H 'Content-Type: application/json' -d @- http://localhost/api/apply
}
digest_of() { sha256sum "$1" | sed 's/^\([0-9a-f]*\).*/sha256:\1/'; }
is 'a source that was not uploaded is refused' "$(apply_digest "sha256:$(printf '%064d' 7)")" 422
is 'as missing' "$(jq -r .reason "$WORK/answer")" SourceMissing
is 'an upload with another digest is refused' "$(upload "$WORK/archives/garbage.tar.gz" "sha256:$(printf '%064d' 7)")" 422
is 'as a mismatch' "$(jq -r .reason "$WORK/answer")" DigestMismatch
while read -r name reason; do
	file=$WORK/archives/$name.tar.gz digest=$(digest_of "$WORK/archives/$name.tar.gz")
	is "archive $name: is uploaded" "$(upload "$file" "$digest")" 201
	is "archive $name: is taken as a version" "$(apply_digest "$digest")" 200
	run fnctl wait function/hello --timeout 120s
	is "archive $name: fails" "$STATUS" 6
	like "archive $name: as $reason" "$(of function/hello '.status.conditions[] | select(.type == "Built") | "\(.status) \(.reason)"')" "^False $reason\$"
done <"$WORK/archives/list"
ok 'no archive wrote outside' [ ! -e /tmp/fn-escaped ]
is 'nothing of them is left' "$(find "$FN_HOME/builds" -mindepth 1 | head -n 3)" ''
ok 'what served serves' serves 'hello again'
is 'in version' "$(target hello dev .version)" "$(of function/hello .status.activeVersion)"
ok 'the old source makes it well' apply "$WORK/hello" --wait
no_failures 'through all mistakes' hello

# --- the everyday: same input, changed input, variables
start_prober hello hello.dev --expect hello --rate 20
latest() { of function/hello .status.latestVersion; }
version=$(latest)
run apply "$WORK/hello" --wait
like 'the same input is unchanged' "$OUT" 'function/hello unchanged'
touch "$WORK/hello/public/index.html" "$WORK/hello/function.yaml"
run apply "$WORK/hello" --wait
like 'other times of files change nothing' "$OUT" 'function/hello unchanged'
is 'no version is made' "$(latest)" "$version"
hello "$WORK/hello" hello 'hello changed'
ok 'a changed source is applied' apply "$WORK/hello" --wait
like 'and answers when apply --wait returns' "$(get hello.dev)" 'hello changed'
is 'as the next version' "$(latest)" $((version + 1))
ok 'fnctl wait says that it serves' fnctl wait function/hello --timeout 5s
release=$(target hello dev .release)
edit "$WORK/hello" 's|^  port: 8080|  port: 8080\n  env: {COLOUR: blue}|'
ok 'a variable is applied' apply "$WORK/hello" --wait
is 'it makes no version' "$(latest)" $((version + 1))
ok 'but a release' [ "$(target hello dev .release)" -gt "$release" ]
environment_of() { tr '\0' '\n' <"/proc/$(instance_pids hello | head -n 1)/environ" | grep "^$1="; }
is 'that has it' "$(environment_of COLOUR)" COLOUR=blue
is 'and those of its environment' "$(environment_of STAGE)" STAGE=dev
sed 's/STAGE: dev/STAGE: dev2/' "$TOP/manifests/examples/environments.yaml" >"$WORK/environments.yaml"
ok "an environment's variable is changed" apply "$WORK/environments.yaml" --wait
is 'its functions have it' "$(environment_of STAGE)" STAGE=dev2

# --- instances: 3, 0, 1
instances() { sed -i '/^  instances:/d' "$WORK/hello/function.yaml"; edit "$WORK/hello" "s|^spec:|spec:\n  instances: $1|"; }
release=$(target hello dev .release)
instances 3
ok 'three instances' apply "$WORK/hello" --wait
serving() { target hello dev '.release as $r | [.instances[] | select(.release == $r and .state == "ready")] | length'; }
is 'are ready' "$(serving)" 3
is 'that is the same release' "$(target hello dev .release)" "$release"
no_failures 'through changes of source, variables and instances' hello
instances 0
ok 'no instances' apply "$WORK/hello" --wait
is 'is Stopped' "$(target hello dev .status)" Stopped
like 'which is no failure' "$(ready_of function/hello)" '^True Stopped'
ok 'no program runs' within 15 equals '' instance_pids hello
like 'and the gateway says that' "$(status_of hello.dev)" '^503$'
instances 1
ok 'one again' apply "$WORK/hello" --wait
is 'answers when apply --wait returns' "$(get hello.dev)" 'hello changed'

# --- a pin
cat >"$WORK/pin.yaml" <<END
apiVersion: fn/v1
kind: Pin
metadata: {name: hello-production}
spec: {function: hello, environment: production, version: 1}
END
ok 'an old version is pinned' apply "$WORK/pin.yaml" --wait
is 'and serves in production when apply --wait returns' "$(get hello.production)" 'hello one'
is 'beside the new one in dev' "$(get hello.dev)" 'hello changed'
edit_pin() { sed -i "s/version: .*}/version: $1}/" "$WORK/pin.yaml"; }
edit_pin "$(latest)"
ok 'the pin moves' apply "$WORK/pin.yaml" --wait
is 'to the version named' "$(get hello.production)" 'hello changed'
edit_pin 2
run apply "$WORK/pin.yaml" --wait --timeout 30s
is 'a pin to a version that does not start: exit status' "$STATUS" 6
is 'what served there serves' "$(get hello.production)" 'hello changed'
edit_pin 99999
run apply "$WORK/pin.yaml" --wait --timeout 3s
like 'a pin to a version that there is not does not serve: exit status' "$STATUS" '^(2|5|6)$'
is 'what served there serves still' "$(get hello.production)" 'hello changed'
ok 'the pin is deleted' fnctl delete pin/hello-production

# --- at the same time
for n in 1 2 3 4; do
	hello "$WORK/race$n" hello "hello race $n"
	apply "$WORK/race$n" >"$WORK/race$n.out" 2>&1 {INSTANCE_LOCK}>&- &
	racers[n]=$!
done
for n in 1 2 3 4; do
	wait "${racers[n]}"
	is "concurrent apply $n is taken" "$?" 0
done
ok 'one of them serves' fnctl wait function/hello --timeout 60s
winner=$(of function/hello .spec.source.digest)
answer=$(get hello.dev)
like 'a whole one' "$answer" '^hello race [1-4]$'
ok 'the one that is declared' apply "$WORK/race${answer##* }"
is 'as applying it again shows' "$(of function/hello .spec.source.digest)" "$winner"

# --- deleted in the middle, and the name used again
old_id=$(of function/hello .status.id)
hello "$WORK/hello" hello 'hello never'
ok 'a deploy begins' apply "$WORK/hello"
ok 'the function is deleted in the middle of it' fnctl delete function/hello --timeout 60s
is 'it is gone' "$(fnctl get function/hello -o name 2>/dev/null)" ''
is 'its host is a 404' "$(status_of hello.dev)" 404
ok 'its programs have ended' within 20 equals '' instance_pids hello
is 'no target of it is left' "$(target hello dev .status)" ''
run fnctl delete function/hello
like 'deleting it again says that there is none' "$STATUS $OUT" '^[1-9].*NotFound|no .*hello'
hello "$WORK/hello" hello 'hello reborn'
ok 'the name is used again' apply "$WORK/hello" --wait
is 'and serves' "$(get hello.dev)" 'hello reborn'
is 'it begins with version 1' "$(latest)" 1
unlike 'under another id' "$(of function/hello .status.id)" "^$old_id\$"
done_testing
