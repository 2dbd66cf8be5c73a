# What belongs to an installation outside its directory, one thing a line. deploy/census prints it; deploy/down removes
# what fn-node's teardown leaves; ports in use are told apart from our own by it.
# shellcheck shell=bash

PROGRAMS='runsvdir|runsv|svlogd|postgres|docker-registry|fn-node|fn-controller|haproxy|dnsmasq|conmon|runc|crun'

# Pids of our programs that run from, in or with FN_HOME, and of everything in the instances' cgroups.
census_pids() {
	{
		find /proc -maxdepth 2 -path '/proc/[0-9]*' '(' -name cwd -o -name exe ')' -lname "$FN_HOME/*" -printf '%h\n' 2>/dev/null || :
		grep -lsaF "$FN_HOME/" /proc/[0-9]*/cmdline | sed 's|/cmdline$||' || :
	} | sort -u | while read -r proc; do
		! grep -qsxE "$PROGRAMS" "$proc/comm" || printf '%s\n' "${proc#/proc/}"
	done
	grep -lsE ":$CGROUP_PARENT(/|$)" /proc/[0-9]*/cgroup | cut -d/ -f3 || :
}

census_processes() {
	local pid
	for pid in $(census_pids | sort -un); do
		[ ! -r "/proc/$pid/cmdline" ] || printf 'process %s %s\n' "$pid" "$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | cut -c1-120)"
	done
}

census_mounts() {
	awk -v home="$FN_HOME/" 'index($5, home) == 1 { print "mount", $5 }' /proc/self/mountinfo
}

census_netns() {
	find /run/netns -mindepth 1 -maxdepth 1 -name "$INSTANCE-*" -printf 'netns %f\n' 2>/dev/null | sort || :
}

census_links() { ip -o link show 2>/dev/null | sed -n "s/^[0-9]*: \($INSTANCE-[^:@ ]*\)[:@].*/link \1/p" | sort; }

# Where addresses without an instance lead: nowhere, at once.
census_routes() {
	ip -o -4 route show type unreachable 2>/dev/null | awk -v subnet="$SUBNET/" 'index($2, subnet) == 1 { print "route", $2 }'
}

census_nft() { nft list tables 2>/dev/null | sed -n "s/^table \([a-z]* $INSTANCE\)\$/nft \1/p"; }

census_cgroups() {
	# v1 has one tree for each controller, v2 a single one.
	local root
	for root in /sys/fs/cgroup /sys/fs/cgroup/*; do
		[ ! -d "$root$CGROUP_PARENT" ] || find "$root$CGROUP_PARENT" -type d -printf 'cgroup %p\n'
	done | sort -u
}

census_ports() {
	ss -Hltn "( sport = :$API_PORT or sport = :$REGISTRY_PORT or sport = :$GATEWAY_PORT )" | awk '{ print "port", $4 }'
	ss -Hltun "src $LINK_ADDRESS" | awk '{ print "port", $5 }'
}

census() {
	census_processes
	census_mounts
	census_netns
	census_links
	census_routes
	census_nft
	census_cgroups
	census_ports
}
