#!/usr/bin/env bash
# What the README and the guides tell people to type, typed; and what they show, compared.
. "$(dirname "$0")/../support/e2e.sh"
. "$TESTS/support/guide.sh"
open_installation

if ! up >"$WORK/up.log" 2>&1; then
	fail_with 'deploy/up' "$(tail -n 30 "$WORK/up.log")"
	done_testing
	exit 1
fi
pass 'deploy/up'

mkdir -p "$WORK/readme/manifests" "$WORK/first" "$WORK/retention"
cp -a "$TOP/manifests/examples" "$WORK/readme/manifests/"
guide README.md "$WORK/readme"
guide docs/guides/first-function.md "$WORK/first"
guide docs/guides/retention.md "$WORK/retention"
is 'the guide leaves nothing of its own' "$(fnctl get functions -o name | sort | tr '\n' ' ')" 'function/counter function/hello function/webhook '

# What the pages of BaseMissing, BuildFailed and BaseOutdated tell.
runtime() { # BASE
	printf 'apiVersion: fn/v1\nkind: Runtime\nmetadata: {name: mine}\nspec:\n  base: %s\n  command: [/usr/bin/python3, main.py]\n' "$1" >"$WORK/mine.yaml"
	fnctl apply -f "$WORK/mine.yaml" --wait 2>&1
	echo "status $?"
}
condition() { fnctl get function/based -o json | jq -r --arg t "$1" '.status.conditions[] | select(.type == $t) | .status + " " + .reason'; }
is_outdated() { [ "$(condition BaseOutdated)" = 'True BaseOutdated' ]; }
base=$(fnctl get runtime/python -o json | jq -r .spec.base)
missing=$(runtime "${base%@*}@sha256:$(printf '0%.0s' {1..64})")
like 'a runtime whose base is not there says so' "$missing" 'runtime/mine: BaseMissing: .*error: .*|BaseMissing'
like 'and fails' "$missing" 'status 6'
mkdir "$WORK/based"
cp "$WORK/first/greeter/main.py" "$WORK/based/"
printf 'apiVersion: fn/v1\nkind: Function\nmetadata: {name: based}\nspec: {runtime: mine, source: .}\n' >"$WORK/based/based.yaml"
like 'a function on it is not built' "$(fnctl apply -f "$WORK/based" --wait 2>&1)" 'BuildFailed: version 1: BaseMissing'
like 'a base that is there mends the runtime' "$(runtime "$base")" 'status 0'
ok 'and its function, by itself' fnctl wait function/based --timeout 60s
like 'which serves' "$(get based.dev)" 'version 2'
like 'another base rebuilds nothing' "$(runtime "$(fnctl get runtime/node -o json | jq -r .spec.base)")" 'status 0'
ok 'but the function says that it is outdated' within 20 is_outdated
is 'and is ready all the same' "$(condition Ready)" 'True Serving'

# The runner itself: a guide that tells what is not so is told apart.
printf '```console\n$ echo one; echo two\none\n…\n$ false\n$ echo $?\n1\n```\n' >"$WORK/true.md"
printf '```console\n$ echo one\ntwo\n```\n' >"$WORK/false.md"
printf 'no commands\n' >"$WORK/empty.md"
run_guide() { GATEWAY_PORT=1 "$TESTS/support/run-guide" "$WORK/$1.md" "$WORK"; }
ok 'a true guide passes' run_guide true
like 'a false one does not' "$(run_guide false)" '^not ok 1 - echo one'
ok 'nor one without commands' eval '! run_guide empty'
done_testing
