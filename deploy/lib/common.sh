# What every script in deploy/ shares: messages, failing, and the settings of one installation.
# shellcheck shell=bash

say() { printf '%s\n' "$*"; }
step() { printf '==> %s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }

# fail WHAT [NEXT]: what went wrong and what to do next.
fail() {
	printf 'error: %s\n' "$1" >&2
	[ $# -lt 2 ] || printf '  next: %s\n' "$2" >&2
	exit 1
}

# What no function foresaw still says where it happened.
set -E
trap 'printf "error: %s:%s: failed: %s\n" "${BASH_SOURCE[0]}" "$LINENO" "$BASH_COMMAND" >&2' ERR

require_root() {
	[ "$(id -u)" -eq 0 ] || fail "$(basename "$0") needs root: it makes users, network namespaces and cgroups" "sudo $0"
}

# wait_until SECONDS COMMAND…: asks again and again until COMMAND succeeds; 1 once the time is over.
wait_until() {
	local end=$(( $(date +%s%N) + $1 * 1000000000 ))
	shift
	until "$@"; do
		[ "$(date +%s%N)" -lt "$end" ] || return 1
		sleep 0.05
	done
}

# absolute PATH: without asking that it exists.
absolute() { realpath -ms -- "$1"; }

# The defaults are those of controller/base/conf.h.
declare -A CONF_DEFAULT=(
	[instance]=fn [api_port]=7300 [registry_port]=7350 [gateway_port]=7380
	[subnet]=10.214.0.0 [link_address]=169.254.1.1 [user]=fn [domain]=fn.localhost [uid_base]=200000
)

CONF_KEYS=(instance user api_port registry_port gateway_port subnet link_address uid_base)

# Settings given on the command line, over those of fn.conf.
declare -A CONF_GIVEN=()

# given --OPTION VALUE …: whether that is one of the settings; then it is noted.
given() {
	local key=${1#--}
	key=${key//-/_}
	[[ $1 == --* && " ${CONF_KEYS[*]} " == *" $key "* && -n ${2:-} ]] || return 1
	CONF_GIVEN[$key]=$2
}

# conf_get KEY: as given, or from FN_HOME/fn.conf, or the default.
conf_get() {
	local value=${CONF_GIVEN[$1]:-}
	if [ -n "$value" ]; then
		:
	elif [ -r "$FN_HOME/fn.conf" ]; then
		value=$(sed -n "s/^[[:space:]]*$1[[:space:]]*=[[:space:]]*//p" "$FN_HOME/fn.conf" | tail -n 1)
	fi
	printf '%s\n' "${value:-${CONF_DEFAULT[$1]:-}}"
}

# Reads what the scripts need to know of the installation at FN_HOME into upper-case variables.
load_conf() {
	INSTANCE=$(conf_get instance)
	API_PORT=$(conf_get api_port)
	REGISTRY_PORT=$(conf_get registry_port)
	GATEWAY_PORT=$(conf_get gateway_port)
	SUBNET=$(conf_get subnet)
	LINK_ADDRESS=$(conf_get link_address)
	FN_USER=$(conf_get user)
	DOMAIN=$(conf_get domain)
	CGROUP_PARENT=$(conf_get cgroup_parent)
	CGROUP_PARENT=${CGROUP_PARENT:-/$INSTANCE}
}

# put FILE MODE OWNER: standard input becomes FILE's content, with this mode and owner, in one rename.
# Notes FILE in CHANGED when that changed anything.
CHANGED=()
put() {
	local file=$1 mode=$2 owner=$3 tmp
	tmp=$(mktemp "$file.XXXXXX")
	cat >"$tmp"
	chown "$owner" "$tmp"
	chmod "$mode" "$tmp"
	if cmp -s "$tmp" "$file" && [ "$(stat -c '%a %U:%G' "$file")" = "$(stat -c '%a %U:%G' "$tmp")" ]; then
		rm -f "$tmp"
		return
	fi
	mv -f "$tmp" "$file"
	CHANGED+=("$file")
}

# changed PATTERN…: whether this run changed a file that matches one of the patterns.
changed() {
	local file pattern
	for file in "${CHANGED[@]}"; do
		for pattern in "$@"; do
			# shellcheck disable=SC2053
			[[ $file == $pattern ]] && return 0
		done
	done
	return 1
}

# make_dir DIR MODE OWNER
make_dir() { install -d -m "$2" -o "${3%%:*}" -g "${3##*:}" "$1"; }

systemd_is_init() { [ -d /run/systemd/system ]; }
