# Going back: functions with a few versions, and how long it takes to come to one of them. Sourced.
# shellcheck shell=bash

API() { curl -sS -m 10 --unix-socket "$FN_HOME/run/api.sock" "http://localhost/api/functions/$1"; }

# rollback_function NAME RETENTION VERSIONS: each version answers "NAME-vN"; the last one serves.
rollback_function() {
	local dir=$WORK/$1 version
	mkdir -p "$dir/public"
	cp "$WORK/static/server" "$dir/server"
	printf 'function.yaml\n' >"$dir/.fnignore"
	printf 'apiVersion: fn/v1\nkind: Function\nmetadata: {name: %s}\nspec:\n  runtime: static\n  source: {dir: .}\n  command: [/app/server, /app/public]\n  health: {path: /, interval: 1s}\n  retention: %s\n' \
		"$1" "$2" >"$dir/function.yaml"
	for version in $(seq "$3"); do
		echo "$1-v$version" >"$dir/public/index.html"
		fnctl apply -f "$dir" --wait >/dev/null 2>"$WORK/apply.err" || { cat "$WORK/apply.err" >&2; return 1; }
	done
}

# rest NAME INSTANCES: the loop has done all that followed, and just so many instances are left.
rest() { [ "$(API "$1/targets" | jq '.items[] | select(.pending | not) | .instances | length')" = "$2" ]; }
wait_rest() { within 60 rest "$1" "$2" || { echo "$1 does not come to rest" >&2; return 1; }; }

# go_back [-a [-c]] NAME VERSION: ms of the command; with -a to an answer of that version after it, with -c to the first one.
go_back() {
	local options=()
	if [ "$1" = -a ]; then
		shift
		[ "$1" != -c ] || { options+=(-c); shift; }
		options+=(-p "$GATEWAY_PORT" -H "$1.dev.fn.localhost" -w "$1-v$2")
	fi
	"$WORK/stopwatch" ${options[@]+"${options[@]}"} "$FN_HOME/bin/fnctl" rollback "$1" "$2"
}

# Between two releases that are warm and held in turn; what is declared is a third, so that no hold ends by itself.
rollback_warm() { # ROUNDS
	local name=bench-warm round
	rollback_function $name '{warm: 1, warmTime: 1h}' 3
	fnctl rollback $name 2 >/dev/null && fnctl rollback $name 1 >/dev/null && wait_rest $name 2 || return 1
	: >"$WORK/ours" && : >"$WORK/theirs" && : >"$WORK/answer" && : >"$WORK/inside" && : >"$WORK/notify"
	for round in $(seq "$1"); do
		go_back $name 2 >>"$WORK/ours"
		wait_rest $name 2
		"$WORK/database" "$DATABASE" command >>"$WORK/theirs"
		is_from $name warm || return 1
		API "$name/rollbacks?limit=1" | jq '.items[0].milliseconds' >>"$WORK/inside"
		"$WORK/database" "$DATABASE" notify 5 | median >>"$WORK/notify"
		go_back -a -c $name 1 >>"$WORK/answer"
		is_from $name warm || return 1
		wait_rest $name 2
	done
	figure rollback.warm ms 'a command that updates a row, until a listener knows' "$WORK/ours" "$WORK/theirs"
	figure rollback.warm.answer ms 'a command that updates a row, until a listener knows' "$WORK/answer" "$WORK/theirs"
	figure rollback.warm.inside ms 'UPDATE and NOTIFY until a listener knows, open connections' "$WORK/inside" "$WORK/notify"
}

# rollback_cold FIGURE NAME VERSIONS ROUNDS PEER: to the first VERSIONS versions one after the other, again and again. FIGURE_ready NAME VERSION makes
# the one what it is to be, FIGURE_peer VERSION is the peer's turn.
rollback_cold() {
	local figure=$1 name=$2 versions=$3 round version
	peer_versions "$versions" || return 1
	: >"$WORK/ours" && : >"$WORK/theirs"
	for round in $(seq 0 "$4"); do
		version=$((round % versions + 1))
		"${figure/./_}_ready" "$name" "$version" || return 1
		go_back -a "$name" "$version" >>"$WORK/ours"
		is_from "$name" "${figure#rollback.}" || return 1
		wait_rest "$name" 1
		"${figure/./_}_peer" "$version" >>"$WORK/theirs"
		peer_stop
		# The first round warms both sides' caches.
		[ "$round" -gt 0 ] || { : >"$WORK/ours"; : >"$WORK/theirs"; }
	done
	figure "$figure" ms "$5" "$WORK/ours" "$WORK/theirs"
}

# is_from NAME WHAT: where the last rollback's image came from; else what was measured was something else.
is_from() {
	local image
	image=$(API "$1/rollbacks?limit=1" | jq -r '.items[0].image')
	[ "$image" = "$2" ] || { echo "$1 was $image, not $2" >&2; return 1; }
}

rollback_kept() { # ROUNDS
	rollback_function bench-kept '{warm: 0}' 3
	rollback_cold rollback.kept bench-kept 2 "$1" "podman run ($OCI_RUNTIME)"
}
rollback_kept_ready() { wait_rest "$1" 1; }
rollback_kept_peer() { peer_time "$1" --pull never; }

# The fourth version is the newest one, which stays; of the others one serves and one served before, so that the next is archived.
rollback_archived() { # ROUNDS
	rollback_function bench-archived '{versions: 1, warm: 0}' 4
	rollback_cold rollback.archived bench-archived 3 "$1" "podman pull and run ($OCI_RUNTIME)"
}
is_archived() { API "$1/deployments/$2" | jq -e '.status == "archived" and .imageDeletedAt' >/dev/null; }
rollback_archived_ready() {
	wait_rest "$1" 1 || return 1
	fnctl gc >/dev/null 2>"$WORK/gc.err" || { cat "$WORK/gc.err" >&2; return 1; }
	within 60 is_archived "$1" "$2" || { echo "version $2 of $1 was not archived" >&2; return 1; }
}
rollback_archived_peer() {
	peer_forget || return 1
	peer_time "$1" --pull missing --tls-verify=false --authfile "$PEER_AUTH"
}
