#!/usr/bin/env bash
# Builds the examples in C against what is installed under the root $1, in the folder $2, and runs them against the
# drive that is installed there.
set -euo pipefail
root=$(cd "$1" && pwd)
mkdir -p "$2"
build=$(cd "$2" && pwd)
cd "$(dirname "$0")/.."
pc=$(find "$root" -name ktli-uring.pc)
libdir=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_LIBDIR=$libdir/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
if command -v pkg-config >/dev/null; then
    flags=$(pkg-config --cflags --libs ktli-uring)
else
    # The same, read off the file.
    flags="-I$(dirname "$(find "$root" -name ktli_uring.h)") -L$libdir -lktli_uring"
fi
for source in examples/*.c; do
    lines=$(wc -l < "$source")
    [ "$lines" -le 75 ] || { echo "FAIL  $source has $lines lines: it is to be short" >&2; exit 1; }
    # shellcheck disable=SC2086 # flags are words
    "${CC:-cc}" -std=gnu11 -Wall -Wextra -Werror "$source" -o "$build/$(basename "$source" .c)" $flags
done
export LD_LIBRARY_PATH=$libdir

drive=$(find "$root" -name kinetic-drive -type f)
"$drive" --port 0 > "$build/drive.out" 2> "$build/drive.err" &
pid=$!
trap 'kill $pid 2>/dev/null; wait $pid 2>/dev/null || true' EXIT
for _ in $(seq 100); do
    grep -q "listening on" "$build/drive.out" && break
    sleep 0.1
done
port=$(sed -n 's/^listening on .*://p' "$build/drive.out")
[ -n "$port" ] || { echo "FAIL  the drive does not listen" >&2; cat "$build/drive.err" >&2; exit 1; }

# example NAME PATTERN [ARGUMENT...]: it ends well, and prints a line with the pattern.
example() {
    local name=$1 pattern=$2
    shift 2
    timeout -k 5 60 "$build/$name" 127.0.0.1 "$port" "$@" > "$build/$name.out" 2>&1 ||
        { echo "FAIL  examples/$name.c ends with $?"; cat "$build/$name.out"; exit 1; }
    grep -aqE "$pattern" "$build/$name.out" ||
        { echo "FAIL  examples/$name.c does not print $pattern"; cat "$build/$name.out"; exit 1; }
    echo "ok    examples/$name.c"
}
example minimal '^greeted with a message of [1-9][0-9]* bytes and a value of 0$'
example config 'kinetic-drive' hello
example statistics '^[1-9][0-9]* messages, [1-9][0-9]* bytes, [1-9][0-9]* system calls$'
KTLI_URING_LOG=debug example log '^my program: driver: debug: connected'
