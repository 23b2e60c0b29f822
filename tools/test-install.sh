#!/usr/bin/env bash
# Installs into the scratch folder $1 as a distribution would, builds and runs a C program against what
# is there, shared and static, and uninstalls. Ends with the count of checks.
set -euo pipefail
root=$1
rm -rf "$root"
mkdir -p "$root"
root=$(cd "$root" && pwd)
make=${MAKE:-make}
# shellcheck source=tools/checks.sh
. "$(dirname "$0")/checks.sh"

"$make" -s install DESTDIR="$root" PREFIX=/usr LIBDIR=/usr/lib
for file in lib/libktli_uring.so lib/libktli_uring.so.0 lib/libktli_uring.a lib/libktli_uring_preload.so \
    include/ktli_uring.h lib/pkgconfig/ktli-uring.pc share/man/man7/ktli-uring.7 share/man/man3/ktli_uring_send.3 \
    bin/kinetic-drive bin/ktli-uring share/man/man1/ktli-uring.1 share/bash-completion/completions/ktli-uring; do
    check "$file is installed" [ -f "$root/usr/$file" ]
done
soname=$(readelf -d "$root/usr/lib/libktli_uring.so" | sed -n 's/.*soname: \[\(.*\)\]/\1/p')
check "the soname is $soname" [ "$soname" = libktli_uring.so.0 ]

cat > "$root/program.c" <<'C'
#define KTLI_URING_DEFINE_TYPES
#include <ktli_uring.h>
#include <stdio.h>

int main(void)
{
  void *dh = uring_fns.ktli_dfns_open();
  printf("%s\n", ktli_uring_version());
  return dh == NULL || uring_fns.ktli_dfns_close(dh) != 0;
}
C
# pkg-config is a comfort, not a need: where it is missing its two answers are read off the file.
if command -v pkg-config >/dev/null; then
    export PKG_CONFIG_LIBDIR=$root/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$root
    export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
    flags=$(pkg-config --cflags --libs ktli-uring)
    private=$(pkg-config --static --libs ktli-uring)
    check "pkg-config knows ktli-uring" [ -n "$flags" ]
else
    echo "skip  pkg-config is not installed; reading ktli-uring.pc"
    flags="-I$root/usr/include -L$root/usr/lib -lktli_uring"
    private="$flags $(sed -n 's/^Libs.private: //p' "$root/usr/lib/pkgconfig/ktli-uring.pc")"
fi
cc=${CC:-cc}
version=$(sed -n 's/^Version: //p' "$root/usr/lib/pkgconfig/ktli-uring.pc")
# shellcheck disable=SC2086 # flags are words
"$cc" -Wall -Wextra -Werror "$root/program.c" -o "$root/shared" $flags
printed=$(LD_LIBRARY_PATH=$root/usr/lib "$root/shared")
check "a program runs on the shared library" [ "$printed" = "$version" ]
# shellcheck disable=SC2086
"$cc" -Wall -Wextra -Werror "$root/program.c" -I"$root/usr/include" -o "$root/static" \
    -Wl,-Bstatic -L"$root/usr/lib" -lktli_uring -Wl,-Bdynamic ${private#*-lktli_uring}
needed=$(readelf -d "$root/static" | grep -c 'NEEDED.*ktli_uring' || true)
check "the static program does without the shared library" [ "$needed" = 0 ]
printed=$("$root/static")
check "a program runs on the static library" [ "$printed" = "$version" ]

tools/test-examples.sh "$root" "$root/examples"
# A page for every function, which man can show without a complaint; and every variable in the one of section 7.
while read -r function; do
    [ -f "$root/usr/share/man/man3/$function.3" ] || check "$function has a manual page" false
done < <(sed -n 's/^  \(ktli_uring_[a-z_]*\)$/\1/p' docs/symbols.txt | sort -u)
check "every function has a manual page" true
if command -v man >/dev/null; then
    complaints=$(for page in "$root"/usr/share/man/man?/*; do MANROFFSEQ='' man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null; done)
    check "man has nothing to complain about $complaints" [ -z "$complaints" ]
fi
while read -r variable; do
    grep -qw "$variable" docs/man/ktli-uring.7 || check "$variable is in ktli-uring(7)" false
done < <(grep '^| .KTLI_URING_' README.md | cut -d'|' -f2 | grep -o 'KTLI_URING_[A-Z_]*')
check "ktli-uring(7) has the README's variables" true

"$make" -s uninstall DESTDIR="$root" PREFIX=/usr LIBDIR=/usr/lib
left=$(find "$root/usr" -type f -o -type l)
check "uninstall leaves nothing $left" [ -z "$left" ]
echo "$checks passed, 0 failed"
