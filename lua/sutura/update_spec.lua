-- SPDX-License-Identifier: MIT
--
-- What `update` may change of a supervisor that is there. It owns which settings these are and which cannot be given
-- in one update; what each may hold is in `settings`.

local fields = require "sutura.fields"
local misuse = require "sutura.misuse"
local settings = require "sutura.settings"
local text = require "sutura.text"

local INSTEAD = {
    children = "add, remove and delete_child change them",
    event_hook = "it is chosen when the supervisor is made; let that function call another one",
}
local WINDOW = { "intensity", "period" }
local SCORE = { "failure_threshold", "failure_decay", "escalate_after" }

local FIELDS = fields.known(settings.names_without(INSTEAD))

local function first_given(given, names)
    for _, name in ipairs(names) do
        if given[name] ~= nil then
            return name
        end
    end
end

-- Each of the two limits is put in force by its fields.
local function check_one_limit(place, given)
    local of_window, of_score = first_given(given, WINDOW), first_given(given, SCORE)
    if of_window and of_score then
        misuse.refuse("%s: field '%s' puts the window in force and field '%s' the score: give one of them", place,
            of_window, of_score)
    end
end

--- Checks the argument of `update`.
---@param name string the supervisor's
---@param given table
---@return table normal the given fields and no other
return function(name, given)
    local place = ("update: supervisor '%s'"):format(text.line(name, 60))
    if type(given) ~= "table" then
        misuse.refuse_value(place .. ": argument 'spec'", "a table", given)
    elseif next(given) == nil then
        misuse.refuse("%s: argument 'spec': expected at least one field, got an empty table", place)
    end
    for _, field in ipairs({ "children", "event_hook" }) do
        if given[field] ~= nil then
            misuse.refuse("%s: field '%s' cannot be updated: %s", place, field, INSTEAD[field])
        end
    end
    fields.only(place, given, FIELDS)
    check_one_limit(place, given)
    return settings.given(place, given)
end
