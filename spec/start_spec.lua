-- SPDX-License-Identifier: MIT
--
-- Starts that fail: too late or ended before ready, in the first start of a life and later, and what serve, wait_ready
-- and the events say of it. Readiness itself is in ready_spec.

local recorder = require "spec.support.recorder"
local sutura = require "sutura"
local troupe = require "spec.support.troupe"
local virtual = require "spec.support.virtual"

local settle, in_time, in_each = virtual.settle, virtual.test, virtual.each
local states, ends = troupe.states, troupe.ends
local new = recorder.supervisor

local function never(ctx)
    ctx:wait()
end

-- A served supervisor of a, b and c, of which b does this instead of getting ready.
local function first_start(rt, spec, how, fields)
    local actors = troupe.new()
    actors.fails.b = how
    spec.children = { actors:child("a"), actors:child("b", fields), actors:child("c") }
    local sup, record = new(rt, "sup", spec)
    local handle = sup:serve_background()
    settle()
    return sup, actors, record, handle
end

-- The same, where b fails in its second run, which a restart on purpose begins.
local function later_start(rt, spec, how, fields)
    local sup, actors, record, handle = first_start(rt, spec, nil, fields)
    actors.fails.b = function(ctx)
        actors.fails.b = nil
        return how(ctx)
    end
    actors:log()
    sup:restart("b")
    settle()
    return sup, actors, record, handle
end

local WAYS = {
    ["a panic"] = { ends.panic, "service_panic", "broken" },
    ["an error"] = { ends.error, "service_terminate", "broken" },
    ["a plain end"] = { ends.plain, "service_terminate" },
}

describe("a failed first start", function()
    it("ends the supervisor: the earlier ones stop in reverse, the later ones never start", in_each(WAYS,
        function(rt, way)
            local actors = troupe.new()
            actors.fails.c = way[1]
            local sup, record = new(rt, "sup", { children = {
                actors:child("a"), actors:child("b"), actors:child("c"), actors:child("d"),
            } })
            local err = sup:serve()
            assert.equal("+a +b +c -c -b -a", actors:log())
            assert.is_true(sutura.is(err, sutura.ERR_START_FAILED))
            assert.is_false(sutura.is(err, sutura.ERR_TOO_MANY_RESTARTS))
            assert.matches("sup/c", tostring(err), 1, true)
            assert.same({ way[2] .. " sup/c", "escalate sup" }, record:lines())
            assert.equal("terminated", sup:state())
            assert.equal(way[3] or "it ended before it was ready", tostring(err.cause))
        end))

    it("is told by its own event, without a restart or a count, and by escalate", in_each(WAYS, function(rt, way)
        local _, _, record, handle = first_start(rt, {}, way[1])
        local failure, escalate = record.events[1], record.events[2]
        assert.same({ way[2], false, 0.0 }, { failure.type, failure.restarting, failure.current_failures })
        assert.equal(way[3] or "it ended before it was ready", tostring(failure.error))
        assert.same({ "escalate", "start failed" }, { escalate.type, escalate.reason })
        local _, err = handle:wait(0)
        assert.equal(err, escalate.error)
        assert.equal(tostring(err), escalate.error_msg)
    end))

    it("is one whatever the restart type, and under any policy", in_each({
        permanent = { "permanent", {} }, transient = { "transient", { intensity = 10 } },
        temporary = { "temporary", { failure_threshold = math.huge } },
        ["in a group"] = { "permanent", { strategy = "one_for_all" } },
        ["with a delay of its own"] = { "permanent", { strategy = "rest_for_one" }, { min = 1 } },
    }, function(rt, case)
        local sup, actors, _, handle = first_start(rt, case[2], ends.error, { restart = case[1], backoff = case[3] })
        assert.equal("terminated", sup:state())
        assert.equal("+a +b -b -a", actors:log())
        assert.is_true(sutura.is(select(2, handle:wait(0)), sutura.ERR_START_FAILED))
    end))

    it("of a child below ends every level above that is in its first start", in_time(function(rt)
        local actors = troupe.new()
        actors.fails.y = ends.panic
        local low = rt:supervisor("low", { children = { actors:child("x"), actors:child("y") } })
        local middle = rt:supervisor("middle", { children = { actors:child("m"), low } })
        local sup, record = new(rt, "sup", { children = { actors:child("first"), middle, actors:child("last") } })
        local err = sup:serve()
        assert.equal("+first +m +x +y -y -x -m -first", actors:log())
        assert.same({ "service_panic sup/middle/low/y", "escalate sup/middle/low", "service_terminate sup/middle/low",
            "escalate sup/middle", "service_terminate sup/middle", "escalate sup" }, record:lines())
        assert.is_true(sutura.is(err, sutura.ERR_START_FAILED))
        assert.matches("sup/middle/low/y", tostring(err), 1, true)
        assert.equal("broken", err.cause.cause.cause)
    end))

    it("of a supervisor that starts again below is its failure under the parent's policy", in_time(function(rt)
        local actors = troupe.new()
        local inner = rt:supervisor("inner", { intensity = 0, children = { actors:child("x"), actors:child("y") } })
        local sup, record = new(rt, "sup", { intensity = 2, children = { inner } })
        sup:serve_background()
        settle()
        actors.fails.y = function() actors.fails.y = nil return nil, "not yet" end
        actors:cue("x", ends.panic)
        assert.equal("+x +y -x -y +x +y -y -x +x +y", actors:log())
        assert.same({ "normal", 2, "inner running" }, { sup:state(), sup:failures(), states(sup) })
        assert.same({ "more than 0 restarts in 5 s", "start failed" },
            { record:of("escalate")[1].reason, record:of("escalate")[2].reason })
    end))

    it("can be followed by another life, in which all start", in_time(function(rt)
        local sup, actors = first_start(rt, {}, ends.error)
        actors.fails.b = nil
        sup:serve_background()
        assert.is_true(sup:wait_ready())
        assert.equal("a running, b running, c running", states(sup))
        actors.fails.b = ends.error
        sup:stop()
        actors:log()
        local err = sup:serve()
        assert.is_true(sutura.is(err, sutura.ERR_START_FAILED))
        assert.equal("+a +b -b -a", actors:log())
    end))

    it("is that of a panic which passes through, where panics do", in_time(function(rt)
        local sup = first_start(rt, { pass_through_panics = true }, never)
        sup:stop()
        local actors = troupe.new()
        actors.fails.a = ends.panic
        local other = new(rt, "other", { pass_through_panics = true, children = { actors:child("a") } })
        assert.same({ false, "broken" }, { pcall(other.serve, other) })
    end))

    it("that is TERMINATE_TREE ends the tree with that", in_time(function(rt)
        local sup, actors, record, handle = first_start(rt, {}, ends.terminate_tree)
        assert.same({ true, sutura.TERMINATE_TREE }, { handle:wait(0) })
        assert.same({ {}, "+a +b -b -a", "terminated" }, { record:lines(), actors:log(), sup:state() })
    end))

    it("does not come of one that was ready before, though the start still goes on", in_time(function(rt)
        local sup, actors, record = first_start(rt, {}, function(ctx) sutura.sleep(5) ctx:ready() ctx:wait() end)
        actors:cue("a", ends.panic)
        assert.same({ "normal", 1.0, "a running, b starting, c starting" },
            { sup:state(), sup:failures(), states(sup) })
        actors.fails.a = ends.error
        actors:cue("a", ends.panic)
        sutura.sleep(6)
        assert.equal("paused", sup:state())
        assert.equal(0, #record:of("escalate"))
    end))

    it("waits for the earlier ones to stop, and stops what was added meanwhile", in_time(function(rt)
        local actors = troupe.new()
        actors.fails.b = function() sutura.sleep(1) return nil, "broken" end
        local sup = new(rt, "sup", { children = {
            { name = "a", run = function(ctx) ctx:wait() sutura.shield(sutura.sleep, 3) end }, actors:child("b"),
        } })
        local handle = sup:serve_background()
        sup:add(actors:child("x"))
        sutura.sleep(2)
        assert.same({ "stopping", "+b +x -b -x" }, { sup:state(), actors:log() })
        assert.is_true((handle:wait()))
        assert.equal(4.0, sutura.now())
    end))
end)

describe("a start_timeout", function()
    it("is counted from the first resume, and is told as an error with ERR_TIMEOUT", in_time(function(rt)
        local actors = troupe.new()
        actors.fails.a = function(ctx) sutura.sleep(4) ctx:ready() ctx:wait() end
        actors.fails.b = never
        local sup, record = new(rt, "sup", { children = {
            actors:child("a", { start_timeout = 5 }), actors:child("b", { start_timeout = 2.5 }), actors:child("c"),
        } })
        local err = sup:serve()
        assert.equal(6.5, sutura.now())
        assert.same({ "service_terminate sup/b", "escalate sup" }, record:lines())
        local failure = record.events[1]
        assert.equal("it was not ready within 2.5 s", failure.error.message)
        assert.is_true(sutura.is(failure.error, sutura.ERR_TIMEOUT))
        assert.is_true(sutura.is(err, sutura.ERR_START_FAILED))
        assert.is_true(sutura.is(err, sutura.ERR_TIMEOUT))
        assert.matches("sup/b", tostring(err), 1, true)
        assert.equal("+a +b -b -a", actors:log())
    end))

    it("that is met is over: the service may take as long as it likes after that", in_time(function(rt)
        local sup, _, record = first_start(rt, {}, function(ctx) sutura.sleep(2) ctx:ready() sutura.sleep(100) end,
            { start_timeout = 2.001 })
        sutura.sleep(50)
        assert.same({ "a running, b running, c running", {} }, { states(sup), record:lines() })
        assert.equal(2.001, sup:get_child("b").start_timeout)
    end))

    it("later counts as a failure; the late run is stopped, and its end is not told again", in_time(function(rt)
        local sup, actors, record = later_start(rt, {}, never, { start_timeout = 3 })
        assert.equal("starting", sup:get_child("b").state)
        sutura.sleep(3)
        settle()
        assert.equal("-b +b -b +b", actors:log())
        assert.same({ "a running, b running, c running", 1.0 }, { states(sup), sup:failures() })
        assert.same({ "service_terminate sup/b" }, record:lines())
        assert.same({ true, 2 }, { record.events[1].restarting, record.events[1].run })
        assert.equal("it was not ready within 3 s: the time to wait has passed", sup:get_child("b").last_error)
    end))

    it("does not make a second live run: the restart waits until the late one has stopped", in_time(function(rt)
        local lives, most = 0, 0
        local sup, actors = later_start(rt, {}, function(ctx)
            lives, most = lives + 1, math.max(most, lives + 1)
            ctx:wait()
            sutura.shield(sutura.sleep, 4)
            lives = lives - 1
        end, { start_timeout = 1 })
        sutura.sleep(2)
        assert.equal("stopping", sup:get_child("b").state)
        sutura.sleep(4)
        assert.same({ "running", 3, 1, 0 }, { sup:get_child("b").state, sup:get_child("b").run, most, lives })
        assert.equal("-b +b -b +b", actors:log())
    end))

    it("is told, counted and begins a pause at once, whatever the end of the late run takes", in_each({
        ["until the pause is over"] = { 2, 5 }, ["less than the pause"] = { 8, 9 },
    }, function(rt, case)
        local sup, _, record = later_start(rt, { failure_threshold = 0.5, failure_backoff = case[1] }, function(ctx)
            ctx:wait()
            sutura.shield(sutura.sleep, 4)
        end, { start_timeout = 1 })
        sutura.sleep(1)
        settle()
        assert.same({ "backoff sup", "service_terminate sup/b" }, record:lines())
        assert.same({ 1.0, 1.0, true }, { record.events[1].time, record.events[2].time, record.events[2].queued })
        assert.same({ "paused", 1.0, "stopping" }, { sup:state(), sup:failures(), sup:get_child("b").state })
        sutura.sleep(case[1])
        settle()
        assert.equal("normal", sup:state())
        sutura.sleep(5)
        assert.same({ "running", 3, case[2] + 0.0 }, { sup:get_child("b").state, sup:get_child("b").run,
            sup:get_child("b").started_at })
    end))

    it("and the time to stop go by after each other, for one that hears nothing", in_time(function(rt)
        local sup, _, record = later_start(rt, { timeout = 2 }, function(ctx)
            ctx:wait()
            sutura.shield(sutura.sleep, 100)
        end, { start_timeout = 1 })
        sutura.sleep(4)
        assert.same({ "service_terminate sup/b", "stop_timeout sup/b" }, record:lines())
        assert.same({ 1.0, 3.0 }, { record.events[1].time, record.events[2].time })
        assert.equal("running", sup:get_child("b").state)
    end))

    it("is counted anew in each run, and by no run that was asked to stop", in_time(function(rt)
        local sup, _, record = later_start(rt, {}, never, { start_timeout = 3 })
        sutura.sleep(2)
        sup:terminate_child("b")
        sutura.sleep(5)
        assert.same({ "stopped", {} }, { sup:get_child("b").state, record:lines() })
    end))

    it("of a temporary child that was added ends it: told once, not counted, forgotten", in_time(function(rt)
        local actors = troupe.new()
        actors.fails.x = never
        local sup, record = new(rt, "sup", { intensity = 0 })
        sup:serve_background()
        sup:add(actors:child("x", { restart = "temporary", start_timeout = 1 }))
        sutura.sleep(2)
        assert.same({ { "service_terminate sup/x" }, "", "normal", 0 },
            { record:lines(), states(sup), sup:state(), sup:failures() })
    end))
end)

describe("a failed start that is not the first", function()
    it("is a failure under the policy, of a transient child and for a plain end too", in_each(WAYS, function(rt, way)
        local sup, actors, record = later_start(rt, {}, way[1], { restart = "transient" })
        assert.same({ "a running, b running, c running", 1.0 }, { states(sup), sup:failures() })
        assert.equal("-b +b -b +b", actors:log())
        assert.same({ way[2], true }, { record:only(way[2]).type, record.events[1].restarting })
    end))

    it("is one of a child that was added while running", in_each(WAYS, function(rt, way)
        local sup, actors, record = first_start(rt, { intensity = 2 })
        actors.fails.d = way[1]
        actors:log()
        local handle_error
        sup:add(actors:child("d"))
        settle()
        assert.equal("+d -d +d -d +d -d -c -b -a", actors:log())
        handle_error = record:only("escalate").error
        assert.equal("more than 2 restarts in 5 s", record:only("escalate").reason)
        assert.is_true(sutura.is(handle_error, sutura.ERR_TOO_MANY_RESTARTS))
        assert.equal("terminated", sup:state())
    end))

    it("queues in a pause, and waits for a delay of the child's own", in_time(function(rt)
        local sup = later_start(rt, { failure_threshold = 0.5 }, ends.error)
        assert.equal("a running, b queued, c running", states(sup))
        local other = later_start(rt, {}, ends.error, { backoff = { min = 2 } })
        assert.equal("a running, b backing_off, c running", states(other))
        sutura.sleep(20)
        assert.equal("a running, b running, c running", states(sup))
    end))
end)
