#!/usr/bin/env bash
# Runs the C tests on Debian's kernels, each in a virtual machine without hardware support.
# SPDX-License-Identifier: MIT OR Apache-2.0
#
#   tools/test-kernels.sh LIBRARIES BUILD [KERNEL...]
#
# LIBRARIES is the directory of libktli_uring.so and libktli_uring_preload.so; BUILD is made and filled. KERNEL is a
# series, like 6.12; default: all that this machine's apt knows of 6.1 and 6.12, which both have to be there.
#
# Nothing is installed: kernels, busybox and, where there is no qemu-system-x86_64, qemu with the libraries that are
# missing are packages of the configured suites, downloaded and unpacked in BUILD. (Installing qemu may take away
# what other suites have brought.) A test counts when the machine's own last line has said so on the serial console:
# qemu's exit status is 0 even when the kernel has crashed.
#
# Variables: PROGRAMS (names of C tests; default: all), MORE (files of other programs that test), MODES (names of
# c_tests/modes with the shared library; default: on io_uring, on plain calls and with SQPOLL; the older kernels' mode is
# for new ones), LIMIT (seconds for a kernel; default 1200).
set -euo pipefail

die() {
	echo "$*" >&2
	exit 1
}

[ $# -ge 2 ] || die "usage: $0 LIBRARIES BUILD [KERNEL...]"
here=$(cd "$(dirname "$0")" && pwd)
libraries=$(cd "$1" && pwd)
mkdir -p "$2" && build=$(cd "$2" && pwd)
shift 2
kernels=("$@")
[ ${#kernels[@]} -gt 0 ] || kernels=(6.1 6.12)
for tool in apt-get apt-cache dpkg-deb ldd gzip timeout; do
	command -v "$tool" >/dev/null || die "$tool is missing: the kernels are Debian's, and so has this machine to be"
done
[ "$(dpkg --print-architecture)" = amd64 ] || die "the virtual machines are x86-64, and so has this machine to be"

# ---- Packages. ----

# Brings the lists up to date, once, where something was not found with those that are there.
updated=
update() {
	[ -z "$updated" ] || return 1
	updated=1
	apt-get update -qq
}

# Without giving up root's rights, which would need a directory that all users can read.
download() {
	apt-get -o APT::Sandbox::User=root download -qq "$@"
}

# unpack DIRECTORY PACKAGE...: in their newest versions. What is there already is not fetched again.
unpack() {
	local directory=$1 list
	shift
	# With the exact versions: a new one of any is a reason to begin anew.
	list=$(apt-cache policy "$@" | grep -E '^[^ ]|Candidate:')
	if [ -f "$directory/.list" ] && [ "$list" = "$(cat "$directory/.list")" ]; then
		return
	fi
	rm -rf "$directory" && mkdir -p "$directory/.packages"
	(cd "$directory/.packages" && { download "$@" || { update && download "$@"; }; }) ||
		die "apt cannot download $*"
	local package
	for package in "$directory"/.packages/*.deb; do
		dpkg-deb -x "$package" "$directory"
	done
	rm -r "$directory/.packages"
	echo "$list" >"$directory/.list"
}

# The package of the newest kernel of a series.
kernel_package() {
	local found
	found=$(apt-cache search --names-only "^linux-image-${1//./\\.}\\.[^-]*(-[0-9]+)?-cloud-amd64\$" |
		cut -d' ' -f1 | sort -V | tail -n1)
	[ -n "$found" ] && echo "$found"
}

# Sets `qemu`, the command that runs it.
find_qemu() {
	local root=$build/qemu packages
	if command -v qemu-system-x86_64 >/dev/null; then
		qemu=(qemu-system-x86_64)
		return
	fi
	# Only what an installation would add is unpacked, whatever else it would change.
	wanted() {
		apt-get -s install --no-install-recommends qemu-system-x86 2>/dev/null | awk '$1 == "Inst" { print $2 }'
	}
	packages=$(wanted) && [ -n "$packages" ] || { update && packages=$(wanted); } || true
	[ -n "$packages" ] || die "there is no qemu-system-x86_64, and apt does not have qemu-system-x86"
	# shellcheck disable=SC2086 # They are words.
	unpack "$root" $packages
	qemu=(env "LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu"
		"QEMU_MODULE_DIR=$root/usr/lib/x86_64-linux-gnu/qemu"
		"$root/usr/bin/qemu-system-x86_64" -L "$root/usr/share/qemu" -L "$root/usr/share/seabios")
	"${qemu[@]}" --version >/dev/null || die "the unpacked qemu does not run"
}

# ---- The machine's files. ----

# Copies programs and libraries with all libraries that they need.
copy_with_libraries() {
	local root=$1 file
	shift
	# Where the loader itself is found, too.
	{ ldd "$@" || true; } | grep -oE '/[^ ]+\.so[^ ]*' | sort -u | while read -r file; do
		case $file in *libktli_uring*) continue ;; esac
		mkdir -p "$root$(dirname "$file")"
		cp -Ln "$file" "$root$file"
	done
}

# initrd KERNEL-ROOT RELEASE: writes $build/initrd.gz.
initrd() {
	local kernel=$1 release=$2 root=$build/root busybox=$build/busybox/bin/busybox module mode tool
	rm -rf "$root"
	mkdir -p "$root"/{bin,dev,etc,lib,modules,proc,sys,tests,tmp}
	cp "$busybox" "$root/bin/"
	cp "$here/test-kernels-init.sh" "$root/init"
	for mode in ${MODES:-shared-uring shared-socket shared-sqpoll}; do
		grep "^$mode " "$here/../c_tests/modes" || die "there is no mode $mode"
	done >"$root/modes"
	cp "${programs[@]}" ${more[@]+"${more[@]}"} "$root/tests/"
	cp "$libraries/libktli_uring.so" "$root/lib/libktli_uring.so.0"
	cp "$libraries/libktli_uring_preload.so" "$root/lib/"
	copy_with_libraries "$root" "${programs[@]}" ${more[@]+"${more[@]}"} "$libraries/libktli_uring.so" "$libraries/libktli_uring_preload.so"
	printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
	echo 'root:x:0:0::/:/bin/sh' >"$root/etc/passwd"
	# The peer of the tests of TLS.
	tool=$(command -v openssl) || die "openssl is missing"
	cp -L "$tool" "$root/bin/"
	copy_with_libraries "$root" "$tool"
	mkdir -p "$root/usr/lib/ssl"
	cp -L /etc/ssl/openssl.cnf "$root/usr/lib/ssl/"
	# The kernel's TLS, which is no part of the kernel itself, and the cipher that is used with it.
	for module in net/tls/tls {,lib/,arch/x86/}crypto/{{lib,}{chacha,poly1305},{chacha,poly1305}{_generic,-x86_64},chacha20poly1305}; do
		module=$kernel/lib/modules/$release/kernel/$module.ko
		[ ! -f "$module" ] || cp "$module" "$root/modules/"
		[ ! -f "$module.xz" ] || "$busybox" unxz -c "$module.xz" >"$root/modules/$(basename "$module")"
	done
	(cd "$root" && find . | "$busybox" cpio -o -H newc -R 0:0 2>/dev/null | gzip -1) >"$build/initrd.gz"
}

# ---- The run. ----

# boot SERIES: runs the tests on that kernel; false if not all is well.
boot() {
	local series=$1 package root release log=$build/$1.log begun=$SECONDS result said
	package=$(kernel_package "$series") || { update && package=$(kernel_package "$series"); } ||
		die "apt does not have a kernel $series (linux-image-$series*-cloud-amd64)"
	root=$build/linux-$series
	unpack "$root" "$package"
	release=$(basename "$root"/lib/modules/*)
	initrd "$root" "$release"
	echo "Linux $release:"
	timeout -k 5 "${LIMIT:-1200}" "${qemu[@]}" -machine q35 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 \
		-nodefaults -display none -serial stdio -no-reboot -kernel "$root/boot/vmlinuz-$release" \
		-initrd "$build/initrd.gz" -append "console=ttyS0 panic=-1 quiet" </dev/null 2>&1 |
		sed -u 's/\r$//' | tee "$log" | grep --line-buffered -E '^(FAIL|ok|skip|      |KTLI-)' || true
	said=$(sed -n 's/^KTLI-KERNEL //p' "$log")
	result=$(sed -n 's/^KTLI-RESULT //p' "$log")
	if [ "$said" != "$release" ] || [ -z "$result" ]; then
		echo "Linux $release: no result after $((SECONDS - begun)) s; the end of $log:" >&2
		tail -n 20 "$log" >&2
		return 1
	fi
	echo "Linux $release: $result, in $((SECONDS - begun)) s"
	[[ $result =~ ^[1-9][0-9]*\ passed,\ 0\ failed, ]]
}

find_qemu
unpack "$build/busybox" busybox-static
rm -rf "$build/c_tests"
read -r -a names <<<"${PROGRAMS-}"
read -r -a more <<<"${MORE-}"
"$here/../c_tests/run.sh" --build "$libraries" "$build/c_tests" ${names[@]+"${names[@]}"}
mapfile -t programs < <(find "$build/c_tests/shared" -maxdepth 1 -type f -perm -u+x ! -name '*.*' | sort)
[ ${#programs[@]} -gt 0 ] || die "there are no test programs"
status=0
for series in "${kernels[@]}"; do
	boot "$series" || status=1
done
exit $status
