-- SPDX-License-Identifier: MIT
--
-- How a supervisor stops: in which order, how long each service has, and who may ask. What serve returns and further
-- lives are in serve_spec; who stands in the report is in report_spec.

local recorder = require "spec.support.recorder"
local services = require "spec.support.services"
local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local settle, in_time = virtual.settle, virtual.test
local sleeper, stubborn = services.sleeper, services.stubborn
local new = recorder.supervisor

-- A service that takes a second to stop and notes when it was asked and when it ended.
local function noting(log)
    return function(ctx)
        ctx:wait()
        log[#log + 1] = ctx.name .. " asked " .. sutura.now()
        sutura.shield(sutura.sleep, 1)
        log[#log + 1] = ctx.name .. " ended " .. sutura.now()
    end
end

describe("the order of a stop", function()
    it("is one at a time, in reverse of the order of adding", in_time(function(rt)
        local sup, log = new(rt, "a"), {}
        for _, name in ipairs { "w1", "w2", "w3" } do
            sup:add(name, noting(log))
        end
        sup:serve_background()
        settle()
        assert.is_nil(sup:stop())
        assert.same({ "w3 asked 0.0", "w3 ended 1.0", "w2 asked 1.0", "w2 ended 2.0", "w1 asked 2.0",
            "w1 ended 3.0" }, log)
    end))

    it("is not changed by restarts", in_time(function(rt)
        local sup, log = new(rt, "a"), {}
        for _, name in ipairs { "w1", "w2", "w3" } do
            sup:add(name, noting(log))
        end
        sup:serve_background()
        settle()
        sup:restart("w1")
        sutura.sleep(1.5)
        sup:restart("w2")
        sutura.sleep(2)
        log[1], log[2], log[3], log[4] = nil, nil, nil, nil
        sup:stop()
        assert.same({ "w3 asked 3.5", "w3 ended 4.5", "w2 asked 4.5", "w2 ended 5.5", "w1 asked 5.5",
            "w1 ended 6.5" }, log)
    end))

    it("asks all at once with stop_order parallel", in_time(function(rt)
        local sup, log = new(rt, "a", { stop_order = "parallel" }), {}
        for _, name in ipairs { "w1", "w2", "w3" } do
            sup:add(name, noting(log))
        end
        sup:serve_background()
        settle()
        assert.is_nil(sup:stop())
        assert.equal(1.0, sutura.now())
        table.sort(log)
        assert.same({ "w1 asked 0.0", "w1 ended 1.0", "w2 asked 0.0", "w2 ended 1.0", "w3 asked 0.0",
            "w3 ended 1.0" }, log)
    end))

    it("goes down into child supervisors, whose own order holds within", in_time(function(rt)
        local a, b, log = new(rt, "a"), new(rt, "b", { stop_order = "parallel" }), {}
        a:add("first", noting(log))
        a:add(b)
        b:add("in1", noting(log))
        b:add("in2", noting(log))
        a:add("last", noting(log))
        a:serve_background()
        settle()
        a:stop()
        assert.same({ "last asked 0.0", "last ended 1.0", "in2 asked 1.0", "in1 asked 1.0", "in2 ended 2.0",
            "in1 ended 2.0", "first asked 2.0", "first ended 3.0" }, log)
    end))

    it("never starts what has not had its first turn", in_time(function(rt)
        local sup, ran = new(rt, "a"), false
        sup:add("w", function() ran = true end)
        sup:serve_background()
        assert.is_nil(sup:stop())
        assert.is_false(ran)
        assert.equal(0, sup:children()[1].run)
    end))
end)

describe("the time to stop", function()
    it("is the supervisor's timeout for each, from the moment it is asked", in_time(function(rt)
        local sup, record = new(rt, "a", { timeout = 2 })
        for i = 1, 3 do
            sup:add("w" .. i, stubborn(100))
        end
        sup:serve_background()
        settle()
        local report = sup:stop()
        assert.equal(6.0, sutura.now())
        assert.equal(3, #report)
        local events = record:of("stop_timeout")
        assert.same({ "a/w3", 2.0, "a/w2", 4.0, "a/w1", 6.0 }, { events[1].path, events[1].time, events[2].path,
            events[2].time, events[3].path, events[3].time })
    end))

    it("is 10 seconds by default", in_time(function(rt)
        local sup = new(rt, "a")
        sup:add("in time", stubborn(9.99))
        sup:add("late", stubborn(10.01))
        sup:serve_background()
        settle()
        local report = sup:stop()
        assert.same({ 1, "late" }, { #report, report[1].name })
        assert.equal(19.99, sutura.now())
    end))

    it("of 0 gives one turn after the cancel, and then closes", in_time(function(rt)
        local sup, record = new(rt, "a", { timeout = 0 })
        local log = {}
        sup:add("ends", function(ctx) ctx:wait() log[#log + 1] = "cleaned" end)
        sup:add("goes on", function(ctx)
            ctx:wait()
            log[#log + 1] = "one turn"
            sutura.shield(sutura.yield)
            log[#log + 1] = "never"
        end)
        sup:add("deaf", function() sutura.shield(sutura.sleep, 100) end)
        sup:serve_background()
        settle()
        local report = sup:stop()
        assert.same({ "one turn", "cleaned" }, log)
        assert.equal(0.0, sutura.now())
        assert.equal(2, #report)
        assert.same({ "stop_timeout a/deaf", "stop_timeout a/goes on" }, record:lines())
        assert.is_true(record.events[1].killed)
    end))

    it("is never shorter than a service's own says, by a fraction of a millisecond either", in_time(function(rt)
        local sup, record = new(rt, "a")
        sup:add("in time", stubborn(0.0014), { shutdown = 0.0015 })
        sup:add("at once", stubborn(0.0003), { shutdown = 0.0004 })
        sup:serve_background()
        settle()
        assert.is_nil(sup:stop())
        assert.same({}, record:lines())
    end))

    it("is a child's own shutdown when it has one", in_time(function(rt)
        local sup, record = new(rt, "a", { timeout = 2 })
        sup:add("short", stubborn(100), { shutdown = 0.5 })
        sup:add("long", stubborn(5), { shutdown = 6 })
        sup:add{ name = "usual", run = stubborn(100) }
        sup:serve_background()
        settle()
        sup:stop()
        assert.same({ "stop_timeout a/usual", "stop_timeout a/short" }, record:lines())
        assert.same({ 2.0, 7.5 }, { record.events[1].time, record.events[2].time })
    end))

    it("with shutdown infinity is as long as it takes", in_time(function(rt)
        local sup, record = new(rt, "a", { timeout = 2 })
        sup:add("w", stubborn(1e6), { shutdown = "infinity" })
        sup:serve_background()
        settle()
        assert.is_nil(sup:stop())
        assert.equal(1e6, sutura.now())
        assert.same({}, record.events)
    end))

    it("with shutdown kill is none: closed at once, which is no timeout and in no report", in_time(function(rt)
        local sup, record = new(rt, "a")
        local closed, cleaned = false, false
        sup:add("w", function(ctx)
            local _guard <close> = setmetatable({}, { __close = function() closed = true end })
            ctx:wait()
            cleaned = true
        end, { shutdown = "kill" })
        sup:serve_background()
        settle()
        assert.is_nil(sup:stop())
        assert.same({ true, false, 0.0 }, { closed, cleaned, sutura.now() })
        assert.same({}, record.events)
    end))

    it("over, without kill, leaves the service alone and goes on with the stop", in_time(function(rt)
        local sup, record = new(rt, "a", { timeout = 1 })
        local ended = false
        sup:add("w", sleeper)
        sup:add("left", function(ctx) stubborn(50)(ctx) ended = true end, { kill = false })
        sup:serve_background()
        settle()
        local report = sup:stop()
        assert.equal(1.0, sutura.now())
        assert.same({ 1, "left", false }, { #report, report[1].name, report[1].killed })
        assert.is_false(record:only("stop_timeout").killed)
        assert.equal("terminated", sup:state())
        assert.equal("stopping", sup:children()[2].state)
        sutura.sleep(60)
        assert.is_true(ended)
        assert.equal("stopped", sup:children()[2].state)
    end))

    it("of a child supervisor is what its subtree needs", in_time(function(rt)
        local a, record = new(rt, "a", { timeout = 1 })
        local b, c = new(rt, "b", { timeout = 30 }), new(rt, "c", { timeout = 50 })
        a:add(b)
        b:add("slow", stubborn(25))
        b:add(c)
        c:add("slower", stubborn(45))
        a:serve_background()
        settle()
        assert.is_nil(a:stop())
        assert.equal(70.0, sutura.now())
        assert.same({}, record.events)
    end))

    it("of a child supervisor may be its shutdown: what then hangs below is closed and blamed", in_time(function(rt)
        local a, record = new(rt, "a")
        local b = new(rt, "b")
        a:add(b, { shutdown = 3 })
        b:add("w", sleeper)
        b:add("hangs", stubborn(100))
        a:serve_background()
        settle()
        local report = a:stop()
        assert.equal(3.0, sutura.now())
        assert.same({ 1, "a/b/hangs", true }, { #report, report[1].path, report[1].killed })
        assert.same({ "stop_timeout a/b/hangs" }, record:lines())
    end))

    it("of a child supervisor with shutdown kill closes its whole subtree at once", in_time(function(rt)
        local a, record = new(rt, "a")
        local b, closed = new(rt, "b"), 0
        a:add(b, { shutdown = "kill" })
        for i = 1, 3 do
            b:add("w" .. i, function(ctx)
                local _guard <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
                stubborn(100)(ctx)
            end)
        end
        a:serve_background()
        settle()
        assert.is_nil(a:stop())
        assert.same({ 3, 0.0 }, { closed, sutura.now() })
        assert.same({}, record.events)
    end))
end)

describe("stop", function()
    it("before serve returns nil, ERR_NOT_STARTED", in_time(function(rt)
        local sup = new(rt, "a")
        assert.equal(sutura.ERR_NOT_STARTED, (select(2, sup:stop())))
        assert.equal(sutura.ERR_NOT_STARTED, (select(2, sup:unstopped_service_report())))
        assert.equal("not_running", sup:state())
    end))

    it("after its limit returns nil, ERR_TIMEOUT, and the stop goes on", in_time(function(rt)
        local sup = new(rt, "a")
        sup:add("w", stubborn(5))
        sup:serve_background()
        settle()
        assert.equal(sutura.ERR_TIMEOUT, (select(2, sup:stop(2))))
        assert.equal(2.0, sutura.now())
        assert.equal(sutura.ERR_TIMEOUT, (select(2, sup:stop(0))))
        assert.equal(2.0, sutura.now())
        assert.is_nil(sup:stop(100))
        assert.equal(5.0, sutura.now())
        assert.same({ nil, nil }, { sup:stop() })
    end))

    it("may be asked by many, who all get the report", in_time(function(rt)
        local sup, helper = new(rt, "a", { timeout = 1 }), new(rt, "helper")
        local reports = {}
        sup:add("w", stubborn(5))
        sup:serve_background()
        for i = 1, 3 do
            helper:add("h" .. i, function() reports[i] = sup:stop() return sutura.DO_NOT_RESTART end)
        end
        helper:serve_background()
        sutura.sleep(2)
        for i = 1, 3 do
            assert.equal("a/w", reports[i][1].path)
        end
    end))

    it("from a hook asks and returns nil, ERR_TIMEOUT at once", in_time(function(rt)
        local sup, record = new(rt, "a")
        local result
        function record.also() result = table.pack(sup:stop()) end
        sup:add("w", function() sutura.sleep(1) error("x") end)
        sup:add("v", sleeper)
        assert.is_nil(sup:serve())
        assert.same({ n = 2, nil, sutura.ERR_TIMEOUT }, result)
        assert.equal(1.0, sutura.now())
    end))

    it("from a hook that leaves nothing to wait for returns the report", in_time(function(rt)
        local sup, record = new(rt, "a")
        local result
        function record.also() result = table.pack(sup:stop()) end
        sup:add("w", function() error("x") end)
        assert.is_nil(sup:serve())
        assert.same({ n = 1 }, result)
    end))

    it("from inside its own tree asks, and the wait then raises CANCELED", in_time(function(rt)
        local a, b = new(rt, "a"), new(rt, "b")
        local raised
        a:add(b)
        b:add("w", function()
            sutura.sleep(1)
            raised = table.pack(pcall(a.stop, a))
            error(raised[2])
        end)
        assert.is_nil(a:serve())
        assert.same({ n = 2, false, sutura.CANCELED }, raised)
    end))

    it("from inside its own tree under shield returns nil, ERR_TIMEOUT at once", in_time(function(rt)
        local a, b = new(rt, "a"), new(rt, "b")
        local results
        a:add(b)
        b:add("w", function()
            sutura.sleep(1)
            results = table.pack(sutura.shield(a.stop, a))
        end)
        assert.is_nil(a:serve())
        assert.same({ n = 2, nil, sutura.ERR_TIMEOUT }, results)
        assert.equal(1.0, sutura.now())
    end))

    it("from a tree that a service serves, under shield, returns nil, ERR_TIMEOUT at once too", in_time(function(rt)
        local a, b = new(rt, "a"), new(rt, "b")
        local results
        a:add("host", function() return b:serve() end)
        b:add("w", function()
            sutura.sleep(1)
            results = table.pack(sutura.shield(a.stop, a))
        end)
        assert.is_nil(a:serve())
        assert.same({ n = 2, nil, sutura.ERR_TIMEOUT }, results)
        assert.equal(1.0, sutura.now())
    end))

    it("of a nested supervisor that is temporary lets the parent forget it, and leaves it free", in_time(function(rt)
        local a = new(rt, "a")
        local b = new(rt, "b", { children = { { name = "w", run = stubborn(1) } } })
        local place = a:add(b, { restart = "temporary" })
        a:serve_background()
        settle()
        assert.is_nil(b:stop())
        settle()
        assert.same({ {}, "a/b", "b/w" }, { a:children(), tostring(place), tostring(b:children()[1].token) })
        assert.same({ nil, sutura.ERR_UNKNOWN_SERVICE }, { a:restart("b") })
        a:add(b)
        settle()
        assert.equal(2, b:children()[1].run)
    end))

    it("of a nested supervisor is as if its parent had stopped that child", in_time(function(rt)
        local a, record = new(rt, "a")
        local b, runs = new(rt, "b"), 0
        local place = a:add(b)
        b:add("w", function(ctx) runs = ctx.run stubborn(1)(ctx) end)
        a:serve_background()
        settle()
        assert.is_nil(b:stop())
        assert.equal("terminated", b:state())
        assert.same({ "stopped", place, 0 }, { a:children()[1].state, a:children()[1].token, a:failures() })
        sutura.sleep(100)
        assert.equal(1, runs)
        assert.same({}, record.events)
        assert.is_true(a:restart(place))
        settle()
        assert.same({ "normal", 2 }, { b:state(), runs })
        assert.is_nil(a:stop())
    end))

    it("of a nested supervisor from its own service works too", in_time(function(rt)
        local a, b = new(rt, "a"), new(rt, "b")
        a:add(b)
        b:add("w", function() sutura.sleep(1) b:stop() end)
        a:serve_background()
        sutura.sleep(2)
        assert.same({ "normal", "terminated", "stopped" }, { a:state(), b:state(), a:children()[1].state })
    end))

    it("is done at the end of a scope that holds the supervisor, or its handle, to be closed", in_time(function(rt)
        local kept, served
        do
            local sup <close> = new(rt, "a")
            sup:add("w", stubborn(2))
            sup:serve_background()
            settle()
            kept = sup
        end
        assert.same({ "terminated", 2.0 }, { kept:state(), sutura.now() })
        do
            served = new(rt, "b")
            served:add("w", stubborn(2))
            local _handle <close> = served:serve_background()
            settle()
        end
        assert.same({ "terminated", 4.0 }, { served:state(), sutura.now() })
    end))

    it("leaves a stopped service its place: a restart starts only in a running supervisor", in_time(function(rt)
        local sup = new(rt, "a")
        sup:add("w", sleeper)
        assert.equal(sutura.ERR_NOT_RUNNING, (select(2, sup:restart("w"))))
        sup:serve_background()
        sup:stop()
        assert.equal(sutura.ERR_NOT_RUNNING, (select(2, sup:restart("w"))))
    end))
end)
