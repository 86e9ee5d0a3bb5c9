-- SPDX-License-Identifier: MIT
--
-- Fuzzes the two forms of an event: whatever the fields hold, its text is one bounded line without control bytes, and
-- its map is fit for JSON.

local bytes = require "spec.fuzz.bytes"
local event = require "sutura.event"
local json = require "dkjson"

local NAMES = { "type", "time", "wall", "seq", "path", "service_name", "supervisor_name", "current_failures",
    "failure_threshold", "restarting", "queued", "stopping", "run", "error", "error_msg", "panic_msg", "stacktrace",
    "frames", "delay", "killed", "waiting_for", "reason", "because_of", "history", "duration", "in_a_row", "action" }
local TYPES = { "service_panic", "service_terminate", "backoff", "resume", "stop_timeout", "service_hog", "escalate",
    "service_start", "service_stop", "supervisor_start", "supervisor_stop" }
local MOST = 8192

local function check_value(value)
    local kind = type(value)
    assert(kind == "string" or kind == "boolean" or kind == "number", "a " .. kind .. " in the map")
    if kind == "string" then
        assert(utf8.len(value), ("no UTF-8: %q"):format(value))
    elseif kind == "number" then
        assert(value == value and math.abs(value) < math.huge, "a number that is not finite")
    end
end

return function(text)
    local from = bytes.new(text)
    local made = setmetatable({ type = from:pick(TYPES) }, event.metatable)
    for _ = 1, from:byte() % 12 do
        rawset(made, from:pick(NAMES), from:value())
    end
    local line = tostring(made)
    assert(#line <= MOST and not line:find("%c") and utf8.len(line), ("the line %q"):format(line))
    for name, value in pairs(made:map()) do
        check_value(name)
        check_value(value)
    end
    assert(json.decode(json.encode(made:map())), "no JSON")
end
