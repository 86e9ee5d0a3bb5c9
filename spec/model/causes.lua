-- SPDX-License-Identifier: MIT
--
-- On whose account a service ends, stops and starts again: a service, or nil for nobody in the tree.
--
-- What is known when it happens is kept as it is: service.because. ABOVE stands for whatever its supervisor stops or
-- starts again for.

local rules = require "spec.model.rules"

rules.ABOVE = {}
rules.NOBODY = {}

--- Who has ended, if the service does by itself: of a supervisor the child that it ends by.
function rules.origin(service)
    return service.child and service.child.ended_by or service
end

--- On whose account a supervisor ends or, while it runs, has begun.
function rules.cause_of_life(sup)
    if rules.runs(sup) then
        return sup.began_by
    elseif sup.ended_by or not sup.place then
        return sup.ended_by
    end
    return rules.cause(sup.place)
end

--- On whose account the service has ended or is asked to stop.
function rules.cause(service)
    if service.because == rules.ABOVE then
        return rules.cause_of_life(service.parent)
    elseif service.because ~= rules.NOBODY then
        return service.because
    end
end

--- On whose account a service that was asked to stop is told to: what ends the tree, from here up, comes before a wish.
function rules.told_cause(asked)
    local service = asked
    repeat
        local sup = service.parent
        if sup.ending ~= "canceled" and sup.ending ~= "plain" then
            return sup.ended_by
        elseif service.after ~= "keep" then
            return rules.cause(service)
        end
        service = sup.place
    until not service
    return rules.cause(asked)
end

-- Whether it changes what becomes of the service that it is asked once more.
local function is_heeded(service, after)
    if service.state == "idle" then
        return after ~= "keep"
    elseif service.state == "waiting" then
        return after ~= "restart"
    end
    local stops = service.state == "stopping" or service.state == "killing" or service.state == "abandoned"
    return not stops or service.after ~= after and rules.amended(service, after) == after
end

--- It is asked to stop: because of `by`.
function rules.blame(service, after, by)
    if is_heeded(service, after) then
        service.because = by
    end
end
