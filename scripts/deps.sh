#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: scripts/deps.sh PURPOSE...    with PURPOSE one of: build demo test valgrind faults fuzz cover peers
#
# Installs what the purposes need and the machine lacks. It looks for the things themselves, not for
# packages, so what came by another way is good too; when nothing is missing it says nothing. Knows
# Debian only: elsewhere, or without the right to install, it says what is missing and fails.
set -eu

lua=${LUA:-lua5.4}

# One need a line: purpose, kind of thing, the thing, and the Debian package that has it.
needs() {
    cat <<'LIST'
build    cc       stdio.h       build-essential
build    command  pkg-config    pkg-config
build    command  lua5.4        lua5.4
build    pc       lua5.4        liblua5.4-dev
build    pc       libuv         libuv1-dev
demo     module   argparse      lua-argparse
demo     module   dkjson        lua-dkjson
test     module   luv           lua-luv
test     module   cqueues       lua-cqueues
test     module   busted        lua-busted
test     command  busted        lua-busted
test     pc       cmocka        libcmocka-dev
test     command  luacheck      lua-check
test     command  luarocks      luarocks
test     command  clang-format  clang-format
test     command  clang-tidy    clang-tidy
test     command  cppcheck      cppcheck
test     command  mandoc        mandoc
valgrind command  valgrind      valgrind
faults   command  strace        strace
fuzz     command  clang-14      clang-14
fuzz     file     /usr/lib/llvm-14/lib/clang/14.0.6/lib/linux/libclang_rt.fuzzer-x86_64.a libclang-rt-14-dev
cover    command  gcovr         gcovr
peers    module   luv           lua-luv
peers    module   socket        lua-socket
peers    module   cqueues       lua-cqueues
peers    command  go            golang-go
peers    file     /usr/share/gocode/src/github.com/thejerf/suture golang-github-thejerf-suture-dev
peers    command  erlc          erlang-base
LIST
}

have() {
    case $1 in
    command) command -v "$2" ;;
    cc) echo "#include <$2>" | cc -E - ;;
    pc) pkg-config --exists "$2" ;;
    module) "$lua" -e "require '$2'" ;;
    file) test -e "$2" ;;
    esac >/dev/null 2>&1
}

# The packages that are missing for the purposes given, each once.
missing() {
    needs | while read -r purpose kind thing package; do
        case " $* " in *" $purpose "*) have "$kind" "$thing" || echo "$package" ;; esac
    done | sort -u | tr '\n' ' ' | sed 's/ $//'
}

case " $* " in
*" test "*) set -- build demo test "$@" ;;
*" demo "*) set -- build demo ;;
*" peers "*) set -- build "$@" ;;
esac

packages=$(missing "$@")
[ -n "$packages" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    as_root=sudo
fi
line="apt-get install --no-install-recommends -y $packages"

if ! command -v apt-get >/dev/null 2>&1; then
    echo "sutura: missing here, by the names Debian 12 gives them: $packages" >&2
    exit 1
fi
if [ -n "$as_root" ] && ! sudo -n true >/dev/null 2>&1; then
    echo "sutura: some packages are missing and this user may not install them. As root, run:" >&2
    echo "    apt-get update && $line" >&2
    exit 1
fi

echo "sutura: installing $packages"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # the words of $line and of $packages are meant to be split
{
    # Unknown packages mean empty or old lists.
    apt-cache show $packages >/dev/null 2>&1 || $as_root apt-get update -q
    $as_root $line -q || { $as_root apt-get update -q && $as_root $line -q; }
} >&2

packages=$(missing "$@")
[ -z "$packages" ] || { echo "sutura: still missing after the installation: $packages" >&2; exit 1; }
