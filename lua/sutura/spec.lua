-- SPDX-License-Identifier: MIT
--
-- What users give to `sutura.supervisor`, `add`, `update` and `template`, checked: each function raises at the user's
-- line on anything that is not as the contract says, and gives the normal form for the C module, which says the rest.
--
-- Nothing here keeps a reference to the user's table.

local child_spec = require "sutura.child_spec"
local children_spec = require "sutura.children_spec"
local fields = require "sutura.fields"
local misuse = require "sutura.misuse"
local settings = require "sutura.settings"
local template_spec = require "sutura.template_spec"
local update_spec = require "sutura.update_spec"

---@class sutura.SupervisorSettings
---@field failure_decay? number half-life of the score in seconds; default 30; math.huge: no decay (suture v4)
---@field failure_threshold? number default 5; math.huge: never pauses (suture v4)
---@field failure_backoff? number seconds of a pause; default 15 (suture v4)
---@field escalate_after? integer gives up rather than pause once more after so many in a row; default never (ours)
---@field intensity? integer gives up at one restart more in `period`; replaces the score; 1 if only that is given (OTP)
---@field period? number seconds; 5 if only `intensity` is given (OTP)
---@field strategy? "one_for_one"|"one_for_all"|"rest_for_one" who restarts with whom; default "one_for_one" (OTP)
---@field auto_shutdown? "never"|"any_significant"|"all_significant" default "never" (OTP)
---@field backoff_jitter? fun(seconds: number): number default `sutura.default_jitter` (suture v4)
---@field resume_spacing? number seconds between the starts when a pause ends; default 0 (ours)
---@field timeout? number seconds each service has to stop; default 10 (suture v4)
---@field pass_through_panics? boolean default false (suture v4)
---@field dont_propagate_termination? boolean default false (suture v4)
---@field format_error? fun(err: any): string default: guarded `tostring`, of plain tables their fields (ours)
---@field panic_locals? boolean locals and upvalues in frames; default false (ours)
---@field redact? fun(name: string, text: string): string? replaces the text of a local (ours)
---@field lifecycle_events? boolean start and stop events too; default false (ours)
---@field history? integer how many of its latest events it keeps; default 64 (ours)
---@field stop_order? "reverse"|"parallel" default "reverse" (OTP; suture stops in parallel)

---@class sutura.SupervisorSpec: sutura.SupervisorSettings
---@field event_hook? fun(event: sutura.Event) default: one line an event to stderr (suture v4)
---@field children? (sutura.ChildSpec|sutura.ServiceObject|sutura.Supervisor|function)[] started in order (OTP)

local spec = {}

local FIELDS = fields.known(settings.NAMES, { "children" })

local function supervisor_spec(core, name, given)
    if type(name) ~= "string" or name == "" then
        misuse.refuse_value("supervisor: argument 'name'", "a non-empty string", name)
    elseif given ~= nil and type(given) ~= "table" then
        misuse.refuse_value("supervisor: argument 'spec'", "a table", given)
    end
    given = given or {}
    local place = misuse.place("supervisor '%s'", name)
    fields.only(place, given, FIELDS)
    local normal = settings.fill(settings.given(place, given))
    normal.children = children_spec(core, place, given, normal.auto_shutdown)
    return normal
end

--- The arguments of `sutura.supervisor`.
---@param core table the C module
---@param name string
---@param given? sutura.SupervisorSpec
---@param level integer as error() in this function would take it
---@return table normal every number and boolean filled in; functions and limits absent where the default holds
function spec.supervisor(core, name, given, level)
    local normal = misuse.at(level, supervisor_spec, core, name, given)
    return normal
end

--- The arguments of `add`, and the child they describe.
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

--- The argument of `update`.
---@param name string the supervisor's
---@param given sutura.SupervisorSettings
---@param level integer as error() in this function would take it
---@return table normal the given fields and no other
function spec.update(name, given, level)
    local normal = misuse.at(level, update_spec, name, given)
    return normal
end

--- The argument of `template`.
---@param given sutura.TemplateSpec
---@param level integer as error() in this function would take it
---@return table normal of the supervisor, as `spec.supervisor` gives it
---@return table? options of each child
---@return integer? max_children
---@return string name
---@return function run
function spec.template(given, level)
    local normal, options, max_children, name, run = misuse.at(level, template_spec, given)
    return normal, options, max_children, name, run
end

return spec
