-- SPDX-License-Identifier: MIT
--
-- What a service does, by its plan, one for each run:
--
--   first   "ready": says that it is ready, and waits; "silent": waits; or an end: ends so at once
--   stop    what it does when it is stopped in its wait: "meek" lets the error pass; "slow" stays for `slow`
--           nanoseconds under a shield; "stuck" stays under a shield until it is cued; or an end
--
-- A cue is what it waits for: "ready" says so, "beat" keeps its heartbeat, a call is made, a number of nanoseconds is
-- how long it waits for a value in the mailbox, where it hears no cue, and it waits on; an end is the end.
-- spec/model/actor.lua does the same with real coroutines.

local beats = require "spec.model.beats"
local mailbox = require "spec.model.mailbox"
local rules = require "spec.model.rules"

local body = {}

local NEVER = math.huge

--- The ends that a body may come to.
body.ENDS = { "plain", "error", "panic", "do_not_restart", "terminate_tree" }

--- The calls that it may make.
body.CALLS = { "remove", "restart", "terminate_child", "restart_child", "delete_child" }

local IS_END = {}
for _, how in ipairs(body.ENDS) do
    IS_END[how] = true
end

function body.plan(service)
    return service.plans[(service.run - 1) % #service.plans + 1]
end

local function finish(service, how)
    mailbox.leave(service.world.box, service, service.body.woken == "mail")
    rules.disarm(service.body)
    beats.stop(service)
    service.world.tell("-" .. service.name)
    service.body = nil
    rules.ended(service, how)
end

local function wake(service, why)
    local state = service.body
    if state and state.waits and not state.woken then
        state.woken = why
        rules.disarm(state)
        mailbox.leave(service.world.box, service)
        table.insert(service.world.ready, service)
    end
end

-- Waits for a cue, in the mailbox for a value until that time, or under a shield for time to pass.
local function wait(service, time)
    local state = service.body
    state.waits = true
    if state.receives then
        mailbox.wait(service.world.box, service)
    end
    if state.cancelled and not state.shielded then
        wake(service, "cancel")
    elseif time then
        rules.arm(state, time, function() wake(service, "time") end)
    end
    rules.gave_way(service)
end

local function cancelled(service)
    local state, plan = service.body, body.plan(service)
    local by = rules.told_cause(service)
    service.world.tell(("%s stops because of %s"):format(service.name, by and by.name or "nobody"))
    if plan.stop == "meek" then
        finish(service, "canceled")
    elseif IS_END[plan.stop] then
        finish(service, plan.stop)
    else
        state.shielded = true
        wait(service, plan.stop == "slow" and service.world.now + plan.slow or nil)
    end
end

local function call(service, what)
    local world = service.world
    world.caller = service
    world.tell(("%s calls %s %s: %s"):format(service.name, what[1], what[2], tostring((world.call(what)))))
    world.caller = nil
end

-- It receives what there is, or waits for it.
local function receive(service, woken)
    local state, world = service.body, service.world
    if state.cancelled then
        if woken ~= "begins" then
            mailbox.leave(world.box, service, true)
            state.receives = nil
            return cancelled(service)
        end
        return wait(service, state.receives)
    end
    local value = mailbox.take(world.box)
    if not value and woken == "begins" and state.receives == world.now then -- gives way once
        state.waits = true
        wake(service, "time")
        return rules.gave_way(service)
    elseif not value and woken ~= "time" then
        return wait(service, state.receives)
    end
    world.tell(("%s got %s"):format(service.name, value or "nothing"))
    state.receives = nil
    wait(service)
end

-- It has its turn, and goes on with what it waited for.
local function go_on(service, woken)
    local state = service.body
    if math.type(woken) and not state.shielded then
        state.receives = woken == NEVER and NEVER or service.world.now + woken
        return receive(service, "begins")
    elseif state.receives then
        return receive(service, woken)
    end
    if woken == "cancel" then
        cancelled(service)
    elseif woken == "time" then
        finish(service, "plain")
    elseif IS_END[woken] then
        finish(service, woken)
    else
        if woken == "ready" then
            rules.ready(service)
        elseif woken == "beat" then
            beats.beat(service)
        elseif type(woken) == "table" then
            call(service, woken)
        end
        wait(service)
    end
end

local function leave_queue(service)
    rules.remove(service.world.ready, service)
    rules.remove(service.world.round, service)
end

local function missed(service)
    leave_queue(service)
    service.missed = true
    finish(service, "panic")
end

--- Its turn in the run queue.
function body.resume(service)
    local state = service.body
    if state then
        local woken = state.woken
        state.waits, state.woken = false, nil
        return go_on(service, woken)
    end
    service.body = { world = service.world }
    rules.ran(service)
    beats.begin(service, missed)
    service.world.tell("+" .. service.name)
    go_on(service, body.plan(service).first)
end

function body.cue(service, how)
    local state = service.body
    if state and not state.timer and not state.receives then -- nobody hears it in a sleep or in the mailbox
        wake(service, how)
    end
end

--- There is a value for it.
function body.mail(service)
    wake(service, "mail")
end

--- True if it will have a turn by that.
function body.cancel(service)
    local state = service.body
    state.cancelled = true
    beats.stop(service)
    if not state.shielded then
        wake(service, "cancel")
    end
    return state.woken ~= nil or service.world.caller == service
end

--- Closed by force.
function body.close(service)
    leave_queue(service)
    finish(service, "canceled")
end

return body
