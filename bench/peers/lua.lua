-- SPDX-License-Identifier: MIT
--
-- usage: lua5.4 bench/peers/lua.lua WORK N [SERVICES]
--
-- Plain Lua in the race: coroutines in a queue, a binary heap of sleepers, and LuaSocket for the time and for sleeping.

local socket = require "socket"
local queue = require "bench.peers.queue"

local peer, loop = { now = socket.gettime }, {}
queue.into(peer, loop)
require "bench.peers.by_hand" (peer, loop)

local now, suspend = socket.gettime, coroutine.yield

-- The sleepers and when each is due, in two arrays that are one heap.
local dues, sleepers, size = {}, {}, 0

local function insert(due, child)
    size = size + 1
    local at = size
    while at > 1 do
        local above = at // 2
        if dues[above] <= due then
            break
        end
        dues[at], sleepers[at] = dues[above], sleepers[above]
        at = above
    end
    dues[at], sleepers[at] = due, child
end

local function remove()
    local first, due, child = sleepers[1], dues[size], sleepers[size]
    dues[size], sleepers[size] = nil, nil
    size = size - 1
    local at, below = 1, 2
    while below <= size do
        if below < size and dues[below + 1] < dues[below] then
            below = below + 1
        end
        if dues[below] >= due then
            break
        end
        dues[at], sleepers[at] = dues[below], sleepers[below]
        at, below = below, 2 * below
    end
    if size > 0 then
        dues[at], sleepers[at] = due, child
    end
    return first
end

function peer.sleep(s)
    insert(now() + s, queue.running())
    suspend()
end

local function wake(time)
    while size > 0 and dues[1] <= time do
        queue.push(remove())
    end
end

function peer.run(main)
    queue.program(main)
    while true do
        queue.round()
        if size > 0 then
            local time = now()
            if queue.empty() and dues[1] > time then
                socket.sleep(dues[1] - time)
                time = now()
            end
            wake(time)
        end
    end
end

require "bench.peers.works" (peer)
