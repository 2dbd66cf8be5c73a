#!/usr/bin/env bash
# Images that we write are taken by tools that we did not: skopeo, umoci and podman, through a real registry.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/support/tap.sh
. tests/support/registry.sh

B=${B:-build}
WORK=$(mktemp -d "${TMPDIR:-/var/tmp}/img.XXXX") # short: podman takes a runroot of 50 characters at most
chmod 755 "$WORK"
CGROUP=$(basename "$WORK")
cleanup() {
	stop_registry
	find /sys/fs/cgroup -maxdepth 4 -depth -type d -path "*/$CGROUP*" -exec rmdir {} + 2>/dev/null
	rm -rf "$WORK"
}
trap cleanup EXIT

USER_NAME=fn
PASSWORD=$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n')
PORT=$(free_port)
start_registry "$WORK/registry" "$PORT" "$USER_NAME" "$PASSWORD" || { fail_with 'the registry starts'; done_testing; exit 1; }
printf '%s:%s\n' "$USER_NAME" "$PASSWORD" >"$WORK/auth"
if ! make -s B="$B" "$B/tests/support/push_image" "$B/fn-controller" >"$WORK/make.log" 2>&1; then
	fail_with 'the programs build' "$(tail -n 20 "$WORK/make.log")"
	done_testing
	exit 1
fi

mkdir -p "$WORK/home" "$WORK/base/usr/bin" "$WORK/base/etc" "$WORK/base/tmp" "$WORK/app/lib"
printf '%s\n' "registry_url = http://127.0.0.1:$PORT" "registry_auth_file = $WORK/auth" 'user = root' >"$WORK/home/fn.conf"
echo 'from the base' >"$WORK/base/etc/base.txt"
ln -s usr/bin "$WORK/base/bin"
echo 'from the function' >"$WORK/app/lib/data.txt"
# More than one gzip member (512 KiB of tar each), of bytes that hardly compress.
head -c 2500000 /dev/urandom >"$WORK/app/lib/large"
large=$(sha256sum <"$WORK/app/lib/large")
cat >"$WORK/run.c" <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void show(const char *path)
{
	char line[100] = "absent\n";
	FILE *f = fopen(path, "r");
	if (f && !fgets(line, sizeof line, f))
		line[0] = '\0';
	printf("%s: %s", path, line);
}

int main(int argc, char **argv)
{
	char dir[100] = "?";
	printf("argument: %s\n", argc > 1 ? argv[1] : "none");
	printf("uid %d gid %d in %s, GREETING=%s\n", (int)getuid(), (int)getgid(), getcwd(dir, sizeof dir), getenv("GREETING"));
	show("lib/data.txt");
	show("/etc/base.txt");
	return 0;
}
C
gcc -static -O1 -o "$WORK/app/run" "$WORK/run.c" || fail_with 'the function compiles'

push_base() { "$B/fn-controller" push-base --home "$WORK/home" --name base/test --tag bookworm "$WORK/base" --env LANG=C.UTF-8 "$@"; }
push_image() { "$B/tests/support/push_image" "$WORK/home/cache" "http://127.0.0.1:$PORT" "$WORK/auth" "$@"; }
remote() { printf 'docker://127.0.0.1:%s/%s' "$PORT" "$1"; }
inspect() { skopeo inspect --tls-verify=false --creds "$USER_NAME:$PASSWORD" "$@"; }
copy() { skopeo copy -q --src-tls-verify=false --src-creds "$USER_NAME:$PASSWORD" "$@"; }

# --- writing
base=$(push_base)
like 'push-base prints a reference' "$base" '^base/test@sha256:[0-9a-f]{64}$'
is 'the same tree gives the same digest' "$(push_base)" "$base"
touch -d '2001-01-01' "$WORK/base/etc/base.txt"
is 'whatever its times are' "$(push_base)" "$base"
on_base=$(push_image functions/shop/hello v1 "$WORK/app" "$base")
like 'a function on the base' "$on_base" '^functions/shop/hello@sha256:'
rm -rf "$WORK/home/cache"
is 'a cache that was lost is filled again, to the same digest' "$(push_image functions/shop/hello v1 "$WORK/app" "$base")" "$on_base"
scratch=$(push_image functions/shop/scratch v1 "$WORK/app")
like 'a function from scratch' "$scratch" '^functions/shop/scratch@sha256:'
is 'bad usage' "$("$B/fn-controller" push-base --home "$WORK/home" 2>/dev/null; echo $?)" 2
like 'a directory that is not there' "$(push_base /nowhere 2>&1; "$B/fn-controller" push-base --home "$WORK/home" --name base/x --tag t \
	"$WORK/nowhere" 2>&1)" '"reason":"SourceMissing"'

# --- skopeo
found=$(inspect "$(remote functions/shop/hello:v1)")
is 'skopeo inspect: the digest' "$(jq -r .Digest <<<"$found")" "${on_base#*@}"
is 'two layers' "$(jq '.Layers | length' <<<"$found")" 2
is 'the architecture' "$(jq -r '.Os + "/" + .Architecture' <<<"$found")" "linux/$(dpkg --print-architecture)"
config=$(inspect --config "$(remote functions/shop/hello:v1)")
is 'the command' "$(jq -c .config.Cmd <<<"$config")" '["/app/run","with an argument"]'
is 'the environment' "$(jq -c .config.Env <<<"$config")" \
	'["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin","LANG=C.UTF-8","GREETING=hello"]'
is 'no time but the first' "$(jq -c '[.created, .history[].created] | unique' <<<"$config")" '["1970-01-01T00:00:00Z"]'
ok 'skopeo copy' copy "$(remote functions/shop/hello:v1)" "oci:$WORK/layout:hello"
ok 'skopeo copy from scratch' copy "$(remote functions/shop/scratch:v1)" "oci:$WORK/layout:scratch"
is 'the copy is the same image' "$(jq -r '.manifests[0].digest' "$WORK/layout/index.json")" "${on_base#*@}"
ok 'skopeo converts it to Docker'\''s format' copy --format v2s2 "$(remote functions/shop/hello:v1)" "dir:$WORK/docker"
ok 'and pushes that back' skopeo copy -q --dest-tls-verify=false --dest-creds "$USER_NAME:$PASSWORD" "dir:$WORK/docker" \
	"$(remote base/docker:v1)"
docker=base/docker@$(inspect "$(remote base/docker:v1)" | jq -r .Digest)
like 'which is taken as a base' "$(push_image functions/shop/on-docker v1 "$WORK/app" "$docker")" '@sha256:'
is 'and becomes an OCI image' "$(inspect --raw "$(remote functions/shop/on-docker:v1)" | jq -c '[.layers[].mediaType] | unique')" \
	'["application/vnd.oci.image.layer.v1.tar+gzip"]'

# --- umoci
ok 'umoci unpack' umoci unpack --image "$WORK/layout:hello" "$WORK/bundle"
is 'the base is there' "$(cat "$WORK/bundle/rootfs/etc/base.txt")" 'from the base'
is 'with its links' "$(readlink "$WORK/bundle/rootfs/bin")" usr/bin
is 'and the function' "$(cat "$WORK/bundle/rootfs/app/lib/data.txt")" 'from the function'
is 'whatever its size' "$(sha256sum <"$WORK/bundle/rootfs/app/lib/large")" "$large"
layer=$(jq -r '.layers[-1].digest' "$WORK/layout/blobs/sha256/$(jq -r '.manifests[0].digest' "$WORK/layout/index.json" | cut -d: -f2)")
layer=$WORK/layout/blobs/sha256/${layer#*:}
like 'its layer is several gzip members' "$(LC_ALL=C grep -aoP '\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff' "$layer" | wc -l)" '^([4-9]|1[0-9])$'
is 'GNU gzip and tar agree' "$(gzip -dc "$layer" | tar -xOf - app/lib/large | sha256sum)" "$large"
is 'the process' "$(jq -c '[.process.args, .process.cwd, .process.user.uid]' "$WORK/bundle/config.json")" \
	'[["/app/run","with an argument"],"/app",65534]'
mkdir -m 777 "$WORK/rootless"
ok 'umoci unpack --rootless' setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$WORK/rootless" \
	umoci unpack --rootless --image "$WORK/layout:scratch" "$WORK/rootless/bundle"
ok 'gives the program' test -x "$WORK/rootless/bundle/rootfs/app/run"

# --- podman
jq -n --arg host "127.0.0.1:$PORT" --arg auth "$(printf '%s:%s' "$USER_NAME" "$PASSWORD" | base64 -w0)" \
	'{auths: {($host): {auth: $auth}}}' >"$WORK/auth.json"
# Locks in a file of its own: the default is one shared memory object for the whole machine.
printf '[engine]\nlock_type = "file"\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n' >"$WORK/containers.conf"
podman_run() {
	CONTAINERS_CONF=$WORK/containers.conf REGISTRY_AUTH_FILE=$WORK/auth.json podman --root "$WORK/podman" --runroot "$WORK/podman-run" \
		--tmpdir "$WORK/podman-tmp" --storage-driver vfs --runtime runc run --rm --quiet --tls-verify=false --net=host --cgroup-parent "/$CGROUP" \
		--ulimit nofile=1024:1024 --ulimit nproc=30000:30000 "127.0.0.1:$PORT/$1" 2>"$WORK/podman.log" || cat "$WORK/podman.log"
}
is 'podman run' "$(podman_run functions/shop/hello:v1)" 'argument: with an argument
uid 65534 gid 65534 in /app, GREETING=hello
lib/data.txt: from the function
/etc/base.txt: from the base'
is 'podman run by digest, from scratch' "$(podman_run "$scratch")" 'argument: with an argument
uid 65534 gid 65534 in /app, GREETING=hello
lib/data.txt: from the function
/etc/base.txt: absent'

done_testing
