-- SPDX-License-Identifier: MIT
--
-- usage: lua5.4 bench/peers/luv.lua WORK N [SERVICES]
--
-- luv in the race: coroutines in a queue, which an idle handle empties while there is anybody in it, and a timer for
-- each service that sleeps.

local uv = require "luv"
local queue = require "bench.peers.queue"

local peer, loop = {}, {}
queue.into(peer, loop)
require "bench.peers.by_hand" (peer, loop)

local suspend = coroutine.yield

function peer.now()
    return uv.hrtime() / 1e9
end

-- So many rounds of the queue before the loop may look at its timers again.
local ROUNDS = 64

local idle = uv.new_idle()

local function rounds()
    for _ = 1, ROUNDS do
        if not queue.round() then
            break
        end
    end
    if queue.empty() then
        idle:stop()
    end
end

-- Whoever is pushed outside of the queue's rounds is pushed by a timer, or is the program.
local function work()
    if not queue.empty() and not idle:is_active() then
        idle:start(rounds)
    end
end

function peer.sleep(s)
    local child = queue.running()
    local timer = child.timer
    if not timer then
        timer = uv.new_timer()
        child.timer = timer
        child.wake = function()
            queue.step(child)
            work()
        end
    end
    timer:start(math.ceil(s * 1000), 0, child.wake)
    suspend()
end

function peer.run(main)
    queue.program(main)
    work()
    uv.run()
end

require "bench.peers.works" (peer)
