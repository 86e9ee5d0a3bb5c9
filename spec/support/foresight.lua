-- SPDX-License-Identifier: MIT
--
-- Trees of obedient services, what a plan says of the end of one of them, and what then really happens.
--
-- A service says at once that it is ready, and waits to be told how to end; asked to stop it stops at once: so a plan
-- must come true to the nanosecond. It owns the services and the record; which trees there are is the spec's.

local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local foresight = {}
foresight.__index = foresight

local ENDS = {
    panic = function() error("told to", 0) end,
    error = function() return nil, "told to" end,
    ["return"] = function() return nil end,
    do_not_restart = function() return sutura.DO_NOT_RESTART end,
    terminate_tree = function() return sutura.TERMINATE_TREE end,
}

-- What an event and the event of a plan have in common.
local COMMON = { "type", "path", "restarting", "stopping", "queued", "reason", "delay" }

local function nanoseconds(seconds)
    return math.floor(seconds * 1e9 + 0.5)
end

local function line_of(event, at)
    local words = { tostring(nanoseconds(at)) }
    for _, field in ipairs(COMMON) do
        local value = event[field]
        if field == "reason" and event.type:find("_start$") then
            value = nil -- it tells of the run before, and is text for people
        end
        words[#words + 1] = value ~= nil and ("%s=%s"):format(field, value) or nil
    end
    return table.concat(words, " ")
end

---@param rt sutura.Runtime
---@return table foresight
function foresight.new(rt)
    local self = setmetatable({ rt = rt, tell = {}, supervisors = {}, talks = {} }, foresight)
    self:forget()
    self.hook = function(event)
        self.events[#self.events + 1] = line_of(event, event.time - self.since)
        if event.type == "supervisor_start" then
            self.opened[#self.opened + 1] = event.path
        end
    end
    self.body = function(ctx)
        self:live(ctx)
        return ENDS[self.how]()
    end
    return self
end

--- Begins a new record.
function foresight:forget()
    self.since, self.how = sutura.now(), nil
    self.events, self.stopped, self.started, self.opened = {}, {}, {}, {}
end

-- Begins, gets ready, and waits to be told to end; writes down that it stops without.
function foresight:live(ctx)
    local path = ctx.path
    local told = false
    local _stop <close> = setmetatable({}, { __close = function()
        self.tell[path] = nil
        if not told then
            self.stopped[#self.stopped + 1] = path
        end
    end })
    self.started[#self.started + 1] = path
    ctx:ready()
    sutura.await(function(resume) self.tell[path] = resume end)
    told = true
end

-- The child spec of a supervisor or service of a world.
function foresight:child(child, path)
    local spec = { run = child.below and self:supervisor(child.name, child.below, path) or self.body }
    for field, value in pairs(child) do
        spec[field] = field ~= "below" and value or nil
    end
    return spec
end

--- Makes a supervisor and all below it. A world is its spec without what runs: each child has a name and options, and
--- one that is a supervisor a world `below`.
---@param name string
---@param world table
---@param above? string the path of its parent
---@return sutura.Supervisor
function foresight:supervisor(name, world, above)
    local path = (above and above .. "/" or "") .. name
    local spec = { event_hook = self.hook, backoff_jitter = sutura.no_jitter, children = {} }
    for field, value in pairs(world) do
        spec[field] = spec[field] or value
    end
    for i, child in ipairs(world.children) do
        spec.children[i] = self:child(child, path)
    end
    self.supervisors[path] = self.rt:supervisor(name, spec)
    self.talks[path] = spec.lifecycle_events
    return self.supervisors[path]
end

--- Makes the world with the root "root", and serves it.
---@param world table
---@return sutura.Supervisor
function foresight:serve(world)
    local root = self:supervisor("root", world)
    root:serve_background()
    virtual.settle()
    return root
end

--- Makes the service end like that, and lets happen what does at once.
---@param path string
---@param what string
function foresight:fail(path, what)
    self.how = what
    self.tell[path]()
    sutura.sleep(1e-6) -- goes by when nothing else is left to do
end

--- Plans the end of a service.
---@param path string
---@param what string
---@return table? plan
---@return sutura.Error? err
function foresight:plan(path, what)
    local above, name = path:match("^(.*)/(.-)$")
    return self.supervisors[above]:plan(name, what)
end

--- Makes the service end like that, lets 100 seconds go by, and says what has happened.
---@param path string
---@param what string
---@return table
function foresight:happen(path, what)
    self:forget()
    self.how = what
    self.tell[path]()
    sutura.sleep(100)
    return { stop = self.stopped, start = self.started, supervisors = self.opened, events = self.events }
end

local function only(paths, wanted)
    local found = {}
    for _, path in ipairs(paths) do
        if wanted(path) then
            found[#found + 1] = path
        end
    end
    return found
end

--- A plan in the form of what `happen` gives.
---@param plan table
---@return table
function foresight:told(plan)
    local function is_service(path)
        return not self.supervisors[path]
    end
    local told = { stop = only(plan.stop, is_service), start = only(plan.start, is_service), events = {} }
    told.supervisors = only(plan.start, function(path) return self.talks[path] end)
    for i, event in ipairs(plan.events) do
        told.events[i] = line_of(event, event.at)
    end
    return told
end

return foresight
