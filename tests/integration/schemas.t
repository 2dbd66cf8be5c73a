#!/bin/sh
# TAP. The committed schemas are what the tables say, and a public validator agrees with the decoder on the corpus.
# The validator is installed once, into B (default build).
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
cd "$root"
B=${B:-build}
case $B in /*) ;; *) B=$root/$B ;; esac
support=$B/node-support
want=$(sha256sum tests/support/node/package.json)
if [ "$(cat "$support/installed" 2>/dev/null)" != "$want" ]; then
	mkdir -p "$support"
	cp tests/support/node/package.json "$support/"
	npm install --prefix "$support" --no-audit --no-fund --no-package-lock --ignore-scripts --loglevel=error >&2
	echo "$want" > "$support/installed"
fi
NODE_PATH=$support/node_modules exec node tests/support/node/validate.js "$root"
