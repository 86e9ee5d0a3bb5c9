-- SPDX-License-Identifier: MIT
--
-- Services that say themselves when they are ready: what they say, who waits for it, and starts that fail.

local recorder = require "spec.support.recorder"
local refusal = require "spec.support.refusal"
local services = require "spec.support.services"
local sutura = require "sutura"
local troupe = require "spec.support.troupe"
local virtual = require "spec.support.virtual"

local settle, in_time, in_each = virtual.settle, virtual.test, virtual.each
local states, ends = troupe.states, troupe.ends
local new = recorder.supervisor

-- A child that takes so long to get ready.
local function lazy(actors, name, seconds, fields)
    local child = actors:child(name, fields)
    child.run = function(ctx)
        actors:say(("?%s@%g"):format(name, sutura.now()))
        sutura.sleep(seconds)
        return actors.act(ctx)
    end
    return child
end

describe("ctx:ready", function()
    -- A service that says what it is told to, and how to tell it.
    local function talking(rt, fields)
        local contexts, sup, record = {}, new(rt, "sup", {})
        local child = { name = "a", run = function(ctx)
            contexts[ctx.run] = ctx
            ctx:wait()
        end }
        for field, value in pairs(fields or {}) do
            child[field] = value
        end
        sup:add(child)
        sup:serve_background()
        settle()
        return sup, contexts, record
    end

    it("makes a service running that was starting", in_time(function(rt)
        local sup, contexts = talking(rt, { ready = "notify" })
        assert.same({ "starting", 1 }, { sup:get_child("a").state, sup:count().active })
        assert.is_nil(contexts[1]:ready())
        assert.equal("running", sup:get_child("a").state)
        assert.is_nil(sup:get_child("a").info)
    end))

    it("keeps what it is given in the record, any value, until the run ends", in_each({
        ["a table"] = { port = 8080 }, ["a word"] = "up", ["a number"] = 0, ["false"] = false,
    }, function(rt, info)
        local sup, contexts = talking(rt, { ready = "notify" })
        contexts[1]:ready(info)
        assert.equal(info, sup:get_child("a").info)
        assert.equal(info, sup:children()[1].info)
        assert.equal(info, sup:tree().children[1].info)
        sup:restart("a")
        settle()
        assert.same({ "starting", nil }, { sup:get_child("a").state, sup:get_child("a").info })
        contexts[2]:ready("second")
        sup:terminate_child("a")
        assert.same({ "stopped", nil }, { sup:get_child("a").state, sup:get_child("a").info })
    end))

    it("again changes what it gave and nothing else", in_time(function(rt)
        local sup, contexts, record = talking(rt, { ready = "notify" })
        contexts[1]:ready("one")
        contexts[1]:ready("two")
        assert.equal("two", sup:get_child("a").info)
        contexts[1]:ready()
        assert.same({ "running" }, { sup:get_child("a").state, sup:get_child("a").info })
        assert.same({}, record:lines())
    end))

    it("of one that is ready without it changes what it gave and nothing else", in_time(function(rt)
        local sup, contexts = talking(rt)
        assert.equal("running", sup:get_child("a").state)
        contexts[1]:ready({ 1 })
        assert.same({ "running", { 1 } }, { sup:get_child("a").state, sup:get_child("a").info })
    end))

    it("while the service stops keeps it stopping", in_time(function(rt)
        local sup, record = new(rt, "sup", {})
        sup:add { name = "a", ready = "notify", run = function(ctx)
            ctx:wait()
            ctx:ready("too late")
            sutura.shield(sutura.sleep, 1)
        end }
        sup:add(services.sleeper)
        sup:serve_background()
        settle()
        sup:remove(sup:get_child("a").token)
        settle()
        assert.equal("stopping", sup:children()[1].state)
        sutura.sleep(2)
        assert.same({ 1, {} }, { #sup:children(), record:lines() })
    end))

    it("after the run is harmless, and is nothing to the next run", in_time(function(rt)
        local sup, contexts = talking(rt, { ready = "notify" })
        sup:restart("a")
        settle()
        contexts[1]:ready("of the run before")
        assert.same({ "starting" }, { sup:get_child("a").state, sup:get_child("a").info })
        sup:stop()
        contexts[2]:ready("of the life before")
        assert.same({ "stopped" }, { sup:get_child("a").state, sup:get_child("a").info })
    end))

    it("may come from elsewhere: a hook, another service, an inner coroutine", in_time(function(rt)
        local sup, contexts, record = talking(rt, { ready = "notify" })
        function record.also() contexts[1]:ready("hook") end
        sup:add { name = "b", restart = "temporary", run = function() error("now", 0) end }
        settle()
        assert.same({ "running", "hook" }, { sup:get_child("a").state, sup:get_child("a").info })
        sup:add { name = "c", ready = "notify", run = function(ctx)
            coroutine.wrap(function() ctx:ready("inner") end)()
            ctx:wait()
        end }
        settle()
        assert.same({ "running", "inner" }, { sup:get_child("c").state, sup:get_child("c").info })
    end))

    it("on a context that is no service's raises", in_time(function(rt)
        local _, contexts = talking(rt)
        local derived = contexts[1]:with_cancel()
        refusal.each({
            ["bad argument 'self' to 'ready' (the context of a service expected)"] = derived,
        }, function(ctx) ctx:ready() end)
        assert.error_matches(function() sutura.context():ready() end, "the context of a service")
        assert.error_matches(function() contexts[1].ready() end, "ready")
        assert.error_matches(function() contexts[1].ready({}) end, "ready")
    end))
end)

describe("the first start", function()
    it("starts each when those before it are ready", in_time(function(rt)
        local actors = troupe.new()
        local sup = new(rt, "sup", { children = {
            lazy(actors, "a", 2), { name = "b", run = actors.act }, lazy(actors, "c", 3), lazy(actors, "d", 1),
        } })
        sup:serve_background()
        settle()
        assert.equal("a starting, b starting, c starting, d starting", states(sup))
        assert.same({ nil, "a to be ready" }, { nil, sup:get_child("d").waiting_for })
        assert.same({ 4, 1 }, { sup:count().specs, sup:count().active })
        assert.is_true(sup:wait_ready())
        assert.equal(6.0, sutura.now())
        assert.equal("?a@0 +a +b ?c@2 +c ?d@5 +d", actors:log())
    end))

    it("starts those without readiness in one round, in order", in_time(function(rt)
        local actors = troupe.new()
        local children = {}
        for i = 1, 5 do
            children[i] = { name = "n" .. i, run = actors.act }
        end
        local sup = new(rt, "sup", { children = children })
        sup:serve_background()
        assert.equal("n1 starting, n2 starting, n3 starting, n4 starting, n5 starting", states(sup))
        sutura.yield()
        assert.equal("+n1 +n2 +n3 +n4 +n5", actors:log())
    end))

    it("takes a child supervisor as ready when its children are, at any depth", in_time(function(rt)
        local actors = troupe.new()
        local low = rt:supervisor("low", { children = { lazy(actors, "x", 1), lazy(actors, "y", 1) } })
        local middle = rt:supervisor("middle", { children = { low, lazy(actors, "z", 1) } })
        local empty = rt:supervisor("empty", {})
        local sup = new(rt, "sup", { children = { empty, middle, actors:child("last") } })
        sup:serve_background()
        sutura.sleep(1.5)
        assert.equal("empty running, middle starting, last starting", states(sup))
        assert.equal("low starting, z starting", states(middle))
        assert.is_true(sup:wait_ready())
        assert.equal("?x@0 +x ?y@1 +y ?z@2 +z +last", actors:log())
        assert.same({ 3.0, "empty running, middle running, last running" }, { sutura.now(), states(sup) })
    end))

    it("does not wait for one that was added before serve less than for one of the spec", in_time(function(rt)
        local actors = troupe.new()
        local sup = new(rt, "sup", {})
        sup:add(lazy(actors, "a", 2))
        sup:add(lazy(actors, "b", 2))
        sup:serve_background()
        sup:wait_ready()
        assert.equal("?a@0 +a ?b@2 +b", actors:log())
    end))

    it("goes on past one that is removed, terminated or wants no run before it is ready", in_each({
        remove = { function(sup) return sup:remove(sup:get_child("a").token) end, "b running" },
        terminate = { function(sup) return sup:terminate_child("a") end, "a stopped, b running" },
        ignore = { function() return true end, "b running", ends.do_not_restart },
    }, function(rt, case)
        local actors = troupe.new()
        actors.fails.a = case[3] or function(ctx) ctx:wait() end
        local sup, record = new(rt, "sup", { children = { actors:child("a"), actors:child("b") } })
        sup:serve_background()
        settle()
        assert.is_true(case[1](sup))
        settle()
        assert.same({ case[2], {} }, { states(sup), record:lines() })
    end))

    it("goes on as soon as it is said that one shall not start, and not when that has ended", in_each({
        remove = function(sup) sup:remove(sup:get_child("a").token) end,
        terminate_child = function(sup) sup:terminate_child("a", 0) end,
    }, function(rt, call)
        local sup = new(rt, "sup", { children = {
            { name = "a", ready = "notify", run = function(ctx) ctx:wait() sutura.shield(sutura.sleep, 5) end },
            { name = "b", run = function(ctx) ctx:wait() end },
        } })
        sup:serve_background()
        settle()
        assert.equal("starting", sup:get_child("b").state)
        call(sup)
        settle()
        assert.equal("a stopping, b running", states(sup))
    end))

    it("is not kept waiting by one that failed once it was ready", in_time(function(rt)
        local actors = troupe.new()
        local sup = new(rt, "sup", { failure_threshold = 0.5, failure_backoff = 100, children = {
            actors:child("a"), lazy(actors, "b", 2), actors:child("c"),
        } })
        sup:serve_background()
        settle()
        actors:cue("a", ends.panic)
        sutura.sleep(3)
        assert.equal("a queued, b running, c running", states(sup))
    end))

    it("may be stopped in its middle, with those that wait never started", in_time(function(rt)
        local actors = troupe.new()
        local sup, record = new(rt, "sup", { children = {
            actors:child("a"), lazy(actors, "b", 5), actors:child("c"),
        } })
        local handle = sup:serve_background()
        settle()
        assert.is_nil(sup:stop())
        assert.same({ true, nil }, { handle:wait() })
        assert.same({ "+a ?b@0 -a", {}, 0 }, { actors:log(), record:lines(), sup:get_child("c").run })
        sup:serve_background()
        assert.is_true(sup:wait_ready())
        assert.equal("a running, b running, c running", states(sup))
    end))
end)

describe("a child that is added while its supervisor runs", function()
    it("starts at once, and add and serve_background wait for nobody", in_time(function(rt)
        local actors = troupe.new()
        local sup = new(rt, "sup", { children = { lazy(actors, "a", 5), actors:child("b") } })
        sup:serve_background()
        sup:add(actors:child("c"))
        sup:add(lazy(actors, "d", 1))
        settle()
        assert.same({ 0.0, "a starting, b starting, c running, d starting" }, { sutura.now(), states(sup) })
        sup:wait_ready()
        assert.equal(5.0, sutura.now())
    end))
end)

describe("wait_ready", function()
    it("before serve is nil, ERR_NOT_STARTED, and after the stop nil, ERR_NOT_RUNNING", in_time(function(rt)
        local sup = new(rt, "sup", {})
        assert.same({ n = 2, nil, sutura.ERR_NOT_STARTED }, table.pack(sup:wait_ready()))
        sup:serve_background()
        assert.same({ n = 1, true }, table.pack(sup:wait_ready()))
        sup:stop()
        assert.same({ n = 2, nil, sutura.ERR_NOT_RUNNING }, table.pack(sup:wait_ready(5)))
    end))

    it("after its limit is nil, ERR_TIMEOUT, with the limit 0 at once, and in a hook", in_time(function(rt)
        local actors = troupe.new()
        local sup, record = new(rt, "sup", { children = { lazy(actors, "a", 5) } })
        sup:serve_background()
        assert.same({ n = 2, nil, sutura.ERR_TIMEOUT }, table.pack(sup:wait_ready(0)))
        assert.same({ n = 2, nil, sutura.ERR_TIMEOUT }, table.pack(sup:wait_ready(2)))
        assert.equal(2.0, sutura.now())
        local answer
        function record.also() answer = table.pack(sup:wait_ready()) end
        sup:add { name = "b", restart = "temporary", run = function() error("now", 0) end }
        settle()
        assert.same({ n = 2, nil, sutura.ERR_TIMEOUT }, answer)
        assert.is_true(sup:wait_ready(3))
        assert.equal(5.0, sutura.now())
    end))

    it("gives every waiter its answer, and leaves nothing of those whose limit passed", in_time(function(rt)
        local actors = troupe.new()
        local sup = new(rt, "sup", { children = { lazy(actors, "a", 5) } })
        sup:serve_background()
        local answers, waiters = {}, rt:supervisor("waiters", {})
        for i = 1, 6 do
            waiters:add(function()
                local ready, err = sup:wait_ready(i)
                answers[i] = { ready, err, sutura.now() }
                return sutura.DO_NOT_RESTART
            end)
        end
        waiters:serve_background()
        sutura.sleep(10)
        for i = 1, 6 do
            assert.same(i < 5 and { nil, sutura.ERR_TIMEOUT, i + 0.0 } or { true, nil, 5.0 }, answers[i])
        end
    end))

    it("names the first child whose start failed meanwhile, with its failure as the cause", in_time(function(rt)
        local actors = troupe.new()
        local sup = new(rt, "sup", { children = { actors:child("a") } })
        sup:serve_background()
        settle()
        actors.fails.b = function() sutura.sleep(2) actors.fails.b = nil error("no disk", 0) end
        actors.fails.c = function() sutura.sleep(3) actors.fails.c = nil return nil, "no net" end
        sup:add(actors:child("b"))
        sup:add(actors:child("c"))
        for _, expected in ipairs { { "sup/b", "no disk" }, { "sup/c", "no net" } } do
            local ready, err = sup:wait_ready()
            assert.is_nil(ready)
            assert.is_true(sutura.is(err, sutura.ERR_START_FAILED))
            assert.matches(expected[1], tostring(err), 1, true)
            assert.equal(expected[2], err.cause)
        end
        assert.is_true(sup:wait_ready())
    end))

    it("does not wait for the children of children that failed later, but for their supervisors' starts", in_time(
        function(rt)
            local actors = troupe.new()
            local inner = rt:supervisor("inner", { children = { actors:child("x") } })
            local sup = new(rt, "sup", { children = { inner } })
            sup:serve_background()
            assert.is_true(sup:wait_ready())
            actors.fails.x = function(ctx) sutura.sleep(5) actors.fails.x = nil return actors.act(ctx) end
            actors:cue("x", ends.panic)
            assert.is_true(sup:wait_ready())
            assert.equal(0.0, sutura.now())
            assert.is_true(inner:wait_ready())
            assert.equal(5.0, sutura.now())
        end))

    it("waits for a pause and a delay of a child's own, which end in a start", in_time(function(rt)
        local actors = troupe.new()
        local sup = new(rt, "sup", { failure_threshold = 1.5, failure_backoff = 10, children = {
            actors:child("a", { backoff = { min = 3 } }), actors:child("b"),
        } })
        sup:serve_background()
        settle()
        actors:cue("a", ends.panic)
        assert.is_true(sup:wait_ready())
        assert.equal(3.0, sutura.now())
        actors:cue("b", ends.panic)
        assert.is_true(sup:wait_ready())
        assert.equal(13.0, sutura.now())
    end))

    it("waits for one that stops to start again", in_each({
        ["by hand"] = { {}, function(sup) sup:restart("a") end, 8.0 },
        ["after it was late"] = { { start_timeout = 1, backoff = { min = 4 } }, function() sutura.sleep(1) end, 8.0 },
    }, function(rt, case)
        local runs = 0
        local child = { name = "a", ready = "notify", run = function(ctx)
            runs = runs + 1
            if runs > 1 or not case[1].start_timeout then
                ctx:ready()
            end
            ctx:wait()
            sutura.shield(sutura.sleep, 7)
        end }
        for field, value in pairs(case[1]) do
            child[field] = value
        end
        local sup = new(rt, "sup", {})
        sup:serve_background()
        sup:add(child)
        sutura.sleep(case[1].start_timeout or 1)
        case[2](sup)
        assert.same({ "stopping", 1 }, { sup:get_child("a").state, runs })
        assert.is_true(sup:wait_ready())
        assert.same({ "running", 2 }, { sup:get_child("a").state, runs })
        assert.equal(case[3], sutura.now())
    end))

    it("is over when the supervisor stops, gives up or is stopped from within", in_each({
        stop = { function(sup) sup:stop() end, "ERR_NOT_RUNNING" },
        ["giving up"] = { function(_, actors) actors:cue("a", ends.panic) end, "ERR_TOO_MANY_RESTARTS" },
    }, function(rt, case)
        local actors = troupe.new()
        local sup = new(rt, "sup", { intensity = 0, children = { actors:child("a"), lazy(actors, "b", 50) } })
        local handle = sup:serve_background()
        local answer
        local waiter = rt:supervisor("waiter", { children = { function()
            answer = table.pack(sup:wait_ready())
            return sutura.DO_NOT_RESTART
        end } })
        waiter:serve_background()
        settle()
        case[1](sup, actors)
        settle()
        assert.is_nil(answer[1])
        assert.is_true(sutura.is(answer[2], sutura[case[2]]))
        assert.same(case[2] == "ERR_TOO_MANY_RESTARTS" and answer[2] or nil, select(2, handle:wait()))
        assert.same(answer, table.pack(sup:wait_ready()))
    end))

    it("in a shield below the supervisor itself is over when that begins to stop", in_time(function(rt)
        local actors = troupe.new()
        local sup, record = new(rt, "sup", { children = { lazy(actors, "a", 50) } })
        sup:serve_background()
        local answer
        sup:add("waiter", function() answer = table.pack(sutura.shield(sup.wait_ready, sup)) end)
        sutura.sleep(1)
        assert.is_nil(sup:stop())
        assert.same({ n = 2, nil, sutura.ERR_NOT_RUNNING }, answer)
        assert.same({ 1.0, {} }, { sutura.now(), record.events })
    end))

    it("waits in a shield too, and raises when its caller is stopped", in_time(function(rt)
        local actors = troupe.new()
        local sup = new(rt, "sup", { children = { lazy(actors, "a", 5) } })
        sup:serve_background()
        local raised
        local waiter = rt:supervisor("waiter", { children = { function()
            local ok, err = pcall(sup.wait_ready, sup)
            raised = { ok, err }
        end } })
        waiter:serve_background()
        sutura.sleep(1)
        waiter:stop()
        assert.same({ false, sutura.CANCELED }, raised)
        assert.is_true(sutura.shield(sup.wait_ready, sup))
    end))
end)
