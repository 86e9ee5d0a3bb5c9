-- SPDX-License-Identifier: MIT
--
-- The reference model of a tree of supervisors: docs/contract.md written down as plainly as it can be, with tables and
-- loops over all of them. Here is what its parts share: states, timers, events. The rules call each other across
-- files, so that all of them stand in one table, which the files fill:
--
--   rules.lua      states, timers, events         starting.lua   a life, the order of starting, groups
--   failing.lua    ends that nobody asked for     stopping.lua   one service, a supervisor, by force
--   order.lua      siblings by name               causes.lua     on whose account
--   lifecycle.lua  why runs end and begin         mailbox.lua    values that are handed over
--   policy.lua     score and window               body.lua       what services do, by a plan; beats.lua
--   calls.lua      what users call                world.lua      rounds of the run queue, time
--
-- It knows nothing of sutura, nor of how sutura does it. Times are integer nanoseconds.

local policy = require "spec.model.policy"

local rules = {}

local NEVER = math.huge
rules.PENDING = { queued = true, backing_off = true, waiting = true, starting = true, unready = true }
rules.UP = { starting = true, unready = true, running = true, stopping = true, killing = true }

function rules.remove(list, wanted)
    for i, value in ipairs(list) do
        if value == wanted then
            return table.remove(list, i)
        end
    end
end

function rules.lives(service)
    return rules.UP[service.state] or service.state == "abandoned"
end

function rules.runs(sup)
    return sup.state == "normal" or sup.state == "paused"
end

--- Whether any worker below lives, of those too that were removed.
function rules.anything_lives(sup)
    for _, list in ipairs { sup.children, sup.ghosts } do
        for _, service in ipairs(list) do
            if service.child and rules.anything_lives(service.child) or not service.child and rules.lives(service) then
                return true
            end
        end
    end
    return false
end

--- The children in start order, as they are now.
function rules.forwards(sup)
    return ipairs(table.move(sup.children, 1, #sup.children, 1, {}))
end

--- The same, from the last to the first.
function rules.backwards(sup)
    local copy = table.move(sup.children, 1, #sup.children, 1, {})
    local i = #copy + 1
    return function()
        i = i - 1
        return copy[i]
    end
end

---- Timers, each known by its owner. Equal deadlines fire in the order of arming.

function rules.disarm(owner)
    owner.timer = nil
    owner.world.timers[owner] = nil
end

function rules.arm(owner, time, fire)
    rules.disarm(owner)
    if time == NEVER then
        return
    end
    local world = owner.world
    world.armed = world.armed + 1
    owner.timer = { time = time, order = world.armed, fire = fire }
    world.timers[owner] = true
end
---- States

function rules.enter(service, state)
    local sup = service.parent
    if service.state == "queued" then
        rules.remove(sup.queue, service)
        if #sup.queue == 0 and sup.spaces then
            rules.disarm(sup)
        end
    end
    rules.remove(service.world.kills, service)
    rules.disarm(service)
    service.state = state
    service.first = service.first and state ~= "running"
end

-- Whether those behind it in start order wait for it.
function rules.keeps_waiting(service)
    if service.state == "starting" then
        return service.notifies
    elseif service.state == "stopping" or service.state == "killing" then
        return service.after ~= "keep" and service.after ~= "forget" and service.after ~= "retire"
    end
    return rules.PENDING[service.state] or false
end
---- Events

-- A supervisor that has left the tree is the top of its own.
local function path_of(sup)
    return (sup.place and path_of(sup.place.parent) .. "/" or "") .. sup.name
end

--- Events wait until all that led to them is done. `by` is on whose account it is, if not what is known of the service.
function rules.emit(sup, service, type, by)
    local world = sup.world
    local path = path_of(sup) .. (service and "/" .. service.name or "")
    by = by or service and rules.cause(service)
    by = by ~= rules.NOBODY and by or nil
    local event = { type = type, sup = sup, service = service, path = path, time = world.now,
        run = service and service.run, stopping = not rules.runs(sup), score = policy.score(sup, world.now),
        limit = policy.limit(sup), by = by and by.name }
    world.events[#world.events + 1] = event
    return event
end

function rules.attend(sup, what)
    sup.attends[what] = true
    rules.remove(sup.world.attention, sup)
    table.insert(sup.world.attention, sup)
end
return rules
