-- SPDX-License-Identifier: MIT
--
-- How a runtime is doing, in numbers. Real time only where lateness itself is the matter; the histogram is in lag_test.

local sutura = require "sutura"
local recorder = require "spec.support.recorder"
local refusal = require "spec.support.refusal"
local in_time = require("spec.support.virtual").test

local function idle()
    sutura.sleep(1e6)
end

local function busy(seconds)
    local began = os.clock()
    repeat until os.clock() - began >= seconds
end

describe("the stats of a runtime", function()
    it("count supervisors that are served, their services, and the coroutines of those that live", in_time(function(rt)
        local function counts()
            local stats = rt:stats()
            return { stats.supervisors, stats.services, stats.coroutines }
        end
        local root, inner = rt:supervisor("root"), rt:supervisor("inner")
        root:add("a", idle)
        root:add(inner)
        inner:add("b", idle)
        inner:add("c", idle)
        assert.same({ 0, 0, 0 }, counts())
        root:serve_background()
        assert.same({ 2, 3, 0 }, counts())
        sutura.sleep(1)
        assert.same({ 2, 3, 3 }, counts())
        inner:terminate_child("b")
        assert.same({ 2, 3, 2 }, counts())
        root:stop()
        assert.same({ 0, 0, 0 }, counts())
    end))

    it("count the run queue and the timers", in_time(function(rt)
        local sup = rt:supervisor("root")
        sup:serve_background()
        local before = rt:stats()
        for i = 1, 5 do
            sup:add("w" .. i, idle)
        end
        assert.same({ 5, before.timers }, { rt:stats().ready, rt:stats().timers })
        sutura.sleep(1)
        assert.same({ 0, before.timers + 5 }, { rt:stats().ready, rt:stats().timers })
    end))

    it("count the events that were told, and those that wait to be", in_time(function(rt)
        local sup, record = recorder.supervisor(rt, "root", { failure_backoff = 1 })
        assert.same({ told = 0, waiting = 0, last_seq = 0 }, rt:stats().events)
        local seen
        record.also = function()
            seen = seen or rt:stats().events
        end
        for i = 1, 3 do
            sup:add("w" .. i, function(ctx)
                if ctx.run == 1 then error("no") end
                idle()
            end)
        end
        sup:serve_background()
        sutura.sleep(1)
        assert.same({ told = 0, waiting = 1, last_seq = 1 }, seen)
        assert.same({ told = 3, waiting = 0, last_seq = 3 }, rt:stats().events)
    end))

    it("have the bytes that Lua uses", in_time(function(rt)
        local bytes = rt:stats().memory.lua
        assert.equal("integer", math.type(bytes))
        assert.is_true(math.abs(bytes - collectgarbage("count") * 1024) < 1e5)
    end))

    it("say how late deadlines were, which on a virtual clock they never are", in_time(function(rt)
        sutura.sleep(1)
        sutura.sleep(1)
        local lag = rt:stats { reset = true }.lag
        assert.is_true(lag.count >= 2)
        assert.same({ 0.0, 0.0, 0.0, 0.0 }, { lag.p50, lag.p99, lag.max, lag.since })
        assert.same({ p50 = 0.0, p99 = 0.0, max = 0.0, count = 0, since = 2.0 }, rt:stats().lag)
        assert.equal(2.0, rt:stats({}).lag.since)
    end))

    it("say on a real clock how late deadlines were, by whatever kept the loop", function()
        local rt <close> = sutura.runtime { slice = 0 }
        local sup = rt:supervisor("root", { timeout = 1 })
        sup:add("ticks", function()
            while true do sutura.sleep(0.001) end
        end)
        rt:run(function()
            sup:serve_background()
            repeat
                sutura.sleep(0.01)
            until rt:stats().lag.count >= 2
            sutura.yield() -- if it has woken up, it has its turn, and sleeps again
            local began = rt:stats({ reset = true }).lag
            busy(0.1)
            sutura.sleep(0.05)
            local lag = rt:stats().lag
            assert.is_true(lag.max >= 0.09, lag.max)
            assert.is_true(lag.p50 <= lag.p99 and lag.p99 <= lag.max)
            assert.is_true(lag.since > began.since and lag.since <= rt:now())
        end)
    end)

    it("are refused an option that there is not", in_time(function(rt)
        refusal.each({
            ["bad argument 'opts' to 'stats' (a table expected, got 5)"] = 5,
            ["bad argument 'reset' to 'stats' (a boolean expected, got 1)"] = { reset = 1 },
        }, function(given)
            rt:stats(given)
        end)
        assert.matches("a table with no field but 'reset' expected", refusal.of(function()
            rt:stats { resett = true }
        end), 1, true)
    end))
end)
