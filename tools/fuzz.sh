#!/usr/bin/env bash
# Feeds the fuzz targets for some seconds each, two at a time: tools/fuzz.sh TARGET_DIR [SECONDS [NAME...]]
#
# What cargo-fuzz does with nightly Rust and sanitizers works with stable Rust without them: the compiler's
# coverage pass is all that libFuzzer needs. The committed corpus is read and not changed; inputs that were worth
# keeping stay in TARGET_DIR/corpus for the next run; an input that fails is printed and left in TARGET_DIR/failures.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "$1"
target=$(cd "$1" && pwd)
seconds=${2:-60}
triple=$(rustc -vV | sed -n 's/^host: //p')
jobs=$(nproc)
[ "$jobs" -le 2 ] || jobs=2

# The crate of each target.
declare -A crates=([cursor]=fuzz [framing]=fuzz [config]=fuzz [calls]=fuzz
    [session]=tools/drive/fuzz [stream]=tools/drive/fuzz)
names=("${@:3}")
[ $# -gt 2 ] || names=(calls session stream framing cursor config)

RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing"
RUSTFLAGS=$(tr -s '[:space:]' ' ' <<<"$RUSTFLAGS")
export RUSTFLAGS
# Not in the workspace, so that they have flags, features and a folder of their own.
# With --target the flags do not reach build scripts and macros.
for crate in fuzz tools/drive/fuzz; do
    cargo build --release --locked --manifest-path "$crate/Cargo.toml" --target "$triple" --target-dir "$target"
done
unset RUSTFLAGS

built=$target/$triple/release
mkdir -p "$target/failures"

# run NAME: feeds one target, and says what came of it.
run() {
    local name=$1 corpus=$target/corpus/$1 log=$target/$1.log
    if ! "$built/$name" -max_total_time="$seconds" -max_len=4096 -timeout=20 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$target/failures/$name-" "$corpus" "${crates[$name]}/corpus/$name" >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        echo "$name: failed; the input is in $target/failures" >&2
        return 1
    fi
    echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs in $seconds s," \
        "$(grep -o 'cov: [0-9]*' "$log" | tail -n 1 | sed 's/cov: //') edges covered"
}

for name in "${names[@]}"; do
    mkdir -p "$target/corpus/$name"
    case $name in
    session | stream)
        cargo run --quiet --release --locked -p kinetic-drive --example seeds -- "$name" "$target/corpus/$name"
        ;;
    esac
done
failed=0
for name in "${names[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || failed=1; done
    run "$name" &
done
while [ -n "$(jobs -p)" ]; do wait -n || failed=1; done
exit $failed
