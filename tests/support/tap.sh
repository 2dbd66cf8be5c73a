# TAP for tests in bash. Sourced. A test file calls is, like, ok …, and at its end done_testing.
# shellcheck shell=bash

TAP_COUNT=0
TAP_FAILED=0

# ok NAME COMMAND…: the command must succeed.
ok() {
	local name=$1 output
	shift
	if output=$("$@" 2>&1); then
		pass "$name"
	else
		fail_with "$name" "$*: $output"
	fi
}

# is NAME GOT WANTED
is() {
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		fail_with "$1" "got:    $2" "wanted: $3"
	fi
}

# like NAME GOT REGEX (extended)
like() {
	if grep -qE -- "$3" <<<"$2"; then
		pass "$1"
	else
		fail_with "$1" "got:    $2" "wanted: /$3/"
	fi
}

# unlike NAME GOT REGEX
unlike() {
	if grep -qE -- "$3" <<<"$2"; then
		fail_with "$1" "got: $2" "not: /$3/"
	else
		pass "$1"
	fi
}

pass() { TAP_COUNT=$((TAP_COUNT + 1)); printf 'ok %d - %s\n' "$TAP_COUNT" "$1"; }

# fail_with NAME LINE…
fail_with() {
	TAP_COUNT=$((TAP_COUNT + 1)) TAP_FAILED=$((TAP_FAILED + 1))
	printf 'not ok %d - %s\n' "$TAP_COUNT" "$1"
	shift
	printf '%s\n' "$@" | sed 's/^/# /'
}

diag() { printf '%s\n' "$*" | sed 's/^/# /'; }

# within SECONDS COMMAND…: asks until the command succeeds; 1 once the time is over.
within() {
	local end=$(($(date +%s%N) + $1 * 1000000000))
	shift
	until "$@"; do
		[ "$(date +%s%N)" -lt "$end" ] || return 1
		sleep 0.05
	done
}

done_testing() {
	printf '1..%d\n' "$TAP_COUNT"
	[ "$TAP_FAILED" -eq 0 ]
}
