-- SPDX-License-Identifier: MIT
--
-- Checks of the fields of a table that a user wrote: one function a kind of value. It owns how a wrong field is
-- refused and knows nothing of which fields exist.
--
-- Every function takes the place of the table for messages ("supervisor 'A'", or a sutura.Place), the table and the
-- field's name, and returns the value, or nil where the field is absent. An explicit 0 or false is a value. A refusal
-- leaves through `misuse.refuse`.

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

--- A number of seconds that is more than none.
---@param place string
---@param from table
---@param name string
---@return number?
function fields.positive(place, from, name)
    local value = from[name]
    if value == nil then
        return nil
    end
    if not (math.type(value) and value > 0 and value < math.huge) then
        misuse.refuse_value(where(place, name), "a finite number > 0", value)
    end
    return value + 0.0
end

--- A whole number, also one that is written as a float.
---@param place string
---@param from table
---@param name string
---@param least integer
---@param most? integer
---@return integer?
function fields.integer(place, from, name, least, most)
    local value = from[name]
    if value == nil then
        return nil
    end
    local whole = math.type(value) and math.tointeger(value)
    if not whole or whole < least or (most and whole > most) then
        misuse.refuse_value(where(place, name), most and ("an integer from %d to %d"):format(least, most)
            or ("an integer >= %d"):format(least), value)
    end
    return whole
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

--- One of some words.
---@param place string
---@param from table
---@param name string
---@param words string[]
---@return string?
function fields.choice(place, from, name, words)
    local value = from[name]
    if value == nil then
        return nil
    end
    for _, word in ipairs(words) do
        if value == word then
            return word
        end
    end
    misuse.refuse_value(where(place, name), quoted_list(words), value)
end

--- An array without holes; what its elements are is for the caller to check.
---@param place string
---@param from table
---@param name string
---@return table? array the user's own
---@return integer? count of its elements
function fields.array(place, from, name)
    local array = fields.typed(place, from, name, "table")
    if array == nil then
        return nil
    end
    local count = 0
    for i in ipairs(array) do
        count = i
    end
    for key in next, array do
        if not (math.type(key) == "integer" and key >= 1 and key <= count) then
            misuse.refuse("%s: expected an array without holes, got the key [%s]", where(place, name),
                misuse.describe(key))
        end
    end
    return array, count
end

---@class sutura.KnownFields: string[] the names in the order of the alphabet, and each as a key too

--- The names that `fields.only` lets pass.
---@param ... string[]
---@return sutura.KnownFields
function fields.known(...)
    local known = {}
    for _, names in ipairs({ ... }) do
        table.move(names, 1, #names, #known + 1, known)
    end
    table.sort(known) -- So that the message is always the same.
    for i = 1, #known do
        known[known[i]] = true
    end
    return known
end

--- Refuses every key that is none of the known names, with the nearest of these in the message.
---@param place string
---@param from table
---@param known sutura.KnownFields
function fields.only(place, from, known)
    for key in next, from do
        if type(key) ~= "string" then
            misuse.refuse("%s: unknown field [%s]; fields have names", place, misuse.describe(key))
        elseif not known[key] then
            misuse.refuse("%s: unknown field '%s'; the nearest known one is '%s'", place, text.line(key, 60),
                nearest(key, known))
        end
    end
end

return fields
