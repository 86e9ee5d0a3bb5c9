-- SPDX-License-Identifier: MIT
--
-- usage: lua5.4 bench/peers/sutura.lua WORK N [SERVICES]
--
-- sutura in the race, on a real clock, as a program would use it. Restarts are never paused. A mailbox is made of
-- sutura.await, which is what the library has for waking another service.

local sutura = require "sutura"

local peer = { run = sutura.run, sleep = sutura.sleep, yield = sutura.yield, now = sutura.now }

function peer.serve(hook)
    local sup = sutura.supervisor("bench", { failure_threshold = math.huge, event_hook = hook })
    sup:serve_background()
    return sup
end

function peer.nested(name)
    return sutura.supervisor(name, { failure_threshold = math.huge })
end

function peer.idle(ctx)
    ctx:wait()
end

-- Whoever posts may come first: a service that has run for long is made to give way between any two of its lines.
function peer.mailbox()
    local wake, kept
    local function start(resume)
        wake = resume
    end
    local function post(value)
        local resume = wake
        if resume then
            wake = nil
            resume(value)
        else
            kept = value
        end
    end
    local function take()
        local value = kept
        if value == nil then
            return sutura.await(start)
        end
        kept = nil
        return value
    end
    return post, take
end

require "bench.peers.works" (peer)
