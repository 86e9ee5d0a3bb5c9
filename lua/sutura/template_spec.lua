-- SPDX-License-Identifier: MIT
--
-- The spec of a template: a supervisor whose children all run one function with the same options. It owns which
-- settings and options a template has; what each may hold is in `settings` and `child_options`.

local child_options = require "sutura.child_options"
local fields = require "sutura.fields"
local misuse = require "sutura.misuse"
local settings = require "sutura.settings"
local text = require "sutura.text"

---@class sutura.TemplateSpec: sutura.SupervisorSettings
---@field name string the template's, as a child supervisor
---@field run fun(ctx: sutura.Context, arg: any): any what each child runs, with the argument that it was started with
---@field max_children? integer default: as many as there is memory for (Elixir's DynamicSupervisor)
---@field restart? "permanent"|"transient"|"temporary" of each child; default "permanent" (OTP)
---@field shutdown? number|"kill"|"infinity" of each child; default `timeout` (OTP)
---@field kill? boolean of each child; default true (ours)
---@field backoff? sutura.Backoff of each child; default none (ours)
---@field ready? "notify" of each child (ours)
---@field start_timeout? number of each child (ours)
---@field heartbeat? number of each child (ours)

-- What a supervisor or a child has and a template has not, and why.
local WITHOUT = {
    after = "its children wait for no sibling",
    children = "its children are started by its method 'start'",
    event_hook = "its events go to the hook of the supervisor above",
    significant = "its field 'auto_shutdown' is \"never\"",
}
local WITHOUT_NAMES = { "after", "children", "event_hook", "significant" }

local FIELDS = fields.known(settings.names_without(WITHOUT), {
    "backoff", "cpu_share", "heartbeat", "kill", "max_children", "name", "on_hog", "ready", "restart", "run",
    "shutdown", "start_timeout",
})

local MAX_CHILDREN = 0xFFFFFFFE -- No tree holds more, so a greater number is no limit.

local function required(place, given, name, value, expected)
    if value == nil then
        misuse.refuse_value(("%s: field '%s'"):format(place, name), expected, given[name])
    end
    return value
end

local function check_fields(place, given)
    for _, name in ipairs(WITHOUT_NAMES) do
        if given[name] ~= nil then
            misuse.refuse("%s: a template has no field '%s': %s", place, name, WITHOUT[name])
        end
    end
    fields.only(place, given, FIELDS)
    fields.choice(place, given, "strategy", { "one_for_one" })
    fields.choice(place, given, "auto_shutdown", { "never" })
end

--- Checks the argument of `template`.
---@param given table
---@return table normal of the supervisor
---@return table? options of each child
---@return integer? max_children
---@return string name
---@return function run
return function(given)
    if type(given) ~= "table" then
        misuse.refuse_value("template: argument 'spec'", "a table", given)
    end
    local name = required("template", given, "name", fields.name("template", given, "name"), "a non-empty string")
    local place = ("template '%s'"):format(text.line(name, 60))
    check_fields(place, given)
    local run = required(place, given, "run", fields.typed(place, given, "run", "function"), "a function")
    local max_children = fields.integer(place, given, "max_children", 1)
    local options = child_options(place, given, "function", name)
    local normal = settings.given(place, given)
    normal.stop_order = normal.stop_order or "parallel"
    normal = settings.fill(normal)
    normal.children = {}
    return normal, options, max_children and max_children <= MAX_CHILDREN and max_children or nil, name, run
end
