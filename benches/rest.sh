#!/usr/bin/env bash
# Repeats the figures of the REST interface and of webhooks in docs/PERFORMANCE.md, with Debian's wrk (package wrk) and node.
#
#   benches/rest.sh             accepted messages/s on keep-alive connections, every id then found by GET
#   benches/rest.sh paced       p99 of POST at 2,000/s
#   benches/rest.sh push        webhooks/s to a fast endpoint
#   benches/rest.sh beside      SMPP at 10,000/s, without and with REST at half of its own rate
#   benches/rest.sh all         all of these, one after the other
#
# Options: --help.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
for tool in wrk node python3; do command -v "$tool" >/dev/null || { echo "$tool is missing" >&2; exit 1; }; done
if [ -z "${TRUNKLINE:-}" ]; then
    (cd "$top" && cargo build --release --locked --quiet --bin trunkline)
    TRUNKLINE=${CARGO_TARGET_DIR:-$top/target}/release/trunkline
fi
if [ -z "${SMPPLOAD:-}" ]; then
    (cd "$here/smppload" && cargo build --release --locked --quiet --bin smppload --target-dir "$here/smppload/target")
    SMPPLOAD=$here/smppload/target/release/smppload
fi
export TRUNKLINE SMPPLOAD
exec python3 "$here/rest/rest.py" "$@"
