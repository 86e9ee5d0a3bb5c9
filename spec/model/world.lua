-- SPDX-License-Identifier: MIT
--
-- Rounds of the run queue and the passing of time: in what order things happen at one instant.

local body = require "spec.model.body"
local mailbox = require "spec.model.mailbox"
local policy = require "spec.model.policy"
local rules = require "spec.model.rules"

local world = {}
world.__index = world

-- So many turns at one instant, or in one passing of time, are a loop that no story is told about.
local MANY = 1000

--- What is raised then.
world.RUNAWAY = setmetatable({}, { __tostring = function() return "services restart without end" end })

--- An empty world. `tell` is given what a body does; `hear` each event, when it is delivered.
function world.new(tell, hear)
    return setmetatable({
        now = 0, armed = 0, stops = 0, timers = {}, ready = {}, round = {}, attention = {}, events = {}, kills = {},
        tell = tell, hear = hear, box = mailbox.new(body.mail),
    }, world)
end

---- What is told, and what telling sets off

local function resumed(sup)
    sup.state = "normal"
    policy.resume(sup, sup.world.now)
    rules.emit(sup, nil, "resume").delay = sup.resume_spacing
    rules.restart_queued(sup)
end

-- A jitter is asked when the event is delivered, and what waits for it waits from then on.
local function decide_delay(event)
    local sup, service = event.sup, event.service
    event.delay = event.delay * sup.stretch // 1 | 0
    if service and service.run == event.run and service.due == math.huge then
        service.due = event.time + event.delay
        if service.state == "backing_off" then
            rules.arm(service, service.due, rules.retry)
        end
    elseif not service and sup.state == "paused" then
        sup.spaces = false
        rules.arm(sup, event.time + event.delay, resumed)
    end
end

local function deliver(self)
    local event = table.remove(self.events, 1)
    if event.type == "backoff" or event.puts_off then
        decide_delay(event)
    end
    self.hear(event)
end

---- One instant

local function work_off(self)
    while true do
        if self.attention[1] then
            rules.look_after(self.attention[1])
        elseif self.events[1] then
            deliver(self)
        elseif self.kills[1] then
            body.close(table.remove(self.kills, 1))
        else
            return
        end
    end
end

local function comes_before(a, b)
    return a.time < b.time or a.time == b.time and a.order < b.order
end

--- The owner of the next deadline.
function world:next()
    local first
    for owner in pairs(self.timers) do
        if not first or comes_before(owner.timer, first.timer) then
            first = owner
        end
    end
    return first
end

local function fire(self)
    local owner = self:next()
    while owner and owner.timer.time <= self.now do
        local timer = owner.timer
        rules.disarm(owner)
        timer.fire(owner)
        work_off(self)
        owner = self:next()
    end
end

local function settle(self)
    work_off(self)
    fire(self)
    while self.ready[1] do
        self.round, self.ready = self.ready, {}
        while self.round[1] do
            self.turns = self.turns + 1
            if self.turns > MANY then
                error(world.RUNAWAY)
            end
            local next = table.remove(self.round, 1)
            local turn = next.turn or body.resume
            turn(next)
            work_off(self)
        end
        fire(self)
    end
end

--- All that can happen without time passing.
function world:settle()
    self.turns = 0
    settle(self)
end

--- `span` nanoseconds pass.
function world:advance(span)
    local to = self.now + span
    self:settle()
    local owner = self:next()
    while owner and owner.timer.time <= to do
        self.now = math.max(self.now, owner.timer.time)
        settle(self)
        owner = self:next()
    end
    self.now = to
end

return world
