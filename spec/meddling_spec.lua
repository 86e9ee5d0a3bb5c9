-- SPDX-License-Identifier: MIT
--
-- Services that close and resume each other's coroutines at random, at every kind of wait: whatever they do, the tree
-- lives, its events have no gap, and it stops. Under the sanitizers this also shows that no memory is misused.

local sutura = require "sutura"

local ROUNDS = 40

-- The waits of a victim; each may end early, by an error, or be taken over by a stranger.
local function waits(rt, state)
    return {
        function() sutura.sleep(math.random(5)) end,
        function() sutura.yield() end,
        function() sutura.await(function(resume) state.resume = resume return function() end end, 3) end,
        function() sutura.shield(sutura.sleep, math.random(3)) end,
        function() coroutine.wrap(function() sutura.sleep(math.random(3)) coroutine.yield() end)() end,
        function() coroutine.wrap(function() sutura.shield(function() coroutine.wrap(sutura.sleep)(2) end) end)() end,
        function(ctx) ctx:wait(math.random(3)) end,
        function()
            local _ <close> = setmetatable({}, { __close = function() sutura.sleep(1) end })
            sutura.sleep(1)
        end,
        function()
            local inner <close> = rt:supervisor("inner", { timeout = 1, event_hook = function() end })
            inner:add("leaf", function(inner_ctx) inner_ctx:wait() end)
            inner:serve_background():wait(2)
        end,
        function()
            local inner = coroutine.create(function() for _ = 1, 5 do pcall(sutura.sleep, 1) end end)
            state.threads[#state.threads + 1] = inner
            coroutine.resume(inner)
        end,
        function() coroutine.yield() end,
        function() error({}) end,
    }
end

local function meddle(state)
    local thread = state.threads[math.random(#state.threads)]
    local what = math.random(6)
    if what <= 2 then
        pcall(coroutine.close, thread)
    elseif what <= 4 then
        coroutine.resume(thread, "from a stranger")
    elseif what == 5 then
        pcall(coroutine.wrap(function() return coroutine.resume(thread) end))
    elseif state.resume then
        state.resume("late")
    end
end

local function play(seed)
    math.randomseed(seed)
    local state = { threads = {} }
    local last, problem = 0, nil
    local rt = sutura.runtime({ clock = "virtual", seed = seed, close_budget = 0.01 })
    local sup = rt:supervisor("A", {
        timeout = 2, failure_threshold = math.huge,
        event_hook = function(event)
            if event.seq ~= last + 1 then
                problem = ("event %d after %d"):format(event.seq, last)
            end
            last = event.seq
        end,
    })
    local kinds = waits(rt, state)
    for i = 1, 6 do
        sup:add("s" .. i, function(ctx)
            state.threads[#state.threads + 1] = coroutine.running()
            if #state.threads > 30 then
                table.remove(state.threads, 1)
            end
            while true do
                local ok, err = pcall(kinds[math.random(#kinds)], ctx)
                -- Where it cannot wait at all, a loop that catches everything would never end.
                if type(err) == "string" and (err:find("cannot wait") or err:find("somebody else")) then
                    error(err, 0)
                end
                if not ok and math.random(3) == 1 then
                    sutura.sleep(1)
                end
                if math.random(3) == 1 then
                    meddle(state)
                end
            end
        end)
    end
    sup:serve_background()
    for _ = 1, ROUNDS do
        rt:advance(1)
        if #state.threads > 0 and math.random(4) == 1 then
            meddle(state)
        end
    end
    assert.equal("normal", sup:state())
    assert.equal(6, #sup:children())
    rt:run(function() sup:stop() end)
    assert.equal("terminated", sup:state())
    assert.is_nil(problem)
    rt:close()
    collectgarbage()
end

describe("services that meddle with each other's coroutines at random", function()
    for seed = 1, 20 do
        it(("leave a tree that lives and stops, with seed %d"):format(seed), function()
            play(seed)
        end)
    end
end)
