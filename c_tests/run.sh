#!/usr/bin/env bash
# Builds and runs the C tests. SPDX-License-Identifier: MIT OR Apache-2.0
#
#   c_tests/run.sh [--valgrind|--asan|--build] LIBRARIES BUILD [PROGRAM...]
#
# LIBRARIES is the directory of libktli_uring.so, libktli_uring.a and libktli_uring_preload.so; BUILD is
# made and filled. Without an option every program runs in the modes of the file `modes`. --valgrind runs them under valgrind,
# --asan with AddressSanitizer and the static library; --build only builds them with the shared library, in BUILD/shared,
# to be run elsewhere. PROGRAM... are names without .c; default: all.
#
# The last line is "N passed, M failed, K skipped". Variables: CC, CXX, CFLAGS, JOBS.
set -u

usage() {
	echo "usage: $0 [--valgrind|--asan|--build] LIBRARIES BUILD [PROGRAM...]" >&2
	exit 2
}

kind=plain
case ${1-} in
--valgrind | --asan | --build) kind=${1#--} && shift ;;
--*) usage ;;
esac
[ $# -ge 2 ] || usage
here=$(cd "$(dirname "$0")" && pwd)
libraries=$(cd "$1" && pwd) || exit 2
mkdir -p "$2" && build=$(cd "$2" && pwd) || exit 2
shift 2

cc=${CC:-cc}
cxx=${CXX:-c++}
jobs=${JOBS:-2}
flags=(-std=gnu11 -O2 -g -Wall -Wextra -Werror "-I$here/../include")
[ "$kind" = asan ] && flags+=(-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=undefined)
read -r -a more <<<"${CFLAGS-}"
flags+=(${more[@]+"${more[@]}"})
# What `rustc --print native-static-libs` says.
native=(-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc)

if [ $# -gt 0 ]; then
	programs=("$@")
else
	programs=()
	for source in "$here"/*.c; do
		name=$(basename "$source" .c)
		case $name in
		harness | upper | traced | openssl | relay | header | asan_canary) ;;
		*) programs+=("$name") ;;
		esac
	done
fi

results=$build/results
rm -rf "$results" && mkdir -p "$results"

# record NAME MODE STATUS OUTPUT: one line for a test, and the output where it failed. A file for each,
# since several run at a time; printed at once.
record() {
	local word=FAIL
	case $3 in
	0) word=ok ;;
	77) word=skip ;;
	esac
	echo "$word" >"$results/$1.$2"
	{
		printf '%-4s  %-16s %s\n' "$word" "$1" "$2"
		if [ "$word" = FAIL ]; then
			echo "      status $3; the output:"
			sed 's/^/      /' "$4"
		elif [ "$word" = skip ]; then
			sed 's/^/      /' "$4"
		fi
	} >"$4.report"
	cat "$4.report"
}

# check NAME MODE COMMAND...: runs a command as a test.
check() {
	local name=$1 mode=$2 output=$build/$1.$2.out
	shift 2
	timeout -k 5 120 "$@" >"$output" 2>&1 </dev/null
	record "$name" "$mode" $? "$output"
}

# The header, by itself: all ways to include it, both languages.
headers() {
	local way
	for way in ALONE DEFINED_BY_HEADER PROGRAM_FIRST PROGRAM_LAST; do
		check "header_$way" c99 "$cc" -std=c99 -Wall -Wextra -Wpedantic -Werror -fsyntax-only \
			"-I$here/../include" "-D$way" "$here/header.c"
		if ! command -v "$cxx" >/dev/null; then
			echo "$cxx is not installed (package: g++)" >"$build/header_$way.c++.out"
			record "header_$way" c++ 77 "$build/header_$way.c++.out"
			continue
		fi
		check "header_$way" c++ "$cxx" -x c++ -Wall -Wextra -Wpedantic -Werror -fsyntax-only \
			"-I$here/../include" "-D$way" "$here/header.c"
	done
}

# compile LINK: builds all programs against the shared or the static library, in a directory of its own.
compile() {
	local link=$1 name object library=()
	mkdir -p "$build/$link"
	if [ "$link" = shared ]; then
		# The loader looks for the soname.
		ln -sf "$libraries/libktli_uring.so" "$build/shared/libktli_uring.so.0"
		library=("-Wl,-rpath,$build/shared" "$build/shared/libktli_uring.so.0" -lpthread -ldl)
	else
		library=("$libraries/libktli_uring.a" "${native[@]}")
	fi
	for object in harness upper traced openssl relay; do
		"$cc" "${flags[@]}" -c "$here/$object.c" -o "$build/$link/$object.o" || exit 1
	done
	for name in "${programs[@]}"; do
		echo "$name"
	done | build_all "$link" "${library[@]}"
}

# Builds the programs named on stdin, $jobs at a time. What does not compile is a failed test.
build_all() {
	local link=$1 name output
	shift
	while read -r name; do
		while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
		output=$build/$link/$name.build
		rm -f "$build/$link/$name"
		{
			"$cc" "${flags[@]}" "$here/$name.c" "$build/$link"/{harness,upper,traced,openssl,relay}.o \
				-o "$build/$link/$name" "$@" >"$output" 2>&1 || record "$name" "build-$link" 1 "$output"
		} &
	done
	wait
}

# run MODE LINK COMMAND...: runs all programs that were built, $jobs at a time, and one of them alone. COMMAND, with its
# variables, goes in front of each.
run() {
	local mode=$1 link=$2 name last command
	shift 2
	for name in "${programs[@]}"; do
		last=()
		# In a forked child everything that the parent's other threads have in hand is a leak.
		# And valgrind does not see which bytes the AES instructions of TLS define.
		case "$kind $name" in
		"valgrind fork" | "valgrind stats" | "valgrind trace") last=(--leak-check=no) ;;
		"valgrind tls" | "valgrind ktls") last=(--undef-value-errors=no) ;;
		esac
		[ -x "$build/$link/$name" ] || continue
		command=(check "$name" "$mode" env "KTLI_TEST_PRELOAD=$libraries/libktli_uring_preload.so" "$@"
			${last[@]+"${last[@]}"} "$build/$link/$name")
		# It shares a processor with a busy thread of its own, and no answer is held for more than 10 ms: with other
		# programs there, too, the sender may wait longer for its turn.
		if [ "$name" = hold ]; then
			wait
			"${command[@]}"
			continue
		fi
		while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
		"${command[@]}" &
	done
	wait
}

# The sanitizer is in the binaries, and sees what goes wrong below the driver's functions.
canary() {
	local output=$build/asan_canary.out status=0 programs=(asan_canary)
	compile static
	: >"$output"
	if ! nm "$build/static/asan_canary" 2>&1 | grep -w __asan_init >/dev/null; then
		status=1
		echo "AddressSanitizer is not in the program" >>"$output"
	fi
	if KTLI_URING_BACKEND=socket "$build/static/asan_canary" >>"$output" 2>&1 </dev/null ||
		! grep -q 'AddressSanitizer: heap-buffer-overflow' "$output"; then
		status=1
		echo "AddressSanitizer has not caught the canary" >>"$output"
	fi
	record asan_canary static $status "$output"
}

# The tests of what holds for any connection, again over TLS, with both versions: between driver and peer there is a
# program that takes TLS off (tools/client/src/bin/ktli-terminator.rs). The others look at what the driver asks of the
# kernel, or at what sockets hold.
over_tls() {
	local ports=() version port all=("${programs[@]}")
	mapfile -t programs < <(printf '%s\n' "${all[@]}" | grep -xE "$any_connection")
	[ ${#programs[@]} -gt 0 ] || return 0
	if ! [ -x "$libraries/ktli-terminator" ]; then
		echo "there is no ktli-terminator (cargo build --release -p ktli-client)" >"$build/over_tls.out"
		record over_tls shared 77 "$build/over_tls.out"
		return
	fi
	for version in 1.2 1.3; do
		: >"$build/terminator.$version"
		"$libraries/ktli-terminator" $version >"$build/terminator.$version" &
		terminators+=($!)
		# `run` waits for all jobs.
		disown
		trap 'kill "${terminators[@]}"' EXIT
		until read -r port <"$build/terminator.$version"; do
			kill -0 "${terminators[-1]}" || exit 1
			sleep 0.05
		done
		ports+=("$port")
	done
	run tls12-uring shared KTLI_URING_BACKEND=uring "KTLI_TEST_TLS=${ports[0]}"
	run tls13-uring shared KTLI_URING_BACKEND=uring "KTLI_TEST_TLS=${ports[1]}"
	run tls13-socket shared KTLI_URING_BACKEND=socket "KTLI_TEST_TLS=${ports[1]}"
	programs=("${all[@]}")
}

# A mode for each line of the file, that is not a comment.
run_modes() {
	local mode link variables
	while read -r mode link variables; do
		read -r -a variables <<<"$variables"
		run "$mode" "$link" "${variables[@]}"
	done < <(grep -v '^#' "$here/modes")
}

any_connection='blocked_drive|close_race|cut_requests|disconnect|flush_on_exit'
any_connection+='|handles|interrupted|killed|poll|race|receive|send_error|send_timeout|signals|sizes'
any_connection+='|session|stopped_reader|threads'
unset KTLI_TEST_TLS KTLI_URING_BACKEND KTLI_URING_SQPOLL KTLI_URING_LOG KTLI_URING_FEATURES
case $kind in
build)
	compile shared
	! grep -qx FAIL "$results"/* 2>/dev/null
	exit
	;;
plain)
	headers
	compile shared
	compile static
	run_modes
	over_tls
	;;
valgrind)
	command -v valgrind >/dev/null || { echo "valgrind is not installed (package: valgrind)" >&2; exit 1; }
	tool=(KTLI_TEST_SLOW=valgrind valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite
		--errors-for-leak-kinds=definite --fair-sched=yes)
	compile shared
	run valgrind-socket shared KTLI_URING_BACKEND=socket "${tool[@]}"
	# Valgrind 3.19 does not know what a ring's completions have written (all of it is uninitialised
	# to it), and holds its one lock while a thread waits in io_uring_enter: programs whose threads
	# wait for each other there get nowhere. The others look at addresses and leaks.
	mapfile -t programs < <(printf '%s\n' "${programs[@]}" |
		grep -xE 'config|handles|idle|log|no_poller|poll|sockets|table')
	run valgrind-uring shared KTLI_URING_BACKEND=uring "${tool[@]}" --undef-value-errors=no
	;;
asan)
	tool=(UBSAN_OPTIONS=print_stacktrace=1 KTLI_TEST_SLOW=1)
	canary
	compile static
	run asan-uring static KTLI_URING_BACKEND=uring "${tool[@]}"
	run asan-socket static KTLI_URING_BACKEND=socket "${tool[@]}"
	;;
esac

count() {
	cat "$results"/* 2>/dev/null | grep -cx "$1"
}
passed=$(count ok) failed=$(count FAIL) skipped=$(count skip)
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
