#!/bin/sh
# SPDX-License-Identifier: MIT
#
# usage: scripts/lint.sh    (called by make, which exports OUT and LUA)
#
# Every static check by name, in TAP. A check is a function that prints what is wrong and then fails;
# silence is success. Checks on layering ask the object files as well as the sources: what an object
# does not reference, it cannot call.
set -u

: "${OUT:?called by make}" "${LUA:=lua5.4}"
module=$OUT/sutura/core.so
count=0
failures=0

check() {
    count=$((count + 1))
    title=$1
    shift
    if said=$("$@" 2>&1); then
        echo "ok $count - $title"
    else
        failures=$((failures + 1))
        echo "not ok $count - $title"
        echo "$said" | sed 's/^/#   /'
    fi
}

# nothing COMMAND...: prints the command's output, and fails if there was any.
nothing() {
    found=$("$@")
    [ -z "$found" ] || { echo "$found"; return 1; }
}

c_files() { find csrc spec bench -name '*.[ch]' 2>/dev/null; }
lua_files() {
    find lua spec examples bench scripts library -name '*.lua' 2>/dev/null
    find bin -type f
}
objects() { find "$OUT/obj/$1" -name '*.o' | sort; }

# --- the rings -------------------------------------------------------------------------------------

# A ring includes itself and the rings below; the core also nothing of the C library that would let it
# see a clock, a file or the system.
included_outwards() {
    libc='assert|ctype|errno|float|inttypes|limits|math|stdalign|stdarg|stdbool|stddef|stdint|stdio|stdlib|string'
    grep -nE '^ *# *include' csrc/core/*.[ch] | grep -vE "\"core/[a-z_]+\.h\"|<($libc)\.h>"
    grep -nE '^ *# *include' csrc/rt/*.[ch] | grep -E '"lua/|[<"](lua|lauxlib|lualib)[a-z]*\.h[">]'
    grep -nE '^ *# *include +"' csrc/rt/*.[ch] csrc/lua/*.[ch] | grep -vE '"(core|rt|lua)/[a-z_]+\.h"'
}

# refers PATTERN FILE...: the undefined symbols of the object files that match.
refers() {
    pattern=$1
    shift
    nm -A -u "$@" | grep -E " U ($pattern)(@|\$)"
}

core_sees_outside() {
    # shellcheck disable=SC2046 # file names without spaces
    refers 'lua_.*|luaL_.*|uv_.*|time|clock|clock_gettime|gettimeofday|nanosleep|getenv|f?open|read|write' \
        $(objects core)
}

core_allocates() {
    # shellcheck disable=SC2046
    refers 'malloc|calloc|realloc|free|aligned_alloc|strdup' $(objects core | grep -v '/alloc\.o$')
}

runtime_sees_lua() {
    # shellcheck disable=SC2046
    refers 'lua_.*|luaL_.*|luaopen_.*' $(objects rt)
}

# --- the module ------------------------------------------------------------------------------------

exported() { nm -D --defined-only "$module" | awk '$3 !~ /^luaopen_/'; }

opener() { nm -D --defined-only "$module" | grep -q ' T luaopen_sutura_core$'; }

unbounded_calls() { nm -D -u "$module" | grep -E ' U _*(strcpy|strcat|v?sprintf|gets|alloca)(_chk)?(@|$)'; }

linked_well() {
    readelf -dW "$module" >"$OUT/dynamic.txt"
    for flag in NODELETE NOW; do
        grep -q "FLAGS.*\b$flag\b" "$OUT/dynamic.txt" || { echo "the module lacks the flag $flag"; return 1; }
    done
    grep -q 'NEEDED.*\[libuv\.so' "$OUT/dynamic.txt" || { echo "libuv is not linked as a shared library"; return 1; }
    nothing grep -E 'NEEDED.*liblua' "$OUT/dynamic.txt"
}

# --- tools -----------------------------------------------------------------------------------------

formatted() { c_files | xargs clang-format --dry-run -Werror; }

lua_checked() { lua_files | xargs luacheck --quiet --codes --no-color; }

cppchecked() {
    cppcheck --quiet --std=c11 --enable=warning,portability,performance --inline-suppr \
        --error-exitcode=1 -Icsrc csrc
}

tidy() {
    flags="-std=c11 -D_POSIX_C_SOURCE=200809L -Icsrc $(pkg-config --cflags lua5.4 libuv)"
    # shellcheck disable=SC2086
    find csrc -name "*.c" | xargs -P "$(nproc)" -I{} clang-tidy --quiet {} -- $flags 2>/dev/null
}

man_page() { mandoc -T lint -W warning docs/sutura.1; }

# --- the text --------------------------------------------------------------------------------------

without_licence() {
    { c_files; lua_files; find scripts .ci Makefile -type f; } | sort -u | while read -r file; do
        head -n 3 "$file" | grep -q 'SPDX-License-Identifier: MIT' || echo "$file: no SPDX line"
    done
}

leftovers() {
    grep -rnwE 'TOD[O]|FIXM[E]|XX[X]|HAC[K]' csrc lua spec bin examples bench scripts library docs ./*.md 2>/dev/null
}

skipped() {
    # An it() without a function is pending too.
    grep -rnE '(^|[^a-zA-Z_.])((pending|skip) *[("]|it *\(? *"[^"]*" *\)? *$)' spec --include='*_spec.lua' --include='*.c'
}

too_long() { find csrc lua -name '*.[ch]' -o -name '*.lua' | xargs wc -l | awk '$2 != "total" && $1 > 450'; }

contract() { "$LUA" scripts/check_contract.lua docs/contract.md; }

otp_cases() { "$LUA" scripts/check_contract.lua docs/otp.md; }

# Loads the module, as make lets it be found.
pages_are_current() { "$LUA" scripts/reference.lua --check; }

breaks_apply() { DRY=1 "$LUA" scripts/mutate.lua; }

check "a ring includes only itself and the rings below it" nothing included_outwards
check "the core refers to no Lua, no libuv, no clock and no file" nothing core_sees_outside
check "the core allocates in core/alloc.c alone" nothing core_allocates
check "the runtime refers to no Lua" nothing runtime_sees_lua
check "the module has its luaopen function" opener
check "the module exports nothing but luaopen_*" nothing exported
check "the module stays mapped, binds at load, and brings no liblua" linked_well
check "the module calls no unbounded string function" nothing unbounded_calls
check "clang-format has nothing to change" formatted
check "luacheck is clean" lua_checked
check "cppcheck is clean" cppchecked
check "clang-tidy is clean" tidy
check "the man page is well formed" man_page
check "every source names its licence" nothing without_licence
check "nothing is left for later" nothing leftovers
check "no spec is skipped or pending" nothing skipped
check "no file is over 450 lines" nothing too_long
check "every sentence of the contract has its spec or its issue" contract
check "every case of OTP's own suite has its spec, or says why none" otp_cases
check "the generated pages are current" pages_are_current
check "every deliberate break applies" breaks_apply

echo "1..$count"
[ "$failures" = 0 ]
