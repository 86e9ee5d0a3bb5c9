-- SPDX-License-Identifier: MIT
--
-- What follows from ends: a restart at once or later, the end of the child alone, or that of the supervisor.

local policy = require "spec.model.policy"
local rules = require "spec.model.rules"

local NEVER = math.huge
local ABNORMAL = { error = true, panic = true, gave_up = true, start_failed = true }

-- The supervisor ends because of this child, unless it was to end already.
local function end_with(sup, service, why)
    if rules.runs(sup) and not sup.attends.stop then
        sup.ending, sup.ended_by = why, rules.origin(service)
        rules.attend(sup, "stop")
        return true
    end
end

local function shut_down(service)
    local sup, others = service.parent, 0
    for _, other in ipairs(sup.children) do
        others = others + (other ~= service and other.significant and other.state ~= "idle" and 1 or 0)
    end
    if service.significant and (sup.auto_shutdown == "any_significant" or others == 0) then
        end_with(sup, service, "plain")
    end
end

local function put_off(service)
    local backoff = service.backoff
    if service.world.now - service.started >= backoff.reset_after then
        service.delay = nil
    end
    service.delay = service.delay and math.min(service.delay * backoff.factor // 1 | 0, backoff.max) or backoff.min
    service.due = NEVER
    rules.stop(service, "back_off")
end

local function fail(sup, service)
    local paused = sup.state == "paused"
    local verdict = policy.fail(sup, sup.world.now)
    if verdict == "escalate" then
        return { gave_up = end_with(sup, service, "gave_up") }
    elseif verdict == "pause" then
        sup.state = "paused"
        rules.disarm(sup)
        rules.emit(sup, nil, "backoff").delay = sup.failure_backoff
        rules.stop(service, "queue")
        return { queued = true }
    end
    local puts_off = not paused and service.backoff
    if puts_off then
        put_off(service)
    else
        rules.retry(service)
    end
    return { restarting = not paused, queued = paused, puts_off = puts_off }
end

-- What an end by itself leads to: a restart now or later, the end of the supervisor, or nothing.
local function decide(sup, service, how, answer, unready)
    if answer == "restart" or how ~= "plain" then
        service.failures = service.failures + 1
    end
    if not rules.runs(sup) then
        return {}
    elseif how == "panic" and sup.pass_through_panics then
        end_with(sup, service, "panic")
    elseif unready and service.first then
        return { gave_up = end_with(sup, service, "start_failed") }
    elseif answer == "restart" then
        return fail(sup, service)
    end
    return {}
end

local function answer_to(service, how)
    if service.restart == "temporary" then
        return "forget"
    end
    return service.restart == "transient" and how == "plain" and "keep" or "restart"
end

-- A failure's event. Returns what becomes of the service, and whether its supervisor gives up.
local function failed(sup, service, how, unready)
    local run, answer, missed = service.run, answer_to(service, how), rules.origin(service).missed
    local outcome = decide(sup, service, how, answer, unready)
    local event = rules.emit(sup, service, how == "panic" and "service_panic" or "service_terminate")
    event.run, event.how, event.restarting, event.queued = run, how, outcome.restarting, outcome.queued
    event.missed, event.delay, event.puts_off = missed, outcome.puts_off and service.delay, outcome.puts_off
    rules.remember_failure(service, how, missed)
    return answer, outcome.gave_up
end

local function tell_escalation(sup, gave_up)
    if gave_up then
        rules.emit(sup, nil, "escalate").text = sup.ending == "start_failed" and "start failed" or policy.tolerated(sup)
    end
end

-- The end of a run that nobody asked for.
local function fell(service, how)
    local sup, unready, with_group, run = service.parent, service.state == "unready", service.because, service.run
    service.because = rules.origin(service)
    rules.enter(service, "idle")
    local by = service.because
    if how == "do_not_restart" then
        rules.tell_stop(service, how, run, by)
        shut_down(service)
        rules.forget(service)
    elseif how == "terminate_tree" then
        rules.remember_end_of_tree(service)
        rules.tell_stop(service, how, run, by)
        end_with(sup, service, "terminate_tree")
    else
        local answer, gave_up = failed(sup, service, unready and how == "plain" and "unready" or how, unready)
        rules.tell_stop(service, how, run, by)
        tell_escalation(sup, gave_up)
        if answer == "keep" and service.grouped then -- comes back with its group
            service.because = with_group
            rules.stop(service, "group")
        elseif answer ~= "restart" then
            shut_down(service)
        end
        if answer == "forget" then
            rules.retire(service)
        end
    end
    rules.settled(sup)
end

--- It was not ready in its time: a failed start, whose run is yet to be stopped.
function rules.late(service)
    local sup = service.parent
    service.late = true
    service.because = rules.runs(sup) and service or service.because
    if rules.runs(sup) then
        local answer, gave_up = failed(sup, service, "late", true)
        tell_escalation(sup, gave_up)
        if answer == "forget" then
            shut_down(service)
            rules.stop(service, "retire")
        end
    end
end

--- The end of a run, for whatever reason.
function rules.ended(service, how)
    if not (service.state == "stopping" or service.state == "killing" or service.state == "abandoned") then
        return fell(service, how)
    end
    local sup = service.parent
    rules.enter(service, "idle")
    service.asked, service.overdue = false, false
    rules.remember_stop(service)
    if ABNORMAL[how] then
        local event = rules.emit(sup, service, how == "panic" and "service_panic" or "service_terminate")
        event.how, event.stopping, event.missed = how, true, rules.origin(service).missed
        rules.remember_failure(service, how, event.missed)
    end
    rules.tell_stop(service, how, service.run, rules.cause(service))
    if service.late and service.restart == "temporary" then
        shut_down(service)
    end
    rules.follow(service, how == "do_not_restart" and "forget" or service.after)
    rules.settled(sup)
end
---- The end of a pause

--- Starts what queued: all of it, or the first and a timer for the rest.
function rules.restart_queued(sup)
    while sup.queue[1] do
        rules.retry(sup.queue[1])
        if sup.resume_spacing > 0 then
            break
        end
    end
    if sup.queue[1] then
        sup.spaces = true
        rules.arm(sup, sup.world.now + sup.resume_spacing, rules.restart_queued)
    end
end
