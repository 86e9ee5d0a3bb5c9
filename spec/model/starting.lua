-- SPDX-License-Identifier: MIT
--
-- How children start: with a life of their supervisor, in order, each when those before it are ready; and how a group
-- restarts.

local order = require "spec.model.order"
local policy = require "spec.model.policy"
local rules = require "spec.model.rules"

--- A life begins: what was there and is to come along waits for its turn.
function rules.open_life(sup)
    local ghosts = {} -- those that were removed leave the report, but for what still lives
    for _, ghost in ipairs(sup.ghosts) do
        if ghost.child and rules.anything_lives(ghost.child) then
            table.insert(ghosts, ghost)
        elseif ghost.child then
            ghost.child.place = nil
        end
    end
    sup.ghosts, sup.state, sup.ending, sup.hurry, sup.walking = ghosts, "normal", "canceled", nil, true
    sup.began_by, sup.ended_by = sup.place and rules.cause(sup.place) or nil, nil
    policy.reset(sup)
    rules.tell_life(sup)
    for _, service in rules.forwards(sup) do
        local comes = service.fixed or service.run == 0 or service.restart ~= "temporary"
        service.retired, service.grouped, service.first = false, false, true
        service.because = rules.ABOVE
        if service.state == "idle" and comes then
            rules.enter(service, "waiting")
        elseif service.state == "idle" then
            rules.forget(service)
        elseif not comes then
            rules.stop(service, "retire")
        elseif service.after == "retire" then -- once its run of a former life has ended
            service.after = "restart"
        else
            rules.stop(service, "restart")
        end
    end
end

function rules.begin(service)
    rules.enter(service, service.child and "unready" or "starting")
    service.after, service.grouped, service.late, service.missed = "keep", false, false, false
    service.run, service.started = service.run + 1, service.world.now
    if service.child then
        rules.open_life(service.child)
        rules.advance(service.child)
    else
        table.insert(service.world.ready, service)
    end
end

-- With one_for_one a child that failed later, and will be tried again, concerns nobody.
local function blocks(sup, service)
    local failed = service.state == "queued" or service.state == "backing_off"
    return rules.keeps_waiting(service) and not (failed and sup.strategy == "one_for_one")
end

-- One that names siblings waits for those, any other for all before it.
local function may_start(service, blocked)
    if service.needs then
        return order.is_clear(service)
    end
    return not blocked
end

--- It starts by itself: now, unless it names a sibling that is on its way.
function rules.launch(service)
    if order.is_clear(service) then
        return rules.begin(service)
    end
    rules.enter(service, "waiting")
    service.parent.walking = true
end

-- Starts what may start, in order; once all are ready, so is the supervisor.
function rules.advance(sup)
    if not sup.walking or sup.grouping or not rules.runs(sup) or sup.attends.stop then
        return
    end
    local blocked = false
    for _, service in ipairs(sup.children) do
        if service.state == "waiting" and may_start(service, blocked) then
            rules.begin(service)
        end
        blocked = blocked or blocks(sup, service)
    end
    if blocked then
        return
    end
    sup.walking = false
    if sup.place and sup.place.state == "unready" then
        rules.enter(sup.place, "running")
        rules.advance(sup.place.parent)
    end
end

--- Its body has its first turn: ready, unless it says so itself.
function rules.ran(service)
    rules.enter(service, service.notifies and "unready" or "running")
    rules.tell_start(service)
    if service.notifies then
        rules.arm(service, service.world.now + (service.start_timeout or math.huge), rules.late)
    else
        rules.advance(service.parent)
    end
end

--- Its body says so.
function rules.ready(service)
    if service.state == "unready" then
        rules.enter(service, "running")
        rules.advance(service.parent)
    end
end
---- Groups

local function in_group(sup, service, failed, seen)
    if order.counts(sup) then
        seen = order.touches_group(service)
    end
    return service == failed or sup.strategy == "one_for_all" or sup.strategy == "rest_for_one" and seen
end

-- Asked to stop with its group; a temporary one does not come back.
local function join(service)
    if rules.PENDING[service.state] and rules.lives(service) or service.state == "running" then
        rules.stop(service, service.restart == "temporary" and "retire" or "group")
    elseif rules.keeps_waiting(service) and rules.lives(service) then
        service.after = "group"
    end
end

local function holds(service)
    return service.grouped and rules.UP[service.state]
end

-- Together, but for those that somebody needs.
local function stop_together(sup)
    order.ask_unneeded(sup, holds, function(service)
        if holds(service) then
            join(service)
        end
    end)
end

function rules.advance_group(sup)
    local together = sup.stop_order == "parallel" and order.counts(sup)
    if together then
        stop_together(sup)
    end
    for service in rules.backwards(sup) do
        if service.grouped and not together then
            join(service)
        end
        if holds(service) then
            return
        end
    end
    sup.grouping, sup.walking = false, true
    rules.advance(sup)
end

function rules.regroup(sup, failed)
    local was, seen = sup.busy, false
    local origin = rules.origin(failed)
    sup.grouping, sup.busy = true, true
    for _, service in rules.forwards(sup) do
        if in_group(sup, service, failed, seen) and not service.retired and service.state ~= "abandoned" then
            if not service.grouped and service ~= failed then -- the first failure that concerns it
                service.because = origin
            end
            service.grouped = true
            if not rules.lives(service) then
                rules.stop(service, "group")
            end
        end
        seen = seen or service == failed
    end
    if sup.stop_order == "parallel" then
        stop_together(sup)
    end
    sup.busy = was
    rules.settled(sup)
end

function rules.retry(service)
    local sup = service.parent
    if not rules.runs(sup) then
        rules.stop(service, "keep")
    elseif sup.state == "paused" then
        rules.stop(service, "queue")
    elseif sup.strategy == "one_for_one" then
        rules.stop(service, "restart")
    else
        rules.regroup(sup, service)
    end
end