#!/usr/bin/env bash
# The description pages in Chromium, against a daemon and its simulator: see run.mjs. A missing browser fails the run.
# TRUNKLINE names the program (default: built here, profile release). SHOTS keeps the screenshots in that folder.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
cd "$here" || exit 1
die() { echo "browser: $*" >&2; echo "0 passed, 1 failed"; exit 1; }
for tool in node npm chromium; do command -v "$tool" >/dev/null || die "$tool is missing"; done
npm ci --no-audit --no-fund --loglevel=error >/dev/null || die "puppeteer-core does not install"
if [ -z "${TRUNKLINE:-}" ]; then
    (cd "$top" && cargo build --release --locked --quiet --bin trunkline) || die "trunkline does not build"
    TRUNKLINE=${CARGO_TARGET_DIR:-$top/target}/release/trunkline
fi
[ -x "$TRUNKLINE" ] || die "$TRUNKLINE is not there"
work=$(mktemp -d)
pid=
finish() { [ -n "$pid" ] && kill "$pid" 2>/dev/null; wait 2>/dev/null; rm -rf "$work"; }
trap finish EXIT
"$TRUNKLINE" demo --json --rate 0 --data-dir "$work/data" --http 127.0.0.1:0 --admin 127.0.0.1:0 --smpp-tls 127.0.0.1:0 \
    >"$work/out" 2>"$work/err" &
pid=$!
for _ in $(seq 200); do [ -s "$work/out" ] && break; kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
told=$(head -n 1 "$work/out")
[ -n "$told" ] || { cat "$work/err" >&2; die "the demo does not start"; }
mkdir -p "${SHOTS:-$work}"
job=$(SHOTS=${SHOTS:-$work} python3 - "$told" <<'PY'
import json, os, sys
told = json.loads(sys.argv[1])
print(json.dumps({"base": "http://" + told["http"], "service": told["service_id"], "password": told["password"],
                  "sender": told["sender"], "key": told["api_key"], "shots": os.environ["SHOTS"]}))
PY
) || die "the demo does not say how to log in: $told"
CHROMIUM=${CHROMIUM:-$(command -v chromium)} timeout 180 node run.mjs "$job" | tee "$work/results"
passed=$(grep -c '^ok ' "$work/results") failed=$(grep -c '^FAIL ' "$work/results")
[ "$passed" -ge 9 ] || failed=$((failed + 1))
grep -i panic "$work/err" && failed=$((failed + 1))
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
