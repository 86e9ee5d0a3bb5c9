-- SPDX-License-Identifier: MIT
--
-- The default logger: lines on stderr, as text for people or as JSON, one object a line, for programs. It owns the
-- form of the line and the choice between the two forms, which holds for the whole process; it knows nothing of the
-- tree. The hook of every supervisor that has none of its own is `log.default_hook`.
--
-- Nothing here raises: stderr may be closed, full or gone. A record is one write, so that lines of different
-- processes do not mix.

local event = require "sutura.event"
local text = require "sutura.text"

local log = {}

local MAX_TRACE = 32768
local MAX_HISTORY = 10000 -- As many as a supervisor can keep.
local INDENT = "    "
local RESET = "\27[0m"
local RED, YELLOW, GREEN = "\27[31m", "\27[33m", "\27[32m"

local STYLES = {
    service_panic = { level = "error", colour = RED },
    service_terminate = { level = "error", colour = RED },
    backoff = { level = "warn", colour = YELLOW },
    resume = { level = "info", colour = GREEN },
    service_hog = { level = "warn", colour = YELLOW },
    stop_timeout = { level = "error", colour = RED },
    escalate = { level = "error", colour = RED },
    report = { level = "warn", colour = YELLOW },
    error = { level = "error", colour = RED },
}
local PLAIN = { level = "info", colour = GREEN }

local format = "text"
local isatty = function()
    return false
end
local wall_clock = os.time
local on_format = function()
end
local encode

--- Says how to learn whether a descriptor is a terminal: the C module's `isatty`.
---@param fn fun(fd: integer): boolean
function log.set_isatty(fn)
    isatty = fn
end

--- Says where the time of a line comes from that is no event's: Unix time, with fractions if there are any.
---@param fn fun(): number
function log.set_wall_clock(fn)
    wall_clock = fn
end

--- Says who else writes lines of the same form: the C module, whose watchdog speaks when nothing else can.
---@param fn fun(name: "text"|"json")
function log.set_on_format(fn)
    on_format = fn
end

--- Chooses the form of every line that the default logger writes from now on, in the whole process.
---@param name "text"|"json"
---@return boolean? ok nil if the JSON library is missing
---@return string? problem names the packages that have it
function log.set_format(name)
    if name == "json" and not encode then
        local ok, json = pcall(require, "dkjson")
        if not ok then
            return nil, "the Lua module dkjson is missing (Debian: lua-dkjson; LuaRocks: dkjson)"
        end
        encode = json.encode
    end
    format = name
    on_format(name)
    return true
end

--- The form chosen last.
---@return "text"|"json"
function log.format()
    return format
end

--- Writes to stderr in one piece; what cannot be written is lost.
---@param s string
function log.write(s)
    pcall(function()
        io.stderr:write(s)
    end)
end

-- RFC 3339 in UTC, with so many digits of a second.
local function timestamp(wall, digits)
    if not math.type(wall) or wall ~= wall or math.abs(wall) > 2 ^ 46 then
        wall = wall_clock()
    end
    local scale = 10 ^ digits
    local whole = wall // 1
    local fraction = (wall - whole) * scale // 1
    return ("%s.%0" .. digits .. "dZ"):format(os.date("!%Y-%m-%dT%H:%M:%S", math.tointeger(whole)),
        math.tointeger(fraction))
end

local function in_colour()
    local no_color = os.getenv("NO_COLOR")
    return (no_color == nil or no_color == "") and os.getenv("TERM") ~= "dumb" and isatty(2)
end

local function trace_text(trace)
    local lines = {}
    for line in text.cut(text.of(trace), MAX_TRACE):gmatch("[^\n]+") do
        lines[#lines + 1] = INDENT .. text.line(line:gsub("^\t", INDENT), MAX_TRACE) .. "\n"
    end
    return table.concat(lines)
end

-- The entries of an event's history, at most as many as a supervisor keeps.
local function entries_of(e)
    local entries, found = type(e) == "table" and rawget(e, "history"), {}
    for i = 1, type(entries) == "table" and math.min(rawlen(entries), MAX_HISTORY) or 0 do
        found[i] = rawget(entries, i)
    end
    return found
end

local function clock_text(time)
    return math.type(time) and ("%.3f s"):format(time) or text.line(text.of(time), 20)
end

-- One line an entry: its number, both clocks, and the event's own line.
local function history_text(e)
    local lines = {}
    for i, entry in ipairs(entries_of(e)) do
        local map = event.map(entry)
        lines[i] = ("%s#%s %s, %s: %s\n"):format(INDENT, text.line(text.of(map.seq), 20), timestamp(map.wall, 3),
            clock_text(map.time), event.text(entry))
    end
    return table.concat(lines)
end

local function history_maps(e)
    local maps = {}
    for i, entry in ipairs(entries_of(e)) do
        maps[i] = event.map(entry)
    end
    return maps
end

local function write_text(kind, style, wall, message, beneath)
    local label = ("%-17s"):format(kind)
    if in_colour() then
        label = style.colour .. label .. RESET
    end
    log.write(("%s %s %s\n%s"):format(timestamp(wall, 3), label, message, beneath))
end

local KEY_ORDER = { "ts", "level", "type", "msg", "path" }

local function write_json(style, wall, message, fields)
    fields.ts = timestamp(wall, 6)
    fields.level = style.level
    fields.msg = message
    log.write(encode(fields, { keyorder = KEY_ORDER }) .. "\n")
end

-- An end without an error that no restart follows is no failure: the work is done.
local function is_done(map)
    return map.type == "service_terminate" and map.error_msg == nil and map.restarting == false and not map.queued
        and not map.stopping
end

local function write_event(e)
    local message = event.text(e)
    local map = event.map(e)
    local kind = type(map.type) == "string" and text.line(map.type, 60) or "event"
    local style = is_done(map) and PLAIN or STYLES[kind] or PLAIN
    if format == "json" then
        map.history = kind == "escalate" and history_maps(e) or nil
        write_json(style, map.wall, message, map)
    else
        local trace = map.stacktrace and trace_text(map.stacktrace) or ""
        write_text(kind, style, map.wall, message, kind == "escalate" and history_text(e) or trace)
    end
end

--- The hook of a supervisor that has no `event_hook`: one line an event, and indented beneath it the stack trace of a
--- panic, or of a service that did not stop, or the history of a supervisor that gives up. Never raises.
---@param e sutura.Event
function log.default_hook(e)
    local ok, problem = pcall(write_event, e)
    if not ok then
        log.write("sutura: an event could not be logged: " .. text.line(text.of(problem), 200) .. "\n")
    end
end

--- Writes one line of the library's own, such as a hook that raised. Never raises.
---@param message string
---@param kind? string the type that the line carries; default "report"
---@param fields? table more fields for the JSON form; it becomes the logger's
function log.report(message, kind, fields)
    kind = kind or "report"
    local style = STYLES[kind] or PLAIN
    pcall(function()
        local line = text.line(text.of(message))
        if format == "json" then
            fields = fields or {}
            fields.type = kind
            write_json(style, nil, line, fields)
        else
            write_text(kind, style, nil, line, "")
        end
    end)
end

return log
