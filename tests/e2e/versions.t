#!/usr/bin/env bash
# The requirements' testing checklist, word for word, for each kind of runtime, through the shipped binaries.
. "$(dirname "$0")/../support/e2e.sh"
. "$TESTS/support/story.sh"
open_story
SQL=(psql -X -h "$FN_HOME/run/postgresql" -U fn -d fn -At -v ON_ERROR_STOP=1 -c)
sql() { (cd / && setpriv --reuid fn --regid fn --clear-groups "${SQL[@]}" "$1"); }

# source KIND DIR TEXT: a function named after its kind that answers TEXT.
source_static() {
	[ -d "$1" ] || { hello "$1" static-one x && edit "$1" 's/^    language: c$/    kind: static/'; }
	printf '%s\n' "$2" >"$1/public/index.html"
}
source_python() {
	mkdir -p "$1"
	cat >"$1/main.py" <<-END
	import os
	from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

	class Handler(BaseHTTPRequestHandler):
	    protocol_version = "HTTP/1.1"

	    def do_GET(self):
	        body = b"$2"
	        self.send_response(200)
	        self.send_header("Content-Length", str(len(body)))
	        self.end_headers()
	        self.wfile.write(body)

	ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
	END
	manifest "$1" python '[python3, main.py]'
}
source_node() {
	mkdir -p "$1"
	printf 'require("http").createServer((req, res) => res.end("%s")).listen(process.env.PORT)\n' "$2" >"$1/server.js"
	manifest "$1" node '[node, server.js]'
}
manifest() {
	printf 'apiVersion: fn/v1\nkind: Function\nmetadata: {name: %s-one}\nspec:\n  runtime: %s\n  source: {dir: .}\n  command: %s\n  health: {path: /, deadline: 60s}\n' \
		"$2" "$2" "$3" >"$1/function.yaml"
}

# timed NAME SECONDS COMMAND…: it succeeds, within the requirements' bound; says how long it took.
timed() {
	local name=$1 most=$2 start ms
	shift 2
	start=$(date +%s%N)
	ok "$name" "$@"
	ms=$((($(date +%s%N) - start) / 1000000))
	ok "$name: less than $most s" [ "$ms" -lt $((most * 1000)) ]
	diag "$name: $ms ms"
}
history() { fnctl history "$1" -o json | jq -r '.items[] | "\(.version) \(.status) \(.activeIn | join(","))"'; }

for kind in static python node; do
	name=$kind-one dir=$WORK/$kind
	"source_$kind" "$dir" "answer one"
	timed "$kind: deploy new function" 120 fnctl deploy "$dir"
	is "$kind: creates version 1" "$(history "$name")" '1 ready dev'
	id=$(of "function/$name" .status.id)
	is "$kind: which answers" "$(get "$name.dev")" 'answer one'

	"source_$kind" "$dir" "answer two"
	timed "$kind: deploy update to existing function" 120 fnctl deploy "$dir"
	is "$kind: creates version 2, the previous one is inactive" "$(history "$name")" $'2 ready dev\n1 ready '
	is "$kind: the new one answers" "$(get "$name.dev")" 'answer two'
	is "$kind: the function says which is active" "$(sql "SELECT f.status || ' ' || d.version || ' ' || d.is_active FROM functions f
		JOIN function_deployments d ON d.id = f.active_deployment_id WHERE f.id = '$id'")" 'active 2 true'

	like "$kind: view deployment history" "$(fnctl history "$name")" '^2 +ready +dev +root '
	is "$kind: by the API, by id and without /api" \
		"$("${API[@]}" "http://fn/functions/$id/deployments?limit=1" | jq -c '[(.items[0] | .version, .status, .createdBy, .active), .next != null]')" '[2,"ready","root",true,true]'

	timed "$kind: rollback to version 1" 30 fnctl rollback "$name" 1 -m 'the checklist says so'
	is "$kind: invoke function uses the rolled-back version" "$(fnctl invoke "$name")" 'answer one'
	is "$kind: which is the active one" "$(history "$name")" $'2 ready \n1 ready dev'

	"source_$kind" "$dir" "answer three"
	timed "$kind: deploy another update" 120 fnctl deploy "$dir"
	is "$kind: creates version 3" "$(history "$name")" $'3 ready dev\n2 ready \n1 ready '
	is "$kind: invoke uses it" "$(fnctl invoke "$name")" 'answer three'

	stored=0 images=0
	for n in 1 2 3; do
		key=functions/$id/v$n/function.tar.gz
		digest=$(sql "SELECT source_digest FROM function_deployments WHERE function_id = '$id' AND version = $n AND s3_key = '$key'")
		[ "sha256:$(sha256sum "$FN_HOME/store/$key" | cut -d' ' -f1)" = "$digest" ] && stored=$((stored + 1))
		code=$(curl -s -o /dev/null -w '%{http_code}' -u "$(cat "$FN_HOME/secrets/registry")" -I -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
			"http://127.0.0.1:$REGISTRY_PORT/v2/functions/default/$name/manifests/v$n")
		[ "$code" = 200 ] && images=$((images + 1))
	done
	is "$kind: all versions are in the store" "$stored" 3
	is "$kind: all images exist" "$images" 3
	is "$kind: the deployment logs show it all" "$(fnctl history "$name" --operations -o json | jq -r '[.items[].operation] | reverse | join(" ")')" \
		'deploy build activate deploy build activate rollback activate release-hold deploy build activate'
done

# --- more than the checklist
is 'a version is described' "$(fnctl get deployments static-one -o name)" $'deployment/static-one/3\ndeployment/static-one/2\ndeployment/static-one/1'
like 'with where it serves' "$(fnctl describe deployment static-one/3)" 'dev'
like 'and who and why' "$(fnctl history static-one --rollbacks)" 'the checklist says so'
is 'pages of history follow each other' "$(
	cursor=
	for page in 1 2 3; do
		answer=$("${API[@]}" "http://fn/api/functions/static-one/deployments?limit=1&cursor=$cursor")
		jq -r '.items[].version' <<<"$answer"
		cursor=$(jq -r '.next // ""' <<<"$answer")
	done
	echo "next: $cursor"
)" $'3\n2\n1\nnext: '
ok 'down leaves nothing' down
done_testing
