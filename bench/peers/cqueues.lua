-- SPDX-License-Identifier: MIT
--
-- usage: lua5.4 bench/peers/cqueues.lua WORK N [SERVICES]
--
-- cqueues in the race: each run of a service is a coroutine of one controller, under xpcall, and waits are condition
-- variables.

local cqueues = require "cqueues"
local condition = require "cqueues.condition"

local controller = cqueues.new()

local peer = { sleep = cqueues.sleep, now = cqueues.monotime }
local loop = {}

local trace

local function handler(err)
    trace = debug.traceback(nil, 2)
    return err
end

local finished = condition.new()

function loop.spawn(child)
    controller:wrap(function()
        local ok, err = xpcall(child.run, handler, child)
        child.ended(child, ok, err, trace)
        if child.root.live == 0 then
            finished:signal()
        end
    end)
end

function peer.idle(child)
    child.asked = condition.new()
    child.asked:wait()
end

function loop.ask(child)
    child.asked:signal()
end

function loop.finish(root)
    while root.live > 0 do
        finished:wait()
    end
end

function peer.yield()
    cqueues.sleep(0)
end

function peer.mailbox()
    return { full = condition.new() }
end

function peer.send(box, value)
    box.kept = value
    box.full:signal()
end

function peer.receive(box)
    while box.kept == nil do
        box.full:wait()
    end
    local value = box.kept
    box.kept = nil
    return value
end

function peer.run(main)
    controller:wrap(main)
    assert(controller:loop())
end

require "bench.peers.by_hand" (peer, loop)
require "bench.peers.works" (peer)
