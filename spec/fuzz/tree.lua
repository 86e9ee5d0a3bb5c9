-- SPDX-License-Identifier: MIT
--
-- Fuzzes the loader of tree files: any text gives a supervisor, or one line that names the file and what is wrong.

local core = require "sutura.core"
local load_tree = require "sutura.load_tree"

require "sutura"

local open, tmpname, remove = io.open, os.tmpname, os.remove
local path

-- What a tree file might do to this process and its files is not the loader's matter. It runs in a state of its own.
io = { open = function(name) return open(name == path and name or "/dev/null", "rb") end } -- luacheck: ignore 121
os = { time = os.time, clock = os.clock, date = os.date } -- luacheck: ignore 121
debug.sethook, debug.debug, package.loadlib, package.searchers = nil, nil, nil, {} -- luacheck: ignore 122 142

return function(text)
    path = tmpname()
    local file = assert(open(path, "wb"))
    file:write(text)
    file:close()
    local type, find, sub, assert, string_format = type, string.find, string.sub, assert, string.format
    local sup, problem = load_tree.load(core, path, { "argument" })
    remove(path)
    if not sup then
        assert(type(problem) == "string" and not find(problem, "%c"), string_format("the line %q", problem))
        assert(sub(problem, 1, #path + 1) == path .. ":", problem)
    end
end, "a new state for each"
