#!/usr/bin/env bash
# Both descriptions of a running façade against what it does, by schemathesis, a stranger to this program: every check, bounded.
#   schemathesis.sh BASE KEY [SERVICE_ID PASSWORD]
# KEY opens the native API. With SERVICE_ID and PASSWORD (of the REST login) the vendor-compatible interface is asked too.
# The service should have no rate (0), or most answers are 429. SEED and EXAMPLES may be set. Prints a line per description,
# "ok …" or "FAIL …"; what was found goes to standard error.
set -u
[ $# -eq 2 ] || [ $# -eq 4 ] || { echo "usage: $0 BASE KEY [SERVICE_ID PASSWORD]" >&2; exit 2; }
base=${1%/} key=$2 service=${3:-} password=${4:-}
here=$(cd "$(dirname "$0")" && pwd)
venv=$here/.venv
die() { echo "FAIL schemathesis: $*"; exit 1; }

[ -x "$venv/bin/python" ] || python3 -m venv "$venv" || die "no Python venv"
"$venv/bin/python" -m pip install --quiet -r "$here/schemathesis.txt" || die "it does not install"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What is well said may still not be doable (422), not allowed (403) or not there (404): that is no mistake in a description.
cat >"$work/schemathesis.toml" <<TOML
[parameters]
service_id = "$service"
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 401, 403, 404, 409, 422, 429, "5xx"]
TOML
sed 's/, 400, 401, 403/, 401, 403/; /service_id/d; /parameters/d' "$work/schemathesis.toml" >"$work/native.toml"

# run NAME CONFIG PATH TOKEN [ARGS…]
failed=0
run() {
    local name=$1 config=$2 path=$3 token=$4
    shift 4
    if (cd "$work" && timeout 240 "$venv/bin/schemathesis" --config-file "$config" run "$base$path" -H "Authorization: Bearer $token" \
        --checks all --max-examples "${EXAMPLES:-20}" --seed "${SEED:-1}" --workers 1 --request-timeout 10 --warnings off --continue-on-failure "$@") \
        >"$work/said" 2>&1; then
        echo "ok schemathesis, $name: $(grep -oE '[0-9]+ generated, .*' "$work/said" | head -n 1)"
    else
        cat "$work/said" >&2
        echo "FAIL schemathesis, $name: $(grep -oE '[0-9]+ generated, .*' "$work/said" | head -n 1)"
        failed=1
    fi
}

# Streams do not end, so they are left to tests of their own.
run "native API" "$work/native.toml" /v1/openapi.json "$key" --exclude-path /v1/events
if [ -n "$service" ]; then
    token=$(curl -sS -m 10 -X POST -H 'Content-Type: application/json' -d "{\"password\":\"$password\"}" "$base/mug/api/V1/services/$service/token" |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["token"])') || die "no token for $service"
    run "compatible with TimeToChat" "$work/schemathesis.toml" /mug/api/V1/api-docs/openapi.json "$token"
fi
exit $failed
