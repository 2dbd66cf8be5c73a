# The peers' side of the benchmark: buildah, podman and nginx in directories and on ports of this run. Sourced.
# shellcheck shell=bash

# peers_open: after the installation is up; it pushes to the same registry and starts with the same OCI runtime.
peers_open() {
	PEER_PORT=$((API_PORT + 6))
	PROXY_PORT=$((API_PORT + 7))
	OCI_RUNTIME=$(sed -n 's/.*"runtime":"\([a-z]*\) .*/\1/p' "$FN_HOME/log/node/current" | tail -n 1)
	OCI_RUNTIME=${OCI_RUNTIME:-runc}
	PEER_STORE=(--root "$WORK/peer/root" --runroot "$WORK/peer/run")
	PEER_AUTH=$WORK/peer/auth.json
	PEER_CONTAINER=
	mkdir -p "$WORK/peer"
	jq -n --arg host "127.0.0.1:$REGISTRY_PORT" --arg auth "$(tr -d '\n' <"$FN_HOME/secrets/registry" | base64 -w0)" \
		'{auths: {($host): {auth: $auth}}}' >"$PEER_AUTH"
	printf '{"default":[{"type":"insecureAcceptAnything"}]}\n' >"$WORK/peer/policy.json"
	local node
	node=$(sed -n 's/^  base: *"\{0,1\}\([^"]*\)"\{0,1\}$/\1/p' "$FN_HOME/runtimes/node.yaml")
	printf 'FROM scratch\nCOPY server /app/server\nCOPY public /app/public\nENV PORT=%s\nCMD ["/app/server", "/app/public"]\n' "$PEER_PORT" \
		>"$WORK/static/Containerfile"
	printf 'FROM 127.0.0.1:%s/%s\nCOPY server.js /app/server.js\nWORKDIR /app\nENV PORT=%s\nCMD ["/usr/bin/node", "server.js"]\n' \
		"$REGISTRY_PORT" "$node" "$PEER_PORT" >"$WORK/node/Containerfile"
}

peer_podman() { podman "${PEER_STORE[@]}" --cgroup-manager cgroupfs --runtime "$OCI_RUNTIME" "$@"; }

# peer_deploy KIND: build, push, replace the running container.
peer_deploy() {
	local image=127.0.0.1:$REGISTRY_PORT/bench/$1
	buildah "${PEER_STORE[@]}" bud -q --layers --isolation chroot --tls-verify=false --authfile "$PEER_AUTH" \
		--signature-policy "$WORK/peer/policy.json" -t "$image" "$WORK/$1" >"$WORK/peer/log" 2>&1 &&
		buildah "${PEER_STORE[@]}" push -q --tls-verify=false --authfile "$PEER_AUTH" --signature-policy "$WORK/peer/policy.json" \
			"$image" >>"$WORK/peer/log" 2>&1 || { cat "$WORK/peer/log" >&2; return 1; }
	peer_stop
	PEER_CONTAINER=$(peer_podman run -d --rm --network host --pull never \
		--ulimit nofile=1024:1024 --ulimit nproc=30000:30000 "$image" 2>>"$WORK/peer/log") ||
		{ cat "$WORK/peer/log" >&2; return 1; }
}

# peer_versions N: as many images of the static server, each with another page, here and in the registry.
peer_versions() {
	local version
	peer_stop
	for version in $(seq "$1"); do
		echo "peer-v$version" >"$WORK/static/public/index.html"
		buildah "${PEER_STORE[@]}" bud -q --layers --isolation chroot --signature-policy "$WORK/peer/policy.json" \
			-t "$(peer_tag "$version")" "$WORK/static" >"$WORK/peer/log" 2>&1 &&
			buildah "${PEER_STORE[@]}" push -q --tls-verify=false --authfile "$PEER_AUTH" --signature-policy "$WORK/peer/policy.json" \
				"$(peer_tag "$version")" >>"$WORK/peer/log" 2>&1 || { cat "$WORK/peer/log" >&2; return 1; }
	done
	echo 'bench-0' >"$WORK/static/public/index.html"
}
peer_tag() { printf '127.0.0.1:%s/bench/versions:%s\n' "$REGISTRY_PORT" "$1"; }

# peer_time VERSION OPTION…: ms from `podman run` to its first answer.
peer_time() {
	local version=$1
	shift
	PEER_CONTAINER=$INSTANCE-peer
	"$WORK/stopwatch" -p "$PEER_PORT" -H localhost -w "peer-v$version" podman "${PEER_STORE[@]}" --cgroup-manager cgroupfs --runtime "$OCI_RUNTIME" \
		run -q -d --rm --name "$PEER_CONTAINER" --network host --ulimit nofile=1024:1024 --ulimit nproc=30000:30000 "$@" "$(peer_tag "$version")"
}

# The registry has its images, the peer's storage none, and no layer of them.
peer_forget() { peer_podman rmi -a -f >/dev/null; }

peer_stop() {
	[ -z "$PEER_CONTAINER" ] || peer_podman rm -f -t 0 "$PEER_CONTAINER" >/dev/null 2>&1 || :
	PEER_CONTAINER=
}

peer_proxy_start() { # ADDRESS
	mkdir -p "$WORK/peer/nginx/logs"
	cat >"$WORK/peer/nginx/nginx.conf" <<END
worker_processes 2;
pid $WORK/peer/nginx/pid;
error_log $WORK/peer/nginx/error.log;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path $WORK/peer/nginx/body;
	proxy_temp_path $WORK/peer/nginx/proxy;
	fastcgi_temp_path $WORK/peer/nginx/fastcgi;
	uwsgi_temp_path $WORK/peer/nginx/uwsgi;
	scgi_temp_path $WORK/peer/nginx/scgi;
	upstream function { server $1; keepalive 64; }
	server {
		listen 127.0.0.1:$PROXY_PORT;
		location / { proxy_pass http://function; proxy_http_version 1.1; proxy_set_header Connection ""; }
	}
}
END
	/usr/sbin/nginx -p "$WORK/peer/nginx" -c "$WORK/peer/nginx/nginx.conf" {INSTANCE_LOCK}>&-
}

peer_proxy_stop() { [ ! -s "$WORK/peer/nginx/pid" ] || kill "$(cat "$WORK/peer/nginx/pid")"; }

peers_close() {
	peer_podman rm -a -f -t 0 >/dev/null 2>&1 || :
	peer_proxy_stop
	umount "$WORK/peer/root/overlay" 2>/dev/null || :
}
