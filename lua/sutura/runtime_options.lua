-- SPDX-License-Identifier: MIT
--
-- The options of `sutura.runtime`: which there are and what each may hold. It knows nothing of runtimes; the C module
-- reads the table after this has let it pass.

local fields = require "sutura.fields"
local misuse = require "sutura.misuse"

---@class sutura.RuntimeOptions
---@field clock? "real"|"virtual" default "real"
---@field seed? number makes everything random repeat; default: from the system
---@field epoch? number Unix time at 0 of a virtual clock, in seconds; default 0
---@field close_budget? number seconds that the `<close>` variables of a service closed by force have; default 0.1

local PLACE = "runtime"
local OPTIONS = { "clock", "close_budget", "epoch", "seed" }

local function check(given)
    fields.only(PLACE, given, OPTIONS)
    fields.choice(PLACE, given, "clock", { "real", "virtual" })
    fields.number(PLACE, given, "close_budget")
    for _, name in ipairs({ "seed", "epoch" }) do
        local value = given[name]
        local finite = math.type(value) and value == value and value ~= math.huge and value ~= -math.huge
        if value ~= nil and not finite then
            misuse.refuse_value(("%s: field '%s'"):format(PLACE, name), "a finite number", value)
        end
    end
end

--- Checks the options of a runtime; raises at the user's line on anything that is not as the contract says.
---@param given sutura.RuntimeOptions
---@param level integer as error() in this function would take it
return function(given, level)
    misuse.at(level, check, given)
end
