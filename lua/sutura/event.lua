-- SPDX-License-Identifier: MIT
--
-- The two forms of an event that people and programs read: one line of text, and a plain table fit for JSON. It owns
-- the words of both; it knows nothing of where events go. The C module makes the tables and sets this metatable, to
-- which it adds what makes fields when they are first read; here an event is made a plain table before it is read.
--
-- Nothing here raises, whatever the fields hold: a hook may be called with the error of a hostile service, and the
-- metatable may be put on any table. Fields are read raw.

local text = require "sutura.text"
local waiting = require "sutura.waiting"

---@class sutura.Event
---@field type string
---@field time number seconds of the runtime's clock
---@field wall number Unix time
---@field seq integer counts up in a runtime, without gaps
---@field supervisor sutura.Supervisor
---@field supervisor_name string
---@field path string
---@field service? any what was added
---@field service_name? string
---@field token? sutura.Token
---@field current_failures? number
---@field failure_threshold? number
---@field restarting? boolean
---@field queued? boolean restarted after the pause
---@field stopping? boolean
---@field run? integer
---@field error? any
---@field error_msg? string
---@field panic_msg? string
---@field stacktrace? string
---@field frames? table[]
---@field delay? number seconds
---@field killed? boolean
---@field waiting_for? string
---@field reason? string
---@field because_of? string path
---@field history? sutura.HistoryEntry[]
local event = {}

local MAX_MESSAGE = 1024 -- Bytes of an error's text in the line of an event.
local MAX_PATH = 512
local MAX_STRING = 4096 -- Bytes of a string in the map.
local MAX_TRACE = 32768
local LEFT_OUT = {
    supervisor = true, service = true, frames = true, history = true, error = true, error_msg = true, token = true,
}

local complete = function() end

--- Gives the module what makes an event of the C module a plain table.
---@param fn fun(e: any)
function event.set_complete(fn)
    complete = fn
end

local function line_of(value, limit)
    return text.line(text.of(value), limit)
end

local function number_text(value)
    if not math.type(value) then
        return line_of(value, 40)
    end
    local plain = ("%.2f"):format(value)
    return (plain:gsub("%.?0+$", "", plain:find(".", 1, true) and 1 or 0))
end

local function seconds_text(value)
    return number_text(value) .. " s"
end

--- Where a service stood that did not stop, as the end of a sentence: "; it was in sleep at worker.lua:12",
--- "; it was running at worker.lua:12", "; it was waiting for end of root/db", or nothing. Never raises.
---@param waiting_for any as in an event or a report
---@return string
function event.stood(waiting_for)
    local phrase = waiting.phrase(waiting_for, MAX_MESSAGE)
    if not phrase then
        return ""
    end
    return "; it was " .. phrase:gsub("^for its turn", "running"):gsub("^for ", "waiting for ")
end

-- The text of what went wrong, or nil if nothing did.
local function error_text(self)
    local message = rawget(self, "error_msg")
    if message == nil then
        message = rawget(self, "error")
    end
    if message == nil then
        message = rawget(self, "panic_msg")
    end
    return message ~= nil and text.of(message) or nil
end

-- Whether and when it runs again.
local function prospect(self)
    local delay = rawget(self, "delay")
    if not rawget(self, "restarting") then
        return rawget(self, "queued") and "not restarting now" or "not restarted"
    end
    return delay ~= nil and "restarting in " .. seconds_text(delay) or "restarting"
end

-- What follows from an end: "(run 3, failures 2 of 5, restarting)".
local function consequence(self)
    local parts = {}
    local run, failures = rawget(self, "run"), rawget(self, "current_failures")
    if run ~= nil then
        parts[#parts + 1] = "run " .. line_of(run, 20)
    end
    if rawget(self, "stopping") then
        parts[#parts + 1] = "while stopping, not counted"
    else
        if failures ~= nil then
            parts[#parts + 1] = ("failures %s of %s"):format(number_text(failures),
                number_text(rawget(self, "failure_threshold")))
        end
        parts[#parts + 1] = prospect(self)
    end
    return (" (%s)"):format(table.concat(parts, ", "))
end

local function with_error(words, message)
    return message and ("%s: %s"):format(words, text.line(message, MAX_MESSAGE)) or words
end

local function with_reason(words)
    return function(self)
        local reason = rawget(self, "reason")
        if reason == nil or reason == words then
            return words
        end
        return ("%s (%s)"):format(words, line_of(reason, MAX_MESSAGE))
    end
end

-- What was done about a service that kept the thread.
local HOG_ACTIONS = {
    yield = "and was made to give way", panic = "and met an error for that", kill = "and is closed by force for that",
}

-- Without a stack it had given way before anybody could look.
local function hog_action(self)
    local action = rawget(self, "action")
    if action == "none" then
        return rawget(self, "stacktrace") and "where it cannot be interrupted" or "before it gave way"
    end
    return HOG_ACTIONS[action] or line_of(action, 20)
end

local function in_a_row(self)
    local times = rawget(self, "in_a_row")
    return math.type(times) == "integer" and times > 1 and (" (%d times in a row)"):format(times) or ""
end

-- What happened, by the type of the event.
local HAPPENED = {
    service_panic = function(self)
        return with_error("panicked", error_text(self) or "nil") .. consequence(self)
    end,
    service_terminate = function(self)
        local message = error_text(self)
        return with_error(message and "failed" or "ended", message) .. consequence(self)
    end,
    backoff = function(self)
        return ("too many failures (%s), restarts are paused for %s"):format(
            number_text(rawget(self, "current_failures")), seconds_text(rawget(self, "delay")))
    end,
    resume = function()
        return "the pause has ended, restarts resume"
    end,
    stop_timeout = function(self)
        return ("did not stop in its time, %s%s"):format(
            rawget(self, "killed") and "closed by force" or "left running",
            event.stood(rawget(self, "waiting_for")))
    end,
    service_hog = function(self)
        return ("ran for %s in one piece, %s%s"):format(seconds_text(rawget(self, "duration")), hog_action(self),
            in_a_row(self))
    end,
    escalate = function(self)
        return with_error(with_reason("gave up")(self), error_text(self))
    end,
    service_start = function(self)
        local reason = rawget(self, "reason")
        if reason == nil or reason == "first start" then
            return "started"
        end
        return "started again after: " .. line_of(reason, MAX_MESSAGE)
    end,
    service_stop = with_reason("stopped"),
    supervisor_start = with_reason("started"),
    supervisor_stop = with_reason("stopped"),
}

local function path_of(self)
    local path = rawget(self, "path")
    if path == nil then
        path = rawget(self, "service_name") or rawget(self, "supervisor_name")
    end
    return line_of(path, MAX_PATH)
end

-- On whose account, where that is somebody else's and the error does not begin with it.
local function blame(self, happened)
    local because_of = rawget(self, "because_of")
    if because_of == nil or rawequal(because_of, rawget(self, "path")) then
        return ""
    end
    because_of = line_of(because_of, MAX_PATH)
    return happened:find(because_of .. ": ", 1, true) and "" or ", because of " .. because_of
end

local function describe(self)
    local kind = rawget(self, "type")
    local words = type(kind) == "string" and HAPPENED[kind]
    local happened = words and words(self) or line_of(kind, 60)
    return ("%s: %s%s"):format(path_of(self), happened, blame(self, happened))
end

-- A value as a JSON encoder takes it, or nil for one that stays out.
local function plain(value, limit)
    local kind = type(value)
    if kind == "string" then
        return text.utf8(value, limit)
    elseif kind == "boolean" then
        return value
    elseif kind == "number" then
        if value ~= value then
            return "nan"
        elseif value == math.huge or value == -math.huge then
            return value > 0 and "inf" or "-inf"
        end
        return value
    end
    return text.utf8(text.of(value), limit)
end

--- The event as a plain table with the same names, fit for any JSON encoder.
---
--- `supervisor`, `service`, `frames` and `history` are left out, `token` is its path, `error` is text equal to
--- `error_msg`; strings are valid UTF-8 (other bytes as `\xNN`) and bounded, numbers that are not finite are "inf",
--- "-inf" or "nan".
--- Never raises. Source: suture v4's Event.Map; the bounds are ours.
---@param self sutura.Event
---@return table<string, string|number|boolean>
function event.map(self)
    local map = {}
    if type(self) ~= "table" then
        return map
    end
    complete(self)
    for name, value in next, self do
        if type(name) == "string" and not LEFT_OUT[name] then
            map[text.utf8(name, 60)] = plain(value, name == "stacktrace" and MAX_TRACE or MAX_STRING)
        end
    end
    local token, message = rawget(self, "token"), error_text(self)
    if token ~= nil then
        map.token = plain(text.of(token))
    end
    if message then
        map.error = plain(message)
        map.error_msg = map.error
    end
    return map
end

--- The event in one line: where, what, and what follows. Never raises.
---@param self sutura.Event
---@return string
function event.text(self)
    if type(self) ~= "table" then
        return "no event: " .. line_of(self, 60)
    end
    complete(self)
    return describe(self)
end

event.methods = { map = event.map }

event.metatable = {
    __name = "sutura.event",
    __index = event.methods,
    __tostring = event.text,
}

return event
