#!/usr/bin/env bash
# Prints the symbols that the shared libraries in the folder $1 export.
set -euo pipefail
for library in libktli_uring.so libktli_uring_preload.so; do
    echo "$library"
    nm --dynamic --defined-only "$1/$library" | awk '{ print "  " $3 }' | LC_ALL=C sort
done
