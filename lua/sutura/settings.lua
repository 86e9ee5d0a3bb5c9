-- SPDX-License-Identifier: MIT
--
-- The settings of a supervisor, without its children: which fields there are, what each may hold, its default, and
-- which go together. A spec, a template and an update all read them here; what each of these adds to them, it owns.
--
-- In the normal form for the C module numbers are floats (counts integers) and nothing refers to the user's table.

local fields = require "sutura.fields"
local misuse = require "sutura.misuse"

local settings = {}

--- The names of the settings, in the order of the alphabet.
settings.NAMES = {
    "auto_shutdown", "backoff_jitter", "dont_propagate_termination", "escalate_after", "event_hook", "failure_backoff",
    "failure_decay", "failure_threshold", "format_error", "history", "intensity", "lifecycle_events", "panic_locals",
    "pass_through_panics", "period", "redact", "resume_spacing", "stop_order", "strategy", "timeout",
}

local NUMBERS = { "failure_backoff", "resume_spacing", "timeout" }
local NUMBERS_OR_INFINITE = { "failure_decay", "failure_threshold" }
local BOOLEANS = { "pass_through_panics", "dont_propagate_termination", "panic_locals", "lifecycle_events" }
local FUNCTIONS = { "event_hook", "backoff_jitter", "format_error", "redact" }
local CHOICES = {
    auto_shutdown = { "never", "any_significant", "all_significant" },
    stop_order = { "reverse", "parallel" },
    strategy = { "one_for_one", "one_for_all", "rest_for_one" },
}
local CHOICE_NAMES = { "auto_shutdown", "stop_order", "strategy" }

--- The default of each number and choice (section 2 of the contract).
settings.DEFAULTS = {
    failure_decay = 30.0, failure_threshold = 5.0, failure_backoff = 15.0, resume_spacing = 0.0, timeout = 10.0,
    stop_order = "reverse", strategy = "one_for_one", auto_shutdown = "never", history = 64,
}
local DEFAULT_INTENSITY, DEFAULT_PERIOD = 1, 5.0 -- OTP's, where the other one is given.
local MAX_INTENSITY = 1000000
local MAX_HISTORY = 10000
local MIN_PERIOD = 1e-9 -- The C module counts nanoseconds, and none would mean no window.
local MAX_PAUSES = 0xFFFFFFFF -- More than this is no other number: nobody sees so many pauses.

-- OTP's window, or the number of pauses in a row: only one of the two can end a supervisor.
local function read_limits(place, given, normal)
    normal.intensity = fields.integer(place, given, "intensity", 0, MAX_INTENSITY)
    local period = fields.positive(place, given, "period")
    normal.period = period and math.max(period, MIN_PERIOD)
    local pauses = fields.integer(place, given, "escalate_after", 1)
    normal.escalate_after = pauses and math.min(pauses, MAX_PAUSES)
    if pauses and (normal.intensity or period) then
        misuse.refuse("%s: field 'escalate_after' counts pauses, and with field '%s' there are none: give one of them",
            place, normal.intensity and "intensity" or "period")
    end
end

--- Checks the settings that a user has given, whatever else the table holds, and gives these in the normal form.
---@param place string for messages, such as "supervisor 'A'"
---@param given table
---@return table normal a new table
function settings.given(place, given)
    local normal = {}
    for _, field in ipairs(CHOICE_NAMES) do
        normal[field] = fields.choice(place, given, field, CHOICES[field])
    end
    for _, field in ipairs(NUMBERS) do
        normal[field] = fields.number(place, given, field)
    end
    for _, field in ipairs(NUMBERS_OR_INFINITE) do
        normal[field] = fields.number(place, given, field, true)
    end
    for _, field in ipairs(BOOLEANS) do
        normal[field] = fields.typed(place, given, field, "boolean")
    end
    for _, field in ipairs(FUNCTIONS) do
        normal[field] = fields.typed(place, given, field, "function")
    end
    normal.history = fields.integer(place, given, "history", 0, MAX_HISTORY)
    read_limits(place, given, normal)
    return normal
end

--- Fills in the defaults of a new supervisor. Functions stay absent where the default holds, the window where none of
--- its two fields is given.
---@param normal table what `settings.given` gave
---@return table normal
function settings.fill(normal)
    for field, default in pairs(settings.DEFAULTS) do
        if normal[field] == nil then
            normal[field] = default
        end
    end
    for _, field in ipairs(BOOLEANS) do
        normal[field] = normal[field] or false
    end
    if normal.intensity or normal.period then
        normal.intensity = normal.intensity or DEFAULT_INTENSITY
        normal.period = normal.period or DEFAULT_PERIOD
    end
    return normal
end

return settings
