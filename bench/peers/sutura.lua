-- SPDX-License-Identifier: MIT
--
-- usage: lua5.4 bench/peers/sutura.lua WORK N [SERVICES]
--
-- sutura in the race, on a real clock, as a program would use it. Restarts are never paused.

local sutura = require "sutura"

local peer = { run = sutura.run, sleep = sutura.sleep, yield = sutura.yield, now = sutura.now }
peer.mailbox = sutura.mailbox
peer.send, peer.receive = sutura.mailbox().send, sutura.mailbox().receive

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

require "bench.peers.works" (peer)
