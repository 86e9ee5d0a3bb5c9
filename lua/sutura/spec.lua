-- SPDX-License-Identifier: MIT
--
-- The spec of a supervisor: which fields it has, what each may hold, its default, and the normal form for the C
-- module, where numbers and booleans are filled in. It knows nothing of what the C module makes of it.
--
-- Nothing here keeps a reference to the user's table.

local child_spec = require "sutura.child_spec"
local fields = require "sutura.fields"
local misuse = require "sutura.misuse"
local text = require "sutura.text"

---@class sutura.SupervisorSpec
---@field event_hook? fun(event: sutura.Event) default: one line an event to stderr (suture v4)
---@field failure_decay? number half-life of the score in seconds; default 30; math.huge: no decay (suture v4)
---@field failure_threshold? number default 5; math.huge: never pauses (suture v4)
---@field failure_backoff? number seconds of a pause; default 15 (suture v4)
---@field backoff_jitter? fun(seconds: number): number default `sutura.default_jitter` (suture v4)
---@field resume_spacing? number seconds between the starts when a pause ends; default 0 (ours)
---@field timeout? number seconds each service has to stop; default 10 (suture v4)
---@field pass_through_panics? boolean default false (suture v4)
---@field dont_propagate_termination? boolean default false (suture v4)
---@field format_error? fun(err: any): string default `tostring`, guarded (ours)
---@field panic_locals? boolean locals and upvalues in frames; default false (ours)
---@field redact? fun(name: string, text: string): string? replaces the text of a local (ours)
---@field lifecycle_events? boolean start and stop events too; default false (ours)
---@field stop_order? "reverse"|"parallel" default "reverse" (OTP; suture stops in parallel)
---@field children? (sutura.ChildSpec|sutura.ServiceObject|sutura.Supervisor|function)[] started in order (OTP)
---@field strategy? "one_for_one"
---@field auto_shutdown? "never"

local spec = {}

local FIELDS = {
    "auto_shutdown", "backoff_jitter", "children", "dont_propagate_termination", "event_hook", "failure_backoff",
    "failure_decay", "failure_threshold", "format_error", "intensity", "lifecycle_events", "panic_locals",
    "pass_through_panics", "period", "redact", "resume_spacing", "stop_order", "strategy", "timeout",
}
local NUMBERS = { "failure_backoff", "resume_spacing", "timeout" }
local NUMBERS_OR_INFINITE = { "failure_decay", "failure_threshold" }
local BOOLEANS = { "pass_through_panics", "dont_propagate_termination", "panic_locals", "lifecycle_events" }
local FUNCTIONS = { "event_hook", "backoff_jitter", "format_error", "redact" }

-- The default of each number and choice, for those who print a tree (section 2 of the contract).
spec.DEFAULTS = {
    failure_decay = 30.0, failure_threshold = 5.0, failure_backoff = 15.0, resume_spacing = 0.0, timeout = 10.0,
    stop_order = "reverse",
}

local function children_of(core, place, children)
    local normal, by_name, by_supervisor = {}, {}, {}
    for i, child in ipairs(children) do
        local name, run, kind, options = child_spec.from(core, ("%s: children[%d]"):format(place, i), child)
        if by_name[name] then
            misuse.refuse('%s: children[%d] and children[%d] have the same name "%s"', place, by_name[name], i,
                text.line(name, 60))
        end
        by_name[name] = i
        if kind == "supervisor" then
            if by_supervisor[run] then
                misuse.refuse("%s: children[%d] and children[%d] are the same supervisor", place, by_supervisor[run], i)
            end
            by_supervisor[run] = i
        end
        normal[i] = { name = name, run = run, kind = kind, opts = options }
    end
    for key in next, children do
        if not (math.type(key) == "integer" and key >= 1 and key <= #normal) then
            misuse.refuse("%s: field 'children': expected an array without holes, got the key [%s]", place,
                misuse.describe(key))
        end
    end
    return normal
end

local function supervisor_spec(core, name, given)
    if type(name) ~= "string" or name == "" then
        misuse.refuse_value("supervisor: argument 'name'", "a non-empty string", name)
    elseif given ~= nil and type(given) ~= "table" then
        misuse.refuse_value("supervisor: argument 'spec'", "a table", given)
    end
    given = given or {}
    local place = ("supervisor '%s'"):format(text.line(name, 60))
    fields.only(place, given, FIELDS)
    fields.choice(place, given, "strategy", { "one_for_one", "one_for_all", "rest_for_one" }, 1)
    fields.choice(place, given, "auto_shutdown", { "never", "any_significant", "all_significant" }, 1)
    fields.unsupported(place, given, "intensity")
    fields.unsupported(place, given, "period")
    local normal = {}
    for _, field in ipairs(NUMBERS) do
        normal[field] = fields.number(place, given, field) or spec.DEFAULTS[field]
    end
    for _, field in ipairs(NUMBERS_OR_INFINITE) do
        normal[field] = fields.number(place, given, field, true) or spec.DEFAULTS[field]
    end
    for _, field in ipairs(BOOLEANS) do
        normal[field] = fields.typed(place, given, field, "boolean") or false
    end
    for _, field in ipairs(FUNCTIONS) do
        normal[field] = fields.typed(place, given, field, "function")
    end
    normal.stop_order = fields.choice(place, given, "stop_order", { "reverse", "parallel" }) or spec.DEFAULTS.stop_order
    normal.children = children_of(core, place, fields.typed(place, given, "children", "table") or {})
    return normal
end

--- Checks the arguments of `sutura.supervisor` and gives the normal form of the spec.
---
--- Raises at the user's line on anything that is not as the contract says.
---@param core table the C module
---@param name string
---@param given? sutura.SupervisorSpec
---@param level integer as error() in this function would take it
---@return table normal every number and boolean filled in; functions absent where the default holds
function spec.supervisor(core, name, given, level)
    local normal = misuse.at(level, supervisor_spec, core, name, given)
    return normal
end

--- Checks the arguments of `add` and gives the child they describe.
---@param core table the C module
---@param level integer as error() in this function would take it
---@param ... any the arguments of `add`, without the supervisor
---@return string name
---@return function|table|userdata run
---@return "function"|"object"|"supervisor" kind
---@return table? options
function spec.child(core, level, ...)
    local name, run, kind, options = misuse.at(level, child_spec.from, core, "add", ...)
    return name, run, kind, options
end

return spec
