-- SPDX-License-Identifier: MIT
--
-- What a misuse says, after proving that it is told at the line of the one who called. It owns that proof; what the
-- words must be is said by the specs.

local refusal = {}

--- Calls a function that must raise; gives the message without its place, which must be a line of that function.
---@param fn function
---@param ... any
---@return string message
function refusal.of(fn, ...)
    local ok, message = pcall(fn, ...)
    assert(not ok, "nothing was raised")
    local info = debug.getinfo(fn, "S")
    local place = info.short_src .. ":"
    assert(type(message) == "string" and message:sub(1, #place) == place, message)
    local line, rest = message:sub(#place + 1):match("^(%d+): (.*)$")
    line = tonumber(line)
    assert(line and line >= info.linedefined and line <= info.lastlinedefined, message)
    return rest
end

--- Proves of each case that it is refused, in these words.
---@param cases table<string, any> what is given, by the message
---@param call fun(given: any)
function refusal.each(cases, call)
    for message, given in pairs(cases) do
        local ok, said = pcall(refusal.of, call, given)
        assert(ok and said == message, ("expected: %s\n     got: %s"):format(message, said))
    end
end

return refusal
