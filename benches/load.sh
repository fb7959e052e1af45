#!/usr/bin/env bash
# Repeats the figures of docs/PERFORMANCE.md: builds the release and the load generator, then runs benches/load.py.
#
#   benches/load.sh                     the load run: 3 × 60 s at 30,000/s, TLS on both sides, receipts back; prints each run and the median
#   benches/load.sh latency             p99 of submit_sm at half the rate (--rate 10000)
#   benches/load.sh idle                memory (RssAnon) with 1,000 idle TLS sessions
#   benches/load.sh backlog             memory (RssAnon) with a million messages waiting, the upstream away
#   benches/load.sh echo                the ceiling: the load generator against its own echo server
#   benches/load.sh all                 all of these, one after the other
#
# Options (see --help): --seconds 60 --runs 3 --dir DIR (where the data lies: a real disk, not a RAM disk) --no-tls …
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
if [ -z "${TRUNKLINE:-}" ]; then
    (cd "$top" && cargo build --release --locked --quiet --bin trunkline)
    TRUNKLINE=${CARGO_TARGET_DIR:-$top/target}/release/trunkline
fi
if [ -z "${SMPPLOAD:-}" ]; then
    (cd "$here/smppload" && cargo build --release --locked --quiet --bin smppload --target-dir "$here/smppload/target")
    SMPPLOAD=$here/smppload/target/release/smppload
fi
export TRUNKLINE SMPPLOAD
exec python3 "$here/load.py" "$@"
