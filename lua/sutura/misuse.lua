-- SPDX-License-Identifier: MIT
--
-- How a misuse is told to a programmer: which argument or field, what was expected, what came, at the line of the
-- caller. It knows nothing of what the arguments mean.
--
-- A check deep inside a validation calls `misuse.refuse`; the function that the user called wraps the whole validation
-- in `misuse.at`, which puts the message at the user's line. An error that is no refusal passes through unchanged.

local text = require "sutura.text"

local misuse = {}

local SHOWN = 60 -- How many bytes of a wrong value a message repeats.
local HERE = debug.getinfo(1, "S").source:match("^@(.*)misuse%.lua$")

---@class sutura.Refusal
---@field text string
local refusal = { __name = "sutura.refusal" }

local function article(kind)
    return (kind:find("^[aeiou]") and "an " or "a ") .. kind
end

--- A text of the user's for a message: on one line, and not longer than that allows.
---@param given string
---@return string
function misuse.shown(given)
    return text.line(given, SHOWN)
end

--- What came: the type of a value, and the value if it is short.
---@param value any
---@return string
function misuse.describe(value)
    local kind = type(value)
    if kind == "nil" then
        return "nil"
    elseif kind == "string" then
        return ('the string "%s"'):format(misuse.shown(value))
    elseif value ~= value then
        return "the number NaN"
    elseif kind == "number" or kind == "boolean" then
        return ("the %s %s"):format(kind, tostring(value))
    end
    local metatable = debug.getmetatable(value)
    local name = type(metatable) == "table" and rawget(metatable, "__name")
    if type(name) == "string" then
        return ("%s (%s)"):format(article(kind), misuse.shown(name))
    end
    return article(kind)
end

--- Leaves a validation with a message.
---@param format string
---@param ... any
function misuse.refuse(format, ...)
    error(setmetatable({ text = format:format(...) }, refusal), 0)
end

--- Leaves a validation because an argument or a field has a wrong value.
---@param where string such as "supervisor 'A': field 'timeout'"
---@param expected string
---@param got any
function misuse.refuse_value(where, expected, got)
    misuse.refuse("%s: expected %s, got %s", where, expected, misuse.describe(got))
end

---@class sutura.Place what a message names a table by, put into words only when there is a message
---@field words string a format
---@field name string
local place = { __name = "sutura.place" }

function place:__tostring()
    return self.words:format(misuse.shown(self.name))
end

--- Where a user's table belongs, for `%s` in messages.
---@param words string a format, such as "supervisor '%s'"
---@param name string the user's own
---@return sutura.Place
function misuse.place(words, name)
    return setmetatable({ words = words, name = name }, place)
end

-- The first level from `level` on, counted as error() counts it in the function that asks, that is a line of the
-- user's: neither C nor a file of this library.
local function level_of_caller(level)
    local candidate = level
    while true do
        -- One more than in the caller: this function is a level too.
        local info = debug.getinfo(candidate + 1, "S")
        if not info then
            return level
        end
        local ours = info.what == "C" or (HERE and info.source:sub(2, #HERE + 1) == HERE)
        if not ours then
            return candidate
        end
        candidate = candidate + 1
    end
end

-- What a validation has come to.
local function settle(level, good, ...)
    if good then
        return ...
    end
    local problem = ...
    if getmetatable(problem) ~= refusal then
        error(problem, 0)
    end
    error(problem.text, level_of_caller(level + 1))
end

--- Runs a validation; a refusal is raised at the line of the user who called.
---@param level integer as error() in the calling function would take it: 2 is the one who called it
---@param check function
---@param ... any what `check` is given
---@return any ... what `check` returned
function misuse.at(level, check, ...)
    return settle(level, pcall(check, ...))
end

return misuse
