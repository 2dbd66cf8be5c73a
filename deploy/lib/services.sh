# The four services and their supervisor: runit's runsvdir, in a session of its own, or below systemd where that is init.
# shellcheck shell=bash

SERVICES='postgresql registry node controller'
PG_BIN=/usr/lib/postgresql/15/bin

# service NAME <RUN-SCRIPT: the directory that runsv wants, with a rotated log in FN_HOME/log/NAME/current.
service() {
	local name=$1 sv=$FN_HOME/sv/$1
	if [ ! -d "$FN_HOME/log/$name" ]; then
		make_dir "$FN_HOME/log/$name" 750 root:root
		printf 's1000000\nn5\n' >"$FN_HOME/log/$name/config"
		chown "$FN_USER:$FN_USER" "$FN_HOME/log/$name"
	fi
	# Complete before runsvdir sees it.
	local new=$sv
	[ -d "$sv" ] || new=$FN_HOME/sv/.new-$name
	mkdir -p "$new/log"
	put "$new/run" 755 root:root
	printf '#!/bin/sh\nexec chpst -u %s svlogd -tt %s\n' "$FN_USER" "$FN_HOME/log/$name" | put "$new/log/run" 755 root:root
	if [ "$name" = postgresql ]; then
		mkdir -p "$new/control"
		# runsv would send TERM, with which PostgreSQL waits for its clients to leave.
		printf '#!/bin/sh\nkill -INT "$(cat supervise/pid)"\n' | put "$new/control/t" 755 root:root
	fi
	if [ "$new" != "$sv" ]; then
		# The first time it waits for start_service; afterwards it starts with the supervisor.
		touch "$new/down"
		mv "$new" "$sv"
	fi
}

write_services() {
	service postgresql <<END
#!/bin/sh
exec 2>&1
exec chpst -u postgres:postgres:$FN_USER $PG_BIN/postgres -D $FN_HOME/postgresql -c config_file=$FN_HOME/etc/postgresql.conf
END
	service registry <<END
#!/bin/sh
exec 2>&1
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin OTEL_TRACES_EXPORTER=none chpst -u $FN_USER docker-registry serve $FN_HOME/secrets/registry.yml
END
	service node <<END
#!/bin/sh
exec 2>&1
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin FN_HOME=$FN_HOME chpst -o 65536 $FN_HOME/bin/fn-node
END
	service controller <<END
#!/bin/sh
exec 2>&1
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin FN_HOME=$FN_HOME chpst -u $FN_USER -o 4096 $FN_HOME/bin/fn-controller
END
}

unit_name() { printf 'fn-%s.service\n' "$INSTANCE"; }

# KillMode=process: what fn-node has started goes on serving while the services restart. HUP makes runsvdir end its services.
write_unit() {
	put "/etc/systemd/system/$(unit_name)" 644 root:root <<END
[Unit]
Description=Functions Controller in $FN_HOME
After=network.target

[Service]
Environment=PATH=/usr/sbin:/usr/bin:/sbin:/bin
ExecStart=/usr/bin/runsvdir -P $FN_HOME/sv
KillMode=process
KillSignal=SIGHUP
SuccessExitStatus=111
Restart=always
Delegate=yes
TasksMax=infinity
LimitNOFILE=65536

[Install]
WantedBy=multi-user.target
END
	! changed /etc/systemd/system/* || systemctl daemon-reload
}

supervisor_pid() {
	local file
	while IFS= read -r file; do
		tr '\0' ' ' <"$file" 2>/dev/null | grep -qE "^(/usr/bin/)?runsvdir -P $FN_HOME/sv( |\$)" || continue
		file=${file#/proc/}
		printf '%s\n' "${file%/cmdline}"
		return
	done < <(grep -lsaF "$FN_HOME/sv" /proc/[0-9]*/cmdline || :)
	return 1
}

# Whether this run has started the supervisor: its services run with what is on disk now.
FRESH=false

start_supervisor() {
	if supervisor_pid >/dev/null; then
		return
	fi
	step "supervisor: runsvdir on $FN_HOME/sv"
	FRESH=true
	if systemd_is_init; then
		write_unit
		systemctl enable --now --quiet "$(unit_name)"
	else
		# No descriptor of ours but the three standard ones: it lives on.
		(
			for fd in /proc/self/fd/*; do
				fd=${fd##*/}
				[ "$fd" -le 2 ] || eval "exec $fd>&-"
			done
			exec setsid --fork env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin runsvdir -P "$FN_HOME/sv" \
				</dev/null >>"$FN_HOME/log/supervisor" 2>&1
		)
	fi
	wait_until 10 supervisor_pid >/dev/null || fail "runsvdir did not start" "see $FN_HOME/log/supervisor"
}

is_supervised() { [ "$(sv status "$FN_HOME/sv/$1" 2>/dev/null | cut -c1-4)" = run: ]; }
is_watched() { [ -p "$FN_HOME/sv/$1/supervise/ok" ] && sv status "$FN_HOME/sv/$1" >/dev/null 2>&1; }

# start_service NAME SECONDS COMMAND…: up, with the new program or configuration if this run changed it, and ready.
start_service() {
	local name=$1 seconds=$2
	shift 2
	wait_until 10 is_watched "$name" || fail "no runsv looks after $name" "see $FN_HOME/log/supervisor"
	if is_supervised "$name" && ! $FRESH && service_changed "$name"; then
		step "$name: restart"
		sv -w 60 restart "$FN_HOME/sv/$name" >/dev/null || :
	elif ! is_supervised "$name"; then
		step "$name: start"
		sv up "$FN_HOME/sv/$name" >/dev/null
	fi
	wait_until "$seconds" "$@" || service_failed "$name" "$seconds"
	rm -f "$FN_HOME/sv/$name/down"
}

service_failed() {
	printf 'error: %s is not ready after %s s; its last lines:\n' "$1" "$2" >&2
	tail -n 30 "$FN_HOME/log/$1/current" >&2 2>/dev/null || echo '  (none)' >&2
	printf '  next: see %s/log/%s/current; run this again when the cause is gone\n' "$FN_HOME" "$1" >&2
	exit 1
}

service_changed() {
	case $1 in
	postgresql) changed "$FN_HOME/sv/postgresql/run" "$FN_HOME/etc/p*.conf" ;;
	registry) changed "$FN_HOME/sv/registry/run" "$FN_HOME/secrets/registry.*" ;;
	node) changed "$FN_HOME/sv/node/run" "$FN_HOME/fn.conf" "$FN_HOME/bin/fn-node" ;;
	controller) changed "$FN_HOME/sv/controller/run" "$FN_HOME/fn.conf" "$FN_HOME/bin/fn-controller" "$FN_HOME/secrets/registry" "$FN_HOME/secrets/token" ;;
	esac
}

postgresql_ready() { (cd / && chpst -u postgres "$PG_BIN/pg_isready" -q -h "$FN_HOME/run/postgresql"); }
registry_ready() {
	[ "$(curl -s -o /dev/null -w '%{http_code}' -m 2 "http://127.0.0.1:$REGISTRY_PORT/v2/")" = 401 ]
}
node_ready() { [ -n "$(ss -Hlx "src $FN_HOME/run/node.sock")" ]; }
controller_ready() { curl -sf -o /dev/null -m 5 --unix-socket "$FN_HOME/run/api.sock" http://localhost/readyz; }
