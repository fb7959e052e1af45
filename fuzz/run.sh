#!/usr/bin/env bash
# Runs every fuzz target for SECONDS (first argument, default 20) on the stable toolchain, without a sanitizer, and prints
# how many executions each made. What it finds is left in fuzz/artifacts; add it to fuzz/seeds with the fix.
set -u
cd "$(dirname "$0")/.." || exit 1
seconds=${1:-20}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(cd fuzz/fuzz_targets && printf '%s\n' *.rs | sed 's/\.rs$//')
cargo fuzz build -s none >/dev/null 2>fuzz/build.log || { cat fuzz/build.log; echo "fuzz: the targets do not build"; exit 1; }
rm -f fuzz/build.log
passed=0 failed=0
for target in "${targets[@]}"; do
    mkdir -p "fuzz/corpus/$target"
    log=$(mktemp)
    timeout -k 10 $((seconds + 600)) cargo fuzz run -s none "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -max_total_time="$seconds" -max_len=2048 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 >"$log" 2>&1
    status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)
    if [ "$status" -eq 0 ] && [ "${runs:-0}" -gt 0 ]; then
        passed=$((passed + 1))
        echo "ok fuzz $target: $runs executions in $seconds s"
    else
        failed=$((failed + 1))
        tail -n 60 "$log"
        echo "FAIL fuzz $target: status $status after ${runs:-no} executions"
    fi
    rm -f "$log"
done
echo "fuzz: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
