-- SPDX-License-Identifier: MIT
--
-- What serve and serve_background return, the context they are given, further lives, and a tree that a service serves.

local recorder = require "spec.support.recorder"
local services = require "spec.support.services"
local sutura = require "sutura"
local troupe = require "spec.support.troupe"
local virtual = require "spec.support.virtual"

local settle, in_time = virtual.settle, virtual.test
local sleeper, stubborn = services.sleeper, services.stubborn
local new = recorder.supervisor
local CANCELED, DEADLINE_EXCEEDED = sutura.CANCELED, sutura.DEADLINE_EXCEEDED

local function after(seconds, fn)
    return function()
        sutura.sleep(seconds)
        fn()
        return sutura.DO_NOT_RESTART
    end
end

describe("serve", function()
    it("returns one value, nil after stop", in_time(function(rt)
        local sup, other = new(rt, "a"), new(rt, "other")
        sup:add("w", sleeper)
        other:add("stopper", after(1, function() sup:stop() end))
        other:serve_background()
        assert.same({ n = 1 }, table.pack(sup:serve()))
        assert.equal(1.0, sutura.now())
    end))

    it("goes on without services", in_time(function(rt)
        local sup = new(rt, "a")
        local handle = sup:serve_background()
        assert.equal(sutura.ERR_TIMEOUT, (select(2, handle:wait(1e6))))
        assert.equal("normal", sup:state())
        assert.same({}, sup:services())
    end))

    it("twice at once, or of a child of another, raises", in_time(function(rt)
        local a, b = new(rt, "a"), new(rt, "b")
        a:add(b)
        assert.error_matches(function() b:serve() end, "supervisor 'b' is under 'a', which serves it")
        assert.error_matches(function() b:serve_background() end, "supervisor 'b' is under 'a', which serves it")
        a:serve_background()
        assert.error_matches(function() a:serve() end, "supervisor 'a' is being served already")
        assert.error_matches(function() a:serve_background() end, "supervisor 'a' is being served already")
    end))

    it("with what is no context raises", in_time(function(rt)
        local sup = new(rt, "a")
        assert.error_matches(function() sup:serve({}) end, "context")
        assert.error_matches(function() sup:serve_background(1) end, "context")
        assert.equal("not_running", sup:state())
    end))

    it("stops when its context ends, and returns ctx:err()", in_time(function(rt)
        local sup = new(rt, "a")
        sup:add("w", stubborn(2))
        local ctx = sutura.context():with_timeout(5)
        assert.same({ n = 1, DEADLINE_EXCEEDED }, table.pack(sup:serve(ctx)))
        assert.equal(7.0, sutura.now())
        local cancelled, cancel = sutura.context():with_cancel()
        local handle = sup:serve_background(cancelled)
        settle()
        cancel("enough")
        assert.same({ true, CANCELED }, { handle:wait() })
    end))

    it("with a context that has ended starts nothing", in_time(function(rt)
        local sup, ran = new(rt, "a"), false
        sup:add("w", function() ran = true end)
        local ctx, cancel = sutura.context():with_cancel()
        cancel()
        assert.equal(CANCELED, sup:serve(ctx))
        assert.is_false(ran)
    end))

    it("returns nil when the context ends only after a stop was asked", in_time(function(rt)
        local sup, causes = new(rt, "a"), {}
        local ctx, cancel = sutura.context():with_cancel()
        sup:add("first", function(own) own:wait() causes[1] = own:cause() end)
        sup:add("slow", function(own) own:wait() causes[2] = own:cause() sutura.shield(sutura.sleep, 5) end)
        local handle = sup:serve_background(ctx)
        settle()
        sup:stop(1)
        cancel("too late")
        assert.same({ true, nil }, { handle:wait() })
        assert.same({ "stopped", "stopped" }, causes)
    end))
end)

describe("the context of a service", function()
    it("is a child of the one given to serve: its values and deadline are seen at any depth", in_time(function(rt)
        local a, b, seen = new(rt, "a"), new(rt, "b"), nil
        a:add(b)
        b:add("w", function(ctx) seen = { ctx:value("key"), ctx:value("other"), ctx:deadline() } ctx:wait() end)
        local ctx = sutura.context():with_value("key", 42):with_timeout(9)
        a:serve_background(ctx)
        settle()
        assert.same({ 42, nil, 9.0 }, { seen[1], seen[2], seen[3] })
    end))

    it("ends when its turn to stop comes, with the err and the cause of the one given to serve", in_time(function(rt)
        local sup, ended = new(rt, "a"), {}
        for i = 1, 2 do
            sup:add("w" .. i, function(ctx)
                ctx:wait()
                ended[i] = { sutura.now(), ctx:err(), ctx:cause() }
                sutura.shield(sutura.sleep, 3)
            end)
        end
        local ctx, cancel = sutura.context():with_cancel()
        local handle = sup:serve_background(ctx)
        sutura.sleep(1)
        cancel("the reason")
        handle:wait()
        assert.same({ { 4.0, CANCELED, "the reason" }, { 1.0, CANCELED, "the reason" } }, ended)
    end))

    it("carries DEADLINE_EXCEEDED when the one given to serve ran out of time", in_time(function(rt)
        local sup, seen = new(rt, "a"), nil
        sup:add("w", function(ctx) ctx:wait() seen = { ctx:err(), ctx:cause() } end)
        sup:serve((sutura.context():with_timeout(2)))
        assert.same({ DEADLINE_EXCEEDED, DEADLINE_EXCEEDED }, seen)
    end))

    it("says why it was asked: stopped, removed, restarted, or what the tree ends with", in_time(function(rt)
        local causes = {}
        local function body(ctx) ctx:wait() causes[#causes + 1] = ctx:cause() assert(ctx:err() == CANCELED) end
        local a, b = new(rt, "a"), new(rt, "b")
        local removed = a:add("w1", body)
        a:add("w2", body)
        a:add(b)
        b:add("deep", body)
        local handle = a:serve_background()
        settle()
        a:remove_and_wait(removed)
        a:restart("w2")
        settle()
        a:stop()
        assert.same({ "removed", "restarted", "stopped", "stopped" }, causes)
        assert.same({ true, nil }, { handle:wait() })
        causes = {}
        local over = sutura.wrap(sutura.TERMINATE_TREE, "over")
        local c, d = new(rt, "c"), new(rt, "d")
        c:add("w", body)
        c:add(d)
        d:add("w", body)
        d:add("ends", function() return over end)
        assert.equal(over, c:serve())
        assert.same({ over, over }, causes)
    end))
end)

describe("a handle", function()
    it("waits for the end and gives true and what serve would have returned", in_time(function(rt)
        local sup = new(rt, "a")
        sup:add("w", function() sutura.sleep(3) return sutura.TERMINATE_TREE end)
        local handle = sup:serve_background()
        assert.same({ n = 2, nil, sutura.ERR_TIMEOUT }, table.pack(handle:wait(1)))
        assert.same({ n = 2, nil, sutura.ERR_TIMEOUT }, table.pack(handle:wait(0)))
        assert.same({ n = 2, true, sutura.TERMINATE_TREE }, table.pack(handle:wait()))
        assert.equal(3.0, sutura.now())
        assert.same({ n = 2, true, sutura.TERMINATE_TREE }, table.pack(handle:wait(0)))
    end))

    it("is there when add works already", in_time(function(rt)
        local sup, ran = new(rt, "a"), false
        sup:serve_background()
        assert.equal("normal", sup:state())
        assert.is_truthy(sup:add("w", function(ctx) ran = true ctx:wait() end))
        settle()
        assert.is_true(ran)
    end))

    it("keeps the reason of its own life when there are later ones", in_time(function(rt)
        local sup = new(rt, "a")
        sup:add("w", function(ctx) if ctx.run == 1 then return sutura.TERMINATE_TREE end ctx:wait() end)
        local first = sup:serve_background()
        first:wait()
        local second = sup:serve_background()
        settle()
        assert.same({ true, sutura.TERMINATE_TREE }, { first:wait(0) })
        sup:stop()
        assert.same({ n = 2, true, nil }, table.pack(second:wait()))
        assert.same({ true, sutura.TERMINATE_TREE }, { first:wait(0) })
    end))

    it("in a hook does not wait", in_time(function(rt)
        local sup, record = new(rt, "a")
        local handle, result
        function record.also() result = table.pack(handle:wait()) end
        sup:add("w", function(ctx) if ctx.run == 1 then error("x") end ctx:wait() end)
        handle = sup:serve_background()
        settle()
        assert.same({ n = 2, nil, sutura.ERR_TIMEOUT }, result)
    end))
end)

describe("a second life", function()
    it("starts what was added and neither removed nor ended for good, with the same tokens", in_time(function(rt)
        local sup, runs = new(rt, "a"), {}
        local function body(ctx) runs[#runs + 1] = ctx.name .. ctx.run ctx:wait() end
        local kept = sup:add("kept", body)
        local removed = sup:add("removed", body)
        local later = sup:add("removed later", body)
        sup:add("over", function() return sutura.DO_NOT_RESTART end)
        sup:serve_background()
        settle()
        sup:remove(removed)
        sup:stop()
        assert.is_true(sup:remove(later))
        runs = {}
        sup:serve_background()
        settle()
        assert.same({ "kept2" }, runs)
        assert.equal(1, sup:count().specs)
        assert.equal(kept, sup:children()[1].token)
        assert.is_nil(sup:stop())
    end))

    it("starts those that were stopped by hand, and transient ones that had ended", in_time(function(rt)
        local sup = new(rt, "a", { children = { { name = "fixed", run = sleeper } } })
        sup:add("added", sleeper)
        sup:add("over", function(ctx) if ctx.run > 1 then ctx:wait() end end, { restart = "transient" })
        sup:add("shaky", sleeper, { restart = "transient" })
        sup:serve_background()
        settle()
        for _, name in ipairs { "fixed", "added", "shaky" } do
            assert.is_true(sup:terminate_child(name))
        end
        local states = {}
        for life = 1, 2 do
            states[life] = {}
            for i, child in ipairs(sup:children()) do
                states[life][i] = ("%s %s %d"):format(child.name, child.state, child.run)
            end
            sup:stop()
            sup:serve_background()
            settle()
        end
        assert.same({ "fixed stopped 1", "added stopped 1", "over stopped 1", "shaky stopped 1" }, states[1])
        assert.same({ "fixed running 2", "added running 2", "over running 2", "shaky running 2" }, states[2])
    end))

    it("begins with score 0 and an empty queue", in_time(function(rt)
        local sup, record = new(rt, "a", { failure_threshold = 0.5, failure_backoff = 10 })
        sup:add("w", function(ctx) if ctx.run == 1 then error("x") end ctx:wait() end)
        sup:serve_background()
        settle()
        assert.equal("paused", sup:state())
        sup:stop()
        record:forget()
        sup:serve_background()
        assert.same({ "normal", 0 }, { sup:state(), sup:failures() })
        sutura.sleep(100)
        assert.same({}, record:lines())
        assert.equal("running", sup:children()[1].state)
    end))

    it("may begin in the very step in which the former one ended: who waited hears of that one", in_time(function(rt)
        local sup, helper, heard = new(rt, "a"), new(rt, "helper"), {}
        local ctx, cancel = sutura.context():with_cancel()
        helper:add("serves", function() heard.serve = table.pack(sup:serve(ctx)) return sutura.DO_NOT_RESTART end)
        helper:add("reports", function()
            sutura.yield()
            heard.report = table.pack(sup:unstopped_service_report())
            return sutura.DO_NOT_RESTART
        end)
        helper:serve_background()
        settle()
        assert.is_nil(sup:stop())
        local handle = sup:serve_background(ctx)
        settle()
        assert.same({ serve = { n = 1 }, report = { n = 1 } }, heard)
        assert.equal("normal", sup:state())
        cancel()
        assert.same({ true, CANCELED }, { handle:wait() })
    end))

    it("begun by a hook at the end of the former one answers who waited for that", in_time(function(rt)
        local sup, record = new(rt, "a", { lifecycle_events = true })
        local lives = 0
        function record.also(event)
            if event.type == "supervisor_stop" and lives < 3 then
                lives = lives + 1
                assert(sup:serve_background())
            end
        end
        sup:add("w", sleeper)
        local first = sup:serve_background((sutura.context():with_timeout(1)))
        assert.same({ true, DEADLINE_EXCEEDED }, { first:wait() })
        settle()
        assert.same({ 1, "normal" }, { lives, sup:state() })
        assert.same({ n = 1 }, table.pack(sup:stop()))
        assert.same({ 2, "normal" }, { lives, sup:state() })
        assert.same({ true, DEADLINE_EXCEEDED }, { first:wait() })
    end))

    it("begun by the parent at once answers who waited for the end of the former one", in_time(function(rt)
        local a, b, helper, report = new(rt, "a"), new(rt, "b", { timeout = 2 }), new(rt, "helper"), nil
        a:add(b)
        b:add("w", stubborn(5))
        a:serve_background()
        helper:add("h", function() report = b:stop() return sutura.DO_NOT_RESTART end)
        helper:serve_background()
        settle()
        a:restart("b")
        sutura.sleep(3)
        assert.equal("a/b/w", report[1].path)
        assert.equal("normal", b:state())
    end))

    it("tells its services that a former run was stopped, if nothing else ended it", in_time(function(rt)
        local sup, said = new(rt, "a"), {}
        sup:add("w", function(ctx)
            said[ctx.run] = ctx.last_error or "nothing"
            if ctx.run == 2 then error("boom", 0) end
            ctx:wait()
        end)
        for _ = 1, 3 do
            sup:serve_background()
            settle()
            sup:stop()
        end
        assert.same({ "nothing", "stopped", "boom", "stopped" }, said)
    end))

    it("starts nested supervisors again, each with score 0", in_time(function(rt)
        local a, b = new(rt, "a"), new(rt, "b")
        a:add(b)
        b:add("w", function(ctx) if ctx.run == 1 then error("x") end ctx:wait() end)
        a:serve_background()
        settle()
        assert.equal(1, b:failures())
        a:stop()
        a:serve_background()
        settle()
        assert.same({ "normal", "running", 0 }, { b:state(), b:children()[1].state, b:failures() })
    end))

    it("is refused with ERR_NOT_TERMINATED while a service of the former one lives", in_time(function(rt)
        local a, b = new(rt, "a", { timeout = 1 }), new(rt, "b", { timeout = 1 })
        a:add(b)
        b:add("left", stubborn(10), { kill = false })
        a:serve_background()
        settle()
        assert.equal(1, #a:stop())
        assert.equal(sutura.ERR_NOT_TERMINATED, a:serve())
        assert.same({ n = 2, nil, sutura.ERR_NOT_TERMINATED }, table.pack(a:serve_background()))
        assert.equal("terminated", a:state())
        sutura.sleep(10)
        assert.is_truthy(a:serve_background())
        settle()
        assert.equal(2, b:children()[1].run)
    end))

    it("has of what still lives from the former one what it would have had of it, once that ends", in_time(function(rt)
        local function deaf(name)
            return { name = name, kill = false, restart = "temporary", run = stubborn(10) }
        end
        local a, b = new(rt, "a"), new(rt, "b", { timeout = 1, children = { deaf("fixed") } })
        a:add(b)
        a:serve_background()
        b:add(deaf("added"))
        settle()
        assert.same({ nil, sutura.ERR_TIMEOUT }, { b:terminate_child("fixed", 2) })
        a:restart("b")
        sutura.sleep(2)
        assert.equal("fixed stopping, added stopping", troupe.states(b))
        sutura.sleep(9)
        assert.equal("fixed running", troupe.states(b))
        assert.equal(2, b:children()[1].run)
    end))

    it("of a supervisor that was removed from its parent may be its own", in_time(function(rt)
        local a, b = new(rt, "a"), new(rt, "b")
        local place = a:add(b)
        b:add("w", sleeper)
        a:serve_background()
        settle()
        assert.is_true(a:remove_and_wait(place))
        assert.equal("terminated", b:state())
        assert.equal("b/w", tostring(b:children()[1].token))
        b:serve_background()
        settle()
        assert.equal("normal", b:state())
    end))
end)

describe("a tree that a service serves", function()
    it("is stopped before serve returns CANCELED, when the service is stopped", in_time(function(rt)
        local a, b = new(rt, "a"), new(rt, "b")
        local result
        a:add("host", function() result = table.pack(b:serve(), sutura.now(), b:state()) end)
        b:add("w", stubborn(3))
        a:serve_background()
        sutura.sleep(1)
        assert.equal("normal", b:state())
        assert.is_nil(a:stop())
        assert.same({ n = 3, CANCELED, 4.0, "terminated" }, result)
    end))

    it("goes with a service that is closed by force", in_time(function(rt)
        local a, b, closed = new(rt, "a", { timeout = 1 }), new(rt, "b"), 0
        a:add("host", function() b:serve() end)
        b:add("w", function(ctx)
            local _guard <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
            stubborn(100)(ctx)
        end)
        a:serve_background()
        settle()
        assert.equal("a/host", a:stop()[1].path)
        settle()
        assert.same({ "terminated", 1, 1.0 }, { b:state(), closed, sutura.now() })
    end))

    it("ends with the context of the service when that is given to serve", in_time(function(rt)
        local a, b, seen = new(rt, "a"), new(rt, "b"), nil
        a:add("host", function(ctx) return b:serve(ctx) end)
        b:add("w", function(ctx) ctx:wait() seen = { ctx:err(), ctx:cause() } end)
        local ctx, cancel = sutura.context():with_cancel()
        local handle = a:serve_background(ctx)
        settle()
        cancel("all over")
        assert.same({ true, CANCELED }, { handle:wait() })
        assert.same({ CANCELED, "all over" }, seen)
        assert.equal("terminated", b:state())
    end))

    it("that ends by itself lets the service go on with what serve returned", in_time(function(rt)
        local a, b, result = new(rt, "a"), new(rt, "b"), nil
        a:add("host", function(ctx) result = b:serve() ctx:wait() end)
        b:add("w", function() return sutura.TERMINATE_TREE end)
        a:serve_background()
        settle()
        assert.equal(sutura.TERMINATE_TREE, result)
        assert.equal("running", a:children()[1].state)
    end))
end)
