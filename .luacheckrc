-- SPDX-License-Identifier: MIT
std = "lua54"
max_line_length = 120
exclude_files = { "build", "lua_modules" }
-- A <close> variable is used by being there: luacheck 1.1 does not know that, so such guards start with "_".
ignore = { "211/_.*", "212/_.*", "213/_.*" }
-- The one global a user may set, and the two library functions that the module replaces (contract, section 1).
read_globals = { "sutura_no_patch" }
globals = { "coroutine.resume", "coroutine.wrap" }
files["spec"] = { std = "+busted", globals = { "sutura_no_patch" } }
-- An annotation is one line, however long.
files["library"] = { ignore = { "211", "212", "213", "241", "331", "631" } }
