# A whole installation of its own for a story, made and removed with the shipped scripts. Sourced.
# shellcheck shell=bash
set -u
TESTS=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
TOP=$(dirname "$TESTS")
. "$TESTS/support/tap.sh"
. "$TESTS/support/instance.sh"

# open_installation: takes an instance and a directory; everything goes at the end of the test, however it ends.
open_installation() {
	take_instance || exit 1
	WORK=$(mktemp -d "${TMPDIR:-/var/tmp}/e2e-$INSTANCE.XXXXXX")
	FN_HOME=$(mktemp -d "/var/tmp/fn-$INSTANCE.XXXXXX")
	chmod 755 "$WORK" "$FN_HOME"
	export FN_HOME
	trap close_installation EXIT
	trap 'exit 1' INT TERM
}

close_installation() {
	local status=$? out
	[ "$TAP_FAILED" -eq 0 ] && [ "$status" -eq 0 ] || show_logs
	# Through a pipe: the disk may be full. What cannot be ended keeps its directory, without which nobody could end it.
	if out=$("$TOP/deploy/down" --purge 2>&1); then
		rm -rf "$FN_HOME"
	else
		printf '%s\n' "$out" >&2
		status=1
	fi
	rm -rf "$WORK"
	exit "$status"
}

show_logs() {
	local log
	for log in "$FN_HOME"/log/{node,controller}/current; do
		[ -e "$log" ] && { echo "# $log"; tail -n 25 "$log" | cut -c1-400 | sed 's/^/# /'; }
	done >&2
}

# The options that make it this instance.
settings() {
	printf '%s\n' --instance "$INSTANCE" --api-port "$API_PORT" --registry-port "$REGISTRY_PORT" --gateway-port "$GATEWAY_PORT" \
		--subnet "$SUBNET" --link-address "$LINK_ADDRESS" --uid-base "$UID_BASE"
}

# up OPTION…: deploy/up for this instance; the lock on its index is not inherited by what lives on.
up() {
	local options
	mapfile -t options < <(settings)
	"$TOP/deploy/up" "${options[@]}" "$@" </dev/null {INSTANCE_LOCK}>&-
}
down() { "$TOP/deploy/down" "$@" {INSTANCE_LOCK}>&-; }
census() {
	local options
	mapfile -t options < <(settings)
	"$TOP/deploy/census" "${options[@]}"
}
fnctl() { "$FN_HOME/bin/fnctl" "$@"; }

# get HOST [PATH] [CURL-OPTION…]: the body, from the gateway; HOST is what stands before .fn.localhost.
get() {
	local host=$1 path=${2:-/}
	shift $(($# > 1 ? 2 : 1))
	curl -sS -m 30 "$@" "http://$host.fn.localhost:$GATEWAY_PORT$path"
}
status_of() { get "$1" "${2:-/}" -o /dev/null -w "%{http_code}"; }
answers() { [[ $(get "$1" "$2" 2>/dev/null) == *"$3"* ]]; }

# instance_pids FUNCTION: of the programs that run in its instances.
instance_pids() {
	local name
	for name in $(fnctl get instances --no-headers -o json | jq -r --arg f "$1" '.items[] | select(.function == $f) | .name'); do
		grep -lsE ":/$INSTANCE/.*$name" /proc/[0-9]*/cgroup | cut -d/ -f3
	done
}

versions_of() { fnctl get "function/$1" -o json | jq -r '.status.latestVersion // .status.version'; }
