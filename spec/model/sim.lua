-- SPDX-License-Identifier: MIT
--
-- Plays the stories of many seeds, and says what came of it. A story in which sutura differs from the model, or that
-- violates a property, is made short and told; what it shows becomes a spec.

local play = require "spec.model.play"
local properties = require "spec.model.properties"
local shrink = require "spec.model.shrink"
local story = require "spec.model.story"

local sim = {}

--- So many steps has a story.
sim.STEPS = 60

--- Plays one story with its properties. Returns nil, or what is wrong.
function sim.problem(tale)
    local watched = properties.new()
    local at, what = play.play(tale, function(journal, stage)
        watched:watch(journal, stage)
    end)
    return at and ("step %d, %s"):format(at, what)
end

--- A value as Lua text, from which it can be loaded.
function sim.write(value)
    if type(value) ~= "table" then
        return value == math.huge and "math.huge" or ("%q"):format(value)
    end
    local parts, keys, listed = {}, {}, 0
    while value[listed + 1] ~= nil do -- # may count past a hole
        listed = listed + 1
    end
    for key in pairs(value) do
        keys[#keys + 1] = key
    end
    table.sort(keys, function(a, b)
        if math.type(a) and math.type(b) then
            return a < b
        end
        return tostring(a) < tostring(b)
    end)
    for _, key in ipairs(keys) do
        local name = math.type(key) == "integer" and (key <= listed and "" or ("[%d] = "):format(key)) or key .. " = "
        parts[#parts + 1] = name .. sim.write(value[key])
    end
    return "{ " .. table.concat(parts, ", ") .. " }"
end

--- The text of a seed's problem, with the story that is left when it has been made short; nil without one.
function sim.seed(seed, steps)
    local tale = story.of(seed, steps or sim.STEPS)
    local problem = sim.problem(tale)
    if problem then
        local short = pcall(shrink.shrink, tale, sim.problem)
        return ("seed %d: %s\n%s: %s\n%s"):format(seed, problem, short and "in short" or "not to be made short",
            sim.problem(tale) or "nothing", sim.write(tale))
    end
end

return sim
