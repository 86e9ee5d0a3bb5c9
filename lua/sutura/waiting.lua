-- SPDX-License-Identifier: MIT
--
-- How a sentence goes on to what is waited for. The text itself comes from the C module: a call and its place, such as
-- "sleep at worker.lua:12", or what is to happen, such as "end of root/db at main.lua:7" and "db to be ready".

local text = require "sutura.text"

local waiting = {}

local CALLS = {
    "^sleep%f[^%w]", "^yield%f[^%w]", "^await%f[^%w]", "^ctx:wait%f[^%w]", "^mailbox:receive%f[^%w]", "^run%f[^%w]",
}

local function is_call(line)
    if line:find(" to be ready") or line:find(" to stop$") then
        return false
    end
    for _, pattern in ipairs(CALLS) do
        if line:find(pattern) then
            return true
        end
    end
    return false
end

--- "in sleep at worker.lua:12", or "for end of root/db at main.lua:7"; nil when it waits for nothing.
---@param waiting_for any of a record, an event or the entry of a report
---@param limit? integer bytes
---@return string? one line
function waiting.phrase(waiting_for, limit)
    if waiting_for == nil or waiting_for == "" then
        return nil
    end
    local line = text.line(text.of(waiting_for), limit)
    return (is_call(line) and "in " or "for ") .. line
end

return waiting
