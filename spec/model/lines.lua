-- SPDX-License-Identifier: MIT
--
-- Events and trees as lines of text, to compare: the model's and sutura's come out the same when they are the same.
-- Numbers keep all their bits.

local rules = require "spec.model.rules"

local lines = {}

local TEXT = { error = "broken", panic = "broken" }
local WORDS = { idle = "stopped", waiting = "starting", unready = "starting", killing = "stopping",
    abandoned = "stopping" }

local function ns(seconds)
    return seconds and (seconds * 1e9 + 0.5) // 1 | 0
end

-- Every field of the type that both sides have.
local function line(event)
    local score = ("%a"):format(event.score)
    if event.type == "service_panic" or event.type == "service_terminate" then
        return ("%s %s run=%d %s %s %s delay=%s text=%s score=%s of %g by=%s"):format(event.type, event.path, event.run,
            event.restarting and "restarting" or "-", event.queued and "queued" or "-",
            event.stopping and "stopping" or "-", event.delay or "none", event.text or "none", score, event.limit,
            event.by or "nobody")
    elseif event.type == "stop_timeout" then
        return ("%s %s run=%d %s"):format(event.type, event.path, event.run, event.killed and "killed" or "left")
    elseif event.type == "escalate" then
        return ("%s %s %s"):format(event.type, event.path, event.text)
    elseif event.type:find("_st[ao]") then
        return ("%s %s run=%s %s by=%s"):format(event.type, event.path, event.run or "none", event.reason,
            event.by or "nobody")
    end
    return ("%s %s delay=%d score=%s"):format(event.type, event.path, event.delay, score)
end

local function model_text(event)
    if event.how == "panic" and event.missed then
        return "other"
    end
    return TEXT[event.how] or (event.how ~= "plain" and event.how ~= "canceled") and "other" or nil
end

--- A line for an event of the model's.
function lines.of_model(event)
    event.text = event.text or model_text(event)
    return ("%d ns: "):format(event.time) .. line(event)
end

-- Why a run ended, where sutura has words of its own for it.
local SAID = { ["returned without an error"] = true, ["restarted on purpose"] = true, broken = true, stopped = true,
    ["restarted with its group"] = true, ["returned TERMINATE_TREE"] = true }

local function said(text)
    return text and (SAID[text] and text or "other")
end

local function reason_of(event)
    return event.type == "service_start" and event.reason ~= "first start" and said(event.reason) or event.reason
end

local function text_of(event)
    if event.type == "escalate" then
        return event.reason
    end
    return event.error_msg and (event.error_msg == "broken" and "broken" or "other") or nil
end

--- A line for an event of sutura's.
function lines.of_event(event)
    return ("%d ns: "):format(ns(event.time)) .. line {
        type = event.type, path = event.path, run = event.run, restarting = event.restarting, queued = event.queued,
        stopping = event.stopping, delay = ns(event.delay), text = text_of(event),
        score = event.current_failures or 0, limit = event.failure_threshold, killed = event.killed,
        by = event.because_of and event.because_of:match("[^/]+$"), reason = reason_of(event),
    }
end

local function tree_line(depth, name, state, run, failures, next_try, last_error)
    return ("%s%s %s run=%d failures=%d next=%s last=%s"):format(("  "):rep(depth), name, state, run, failures,
        next_try or "none", last_error or "none")
end

local function supervisor_line(depth, state, score)
    return ("%sis %s %s"):format(("  "):rep(depth), state, score and ("%a"):format(score) or "")
end

local function next_try(service)
    if service.state == "backing_off" then
        return service.due
    end
    return service.state == "queued" and service.parent.timer and service.parent.timer.time or nil
end

--- The model's tree.
function lines.of_supervisor(sup, depth, list, score)
    depth, list = depth or 0, list or {}
    list[#list + 1] = supervisor_line(depth, sup.state, rules.runs(sup) and score(sup, sup.world.now) or nil)
    for _, service in ipairs(sup.children) do
        if not service.retired then
            local state = service.state == "waiting" and service.grouped and "restarting" or WORDS[service.state]
                or service.state
            list[#list + 1] = tree_line(depth, service.name, state, service.run, service.failures, next_try(service),
                not service.child and (service.last_error or service.run > 1 and "stopped"))
            if service.child then
                lines.of_supervisor(service.child, depth + 1, list, score)
            end
        end
    end
    return list
end

--- sutura's tree, from its record.
function lines.of_record(record, depth, list)
    depth, list = depth or 0, list or {}
    local running = record.supervisor_state == "normal" or record.supervisor_state == "paused"
    list[#list + 1] = supervisor_line(depth, record.supervisor_state, running and record.score or nil)
    for _, child in ipairs(record.children) do
        list[#list + 1] = tree_line(depth, child.name, child.state, child.run, child.failures, ns(child.next_try),
            child.kind ~= "supervisor" and said(child.last_error))
        if child.kind == "supervisor" then
            lines.of_record(child, depth + 1, list)
        end
    end
    return list
end

return lines
