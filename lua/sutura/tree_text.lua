-- SPDX-License-Identifier: MIT
--
-- A tree as people and programs read it, made of the records that `sup:tree()` gives. It owns the layout; it asks
-- nobody for more than the records hold, and prints a setting only if the record has it.

local text = require "sutura.text"
local waiting = require "sutura.waiting"

local tree_text = {}

local INDENT = "  "
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

local function state_of(record, now)
    local parts = { record.kind or "service", record.state or "unknown" }
    if is_supervisor(record) and record.supervisor_state and record.supervisor_state ~= record.state then
        parts[#parts + 1] = ("(%s)"):format(short(record.supervisor_state))
    end
    local details = {}
    local function add(words, value)
        if value ~= nil then
            details[#details + 1] = words:format(shown(value))
        end
    end
    if record.score then
        details[1] = limit_of(record)
    end
    if record.run ~= nil then -- The root has no runs: nobody restarts it.
        add("run %s", record.run)
        add("restarts %s", record.restarts)
        add("failures %s", record.failures)
    end
    if record.next_try and now then
        details[#details + 1] = ("next try in %.3f s"):format(math.max(0.0, record.next_try - now))
    end
    add("waits %s", waiting.phrase(record.waiting_for, 256))
    add("arg %s", is_plain(record.arg) and record.arg or nil)
    add("info %s", is_plain(record.info) and record.info or nil)
    add("last error: %s", record.last_error)
    return table.concat(parts, " ") .. (#details > 0 and ", " .. table.concat(details, ", ") or "")
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

local function render(record, describe, now, depth, position, lines)
    local place = position and position .. ". " or ""
    lines[#lines + 1] = INDENT:rep(depth) .. place .. label(record) .. ": " .. describe(record, now)
    for i, child in ipairs(record.children or {}) do
        render(child, describe, now, depth + 1, describe == settings_of and i, lines)
    end
    return lines
end

--- How the tree is now, a line a service: state, restarts, where it waits, when it is tried again.
---@param record table what `sup:tree()` gave
---@param now? number the runtime's time, for times in records
---@return string text with a newline at its end
function tree_text.state(record, now)
    return table.concat(render(record, state_of, now, 0, nil, {}), "\n") .. "\n"
end

--- What the tree is made of, a line a service, numbered in start order.
---@param record table what `sup:tree()` gave
---@return string text with a newline at its end
function tree_text.plan(record)
    return table.concat(render(record, settings_of, nil, 0, nil, {}), "\n") .. "\n"
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
