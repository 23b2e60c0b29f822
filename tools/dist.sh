#!/usr/bin/env bash
# Makes the source archive of the last commit, with all crates that it is built from, in folder $1. It builds without
# a network, and its bytes depend on nothing but the commit.
set -euo pipefail
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
name=ktli-uring-$version
epoch=$(git log -1 --format=%ct)

rm -rf "${out:?}/$name"
git archive --prefix="$name/" HEAD | tar -x -C "$out"
mkdir -p "$out/$name/.cargo"
(cd "$out/$name" && cargo vendor --quiet --locked vendor)
cat > "$out/$name/.cargo/config.toml" <<'TOML'
[source.crates-io]
replace-with = "vendored-sources"

[source.vendored-sources]
directory = "vendor"
TOML
echo "$epoch" > "$out/$name/.epoch"
tar --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner --mode=go=rX,u+rw,a-s \
    -C "$out" -cf - "$name" | xz -T0 -3 > "$out/$name.tar.xz"
rm -rf "${out:?}/$name"
echo "$out/$name.tar.xz"
