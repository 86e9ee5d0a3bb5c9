-- SPDX-License-Identifier: MIT
rockspec_format = "3.0"
package = "sutura"
version = "scm-1"
source = {
    -- Built from a checkout: luarocks --lua-version=5.4 make rockspec/sutura-scm-1.rockspec
    url = "git+file://.",
}
description = {
    summary = "Erlang-grade supervision for Lua services, on libuv",
    detailed = [[
Supervisor trees for Lua 5.4: services are functions in coroutines, their errors become panics with a
stack trace, and what fails is restarted, paused or given up by policy. The core is C on libuv.]],
    license = "MIT",
    labels = { "supervisor", "erlang", "otp", "coroutine", "libuv" },
}
-- The command also needs argparse, and dkjson for its JSON log, and says so when one is missing. They are not named
-- here: LuaRocks does not see those that the system has (as Debian's lua-argparse and lua-dkjson), so without a network
-- it would refuse to install the rock although everything is there.
dependencies = {
    "lua >= 5.4, < 5.5",
}
external_dependencies = {
    UV = { header = "uv.h", library = "uv" },
}
-- By make and not by LuaRocks' own rules, which pass no link flags: the module must stay mapped
-- (-z nodelete) and export nothing but its luaopen function.
build = {
    type = "make",
    build_variables = {
        BUILD = "build/rock",
        CFLAGS = "$(CFLAGS) -g",
        LUA_CFLAGS = "-I$(LUA_INCDIR)",
        UV_CFLAGS = "-I$(UV_INCDIR)",
        UV_LIBS = "-L$(UV_LIBDIR) -luv",
    },
    install_variables = {
        BUILD = "build/rock",
        LUADIR = "$(LUADIR)",
        LIBDIR = "$(LIBDIR)",
        BINDIR = "$(BINDIR)",
        MANDIR = "$(PREFIX)/man/man1",
    },
    -- The pages, and the annotations for editors.
    copy_directories = { "docs", "library" },
}
test = {
    type = "command",
    command = "make spec",
}
