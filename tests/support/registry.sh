#!/bin/bash
# A private docker-registry (Debian's package) with credentials and deletion. Sourced:
#     start_registry DIR PORT USER PASS    sets REGISTRY_PID; returns when it answers
#     stop_registry
#     free_port                            prints a port that nobody listens on
# or run: `registry.sh serve DIR PORT USER PASS` becomes the registry.
# The configuration is the reference for a deployment too: htpasswd, a file system, deletion, loopback only. No
# blobdescriptor cache: it keeps answering HEAD 200 for what garbage collection has removed.

write_registry_config() { # DIR PORT USER PASS
	mkdir -p "$1/data"
	# bcrypt at its least cost: it is spent on every request, and a generated password needs no stretching
	printf '%s' "$4" | htpasswd -niB -C 4 "$3" | sed '/^$/d' >"$1/htpasswd.new"
	mv "$1/htpasswd.new" "$1/htpasswd"
	cat >"$1/config.yml" <<-CONFIG
		version: 0.1
		log:
		  level: warn
		  accesslog:
		    disabled: true
		storage:
		  filesystem:
		    rootdirectory: $1/data
		  delete:
		    enabled: true
		http:
		  addr: 127.0.0.1:$2
		  secret: $(head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n')
		  headers:
		    X-Content-Type-Options: [nosniff]
		auth:
		  htpasswd:
		    realm: functions
		    path: $1/htpasswd
	CONFIG
}

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

wait_for_registry() { # PORT
	local deadline=$((SECONDS + 15))
	until curl -s -o /dev/null "http://127.0.0.1:$1/v2/"; do
		if ! kill -0 "$REGISTRY_PID" 2>/dev/null || [ $SECONDS -ge $deadline ]; then
			echo "docker-registry did not start on port $1" >&2
			return 1
		fi
		sleep 0.02
	done
}

start_registry() { # DIR PORT USER PASS
	write_registry_config "$@" || return 1
	docker-registry serve "$1/config.yml" >"$1/log" 2>&1 &
	REGISTRY_PID=$!
	wait_for_registry "$2"
}

stop_registry() {
	[ -n "${REGISTRY_PID:-}" ] || return 0
	kill "$REGISTRY_PID" 2>/dev/null
	wait "$REGISTRY_PID" 2>/dev/null
	REGISTRY_PID=
	return 0
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	set -eu
	[ "${1:-}" = serve ] && [ $# -eq 5 ] || { echo "usage: $0 serve DIR PORT USER PASS" >&2; exit 2; }
	shift
	write_registry_config "$@"
	exec docker-registry serve "$1/config.yml"
fi
