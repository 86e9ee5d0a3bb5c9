-- SPDX-License-Identifier: MIT
--
-- A tree as people and programs read it, made of the records that `sup:tree()` gives. It owns the layout; it asks
-- nobody for more than the records hold, and prints a setting only if the record has it.

local text = require "sutura.text"

local tree_text = {}

local INDENT = "  "
local SETTINGS = {
    "strategy", "stop_order", "timeout", "failure_threshold", "failure_decay", "failure_backoff", "resume_spacing",
    "shutdown", "kill",
}

local function short(value, limit)
    return text.line(text.of(value), limit or 200)
end

local function number(value)
    return math.type(value) == "integer" and tostring(value) or ("%.6g"):format(value)
end

local function shown(value)
    return math.type(value) and number(value) or short(value)
end

-- The last part of the path: the name as paths write it, with the #2 of a used name.
local function label(record)
    return short(record.path or record.name):match("[^/]*$")
end

local function is_supervisor(record)
    return record.kind == "supervisor"
end

local function state_of(record)
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
        details[1] = ("score %.2f of %s"):format(record.score, shown(record.failure_threshold))
    end
    if record.run ~= nil then -- The root has no runs: nobody restarts it.
        add("run %s", record.run)
        add("restarts %s", record.restarts)
        add("failures %s", record.failures)
    end
    add("waits in %s", record.waiting_for)
    add("last error: %s", record.last_error)
    return table.concat(parts, " ") .. (#details > 0 and ", " .. table.concat(details, ", ") or "")
end

local function settings_of(record)
    local parts = { record.kind or "service" }
    for _, name in ipairs(SETTINGS) do
        if record[name] ~= nil then
            parts[#parts + 1] = ("%s %s"):format(name, shown(record[name]))
        end
    end
    return table.concat(parts, ", ")
end

local function render(record, describe, depth, position, lines)
    local place = position and position .. ". " or ""
    lines[#lines + 1] = INDENT:rep(depth) .. place .. label(record) .. ": " .. describe(record)
    for i, child in ipairs(record.children or {}) do
        render(child, describe, depth + 1, describe == settings_of and i, lines)
    end
    return lines
end

--- How the tree is now, a line a service: state, restarts, where it waits.
---@param record table what `sup:tree()` gave
---@return string text with a newline at its end
function tree_text.state(record)
    return table.concat(render(record, state_of, 0, nil, {}), "\n") .. "\n"
end

--- What the tree is made of, a line a service, numbered in start order.
---@param record table what `sup:tree()` gave
---@return string text with a newline at its end
function tree_text.plan(record)
    return table.concat(render(record, settings_of, 0, nil, {}), "\n") .. "\n"
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
        else
            result[name] = plain(value)
        end
    end
    return result
end

return tree_text
