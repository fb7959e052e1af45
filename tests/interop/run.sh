#!/usr/bin/env bash
# Proof with software that no one here wrote: node-smpp and python-smpplib as clients of `trunkline demo`, over TLS and plain,
# node-smpp as the SMSC behind an upstream, and schemathesis against the descriptions of the HTTP interfaces. Installs both libraries as pinned; a peer that is missing fails the run.
# Besides, a client of the vendor's REST methods, written from the vendor's document alone, before a gateway before a demo.
# TRUNKLINE names the program (default: built here, profile release).
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
cd "$here" || exit 1
die() { echo "interop: $*" >&2; echo "0 passed, 1 failed"; exit 1; }

for tool in node npm python3 openssl; do command -v "$tool" >/dev/null || die "$tool is missing"; done
npm ci --no-audit --no-fund --loglevel=error >/dev/null || die "node-smpp does not install"
[ -x .venv/bin/python ] || python3 -m venv .venv || die "no Python venv"
.venv/bin/python -m pip install --quiet --require-hashes -r requirements.txt || die "python-smpplib does not install"
if [ -z "${TRUNKLINE:-}" ]; then
    (cd "$top" && cargo build --release --locked --quiet --bin trunkline) || die "trunkline does not build"
    TRUNKLINE=${CARGO_TARGET_DIR:-$top/target}/release/trunkline
fi
[ -x "$TRUNKLINE" ] || die "$TRUNKLINE is not there"

work=$(mktemp -d)
ours=()
finish() {
    for pid in "${ours[@]:-}"; do [ -n "$pid" ] && kill "$pid" 2>/dev/null; done
    wait 2>/dev/null
    rm -rf "$work"
}
trap finish EXIT

# first_line FILE PID: waits for a line in FILE as long as PID lives, at most 20 s.
first_line() {
    for _ in $(seq 200); do
        [ "$(wc -l <"$1")" -ge 1 ] && { head -n 1 "$1"; return; }
        kill -0 "$2" 2>/dev/null || break
        sleep 0.1
    done
    cat "$1.err" >&2
    return 1
}
# demo NAME ARGS…: starts a demo; its first line is $told afterwards.
demo() {
    local name=$1; shift
    "$TRUNKLINE" demo --json --rate 0 --data-dir "$work/$name" --http 127.0.0.1:0 --admin 127.0.0.1:0 \
        --smpp-tls 127.0.0.1:0 --smpp-plain 127.0.0.1:0 "$@" >"$work/$name.out" 2>"$work/$name.out.err" &
    pid=$!
    ours+=("$pid")
    told=$(first_line "$work/$name.out" "$pid") || die "the demo ($name) does not start"
}
# smsc NAME KEY CERT: starts node-smpp as an SMSC; its port is $port afterwards.
smsc() {
    node smsc.js "{\"key\":$2,\"cert\":$3,\"user\":\"gateway\",\"password\":\"s3cret\"}" >"$work/$1.out" 2>"$work/$1.out.err" &
    local pid=$!
    ours+=("$pid")
    port=$(first_line "$work/$1.out" "$pid") || die "node-smpp does not listen"
}
# job NAME tls|plain: what a client needs to know, as JSON.
jobs_made=0
job() {
    jobs_made=$((jobs_made + 1))
    python3 - "$1" "$2" "$told" "$jobs_made" <<'PY'
import json, sys
name, how, told, number = sys.argv[1:]
told = json.loads(told)
host, _, port = told["smpp_tls" if how == "tls" else "smpp_plain"].rpartition(":")
print(json.dumps({"name": name, "host": host, "port": int(port), "ca": told["ca_file"] if how == "tls" else None, "seed": f"{int(number):02}",
                  "user": told["system_id"], "password": told["password"], "sender": told["sender"]}))
PY
}
results=$work/results
: >"$results"
# run CHECKS COMMAND JOB: a client; fewer lines than CHECKS, or a status that belies them, is a failure.
run() {
    local before lines after status
    before=$(grep -cE '^(ok|FAIL) ' "$results")
    lines=$(wc -l <"$results")
    timeout 240 "${@:2}" 2>&1 | tee -a "$results"
    status=${PIPESTATUS[0]}
    after=$(grep -cE '^(ok|FAIL) ' "$results")
    if [ $((after - before)) -lt "$1" ] || { [ "$status" -ne 0 ] && ! tail -n +$((lines + 1)) "$results" | grep -q '^FAIL '; }; then
        echo "FAIL ${*:2:2}: ended with status $status after $((after - before)) of $1 checks" | tee -a "$results"
    fi
}
node_client() { run 12 node client.js "$(job "$@")"; }
# gateway NAME UPSTREAM: a gateway with the vendor's REST methods in front of a demo, whose line is UPSTREAM; its base is $base afterwards.
gateway() {
    local http admin
    read -r http admin < <(python3 -c 'import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*("127.0.0.1:%d" % one.getsockname()[1] for one in held))')
    mkdir "$work/$1"
    python3 - "$work/$1" "$http" "$admin" "$2" <<'PY'
import json, os, sys
folder, http, admin, told = sys.argv[1:]
told = json.loads(told)
os.umask(0o077)
for name, text in {"own": "s3cret", "up": told["password"]}.items():
    open(f"{folder}/{name}", "w").write(text)
open(f"{folder}/trunkline.toml", "w").write(f"""data_dir = "{folder}/data"
[smpp]
tls = "off"
plain = "127.0.0.1:0"
[admin]
listen = "{admin}"
[http]
listen = "{http}"
[[service]]
id = "123456"
password_file = "own"
senders = ["0930000000"]
rest = true
[[upstream]]
id = "demo"
url = "smpp://{told["smpp_plain"]}"
system_id = "{told["system_id"]}"
password_file = "up"
long = "udh"
[[route]]
upstreams = ["demo"]
""")
PY
    "$TRUNKLINE" serve --config "$work/$1/trunkline.toml" >"$work/$1.out" 2>"$work/$1.out.err" &
    pid=$!
    ours+=("$pid")
    for _ in $(seq 200); do
        python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1])' "http://$admin/readyz" 2>/dev/null && break
        sleep 0.1
    done
    base=http://$http/mug/api/V1/
}
mug_client() {
    run 8 python3 mug.py "{\"base\":\"$base\",\"ca\":null,\"service\":\"123456\",\"password\":\"s3cret\",\"sender\":\"0930000000\",\"recipient\":\"0601020304\",\"name\":\"$1\"}"
}
python_client() { run 10 .venv/bin/python client.py "$(job "$@")"; }

demo simulator
node_client "node-smpp, TLS" tls
node_client "node-smpp, plain" plain
python_client "python-smpplib, TLS" tls
python_client "python-smpplib, plain" plain
# The vendor's REST methods, before a service that may not use every sender.
gateway mug "$told"
mug_client "a REST client of the vendor's"

# The HTTP façade of the same demo: both descriptions against what it does.
field() { python3 -c 'import json, sys; print(json.loads(sys.argv[1])[sys.argv[2]])' "$told" "$1"; }
run 2 ./schemathesis.sh "http://$(field http)" "$(field api_key)" "$(field service_id)" "$(field password)"

smsc plain null null
demo behind-plain --upstream "smpp://gateway:s3cret@127.0.0.1:$port?window=10&sessions=2"
node_client "node-smpp as the SMSC, plain" plain

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" \
    -addext "basicConstraints=critical,CA:FALSE" -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null || die "openssl makes no certificate"
smsc tls "\"$work/key.pem\"" "\"$work/cert.pem\""
demo behind-tls --upstream "smpps://gateway:s3cret@127.0.0.1:$port?ca=$work/cert.pem"
python_client "node-smpp as the SMSC, TLS" tls

# SIGTERM ends each demo by itself, with status 0.
for pid in "${ours[@]}"; do
    case $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) in *" demo "*) ;; *) continue ;; esac
    kill "$pid"
    wait "$pid"
    status=$?
    if [ "$status" -eq 0 ]; then said="ok trunkline: SIGTERM ends with status 0"; else said="FAIL trunkline: status $status after SIGTERM"; fi
    echo "$said" | tee -a "$results"
done

passed=$(grep -c '^ok ' "$results")
failed=$(grep -c '^FAIL ' "$results")
[ "$failed" -gt 0 ] && tail -n 40 "$work"/*.err >&2
echo "interop: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
