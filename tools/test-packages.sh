#!/usr/bin/env bash
# Makes the source archive, builds the Debian packages from it in two folders without a network, compares them byte
# by byte, installs them into a scratch root, builds and runs the examples against what is there, and removes the
# packages again. $1 is the folder for all that. Takes minutes: everything is built twice.
set -euo pipefail
mkdir -p "$1"
work=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
rm -rf "${work:?}"/*
# shellcheck source=tools/checks.sh
. tools/checks.sh

archive=$(tools/dist.sh "$work/dist")
check "the source archive is there: $(du -h "$archive" | cut -f1)" [ -s "$archive" ]
again=$(tools/dist.sh "$work/dist-again")
check "it is the same when it is made again" cmp "$archive" "$again"

# An empty home for cargo, and no network: all that it needs has to be in the archive.
for folder in first a-second-one; do
    mkdir -p "$work/$folder/cargo"
    tar -xf "$archive" -C "$work/$folder"
    source=$(echo "$work/$folder"/ktli-uring-*)
    check "the packages build in $folder" env -u CARGO_TARGET_DIR CARGO_HOME="$work/$folder/cargo" \
        CARGO_NET_OFFLINE=true "$source/tools/deb.sh" "$work/$folder/deb"
    # The next one's space, and proof that packages do not need it.
    rm -rf "$source" "$work/$folder/deb/target" "$work/$folder/deb/stage" "$work/$folder/cargo"
done
packages=()
for package in "$work"/first/deb/*.deb; do
    check "$(basename "$package") is the same in both" cmp "$package" "$work/a-second-one/deb/$(basename "$package")"
    packages+=("$package")
done
check "there are three packages" [ ${#packages[@]} = 3 ]

root=$work/root
mkdir -p "$root"/var/lib/dpkg/{info,updates,triggers}
touch "$root"/var/lib/dpkg/{status,available}
# dpkg wants to own what it unpacks. What the packages depend on is not in the scratch root.
dpkg=(dpkg "--root=$root" --force-depends --log=/dev/null)
[ "$(id -u)" = 0 ] || dpkg=(fakeroot "${dpkg[@]}" --force-not-root)
if ! command -v "${dpkg[0]}" >/dev/null; then
    echo "skip  installing the packages needs root, or fakeroot"
    echo "$checks passed, 0 failed, some skipped"
    exit 0
fi
check "they install" "${dpkg[@]}" -i "${packages[@]}"
tools/test-examples.sh "$root" "$work/examples"
tools/test-user.sh "$root"
for page in man3/ktli_uring_send.3.gz man7/ktli-uring.7.gz; do
    check "$page is there" [ -f "$root/usr/share/man/$page" ]
done
check "they can be removed" "${dpkg[@]}" -P ktli-uring-tools libktli-uring-dev libktli-uring0
left=$(find "$root" -path "$root/var/lib/dpkg" -prune -o \( -type f -o -type l \) -print)
check "and leave nothing behind $left" [ -z "$left" ]
echo "$checks passed, 0 failed"
