# One installation for one test, beside any number of others: ports, subnet, link address, name and uids follow from an index
# that is this shell's own while it lives. Sourced.
# shellcheck shell=bash

# take_instance: sets INSTANCE API_PORT REGISTRY_PORT GATEWAY_PORT SUBNET LINK_ADDRESS UID_BASE. The lock goes with the
# process, and with those that inherit its descriptor: close it (release_instance) for what outlives the test.
take_instance() {
	local n
	mkdir -p /run/lock/fn-tests
	for n in $(seq 1 99); do
		exec {INSTANCE_LOCK}>"/run/lock/fn-tests/$n"
		if flock -n "$INSTANCE_LOCK"; then
			set_instance "$n"
			return
		fi
		exec {INSTANCE_LOCK}>&-
	done
	echo "all 99 test instances are taken (/run/lock/fn-tests)" >&2
	return 1
}

release_instance() { exec {INSTANCE_LOCK}>&-; }

# shellcheck disable=SC2034
set_instance() {
	INSTANCE=t$1
	# Below the kernel's ephemeral ports.
	API_PORT=$((21000 + $1 * 10))
	REGISTRY_PORT=$((API_PORT + 1))
	GATEWAY_PORT=$((API_PORT + 2))
	SUBNET=10.$((150 + $1)).0.0
	LINK_ADDRESS=169.254.$((100 + $1)).1
	UID_BASE=$((1000000 + $1 * 65536))
}
