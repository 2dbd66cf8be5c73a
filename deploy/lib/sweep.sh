# Removes what the census finds, whoever left it: half an installation, a killed fn-node, a teardown that failed.
# shellcheck shell=bash

no_processes() { [ -z "$(census_pids)" ]; }

end_processes() {
	local signal
	for signal in TERM KILL; do
		# shellcheck disable=SC2046
		no_processes || kill "-$signal" $(census_pids | sort -un) 2>/dev/null || :
		! wait_until 5 no_processes || return 0
	done
	warn "processes that do not end: $(census_processes)"
}

sweep_mounts() {
	local kind path
	# The last mounted first.
	census_mounts | tac | while read -r kind path; do
		umount "$path" 2>/dev/null || umount -l "$path" || warn "could not unmount $path"
	done
}

sweep_network() {
	local kind name
	census_netns | while read -r kind name; do
		umount -l "/run/netns/$name" 2>/dev/null || :
		rm -f "/run/netns/$name"
	done
	census_links | while read -r kind name; do
		# The other half of a pair goes with the first.
		ip link delete "$name" 2>/dev/null || :
	done
	census_routes | while read -r kind name; do
		ip route delete unreachable "$name" || warn "could not remove the route $name"
	done
	census_nft | while read -r kind name; do
		# shellcheck disable=SC2086
		nft delete table $name
	done
}

# The innermost first. A cgroup empties a moment after its last process.
sweep_cgroups() {
	local kind path
	census_cgroups | sort -r | while read -r kind path; do
		wait_until 5 rmdir "$path" 2>/dev/null || warn "could not remove $path"
	done
}

sweep() {
	end_processes
	sweep_mounts
	sweep_network
	sweep_cgroups
}
