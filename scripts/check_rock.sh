#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: scripts/check_rock.sh    (called by make, which exports OUT, LUA and MAKE)
#
# Installs by make and by LuaRocks below a scratch directory and compares, in TAP: files in their
# places, a command that runs, and in both cases the same module by exports, references and flags.
set -u

: "${OUT:?called by make}" "${LUA:=lua5.4}" "${MAKE:=make}"
unset LUA_PATH LUA_CPATH
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
root=$scratch/root/opt/sutura
tree=$scratch/tree
count=0
failures=0

check() {
    count=$((count + 1))
    title=$1
    shift
    if "$@" >"$scratch/said" 2>&1; then
        echo "ok $count - $title"
    else
        failures=$((failures + 1))
        echo "not ok $count - $title"
        sed 's/^/#   /' "$scratch/said"
    fi
}

make_install() { "$MAKE" install DESTDIR="$scratch/root" PREFIX=/opt/sutura; }

# Offline: whatever is not there already would have to come from an empty directory.
rock_install() {
    mkdir -p "$scratch/empty"
    luarocks --lua-version=5.4 --only-server="$scratch/empty" make --tree="$tree"
}

# The installed files, and no others, stand where the documentation says.
places() {
    {
        echo bin/sutura
        echo lib/lua/5.4/sutura/core.so
        find lua/sutura -name '*.lua' | sed 's|^lua/|share/lua/5.4/|'
        echo share/man/man1/sutura.1
    } | sort >"$scratch/expected"
    (cd "$root" && find . -type f | sed 's|^\./||') | sort | diff "$scratch/expected" -
}

# command_runs BELOW COMMAND: from an empty directory, where no checkout can lend a hand.
command_runs() {
    mkdir -p "$scratch/empty"
    (
        cd "$scratch/empty" || exit 1
        LUA_PATH="$1/share/lua/5.4/?.lua;$1/share/lua/5.4/?/init.lua;;" LUA_CPATH="$1/lib/lua/5.4/?.so;;"
        export LUA_PATH LUA_CPATH
        "$LUA" -e "assert(package.searchpath('sutura', package.path):find('$1', 1, true), 'another sutura')
            assert(require 'sutura'._VERSION)" && shift && "$@" --help
    ) | tee "$scratch/help" && grep -qi 'usage: *sutura' "$scratch/help"
}

# What a program that loads the module can see of it.
face() {
    nm -D "$1" | sed 's/^[0-9a-f]* *//'
    readelf -dW "$1" | grep -E 'NEEDED|FLAGS|R(UN)?PATH' | sed 's/^ *0x[0-9a-f]* *//'
}

same_module() {
    face "$root/lib/lua/5.4/sutura/core.so" >"$scratch/make"
    face "$tree/lib/lua/5.4/sutura/core.so" >"$scratch/rock"
    grep -q luaopen_sutura_core "$scratch/make" && diff "$scratch/make" "$scratch/rock"
}

check "make install works" make_install
check "make install puts each file in its place" places
check "the command that make installed runs" command_runs "$root" "$LUA" "$root/bin/sutura"
check "luarocks builds and installs the rock without a network" rock_install
check "the rock has the same Lua files" diff -r "$root/share/lua/5.4" "$tree/share/lua/5.4"
check "the rock's module has the same flags, exports and libraries" same_module
check "the command that the rock installed runs" command_runs "$tree" "$tree/bin/sutura"

echo "1..$count"
[ "$failures" = 0 ]
