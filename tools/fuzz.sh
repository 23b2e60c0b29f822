#!/usr/bin/env bash
# Feeds kinetic-drive's fuzz targets for some seconds each: tools/fuzz.sh TARGET_DIR [SECONDS]
#
# What cargo-fuzz does with nightly Rust and sanitizers works with stable Rust without them: the compiler's
# coverage pass is all that libFuzzer needs. Inputs that were worth keeping stay in TARGET_DIR/corpus for the next
# run; an input that fails is printed and left in TARGET_DIR/failures.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "$1"
target=$(cd "$1" && pwd)
seconds=${2:-30}
triple=$(rustc -vV | sed -n 's/^host: //p')

RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing"
RUSTFLAGS=$(tr -s '[:space:]' ' ' <<<"$RUSTFLAGS")
export RUSTFLAGS
# Not in the workspace, so that it has flags, features and a folder of its own.
# With --target the flags do not reach build scripts and macros.
cargo build --release --locked --manifest-path tools/drive/fuzz/Cargo.toml --target "$triple" --target-dir "$target"
unset RUSTFLAGS

built=$target/$triple/release
mkdir -p "$target/failures"
for name in session stream; do
    mkdir -p "$target/corpus/$name"
    cargo run --quiet --release --locked -p kinetic-drive --example seeds -- "$name" "$target/corpus/$name"
    echo "$name: $seconds s"
    log=$target/$name.log
    if ! "$built/$name" -max_total_time="$seconds" -max_len=4096 -timeout=20 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$target/failures/$name-" "$target/corpus/$name" 2>"$log"; then
        tail -n 60 "$log" >&2
        echo "$name: failed; the input is in $target/failures" >&2
        exit 1
    fi
    sed -n 's/^stat::number_of_executed_units: */  runs: /p' "$log"
    grep -o 'cov: [0-9]*' "$log" | tail -n 1 | sed 's/cov:/  edges covered:/'
done
