# The users, directories, fn.conf and secrets of an installation.
# shellcheck shell=bash

GECOS='Functions Controller'
# One line for each installation on this machine: the last one to go takes the user along.
HOMES=/etc/fn/homes

check_home_path() {
	[[ $FN_HOME =~ ^/[A-Za-z0-9/._+-]*[A-Za-z0-9]$ ]] ||
		fail "the path \"$FN_HOME\" has characters other than letters, digits and /._+-" "choose another with --home"
	[ ${#FN_HOME} -le 60 ] || fail "the path \"$FN_HOME\" is longer than 60 bytes, too long for unix sockets in it" \
		"choose another with --home"
	[ -d "$FN_HOME" ] || [ ! -e "$FN_HOME" ] || fail "$FN_HOME is not a directory" "choose another with --home"
	if [ -d "$FN_HOME" ] && [ ! -e "$FN_HOME/fn.conf" ] && [ -n "$(ls -A "$FN_HOME")" ]; then
		fail "$FN_HOME is neither empty nor an installation" "choose another with --home, or empty it"
	fi
}

make_user() {
	if ! getent passwd "$FN_USER" >/dev/null; then
		step "user: $FN_USER"
		useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin \
			--comment "$GECOS" "$FN_USER"
	fi
	mkdir -p "${HOMES%/*}"
	touch "$HOMES"
	grep -qxF "$FN_HOME" "$HOMES" || printf '%s\n' "$FN_HOME" >>"$HOMES"
}

# forget_home: after a purge; user and list go with the last installation.
forget_home() {
	local home rest=()
	exec {homes_lock}>/run/lock/fn-up.lock
	flock "$homes_lock"
	[ -e "$HOMES" ] || return 0
	while read -r home; do
		[ "$home" = "$FN_HOME" ] || [ ! -e "$home/fn.conf" ] || rest+=("$home")
	done <"$HOMES"
	if [ ${#rest[@]} -gt 0 ]; then
		printf '%s\n' "${rest[@]}" >"$HOMES"
		return
	fi
	rm -f "$HOMES"
	rmdir --ignore-fail-on-non-empty "${HOMES%/*}"
	if [ "$(getent passwd "$FN_USER" | cut -d: -f5)" = "$GECOS" ]; then
		userdel "$FN_USER" || warn "could not remove the user $FN_USER; run: userdel $FN_USER"
	fi
}

# Every directory down to FN_HOME must let the services' users pass.
check_traversable() {
	local dir=$FN_HOME user
	while dir=$(dirname "$dir"); do
		for user in "$FN_USER" postgres; do
			[ ! -d "$dir" ] || chpst -u "$user" test -x "$dir" || fail \
				"user $user cannot enter $dir ($(stat -c '%A, owner %U' "$dir")), so its services could not reach $FN_HOME" \
				"choose another place with --home (the default is /var/lib/fn), or: chmod o+x $dir"
		done
		[ "$dir" != / ] || break
	done
}

make_directories() {
	make_dir "$FN_HOME" 755 root:root
	# Sticky: the controller makes its socket here, but cannot replace fn-node's.
	make_dir "$FN_HOME/run" 1775 "root:$FN_USER"
	make_dir "$FN_HOME/run/postgresql" 750 "postgres:$FN_USER"
	make_dir "$FN_HOME/postgresql" 700 postgres:postgres
	make_dir "$FN_HOME/secrets" 750 "root:$FN_USER"
	local dir
	for dir in registry store builds cache uploads; do
		make_dir "$FN_HOME/$dir" 750 "$FN_USER:$FN_USER"
	done
	for dir in bin etc log sv runtimes; do
		make_dir "$FN_HOME/$dir" 755 root:root
	done
}

# What was given on the command line; what a person added to the file stays.
write_conf() {
	local key value text
	text=$(cat "$FN_HOME/fn.conf" 2>/dev/null || echo '# Settings of this installation; docs/reference/configuration.md lists them all.')
	for key in "${CONF_KEYS[@]}"; do
		[ -n "${CONF_GIVEN[$key]:-}" ] || continue
		value="$key = ${CONF_GIVEN[$key]}"
		! grep -qxF "$value" <<<"$text" || continue
		text=$(sed "/^[[:space:]]*$key[[:space:]]*=/d" <<<"$text"; printf '%s\n' "$value")
	done
	put "$FN_HOME/fn.conf" 644 root:root <<<"$text"
}

random_hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

# Made once. The controller reads them as its own user; nobody else can.
make_secrets() {
	local password
	if [ ! -s "$FN_HOME/secrets/token" ]; then
		printf 'fn_%s\n' "$(random_hex 24)" | put "$FN_HOME/secrets/token" 600 "$FN_USER:$FN_USER"
	fi
	if [ ! -s "$FN_HOME/secrets/registry" ] || [ ! -s "$FN_HOME/secrets/registry.htpasswd" ]; then
		password=$(random_hex 24)
		# A cost of 4: the password is 192 random bits, and the registry checks it at every request.
		printf '%s' "$password" | htpasswd -niBC 4 fn | sed '/^$/d' |
			put "$FN_HOME/secrets/registry.htpasswd" 640 "root:$FN_USER"
		printf 'fn:%s\n' "$password" | put "$FN_HOME/secrets/registry" 600 "$FN_USER:$FN_USER"
	fi
}

# install_binaries DIR: copies, so that a later `make clean` takes nothing from a running installation.
install_binaries() {
	local name
	for name in fn-controller fn-build fn-node fnctl; do
		put "$FN_HOME/bin/$name" 755 root:root <"$1/$name"
	done
	# The default installation's command is on everybody's path.
	if [ "$INSTANCE" = fn ] && [ ! -e /usr/local/bin/fnctl ]; then
		ln -sfn "$FN_HOME/bin/fnctl" /usr/local/bin/fnctl
	fi
}
