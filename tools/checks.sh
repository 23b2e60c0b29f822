# shellcheck shell=bash
# For the tests of installations: counts what is well, and ends with the first thing that is not.
checks=0
# check WHAT COMMAND...: the command succeeds.
check() {
    local what=$1
    shift
    if ! "$@"; then
        echo "FAIL  $what"
        echo "$checks passed, 1 failed"
        exit 1
    fi
    checks=$((checks + 1))
    echo "ok    $what"
}
