-- SPDX-License-Identifier: MIT
--
-- `<close>` variables of a service: while it unwinds by itself they may wait under a shield; when it is closed by force
-- they still run, within the close budget.

local recorder = require "spec.support.recorder"
local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local function closing(fn)
    return setmetatable({}, { __close = fn })
end

local function serve(rt, body, options)
    local told = recorder.new()
    local sup = rt:supervisor("A", { timeout = 10, event_hook = told.hook })
    sup:add("worker", body, options)
    sup:serve_background()
    sutura.sleep(1)
    return sup, told
end

-- Waits that no stop ends, so that only force does.
local function hang()
    sutura.shield(sutura.sleep, 1e6)
end

describe("a closer of a service that unwinds because it is stopped", function()
    it("may wait under a shield", virtual.test(function(rt)
        local log = {}
        local sup, told = serve(rt, function()
            local _outer <close> = closing(function()
                sutura.shield(sutura.sleep, 2)
                log[#log + 1] = "outer " .. rt:now()
            end)
            local _inner <close> = closing(function()
                sutura.shield(sutura.sleep, 3)
                log[#log + 1] = "inner " .. rt:now()
            end)
            sutura.sleep(100)
        end)
        assert.is_nil(sup:stop())
        assert.same({ "inner 4.0", "outer 6.0" }, log)
        assert.equal(6, rt:now())
        assert.same({}, told:lines())
    end))

    it("is given the CANCELED object", virtual.test(function(rt)
        local err
        local sup = serve(rt, function()
            local _ <close> = closing(function(_, e) err = e end)
            sutura.sleep(100)
        end)
        assert.is_nil(sup:stop())
        assert.equal(sutura.CANCELED, err)
    end))

    it("that waits without a shield gives way and raises, and the others run", virtual.test(function(rt)
        local log = {}
        local sup, told = serve(rt, function()
            local _outer <close> = closing(function(_, e) log[#log + 1] = e end)
            local _inner <close> = closing(function() sutura.sleep(5) end)
            sutura.sleep(100)
        end)
        assert.is_nil(sup:stop())
        assert.same({ sutura.CANCELED }, log)
        assert.same({}, told:lines())
        assert.equal(1, rt:now())
    end))

    it("that raises makes an event that is not counted", virtual.test(function(rt)
        local sup, told = serve(rt, function()
            local _ <close> = closing(function() error("closer broke") end)
            sutura.sleep(100)
        end)
        assert.is_nil(sup:stop())
        local event = told:only("service_panic")
        assert.is_true(event.stopping)
        assert.is_false(event.restarting)
        assert.equal(0, event.current_failures)
        assert.matches("closer broke", event.error_msg)
    end))
end)

describe("a closer of a service that panics", function()
    it("runs, may wait, and may swallow nothing", virtual.test(function(rt)
        local log = {}
        local sup, told = serve(rt, function(ctx)
            local _ <close> = closing(function(_, e)
                sutura.sleep(0.25)
                log[#log + 1] = e
            end)
            if ctx.run == 1 then
                error("x", 0)
            end
            ctx:wait()
        end)
        assert.same({ "x" }, log)
        assert.equal("x", told:only("service_panic").error)
        assert.equal(0.25, told.events[1].time)
        assert.is_nil(sup:stop())
    end))
end)

describe("a closer of a service that is closed by force", function()
    it("still runs, innermost first, in nested coroutines too", virtual.test(function(rt)
        local log = {}
        local function note(what)
            return closing(function() log[#log + 1] = what end)
        end
        local sup = serve(rt, function()
            local _a <close> = note("a")
            local _b <close> = note("b")
            coroutine.wrap(function()
                local _c <close> = note("c")
                local inner = coroutine.create(function()
                    local _d <close> = note("d")
                    hang()
                end)
                coroutine.resume(inner)
            end)()
        end)
        local report = sup:stop()
        assert.is_true(report[1].killed)
        assert.equal("d c b a", table.concat(log, " "))
        assert.equal(11, rt:now())
    end))

    it("cannot wait, and is told so", virtual.test(function(rt)
        local problem, after
        local sup = serve(rt, function()
            local _after <close> = closing(function() after = true end)
            local _ <close> = closing(function()
                problem = select(2, pcall(sutura.shield, sutura.sleep, 1))
            end)
            hang()
        end)
        sup:stop()
        assert.matches("'sleep' cannot wait while its service is closed by force", problem)
        assert.is_true(after)
        assert.equal(11, rt:now())
    end))

    it("may run coroutines, whose yields are its own", virtual.test(function(rt)
        local log = {}
        local sup = serve(rt, function()
            local _ <close> = closing(function()
                for word in coroutine.wrap(function()
                    coroutine.yield("one")
                    coroutine.yield("two")
                end) do
                    log[#log + 1] = word
                end
            end)
            hang()
        end)
        assert.is_true(sup:stop()[1].killed)
        assert.same({ "one", "two" }, log)
    end))

    it("is in the runtime of its service", virtual.test(function(rt)
        local at, context
        local sup = serve(rt, function()
            local _ <close> = closing(function() at, context = sutura.now(), sutura.context() end)
            hang()
        end)
        sup:stop()
        assert.equal(11, at)
        assert.is_true(context:wait(0) == false)
    end))

    it("that raises is one panic of a stopping service, and the others run", virtual.test(function(rt)
        local after
        local sup, told = serve(rt, function()
            local _after <close> = closing(function() after = true end)
            local _ <close> = closing(function() error("closer broke", 0) end)
            hang()
        end)
        local report = sup:stop()
        assert.is_true(report[1].killed)
        assert.is_true(after)
        assert.same({ "stop_timeout A/worker", "service_panic A/worker" }, told:lines())
        local event = told:only("service_panic")
        assert.equal("closer broke", event.error)
        assert.is_true(event.stopping)
        assert.is_false(event.restarting)
    end))

    it("that loops for ever is ended when the close budget is used up", virtual.test(function(rt)
        local after
        local sup, told = serve(rt, function()
            local _after <close> = closing(function() after = true end)
            local _ <close> = closing(function() while true do end end) -- luacheck: ignore
            hang()
        end)
        local before = os.clock()
        local report = sup:stop()
        assert.is_true(os.clock() - before < 2)
        assert.is_true(report[1].killed)
        assert.matches("closed by force: its closers took longer than the close budget",
            told:only("service_panic").error_msg)
        assert.is_nil(after) -- nothing is left of the budget for it
    end, { close_budget = 0.02 }))

    it("that loops and catches every error is ended as well", virtual.test(function(rt)
        local sup, told = serve(rt, function()
            local _ <close> = closing(function()
                while true do
                    pcall(function()
                        while true do end -- luacheck: ignore
                    end)
                end
            end)
            hang()
        end)
        local before = os.clock()
        sup:stop()
        assert.is_true(os.clock() - before < 2)
        assert.matches("close budget", told:only("service_panic").error_msg)
    end, { close_budget = 0.02 }))

    it("that loops in a coroutine of its own is ended as well", virtual.test(function(rt)
        local sup, told = serve(rt, function()
            local _ <close> = closing(function()
                coroutine.wrap(function()
                    while true do end -- luacheck: ignore
                end)()
            end)
            hang()
        end)
        sup:stop()
        assert.matches("close budget", told:only("service_panic").error_msg)
    end, { close_budget = 0.02 }))

    it("has 0.1 s by default, and as long as the option says", function()
        local function time_of(options)
            local took
            virtual.run(function(rt)
                local sup = serve(rt, function()
                    local _ <close> = closing(function() while true do end end) -- luacheck: ignore
                    hang()
                end)
                local real = sutura.runtime({})
                local before = real:now()
                sup:stop()
                took = real:now() - before
            end, options)
            return took
        end
        local default = time_of({})
        assert.is_true(default >= 0.1 and default < 1)
        local longer = time_of({ close_budget = 0.2 })
        assert.is_true(longer >= 0.2 and longer < 1)
        -- The least of three, for the machine may have other things to do.
        local none = { close_budget = 0 }
        assert.is_true(math.min(time_of(none), time_of(none), time_of(none)) < 0.1)
    end)

    it("that is quick is not disturbed, with many services closed at once", virtual.test(function(rt)
        local closed = 0
        local sup, told = serve(rt, function() hang() end, { shutdown = "kill" })
        for i = 1, 50 do
            sup:add("s" .. i, function()
                local _ <close> = closing(function()
                    for _ = 1, 1000 do
                        math.abs(1)
                    end
                    closed = closed + 1
                end)
                hang()
            end, { shutdown = "kill" })
        end
        sutura.sleep(1)
        assert.is_nil(sup:stop())
        assert.equal(50, closed)
        assert.same({}, told:lines())
        assert.equal(2, rt:now())
    end))

    it("leaves no count hook in any coroutine", virtual.test(function(rt)
        local inner
        local sup = serve(rt, function()
            local _ <close> = closing(function()
                inner = coroutine.create(function()
                    coroutine.yield()
                    for _ = 1, 10000 do
                        math.abs(1)
                    end
                    coroutine.yield(debug.gethook())
                end)
            end)
            hang()
        end, { shutdown = "kill" })
        sup:stop()
        assert.is_nil((debug.gethook()))
        assert.is_true((coroutine.resume(inner)))
        assert.same({ true }, { coroutine.resume(inner) })
    end, { close_budget = 0.001 }))

    it("does not run for a service that is left alive", virtual.test(function(rt)
        local closed
        local sup = serve(rt, function()
            local _ <close> = closing(function() closed = true end)
            hang()
        end, { kill = false })
        local report = sup:stop()
        assert.is_false(report[1].killed)
        assert.is_nil(closed)
    end))
end)
