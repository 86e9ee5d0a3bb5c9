-- SPDX-License-Identifier: MIT
--
-- What a spec leaves behind: descriptors (a loop that is open has some), references of the registry, coroutines of
-- services in any runtime that is still there, and files that os.tmpname has named. It counts them; it knows nothing of
-- busted.

local core = require "sutura.core"
local lfs = require "lfs"

local leaks = {}

-- What the module keeps in a state: the slots of csrc/lua/state.h.
local SLOT_OBJECTS = 7

-- The uservalue of a runtime that has the threads of its services.
local THREADS = 2

local _, state = debug.getupvalue(core.supervisor, 1)

-- The one by which they are listed is the same each time.
local function descriptors()
    local count = 0
    for _ in lfs.dir("/proc/self/fd") do
        count = count + 1
    end
    return count
end

-- Freed ones are numbers: the list of those that are free.
local function references()
    local count = 0
    for key, value in pairs(debug.getregistry()) do
        if math.type(key) == "integer" and type(value) ~= "number" then
            count = count + 1
        end
    end
    return count
end

-- Those of services that run, in runtimes that have not been collected.
local function coroutines()
    local count = 0
    for _, object in pairs(debug.getuservalue(state, SLOT_OBJECTS)) do
        if core.is_runtime(object) then
            for _, value in pairs(debug.getuservalue(object, THREADS)) do
                count = count + (type(value) == "thread" and 1 or 0)
            end
        end
    end
    return count
end

local given, tmpname = {}, os.tmpname

rawset(os, "tmpname", function()
    given[#given + 1] = tmpname()
    return given[#given]
end)

-- Those that are there, be they files or directories. The names of others are done with.
local function files()
    for i = #given, 1, -1 do
        if not lfs.attributes(given[i]) then
            table.remove(given, i)
        end
    end
    return #given
end

--- What there is, after what is garbage has gone.
---@return table<string, integer>
function leaks.count()
    collectgarbage()
    collectgarbage() -- what finalizers have let go
    return { descriptors = descriptors(), references = references(), coroutines = coroutines(), files = files() }
end

local function more(before)
    local found = {}
    for what, count in pairs(leaks.count()) do
        if count > before[what] then
            found[#found + 1] = ("%s (%d before, %d now)"):format(what, before[what], count)
        end
    end
    table.sort(found)
    return found[1] and table.concat(found, ", ")
end

--- What there is more than before, in words, or nil. A chain of finalizers takes a collection for each of its links.
---@param before table<string, integer>
---@return string?
function leaks.since(before)
    local found = more(before)
    for _ = 1, 3 do
        found = found and more(before)
    end
    return found
end

return leaks
