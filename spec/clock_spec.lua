-- SPDX-License-Identifier: MIT
--
-- Time of a runtime: now, advance and settle, the seed, the epoch, and stubborn services on a virtual clock.

local command = require "spec.support.command"
local recorder = require "spec.support.recorder"
local sutura = require "sutura"

local function virtual_runtime(options)
    local given = { clock = "virtual", seed = 1 }
    for key, value in pairs(options or {}) do
        given[key] = value
    end
    return sutura.runtime(given)
end

local function quiet() end

describe("now", function()
    it("starts at 0 on a virtual clock, and stands between deadlines", function()
        local rt <close> = virtual_runtime()
        assert.equal(0, rt:now())
        rt:run(function()
            for _ = 1, 100 do
                sutura.yield()
            end
        end)
        assert.equal(0, rt:now())
        rt:advance(2)
        assert.equal(2, rt:now())
    end)

    it("never goes back on a real clock, and counts seconds", function()
        local rt <close> = sutura.runtime({})
        local first = rt:now()
        local last = first
        for _ = 1, 1000 do
            local now = rt:now()
            assert.is_true(now >= last)
            last = now
        end
        local before = os.time()
        rt:run(function() sutura.sleep(0.01) end)
        assert.is_true(rt:now() - first >= 0.01)
        assert.is_true(rt:now() - first < 1 + os.time() - before + 1)
    end)
end)

describe("advance", function()
    it("passes the time and runs all that falls due, with the clock standing at each deadline", function()
        local rt <close> = virtual_runtime()
        local log = {}
        local sup = rt:supervisor("A", { event_hook = quiet })
        for _, span in ipairs({ 3, 1, 2, 10 }) do
            sup:add("s" .. span, function()
                sutura.sleep(span)
                log[#log + 1] = rt:now()
                sutura.sleep(0.5)
                log[#log + 1] = rt:now()
                return sutura.DO_NOT_RESTART
            end)
        end
        sup:serve_background()
        assert.equal(0, select("#", rt:advance(5)))
        assert.same({ 1, 1.5, 2, 2.5, 3, 3.5 }, log)
        assert.equal(5, rt:now())
    end)

    it("runs what falls due at one time in the order of arming", function()
        local rt <close> = virtual_runtime()
        local log = {}
        local sup = rt:supervisor("A", { event_hook = quiet })
        sup:add("a", function() sutura.sleep(1) sutura.sleep(2) log[#log + 1] = "a" return sutura.DO_NOT_RESTART end)
        sup:add("b", function() sutura.sleep(3) log[#log + 1] = "b" return sutura.DO_NOT_RESTART end)
        sup:add("c", function() sutura.sleep(2) sutura.sleep(1) log[#log + 1] = "c" return sutura.DO_NOT_RESTART end)
        sup:serve_background()
        rt:advance(3)
        assert.equal("b a c", table.concat(log, " "))
    end)

    it("orders the deadlines of supervisors, services and contexts among each other", function()
        local rt <close> = virtual_runtime()
        local log = {}
        local sup = rt:supervisor("A", {
            failure_threshold = 0.5, failure_backoff = 2, backoff_jitter = sutura.no_jitter,
            event_hook = function(event) log[#log + 1] = event.type .. " " .. rt:now() end,
        })
        sup:add("worker", function(ctx)
            if ctx.run == 1 then
                return
            end
            ctx:wait()
        end)
        rt:run(function()
            sup:serve_background()
            sutura.yield()
            local timed = sutura.context():with_timeout(2)
            timed:wait(1)
            timed:wait()
            log[#log + 1] = "context " .. rt:now()
            sutura.sleep(0)
        end)
        assert.same({ "service_terminate 0.0", "backoff 0.0", "resume 2.0", "context 2.0" }, {
            log[1] == "backoff 0.0" and log[2] or log[1], log[1] == "backoff 0.0" and log[1] or log[2], log[3], log[4],
        })
    end)

    it("by 0 runs what can run now, and what is due", function()
        local rt <close> = virtual_runtime()
        local ran = false
        local sup = rt:supervisor("A", { event_hook = quiet })
        sup:add("worker", function() ran = true return sutura.DO_NOT_RESTART end)
        sup:serve_background()
        rt:advance(0)
        assert.is_true(ran)
        assert.equal(0, rt:now())
    end)

    it("refuses what is no finite span, a real clock, and the inside of a step", function()
        local rt <close> = virtual_runtime()
        local real <close> = sutura.runtime({})
        local function refusal(use)
            local ok, text = pcall(use)
            assert.is_false(ok)
            return text
        end
        assert.matches("bad argument 's' to 'advance' %(seconds as a number expected, got nothing%)",
            refusal(function() rt:advance() end))
        assert.matches("got nil", refusal(function() rt:advance(nil) end))
        assert.matches("seconds, 0 or more, expected, got %-1", refusal(function() rt:advance(-1) end))
        assert.matches("finite", refusal(function() rt:advance(math.huge) end))
        assert.matches("'advance' needs a virtual clock", refusal(function() real:advance(1) end))
        assert.matches("'advance' cannot be called inside a step", refusal(function()
            rt:run(function() rt:advance(1) end)
        end))
        assert.equal(0, rt:now())
    end)
end)

describe("settle", function()
    it("runs what can run now, without passing time", function()
        local rt <close> = virtual_runtime()
        local log = {}
        local sup = rt:supervisor("A", { event_hook = quiet })
        sup:add("worker", function()
            for i = 1, 3 do
                log[#log + 1] = i
                sutura.yield()
            end
            sutura.sleep(1)
            log[#log + 1] = "too much"
        end)
        sup:serve_background()
        assert.same({}, log)
        rt:settle()
        assert.same({ 1, 2, 3 }, log)
        assert.equal(0, rt:now())
    end)

    it("works on a real clock", function()
        local rt <close> = sutura.runtime({})
        local ran = 0
        local sup = rt:supervisor("A", { event_hook = quiet })
        sup:add("worker", function(ctx)
            for _ = 1, 1000 do
                ran = ran + 1
                sutura.yield()
            end
            ctx:wait()
        end)
        sup:serve_background()
        rt:settle()
        assert.equal(1000, ran)
    end)
end)

describe("a seed", function()
    local function delays(options)
        local told = recorder.new()
        local rt <close> = sutura.runtime(options)
        local sup = rt:supervisor("A", { failure_threshold = 0.5, failure_backoff = 10, event_hook = told.hook })
        sup:add("failing", function() sutura.sleep(1) end)
        sup:serve_background()
        rt:advance(300)
        local found = {}
        for i, event in ipairs(told:of("backoff")) do
            found[i] = event.delay
        end
        return found
    end

    it("makes everything random repeat", function()
        local first = delays({ clock = "virtual", seed = 42 })
        assert.is_true(#first > 10)
        assert.same(first, delays({ clock = "virtual", seed = 42 }))
        assert.same(first, delays({ clock = "virtual", seed = 42.0 }))
        for _, delay in ipairs(first) do
            assert.is_true(delay >= 10 and delay < 15)
        end
    end)

    it("of another number gives other numbers, and without one they differ each time", function()
        assert.not_same(delays({ clock = "virtual", seed = 42 }), delays({ clock = "virtual", seed = 43 }))
        assert.not_same(delays({ clock = "virtual" }), delays({ clock = "virtual" }))
    end)

    it("is the source of default_jitter in its runtime", function()
        local function draws()
            local rt <close> = sutura.runtime({ clock = "virtual", seed = 7 })
            return rt:run(function()
                return { sutura.default_jitter(10), sutura.default_jitter(10), sutura.default_jitter(10) }
            end)
        end
        assert.same(draws(), draws())
    end)
end)

describe("the wall time of an event", function()
    local function event_at(options, span)
        local told = recorder.new()
        local rt <close> = sutura.runtime(options)
        local sup = rt:supervisor("A", { event_hook = told.hook })
        sup:add("worker", function(ctx)
            if ctx.run == 1 then
                sutura.sleep(span)
                return nil, "x"
            end
            ctx:wait()
        end)
        rt:run(function()
            sup:serve_background()
            sutura.sleep(span * 2)
        end)
        return told.events[1]
    end

    it("is 0 plus now on a virtual clock, or the epoch plus now", function()
        assert.equal(2.5, event_at({ clock = "virtual" }, 2.5).wall)
        local event = event_at({ clock = "virtual", epoch = 1700000000 }, 2.5)
        assert.equal(1700000002.5, event.wall)
        assert.equal(2.5, event.time)
    end)

    it("is Unix time on a real clock", function()
        local before = os.time()
        local event = event_at({}, 0.002)
        assert.is_true(event.wall >= before and event.wall <= os.time() + 1)
    end)
end)

describe("a service that goes on after it was asked to stop", function()
    local function stubborn()
        while true do
            pcall(sutura.sleep, 1)
        end
    end

    it("cannot stop the time of a virtual clock: after 100 rounds it goes on to the next deadline", function()
        local rt <close> = virtual_runtime()
        local told = recorder.new()
        local rounds = 0
        local sup = rt:supervisor("A", { timeout = 3, event_hook = told.hook })
        sup:add("stubborn", function()
            while true do
                pcall(sutura.sleep, 1)
                rounds = rounds + 1
            end
        end)
        local report = rt:run(function()
            sup:serve_background()
            sutura.sleep(0.5)
            return sup:stop()
        end)
        assert.equal(3.5, rt:now())
        assert.is_true(report[1].killed)
        assert.equal(3.5, told:only("stop_timeout").time)
        assert.is_true(rounds >= 100 and rounds < 1000)
    end)

    it("is not taken for one while services end: 300 that stop one after the other take no time", function()
        local rt <close> = virtual_runtime()
        local sup = rt:supervisor("A", { event_hook = quiet })
        for i = 1, 300 do
            sup:add("service " .. i, function() sutura.sleep(1000) end)
        end
        rt:run(function()
            sup:serve_background()
            sutura.sleep(1)
            assert.is_nil(sup:stop())
        end)
        assert.equal(1, rt:now())
    end)

    it("lets advance end, though it is left alive", function()
        local rt <close> = virtual_runtime()
        local sup = rt:supervisor("A", { timeout = 1, event_hook = quiet })
        local token = sup:add("stubborn", stubborn, { kill = false })
        sup:serve_background()
        rt:advance(1)
        sup:remove(token)
        rt:advance(10)
        assert.equal(11, rt:now())
    end)

    it("does not hold up the others, however many rounds they need", function()
        local rt <close> = virtual_runtime()
        local steps = 0
        local sup = rt:supervisor("A", { timeout = 3, event_hook = quiet })
        sup:add("busy", function(ctx)
            for _ = 1, 1000 do
                sutura.yield()
                steps = steps + 1
            end
            assert.equal(1, rt:now())
            ctx:wait()
        end)
        local token = sup:add("stubborn", stubborn)
        rt:run(function()
            sutura.sleep(1)
            sup:serve_background()
            sutura.yield()
            sup:remove(token)
            sutura.sleep(1)
        end)
        assert.equal(1000, steps)
    end)
end)

describe("a runtime that waits for signals", function()
    local HOST = (os.getenv("OUT") or "build/release") .. "/host/tick_host"

    it("misses no deadline that comes due just before it waits", function()
        local result = command.script(("exec timeout 20 %s %s"):format(HOST, command.file [[
            local sutura = require "sutura"
            sutura.run(function()
                local signals = sutura.signal_context { "SIGUSR1" }
                for _ = 1, 20 do
                    sutura.sleep(0.001)
                end
                assert(not signals:cancelled())
            end)
            print("awake")
        ]]))
        assert.same({ code = 0, out = "awake\n", err = "" }, result)
    end)
end)
