#!/bin/sh
# TAP. The committed schemas are drafts that a public validator takes, and it agrees with the decoder on the corpus.
cd "$(dirname "$0")/../.." && exec tests/support/validate_schemas.py .
