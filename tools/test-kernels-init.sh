#!/bin/busybox sh
# shellcheck shell=dash
# The first process of the virtual machines of test-kernels.sh: runs the test programs of /tests in the modes of /modes,
# says the result on the serial line, and ends the machine.
# SPDX-License-Identifier: MIT OR Apache-2.0

/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /dev/shm
ip link set lo up
# In the order in which they need each other, which shows by trying.
for _ in 1 2 3; do
	for module in /modules/*; do
		[ ! -f "$module" ] || insmod "$module" 2>/dev/null
	done
done
# These kernels have it: a test that does not find it has failed.
export KTLI_TEST_KTLS=required
echo "KTLI-KERNEL $(uname -r)"

# Emulated processors are slow: fewer rounds, no limits on CPU time, and time enough beside others' work.
export KTLI_TEST_SLOW=emulated KTLI_TEST_PRELOAD=/lib/libktli_uring_preload.so

# run MODE PROGRAM VARIABLE...: one test, and a line for it.
run() {
	mode=$1 program=$2 output=/tmp/$1.$2 word=FAIL
	shift 2
	env "$@" timeout -k 5 400 "/tests/$program" >"$output" 2>&1 </dev/null
	status=$?
	case $status in
	0) word=ok ;;
	77) word=skip ;;
	esac
	{
		printf '%-4s  %-16s %s\n' "$word" "$program" "$mode"
		if [ "$word" = FAIL ]; then
			echo "      status $status; the output:"
			tail -n 30 "$output" | sed 's/^/      /'
		fi
	} >"$output.report"
	cat "$output.report"
	rm -f "$output"
	# Emulated, a program may get no processor for seconds beside another one: what has failed has another try, alone.
	if [ "$word" = FAIL ] && [ "$worker" != alone ]; then
		echo "$mode $program $*" >>/tmp/again
	else
		echo "$word" >>"/tmp/results.$worker"
	fi
}

# All modes and programs, one a line, shared by two workers, for two processors.
while read -r mode _ variables; do
	for program in /tests/*; do
		echo "$mode $(basename "$program") $variables"
	done
done </modes >/tmp/all
for worker in 0 1; do
	awk "NR % 2 == $worker" /tmp/all >"/tmp/work.$worker"
	while read -r line; do
		# shellcheck disable=SC2086 # The line is words.
		run $line
	done <"/tmp/work.$worker" &
done
wait
worker=alone
if [ -f /tmp/again ]; then
	echo "      once more, alone:"
	while read -r line; do
		# shellcheck disable=SC2086 # The line is words.
		run $line
	done </tmp/again
fi

count() {
	cat /tmp/results.* | grep -cx "$1"
}
echo "KTLI-RESULT $(count ok) passed, $(count FAIL) failed, $(count skip) skipped"
poweroff -f
