-- SPDX-License-Identifier: MIT
--
-- usage: lua5.4 bench/peers/copas.lua WORK N [SERVICES]
--
-- Copas in the race: each run of a service is a thread of Copas, under xpcall, which sleeps until it is woken.

local copas = require "copas"
local socket = require "socket"

local peer = { sleep = copas.pause, now = socket.gettime }
local loop = {}

local trace

local function handler(err)
    trace = debug.traceback(nil, 2)
    return err
end

local finished

function loop.spawn(child)
    child.co = copas.addthread(function()
        local ok, err = xpcall(child.run, handler, child)
        child.ended(child, ok, err, trace)
        if child.root.live == 0 and finished then
            copas.wakeup(finished)
        end
    end)
end

function peer.idle()
    copas.pauseforever()
end

function loop.ask(child)
    copas.wakeup(child.co)
end

function loop.finish(root)
    finished = coroutine.running()
    while root.live > 0 do
        copas.pauseforever()
    end
    finished = nil
end

function peer.yield()
    copas.pause(0)
end

function peer.mailbox()
    return {}
end

function peer.send(box, value)
    box.kept = value
    if box.taker then
        copas.wakeup(box.taker)
    end
end

function peer.receive(box)
    box.taker = coroutine.running()
    while box.kept == nil do
        copas.pauseforever()
    end
    local value = box.kept
    box.kept, box.taker = nil, nil
    return value
end

function peer.run(main)
    copas.addthread(main)
    copas.loop()
end

require "bench.peers.by_hand" (peer, loop)
require "bench.peers.works" (peer)
