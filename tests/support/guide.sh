# Guides, typed and compared. Sourced after e2e.sh.
# shellcheck shell=bash

guide() { # FILE DIRECTORY: its commands give what it shows
	local out
	out=$(PATH=$FN_HOME/bin:$PATH GATEWAY_PORT=$GATEWAY_PORT "$TESTS/support/run-guide" "$TOP/$1" "$2" 2>&1)
	like "$1 has commands" "$out" '^ok 1 - '
	is "$1 tells what is so" "$(grep -v '^ok ' <<<"$out" | grep -v '^1\.\.')" ''
}
