-- SPDX-License-Identifier: MIT
--
-- When a supervisor gives up: OTP's window of restarts, so many pauses in a row, and what giving up means for the
-- children, for serve and for the parent.

local recorder = require "spec.support.recorder"
local sutura = require "sutura"
local troupe = require "spec.support.troupe"
local virtual = require "spec.support.virtual"

local settle, in_time, in_each = virtual.settle, virtual.test, virtual.each
local states, ends = troupe.states, troupe.ends

-- A served supervisor of actors with these names, and what is needed to watch it.
local function served(rt, spec, names, options)
    local actors = troupe.new()
    local sup, record = recorder.supervisor(rt, "sup", spec)
    for _, name in ipairs(names or { "a" }) do
        sup:add(actors:child(name, options and options[name]))
    end
    local handle = sup:serve_background()
    settle()
    actors:log()
    return sup, actors, record, handle
end

-- Makes the actor "a" panic at each of these times.
local function panic_at(actors, times)
    for _, at in ipairs(times) do
        sutura.sleep(at - sutura.now())
        actors:cue("a", ends.panic)
    end
end

local function all_in(events, field)
    local values = {}
    for i, event in ipairs(events) do
        values[i] = event[field]
    end
    return values
end

describe("the window", function()
    it("tolerates so many restarts, and the next one gives up", in_each({ [0] = 0, 1, 2, 7 }, function(rt, intensity)
        local sup, actors, record, handle = served(rt, { intensity = intensity })
        for i = 1, intensity do
            actors:cue("a", ends.panic)
            assert.same({ "normal", i }, { sup:state(), sup:failures() })
        end
        actors:cue("a", ends.panic)
        assert.equal("terminated", sup:state())
        assert.is_true(sutura.is(select(2, handle:wait(0)), sutura.ERR_TOO_MANY_RESTARTS))
        assert.equal(intensity + 2, #record.events)
    end))

    it("is five seconds long with an intensity alone, and tolerates one restart with a period alone", in_time(
        function(rt)
            local sup = rt:supervisor("sup", { intensity = 3 })
            assert.same({ 3, 5.0 }, { sup:tree().intensity, sup:tree().period })
            local other = rt:supervisor("sup", { period = 7 })
            assert.same({ 1, 7.0 }, { other:tree().intensity, other:tree().period })
            assert.is_nil(other:tree().failure_decay)
        end))

    it("counts a restart that is exactly a period old, and none that is older", in_each({
        ["a period"] = { { 0, 1, 5 }, "terminated" },
        ["a nanosecond more"] = { { 0, 1, 5 + 1e-9 }, "normal" },
        ["one falls out at a time"] = { { 0, 4, 6, 10, 12, 16, 18 }, "normal" },
        ["two periods of none"] = { { 0, 1, 20, 21, 40, 41 }, "normal" },
        ["three at one instant"] = { { 3, 3, 3 }, "terminated" },
    }, function(rt, case)
        local sup, actors = served(rt, { intensity = 2, period = 5 })
        panic_at(actors, case[1])
        assert.equal(case[2], sup:state())
    end))

    it("knows no pauses and no half-life", in_time(function(rt)
        local sup, actors, record = served(rt, { intensity = 20, period = 100 })
        for i = 1, 20 do
            actors:cue("a", ends.panic)
            sutura.sleep(1)
            assert.same({ "normal", i }, { sup:state(), sup:failures() })
        end
        assert.same({}, record:of("backoff"))
        sutura.sleep(79.5)
        assert.equal(20, sup:failures())
        sutura.sleep(1)
        assert.equal(19, sup:failures())
        sutura.sleep(100)
        assert.equal(0, sup:failures())
    end))

    it("is in the events as restarts in it and the intensity", in_time(function(rt)
        local _, actors, record = served(rt, { intensity = 2, period = 5 })
        panic_at(actors, { 0, 3, 5.5, 6 })
        local panics = record:of("service_panic")
        assert.same({ 1.0, 2.0, 2.0, 3.0 }, all_in(panics, "current_failures"))
        assert.same({ 2.0, 2.0, 2.0, 2.0 }, all_in(panics, "failure_threshold"))
        assert.same({ true, true, true, false }, all_in(panics, "restarting"))
    end))

    it("counts what restarts, not what ends", in_time(function(rt)
        local sup, actors = served(rt, { intensity = 0 }, { "a", "b", "c", "d", "e" }, {
            a = { restart = "transient" }, b = { restart = "temporary" }, c = { restart = "temporary" },
        })
        actors:cue("a", ends.plain)
        actors:cue("b", ends.panic)
        actors:cue("c", ends.error)
        actors:cue("d", ends.do_not_restart)
        sup:restart("e")
        sup:terminate_child("e")
        sup:restart_child("e")
        settle()
        assert.same({ "a stopped, e running", 0 }, { states(sup), sup:failures() })
    end))

    it("counts starts that fail, and a whole group once", in_time(function(rt)
        local sup, actors, _, handle = served(rt, { intensity = 3, strategy = "one_for_all" }, { "a", "b", "c" })
        actors:cue("b", ends.panic)
        assert.equal(1, sup:failures())
        actors.fails.b = function() error("cannot", 0) end
        actors:cue("c", ends.panic)
        assert.equal("terminated", sup:state())
        local _, err = handle:wait()
        assert.equal("cannot", err.cause)
        assert.equal("-b -c -a +a +b +c -c -b -a +a +b -b -a +a +b -b -a", actors:log())
    end))

    it("is empty in a new life", in_time(function(rt)
        local sup, actors, record = served(rt, { intensity = 1 })
        actors:cue("a", ends.panic)
        actors:cue("a", ends.panic)
        record:forget()
        sup:serve_background()
        settle()
        assert.same({ "normal", 0 }, { sup:state(), sup:failures() })
        actors:cue("a", ends.panic)
        assert.same({ "normal", 1 }, { sup:state(), sup:failures() })
    end))

    it("is each supervisor's own", in_time(function(rt)
        local sup, actors = served(rt, { intensity = 1 })
        local inner_actors = troupe.new()
        sup:add(rt:supervisor("inner", { intensity = 1, children = { inner_actors:child("a") } }))
        settle()
        actors:cue("a", ends.panic)
        inner_actors:cue("a", ends.panic)
        assert.same({ "normal", 1 }, { sup:state(), sup:failures() })
    end))

    it("may tolerate a million", in_time(function(rt)
        local sup, actors = served(rt, { intensity = 1000000, period = 1 })
        for _ = 1, 100 do
            actors:cue("a", ends.panic)
        end
        assert.equal(100, sup:failures())
    end))
end)

describe("giving up", function()
    it("tells the failure with restarting false, and then escalate with what serve returns", in_time(function(rt)
        local _, actors, record, handle = served(rt, { intensity = 1, period = 2 })
        actors:cue("a", ends.panic)
        actors:cue("a", ends.error)
        assert.same({ "service_panic sup/a", "service_terminate sup/a", "escalate sup" }, record:lines())
        local failure, escalate = record.events[2], record.events[3]
        assert.same({ false, false, "broken" }, { failure.restarting, failure.stopping, failure.error })
        assert.equal("more than 1 restart in 2 s", escalate.reason)
        assert.equal(select(2, handle:wait()), escalate.error)
        assert.equal(tostring(escalate.error), escalate.error_msg)
        assert.same({ nil, nil, "sup" }, { escalate.service, escalate.token, escalate.supervisor_name })
    end))

    it("makes serve return an error that names the child and has its failure as the cause", in_each({
        ["a panic"] = { ends.panic, "broken" }, ["an error"] = { ends.error, "broken" },
        ["a plain end"] = { ends.plain, nil },
        ["a table"] = { function() error({ code = 7 }) end, { code = 7 } },
        ["an error object"] = { function() return sutura.wrap("disk", "full") end, sutura.wrap("disk", "full") },
        ["false"] = { function() error(false) end, false },
    }, function(rt, case)
        local _, actors, _, handle = served(rt, { intensity = 0 })
        actors:cue("a", case[1])
        local ended, err = handle:wait()
        assert.is_true(ended)
        assert.is_true(sutura.is(err, sutura.ERR_TOO_MANY_RESTARTS))
        assert.is_false(sutura.is(err, sutura.ERR_START_FAILED))
        assert.matches("sup/a", tostring(err), 1, true)
        assert.same(case[2], err.cause)
    end))

    it("stops the children in order, one by one in reverse or together", in_each({
        reverse = { "reverse", "-b ?c@0 -c ?a@2 -a" }, parallel = { "parallel", "-b ?c@0 ?a@0 -a -c" },
    }, function(rt, case)
        local sup, actors, _, handle = served(rt, { intensity = 0, stop_order = case[1] }, {})
        for name, seconds in pairs { a = 1, b = 0, c = 2 } do
            actors.fails[name] = seconds > 0 and function(ctx)
                ctx:ready()
                ctx:wait()
                actors:say(("?%s@%g"):format(name, sutura.now()))
                sutura.shield(sutura.sleep, seconds)
            end
        end
        for _, name in ipairs { "a", "b", "c" } do
            sup:add(actors:child(name))
        end
        settle()
        actors:log()
        actors:cue("b", ends.panic)
        assert.equal("stopping", sup:state())
        assert.same({ nil, sutura.ERR_NOT_RUNNING }, { sup:add(actors:child("d")) })
        assert.is_true((handle:wait()))
        assert.equal(case[2], actors:log())
    end))

    it("tells the others why they stop", in_time(function(rt)
        local sup, actors, _, handle = served(rt, { intensity = 0 })
        local cause
        sup:add("b", function(ctx) ctx:wait() cause = ctx:cause() end)
        settle()
        actors:cue("a", ends.panic)
        assert.equal(select(2, handle:wait()), cause)
    end))

    it("is a failure of that child for the parent, which has its own policy", in_time(function(rt)
        local sup, actors, record, handle = served(rt, { intensity = 1, strategy = "one_for_all" })
        local inner_actors = troupe.new()
        sup:add(rt:supervisor("inner", { intensity = 0, children = { inner_actors:child("x") } }))
        settle()
        inner_actors:cue("x", ends.panic)
        assert.equal("+x -x +x", inner_actors:log())
        assert.equal("-a +a", actors:log())
        assert.same({ "service_panic sup/inner/x", "escalate sup/inner", "service_terminate sup/inner" },
            record:lines())
        local seen = record.events[3]
        assert.same({ true, 1.0 }, { seen.restarting, seen.current_failures })
        assert.equal(record.events[2].error, seen.error)
        inner_actors:cue("x", ends.panic)
        assert.is_true((handle:wait(0)))
        local _, err = handle:wait()
        assert.matches("sup/inner", tostring(err), 1, true)
        assert.is_true(sutura.is(err.cause, sutura.ERR_TOO_MANY_RESTARTS))
        assert.equal("broken", err.cause.cause)
        assert.same({ "sup/inner", "sup/inner", "sup" }, all_in(record:of("escalate"), "path"))
        assert.equal("terminated", sup:state())
    end))

    it("of a transient child supervisor restarts it, of a temporary one forgets it", in_each({
        transient = { "transient", "inner running" }, temporary = { "temporary", "" },
    }, function(rt, case)
        local sup = served(rt, {}, {})
        local actors = troupe.new()
        sup:add { restart = case[1],
            run = rt:supervisor("inner", { intensity = 0, children = { actors:child("x") } }) }
        settle()
        actors:cue("x", ends.panic)
        assert.equal(case[2], states(sup))
    end))

    it("brings back the children of the spec and what was added, but not what was added as temporary", in_time(
        function(rt)
            local actors = troupe.new()
            local inner = rt:supervisor("inner", { intensity = 0, children = {
                actors:child("fixed"), actors:child("fixed-temporary", { restart = "temporary" }),
                actors:child("fixed-transient", { restart = "transient" }),
            } })
            local sup, record = recorder.supervisor(rt, "sup", {})
            sup:add(inner)
            sup:serve_background()
            inner:add(actors:child("added"))
            inner:add(actors:child("added-temporary", { restart = "temporary" }))
            inner:add(actors:child("added-transient", { restart = "transient" }))
            settle()
            actors:cue("fixed-temporary", ends.plain)
            actors:cue("fixed-transient", ends.plain)
            inner:terminate_child("added-transient")
            assert.equal("fixed running, fixed-transient stopped, added running, added-temporary running, "
                .. "added-transient stopped", states(inner))
            actors:cue("fixed", ends.panic)
            assert.equal("fixed running, fixed-temporary running, fixed-transient running, added running, "
                .. "added-transient running", states(inner))
            assert.equal(1, #record:of("escalate"))
        end))

    it("while a stop is under way does not happen", in_time(function(rt)
        local sup, actors, record, handle = served(rt, { intensity = 0 }, { "a", "b" })
        actors.cues.a(ends.panic)
        sup:stop()
        assert.same({ true, nil }, { handle:wait() })
        assert.same({}, record:of("escalate"))
    end))
end)

describe("pauses in a row", function()
    -- A supervisor that pauses at every failure, for 10 seconds.
    local function pausing(rt, spec)
        spec.failure_threshold, spec.failure_backoff = spec.failure_threshold or 0.5, spec.failure_backoff or 10
        return served(rt, spec)
    end

    it("are tolerated so many times, and the failure that would begin the next one gives up", in_each({ 1, 2, 5 },
        function(rt, count)
            local sup, actors, record, handle = pausing(rt, { escalate_after = count })
            for _ = 1, count do
                actors:cue("a", ends.panic)
                assert.equal("paused", sup:state())
                sutura.sleep(11)
                assert.equal("normal", sup:state())
            end
            record:forget()
            actors:cue("a", ends.error)
            assert.same({ "service_terminate sup/a", "escalate sup" }, record:lines())
            local failure, escalate = record.events[1], record.events[2]
            assert.same({ false, 1.0, 0.5 }, { failure.restarting, failure.current_failures,
                failure.failure_threshold })
            assert.is_nil(failure.queued)
            assert.equal(("paused %d time%s in a row"):format(count, count == 1 and "" or "s"), escalate.reason)
            local _, err = handle:wait()
            assert.is_true(sutura.is(err, sutura.ERR_TOO_MANY_RESTARTS))
            assert.same({ "broken", "terminated" }, { err.cause, sup:state() })
            assert.matches("sup/a", tostring(err), 1, true)
        end))

    it("are not in a row when the half-life has passed without a failure since the last pause", in_each({
        ["all of it"] = { 30, "paused" }, ["nearly all"] = { 30 - 1e-3, "terminated" },
        ["with a long pause"] = { 100, "paused", { failure_backoff = 100 } },
        ["nearly as long as the pause"] = { 99.9, "terminated", { failure_backoff = 100 } },
        ["however long, without decay"] = { 1e6, "terminated", { failure_decay = math.huge } },
    }, function(rt, case)
        local spec = case[3] or {}
        spec.escalate_after = 1
        local sup, actors, record = pausing(rt, spec)
        actors:cue("a", ends.panic)
        sutura.sleep(spec.failure_backoff)
        settle()
        assert.equal(sutura.now(), record:only("resume").time)
        sutura.sleep(case[1])
        actors:cue("a", ends.panic)
        assert.equal(case[2], sup:state())
    end))

    it("are broken by quiet before a failure under the threshold, not by that failure", in_time(function(rt)
        local sup, actors = pausing(rt, { escalate_after = 1, failure_threshold = 1.5 })
        actors:cue("a", ends.panic)
        actors:cue("a", ends.panic)
        assert.equal("paused", sup:state())
        sutura.sleep(20)
        actors:cue("a", ends.panic)
        sutura.sleep(25)
        assert.equal("normal", sup:state())
        actors:cue("a", ends.panic)
        assert.equal("terminated", sup:state())
    end))

    it("are one where failures prolong it", in_time(function(rt)
        local sup, actors, record = served(rt, { escalate_after = 1, failure_threshold = 0.5, failure_backoff = 10 },
            { "a", "b", "c" })
        for _, name in ipairs { "a", "b", "c" } do
            actors:cue(name, ends.panic)
            sutura.sleep(9)
        end
        assert.same({ "paused", 3 }, { sup:state(), #record:of("backoff") })
        sutura.sleep(2)
        assert.equal("normal", sup:state())
        actors:cue("b", ends.panic)
        assert.equal("terminated", sup:state())
    end))

    it("of 0 seconds count too", in_time(function(rt)
        local sup, actors, record = pausing(rt, { escalate_after = 3, failure_backoff = 0 })
        actors.fails.a = ends.error
        actors:cue("a", ends.panic)
        assert.same({ "terminated", 3, 4 }, { sup:state(), #record:of("backoff"),
            #record:of("service_panic") + #record:of("service_terminate") })
    end))

    it("begin anew in a new life", in_time(function(rt)
        local sup, actors = pausing(rt, { escalate_after = 1, failure_decay = math.huge })
        actors:cue("a", ends.panic)
        sup:stop()
        sup:serve_background()
        settle()
        actors:cue("a", ends.panic)
        assert.equal("paused", sup:state())
    end))
end)
