-- SPDX-License-Identifier: MIT
--
-- Checks of the fields of a table that a user wrote: one function a kind of value. It owns how a wrong field is
-- refused and knows nothing of which fields exist.
--
-- Every function takes the place of the table for messages ("supervisor 'A'"), the table and the field's name, and
-- returns the value, or nil where the field is absent. An explicit 0 or false is a value. A refusal leaves through
-- `misuse.refuse`.

local misuse = require "sutura.misuse"
local nearest = require "sutura.nearest"
local text = require "sutura.text"

local fields = {}

local function where(place, name)
    return ("%s: field '%s'"):format(place, name)
end

--- A number of seconds or a score, not negative and not NaN.
---@param place string
---@param from table
---@param name string
---@param infinite? boolean whether math.huge is allowed
---@return number?
function fields.number(place, from, name, infinite)
    local value = from[name]
    if value == nil then
        return nil
    end
    local good = math.type(value) and value >= 0 and (infinite or value < math.huge)
    if not good then
        misuse.refuse_value(where(place, name), infinite and "a number >= 0" or "a finite number >= 0", value)
    end
    return value + 0.0
end

--- A value of one Lua type.
---@param place string
---@param from table
---@param name string
---@param kind "boolean"|"function"|"string"|"table"
---@return any
function fields.typed(place, from, name, kind)
    local value = from[name]
    if value ~= nil and type(value) ~= kind then
        misuse.refuse_value(where(place, name), "a " .. kind, value)
    end
    return value
end

--- A name: any non-empty string.
---@param place string
---@param from table
---@param name string
---@return string?
function fields.name(place, from, name)
    local value = from[name]
    if value ~= nil and (type(value) ~= "string" or value == "") then
        misuse.refuse_value(where(place, name), "a non-empty string", value)
    end
    return value
end

local function quoted_list(words)
    local quoted = {}
    for i, word in ipairs(words) do
        quoted[i] = '"' .. word .. '"'
    end
    return table.concat(quoted, " or ")
end

--- One of some words, of which only the first `supported` can be used yet.
---@param place string
---@param from table
---@param name string
---@param words string[]
---@param supported? integer default: all
---@return string?
function fields.choice(place, from, name, words, supported)
    local value = from[name]
    if value == nil then
        return nil
    end
    for i, word in ipairs(words) do
        if value == word then
            if i > (supported or #words) then
                misuse.refuse("%s is not supported yet, but for %s", where(place, name),
                    quoted_list({ table.unpack(words, 1, supported) }))
            end
            return word
        end
    end
    misuse.refuse_value(where(place, name), quoted_list(words), value)
end

--- A field that a later version brings: only its default, or nothing, is accepted.
---@param place string
---@param from table
---@param name string
---@param default any
function fields.unsupported(place, from, name, default)
    local value = from[name]
    if value ~= nil and value ~= default then
        misuse.refuse("%s is not supported yet", where(place, name))
    end
end

--- Refuses every key that is none of the known names, with the nearest of these in the message.
---@param place string
---@param from table
---@param known string[] in the order of the alphabet, so that the message is always the same
function fields.only(place, from, known)
    local is_known = {}
    for _, name in ipairs(known) do
        is_known[name] = true
    end
    for key in next, from do
        if type(key) ~= "string" then
            misuse.refuse("%s: unknown field [%s]; fields have names", place, misuse.describe(key))
        elseif not is_known[key] then
            misuse.refuse("%s: unknown field '%s'; the nearest known one is '%s'", place, text.line(key, 60),
                nearest(key, known))
        end
    end
end

return fields
