#!/usr/bin/env bash
# Checks licences, bans and sources of all dependencies, and advisories where their database can be reached:
# tools/deny.sh TARGET_DIR
#
# cargo-deny is taken from the path, else from TARGET_DIR, where it is built when it is not there (about three minutes
# of processor time, once).
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "$1"
target=$(cd "$1" && pwd)
version=0.20

export PATH=$PATH:$target/bin
if ! command -v cargo-deny >/dev/null; then
    echo "building cargo-deny $version in $target"
    # Its profile would optimise it for size of all things, for minutes more.
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
        cargo install --quiet cargo-deny --version "^$version" --locked --root "$target" --target-dir "$target/build"
    rm -rf "$target/build"
fi

# Looks at everything that one lock file names: deny MANIFEST OPTIONS...
deny() {
    cargo deny --locked --workspace --config "$PWD/deny.toml" --manifest-path "$@"
}

# The fuzz targets are no member of the workspace.
manifests=(Cargo.toml tools/drive/fuzz/Cargo.toml)
for manifest in "${manifests[@]}"; do
    echo "$manifest: licences, bans, sources"
    deny "$manifest" check --allow unmatched-skip --hide-inclusion-graph licenses bans sources
done

if ! timeout 120 cargo deny --config "$PWD/deny.toml" fetch db >"$target/fetch.log" 2>&1; then
    echo "##"
    echo "## SKIPPED: known vulnerabilities were NOT looked for: their database cannot be reached from here"
    echo "## (what cargo-deny says of it is in $target/fetch.log)"
    echo "##"
    exit 0
fi
for manifest in "${manifests[@]}"; do
    echo "$manifest: advisories"
    deny "$manifest" --offline check --hide-inclusion-graph advisories
done
