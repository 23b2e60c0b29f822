#!/usr/bin/env bash
# What a new user does, from the README: looks whether io_uring can be used, starts a drive, puts and gets a file, runs
# an unmodified program over the driver, and sees its counters. As an unprivileged user, with an empty environment, on
# what is installed under the root $1.
set -euo pipefail
root=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
home=$(mktemp -d)
drive=
trap '[ -z "$drive" ] || kill "$drive" 2>/dev/null || true; rm -rf "$home"' EXIT
checks=0

ok() {
    checks=$((checks + 1))
    echo "ok    $1"
}
fails() {
    echo "FAIL  $1"
    echo "$checks passed, 1 failed"
    exit 1
}

# The program: the upper half in small, whose library brings the socket driver, as a shared libkinetic does.
header=$(dirname "$(find "$root" -name ktli_uring.h)")
libdir=$(dirname "$(find "$root" -name libktli_uring_preload.so)")
"${CC:-cc}" -O1 -fPIC -shared -I"$header" tools/cli/tests/programs/libkinetic.c -o "$home/libkinetic.so"
"${CC:-cc}" -O1 -I"$header" tools/cli/tests/programs/program.c -o "$home/program" "$home/libkinetic.so" \
    -Wl,-rpath,"$home"
chmod 755 "$home"
# A place that every user can reach.
cp -a "$root" "$home/root"
libdir=$home/root${libdir#"$root"}
bin=$(dirname "$(find "$home/root" -path '*/bin/ktli-uring')")
mkdir -m 700 "$home/user"

# user COMMAND...: as somebody without rights, who has nothing but a path.
user=(env -i "PATH=$bin:/usr/bin:/bin" "HOME=$home/user" LANG=C.UTF-8)
if [ "$(id -u)" = 0 ]; then
    chown 65534:65534 "$home/user"
    user=(setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs "${user[@]}")
fi
# The loader of a whole installation finds the library by itself; in a scratch root it has to be told.
user+=("LD_LIBRARY_PATH=$libdir")
cd "$home/user"

"${user[@]}" ktli-uring doctor > doctor.out 2>&1 || { cat doctor.out; fails "doctor finds io_uring"; }
grep -q io_uring doctor.out || { cat doctor.out; fails "doctor tells of io_uring"; }
ok "ktli-uring doctor"
"${user[@]}" ktli-uring doctor --program "$home/program" > program.out 2>&1 ||
    { cat program.out; fails "doctor finds that the program can be preloaded"; }
ok "ktli-uring doctor --program"

"${user[@]}" ktli-uring drive --port 0 > drive.out 2> drive.err &
drive=$!
for _ in $(seq 100); do
    grep -q "^listening on" drive.out && break
    sleep 0.1
done
port=$(sed -n 's/^listening on .*://p' drive.out | head -1)
[ -n "$port" ] || { cat drive.err; fails "the drive listens"; }
ok "ktli-uring drive"
user+=("KTLI_URING_DRIVE=127.0.0.1:$port")

head -c 700000 /dev/urandom > file
chmod 644 file
"${user[@]}" ktli-uring put key file > put.out 2>&1 || { cat put.out; fails "put"; }
"${user[@]}" ktli-uring get key > copy || fails "get"
cmp file copy || fails "what was put is what is got"
ok "ktli-uring put, get"
"${user[@]}" ktli-uring range | grep -q key || fails "range lists the key"
"${user[@]}" ktli-uring info > info.out || fails "info"
"${user[@]}" ktli-uring ping > ping.out || fails "ping"
"${user[@]}" ktli-uring delete key > delete.out || fails "delete"
if "${user[@]}" ktli-uring get key > /dev/null 2>&1; then fails "what is deleted is gone"; fi
ok "ktli-uring range, info, ping, delete"

status=0
"${user[@]}" "$home/program" "$port" > /dev/null || status=$?
[ "$status" = 3 ] || fails "by itself the program uses the socket driver (it ended with $status)"
"${user[@]}" ktli-uring run --stats -- "$home/program" "$port" > run.out 2>&1 ||
    { cat run.out; fails "the unmodified program runs over the driver"; }
grep -q "system calls" run.out || { cat run.out; fails "its counters are shown"; }
ok "ktli-uring run --stats"

kill "$drive"
wait "$drive" || fails "the drive ends well"
drive=
ok "the drive ends when it is told"
echo "$checks passed, 0 failed"
