-- SPDX-License-Identifier: MIT
--
-- The kill ladder: what is asked to stop and does not is told of with its stack, meets one error where it stands, and
-- after a grace is closed for good, whatever it catches and wherever it spins.

local hogs = require "spec.support.hogs"
local sutura = require "sutura"

local RUNS = tonumber(os.getenv("RUNS")) or 1
local SHUTDOWN, GRACE, BUDGET = 0.05, 0.05, 0.05

-- How long the whole stop may take, as the processor counts where the machine is busy.
local LIMIT = SHUTDOWN + GRACE + BUDGET + 0.2

-- Stops what has begun to spin; how long that took, and the report.
local function stop(sup, has_begun)
    repeat sutura.sleep(0.001) until has_begun()
    local began, used = sutura.now(), os.clock()
    local report = sup:stop()
    return math.min(sutura.now() - began, os.clock() - used), report
end

-- A service that goes on in its own way when it is asked to stop.
local function deaf(code, before)
    return function(ctx)
        before()
        while not ctx:wait() do end
        return code()
    end
end

local function spec_of()
    return { timeout = SHUTDOWN }
end

describe("a service that spins when its time to stop has passed", function()
    it("is killed within its shutdown, the grace and the close budget", hogs.each(hogs.all, spec_of,
        function(spin, sup, record)
            for _ = 1, RUNS do
                local begun = false
                local token = sup:add("spins", function() begun = true while true do spin() end end)
                repeat sutura.sleep(0.001) until begun
                local began, used = sutura.now(), os.clock()
                assert.is_true(sup:remove_and_wait(token))
                assert.is_true(math.min(sutura.now() - began, os.clock() - used) < LIMIT)
            end
            local event = record:of("stop_timeout")[1]
            assert.is_true(event.killed)
            assert.matches("spec/support/hogs.lua", event.stacktrace, 1, true)
            assert.matches("^its turn at ", event.waiting_for)
            assert.matches("closed by force; it was running at ", tostring(event), 1, true)
        end))

    it("is killed where Lua cannot yield, and nothing else could run", hogs.each(hogs.pinned, spec_of,
        function(spin, sup, record)
            for _ = 1, RUNS do
                local begun = false
                sup:add("spins", deaf(spin, function() begun = true end), { restart = "temporary" })
                sup:add("other", function(ctx) ctx:wait() end)
                repeat sutura.sleep(0.001) until begun
                local began, used = sutura.now(), os.clock()
                assert.is_true(sup:remove_and_wait(sup:get_child("spins").token))
                assert.is_true(math.min(sutura.now() - began, os.clock() - used) < LIMIT)
                sup:remove_and_wait(sup:get_child("other").token)
            end
            local event = record:of("stop_timeout")[1]
            assert.is_true(event.killed)
            assert.matches("spec/support/hogs.lua", event.stacktrace, 1, true)
        end))

    it("stands in the report with its stack, state and age", hogs.test({ timeout = SHUTDOWN }, function(sup)
        local begun = false
        sup:add("spins", function() begun = true hogs.spin() end)
        local _, report = stop(sup, function() return begun end)
        assert.equal(1, #report)
        assert.equal("root/spins", report[1].path)
        assert.is_true(report[1].killed)
        assert.matches("kill_spec.lua", report[1].stacktrace, 1, true)
        assert.equal("stopped", report[1].state)
        assert.is_true(report[1].age >= SHUTDOWN, tostring(report[1].age))
    end))

    it("meets CANCELED once where it stands, and its closers may wait within the grace", hogs.test({
        timeout = SHUTDOWN,
    }, function(sup, record)
        local log = {}
        local begun
        sup:add("spins", function()
            local _outer <close> = setmetatable({}, { __close = function(_, err)
                sutura.shield(sutura.sleep, 0.01)
                log[#log + 1] = err == sutura.CANCELED and "canceled" or tostring(err)
            end })
            begun = true
            hogs.spin()
        end)
        local _, report = stop(sup, function() return begun end)
        assert.same({ "canceled" }, log)
        assert.same({}, record:of("service_panic"))
        assert.is_true(report[1].killed)
    end))

    it("is closed for good when it catches that error and goes on", hogs.test({ timeout = SHUTDOWN }, function(sup)
        local caught, closed, begun = 0, false, nil
        sup:add("spins", function()
            local _closer <close> = setmetatable({}, { __close = function() closed = true end })
            begun = true
            while true do
                if not pcall(hogs.spins["a plain loop"]) then caught = caught + 1 end
            end
        end)
        local took = stop(sup, function() return begun end)
        assert.equal(1, caught)
        assert.is_true(closed)
        assert.is_true(took < LIMIT)
    end))

    it("meets that error as its next turn begins, and not only when the slice of that is over", hogs.test({
        timeout = SHUTDOWN,
    }, function(sup)
        local begun, since, until_caught
        sup:add("spins", function()
            begun, since = true, os.clock()
            pcall(hogs.spins["a plain loop"])
            until_caught = os.clock() - since
        end)
        stop(sup, function() return begun end)
        -- It spins for a slice before it can be asked to stop, and for another one while its time passes.
        assert.is_true(until_caught < 0.75, until_caught)
    end, { slice = 0.3 }))

    it("is closed at once, without the error, where the grace is 0", hogs.test({ timeout = SHUTDOWN }, function(sup)
        local caught, begun = 0, nil
        sup:add("spins", function()
            begun = true
            while true do
                if not pcall(hogs.spins["a plain loop"]) then caught = caught + 1 end
            end
        end)
        stop(sup, function() return begun end)
        assert.equal(0, caught)
    end, { kill_grace = 0 }))

    it("has closers that are closed in their turn when they spin, which is told", hogs.test({ timeout = SHUTDOWN },
        function(sup, record)
            local begun, outer
            sup:add("spins", function()
                local _outer <close> = setmetatable({}, { __close = function() outer = true end })
                local _inner <close> = setmetatable({}, { __close = hogs.spin })
                begun = true
                hogs.spin()
            end)
            local took = stop(sup, function() return begun end)
            assert.is_true(outer)
            assert.is_true(took < LIMIT)
            assert.equal(1, #record:of("stop_timeout"))
        end))

    it("is left alone with kill = false, and goes on giving way", hogs.test(spec_of(), function(sup, record)
        local rounds, over = 0, false
        sup:add("spins", function()
            while not over do rounds = #{ rounds } + rounds end -- makes tables, as hogs.spin may
        end, { kill = false })
        local _, report = stop(sup, function() return rounds > 0 end)
        assert.is_false(report[1].killed)
        assert.is_false(record:only("stop_timeout").killed)
        local before = rounds
        sutura.sleep(0.05)
        assert.is_true(rounds > before)
        over = true
        repeat sutura.sleep(0.005) until sup:get_child("spins").state == "stopped"
    end))

    it("leaves no memory, reference, hook or timer behind", function()
        local rt <close> = sutura.runtime { slice = 0.001, kill_grace = 0.001, close_budget = 0.01 }
        local kills = tonumber(os.getenv("KILLS")) or 30
        local weak = setmetatable({}, { __mode = "k" })
        local function used()
            collectgarbage()
            collectgarbage()
            return collectgarbage("count")
        end
        local function kill_some(sup, n)
            for _ = 1, n do
                local token = sup:add("spins", function()
                    weak[coroutine.running()] = true
                    hogs.spin()
                end, { shutdown = 0 })
                sutura.sleep(0.002)
                assert(sup:remove_and_wait(token))
            end
        end
        rt:run(function()
            local sup = rt:supervisor("root", { event_hook = function() end })
            sup:serve_background()
            kill_some(sup, 10)
            local before, timers = used(), rt:stats().timers
            kill_some(sup, kills)
            assert.equal(timers, rt:stats().timers)
            assert.is_true(used() - before < 8, "kilobytes are left")
            assert.is_nil(next(weak))
            assert.equal(0, sup:count().specs)
            assert.is_nil((debug.gethook()))
        end)
    end)
end)

describe("a call of C that keeps the thread", function()
    it("is waited for, and what overran by it stands in the report with how long", hogs.test({ timeout = SHUTDOWN },
        function(sup, record)
            local begun
            sup:add("healthy", function(ctx) ctx:wait() end)
            sup:add("blocks", function(ctx)
                begun = true
                ctx:wait()
                hogs.block(0.3)
                while true do pcall(sutura.sleep, 10) end
            end)
            repeat sutura.sleep(0.001) until begun
            local began = sutura.now()
            local report = sup:stop()
            local took = sutura.now() - began
            assert.is_true(took >= 0.3, tostring(took))
            assert.equal(1, #report)
            assert.equal("root/blocks", report[1].path)
            assert.is_true(report[1].killed)
            assert.is_true(report[1].blocked >= 0.2, tostring(report[1].blocked))
            assert.equal(1, #record:of("stop_timeout"))
        end))

    it("stands in the report also when it then stops by itself", hogs.test({ timeout = SHUTDOWN }, function(sup)
        local begun
        sup:add("blocks", function(ctx)
            begun = true
            ctx:wait()
            hogs.block(0.3)
        end)
        local _, report = stop(sup, function() return begun end)
        assert.equal("root/blocks", report[1].path)
        assert.is_true(report[1].blocked >= 0.2)
    end))
end)
