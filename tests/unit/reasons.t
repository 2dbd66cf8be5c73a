#!/usr/bin/env bash
# The closed list of reasons, its pages, and who provokes each.
set -eu
cd "$(dirname "$0")/../.."
. tests/support/tap.sh

DEF=controller/base/reason.def
PAGES=docs/reference/reasons

# States that nothing sets yet: their pages say so.
RESERVED='Switching Draining'

mapfile -t tokens < <(sed -n 's/^REASON(\([A-Za-z]*\),.*/\1/p' "$DEF")
ok 'there are reasons' [ "${#tokens[@]}" -gt 50 ]
is 'each is there once' "$(printf '%s\n' "${tokens[@]}" | sort | uniq -d)" ''

sentence() { sed -n "s/^REASON($1, \"\\([^\"]*\\)\".*/\\1/p" "$DEF"; }
is_reserved() { [[ " $RESERVED " == *" $1 "* ]]; }

# page_faults TOKEN: what its page lacks.
page_faults() {
	local page=$PAGES/$1.md part
	[ -f "$page" ] || { echo "$1: no page"; return; }
	[ "$(head -n 1 "$page")" = "# $1" ] || echo "$1: the title is another"
	[ "$(sed -n 3p "$page")" = "$(sentence "$1")" ] || echo "$1: the sentence is not reason.def's"
	for part in Class Seen Cause 'What to do'; do
		grep -qF -- "- **$part:** " "$page" || echo "$1: no \"$part\""
	done
	grep -qF "[$1]($1.md)" "$PAGES/README.md" || echo "$1: not in the index"
	! is_reserved "$1" || grep -qE 'Reserved|nothing sets it yet' "$page" || echo "$1: does not say that it is reserved"
}
is 'each has a page' "$(for token in "${tokens[@]}"; do page_faults "$token"; done)" ''

stray() {
	local page name
	for page in "$PAGES"/*.md; do
		name=$(basename "$page" .md)
		[ "$name" = README ] || printf '%s\n' "${tokens[@]}" | grep -qx "$name" || echo "$page"
	done
}
is 'no page without a reason' "$(stray)" ''

# links FILE…: those to files that are not there. Anchors and addresses are not looked at.
links() {
	local file target
	grep -noE '\]\([^)# ]+' "$@" /dev/null | sed 's/:[0-9]*:\](/ /' | while read -r file target; do
		[[ $target == *://* ]] || [ -e "$(dirname "$file")/$target" ] || echo "$file: $target"
	done
}
is 'links in the documentation lead somewhere' "$(links $(find README.md docs -name '*.md'))" ''

is 'each is raised somewhere' "$(for token in "${tokens[@]}"; do
	is_reserved "$token" || grep -rqwE "R_$token" --include='*.c' --exclude=err.c controller manifests schema reconcilers || echo "$token"
done)" ''
is 'each is provoked by a test' "$(for token in "${tokens[@]}"; do
	is_reserved "$token" || grep -rqwE "(R_)?$token" --include='*.c' --include='*.t' --include='*.h' --exclude=reasons.t tests || echo "$token"
done)" ''
is 'reserved ones are not in use' "$(for token in $RESERVED; do
	grep -rlwE "R_$token" --include='*.c' --exclude=conditions.c --exclude=err.c controller manifests schema reconcilers | sed "s/^/$token: /"
done)" ''
done_testing
