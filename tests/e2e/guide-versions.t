#!/usr/bin/env bash
# What the guide about versions and rollbacks tells people to type, typed; and what it shows, compared.
. "$(dirname "$0")/../support/e2e.sh"
. "$TESTS/support/story.sh"
. "$TESTS/support/guide.sh"
open_story

mkdir "$WORK/guide"
guide docs/guides/versions-and-rollback.md "$WORK/guide"
is 'and leaves nothing of its own' "$(fnctl get functions -o name; fnctl get pins -o name)" ''
ok 'down leaves nothing' down
done_testing
