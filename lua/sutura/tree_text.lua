-- SPDX-License-Identifier: MIT
--
-- A tree as people and programs read it, made of the records that `sup:tree()` gives. It owns the layout; it asks
-- nobody for more than the records hold, and prints a setting only if the record has it.

local text = require "sutura.text"
local waiting = require "sutura.waiting"

local tree_text = {}

local INDENT, BENEATH = "  ", "    "
local STATES = { "running", "starting", "queued", "backing_off", "restarting", "stopping", "stopped" }
local SETTINGS = {
    "strategy", "stop_order", "timeout", "intensity", "period", "failure_threshold", "failure_decay", "failure_backoff",
    "escalate_after", "resume_spacing", "auto_shutdown", "max_children", "restart", "significant", "after", "ready",
    "start_timeout", "heartbeat", "backoff", "shutdown", "kill",
}
local OF_PAUSES = { failure_backoff = true, resume_spacing = true }

local function short(value, limit)
    return text.line(text.of(value), limit or 200)
end

local function number(value)
    return math.type(value) == "integer" and tostring(value) or ("%.6g"):format(value)
end

local function shown(value)
    return math.type(value) and number(value) or short(value)
end

local function is_plain(value)
    return type(value) == "string" or math.type(value) ~= nil
end

-- How a setting reads, where its name and value in a row would not.
local PHRASES = {
    significant = function()
        return "significant"
    end,
    after = function(names)
        local parts = {}
        for i, name in ipairs(names) do
            parts[i] = short(name)
        end
        return "after " .. (#parts > 0 and table.concat(parts, " and ") or "nobody")
    end,
    backoff = function(backoff)
        return ("backoff %s to %s by %s"):format(shown(backoff.min), shown(backoff.max), shown(backoff.factor))
    end,
}

-- The last part of the path: the name as paths write it, with the #2 of a used name.
local function label(record)
    return short(record.path or record.name):match("[^/]*$")
end

local function is_supervisor(record)
    return record.kind == "supervisor"
end

-- How near a supervisor is to pausing its restarts, or to giving up.
local function limit_of(record)
    if record.intensity then
        return ("%s of %s restarts in %s s"):format(shown(record.score), shown(record.intensity), shown(record.period))
    end
    return ("score %.2f of %s"):format(record.score, shown(record.failure_threshold))
end

-- For how long, in the two largest units that say something: "3.200 s", "4 min 12 s", "2 d 7 h".
local function span(seconds)
    local whole = seconds // 1
    if seconds < 60 then
        return ("%.3f s"):format(math.max(0.0, seconds))
    elseif seconds < 3600 then
        return ("%d min %d s"):format(whole // 60, whole % 60)
    elseif seconds < 86400 then
        return ("%d h %d min"):format(whole // 3600, whole % 3600 // 60)
    end
    return ("%.0f d %d h"):format(whole // 86400, whole % 86400 // 3600)
end

local function standing(record, now)
    local words = (record.kind or "service") .. " " .. (record.state or "unknown")
    if is_supervisor(record) and record.supervisor_state and record.supervisor_state ~= record.state then
        words = ("%s (%s)"):format(words, short(record.supervisor_state))
    end
    return now and record.since and ("%s for %s"):format(words, span(now - record.since)) or words
end

-- What matters most comes first, and what is as it should be is left out: a word that is there says something.
local function state_of(record, now)
    local details = { standing(record, now) }
    local function add(words, value, ...)
        if value ~= nil and value ~= 0 then
            details[#details + 1] = words:format(shown(value), ...)
        end
    end
    if record.score then
        details[#details + 1] = limit_of(record)
    end
    if record.next_try and now then
        details[#details + 1] = ("next try in %s"):format(span(record.next_try - now))
    end
    add("waits %s", waiting.phrase(record.waiting_for, 256))
    add("restarts %s", record.restarts)
    add("failures %s", record.failures)
    add("resumes %s", record.resumes)
    if record.cpu_time and record.cpu_time >= 0.0005 then
        details[#details + 1] = ("processor %.3f s"):format(record.cpu_time)
    end
    add("arg %s", is_plain(record.arg) and record.arg or nil)
    add("info %s", is_plain(record.info) and record.info or nil)
    return table.concat(details, ", ")
end

-- Beneath the line of a service, as the log has it beneath an event: the last error, and the stack.
local function add_beneath(record, depth, lines)
    local margin = INDENT:rep(depth) .. BENEATH
    if record.last_error then
        lines[#lines + 1] = margin .. "last error: " .. short(record.last_error)
    end
    if record.stacktrace then
        for line in text.of(record.stacktrace):gmatch("[^\n]+") do
            lines[#lines + 1] = margin .. text.line((line:gsub("^\t", BENEATH)))
        end
    end
end

-- What goes without saying, or has no effect: with a window there are no pauses.
local function is_idle(record, name)
    return record[name] == "permanent" or (record.intensity ~= nil and OF_PAUSES[name])
end

local function settings_of(record)
    local parts = { record.kind or "service" }
    for _, name in ipairs(SETTINGS) do
        if record[name] ~= nil and not is_idle(record, name) then
            local phrase = PHRASES[name]
            parts[#parts + 1] = phrase and phrase(record[name]) or ("%s %s"):format(name, shown(record[name]))
        end
    end
    return table.concat(parts, ", ")
end

local function render_state(record, now, depth, lines)
    local name = depth == 0 and short(record.path or record.name) or label(record)
    lines[#lines + 1] = ("%s%s: %s"):format(INDENT:rep(depth), name, state_of(record, now))
    add_beneath(record, depth, lines)
    for _, child in ipairs(record.children or {}) do
        render_state(child, now, depth + 1, lines)
    end
    return lines
end

local function render_plan(record, depth, position, lines)
    local place = position and position .. ". " or ""
    lines[#lines + 1] = ("%s%s%s: %s"):format(INDENT:rep(depth), place, label(record), settings_of(record))
    for i, child in ipairs(record.children or {}) do
        render_plan(child, depth + 1, i, lines)
    end
    return lines
end

--- How the tree is now, a line a service: its state and for how long, what it waits for, when it is tried again, and
--- what has happened to it. Beneath it its last error and, where the record has it, its stack.
---@param record table what `sup:tree()` gave
---@param now? number the runtime's time, for times in records
---@return string text with a newline at its end
function tree_text.state(record, now)
    return table.concat(render_state(record, now, 0, {}), "\n") .. "\n"
end

local function tally(record, counts)
    if is_supervisor(record) then
        counts.supervisors = counts.supervisors + 1
    else
        counts.services = counts.services + 1
        counts[record.state] = (counts[record.state] or 0) + 1
    end
    for _, child in ipairs(record.children or {}) do
        tally(child, counts)
    end
end

local function number_of(count, word)
    return ("%d %s%s"):format(count, word, count == 1 and "" or "s")
end

--- One line that says whether a look at the trees is needed: "2 supervisors, 10 services: 8 running, 2 backing_off".
---@param records table[] what `sup:tree()` gave, of each root
---@return string text with a newline at its end
function tree_text.summary(records)
    local counts = { supervisors = 0, services = 0 }
    for _, record in ipairs(records) do
        tally(record, counts)
    end
    local states = {}
    for _, state in ipairs(STATES) do
        states[#states + 1] = counts[state] and ("%d %s"):format(counts[state], state)
    end
    return ("%s, %s%s\n"):format(number_of(counts.supervisors, "supervisor"), number_of(counts.services, "service"),
        #states > 0 and ": " .. table.concat(states, ", ") or "")
end

--- What the tree is made of, a line a service, numbered in start order.
---@param record table what `sup:tree()` gave
---@return string text with a newline at its end
function tree_text.plan(record)
    return table.concat(render_plan(record, 0, nil, {}), "\n") .. "\n"
end

local function plain(value)
    if math.type(value) then
        local finite = value == value and value ~= math.huge and value ~= -math.huge
        return finite and value or tostring(value)
    elseif type(value) == "boolean" then
        return value
    end
    return text.utf8(text.of(value))
end

-- The settings that are tables: of plain values.
local function plain_table(from)
    local result = {}
    for key, value in pairs(from) do
        result[key] = plain(value)
    end
    return result
end

--- The records as plain tables fit for a JSON encoder; a token is its path.
---@param record table what `sup:tree()` gave
---@return table
function tree_text.plain(record)
    local result = {}
    for name, value in pairs(record) do
        if name == "children" then
            result.children = {}
            for i, child in ipairs(value) do
                result.children[i] = tree_text.plain(child)
            end
        elseif name == "after" or name == "backoff" then
            result[name] = plain_table(value)
        else
            result[name] = plain(value)
        end
    end
    return result
end

return tree_text
