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

--- The names but those that are keys of a table.
---@param others table<string, any>
---@return string[] names
function settings.names_without(others)
    local names = {}
    for _, name in ipairs(settings.NAMES) do
        if not others[name] then
            names[#names + 1] = name
        end
    end
    return names
end

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

-- How each of these is read, in the order in which they are checked.
local READ = {}

local function read_by(reader, names, expected)
    for _, name in ipairs(names) do
        READ[#READ + 1] = { name = name, reader = reader, expected = expected }
    end
end

for _, name in ipairs(CHOICE_NAMES) do
    read_by(fields.choice, { name }, CHOICES[name])
end
read_by(fields.number, NUMBERS)
read_by(fields.number, NUMBERS_OR_INFINITE, true)
read_by(fields.typed, BOOLEANS, "boolean")
read_by(fields.typed, FUNCTIONS, "function")

-- The defaults of the contract's section 2, in a new table, which has room for what else may be given.
local function defaults()
    return {
        failure_decay = 30.0, failure_threshold = 5.0, failure_backoff = 15.0, resume_spacing = 0.0, timeout = 10.0,
        stop_order = "reverse", strategy = "one_for_one", auto_shutdown = "never", history = 64,
        pass_through_panics = false, dont_propagate_termination = false, panic_locals = false, lifecycle_events = false,
    }
end

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
    for i = 1, #READ do
        local field = READ[i]
        local name = field.name
        if given[name] ~= nil then
            normal[name] = field.reader(place, given, name, field.expected)
        end
    end
    normal.history = fields.integer(place, given, "history", 0, MAX_HISTORY)
    read_limits(place, given, normal)
    return normal
end

--- The settings of a new supervisor. Functions stay absent where the default holds, the window where none of its two
--- fields is given.
---@param given table what `settings.given` gave
---@return table normal a new table
function settings.fill(given)
    local normal = defaults()
    for name, value in next, given do
        normal[name] = value
    end
    if normal.intensity or normal.period then
        normal.intensity = normal.intensity or DEFAULT_INTENSITY
        normal.period = normal.period or DEFAULT_PERIOD
    end
    return normal
end

return settings
