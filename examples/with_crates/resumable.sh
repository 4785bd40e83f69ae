#!/usr/bin/env bash
# Kills the example `resumable` after its third part, starts it again, and checks that it goes on where it was:
#
#   bash examples/with_crates/resumable.sh [PROGRAM]
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
program=${1:-}
if [ -z "$program" ]; then
    cargo build -q -p with-crates --example resumable
    program=${CARGO_TARGET_DIR:-target}/debug/examples/resumable
fi

# It is there before it is read.
touch "$folder/first"
"$program" "$folder/run.journal" >"$folder/first" &
application=$!
# The example prints each part as it is counted.
until grep -q "^part 2:" "$folder/first"; do sleep 0.01; done
kill -9 "$application"
wait "$application" 2>/dev/null || true
if grep -q "primes below" "$folder/first"; then echo "it was not killed in time" >&2; exit 1; fi
cat "$folder/first"
echo "killed; started again:"

"$program" "$folder/run.journal" | tee "$folder/second"
grep -q "^part 0: 9592 primes, from the journal$" "$folder/second"
grep -q "^part 2: .*, from the journal$" "$folder/second"
grep -q "^78498 primes below 1000000; [3-9] of 10 parts came from" "$folder/second"

# A third run replays all.
"$program" "$folder/run.journal" | grep "10 of 10 parts came from"
