# Before anything is started: what this installation wants for itself must be free.
# shellcheck shell=bash

# holder PORT: "nginx (pid 12)" of the listeners that are not ours.
holder() {
	local ours line pid name
	ours=" $(census_pids | tr '\n' ' ')"
	ss -Hltnp "( sport = :$1 )" | while read -r line; do
		# Only the addresses that we listen on, or all of them.
		[[ $line =~ (127\.0\.0\.1|0\.0\.0\.0|\*|\[::\]|\[::ffff:127\.0\.0\.1\]|$LINK_ADDRESS):$1\  ]] || continue
		if [[ $line =~ \(\(\"([^\"]*)\",pid=([0-9]+) ]]; then
			name=${BASH_REMATCH[1]} pid=${BASH_REMATCH[2]}
			# A child that is just forked holds its parent's listeners as well: one of ours makes it ours.
			rest=$line
			while [[ $rest =~ pid=([0-9]+)(.*) ]]; do
				rest=${BASH_REMATCH[2]}
				[[ $ours != *" ${BASH_REMATCH[1]} "* ]] || continue 2
			done
			printf '%s (pid %s)\n' "$name" "$pid"
		else
			printf 'another program\n'
		fi
	done | sed -n 1p # which reads on: nobody is cut off
}

check_ports() {
	local pair port option who
	for pair in "$API_PORT --api-port" "$REGISTRY_PORT --registry-port" "$GATEWAY_PORT --gateway-port"; do
		read -r port option <<<"$pair"
		who=$(holder "$port")
		[ -z "$who" ] || fail "port $port is in use by $who" \
			"stop it, or choose another port: deploy/up $option $((port + 10000 < 65536 ? port + 10000 : port - 10000))"
	done
}

# Addresses that another installation, or anything else on the machine, has.
check_addresses() {
	local link subnet=${SUBNET%.*.*}
	link=$(ip -o -4 addr show to "$LINK_ADDRESS/32" | awk '{ print $2; exit }')
	[ -z "$link" ] || [[ $link == "$INSTANCE"-* ]] ||
		fail "the address $LINK_ADDRESS is on the link $link already" "choose another: deploy/up --link-address 169.254.$((RANDOM % 200 + 10)).1"
	# The unreachable route is ours if our gateway link is there.
	link=$(ip -o -4 route show table all | awk -v net="$subnet." -v ours="$INSTANCE-" -v up="$(census_links | head -c 1)" '
		$1 == "unreachable" && index($2, net) == 1 && !up { print "another installation"; exit }
		index($1, net) == 1 { for (i = 2; i < NF; i++) if ($i == "dev" && index($(i + 1), ours) != 1) { print $(i + 1); exit } }')
	[ -z "$link" ] || fail "addresses in $subnet.0.0/16 are routed to $link already" "choose another: deploy/up --subnet 10.$((RANDOM % 100 + 100)).0.0"
}

# Two installations cannot have one name: their links and cgroups would be each other's.
check_instance() {
	local home
	[[ $INSTANCE =~ ^[a-z0-9]{1,6}$ ]] || fail "the instance name \"$INSTANCE\" is not 1 to 6 of a-z 0-9" "choose another with --instance"
	[ -e "$HOMES" ] || return 0
	while read -r home; do
		[ "$home" != "$FN_HOME" ] && [ -e "$home/fn.conf" ] || continue
		[ "$(unset 'CONF_GIVEN[instance]'; FN_HOME=$home conf_get instance)" != "$INSTANCE" ] ||
			fail "the installation in $home is named \"$INSTANCE\" too" "choose another name with --instance"
	done <"$HOMES"
}
