#!/usr/bin/env bash
# Sixty versions: ten images stay, disks shrink accordingly, every archive is kept, and any version comes back.
. "$(dirname "$0")/../support/e2e.sh"
. "$TESTS/support/story.sh"
open_installation
# What was used a second ago may go: a test does not wait ten minutes.
printf 'collect_grace = 1s\n' >"$FN_HOME/fn.conf"
set_up --no-examples

VERSIONS=60
hello "$WORK/hello" hello 'text 0'
edit "$WORK/hello" 's/^spec:$/spec:\n  retention: {warmTime: 1s}/'
text() {
	printf 'text %s\n' "$1" >"$WORK/hello/public/index.html"
	head -c 100000 /dev/urandom >"$WORK/hello/public/noise"
}
deploy() { text "$1" && apply "$WORK/hello" --wait; }
serves() { equals "text $1" get hello.dev; }
# manifests NAME: images that the registry has of it
manifests() { find "$FN_HOME/registry/docker/registry/v2/repositories/functions/default/$1/_manifests/revisions" -name link | wc -l; }
kib() { du -sk "$1" | cut -f1; }
places() { echo "$(kib "$FN_HOME/registry") $(kib "$FN_HOME/cache") $(kib "$FN_HOME/node/layers")"; }
archives() { find "$FN_HOME/store/functions" -name function.tar.gz | wc -l; }
version_of() { "${API[@]}" "http://x/api/functions/hello/deployments/$1"; }
dry_run() { fnctl gc --dry-run -o json; }
id=

# --- sixty versions
start=$(date +%s%N)
failed=0
for n in $(seq $VERSIONS); do
	deploy "$n" >"$WORK/deploy.log" 2>&1 || { failed=$((failed + 1)); diag "$(cat "$WORK/deploy.log")"; }
done
is "$VERSIONS deploys, none failed" "$failed" 0
diag "$VERSIONS deploys: $((($(date +%s%N) - start) / 1000000)) ms"
id=$(of function/hello .status.id)
first=$(version_of 1 | jq -r .digest)
ok 'old images are deleted without being asked' within 20 equals 10 manifests hello
is 'version 1 is archived' "$(version_of 1 | jq -r .status)" archived
like 'its history says why' "$(fnctl history hello --operations --limit 500)" 'archive +.*version 1: beyond the newest 10 that were built'
is 'the oldest that is kept' "$(version_of 51 | jq -r .status)" ready

# --- what a collection would do
run fnctl gc --dry-run
is 'a dry run: exit status' "$STATUS" 0
like 'each version is shown with what keeps it' "$OUT" '^hello +60 +ready +active in dev, .*one of the newest 10 that were built'
like 'or why it goes' "$OUT" '^hello +1 +archived .*its bytes wait for a collection'
like 'and what that frees' "$OUT" '^to collect: 0 versions, 2[0-9]\.[0-9] MiB in the registry, .* blobs in the cache'
is 'the bytes are those of the layers' "$(dry_run | jq '([.items[].frees] | add) == .totals.registry and .totals.registry > 50 * 400000')" true
like 'of one function' "$(fnctl gc --dry-run hello)" 'to collect: '
run fnctl gc --dry-run nothing
is 'of one that never was: exit status' "$STATUS" 2
like 'of one that never was: says so' "$OUT" 'NotFound'
before=$(places)
is 'a dry run changes nothing' "$(manifests hello) $(archives)" "10 $VERSIONS"

# --- collecting
sleep_past_grace() { [ "$(find "$FN_HOME/cache/blobs" -type f -newermt '-1 second' | wc -l)" -eq 0 ]; }
ok 'nothing was used for a second' within 20 sleep_past_grace
run fnctl gc
is 'gc: exit status' "$STATUS" 0
diag "$OUT"
after=$(places)
diag "KiB of registry, cache, layers: $before -> $after"
read -r registry cache layers <<<"$before"
read -r registry_now cache_now layers_now <<<"$after"
ok 'the registry shrank by what fifty versions took' [ $((registry - registry_now)) -ge 20000 ]
ok 'so did the cache' [ $((cache - cache_now)) -ge 20000 ]
ok 'and the unpacked layers' within 20 eval '[ $(('"$layers"' - $(kib "$FN_HOME/node/layers"))) -ge 20000 ]'
is 'ten images remain' "$(manifests hello)" 10
is 'all archives are kept' "$(archives)" "$VERSIONS"
like 'gc tells by place' "$OUT" '^registry +50 images +2[0-9]\.[0-9] MiB'
run fnctl gc --dry-run
like 'then there is nothing to do' "$OUT" '^nothing to collect$'
is 'gc again is harmless' "$(fnctl gc -o json 2>/dev/null | jq -c '[.state, .result.images, .result.registry.state, .result.cache.count, .result.layers.count]')" \
	'["done",0,"clean",0,0]'
is 'it serves as before' "$(get hello.dev)" "text $VERSIONS"
like 'a name is for dry runs' "$(fnctl gc hello 2>&1; echo "status $?")" 'status 2'

is 'the controller collects in its own time as well' "$(dry_run | jq -r '.collections[-1] | .actor + " " + .state')" 'controller done'

# --- a controller that dies in the midst of it
ok 'version 60 again' deploy "$VERSIONS"
ok 'something was deleted' within 20 equals 10 manifests hello
fnctl gc >"$WORK/gc.log" 2>&1 &
collecting=$!
ok 'a collection runs' within 20 grep -q running "$WORK/gc.log"
kill -9 "$(service_pid controller)"
if wait "$collecting"; then pass 'the next controller ends it'; else fail_with 'the next controller ends it' "$(cat "$WORK/gc.log")"; fi

# --- beside deploys, under load
start_prober all hello.dev --expect text --rate 40
for n in 62 63 64 65 66; do
	deploy "$n" >"$WORK/deploy.log" 2>&1 &
	deploying=$!
	fnctl gc >"$WORK/gc.log" 2>&1 || fail_with 'gc beside a deploy' "$(cat "$WORK/gc.log")"
	if wait "$deploying"; then pass "deploy $n beside a collection"; else fail_with "deploy $n beside a collection" "$(cat "$WORK/deploy.log")"; fi
done
ok 'the last one serves' serves 66
ok 'ten images again' within 20 equals 10 manifests hello
is 'the registry has what it should' "$(version_of 66 | jq -r .status)" ready

# --- back to the first, from its archive
run fnctl rollback hello 1 --dry-run
like 'a rollback to version 1 takes its archive' "$OUT" 'archive'
start=$(date +%s%N)
run fnctl rollback hello 1 -m 'back to the roots'
is 'back to version 1: exit status' "$STATUS" 0
diag "rollback to version 1 from its archive: $((($(date +%s%N) - start) / 1000000)) ms"
is 'it answers' "$(get hello.dev)" 'text 1'
is 'with the same digest as then' "$(version_of 1 | jq -r '.digest + " " + .status')" "$first ready"
is 'which the registry has' "$(curl -sS -o /dev/null -w '%{http_code}' -I -u "$(cat "$FN_HOME/secrets/registry")" \
	-H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://127.0.0.1:$REGISTRY_PORT/v2/functions/default/hello/manifests/$first")" 200
like 'what is held is kept' "$(fnctl gc --dry-run hello)" '^hello +1 +ready +.*held in dev'
ok 'also by a collection' fnctl gc
is 'it serves on' "$(get hello.dev)" 'text 1'
is 'with its image' "$(manifests hello)" 11

# --- an archive that was lost
rm -r "$FN_HOME/store/functions/$id/v2"
run fnctl rollback hello 2
is 'a version whose archive is lost does not come back: exit status' "$STATUS" 6
like 'and that is said' "$OUT" 'ArtifactMissing|not in the store'
is 'what served serves' "$(get hello.dev)" 'text 1'
ok 'a new version takes over' deploy 67
like 'what served before is kept for a way back' "$(fnctl gc --dry-run hello)" '^hello +1 +ready +.*served before in dev'
ok 'and another' deploy 68
ok 'then version 1 goes again' within 20 equals archived eval 'version_of 1 | jq -r .status'
no_failures 'through all of that' all

# --- what cannot be restored is not archived
edit "$WORK/hello" 's/retention: .*/retention: {warmTime: 1s, versions: 9}/'
rm -r "$FN_HOME/store/functions/$id/v59"
victim=$(version_of 59 | jq -r .layer)
rm -rf "$FN_HOME/registry/docker/registry/v2/blobs/sha256/${victim:7:2}/${victim:7}" "$FN_HOME/cache/blobs/sha256/${victim:7}"
run apply "$WORK/hello" --wait
is 'fewer are to be kept' "$STATUS" 0
ok 'gc' fnctl gc
stuck() { [[ $(version_of 59 | jq -r '.status + " " + .reason') == 'ready ImageMissing' ]]; }
ok 'a version that could not be restored stays' within 20 stuck
like 'which is told' "$(fnctl events function/hello)" 'version 59 is not archived, since it could not be restored'
like 'and shown' "$(fnctl gc --dry-run hello)" '^hello +59 +ready +version 59 is not archived'

# --- archives by policy
edit "$WORK/hello" 's/retention: .*/retention: {warmTime: 1s, versions: 5, archives: 20}/'
ok 'archives are limited' apply "$WORK/hello" --wait
like 'a dry run says so' "$(fnctl gc --dry-run hello)" '^hello +48 +archived +- +archives beyond the newest 20 +[0-9.]+ [KM]iB'
ok 'gc drops them' fnctl gc
is 'twenty are left, less the one that was removed' "$(archives)" 19
run fnctl rollback hello 3
like 'a version that is gone says so' "$OUT" 'ArtifactMissing'
is 'what serves serves' "$(get hello.dev)" 'text 68'

# --- a function that is gone
ok 'delete' fnctl delete function/hello
ok 'its images go' within 30 equals 0 manifests hello
ok 'gc' fnctl gc
is 'its archives stay' "$(archives)" 19
like 'and there is nothing to do' "$(fnctl gc --dry-run)" '^nothing to collect$'
done_testing
