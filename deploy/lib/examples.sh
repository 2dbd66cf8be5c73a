# The examples: compiled where needed, applied, and shown.
# shellcheck shell=bash

EXAMPLES=$top/manifests/examples

compile_examples() {
	local dir=$EXAMPLES/hello-static
	[ ! -x "$dir/server" ] || [ "$dir/server.c" -nt "$dir/server" ] || return 0
	step "examples: compiling hello-static/server.c"
	gcc -O2 -Wall -Wextra -static -s -o "$dir/server.$$.tmp" "$dir/server.c"
	mv -f "$dir/server.$$.tmp" "$dir/server"
}

fnctl() { env FN_HOME="$FN_HOME" "$FN_HOME/bin/fnctl" "$@"; }

# The examples are applied once: afterwards they are their user's.
apply_examples() {
	local name
	step "runtimes: apply"
	fnctl apply -f "$FN_HOME/runtimes" || fail "the runtimes were not taken" "see the lines above"
	$EXAMPLES_WANTED || return 0
	if [ ! -e "$FN_HOME/examples-applied" ]; then
		step "examples: apply"
		fnctl apply -f "$EXAMPLES/environments.yaml" -f "$EXAMPLES/hello-static" -f "$EXAMPLES/webhook" -f "$EXAMPLES/counter" --wait ||
			fail "the examples do not serve" "$(fnctl_command) get functions; $(fnctl_command) events"
		touch "$FN_HOME/examples-applied"
		return
	fi
	for name in hello webhook counter; do
		! fnctl get "function/$name" >/dev/null 2>&1 || fnctl wait "function/$name" --timeout 60s ||
			warn "$name does not serve; see: $(fnctl_command) describe function/$name"
	done
}

# As a person would type it.
fnctl_command() {
	if [ "$(readlink -f /usr/local/bin/fnctl)" = "$FN_HOME/bin/fnctl" ]; then
		echo fnctl
	elif [ "$FN_HOME" = /var/lib/fn ]; then
		echo "$FN_HOME/bin/fnctl"
	else
		echo "FN_HOME=$FN_HOME $FN_HOME/bin/fnctl"
	fi
}

show_next() {
	local fnctl
	fnctl=$(fnctl_command)
	say ""
	if $EXAMPLES_WANTED; then
		say "Try:"
		say "  curl http://hello.dev.$DOMAIN:$GATEWAY_PORT/"
		say "  curl -d '{\"hello\":\"world\"}' http://webhook.dev.$DOMAIN:$GATEWAY_PORT/"
		say "  curl -X POST http://counter.dev.$DOMAIN:$GATEWAY_PORT/count/visits"
		say "Next:"
		say "  $fnctl get functions"
		say "  $fnctl logs counter"
		say "  \$EDITOR manifests/examples/hello-static/public/index.html && $fnctl apply -f manifests/examples/hello-static --wait"
	else
		say "Next:"
		say "  $fnctl apply -f manifests/examples/environments.yaml"
		say "  $fnctl get runtimes"
		say "  $fnctl --help"
	fi
}
