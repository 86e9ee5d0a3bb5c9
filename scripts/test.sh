#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: scripts/test.sh PART...    with PART one of: build lint unit spec sim sweep faults cover collector install
#
# Runs the parts in order and ends with one line, "N passed, N failed", that sums them all. Each part
# speaks TAP; here it is counted, and only what failed is shown. A part that crashes, hangs, prints
# no plan, or leaves tests of its plan out has failed, whatever its lines say. Called by make, which
# exports OUT, FLAVOUR, LUA, LUA_PATH and LUA_CPATH. Further, from the environment:
#   SPEC=name      only the spec file or C test program of that name
#   FAIL_FAST=1    leave a part at its first failure
#   LIMIT=n        seconds that the tests of a part may take
#   WRAP=valgrind  run the tests under valgrind
set -u

: "${OUT:?called by make}" "${LUA:=lua5.4}" "${MAKE:=make}" "${FLAVOUR:=release}"
SPEC=${SPEC:-} FAIL_FAST=${FAIL_FAST:-} WRAP=${WRAP:-}
export FAIL_FAST WRAP SPEC

logs=$OUT/log${WRAP:+-$WRAP}
mkdir -p "$logs"

case $FLAVOUR$WRAP in
release) limit=${LIMIT:-300} ;;
asan | tsan) limit=400 ;;
*) limit=1800 ;;
esac

passed=0
failed=0

# part NAME LIMIT COMMAND...: runs the command for at most LIMIT seconds, counts, and shows failures.
part() {
    name=$1 seconds=$2
    shift 2
    timeout -k 10 "$seconds" "$@" >"$logs/$name.tap" 2>"$logs/$name.err"
    status=$?
    # shellcheck disable=SC2046 # three numbers, meant to be split
    set -- $(awk '
        /^ok .*# SKIP/ || /^not ok / { bad++; next }
        /^ok / { good++ }
        /^1\.\.[0-9]+$/ { planned += substr($0, 4); plans++ }
        END { print good + 0, bad + 0, plans ? planned : -1 }' "$logs/$name.tap")
    good=$1 bad=$2 planned=$3 why=
    if [ "$status" = 124 ] || [ "$status" = 137 ]; then
        why="stopped after $seconds s"
    elif [ "$planned" = -1 ]; then
        why="gave no counts (status $status)"
    elif [ "$planned" != $((good + bad)) ]; then
        why="ran $((good + bad)) of $planned tests (status $status)"
    elif [ "$status" != 0 ] && [ "$bad" = 0 ]; then
        why="ended with status $status"
    fi
    awk '/^not ok |^ok .*# SKIP/ { show = 1 } /^ok / && !/# SKIP/ { show = 0 } /^1\.\./ { show = 0 } show' \
        "$logs/$name.tap"
    if [ -n "$why" ]; then
        bad=$((bad + 1))
        echo "not ok - $name $why; last in $logs/$name.tap and $logs/$name.err:"
        tail -n 1 "$logs/$name.tap"
        tail -n 40 "$logs/$name.err"
    fi
    echo "$name: $good passed, $bad failed"
    passed=$((passed + good))
    failed=$((failed + bad))
    [ "$bad" = 0 ]
}

finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ]
    exit
}

for name; do
    case $name in
    build)
        # Nothing else means anything without it.
        part build 600 scripts/run.sh build || finish
        ;;
    lint) part lint 600 scripts/lint.sh ;;
    unit | spec | sim | sweep | faults | cover | collector) part "$name" "$limit" scripts/run.sh "$name" ;;
    install) part install 300 scripts/check_rock.sh ;;
    *) echo "scripts/test.sh: no part named $name" >&2 && exit 2 ;;
    esac
    [ -z "$FAIL_FAST" ] || [ "$failed" = 0 ] || finish
done
finish
