#!/bin/bash
# supervised_registry.sh HOME USER PORT: what deploy/up makes for the registry, and nothing else, in a test's FN_HOME. It runs as soon as
# runsvdir does.
set -eu
cd "$(dirname "$0")/../.."
FN_HOME=$1 FN_USER=$2 REGISTRY_PORT=$3
for part in common home services parts; do
	# shellcheck source=/dev/null
	. "deploy/lib/$part.sh"
done
make_directories
make_secrets
make_registry
write_services
find "$FN_HOME/sv" -mindepth 1 -maxdepth 1 ! -name registry -exec rm -rf {} +
rm -f "$FN_HOME/sv/registry/down"
