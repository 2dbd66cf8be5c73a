#!/usr/bin/env bash
# Who may include whom. A room is a directory; its row says which others it may use besides itself and base.
set -eu
cd "$(dirname "$0")/../.."
. tests/support/tap.sh

# room: what its files may include, as prefixes
declare -A MAY=(
	[controller/base]=''
	[manifests]=''
	[controller/net]=''
	[controller/archive]=''
	[schema]='manifests/ net/ schema_sql.h'
	[reconcilers/providers]='net/ archive/'
	[reconcilers]='schema/ manifests/ reconcilers/providers/'
	[controller/engine]='schema/ reconcilers/reconciler.h'
	[controller/api]='engine/ schema/ manifests/ net/ reconcilers/providers/artifacts.h reconcilers/providers/node.h reconcilers/function/deploy.h reconcilers/target/rollback.h reconcilers/retention/report.h'
	[controller/node]='archive/'
	[controller/cli]='net/ manifests/ archive/'
)
# Programs of their own, outside every room.
MAINS='^(controller/main\.c|schema/gen_schemas\.c):'

room_files() {
	if [ "$1" = reconcilers ]; then
		find reconcilers -path reconcilers/providers -prune -o -name '*.[ch]' -print
	else
		find "$1" -name '*.[ch]'
	fi
}

# Every quoted include must name an own file or one of those allowed; <libraries> are not looked at.
strangers() {
	local room=$1 own=${1#controller/} allowed prefix
	allowed="base/ $own/ ${MAY[$room]}"
	room_files "$room" | sort | xargs -r grep -nHE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' | grep -vE "$MAINS" |
		while IFS= read -r line; do
			local target=${line#*\"}
			target=${target%%\"*}
			# Beside the file itself, as in "internal.h".
			[[ $target == */* || $target == schema_sql.h ]] || continue
			for prefix in $allowed; do
				[[ $target != "$prefix"* ]] || continue 2
			done
			printf '%s\n' "$line"
		done
}

for room in $(printf "%s\n" "${!MAY[@]}" | sort); do
	is "$room includes only what it may" "$(strangers "$room")" ""
done

# The only users of their libraries.
only() {
	local header=$1 where=$2
	grep -rlE "#[[:space:]]*include[[:space:]]*<$header" --include='*.[ch]' controller manifests schema reconcilers | grep -vE "$where" || :
}
is 'libcurl is used in net only' "$(only 'curl/' '^controller/net/')" ''
is 'libpq is used in net only' "$(only 'libpq-fe\.h' '^controller/net/')" ''
is 'libdeflate is used in archive only' "$(only 'libdeflate\.h' '^controller/archive/')" ''
is 'libmicrohttpd is used in api only' "$(only 'microhttpd\.h' '^controller/api/')" ''
is 'libyaml is used in manifests only' "$(only 'yaml\.h' '^manifests/')" ''
is 'libarchive is used in archive only' "$(only 'archive(_entry)?\.h' '^controller/archive/')" ''

is 'no room was forgotten' "$(find controller -mindepth 1 -maxdepth 1 -type d | sort | while read -r dir; do
	[ -n "${MAY[$dir]+set}" ] || echo "$dir"
done)" ''
done_testing
