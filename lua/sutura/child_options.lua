-- SPDX-License-Identifier: MIT
--
-- The options of a child: what each may hold, its default, which go together, and the normal form for the C module,
-- where what is left to its default is absent. It knows nothing of siblings: whether those that a child names are
-- there, and whether its supervisor may have significant children, is for others to see.

local fields = require "sutura.fields"
local misuse = require "sutura.misuse"
local text = require "sutura.text"

---@class sutura.AddOptions
---@field name? string
---@field shutdown? number|"kill"|"infinity" seconds to stop in; default the supervisor's `timeout` (OTP)
---@field kill? boolean default true: closed by force when over its time (ours)
---@field restart? "permanent"|"transient"|"temporary" default "permanent" (OTP)
---@field significant? boolean its end for good may end the supervisor, see `auto_shutdown`; default false (OTP)
---@field ready? "notify" ready when it calls `ctx:ready`; default: once it first runs (ours)
---@field start_timeout? number seconds to get ready in; default: as long as it takes (ours)
---@field heartbeat? number seconds in which it calls `ctx:beat` again; default: it need not (ours)
---@field backoff? sutura.Backoff its own delay before a restart; default none (ours)
---@field after? string[] the siblings that must be ready first, by name; default: all that come before it (ours)

---@class sutura.Backoff
---@field min? number seconds before the first restart; default 1
---@field max? number seconds that the delay does not pass; default 60
---@field factor? number by which each delay is longer than the one before; default 2
---@field jitter? fun(seconds: number): number default the supervisor's `backoff_jitter`
---@field reset_after? number seconds of a run after which delays start at `min` again; default `max`

local RESTARTS = { "permanent", "transient", "temporary" }
local BACKOFF_FIELDS = fields.known { "factor", "jitter", "max", "min", "reset_after" }
local BACKOFF_DEFAULTS = { min = 1.0, max = 60.0, factor = 2.0 }

local function shutdown_of(place, from)
    local value = from.shutdown
    if value == nil or value == "kill" or value == "infinity" then
        return value
    elseif math.type(value) and value >= 0 and value < math.huge then
        return value + 0.0
    end
    misuse.refuse_value(place .. ": field 'shutdown'", 'a finite number >= 0, "kill" or "infinity"', value)
end

local function kill_of(place, from, shutdown)
    local kill = fields.typed(place, from, "kill", "boolean")
    if shutdown == "kill" and kill == false then
        misuse.refuse('%s: field \'shutdown\' is "kill", so field \'kill\' cannot be false', place)
    end
    return kill
end

-- True, or nil for the default.
local function significant_of(place, from, restart)
    if not fields.typed(place, from, "significant", "boolean") then
        return nil
    end
    if restart == "permanent" then
        misuse.refuse("%s: field 'significant' is true, so field 'restart' must be \"transient\" or \"temporary\"; "
            .. 'it is "permanent"%s', place, from.restart == nil and " by default" or "")
    end
    return true
end

-- How it tells that it is ready, and how long that may take.
local function readiness_of(place, from, kind)
    local ready = fields.choice(place, from, "ready", { "notify" })
    local start_timeout = fields.positive(place, from, "start_timeout")
    if kind == "supervisor" and (ready or start_timeout) then
        misuse.refuse("%s: field '%s' is not for a supervisor, which is ready when its children are", place,
            ready and "ready" or "start_timeout")
    elseif start_timeout and not ready then
        misuse.refuse("%s: field 'start_timeout' is only for a child with field 'ready' = \"notify\"", place)
    end
    return ready and true, start_timeout
end

-- The seconds from one beat to the next that it promises.
local function heartbeat_of(place, from, kind)
    local heartbeat = fields.positive(place, from, "heartbeat")
    if heartbeat and kind == "supervisor" then
        misuse.refuse("%s: field 'heartbeat' is not for a supervisor, only for what runs below it", place)
    end
    return heartbeat
end

-- "60 by default".
local function shown_setting(given, normal, name)
    return ("%.14g%s"):format(normal[name], given[name] == nil and " by default" or "")
end

local function backoff_of(place, from)
    local given = fields.typed(place, from, "backoff", "table")
    if given == nil then
        return nil
    end
    place = place .. ": field 'backoff'"
    fields.only(place, given, BACKOFF_FIELDS)
    local normal = { jitter = fields.typed(place, given, "jitter", "function") }
    normal.min = fields.number(place, given, "min") or BACKOFF_DEFAULTS.min
    normal.max = fields.number(place, given, "max") or BACKOFF_DEFAULTS.max
    if normal.max < normal.min then
        misuse.refuse("%s: field 'max' (%s) is less than field 'min' (%s)", place,
            shown_setting(given, normal, "max"), shown_setting(given, normal, "min"))
    end
    normal.factor = fields.number(place, given, "factor") or BACKOFF_DEFAULTS.factor
    if normal.factor < 1 then
        misuse.refuse_value(place .. ": field 'factor'", "a finite number >= 1", given.factor)
    end
    normal.reset_after = fields.number(place, given, "reset_after", true) or normal.max
    return normal
end

-- The names of the siblings that it waits for. Whether there are such siblings is for others to see.
local function after_of(place, from, name)
    local given, count = fields.array(place, from, "after")
    if given == nil then
        return nil
    end
    local normal, seen = {}, {}
    for i = 1, count do
        local sibling = given[i]
        if type(sibling) ~= "string" or sibling == "" then
            misuse.refuse_value(("%s: field 'after': element %d"):format(place, i), "a non-empty string", sibling)
        elseif seen[sibling] then
            misuse.refuse("%s: field 'after' has the name \"%s\" twice", place, text.line(sibling, 60))
        elseif sibling == name then
            misuse.refuse("%s: field 'after' has the child's own name, \"%s\"", place, text.line(sibling, 60))
        end
        seen[sibling] = true
        normal[i] = sibling
    end
    return normal
end

-- What becomes of it when it runs over its slice; nil for the default.
local function on_hog_of(place, from, kind)
    local on_hog = fields.choice(place, from, "on_hog", { "yield", "panic", "kill" })
    if on_hog and kind == "supervisor" then
        misuse.refuse("%s: field 'on_hog' is for functions and objects: a supervisor runs no code of its own", place)
    end
    return on_hog ~= "yield" and on_hog or nil
end

-- The part of the processor that it may use; nil for any.
local function cpu_share_of(place, from, kind)
    local share = fields.positive(place, from, "cpu_share")
    if share and share > 1 then
        misuse.refuse_value(place .. ": field 'cpu_share'", "a number > 0 and <= 1", from.cpu_share)
    elseif share and kind == "supervisor" then
        misuse.refuse("%s: field 'cpu_share' is for functions and objects: a supervisor runs no code of its own", place)
    end
    return share
end

--- The options among the fields of a table, in the normal form for the C module.
---@param place string for messages, such as "add"
---@param from table
---@param kind "function"|"object"|"supervisor"
---@param name string the child's
---@return table? options nil if all are left to their defaults
return function(place, from, kind, name)
    local restart = fields.choice(place, from, "restart", RESTARTS) or "permanent"
    local options = { significant = significant_of(place, from, restart), shutdown = shutdown_of(place, from) }
    options.restart = restart ~= "permanent" and restart or nil
    options.kill = kill_of(place, from, options.shutdown)
    options.ready, options.start_timeout = readiness_of(place, from, kind)
    options.heartbeat = heartbeat_of(place, from, kind)
    options.backoff = backoff_of(place, from)
    options.after = after_of(place, from, name)
    options.on_hog = on_hog_of(place, from, kind)
    options.cpu_share = cpu_share_of(place, from, kind)
    return next(options) ~= nil and options or nil
end
