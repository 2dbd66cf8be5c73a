#!/usr/bin/env bash
# A function that attacks the kernel, the host, its neighbours and the services; bombs that hurt only itself.
. "$(dirname "$0")/../support/e2e.sh"
. "$TESTS/support/story.sh"
open_story

# The same program as attacker, and as a victim in two environments.
hostile() { # DIR NAME [LABELS]
	mkdir -p "$1"
	cp "$WORK/hostile" "$1/hostile"
	cat >"$1/function.yaml" <<-END
		apiVersion: fn/v1
		kind: Function
		metadata: {name: $2, labels: {${3:-}}}
		spec:
		  runtime: static
		  source: {dir: .}
		  command: [/app/hostile]
		  env: {NAME: $2}
		  health: {path: /healthz, interval: 500ms, timeout: 2s, deadline: 10s}
		  resources: {memory: 128Mi, cpu: 500m, pids: 64}
	END
}
ok 'the attacker compiles' gcc -std=c17 -D_GNU_SOURCE -O2 -static -s -o "$WORK/hostile" "$TESTS"/support/hostile/*.c
hostile "$WORK/attacker" attacker
hostile "$WORK/victim" victim 'staging: "true"'
ok 'attacker and victims are deployed' apply "$WORK/attacker" -f "$WORK/victim" --wait

# --- system calls and files: each by name
refusal() { # NAME: how it must be refused
	case $1 in
	clone_* | clone3) echo 'EPERM|ENOSYS' ;; # ENOSYS is what libc takes as "use clone"
	packet* | alg | vsock | bluetooth | key_socket | netlink_*) echo 'EAFNOSUPPORT|EPERM|ENOSYS' ;;
	nice) echo 'EACCES|EPERM' ;;
	write_root | write_app | write_passwd | write_exe | rename_app) echo EROFS ;;
	write_hostname | write_ip_forward | write_core_pattern) echo 'EACCES|EROFS' ;;
	write_sysrq | write_oom_score | write_dev) echo 'EACCES|EROFS|ENOENT' ;;
	read_proc_kmsg) echo 'EACCES|EPERM' ;;
	read_kcore | read_keys | read_timer_list) echo 'ENODATA|ENOENT|EACCES' ;; # ENODATA: an empty file in its place
	read_* | open_*) [ "$1" = open_tree ] || [ "$1" = open_by_handle_at ] && echo EPERM || echo 'ENOENT|EPERM|EACCES' ;;
	*) echo EPERM ;;
	esac
}
get attacker.dev /attacks >"$WORK/attacks"
is 'more than ninety attacks were tried' "$(jq 'length > 90' "$WORK/attacks")" true
while read -r name result; do
	like "denied: $name" "$result" "^($(refusal "$name"))\$"
done < <(jq -r 'to_entries[] | "\(.key) \(.value)"' "$WORK/attacks")

# --- what is visible inside
seen=$(get attacker.dev /seen)
is 'only /tmp and /dev/shm can be written' "$(jq -c '.writable | sort' <<<"$seen")" '["/dev/shm","/tmp"]'
is 'no socket, block device or setuid program is visible' "$(jq -c '[.sockets, .blocks, .setuid]' <<<"$seen")" '[0,0,0]'
is 'only its own processes are' "$(jq '.processes | length' <<<"$seen")" 2
is 'no descriptor was left open for it' \
	"$(jq -c '[.descriptors[] | select(test("^(/dev/null|pipe:|socket:)") | not)]' <<<"$seen")" '[]'

# --- seen from outside
pid=$(instance_pids attacker | head -n 1)
field() { sed -n "s/^$1:\t*//p" "/proc/$pid/status"; }
unlike 'its uid is not root' "$(field Uid)" '(^|[^0-9])0([^0-9]|$)'
is 'it has one uid only' "$(field Uid | tr '\t' '\n' | sort -u | wc -l)" 1
is 'it has no supplementary group' "$(field Groups | tr -d ' ')" ''
for set in CapInh CapPrm CapEff CapBnd CapAmb; do
	is "$set is empty" "$(field $set)" 0000000000000000
done
is 'it can gain no privileges' "$(field NoNewPrivs)" 1
is 'its system calls are filtered' "$(field Seccomp)" 2
for ns in pid net mnt ipc uts; do
	unlike "its $ns namespace is its own" "$(readlink "/proc/$pid/ns/$ns" || echo none)" "^(none|$(readlink "/proc/self/ns/$ns" | sed 's/[][]/./g'))\$"
done
uid_of() { awk '/^Uid:/ { print $2 }' "/proc/$1/status"; }
victim_pid=$(instance_pids victim | head -n 1)
ok 'a neighbour has another uid' [ "$(uid_of "$pid")" != "$(uid_of "$victim_pid")" ]

limit() { # CONTROLLER V1-FILE V2-FILE: of its cgroup
	local path
	path=$(sed -n "s/^[0-9]*:\([a-z,_]*,\)*$1\(,[a-z,_]*\)*:\/\(.*\)/\3/p" "/proc/$pid/cgroup")
	if [ -n "$path" ]; then
		cat "/sys/fs/cgroup/$1/$path/$2"
	else
		cat "/sys/fs/cgroup/$(sed -n 's/^0::\///p' "/proc/$pid/cgroup")/$3"
	fi
}
is 'its memory is limited' "$(limit memory memory.limit_in_bytes memory.max)" $((128 << 20))
is 'its processes are' "$(limit pids pids.max pids.max)" 64
like 'its processor time is' "$(limit cpu cpu.cfs_quota_us cpu.max)" '^50000( 100000)?$'

# --- what can be reached
victim=$(addresses_of victim dev) staging=$(addresses_of victim staging)
# As on a host that forwards (for containers of others, say): only the rules are left to forbid it.
for link in $(ip -o link show | grep -oE "$INSTANCE-v[0-9]+" | sort -u); do
	echo 1 >"/proc/sys/net/ipv4/conf/$link/forwarding"
done
like 'the victims have addresses' "$victim $staging" '^[0-9.]+:8080 [0-9.]+:8080$'
python3 -u - "$WORK/host" <<'END' >"$WORK/host.log" 2>&1 {INSTANCE_LOCK}>&- &
import select, socket, sys
tcp = socket.socket(socket.AF_INET6); tcp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
tcp.bind(("::", 0)); tcp.listen(64)
port = tcp.getsockname()[1]
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); udp.bind(("0.0.0.0", port))
print(port, flush=True)
while True:
    for s in select.select([tcp, udp], [], [])[0]:
        if s is tcp:
            c, peer = tcp.accept(); print("tcp", peer[0]); c.sendall(b"host\n"); c.close()
        else:
            data, peer = udp.recvfrom(100); print("udp", peer[0]); udp.sendto(data, peer)
END
host_service=$!
ok 'a service listens on all the host'"'"'s addresses' within 10 grep -qE '^[0-9]+$' "$WORK/host.log"
port=$(head -n 1 "$WORK/host.log")
mapfile -t hosts < <(ip -4 -o addr show | awk '{ sub("/.*", "", $4); print $4 }' | sort -u)
like 'which the host itself reaches' "$(curl -s --http0.9 -m 5 "http://$LINK_ADDRESS:$port/"; cat "$WORK/host.log")" 'host'
link6=$(for l in $(ip -o link show | grep -oE "$INSTANCE-v[0-9]+" | sort -u); do
	ip -6 -o addr show dev "$l" scope link | awk '{ sub("/.*", "", $4); print $4 }'; done)
targets=$(for a in "${hosts[@]}"; do printf '%s:%s,' "$a" "$port"; done; for a in $link6; do printf '[%s]:%s,' "$a" "$port"; done)
tcp_reached=$(get attacker.dev "/connect?$targets") udp_reached=$(get attacker.dev "/udp?$targets")
for address in "${hosts[@]}"; do
	unlike "a host service on $address:$port is out of reach by TCP" "$(jq -r --arg a "$address:$port" '.[$a] // "open"' <<<"$tcp_reached")" '^open$'
	unlike "and by UDP" "$(jq -r --arg a "$address:$port" '.[$a] // "answered"' <<<"$udp_reached")" '^answered$'
done
is 'nor by IPv6 on the link' "$(jq '[to_entries[] | select(.value == "open")] | length' <<<"$tcp_reached")" 0
is 'the service saw nobody from an instance' "$(grep -E "^(tcp|udp) (::ffff:)?${SUBNET%.*.*}\." "$WORK/host.log")" ''
kill "$host_service"
wait "$host_service" 2>/dev/null

denied() { # NAME ADDRESS:PORT
	unlike "out of reach: $1" "$(jq -r --arg a "$2" '.[$a] // "open"' <<<"$reached")" '^open$'
}
ssh=$LINK_ADDRESS:22 registry=$LINK_ADDRESS:$REGISTRY_PORT api=$LINK_ADDRESS:$API_PORT
reached=$(get attacker.dev "/connect?$victim,$staging,$registry,127.0.0.1:$REGISTRY_PORT,$api,127.0.0.1:$API_PORT,$ssh,127.0.0.1:$GATEWAY_PORT,1.1.1.1:443,169.254.169.254:80,$LINK_ADDRESS:$GATEWAY_PORT")
denied 'another function in the same environment' "$victim"
denied 'the same in another environment' "$staging"
denied 'the registry' "$registry"
denied 'the registry on loopback' "127.0.0.1:$REGISTRY_PORT"
denied 'the API' "$api"
denied 'the API on loopback' "127.0.0.1:$API_PORT"
denied 'ssh on the host' "$ssh"
denied 'the internet' 1.1.1.1:443
denied 'a cloud'"'"'s metadata' 169.254.169.254:80
is 'only the gateway is within reach' "$(jq -r --arg a "$LINK_ADDRESS:$GATEWAY_PORT" '.[$a]' <<<"$reached")" open
sockets=$FN_HOME/run/node.sock,$FN_HOME/run/api.sock,$FN_HOME/run/postgresql/.s.PGSQL.5432
for file in ${sockets//,/ }; do
	ok "on the host there is ${file##*/}" [ -S "$file" ]
	is "inside there is no ${file##*/}" "$(get attacker.dev "/unix?$file" | jq -r '.[]')" ENOENT
done

# --- names
is 'names of functions resolve to the gateway' "$(get attacker.dev '/dns?victim.dev.fn.internal' | jq -r .address)" "$LINK_ADDRESS"
is 'others do not resolve' "$(get attacker.dev '/dns?example.com' | jq -c '[.rcode, .answers]')" '[3,0]'
is 'another function is reached by its name, through the gateway' \
	"$(get attacker.dev "/http?$LINK_ADDRESS:$GATEWAY_PORT,victim.dev.fn.internal:$GATEWAY_PORT,/" | jq -r '.body | fromjson | .function')" victim
is 'a name that nobody has is a 404' "$(get attacker.dev "/http?$LINK_ADDRESS:$GATEWAY_PORT,nobody.dev.fn.internal,/" | jq -r .status)" 404

# --- somebody else's source address: as the function, and as root in its network
get victim.dev "/heard?5999" >"$WORK/heard" &
listening=$!
ok 'the victim listens' within 5 grep -qs ":$(printf %04X 5999) " "/proc/$victim_pid/net/udp"
spoof=$(get attacker.dev "/spoof?${victim%:*}:5999,$LINK_ADDRESS:$GATEWAY_PORT")
unlike 'a connection from a neighbour'"'"'s address is not made' "$(jq -r .tcp <<<"$spoof")" '^open$'
nsenter -t "$pid" -n python3 - "${victim%:*}" "$LINK_ADDRESS" 5999 <<'END'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_IP, 19, 1)  # IP_TRANSPARENT
s.bind((sys.argv[1], int(sys.argv[3])))
for _ in range(5):
    s.sendto(b"\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0\7spoofed\3dev\2fn\10internal\0\0\1\0\1", (sys.argv[2], 53))
END
wait "$listening"
is 'what answers spoofed questions does not reach the neighbour; its own do' "$(jq -r .heard "$WORK/heard")" 1

# --- bombs
status_line() { target attacker dev '.instances[] | "\(.state) \(.restarts) \(.message)"'; }
restarts() { target attacker dev '.instances[0].restarts'; }
pids_now() { limit pids pids.current pids.current; }
start_prober calm victim.dev --expect victim --rate 50 --least 150
no_failures 'before the bombs' calm
baseline=$(probed .p95)
limit_ms=$(jq -n "[$baseline * 20, 150] | max") # generous: two processors are shared by everything that tests

neighbour() { # NAME: stops the prober; the neighbour answered everything, in about its usual time
	no_failures "$1: the neighbour" bomb
	ok "$1: its 95th percentile is $(probed .p95) ms (calm: $baseline ms)" [ "$(probed ".p95 < $limit_ms")" = true ]
}
bomb() { # NAME TIMES: with the prober on the neighbour; what the last answers is in BOMB
	local i
	start_prober bomb victim.dev --expect victim --rate 50 --least 25
	for i in $(seq "$2"); do
		BOMB=$(get attacker.dev "/bomb/$1" 2>&1)
	done
}
calm_again() { [ "$(target attacker dev '.instances[0].state')" = ready ] && [ "$(pids_of_attacker)" -le 2 ]; }
pids_of_attacker() { instance_pids attacker | wc -l; }

host_processes=$(ls -d /proc/[0-9]* | wc -l)
bomb fork 1
ok 'fork bomb: it reaches its limit' within 10 equals 64 pids_now
ok 'fork bomb: the host gains no more than that' [ "$(ls -d /proc/[0-9]* | wc -l)" -lt $((host_processes + 150)) ]
ok 'fork bomb: it fails its health checks and is started again' within 30 calm_again
restarted() { [ "$(restarts)" -ge 1 ]; }
ok 'fork bomb: that counts as a restart' within 10 restarted
ok 'fork bomb: the function answers again' within 10 answers attacker.dev / attacker
neighbour 'fork bomb'

bomb memory 5
is 'memory bomb: what grows is killed' "$(jq -r .signal <<<"$BOMB")" 9
ok 'memory bomb: the function answers' within 20 answers attacker.dev / attacker
neighbour 'memory bomb'

pid=$(instance_pids attacker | head -n 1)
bomb disk 10
is 'disk bomb: /tmp is full at its size' "$(jq -r '.["/tmp/bomb"]' <<<"$BOMB")" ENOSPC
is 'disk bomb: so is /dev/shm' "$(jq -r '.["/dev/shm/bomb"]' <<<"$BOMB")" ENOSPC
ok 'disk bomb: less than its memory was written' [ "$(jq -r .written <<<"$BOMB")" -le $((128 << 20)) ]
ok 'disk bomb: the function answers' within 20 answers attacker.dev / attacker
neighbour 'disk bomb'

before=$(restarts)
ended_or_died() { [[ $BOMB == *ENOSPC* ]] || [ "$(restarts)" -gt "$before" ]; }
bomb files 1
ok 'a bomb of empty files: it ends with an error or its own death' within 10 ended_or_died
ok 'a bomb of empty files: the function answers' within 30 answers attacker.dev / attacker
[ "$(restarts)" -eq "$before" ] || like 'a bomb of empty files: memory was what it lacked' "$(status_line)$(fnctl get instances -o json)" 'memory|ready'
neighbour 'a bomb of empty files'

bomb log 2
is 'log bomb: 64 MB are written' "$(jq -r .written <<<"$BOMB")" 64000000
ok 'log bomb: 16 MiB at most are kept' [ "$(du -sm "$FN_HOME/node/logs" | cut -f1)" -le 16 ]
ok 'log bomb: the function answers' within 20 answers attacker.dev / attacker
ok 'log bomb: its log can be read' contains llll fnctl logs attacker --tail 2
neighbour 'log bomb'
unlike 'the neighbour was never started again' "$(target victim dev '.instances[].restarts')" '[1-9]'
done_testing
