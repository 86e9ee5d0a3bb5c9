-- SPDX-License-Identifier: MIT
--
-- usage: lua5.4 bench/peers/bare.lua WORK N [SERVICES]
--
-- Coroutines and nothing else in the race: no supervisor, loop or run queue. A service is resumed where it is added,
-- and again at once when it has ended, after its hook was told. So it has the same names, threads and tables as the
-- others in Lua, and nobody who writes in Lua can be ahead of it: by what it is behind the floor, Lua itself is.

local create, resume, status, suspend = coroutine.create, coroutine.resume, coroutine.status, coroutine.yield

local peer = { yield = suspend, idle = suspend }
local running -- the coroutines of the latest root, in the order of their adding

local Root = {}
Root.__index = Root

function Root:add(name, service)
    local co = create(service)
    resume(co)
    while status(co) == "dead" do
        self.hook { type = "service_terminate", service_name = name }
        co = create(service)
        resume(co)
    end
    running[#running + 1] = co
end

function Root.stop()
    for i = #running, 1, -1 do
        resume(running[i])
    end
end

function peer.serve(hook)
    running = {}
    return setmetatable({ hook = hook }, Root)
end

function peer.mailbox()
    return {}
end

function peer.send(box, value)
    box.value = value
end

function peer.receive(box)
    while box.value == nil do
        for i = 1, #running do
            resume(running[i])
        end
    end
    return box.value
end

function peer.run(main)
    main()
end

require "bench.peers.works" (peer)
