-- SPDX-License-Identifier: MIT
--
-- How one service stops and what becomes of it, how a supervisor stops, and how both are made to by force.

local body = require "spec.model.body"
local order = require "spec.model.order"
local rules = require "spec.model.rules"

---- What becomes of one that does not run

function rules.forget(service)
    local sup = service.parent
    rules.remove(sup.children, service)
    service.grouped, service.gone = false, true
    table.insert(sup.ghosts, service)
end

function rules.retire(service)
    if not service.fixed then
        return rules.forget(service)
    end
    service.retired, service.grouped = true, false
end

function rules.follow(service, after)
    local sup = service.parent
    service.grouped = service.grouped and after == "group"
    service.first = service.first and after ~= "keep"
    if after == "forget" then
        rules.forget(service)
    elseif after == "retire" then
        rules.retire(service)
    elseif after == "keep" or not rules.runs(sup) then
        return
    elseif after == "queue" and sup.state == "paused" then
        rules.enter(service, "queued")
        table.insert(sup.queue, service)
    elseif after == "queue" then
        rules.retry(service)
    elseif after == "back_off" then
        rules.enter(service, "backing_off")
        rules.arm(service, service.due, rules.retry)
    elseif after == "group" then
        rules.enter(service, "waiting")
    else
        rules.launch(service)
    end
end
---- One service

-- A later wish holds, unless the first one sticks.
function rules.amended(service, after)
    local sticks = service.after == "forget" or service.after == "retire" and after ~= "forget"
        or service.after == "group" and after == "restart"
    return sticks and service.after or after
end

-- Who waited for it goes on when it is not to start any more.
local function let_go(service, kept_waiting)
    if kept_waiting and not rules.keeps_waiting(service) then
        rules.settled(service.parent)
    end
end

function rules.stop(service, after)
    local state, kept_waiting = service.state, rules.keeps_waiting(service)
    if state == "starting" then -- it never begins
        rules.remove(service.world.ready, service)
        rules.remove(service.world.round, service)
        service.run = service.run - 1
    end
    if state == "unready" or state == "running" then
        rules.ask(service, after)
        let_go(service, kept_waiting)
    elseif rules.lives(service) and state ~= "starting" then
        service.after = rules.amended(service, after)
        let_go(service, kept_waiting)
    elseif state ~= "waiting" or after ~= "restart" and after ~= "group" then
        rules.enter(service, "idle")
        rules.follow(service, after)
        rules.settled(service.parent)
    end
end

--- On purpose: because of the service that calls, or of nobody.
function rules.request(service, after)
    rules.blame(service, after, service.world.caller or rules.NOBODY)
    rules.stop(service, after)
end

function rules.kill(service)
    rules.enter(service, "killing")
    if service.child then
        rules.hurry(service.child, "quietly")
    else
        table.insert(service.world.kills, service)
    end
end

-- Its time to stop has passed.
local function overrun(service)
    local sup = service.parent
    if service.asked then -- it has not had its turn yet
        service.overdue = true
        return
    elseif service.child and service.kill then -- only what hangs below it is to blame
        rules.enter(service, "killing")
        return rules.hurry(service.child, "reported")
    elseif not service.child then
        service.overran = service.world.stops
        rules.emit(sup, service, "stop_timeout").killed = service.kill
        if service.kill then
            return rules.kill(service)
        end
    end
    service.after = service.after == "group" and "restart" or service.after
    service.grouped = false
    rules.enter(service, "abandoned")
    if service.child then -- nobody waits for its order any more, and nothing may start below
        rules.hurry(service.child, "together")
    end
    rules.settled(sup)
end

function rules.ask(service, after)
    service.after = after
    rules.enter(service, "stopping")
    if service.child then
        rules.attend(service.child, "stop")
    else
        service.asked = body.cancel(service)
    end
    local time = service.shutdown or (service.child and "infinity" or service.parent.timeout)
    if time == "kill" then
        rules.kill(service)
    elseif time == 0 and service.asked then
        service.overdue = true
    elseif time ~= "infinity" then
        rules.arm(service, service.world.now + time, overrun)
    end
end

--- It was resumed, and waits again.
function rules.gave_way(service)
    local overdue = service.overdue
    if service.state == "stopping" then
        service.asked, service.overdue = false, false
        if overdue then
            overrun(service)
        end
    end
end
---- A supervisor

-- It is asked to stop with its supervisor.
function rules.stop_with(service)
    rules.blame(service, "keep", rules.ABOVE)
    rules.stop(service, "keep")
end

function rules.ask_all(sup)
    for service in rules.backwards(sup) do
        if service.state ~= "idle" then
            rules.stop_with(service)
        end
    end
end

local function is_up(service)
    return rules.UP[service.state]
end

-- Only what is not asked yet.
local function ask_one(service)
    if rules.PENDING[service.state] or service.state == "running" then
        rules.stop_with(service)
    end
end

-- True once all children have been asked, in order.
local function ask_in_order(sup)
    if sup.staged then
        order.ask_unneeded(sup, is_up, ask_one)
        return true
    end
    for service in rules.backwards(sup) do
        ask_one(service)
        if rules.UP[service.state] then
            return false
        end
    end
    return true
end

local function go_on_stopping(sup)
    sup.busy = true
    local asked = sup.at_once or ask_in_order(sup)
    sup.busy = false
    for _, service in ipairs(sup.children) do
        asked = asked and not rules.UP[service.state]
    end
    if asked then
        sup.state = "terminated"
        rules.tell_end_of_life(sup)
        if sup.place then
            rules.attend(sup, "ended")
        end
    end
end

-- What a child's end lets go on: a stop, the restart of a group, a start.
function rules.settled(sup)
    if sup.busy then
        return
    elseif sup.state == "stopping" then
        go_on_stopping(sup)
    elseif rules.runs(sup) and not sup.attends.stop then
        sup.busy = true
        if sup.grouping then
            rules.advance_group(sup)
        else
            rules.advance(sup)
        end
        sup.busy = false
    end
end

function rules.stop_now(sup)
    sup.world.stops = sup.world.stops + 1
    sup.state, sup.stop_number, sup.walking, sup.grouping = "stopping", sup.world.stops, false, false
    rules.disarm(sup)
    local parallel = sup.stop_order == "parallel"
    sup.staged = parallel and order.counts(sup) and not sup.hurry
    sup.at_once = parallel and not sup.staged
    if sup.at_once then
        sup.busy = true
        rules.ask_all(sup)
        sup.busy = false
    end
    rules.settled(sup)
end
---- By force

local HURRIES = { together = 1, reported = 2, quietly = 3 }

--- Whatever still lives below is asked "together", and to end at once: "reported" as overrun, or "quietly".
function rules.hurry(sup, how)
    if sup.state == "not_running" or sup.state == "terminated" then
        return
    end
    local place = sup.place
    if place and (rules.PENDING[place.state] and rules.UP[place.state] or place.state == "running") then
        rules.stop_supervisor(sup)
    end
    if not sup.hurry or HURRIES[sup.hurry] < HURRIES[how] then
        sup.hurry = how
    end
    rules.attend(sup, "hurry")
end

local function hurry_service(service, how)
    if service.child then
        if rules.lives(service) then
            rules.hurry(service.child, how)
        end
    elseif how == "quietly" and service.kill then
        if service.state == "stopping" then
            rules.kill(service)
        end
    elseif service.state == "stopping" and how ~= "together" then
        rules.arm(service, service.world.now, overrun)
    end
end

local function hurry_now(sup)
    if rules.runs(sup) then
        rules.stop_now(sup)
    end
    if sup.state ~= "stopping" then
        return
    end
    sup.busy, sup.at_once = true, true
    rules.ask_all(sup)
    for service in rules.backwards(sup) do
        hurry_service(service, sup.hurry)
    end
    sup.busy = false
    rules.settled(sup)
end

--- On purpose; a child supervisor as if its parent had stopped it.
function rules.stop_supervisor(sup)
    local place = sup.place
    if place and rules.lives(place) then
        rules.request(place, place.restart == "temporary" and "retire" or "keep")
    elseif rules.runs(sup) then
        rules.stop_now(sup)
    end
end

--- How its parent sees its end, and what serve says.
function rules.end_of(sup)
    local spared = sup.ending == "terminate_tree" and sup.dont_propagate_termination
    return spared and "do_not_restart" or sup.ending
end

--- What was asked of a supervisor, one level at a time.
function rules.look_after(sup)
    local asked, place = sup.attends, sup.place
    sup.attends = {}
    rules.remove(sup.world.attention, sup)
    if asked.stop and rules.runs(sup) then
        rules.stop_now(sup)
    end
    if asked.hurry then
        hurry_now(sup)
    end
    if asked.ended and place and rules.lives(place) then
        rules.ended(place, rules.end_of(sup))
    end
end
