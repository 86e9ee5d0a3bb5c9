-- SPDX-License-Identifier: MIT
--
-- Fuzzes the loader of tree files: any text gives a supervisor, or one line that names the file and what is wrong.

local core = require "sutura.core"
local load_tree = require "sutura.load_tree"

require "sutura"

local PATH, open = os.tmpname(), io.open

-- What a tree file might do to this process and its files is not the loader's matter. It runs in a state of its own.
io = { open = function(path) return open(path == PATH and path or "/dev/null", "rb") end } -- luacheck: ignore 121
os = { time = os.time, clock = os.clock, date = os.date } -- luacheck: ignore 121
debug.sethook, debug.debug, package.loadlib, package.searchers = nil, nil, nil, {} -- luacheck: ignore 122 142

return function(text)
    local file = assert(open(PATH, "wb"))
    file:write(text)
    file:close()
    local type, find, sub, assert, string_format = type, string.find, string.sub, assert, string.format
    local sup, problem = load_tree.load(core, PATH, { "argument" })
    if not sup then
        assert(type(problem) == "string" and not find(problem, "%c"), string_format("the line %q", problem))
        assert(sub(problem, 1, #PATH + 1) == PATH .. ":", problem)
    end
end, "a new state for each"
