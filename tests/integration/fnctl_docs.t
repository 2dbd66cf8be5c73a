#!/usr/bin/env bash
# docs/reference/fnctl.md against what fnctl says of itself, and what it does with wrong words.
set -u
cd "$(dirname "$0")/../.."
. tests/support/tap.sh

FNCTL=${B:-build}/fnctl
PAGE=docs/reference/fnctl.md
export FN_HOME=/nonexistent NO_COLOR=1

commands() { "$FNCTL" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p'; }
# flags COMMAND: its long flags.
flags() { "$FNCTL" "$1" --help | sed -n '/^Flags:/,$s/^  .*--\([a-z-]*\).*/--\1/p'; }
row() { grep -E "^\| \`fnctl $1[ \`]" "$PAGE"; }
GLOBAL='--help --server --token-file --project'
is_global() { [[ " $GLOBAL " == *" $1 "* ]]; }

ok 'there are commands' [ "$(commands | wc -l)" -ge 10 ]
is 'every command is in the table' "$(for c in $(commands); do [ -n "$(row "$c")" ] || echo "$c"; done)" ''
is 'no other is' "$(sed -n 's/^| `fnctl \([a-z-]*\).*/\1/p' "$PAGE" | while read -r c; do commands | grep -qx "$c" || echo "$c"; done)" ''
is 'every flag is in its command'"'"'s row' "$(for c in $(commands); do
	for f in $(flags "$c"); do
		is_global "$f" || grep -qF "\`$f\`" <<<"$(row "$c")" || echo "$c $f"
	done
done)" ''
is 'no other is in a row' "$(for c in $(commands); do
	row "$c" | grep -oE '`--[a-z-]+`' | tr -d '`' | while read -r f; do flags "$c" | grep -qx -- "$f" || echo "$c $f"; done
done)" ''
is 'the flags of every command are there' "$(for f in $GLOBAL; do grep -qE "^\| .*\`?$f" "$PAGE" || echo "$f"; done)" ''
is 'short flags too' "$(for c in $(commands); do
	"$FNCTL" "$c" --help | sed -n '/^Flags:/,$s/^  \(-[a-zA-Z]\), --\([a-z-]*\).*/\1 --\2/p' | while read -r short long; do
		grep -qF "\`$short\`, \`$long" "$PAGE" || echo "$c $short $long"
	done
done | sort -u)" ''
is 'every exit status of the header is explained' "$(sed -n '/^enum exit_code/,/^}/s/.*= \([0-9]*\).*/\1/p' controller/cli/cli.h | while read -r n; do
	grep -q "^| $n | " "$PAGE" || echo "$n"
done)" ''

# status WORDS…: what fnctl ends with.
status() { "$FNCTL" "$@" >/dev/null 2>&1 </dev/null; echo $?; }
is 'help is not an error' "$(status --help) $(status help apply) $(status apply --help)" '0 0 0'
is 'no controller' "$(status get functions)" 20
is 'wrong words' "$(status aply) $(status get gadgets) $(status wait) $(status apply) $(status get -o xml)" '2 2 2 2 2'
like 'an unknown command is guessed' "$("$FNCTL" aply 2>&1)" 'did you mean "apply"'
like 'so is a flag, its letters swapped' "$("$FNCTL" apply --wiat 2>&1)" 'did you mean --wait'
like 'a second file without -f is not swallowed' "$("$FNCTL" apply -f a.yaml b.yaml 2>&1)" '"b\.yaml" is too many'
like 'a file that is not there' "$("$FNCTL" apply -f /nonexistent.yaml 2>&1)" '/nonexistent\.yaml: no such file.*\(InvalidFlag\)'
like 'what to do next' "$("$FNCTL" get functions 2>&1)" 'next: check that fn-controller runs'

bad=$(mktemp -d "${TMPDIR:-/var/tmp}/fnctl.XXXXXX")
trap 'rm -rf "$bad"' EXIT
printf 'apiVersion: fn/v1\nkind: Function\nmetadata: {name: UPPER}\nspec: {runtme: python}\n' >"$bad/bad.yaml"
for words in "apply -f $bad" "diff -f $bad" "delete -f $bad"; do
	# shellcheck disable=SC2086
	like "fnctl ${words%% *} shows a manifest's problems with their position" "$("$FNCTL" $words 2>&1)" 'bad\.yaml:4:8: .*did you mean "runtime"'
done
is 'and ends with 2' "$(status apply -f "$bad") $(status diff -f "$bad") $(status delete -f "$bad")" '2 2 2'

# --- deploy: what is wrong is told before anything is asked of the controller
like 'deploy of nothing' "$("$FNCTL" deploy 2>&1)" 'say what to deploy.*InvalidFlag'
like 'deploy shows a manifest'"'"'s problems too' "$("$FNCTL" deploy "$bad" 2>&1)" 'bad\.yaml:4:8: .*did you mean "runtime"'
mkdir "$bad/empty" "$bad/two" "$bad/other"
for name in one two; do
	printf 'apiVersion: fn/v1\nkind: Function\nmetadata: {name: %s}\nspec: {runtime: python, source: .}\n' "$name" >"$bad/two/$name.yaml"
done
printf 'apiVersion: fn/v1\nkind: Environment\nmetadata: {name: dev}\nspec: {}\n' >"$bad/other/function.yaml"
like 'deploy of a directory without a manifest' "$("$FNCTL" deploy "$bad/empty" 2>&1)" 'empty holds neither function\.yaml nor another'
like 'with several' "$("$FNCTL" deploy "$bad/two/" 2>&1)" '2 manifests of functions \(one\.yaml, two\.yaml\)'
like 'with something else' "$("$FNCTL" deploy "$bad/other" 2>&1)" 'function\.yaml:1: environment/dev: .*fnctl apply -f .*other/function\.yaml'
like 'that is not there' "$("$FNCTL" deploy "$bad/nowhere/" 2>&1)" 'nowhere: No such file'
like 'with flags of a name' "$("$FNCTL" deploy "$bad/two" --port 80 2>&1)" '--port goes with the name of a function'
cp "$bad/two/one.yaml" "$bad/two/function.yaml"
is 'function.yaml goes before others: then the controller is asked' "$(status deploy "$bad/two")" 20
is 'deploy ends with 2' "$(for d in empty other nowhere/; do status deploy "$bad/$d"; done | sort -u) $(status deploy) $(status deploy a b) $(status deploy . --dry-run=client)" '2 2 2 2'
done_testing
