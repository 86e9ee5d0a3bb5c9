-- SPDX-License-Identifier: MIT
--
-- An event hook that keeps what it is told, and says it again in short. It owns its list; it knows nothing of the
-- tree that the events come from.

local sutura = require "sutura"

local recorder = {}
recorder.__index = recorder

---@return table recorder with the field `hook`, for a spec's `event_hook`, and `events`
function recorder.new()
    local self = setmetatable({ events = {} }, recorder)
    self.hook = function(event)
        self.events[#self.events + 1] = event
        if self.also then
            self.also(event)
        end
    end
    return self
end

--- The events of a type, in order.
function recorder:of(type)
    local found = {}
    for _, event in ipairs(self.events) do
        if event.type == type then
            found[#found + 1] = event
        end
    end
    return found
end

--- The only event of a type; fails when there is another number of them.
function recorder:only(type)
    local found = self:of(type)
    assert(#found == 1, ("%d events of type %s: %s"):format(#found, type, table.concat(self:lines(), "; ")))
    return found[1]
end

--- "type path" of every event so far.
function recorder:lines()
    local lines = {}
    for i, event in ipairs(self.events) do
        lines[i] = event.type .. " " .. event.path
    end
    return lines
end

function recorder:forget()
    self.events = {}
end

--- A supervisor whose events are recorded and whose pauses have no jitter, unless the spec says otherwise.
---@param rt sutura.Runtime
---@param name string
---@param spec? sutura.SupervisorSpec
---@return sutura.Supervisor
---@return table record
function recorder.supervisor(rt, name, spec)
    local record = recorder.new()
    spec = spec or {}
    spec.event_hook = spec.event_hook or record.hook
    spec.backoff_jitter = spec.backoff_jitter or sutura.no_jitter
    return rt:supervisor(name, spec), record
end

return recorder
