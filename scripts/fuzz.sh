#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: scripts/fuzz.sh SECONDS TARGET...    with TARGET one of: core options event tree
#
# Fuzzes each target for so long, two at a time, from its corpus in spec/fuzz/corpus. Inputs that reach
# something new are kept beside the build, for `MERGE=1`, which takes the best of them into the corpus.
# SEED=n makes it try the same inputs as another run of the same build, as far as the time goes. Says one line a target;
# shows what a target said that crashed, and keeps the input.
set -u

: "${BUILD:=build}" "${MERGE:=}" "${SEED:=0}"
seconds=$1
shift

# command TARGET: the fuzzer, and which file of Lua it calls.
command() {
    case $1 in
    core) fuzzer=$BUILD/fuzz/fuzz/core script= ;;
    *) fuzzer=$BUILD/fuzz/fuzz/lua script=spec/fuzz/$1.lua ;;
    esac
}

fuzz() {
    command "$1"
    work=$BUILD/fuzz/$1
    mkdir -p "$work/new" "$work/crashes"
    SUTURA_FUZZ=$script "$fuzzer" -seed="$SEED" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 -max_len=2048 \
        -print_final_stats=1 -artifact_prefix="$work/crashes/" "$work/new" "spec/fuzz/corpus/$1" >"$work/log" 2>&1
    status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log")
    if [ "$status" = 0 ]; then
        echo "ok - $1: ${runs:-no} inputs in $seconds s"
    else
        echo "not ok - $1: status $status after ${runs:-no} inputs; what is left is in $work"
        grep -v '^#' "$work/log" | tail -n 60
    fi
    return "$status"
}

# The smallest set of inputs that reaches all branches that any of them does.
merge() {
    command "$1"
    mkdir -p "$BUILD/fuzz/$1/merged"
    SUTURA_FUZZ=$script "$fuzzer" -merge=1 -use_counters=0 -max_len=512 "$BUILD/fuzz/$1/merged" "spec/fuzz/corpus/$1" \
        "$BUILD/fuzz/$1/new" >/dev/null 2>&1 || return
    mkdir -p "spec/fuzz/corpus/$1"
    rm -f "spec/fuzz/corpus/$1"/*
    cp "$BUILD/fuzz/$1/merged"/* "spec/fuzz/corpus/$1"
}

status=0
while [ $# -gt 0 ]; do
    fuzz "$1" &
    first=$!
    second=
    if [ $# -gt 1 ]; then
        fuzz "$2" &
        second=$!
    fi
    wait "$first" || status=1
    if [ -n "$second" ]; then wait "$second" || status=1; fi
    [ -z "$MERGE" ] || merge "$1" || status=1
    shift
    if [ -n "$second" ]; then
        [ -z "$MERGE" ] || merge "$1" || status=1
        shift
    fi
done
exit "$status"
