#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: scripts/run.sh build|unit|spec|sim|sweep|faults|cover|collector
#
# One part of scripts/test.sh, in TAP: the build, the C programs on the core, the busted specs. It
# knows how a flavour wants to be run: sanitizers are preloaded because the program that loads the
# module is the plain lua5.4, and each tool has an exit status of its own (99, 98, 66, 9) that no failing
# spec can have.
set -u

FLAGS_ASAN=detect_leaks=1:exitcode=99:detect_stack_use_after_return=1:strict_string_checks=1
FLAGS_UBSAN=print_stacktrace=1:halt_on_error=1:exitcode=98

# watched COMMAND...: runs it as the flavour and WRAP want it.
watched() {
    if [ "$WRAP" = valgrind ]; then
        valgrind -q --fair-sched=try --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite "$@"
    elif [ "$FLAVOUR" = tsan ]; then
        TSAN_OPTIONS=exitcode=66:halt_on_error=1 SPIN_ALLOCATES=1 LD_PRELOAD=$preload "$@"
    elif [ "$FLAVOUR" = asan ]; then
        ASAN_OPTIONS=$FLAGS_ASAN UBSAN_OPTIONS=$FLAGS_UBSAN LD_PRELOAD=$preload "$@"
    else
        "$@"
    fi
}

build() {
    if [ -n "$SPEC" ] && [ ! -e "spec/$SPEC.lua" ] && [ ! -e "spec/c/$SPEC.c" ] && [ ! -e "spec/rt/$SPEC.c" ]; then
        echo "not ok 1 - there is a spec named $SPEC"
    elif said=$("$MAKE" --no-print-directory -j "$(nproc)" tests 2>&1); then
        echo "ok 1 - the module and the C tests build"
    else
        echo "not ok 1 - the module and the C tests build"
        echo "$said" | sed 's/^/#   /'
    fi
    echo "1..1"
}

# Each program prints its own plan and tests; the plans add up.
unit() {
    preload= # linked with the sanitizers
    programs=0
    status=0
    for source in spec/c/${SPEC:-*_test}.c spec/rt/${SPEC:-*_test}.c; do
        test -e "$source" || continue
        programs=$((programs + 1))
        CMOCKA_MESSAGE_OUTPUT=TAP watched "$OUT/test/$(expr "$source" : 'spec/\(.*\)\.c')" || status=$?
        if [ -n "$FAIL_FAST" ] && [ "$status" != 0 ]; then break; fi
    done
    [ "$programs" != 0 ] || echo "1..0"
    return "$status"
}

spec() {
    case $FLAVOUR in
    tsan) preload=$(gcc -print-file-name=libtsan.so) ;;
    *) preload="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)" ;;
    esac
    files=spec
    if [ -n "$SPEC" ]; then
        files=spec/$SPEC.lua
        [ -e "$files" ] || { echo "1..0"; return; }
    fi
    # Valgrind runs one thread at a time, and slowly: what is about real time has no meaning there. With a full
    # collection at every call, what measures thousands of services would take hours.
    left_out=
    [ "$WRAP" != valgrind ] || left_out=--exclude-tags=realtime
    [ "$FLAVOUR" != gc ] || left_out=--exclude-tags=thousands
    watched "$LUA" "$(command -v busted)" --run=make ${FAIL_FAST:+--no-keep-going} $left_out "$files"
}

# The same stories each time: a suite must not fail for another reason than a change. `make sim` has others.
sim() {
    "$LUA" scripts/sim.lua 5000 0 "$(nproc)"
}

# swept BUILD SCENARIO KINDS FIRST STRIDE: whose requests for memory fail in turn; one, two in a row, and all from there on.
swept() {
    for in_a_row in 1 2 0; do
        LUA_CPATH="$PWD/$1/?.so;;" "$1/host/sweep_host" "$PWD/$1/sutura/core.so" \
            "spec/host/$2.lua" "$3" "$in_a_row" "$4" "$5" "$(nproc)" || status=$?
    done
}

# STRIDE=1 tries each request; the quick form tries some of Lua's, which are many.
sweep() {
    stride=${STRIDE:-1}
    "$MAKE" --no-print-directory FLAVOUR=oom all build/oom/host/sweep_host >&2 || return
    status=0
    swept build/oom sweep l "$stride" "$stride"
    swept build/oom sweep o 1 1
    swept build/oom sweep u 1 1
    swept build/oom sweep lou "$((stride / 2 + 1))" "$stride"
    swept build/oom sweep_hogs l "$stride" "$stride"
    swept build/oom sweep_hogs o 1 1
    return "$status"
}

# What unit and spec have covered, in the flavour cover, and what is reached only without memory; the specs once more for
# the lines of Lua, which are noted in every process that they start. Where system calls are made to fail, counts cannot
# be written: what they reach is not counted.
cover() {
    mkdir -p "$OUT/lines"
    "$MAKE" --no-print-directory "$OUT/cover.so" >&2 || return
    {
        swept "$OUT" sweep lou 1 5
        swept "$OUT" sweep o 1 1
        swept "$OUT" sweep u 1 1
        swept "$OUT" sweep_hogs l 1 25
        swept "$OUT" sweep_hogs o 1 1
    } >&2
    COVER="$PWD/$OUT/lines" LUA_INIT="require 'cover'" \
        "$LUA" "$(command -v busted)" --run=make --exclude-tags=realtime spec >&2
    "$LUA" scripts/cover.lua "$OUT"
}

faults() {
    "$LUA" scripts/faults.lua "$OUT"
}

# What specs about lifetimes say, with garbage collected whenever Lua has been called, and under Lua's
# other collector: the quick form of test-gc and test-generational.
LIFETIMES="gc hook panic ends close nested remove context event_fields shield meddling template"

collector() {
    preload=
    set --
    for name in $LIFETIMES; do
        set -- "$@" "spec/${name}_spec.lua"
    done
    "$MAKE" --no-print-directory FLAVOUR=gc all >&2 || return
    status=0
    LUA_CPATH="$PWD/build/gc/?.so;;" "$LUA" "$(command -v busted)" --run=make "$@" || status=$?
    SUTURA_GC=generational "$LUA" "$(command -v busted)" --run=make "$@" || status=$?
    return "$status"
}

"$1"
