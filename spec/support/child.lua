-- SPDX-License-Identifier: MIT
--
-- Runs a Lua program in a process of its own, under the plain interpreter, for what ends a process or needs one that
-- nothing has been required in. It owns how the interpreter is started; the rest is `command`.

local command = require "spec.support.command"

local child = {}

local START = [[
PROGRAM=%s
LUA_PROGRAM="${SUTURA%%bin/sutura} $PROGRAM"
%s
]]

--- Runs shell commands with the program at hand: $LUA_PROGRAM starts it.
---@param program string Lua
---@param steps string shell
---@return { code: integer, out: string, err: string } result
function child.script(program, steps)
    return command.script(START:format(command.file(program), steps))
end

--- Runs a Lua program to its end.
---@param program string
---@return { code: integer, out: string, err: string } result
function child.run(program)
    return child.script(program, "exec $LUA_PROGRAM")
end

return child
