#!/usr/bin/env bash
# Everything that has to hold, from a clean clone: ./test.sh            (about 25 minutes on two cores)
#                                                  ./test.sh long       (adds repeated chaos, long fuzzing, all load figures)
#                                                  ./test.sh STEP…      (only these steps, see below)
# Installs what it needs from crates.io, npm and PyPI; a tool or peer that is missing fails the run, nothing is skipped.
# Ends with "N passed, N failed": tests, fuzz targets, interop checks and steps that have no tests of their own.
set -u
cd "$(dirname "$0")" || exit 1
export CARGO_TERM_COLOR=never CARGO_INCREMENTAL=${CARGO_INCREMENTAL:-0}
steps=(tools format clippy build test fuzz interop browser load)
case "${1:-}" in
    "") ;;
    long) steps+=(long) ;;
    *) steps=("$@") ;;
esac
passed=0 failed=0 failures=()
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
begun=$SECONDS

# add PASSED FAILED: counts the parts of a step.
add() { passed=$((passed + $1)); failed=$((failed + $2)); }

# step NAME COMMAND…: runs it, shows its output, tells the time; counts it as one unless it counts its parts itself.
step() {
    local name=$1 at=$SECONDS before=$failed; shift
    echo "── $name"
    "$@"
    local status=$?
    case $name in test | fuzz | interop | browser | chaos*) ;; *) [ "$status" -eq 0 ] && add 1 0 || add 0 1 ;; esac
    # A step that failed without saying how many of its parts did.
    [ "$status" -ne 0 ] && [ "$failed" -eq "$before" ] && add 0 1
    [ "$failed" -gt "$before" ] && failures+=("$name")
    echo "── $name: $([ "$failed" -gt "$before" ] && echo FAILED || echo ok) after $((SECONDS - at)) s"
    return $((failed > before))
}

# need TOOL PACKAGE: a program that must be there; Debian's package is tried where we may install one.
need() {
    command -v "$1" >/dev/null && return
    echo "installing $2 for $1"
    [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null &&
        { apt-get install -y -qq "$2" || { apt-get update -qq && apt-get install -y -qq "$2"; }; } >/dev/null 2>&1
    command -v "$1" >/dev/null || { echo "$1 is missing (package $2)"; return 1; }
}

tools() {
    local bad=0
    need cargo cargo || bad=1
    need c++ g++ || bad=1
    need node nodejs || bad=1
    need npm npm || bad=1
    need python3 python3 || bad=1
    python3 -c 'import venv, ensurepip' 2>/dev/null || need "no venv yet" python3-venv >/dev/null
    python3 -c 'import venv, ensurepip' || bad=1
    need openssl openssl || bad=1
    need chromium chromium || bad=1
    need wrk wrk || bad=1
    need curl curl || bad=1
    cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt || bad=1
    cargo clippy --version >/dev/null 2>&1 || rustup component add clippy || bad=1
    cargo fuzz --version >/dev/null 2>&1 || cargo install --quiet --locked cargo-fuzz --version 0.13.2 || bad=1
    cargo --version; rustc --version; cargo fuzz --version; node --version; python3 --version
    return $bad
}

format() { cargo fmt --check && cargo fmt --check --manifest-path fuzz/Cargo.toml; }

clippy() { cargo clippy --locked --quiet --all-targets -- -D warnings; }

build() { cargo build --locked --release --quiet; }

# count_tests LOG: adds what cargo test reports.
count_tests() {
    add "$(grep -E '^test result:' "$1" | grep -oE '[0-9]+ passed' | awk '{n += $1} END {print n + 0}')" \
        "$(grep -E '^test result:' "$1" | grep -oE '[0-9]+ failed' | awk '{n += $1} END {print n + 0}')"
    ! grep -qE '^test result:.* [1-9][0-9]* ignored' "$1" || { echo "a test is ignored"; add 0 1; }
}

tests() {
    # Shown without the thousand lines of what passed; the counts of chaos are worth seeing.
    # A test that hangs must not take the whole run with it; what it was is in the last lines.
    timeout -k 30 1200 cargo test --locked --no-fail-fast -- --show-output >"$logs/test" 2>&1
    local status=$?
    if [ "$status" -eq 0 ]; then
        grep -E '^test result:|^     Running|^   Doc-tests|^kill |^chaos' "$logs/test"
    else
        grep -vE '^test .* \.\.\. ok$' "$logs/test" | tail -n 400
    fi
    count_tests "$logs/test"
    return $status
}

# last_counts LOG: adds the "N passed, N failed" of a script of ours.
last_counts() {
    local line
    line=$(grep -oE '[0-9]+ passed, [0-9]+ failed' "$1" | tail -n 1)
    [ -n "$line" ] && add "${line%% passed*}" "$(echo "${line#*, }" | cut -d' ' -f1)"
}

fuzz() {
    fuzz/run.sh "${FUZZ_SECONDS:-20}" 2>&1 | tee "$logs/fuzz"
    local status=${PIPESTATUS[0]}
    last_counts "$logs/fuzz"
    return "$status"
}

interop() {
    TRUNKLINE=${CARGO_TARGET_DIR:-$PWD/target}/release/trunkline tests/interop/run.sh 2>&1 | tee "$logs/interop"
    local status=${PIPESTATUS[0]}
    last_counts "$logs/interop"
    return "$status"
}

browser() {
    TRUNKLINE=${CARGO_TARGET_DIR:-$PWD/target}/release/trunkline tests/browser/run.sh 2>&1 | tee "$logs/browser"
    local status=${PIPESTATUS[0]}
    last_counts "$logs/browser"
    return "$status"
}

# Short load runs below saturation: the figures are shown, not judged, but nothing may be lost, repeated or left over.
load() {
    benches/load.sh latency --rate 8000 --seconds 10 --runs 1 --no-bounds &&
        benches/rest.sh accept --seconds 5 --runs 1 --no-bounds && benches/rest.sh push --seconds 5 --no-bounds
}

chaos_again() {
    timeout -k 30 600 cargo test --locked --test chaos -- --show-output >"$logs/chaos" 2>&1
    local status=$?
    grep -E '^kill |^chaos|^test result' "$logs/chaos"
    [ "$status" -eq 0 ] || tail -n 100 "$logs/chaos"
    count_tests "$logs/chaos"
    return $status
}

for name in "${steps[@]}"; do
    case $name in
        test) step test tests ;;
        chaos) step chaos chaos_again ;;
        long)
            for n in $(seq "${CHAOS_RUNS:-10}"); do step "chaos $n" chaos_again; done
            FUZZ_SECONDS=${LONG_FUZZ_SECONDS:-600} step fuzz fuzz
            step figures benches/load.sh all
            step "figures of REST" benches/rest.sh all
            ;;
        tools) step tools tools || break ;;
        format | clippy | build | fuzz | interop | browser | load) step "$name" "$name" ;;
        *) echo "no step $name: ${steps[*]}"; exit 2 ;;
    esac
done
echo "took $((SECONDS - begun)) s"
[ ${#failures[@]} -gt 0 ] && echo "failed: ${failures[*]}"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
