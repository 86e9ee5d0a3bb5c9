-- SPDX-License-Identifier: MIT
--
-- usage: lua5.4 bench/peers/sutura.lua WORK N [SERVICES]
--
-- sutura in the race, on a real clock, as a program would use it. Restarts are never paused.

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

function peer.mailbox()
    local box = sutura.mailbox()
    local send, receive = box.send, box.receive
    local function post(value)
        send(box, value)
    end
    local function take()
        return receive(box)
    end
    return post, take
end

require "bench.peers.works" (peer)
