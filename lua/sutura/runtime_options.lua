-- SPDX-License-Identifier: MIT
--
-- The options of a runtime: which there are and of what type, so that a misspelt one is refused like the field of a
-- spec. It knows nothing of what they mean: the C module reads the values and checks their range.

local fields = require "sutura.fields"
local misuse = require "sutura.misuse"

---@class sutura.RuntimeOptions
---@field clock? "real"|"virtual" default "real" (ours)
---@field seed? number everything random repeats; default: another at each time (ours)
---@field epoch? number Unix time at 0 of a virtual clock; default 0 (ours)
---@field close_budget? number seconds that the closers of a service closed by force may take; default 0.1 (ours)

local OPTIONS = { "clock", "close_budget", "epoch", "seed" }
local PLACE = "runtime"

local function check(given)
    fields.only(PLACE, given, OPTIONS)
    fields.choice(PLACE, given, "clock", { "real", "virtual" })
    fields.number(PLACE, given, "close_budget", true)
    for _, name in ipairs({ "epoch", "seed" }) do
        local value = given[name]
        if value ~= nil and not (math.type(value) and value - value == 0) then
            misuse.refuse_value(("%s: field '%s'"):format(PLACE, name), "a finite number", value)
        end
    end
end

--- Checks the options of `sutura.runtime`; raises at the user's line.
---@param given table
---@param level integer as error() in this function would take it
return function(given, level)
    misuse.at(level, check, given)
end
