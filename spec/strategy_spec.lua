-- SPDX-License-Identifier: MIT
--
-- Who restarts with a child that failed, in which order, and what its siblings see of it: the three strategies without
-- anybody's coming between. What comes between is in group_spec.

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
    for _, name in ipairs(names) do
        sup:add(actors:child(name, options and options[name]))
    end
    sup:serve_background()
    settle()
    actors:log()
    return sup, actors, record
end

-- An actor that says "?name" when it has been asked to stop, and takes its time to do so.
local function slow(actors, seconds)
    return function(ctx)
        actors:say("+" .. ctx.name)
        ctx:ready()
        ctx:wait()
        actors:say(("?%s@%g"):format(ctx.name, sutura.now()))
        sutura.shield(sutura.sleep, seconds)
        actors:say("-" .. ctx.name)
    end
end

-- An actor that takes its time to get ready.
local function lazy(actors, seconds)
    return function(ctx)
        actors:say(("+%s@%g"):format(ctx.name, sutura.now()))
        sutura.sleep(seconds)
        return actors.act(ctx)
    end
end

local ABCD = { "a", "b", "c", "d" }

describe("the group of a child that failed", function()
    local LOGS = {
        one_for_one = { a = "-a +a", b = "-b +b", d = "-d +d" },
        one_for_all = { a = "-a -d -c -b +a +b +c +d", b = "-b -d -c -a +a +b +c +d", d = "-d -c -b -a +a +b +c +d" },
        rest_for_one = { a = "-a -d -c -b +a +b +c +d", b = "-b -d -c +b +c +d", d = "-d +d" },
    }

    it("is itself, all, or itself and those behind it: stopped in reverse start order, started in order", in_each({
        one_for_one = "one_for_one", one_for_all = "one_for_all", rest_for_one = "rest_for_one",
    }, function(rt, strategy)
        local sup, actors = served(rt, { strategy = strategy }, ABCD)
        for name, log in pairs(LOGS[strategy]) do
            actors:cue(name, ends.panic)
            assert.equal(log, actors:log())
            assert.equal("a running, b running, c running, d running", states(sup))
        end
    end))

    it("is itself where no strategy is given", in_time(function(rt)
        local sup, actors = served(rt, {}, ABCD)
        actors:cue("b", ends.panic)
        assert.equal("-b +b", actors:log())
        assert.equal("one_for_one", sup:tree().strategy)
    end))

    it("fails once: one event, one failure, and the others are neither blamed nor told of", in_each({
        one_for_all = "one_for_all", rest_for_one = "rest_for_one",
    }, function(rt, strategy)
        local sup, actors, record = served(rt, { strategy = strategy }, ABCD)
        actors:cue("a", ends.error)
        assert.same({ "service_terminate sup/a" }, record:lines())
        assert.same({ true, false, 1.0 }, { record.events[1].restarting, record.events[1].stopping, sup:failures() })
        local failures, runs = {}, {}
        for i, child in ipairs(sup:children()) do
            failures[i], runs[i] = child.failures, child.run
        end
        assert.same({ { 1, 0, 0, 0 }, { 2, 2, 2, 2 } }, { failures, runs })
    end))

    it("keeps its tokens, its places and its settings", in_time(function(rt)
        local sup, actors = served(rt, { strategy = "one_for_all" }, ABCD, { c = { restart = "transient" } })
        local before = sup:services()
        actors:cue("d", ends.panic)
        assert.same(before, sup:services())
        assert.equal("transient", sup:get_child("c").restart)
    end))

    it("of one child is that child", in_each({
        one_for_all = "one_for_all", rest_for_one = "rest_for_one",
    }, function(rt, strategy)
        local sup, actors = served(rt, { strategy = strategy }, { "a" })
        actors:cue("a", ends.plain)
        assert.same({ "-a +a", "a running" }, { actors:log(), states(sup) })
    end))
end)

describe("the members of a group", function()
    it("are asked one at a time, each when the one behind it has ended", in_time(function(rt)
        local sup, actors = served(rt, { strategy = "one_for_all" }, {})
        for i, name in ipairs(ABCD) do
            sup:add(actors:child(name, name ~= "b" and { run = slow(actors, i) } or nil))
        end
        settle()
        actors:log()
        actors:cue("b", ends.panic)
        sutura.sleep(10)
        assert.equal("-b ?d@0 -d ?c@4 -c ?a@7 -a +a +b +c +d", actors:log())
    end))

    it("are asked together under stop_order parallel, and start when the last has ended", in_time(function(rt)
        local sup, actors = served(rt, { strategy = "one_for_all", stop_order = "parallel" }, {})
        for i, name in ipairs(ABCD) do
            sup:add(actors:child(name, name ~= "b" and { run = slow(actors, i) } or nil))
        end
        settle()
        actors:log()
        actors:cue("b", ends.panic)
        sutura.sleep(10)
        assert.equal("-b ?d@0 ?c@0 ?a@0 -a -c -d +a +b +c +d", actors:log())
    end))

    it("start one at a time, each when the one before it is ready", in_time(function(rt)
        local sup, actors = served(rt, { strategy = "rest_for_one" }, {})
        for i, name in ipairs(ABCD) do
            sup:add(actors:child(name, { run = lazy(actors, i) }))
        end
        sutura.sleep(10)
        actors:log()
        actors:cue("b", ends.panic)
        sutura.sleep(10)
        assert.equal("-b -d -c +b@10 +b +c@12 +c +d@15 +d", actors:log())
    end))

    it("that wait are restarting, and say for whom they wait", in_time(function(rt)
        local sup, actors = served(rt, { strategy = "one_for_all" }, {})
        for _, name in ipairs(ABCD) do
            sup:add(actors:child(name, name == "c" and { run = slow(actors, 5) } or nil))
        end
        settle()
        actors:cue("b", ends.panic)
        assert.equal("a running, b restarting, c stopping, d restarting", states(sup))
        assert.same({ "c to stop", "c to stop" }, { sup:children()[2].waiting_for, sup:children()[4].waiting_for })
        assert.same({ 4, 2 }, { sup:count().specs, sup:count().active })
        sutura.sleep(6)
        assert.equal("a running, b running, c running, d running", states(sup))
        assert.is_nil(sup:children()[4].waiting_for and sup:children()[4].waiting_for:match("to stop"))
    end))

    it("are told why, and in the next run again: restarted with their group", in_time(function(rt)
        local sup = served(rt, { strategy = "one_for_all" }, {})
        local causes, errors, fail = {}, {}, nil
        for _, name in ipairs { "a", "b", "c" } do
            sup:add(name, function(ctx)
                errors[name] = ctx.last_error
                local cue = name == "b" and sutura.await(function(resume) fail = resume end)
                if cue then
                    error("the engine broke", 0)
                end
                ctx:wait()
                causes[name] = ctx:cause()
            end)
        end
        settle()
        fail(true)
        settle()
        assert.same({ a = "restarted with its group", c = "restarted with its group" }, causes)
        assert.same({ a = "restarted with its group", b = "the engine broke", c = "restarted with its group" }, errors)
        assert.equal("restarted with its group", sup:get_child("a").last_error)
    end))

    it("that fail while they stop are told with stopping, and counted no more", in_time(function(rt)
        local sup, actors, record = served(rt, { strategy = "one_for_all", intensity = 1 }, {})
        local function breaks(ctx)
            actors:say("+" .. ctx.name)
            ctx:ready()
            ctx:wait()
            error("on the way out", 0)
        end
        sup:add(actors:child("a", { run = breaks }))
        sup:add(actors:child("b"))
        sup:add(actors:child("c", { run = breaks }))
        settle()
        actors:log()
        actors:cue("b", ends.panic)
        assert.equal("-b +a +b +c", actors:log())
        assert.same({ "service_panic sup/b", "service_panic sup/c", "service_panic sup/a" }, record:lines())
        assert.same({ true, false, 1.0 }, { record.events[2].stopping, record.events[2].restarting,
            record.events[3].current_failures })
        assert.equal(1, sup:failures())
    end))

    it("that want no more restart while they stop are forgotten", in_time(function(rt)
        local sup, actors = served(rt, { strategy = "one_for_all" }, {})
        sup:add(actors:child("a", { run = function(ctx) ctx:ready() ctx:wait() return sutura.DO_NOT_RESTART end }))
        sup:add(actors:child("b"))
        settle()
        actors:cue("b", ends.panic)
        assert.equal("b running", states(sup))
    end))

    it("that end by themselves while the group stops enlarge it, and count", in_time(function(rt)
        local sup, actors, record = served(rt, { strategy = "rest_for_one" }, { "a", "b" })
        sup:add(actors:child("c", { run = slow(actors, 5) }))
        settle()
        actors:log()
        actors:cue("b", ends.panic)
        actors:cue("a", ends.panic)
        assert.equal("a restarting, b restarting, c stopping", states(sup))
        sutura.sleep(6)
        assert.equal("-b ?c@0 -a -c +a +b +c", actors:log())
        assert.equal(2, #record:of("service_panic"))
        assert.is_true(record.events[2].restarting)
    end))
end)

describe("a sibling that is", function()
    local BOTH = { one_for_all = "one_for_all", rest_for_one = "rest_for_one" }

    it("temporary is stopped with the group and forgotten, without an event", in_each(BOTH, function(rt, strategy)
        local sup, actors, record = served(rt, { strategy = strategy }, ABCD,
            { b = { restart = "temporary" }, d = { restart = "temporary" } })
        actors:cue("a", ends.panic)
        assert.equal("-a -d -c -b +a +c", actors:log())
        assert.equal("a running, c running", states(sup))
        assert.same({ "service_panic sup/a" }, record:lines())
        assert.same({ nil, sutura.ERR_UNKNOWN_SERVICE }, { sup:get_child("b") })
    end))

    it("temporary and fails takes nobody with it", in_each(BOTH, function(rt, strategy)
        local sup, actors, record = served(rt, { strategy = strategy }, ABCD, { a = { restart = "temporary" } })
        actors:cue("a", ends.panic)
        assert.equal("-a", actors:log())
        assert.equal("b running, c running, d running", states(sup))
        assert.same({ false, 0.0 }, { record:only("service_panic").restarting, sup:failures() })
    end))

    it("transient and has ended, or was terminated by hand, starts again with the group", in_each(BOTH,
        function(rt, strategy)
            local sup, actors = served(rt, { strategy = strategy }, ABCD, { b = { restart = "transient" } })
            actors:cue("b", ends.plain)
            assert.is_true(sup:terminate_child("d"))
            assert.equal("a running, b stopped, c running, d stopped", states(sup))
            actors:log()
            actors:cue("a", ends.panic)
            assert.equal("-a -c +a +b +c +d", actors:log())
            assert.equal("a running, b running, c running, d running", states(sup))
        end))

    it("stopped, and not in the group, stays so", in_time(function(rt)
        local sup, actors = served(rt, { strategy = "rest_for_one" }, ABCD, { a = { restart = "transient" } })
        actors:cue("a", ends.plain)
        sup:terminate_child("b")
        actors:log()
        actors:cue("c", ends.panic)
        assert.equal("-c -d +c +d", actors:log())
        assert.equal("a stopped, b stopped, c running, d running", states(sup))
    end))

    it("not resumed yet when its group restarts begins its first run with the others", in_time(function(rt)
        local sup, actors = served(rt, { strategy = "one_for_all" }, { "a", "b" })
        actors.cues.a(ends.panic)
        sup:add(actors:child("c"))
        settle()
        assert.equal("-a -b +a +b +c", actors:log())
        assert.same({ 2, 2, 1 }, { sup:children()[1].run, sup:children()[2].run, sup:children()[3].run })
    end))

    it("a supervisor restarts with all that it has", in_each(BOTH, function(rt, strategy)
        local inner_actors = troupe.new()
        local sup, actors = served(rt, { strategy = strategy }, { "a" })
        local inner = rt:supervisor("inner", { children = { inner_actors:child("x"), inner_actors:child("y") } })
        sup:add(inner)
        sup:add(actors:child("z"))
        settle()
        assert.equal("+x +y", inner_actors:log())
        actors:log()
        actors:cue("a", ends.panic)
        assert.equal("-y -x +x +y", inner_actors:log())
        assert.equal("-a -z +a +z", actors:log())
        assert.same({ "normal", 2, 0 }, { inner:state(), sup:get_child("inner").run, inner:failures() })
        inner_actors:cue("x", ends.panic)
        assert.equal("-x +x", inner_actors:log())
        assert.equal("", actors:log())
    end))

    it("a supervisor that gives up takes its group with it", in_time(function(rt)
        local inner_actors = troupe.new()
        local sup, actors, record = served(rt, { strategy = "one_for_all" }, { "a" })
        sup:add(rt:supervisor("inner", { intensity = 0, children = { inner_actors:child("x") } }))
        settle()
        actors:log()
        inner_actors:cue("x", ends.panic)
        assert.equal("+x -x +x", inner_actors:log())
        assert.equal("-a +a", actors:log())
        assert.same({ "service_panic sup/inner/x", "escalate sup/inner", "service_terminate sup/inner" },
            record:lines())
    end))
end)

describe("a start that fails while a group restarts", function()
    local function broken_second(rt, strategy, times)
        local sup, actors, record = served(rt, { strategy = strategy, failure_threshold = 100 }, ABCD)
        actors.fails.c = function()
            times = times - 1
            actors.fails.c = times > 0 and actors.fails.c or nil
            return nil, "no " .. times
        end
        actors:cue("b", ends.panic)
        return sup, actors, record
    end

    it("makes one_for_all stop all that had started, in reverse, and try again", in_time(function(rt)
        local sup, actors, record = broken_second(rt, "one_for_all", 2)
        assert.equal("-b -d -c -a +a +b +c -c -b -a +a +b +c -c -b -a +a +b +c +d", actors:log())
        assert.equal("a running, b running, c running, d running", states(sup))
        assert.same({ 3.0, 3, 1, 2 }, { sup:failures(), #record.events, sup:get_child("b").failures,
            sup:get_child("c").failures })
        assert.equal("no 0", record.events[3].error)
    end))

    it("makes rest_for_one try again from there, and leave the earlier ones alone", in_time(function(rt)
        local sup, actors = broken_second(rt, "rest_for_one", 2)
        assert.equal("-b -d -c +b +c -c +c -c +c +d", actors:log())
        assert.equal("a running, b running, c running, d running", states(sup))
        assert.same({ 1, 2, 4, 2 }, { sup:get_child("a").run, sup:get_child("b").run, sup:get_child("c").run,
            sup:get_child("d").run })
        assert.equal(3, sup:failures())
    end))

    it("is let by who wants no more restart, and the others go on", in_time(function(rt)
        local sup, actors, record = served(rt, { strategy = "one_for_all" }, ABCD)
        actors.fails.b = ends.do_not_restart
        actors:cue("d", ends.panic)
        assert.equal("-d -c -b -a +a +b -b +c +d", actors:log())
        assert.equal("a running, c running, d running", states(sup))
        assert.same({ "service_panic sup/d" }, record:lines())
    end))
end)

describe("a group of a thousand", function()
    it("stops in reverse and starts in order, with a failure at either end", in_each({
        ["one_for_all, first"] = { "one_for_all", 1 }, ["one_for_all, last"] = { "one_for_all", 1000 },
        ["rest_for_one, first"] = { "rest_for_one", 1 }, ["in parallel"] = { "one_for_all", 1, "parallel" },
    }, function(rt, case)
        local names = {}
        for i = 1, 1000 do
            names[i] = ("n%d"):format(i)
        end
        local sup, actors = served(rt, { strategy = case[1], stop_order = case[3] }, names)
        sup:wait_ready()
        actors:log()
        actors:cue(names[case[2]], ends.panic)
        sup:wait_ready()
        local expected = { "-" .. names[case[2]] }
        for i = 1000, 1, -1 do
            expected[#expected + 1] = i ~= case[2] and "-" .. names[i] or nil
        end
        for i = 1, 1000 do
            expected[#expected + 1] = "+" .. names[i]
        end
        assert.equal(table.concat(expected, " "), actors:log())
        assert.same({ 1000, 1 }, { sup:count().active, sup:failures() })
    end))
end)
