# Debian packages, without their services: Debian starts and enables a service when its package is installed; here the
# installation's own supervisor runs private copies.
# shellcheck shell=bash

POLICY=/usr/sbin/policy-rc.d
CLUSTER_CONF=/etc/postgresql-common/createcluster.d/fn-no-main-cluster.conf

# package_list FILE…: the names in it.
package_list() { sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$@"; }

missing_packages() {
	local installed
	installed=$(dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' 2>/dev/null | awk '$2 ~ /^.i/ { print $1 }')
	grep -vxF -f <(printf '%s\n' "$installed") <(package_list "$@") || :
}

# While packages are installed no service starts and postgresql-15 makes no cluster. What was there comes back.
deny_services() {
	if [ -e "$POLICY" ]; then
		mv "$POLICY" "$POLICY.before-fn"
	fi
	printf '#!/bin/sh\nexit 101\n' >"$POLICY"
	chmod 755 "$POLICY"
	mkdir -p "${CLUSTER_CONF%/*}"
	echo 'create_main_cluster = false' >"$CLUSTER_CONF"
}

restore_services() {
	rm -f "$POLICY" "$CLUSTER_CONF"
	if [ -e "$POLICY.before-fn" ]; then
		mv "$POLICY.before-fn" "$POLICY"
	fi
}

# disable_services PACKAGE…: what their maintainer scripts have enabled. What prepares the machine itself stays as Debian wants it.
disable_services() {
	local package path
	for package; do
		case $package in
		procps | dbus* | systemd* | libpam-systemd | udev | kmod | init*) continue ;;
		esac
		for path in $(package_files "$package" '/lib/systemd/system/[^/]*\.(service|socket|timer|path)'); do
			DPKG_MAINTSCRIPT_PACKAGE=$package deb-systemd-helper disable "${path##*/}" >/dev/null 2>&1 ||
				warn "could not disable ${path##*/} of $package; run: systemctl disable ${path##*/}"
		done
		[ -x /usr/sbin/update-rc.d ] || continue
		for path in $(package_files "$package" '/etc/init\.d/[^/]+'); do
			update-rc.d "${path##*/}" disable >/dev/null 2>&1 ||
				warn "could not disable ${path##*/} of $package; run: update-rc.d ${path##*/} disable"
		done
	done
}

# package_files PACKAGE REGEX: its files that match as a whole, below /usr or not.
package_files() { dpkg -L "$1" | grep -xE "(/usr)?$2" || :; }

apt_get() {
	DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
		-o Dpkg::Options::=--force-confold "$@" </dev/null
}

# install_packages LIST…: nothing at all when everything is there.
install_packages() {
	local missing before after log
	mapfile -t missing < <(missing_packages "$@")
	if [ ${#missing[@]} -eq 0 ]; then
		step "packages: all installed"
		return
	fi
	step "packages: installing ${#missing[@]} (${missing[*]})"
	exec {packages_lock}>/run/lock/fn-packages
	flock "$packages_lock"
	log=$(mktemp /var/tmp/fn-apt.XXXXXX)
	before=$(dpkg-query -W -f '${Package}\n' | sort -u)
	deny_services
	trap restore_services EXIT
	[ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -print -quit)" ] || apt_get update >"$log" 2>&1 ||
		fail "apt-get update failed: $(tail -n 3 "$log")" "check the network and /etc/apt, then run this again"
	if ! apt_get install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
		# Lists older than the mirror name packages that are gone.
		{ apt_get update && apt_get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 ||
			fail "apt-get install failed: $(tail -n 5 "$log")" "see $log, then run this again"
	fi
	after=$(dpkg-query -W -f '${Package}\n' | sort -u)
	restore_services
	trap - EXIT
	# shellcheck disable=SC2046
	disable_services $(comm -13 <(printf '%s\n' "$before") <(printf '%s\n' "$after"))
	rm -f "$log"
	exec {packages_lock}>&-
}
