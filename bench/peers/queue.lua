-- SPDX-License-Identifier: MIT
--
-- A run queue in plain Lua, for the contestants that have no scheduler to build on: coroutines that are resumed in
-- turn. It knows neither clock nor loop, which call `round`. It fills what it can of a peer (bench/peers/works.lua) and
-- of a loop (bench/peers/by_hand.lua).

local create, resume, suspend, status = coroutine.create, coroutine.resume, coroutine.yield, coroutine.status

local queue = {}

-- Who is ready now, who was before, and how many are.
local ready, count = {}, 0
local running

function queue.push(child, value)
    child.value = value
    count = count + 1
    ready[count] = child
end

local push = queue.push

function queue.running()
    return running
end

-- Resumes one child, and tells its supervisor when it has ended.
local function step(child, value)
    local before = running
    running = child
    local co = child.co
    local ok, err = resume(co, value)
    running = before
    if status(co) == "dead" then
        child.ended(child, ok, err, not ok and debug.traceback(co) or nil)
    end
end

queue.step = step

-- Resumes everybody who is ready, once, and says whether there was anybody.
local spare = {}
function queue.round()
    local now, n = ready, count
    ready, spare, count = spare, now, 0
    for i = 1, n do
        local child = now[i]
        now[i] = false
        step(child, child.value)
    end
    return n > 0
end

function queue.empty()
    return count == 0
end

function queue.into(peer, loop)
    function loop.spawn(child)
        child.co = create(child.run)
        push(child, child)
    end

    function loop.ask(child)
        step(child, true)
    end

    function loop.finish(root)
        while root.live > 0 do
            peer.yield()
        end
    end

    function peer.yield()
        push(running)
        suspend()
    end

    function peer.idle()
        suspend()
    end

    function peer.mailbox()
        return {}
    end

    function peer.send(box, value)
        local child = box.taker
        if child then
            box.taker = nil
            push(child, value)
        else
            box.kept = value
        end
    end

    function peer.receive(box)
        local value = box.kept
        if value == nil then
            box.taker = running
            return suspend()
        end
        box.kept = nil
        return value
    end

    -- The program is one of those in the queue; what fails in it fails here.
    function queue.program(main)
        loop.spawn {
            run = main,
            ended = function(_, ok, err, trace)
                assert(ok, tostring(err) .. "\n" .. tostring(trace))
            end,
        }
    end
end

return queue
