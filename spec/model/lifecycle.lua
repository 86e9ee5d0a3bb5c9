-- SPDX-License-Identifier: MIT
--
-- Why runs end and begin: the events of starts and stops, where a supervisor's settings ask for them, and what each
-- service keeps of the end of its latest run.

local rules = require "spec.model.rules"

local WORDS = { plain = "returned", error = "error", panic = "panic", do_not_restart = "do not restart",
    terminate_tree = "terminate tree", canceled = "stopped", gave_up = "gave up", start_failed = "start failed" }
local ASKED = { restart = "restarted on purpose", group = "restarted with its group" }

local function tell(sup, service, type, reason, by)
    if sup.lifecycle_events then
        local event = rules.emit(sup, service, type, by or rules.NOBODY)
        event.reason = reason
        return event
    end
end

---- Runs of workers: a supervisor tells of itself

--- A run begins.
function rules.tell_start(service)
    local first = service.run <= 1
    tell(service.parent, service, "service_start", first and "first start" or service.last_error or "stopped",
        not first and rules.cause(service))
end

--- The run of that number has ended.
function rules.tell_stop(service, how, run, by)
    if not service.child then
        local event = tell(service.parent, service, "service_stop", WORDS[how], by)
        if event then
            event.run = run
        end
    end
end

---- Lives of supervisors

function rules.tell_life(sup)
    local place = sup.place
    local first = place and place.run <= 1
    tell(sup, nil, "supervisor_start", not place and "served" or first and "first start" or "started again",
        not first and sup.began_by)
end

function rules.tell_end_of_life(sup)
    local how = rules.end_of(sup)
    tell(sup, nil, "supervisor_stop", how == "plain" and "auto shutdown" or WORDS[how], rules.cause_of_life(sup))
end

---- Why the run before ended

--- A run has failed, with a text of its own or one that says what it failed by.
function rules.remember_failure(service, how, missed)
    local own = (how == "error" or how == "panic") and not missed
    service.last_error = how == "plain" and "returned without an error" or own and "broken" or "other"
end

--- A run has ended the tree.
function rules.remember_end_of_tree(service)
    service.last_error = "returned TERMINATE_TREE"
end

--- A run that was asked to stop has ended; that it was late has been said.
function rules.remember_stop(service)
    if not service.late then
        service.last_error = ASKED[service.after]
    end
end
