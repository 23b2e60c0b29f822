#!/usr/bin/env bash
# Makes the Debian packages libktli-uring0, libktli-uring-dev and ktli-uring-tools in folder $1. Two builds of one
# commit give the same bytes, in whichever folder and at whatever time: paths are cut from what the compiler writes
# down, and all times are the commit's.
set -euo pipefail
for tool in dpkg-deb dpkg-shlibdeps strip; do
    command -v "$tool" >/dev/null || { echo "$tool is missing: install it (Debian: dpkg-dev, binutils)" >&2; exit 1; }
done
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
# A source archive has no history, but the time of its commit.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || cat .epoch)
export SOURCE_DATE_EPOCH
cargo_home=${CARGO_HOME:-$HOME/.cargo}
export RUSTFLAGS="--remap-path-prefix=$PWD=/ktli-uring --remap-path-prefix=$cargo_home=/cargo"
# For what ring has in C: its debug information is stripped, but the linker's build id is made of it, too.
export CFLAGS="-ffile-prefix-map=$PWD=/ktli-uring -ffile-prefix-map=$cargo_home=/cargo"
# A target folder of its own: other flags are another build.
export CARGO_TARGET_DIR=$out/target
make -s build man

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
architecture=$(dpkg --print-architecture)
libdir=/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
stage=$out/stage
rm -rf "$stage" "$out"/*.deb
mkdir -p "$stage"

# package NAME SECTION DEPENDS SHORT LONG: packs what is staged for it.
package() {
    local name=$1 section=$2 depends=$3 short=$4 long=$5 root=$stage/$1 shared=()
    mkdir -p "$root/DEBIAN" "$root/usr/share/doc/$name"
    install -m 644 LICENSE-MIT "$root/usr/share/doc/$name/copyright"
    gzip -9nc CHANGELOG.md > "$root/usr/share/doc/$name/changelog.gz"
    find "$root" -path '*/man/*' -type f -exec gzip -9n {} +
    # What the programs and libraries need, by the machine's own package lists.
    mapfile -t shared < <(find "$root/usr" -type f \( -path '*/bin/*' -o -name '*.so' -o -name '*.so.*' \) | sort)
    if [ ${#shared[@]} -gt 0 ]; then
        strip --strip-unneeded "${shared[@]}"
        mkdir -p "$stage/debian" && : > "$stage/debian/control"
        needs=$(cd "$stage" && dpkg-shlibdeps -O "${shared[@]}" 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
        depends=$needs${depends:+, $depends}
    fi
    {
        echo "Package: $name"
        echo "Version: $version"
        echo "Section: $section"
        echo "Priority: optional"
        echo "Architecture: $architecture"
        [ "$section" = utils ] || echo "Multi-Arch: same"
        echo "Maintainer: the ktli-uring developers <nobody@localhost>"
        echo "Installed-Size: $(du -sk --apparent-size "$root/usr" | cut -f1)"
        [ -z "$depends" ] || echo "Depends: $depends"
        echo "Description: $short"
        echo " $long"
    } > "$root/DEBIAN/control"
    (cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) > "$root/DEBIAN/md5sums"
    find "$root" ! -type l -print0 | xargs -0 chmod go-w,go+rX
    find "$root" -print0 | xargs -0 touch -hd "@$SOURCE_DATE_EPOCH"
    dpkg-deb --root-owner-group -Zxz --build "$root" "$out/${name}_${version}_$architecture.deb" >/dev/null
    echo "$out/${name}_${version}_$architecture.deb"
}

# staged NAME PART: installs a part as the package NAME.
staged() {
    make -s "install-$2" DESTDIR="$stage/$1" PREFIX=/usr LIBDIR="$libdir" DOCDIR="/usr/share/doc/$1"
}

staged libktli-uring0 lib
mkdir -p "$stage/libktli-uring0/DEBIAN"
echo "activate-noawait ldconfig" > "$stage/libktli-uring0/DEBIAN/triggers"
package libktli-uring0 libs "" "libkinetic's transport on io_uring: shared library" \
    "A KTLI driver, and a preload library that moves programs with a shared libkinetic to it."
staged libktli-uring-dev dev
strip --strip-debug "$stage/libktli-uring-dev$libdir/libktli_uring.a"
package libktli-uring-dev libdevel "libktli-uring0 (= $version)" "libkinetic's transport on io_uring: for building" \
    "Header, static library, pkg-config file, manual pages and examples."
staged ktli-uring-tools tools
package ktli-uring-tools utils "libktli-uring0 (= $version)" "libkinetic's transport on io_uring: tools" \
    "A Kinetic drive in memory or on disk, and a benchmark of KTLI drivers."
