-- SPDX-License-Identifier: MIT
--
-- Heartbeats: a service that has promised to beat every so often, and does not, has missed its heartbeat. One that is
-- ready to go on at that time has its turn first, and no more than that.

local rules = require "spec.model.rules"

local beats = {}

local function judge(beat)
    local world, state = beat.world, beat.service.body
    if world.now < beat.due then
        rules.arm(beat, beat.due, beats.expired)
    elseif state.woken and not beat.granted then
        beat.granted = true
        table.insert(world.ready, beat)
    else
        beat.missed(beat.service)
    end
end

function beats.expired(beat)
    if beat.world.now < beat.due then
        rules.arm(beat, beat.due, beats.expired)
    else
        table.insert(beat.world.ready, beat)
    end
end

--- A run has begun: the first beat is due. `missed` is called with the service if it does not come.
function beats.begin(service, missed)
    local world, span = service.world, service.heartbeat
    if span then
        service.beat = { world = world, service = service, due = world.now + span, missed = missed, turn = judge }
        rules.arm(service.beat, service.beat.due, beats.expired)
    end
end

function beats.beat(service)
    if service.beat then
        service.beat.due, service.beat.granted = service.world.now + service.heartbeat, false
    end
end

--- No beat is owed any more.
function beats.stop(service)
    local beat, world = service.beat, service.world
    if beat then
        rules.disarm(beat)
        rules.remove(world.ready, beat)
        rules.remove(world.round, beat)
        service.beat = nil
    end
end

return beats
