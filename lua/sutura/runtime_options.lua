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
---@field accounting? boolean measures what each service uses of the processor; default false: it is sampled
---@field slice? number seconds of one turn before it is preempted; 0: never; default 0.05, on a virtual clock 0
---@field kill_grace? number seconds between the error raised in what runs over its time, and its end; default 0.1
---@field on_unkillable? "report"|"abort" default "report"; "abort" ends the process with exit code 70
---@field preempt_signal? string for the whole Lua state; default "SIGURG"

local PLACE = "runtime"
local OPTIONS = fields.known {
    "accounting", "clock", "close_budget", "epoch", "kill_grace", "on_unkillable", "preempt_signal", "seed", "slice",
}

local function check(given)
    fields.only(PLACE, given, OPTIONS)
    fields.choice(PLACE, given, "clock", { "real", "virtual" })
    fields.typed(PLACE, given, "accounting", "boolean")
    fields.choice(PLACE, given, "on_unkillable", { "report", "abort" })
    for _, name in ipairs({ "close_budget", "kill_grace", "slice" }) do
        fields.number(PLACE, given, name)
    end
    if given.preempt_signal ~= nil and type(given.preempt_signal) ~= "string" then
        misuse.refuse_value(PLACE .. ": field 'preempt_signal'", "the name of a signal", given.preempt_signal)
    end
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
