#!/usr/bin/env bash
# Runs the driver's Rust tests and the C tests with AddressSanitizer in the Rust code, too: tools/test-asan.sh TARGET_DIR
#
# A stable compiler has the sanitizer, but wants to be told twice. The standard library stays as it is; what it is
# given is checked where it calls the C library. With --target the flags do not reach build scripts and macros.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "$1"
target=$(cd "$1" && pwd)
triple=$(rustc -vV | sed -n 's/^host: //p')
options=(--profile quick -p ktli-uring --target "$triple" --target-dir "$target")

export RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address
cargo test "${options[@]}"
cargo build "${options[@]}" -p ktli-uring-preload
unset RUSTC_BOOTSTRAP RUSTFLAGS

libraries=$target/$triple/quick
# grep -q would end before nm does.
nm "$libraries/libktli_uring.a" 2>/dev/null | grep -w __asan_report_load8 >/dev/null ||
    { echo "AddressSanitizer is not in the library" >&2; exit 1; }
c_tests/run.sh --asan "$libraries" "$target/c_tests"
