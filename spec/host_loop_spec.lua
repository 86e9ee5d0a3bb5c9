-- SPDX-License-Identifier: MIT
--
-- A runtime that a host's loop drives: step, pollfd, events and timeout.

local cqueues = require "cqueues"
local sutura = require "sutura"

local function quiet() end

-- A supervisor in `rt` whose only service does `body` once.
local function serve(rt, body)
    local sup = rt:supervisor("A", { timeout = 0.01, event_hook = quiet })
    sup:add("worker", function(ctx)
        body(ctx)
        return sutura.DO_NOT_RESTART
    end)
    sup:serve_background()
    return sup
end

-- Steps as a host does until `done` says so: waits for the descriptor or the timeout, then steps.
local function drive(rt, done)
    local steps = 0
    while not done() do
        local timeout = rt:timeout()
        cqueues.poll({ pollfd = rt:pollfd(), events = rt:events() }, timeout or 0.5)
        rt:step()
        steps = steps + 1
        assert.is_true(steps < 1000, "the host spins")
    end
    return steps
end

describe("step", function()
    it("runs what is ready and returns whether more may come", function()
        local rt <close> = sutura.runtime({})
        local ran = false
        local sup = serve(rt, function() ran = true end)
        assert.is_false(ran)
        assert.is_boolean(rt:step())
        rt:step()
        assert.is_true(ran)
        sup:stop()
    end)

    it("returns false when nothing could ever run again", function()
        local rt <close> = sutura.runtime({})
        assert.is_false(rt:step())
    end)

    it("returns true while a timer is armed, and does not wait for it", function()
        local rt <close> = sutura.runtime({})
        local sup = serve(rt, function() sutura.sleep(100) end)
        local before = rt:now()
        rt:step()
        assert.is_true(rt:step())
        assert.is_true(rt:now() - before < 1)
        sup:stop()
    end)

    it("with a limit waits at most so long for something to do", function()
        local rt <close> = sutura.runtime({})
        local sup = serve(rt, function() sutura.sleep(100) end)
        rt:step()
        rt:step()
        local before = rt:now()
        rt:step(0.001)
        local taken = rt:now() - before
        assert.is_true(taken >= 0.0009 and taken < 50)
        local done
        sup:add("another", function()
            sutura.sleep(0.1)
            done = true
            return sutura.DO_NOT_RESTART
        end)
        rt:step()
        rt:step()
        before = rt:now()
        rt:step(50)
        rt:step()
        assert.is_true(done)
        assert.is_true(rt:now() - before < 40)
        sup:stop()
    end)

    it("cannot be called inside a step, on a virtual clock, or with a bad limit", function()
        local rt <close> = sutura.runtime({})
        local virtual <close> = sutura.runtime({ clock = "virtual" })
        local ok, text = pcall(rt.run, rt, function() rt:step() end)
        assert.is_false(ok)
        assert.matches("'step' cannot be called inside a step of the same runtime", text)
        for _, name in ipairs({ "step", "pollfd", "events", "timeout" }) do
            ok, text = pcall(virtual[name], virtual)
            assert.is_false(ok)
            assert.matches("'" .. name .. "' needs a real clock", text)
        end
        ok, text = pcall(function() rt:step("x") end)
        assert.is_false(ok)
        assert.matches("bad argument 'limit' to 'step'", text)
    end)
end)

describe("timeout", function()
    it("is nil when nothing is waited for", function()
        local rt <close> = sutura.runtime({})
        assert.is_nil(rt:timeout())
        rt:step()
        assert.is_nil(rt:timeout())
        local sup = serve(rt, function(ctx) ctx:wait() end)
        for _ = 1, 5 do
            rt:step()
        end
        assert.is_nil(rt:timeout())
        sup:stop()
    end)

    it("is 0 while something is ready, else the time to the next deadline, never too short by much", function()
        local rt <close> = sutura.runtime({})
        local sup = serve(rt, function() sutura.sleep(5) end)
        assert.equal(0, rt:timeout())
        for _ = 1, 5 do
            rt:step()
        end
        local timeout = rt:timeout()
        assert.is_true(timeout > 4 and timeout <= 5.01)
        sup:stop()
    end)

    it("is enough for what is due at a fraction of a millisecond: one step after it runs that", function()
        local rt <close> = sutura.runtime({})
        local woken = 0
        local sup = serve(rt, function()
            for i = 1, 20 do
                sutura.sleep(0.002 + i * 0.00037)
                woken = i
            end
        end)
        repeat
            rt:step()
        until rt:timeout() > 0 or woken > 0
        while woken < 20 do
            local before, due = woken, rt:timeout() + rt:now()
            while rt:now() < due do end -- luacheck: ignore
            rt:step()
            assert.is_true(woken > before)
        end
        sup:stop()
    end)

    it("follows what is armed from outside a step", function()
        local rt <close> = sutura.runtime({})
        local sup = serve(rt, function() sutura.sleep(50) end)
        for _ = 1, 5 do
            rt:step()
        end
        assert.is_true(rt:timeout() > 40)
        local before = rt:now()
        while rt:now() - before < 0.003 do end -- luacheck: ignore
        sup:add("sooner", function() sutura.sleep(5) end)
        assert.equal(0, rt:timeout())
        rt:step()
        rt:step()
        local timeout = rt:timeout()
        assert.is_true(timeout > 3 and timeout <= 5.01, tostring(timeout))
        sup:stop()
    end)
end)

describe("a host's poll loop", function()
    it("runs timers at the right time, with few steps", function()
        local rt <close> = sutura.runtime({})
        local log = {}
        local before = rt:now()
        local sup = serve(rt, function()
            for i = 1, 5 do
                sutura.sleep(0.003)
                log[i] = rt:now() - before
            end
        end)
        local steps = drive(rt, function() return #log == 5 end)
        for i, at in ipairs(log) do
            assert.is_true(at >= i * 0.003 and at < i * 0.003 + 0.5)
        end
        assert.is_true(steps < 40, ("%d steps"):format(steps))
        sup:stop()
    end)

    it("is woken when something is added from outside a step", function()
        local rt <close> = sutura.runtime({})
        local queue = cqueues.new()
        local ran
        local sup = serve(rt, function(ctx) ctx:wait() end)
        queue:wrap(function()
            while not ran do
                cqueues.poll(rt, 2)
                rt:step()
            end
        end)
        queue:wrap(function()
            cqueues.sleep(0.005)
            sup:add("late", function() ran = rt:now() return sutura.DO_NOT_RESTART end)
        end)
        local before = rt:now()
        assert(queue:loop())
        assert.is_true(ran - before < 1)
        sup:stop()
    end)

    it("is woken by a resume from outside a step", function()
        local rt <close> = sutura.runtime({})
        local queue = cqueues.new()
        local resume, got
        local sup = serve(rt, function() got = sutura.await(function(r) resume = r end) end)
        queue:wrap(function()
            while not got do
                cqueues.poll(rt, 2)
                rt:step()
            end
        end)
        queue:wrap(function()
            cqueues.sleep(0.005)
            resume("from outside")
        end)
        local before = rt:now()
        assert(queue:loop())
        assert.equal("from outside", got)
        assert.is_true(rt:now() - before < 1)
        sup:stop()
    end)

    it("can poll the runtime itself: its events are those of reading", function()
        local rt <close> = sutura.runtime({})
        assert.equal("r", rt:events())
        assert.equal("integer", math.type(rt:pollfd()))
        assert.is_true(rt:pollfd() > 2)
    end)
end)
