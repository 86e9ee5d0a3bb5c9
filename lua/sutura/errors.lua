-- SPDX-License-Identifier: MIT
--
-- The error objects of the module: sentinels, ERR_* values, and what `wrap` makes. It owns their texts and how a cause
-- is found; it knows nothing of who returns them.
--
-- An error object is a table { message = string or error object, cause = any } with one metatable. The C module walks
-- it by raw access, so both fields are raw and nothing else is. Nobody writes to one after it was made. Both walks
-- end on any object, also on one that somebody made circular.

local misuse = require "sutura.misuse"
local text = require "sutura.text"

---@class sutura.Error
---@field message string|sutura.Error the text, or the error object that stands before the cause
---@field cause any what it wraps; nil if nothing
local metatable = { __name = "sutura.error", __metatable = "sutura.error" }

local MAX_PARTS = 200 -- So many messages of a chain are written out.
local MAX_PART = 4096 -- Bytes of one of them.

local function is_error(value)
    return type(value) == "table" and debug.getmetatable(value) == metatable
end

local function new(message, cause)
    return setmetatable({ message = message, cause = cause }, metatable)
end

-- Visits the message and the cause of an error, and theirs, in the order of the text. Ends when `visit` returns true
-- (and then returns true), or when all was visited once.
local function walk(err, visit)
    if err == nil then
        return visit(nil) or false
    end
    local pending, seen = { err }, {}
    while #pending > 0 do
        local value = table.remove(pending)
        if visit(value) then
            return true
        end
        if is_error(value) and not seen[value] then
            seen[value] = true
            -- The last one pushed is the next one visited: the message comes before the cause.
            local cause = rawget(value, "cause")
            if cause ~= nil then
                pending[#pending + 1] = cause
            end
            local message = rawget(value, "message")
            if message ~= nil then
                pending[#pending + 1] = message
            end
        end
    end
    return false
end

function metatable.__tostring(err)
    local parts = {}
    walk(err, function(value)
        if not is_error(value) then
            parts[#parts + 1] = text.cut(text.of(value), MAX_PART)
        end
        return #parts == MAX_PARTS
    end)
    return table.concat(parts, ": ")
end

function metatable.__newindex(err)
    error(("an error object cannot be changed (%s)"):format(text.cut(tostring(err), 200)), 2)
end

---@class sutura.errors
local errors = { metatable = metatable }

--- The errors of the module by name. What each says is its `tostring`.
---@type table<string, sutura.Error>
errors.named = {
    CANCELED = new("the context was cancelled"),
    DEADLINE_EXCEEDED = new("the deadline of the context has passed"),
    DO_NOT_RESTART = new("the service has ended for good and is not to be restarted"),
    TERMINATE_TREE = new("the service asked to end the tree of its supervisor"),
    ERR_NOT_RUNNING = new("the supervisor is not running"),
    ERR_NOT_STARTED = new("the supervisor has never been served"),
    ERR_NOT_TERMINATED = new("a service of the supervisor's former life still lives"),
    ERR_WRONG_SUPERVISOR = new("the token belongs to another supervisor"),
    ERR_TIMEOUT = new("the time to wait has passed"),
    ERR_UNKNOWN_SERVICE = new("the supervisor has no such service"),
    ERR_AMBIGUOUS_NAME = new("more than one service of the supervisor has this name"),
    ERR_RUNNING = new("the service is running"),
    ERR_RESTARTING = new("the service is about to be restarted"),
    ERR_ALREADY_PRESENT = new("the supervisor has a service of this name already"),
    ERR_TOO_MANY_RESTARTS = new("there were too many restarts"),
    ERR_START_FAILED = new("the service did not start"),
    ERR_MAX_CHILDREN = new("the supervisor has as many services as it may have"),
}

local function check_message(message)
    if type(message) ~= "string" and not is_error(message) then
        misuse.refuse_value("wrap: argument 'message'", "a string or an error object", message)
    end
end

--- Puts a cause under a message, as `fmt.Errorf("message: %w", err)` does in Go.
---
--- The result's text is "message: cause". `err` may be of any type; nil makes an error without a cause.
--- Raises on a message that is neither a string nor an error object.
---@param err any the cause
---@param message string|sutura.Error
---@return sutura.Error
function errors.wrap(err, message)
    misuse.at(2, check_message, message)
    return new(message, err)
end

--- Whether an error is `target`, or wraps it as message or cause at any depth, as Go's `errors.Is` says.
---
--- Compares without metamethods; never raises.
---@param err any
---@param target any
---@return boolean
function errors.is(err, target)
    return walk(err, function(value)
        return rawequal(value, target)
    end)
end

--- Whether a value is an error object of this module.
---@type fun(value: any): boolean
errors.is_error = is_error

return errors
