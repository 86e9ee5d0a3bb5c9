-- SPDX-License-Identifier: MIT
--
-- A delay of a child's own before each restart: how long it is, what is seen of it, what cuts it short, and how it
-- stands beside the supervisor's pauses. With a group it is in group_spec; what a child spec may say is in
-- child_spec_spec.

local recorder = require "spec.support.recorder"
local sutura = require "sutura"
local troupe = require "spec.support.troupe"
local virtual = require "spec.support.virtual"

local settle, in_time, in_each = virtual.settle, virtual.test, virtual.each
local states, ends = troupe.states, troupe.ends

-- A served supervisor of the actor "a" with that backoff, and of the plain actor "b".
local function served(rt, backoff, spec, fields)
    local actors = troupe.new()
    spec = spec or {}
    spec.failure_threshold = spec.failure_threshold or math.huge
    local sup, record = recorder.supervisor(rt, "sup", spec)
    fields = fields or {}
    fields.backoff = backoff
    sup:add(actors:child("a", fields))
    sup:add(actors:child("b"))
    local handle = sup:serve_background()
    settle()
    actors:log()
    return sup, actors, record, handle
end

-- Lets the child run for so long and fail, sees that it starts again after that delay and not before, and returns it.
local function fail_after(sup, actors, seconds, how)
    sutura.sleep(seconds)
    local failed_at = sutura.now()
    actors:cue("a", how or ends.panic)
    local child = sup:get_child("a")
    if child.state ~= "backing_off" then
        return 0
    end
    local delay = child.next_try - failed_at
    sutura.sleep(delay - 1e-6)
    assert.equal("backing_off", sup:get_child("a").state)
    sutura.sleep(1e-6)
    settle()
    assert.equal("running", sup:get_child("a").state)
    return tonumber(("%.6f"):format(delay))
end

-- The delays of failures that follow each other at once.
local function delays(sup, actors, count)
    local all = {}
    for i = 1, count do
        all[i] = fail_after(sup, actors, 0)
    end
    return all
end

describe("the delay of a child's own", function()
    it("is min at first, then factor times the one before, up to max", in_each({
        ["the defaults"] = { {}, { 1, 2, 4, 8, 16, 32, 60, 60 } },
        ["a min"] = { { min = 7 }, { 7, 14, 28, 56, 60 } },
        ["a max between two steps"] = { { max = 5 }, { 1, 2, 4, 5, 5 } },
        ["a factor"] = { { min = 2, factor = 3, max = 100 }, { 2, 6, 18, 54, 100 } },
        ["half a factor more"] = { { min = 2, factor = 1.5, max = 6 }, { 2, 3, 4.5, 6, 6 } },
        ["a factor of 1"] = { { min = 3, factor = 1 }, { 3, 3, 3, 3 } },
        ["min and max the same"] = { { min = 4, max = 4 }, { 4, 4, 4 } },
        ["less than a second"] = { { min = 0.25, max = 1 }, { 0.25, 0.5, 1, 1 } },
    }, function(rt, case)
        local sup, actors = served(rt, case[1])
        assert.same(case[2], delays(sup, actors, #case[2]))
    end))

    it("of nothing restarts at once, in time", in_time(function(rt)
        local sup, actors, record = served(rt, { min = 0 })
        for _ = 1, 3 do
            actors:cue("a", ends.panic)
            settle()
        end
        assert.same({ "-a +a -a +a -a +a", 0.0 }, { actors:log(), sutura.now() })
        assert.same({ 0.0, true }, { record.events[3].delay, record.events[3].restarting })
        assert.equal(4, sup:get_child("a").run)
    end))

    it("comes after every end that the restart type restarts, and no other", in_each({
        ["permanent, plain"] = { "permanent", ends.plain, "backing_off" },
        ["permanent, an error"] = { "permanent", ends.error, "backing_off" },
        ["permanent, a panic"] = { "permanent", ends.panic, "backing_off" },
        ["transient, plain"] = { "transient", ends.plain, "stopped" },
        ["transient, an error"] = { "transient", ends.error, "backing_off" },
        ["temporary, a panic"] = { "temporary", ends.panic, nil },
        ["for good"] = { "permanent", ends.do_not_restart, nil },
    }, function(rt, case)
        local sup, actors = served(rt, { min = 5 }, nil, { restart = case[1] })
        actors:cue("a", case[2])
        local child = sup:get_child("a")
        assert.equal(case[3], child and child.state)
        sutura.sleep(6)
        assert.equal(case[3] == "backing_off" and "-a +a" or "-a", actors:log())
    end))

    it("grows by starts that fail, too", in_time(function(rt)
        local sup, actors, record = served(rt, { min = 1, reset_after = 50 })
        actors.fails.a = ends.error
        actors:cue("a", ends.panic)
        sutura.sleep(1 + 2 + 4 + 0.5)
        assert.equal("-a +a -a +a -a +a -a", actors:log())
        local told = {}
        for i, event in ipairs(record.events) do
            told[i] = event.delay
        end
        assert.same({ 1.0, 2.0, 4.0, 8.0 }, told)
        assert.equal(15.0, sup:get_child("a").next_try)
    end))

    it("is min again after a run of reset_after seconds, by default max", in_each({
        ["long enough"] = { { min = 1, reset_after = 30 }, 30, 1 },
        ["nearly long enough"] = { { min = 1, reset_after = 30 }, 30 - 1e-3, 4 },
        ["by default"] = { { min = 1, max = 40 }, 40, 1 },
        ["nearly, by default"] = { { min = 1, max = 40 }, 40 - 1e-3, 4 },
        ["any run"] = { { min = 1, reset_after = 0 }, 0, 1 },
        ["no run"] = { { min = 1, reset_after = math.huge }, 1e6, 4 },
    }, function(rt, case)
        local sup, actors = served(rt, case[1])
        local second = case[1].reset_after == 0 and 1 or 2
        assert.same({ 1, second }, delays(sup, actors, 2))
        assert.equal(case[3], fail_after(sup, actors, case[2]))
        assert.equal(case[1].reset_after == 0 and 1 or case[3] * 2, fail_after(sup, actors, 0))
    end))

    it("is not told by how long it waited, but by how long it ran", in_time(function(rt)
        local sup, actors = served(rt, { min = 20, max = 50, reset_after = 30 })
        assert.same({ 20, 40, 50, 50 }, delays(sup, actors, 4))
    end))

    it("is each child's own", in_time(function(rt)
        local sup, actors = served(rt, { min = 1 })
        sup:add(actors:child("c", { backoff = { min = 10 } }))
        settle()
        assert.same({ 1, 2, 4 }, delays(sup, actors, 3))
        actors:cue("c", ends.panic)
        actors:cue("b", ends.panic)
        assert.equal("a running, b running, c backing_off", states(sup))
        assert.equal(sutura.now() + 10, sup:get_child("c").next_try)
    end))

    it("of a template is each of its children's", in_time(function(rt)
        local sup, actors = served(rt, { min = 1 })
        local pool = sup:template { name = "pool", run = actors.act, failure_threshold = math.huge,
            backoff = { min = 3, jitter = sutura.no_jitter } }
        pool:start(nil, "x")
        pool:start(nil, "y")
        settle()
        for _ = 1, 2 do
            actors:cue("x", ends.panic)
            sutura.sleep(3)
        end
        actors:cue("y", ends.panic)
        assert.same({ 9.0, 9.0 }, { pool:get_child("x").next_try, pool:get_child("y").next_try })
    end))
end)

describe("the jitter of a delay", function()
    it("is its own function, else the supervisor's, called once with the seconds", in_time(function(rt)
        local calls = {}
        local function called(name, factor)
            return function(seconds)
                calls[#calls + 1] = ("%s %g"):format(name, seconds)
                return seconds * factor
            end
        end
        local sup, actors, record = served(rt, { min = 2, jitter = called("own", 10) },
            { backoff_jitter = called("supervisor's", 3) })
        sup:add(actors:child("c", { backoff = { min = 5 } }))
        settle()
        actors:cue("a", ends.panic)
        actors:cue("c", ends.panic)
        assert.same({ "own 2", "supervisor's 5" }, calls)
        assert.same({ 20.0, 15.0 }, { record.events[1].delay, record.events[2].delay })
        assert.same({ 20.0, 15.0 }, { sup:get_child("a").next_try, sup:get_child("c").next_try })
        sutura.sleep(15)
        settle()
        assert.equal("a backing_off, b running, c running", states(sup))
        sutura.sleep(5)
        settle()
        assert.equal("a running, b running, c running", states(sup))
        actors:cue("a", ends.panic)
        assert.equal("own 4", calls[3])
    end))

    it("is up to half of the delay more where neither is given, and repeats with the seed", in_time(function()
        local function told(seed)
            local seen
            local rt <close> = sutura.runtime { clock = "virtual", seed = seed }
            rt:run(function()
                local record = recorder.new()
                local sup = rt:supervisor("sup", { event_hook = record.hook, failure_threshold = math.huge })
                sup:add("a", function() error("x", 0) end, { backoff = { min = 10, max = 10 } })
                sup:serve_background()
                sutura.sleep(200)
                seen = {}
                for i, event in ipairs(record.events) do
                    seen[i] = event.delay
                end
            end)
            return seen
        end
        local one = told(7)
        assert.is_true(#one > 10)
        for i, delay in ipairs(one) do
            assert.is_true(delay >= 10 and delay < 15, tostring(delay))
            assert.not_equal(one[i - 1], delay)
        end
        assert.same(one, told(7))
        assert.not_same(one, told(8))
    end))
end)

describe("a child that backs off", function()
    it("is told by the event of its end: restarting, with the delay, and not queued", in_each({
        ["a panic"] = { ends.panic, "service_panic" }, ["an error"] = { ends.error, "service_terminate" },
        ["a plain end"] = { ends.plain, "service_terminate" },
    }, function(rt, case)
        local sup, actors, record = served(rt, { min = 4 })
        actors:cue("a", case[1])
        local event = record:only(case[2])
        assert.same({ true, 4.0, nil, 1.0 }, { event.restarting, event.delay, event.queued, event.current_failures })
        assert.same({ 4.0, nil }, { event:map().delay, event:map().queued })
        actors:cue("b", case[1])
        assert.same({ true }, { record.events[2].restarting, record.events[2].delay, record.events[2].queued })
        assert.equal(2, sup:failures())
    end))

    it("says in its record until when, and that it is not active", in_time(function(rt)
        local sup, actors = served(rt, { min = 4 })
        sutura.sleep(1.5)
        assert.same({ "running" }, { sup:get_child("a").state, sup:get_child("a").next_try })
        actors:cue("a", ends.panic)
        assert.same({ "backing_off", 5.5, 1 }, { sup:get_child("a").state, sup:get_child("a").next_try,
            sup:get_child("a").run })
        assert.same({ 2, 1 }, { sup:count().specs, sup:count().active })
        sutura.sleep(3.999)
        assert.equal("backing_off", sup:get_child("a").state)
        sutura.sleep(0.001)
        settle()
        assert.same({ "running" }, { sup:get_child("a").state, sup:get_child("a").next_try })
        assert.same({ 5.5, 2 }, { sup:get_child("a").started_at, sup:get_child("a").run })
    end))

    it("leaves its siblings alone, and counts in the limits of its supervisor", in_time(function(rt)
        local sup, actors, record = served(rt, { min = 1, max = 1 }, { intensity = 3, period = 100 })
        for i = 1, 3 do
            actors:cue("a", ends.panic)
            assert.same({ i, "a backing_off, b running" }, { sup:failures(), states(sup) })
            sutura.sleep(1)
            settle()
        end
        actors:cue("a", ends.panic)
        assert.same({ false, "terminated" }, { record.events[4].restarting, sup:state() })
        assert.same({ "-a +a -a +a -a +a -a -b" }, { actors:log(), record.events[4].delay })
    end))

    it("starts now by restart, and is not started again when the delay would have passed", in_time(function(rt)
        local sup, actors = served(rt, { min = 5 })
        actors:cue("a", ends.panic)
        sutura.sleep(1)
        assert.is_true(sup:restart("a"))
        settle()
        assert.same({ "-a +a", 1.0 }, { actors:log(), sup:get_child("a").started_at })
        sutura.sleep(100)
        assert.same({ "", 2 }, { actors:log(), sup:get_child("a").run })
    end))

    it("is stopped at once by terminate_child, and never starts", in_time(function(rt)
        local sup, actors = served(rt, { min = 5 })
        actors:cue("a", ends.panic)
        assert.is_true(sup:terminate_child("a"))
        assert.same({ "stopped", 0.0 }, { sup:get_child("a").state, sutura.now() })
        sutura.sleep(100)
        assert.same({ "-a", "stopped" }, { actors:log(), sup:get_child("a").state })
    end))

    it("is gone at once by remove, with and without a wait", in_each({
        remove = "remove", remove_and_wait = "remove_and_wait",
    }, function(rt, method)
        local sup, actors = served(rt, { min = 5 })
        actors:cue("a", ends.panic)
        assert.is_true(sup[method](sup, sup:get_child("a").token))
        assert.same({ "b running", 0.0 }, { states(sup), sutura.now() })
        sutura.sleep(100)
        assert.equal("-a", actors:log())
    end))

    it("is not waited for by a stop, and begins the next life with the others", in_time(function(rt)
        local sup, actors, record, handle = served(rt, { min = 50 })
        actors:cue("a", ends.panic)
        assert.is_nil(sup:stop())
        assert.same({ 0.0, true, nil }, { sutura.now(), handle:wait() })
        assert.same({ "-a -b", { "service_panic sup/a" } }, { actors:log(), record:lines() })
        sutura.sleep(100)
        assert.equal("", actors:log())
        sup:serve_background()
        settle()
        assert.equal("+a +b", actors:log())
    end))
end)

describe("a pause", function()
    it("rules over the delay of the child whose failure begins it", in_time(function(rt)
        local sup, actors, record = served(rt, { min = 40 }, { failure_threshold = 0.5, failure_backoff = 10 })
        actors:cue("a", ends.panic)
        local event = record:only("service_panic")
        assert.same({ false, true, nil }, { event.restarting, event.queued, event.delay })
        assert.same({ nil, true }, { event:map().delay, event:map().queued })
        assert.same({ "queued", 10.0 }, { sup:get_child("a").state, sup:get_child("a").next_try })
        sutura.sleep(10)
        settle()
        assert.same({ "running", "-a +a" }, { sup:get_child("a").state, actors:log() })
    end))

    it("rules over the delay of a child that fails while it lasts, over the threshold or under it", in_each({
        ["over it"] = { 5, 105 }, ["under it"] = { 90, 100 },
    }, function(rt, case)
        local sup, actors, record = served(rt, { min = 400, max = 400 },
            { failure_threshold = 1.5, failure_backoff = 100 })
        actors:cue("b", ends.error)
        actors:cue("b", ends.error)
        sutura.sleep(case[1])
        actors:cue("a", ends.error)
        local event = record:of("service_terminate")[3]
        assert.same({ false, true, nil }, { event.restarting, event.queued, event.delay })
        assert.same({ "queued", case[2] + 0.0 }, { sup:get_child("a").state, sup:get_child("a").next_try })
        sutura.sleep(case[2] - case[1])
        settle()
        assert.equal("a running, b running", states(sup))
    end))

    it("holds one that was backing off already until it ends, however short its delay", in_time(function(rt)
        local sup, actors = served(rt, { min = 2 }, { failure_threshold = 1.5, failure_backoff = 10 })
        actors:cue("a", ends.panic)
        actors:cue("b", ends.panic)
        assert.same({ "paused", "a backing_off, b queued" }, { sup:state(), states(sup) })
        sutura.sleep(2)
        settle()
        assert.same({ "a queued, b queued", 10.0 }, { states(sup), sup:get_child("a").next_try })
        sutura.sleep(8)
        settle()
        assert.same({ "-a -b +b +a", "normal" }, { actors:log(), sup:state() })
    end))

    it("that ends before the delay lets the child wait for the rest of it", in_time(function(rt)
        local sup, actors = served(rt, { min = 30 }, { failure_threshold = 1.5, failure_backoff = 10 })
        actors:cue("a", ends.panic)
        actors:cue("b", ends.panic)
        sutura.sleep(11)
        assert.same({ "normal", "a backing_off, b running" }, { sup:state(), states(sup) })
        sutura.sleep(20)
        assert.equal("a running, b running", states(sup))
    end))
end)
