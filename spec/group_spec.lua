-- SPDX-License-Identifier: MIT
--
-- What may come between while a group restarts: calls, further failures, a sibling that hangs, a pause, a delay of a
-- child's own. Who belongs to a group, and in which order it restarts, is in strategy_spec.

local recorder = require "spec.support.recorder"
local sutura = require "sutura"
local troupe = require "spec.support.troupe"
local virtual = require "spec.support.virtual"

local settle, in_time, in_each = virtual.settle, virtual.test, virtual.each
local states, ends = troupe.states, troupe.ends

-- An actor that takes so long to stop, and one that takes so long to get ready.
local function slow(actors, seconds)
    return { run = function(ctx)
        actors:say("+" .. ctx.name)
        ctx:ready()
        ctx:wait()
        actors:say("?" .. ctx.name)
        sutura.shield(sutura.sleep, seconds)
        actors:say("-" .. ctx.name)
    end }
end

local function lazy(actors, seconds)
    return { run = function(ctx)
        if ctx.run > 1 then
            actors:say("..." .. ctx.name)
            sutura.sleep(seconds)
        end
        return actors.act(ctx)
    end }
end

-- A served supervisor of a, b and c, of which some are special; a has failed, unless it is told not to.
local function failed(rt, spec, special, later)
    local actors = troupe.new()
    spec.strategy = spec.strategy or "one_for_all"
    local sup, record = recorder.supervisor(rt, "sup", spec)
    for _, name in ipairs { "a", "b", "c" } do
        local make = special[name]
        sup:add(actors:child(name, type(make) == "function" and make(actors, 5) or make))
    end
    local handle = sup:serve_background()
    settle()
    actors:log()
    if not later then
        actors:cue("a", ends.panic)
    end
    return sup, actors, record, handle
end

describe("while a group stops,", function()
    it("a stop ends it: nobody starts again", in_time(function(rt)
        local sup, actors, record, handle = failed(rt, {}, { b = slow })
        assert.equal("a restarting, b stopping, c restarting", states(sup))
        assert.is_nil(sup:stop())
        assert.equal("-a -c ?b -b", actors:log())
        assert.same({ "terminated", true, nil }, { sup:state(), handle:wait() })
        assert.same({ "service_panic sup/a" }, record:lines())
    end))

    it("a child that is added starts at once, and is not of the group", in_time(function(rt)
        local sup, actors = failed(rt, {}, { b = slow })
        sup:add(actors:child("d"))
        settle()
        assert.equal("a restarting, b stopping, c restarting, d running", states(sup))
        sutura.sleep(5)
        settle()
        assert.equal("-a -c ?b +d -b +a +b +c", actors:log())
    end))

    it("a member that waits can be removed", in_time(function(rt)
        local sup, actors = failed(rt, {}, { b = slow })
        assert.is_true(sup:remove_and_wait(sup:get_child("a").token))
        assert.equal("b stopping, c restarting", states(sup))
        sutura.sleep(5)
        settle()
        assert.equal("-a -c ?b -b +b +c", actors:log())
        assert.equal("b running, c running", states(sup))
    end))

    it("a member that stops can be removed, and the group goes on when it has ended", in_time(function(rt)
        local sup, actors = failed(rt, {}, { b = slow })
        assert.is_true(sup:remove_and_wait(sup:get_child("b").token))
        settle()
        assert.equal("-a -c ?b -b +a +c", actors:log())
        assert.equal("a running, c running", states(sup))
    end))

    it("a member that is not asked yet can be removed, and the group waits for its end", in_time(function(rt)
        local sup, actors = failed(rt, {}, { b = slow, c = slow })
        assert.is_true(sup:remove(sup:get_child("b").token))
        settle()
        assert.equal("-a ?c ?b", actors:log())
        sutura.sleep(5)
        settle()
        assert.equal("a running, c running", states(sup))
    end))

    it("a member terminated by hand does not start with it", in_time(function(rt)
        local sup, actors = failed(rt, {}, { b = slow })
        assert.is_true(sup:terminate_child("c"))
        assert.equal("a restarting, b stopping, c stopped", states(sup))
        assert.is_true(sup:terminate_child("b"))
        settle()
        assert.equal("-a -c ?b -b +a", actors:log())
        assert.equal("a running, b stopped, c stopped", states(sup))
        assert.is_true(sup:restart_child("b"))
        settle()
        assert.equal("a running, b running, c stopped", states(sup))
    end))

    it("the answers of the administration are those for restarting and running children", in_time(function(rt)
        local sup = failed(rt, {}, { b = slow })
        assert.same({ nil, sutura.ERR_RESTARTING }, { sup:restart_child("a") })
        assert.same({ nil, sutura.ERR_RESTARTING }, { sup:delete_child("a") })
        assert.same({ nil, sutura.ERR_RUNNING }, { sup:restart_child("b") })
        assert.same({ nil, sutura.ERR_RUNNING }, { sup:delete_child("b") })
    end))

    it("a restart of a member changes nothing: it starts in its turn", in_time(function(rt)
        local sup, actors = failed(rt, {}, { b = slow })
        for _, name in ipairs { "a", "b", "c" } do
            assert.is_true(sup:restart(name))
        end
        sutura.sleep(5)
        settle()
        assert.equal("-a -c ?b -b +a +b +c", actors:log())
        assert.same({ 2, 2, 2 }, { sup:get_child("a").run, sup:get_child("b").run, sup:get_child("c").run })
    end))

    it("a restart of one that has not been asked yet stops it, and it waits for the group", in_time(function(rt)
        local sup, actors = failed(rt, {}, { b = slow, c = slow })
        sup:restart("b")
        sutura.sleep(4)
        assert.equal("-a ?c ?b", actors:log())
        sutura.sleep(2)
        assert.equal("-c -b +a +b +c", actors:log())
    end))

    it("a change of the strategy is for the next failure", in_time(function(rt)
        local sup, actors = failed(rt, {}, { b = slow })
        assert.is_true(sup:update { strategy = "one_for_one" })
        sutura.sleep(5)
        settle()
        assert.equal("-a -c ?b -b +a +b +c", actors:log())
        actors:cue("a", ends.panic)
        assert.equal("-a +a", actors:log())
    end))

    it("TERMINATE_TREE of who is not of it ends the supervisor", in_time(function(rt)
        local sup, actors, _, handle = failed(rt, { strategy = "rest_for_one" }, { c = slow }, true)
        actors:cue("b", ends.panic)
        actors:cue("a", ends.terminate_tree)
        sutura.sleep(5)
        assert.same({ true, sutura.TERMINATE_TREE }, { handle:wait() })
        assert.equal("-b ?c -a -c", actors:log())
        assert.equal("terminated", sup:state())
    end))
end)

describe("while a group starts,", function()
    it("the ones behind wait, as starting, for the one that is not ready", in_time(function(rt)
        local sup, actors = failed(rt, {}, { b = lazy })
        assert.equal("a running, b starting, c restarting", states(sup))
        assert.equal("b to be ready", sup:get_child("c").waiting_for)
        assert.same({ nil, sutura.ERR_TIMEOUT }, { sup:wait_ready(1) })
        assert.is_true(sup:wait_ready())
        assert.equal("-a -c -b +a ...b +b +c", actors:log())
    end))

    it("a stop ends it in reverse", in_time(function(rt)
        local sup, actors = failed(rt, {}, { b = lazy })
        assert.is_nil(sup:stop())
        assert.equal("-a -c -b +a ...b -a", actors:log())
    end))

    it("a failure of one that has started begins it again", in_time(function(rt)
        local sup, actors = failed(rt, {}, { b = lazy })
        sutura.sleep(1)
        actors:cue("a", ends.panic)
        assert.equal("-a -c -b +a ...b -a +a ...b", actors:log())
        sutura.sleep(6)
        assert.equal("a running, b running, c running", states(sup))
        assert.same({ "+b +c", 2.0 }, { actors:log(), math.ceil(sup:failures()) })
    end))

    it("the one that keeps the others waiting can be removed, terminated or restarted", in_each({
        remove = { function(sup) return sup:remove(sup:get_child("b").token) end, "a running, c running" },
        terminate = { function(sup) return sup:terminate_child("b") end, "a running, b stopped, c running" },
        restart = { function(sup) return sup:restart("b") end, "a running, b starting, c restarting" },
    }, function(rt, case)
        local sup = failed(rt, {}, { b = lazy })
        assert.is_true(case[1](sup))
        settle()
        assert.equal(case[2], states(sup))
        sutura.sleep(6)
        assert.equal("running", sup:get_child("c").state)
    end))

    it("a member that still waits can be removed or terminated", in_time(function(rt)
        local sup, actors = failed(rt, {}, { a = lazy })
        assert.is_true(sup:terminate_child("c"))
        assert.is_true(sup:remove(sup:get_child("b").token))
        assert.equal("a starting, c stopped", states(sup))
        sutura.sleep(6)
        assert.same({ "-a -c -b ...a +a", "a running, c stopped" }, { actors:log(), states(sup) })
    end))
end)

describe("a sibling that takes too long to stop", function()
    -- A service that cannot be talked into stopping, counting how many of its runs live.
    local function deaf(lives, kill)
        return { shutdown = 2, kill = kill, run = function(ctx)
            lives.now, lives.most = lives.now + 1, math.max(lives.most, lives.now + 1)
            local _ <close> = setmetatable({}, { __close = function() lives.now = lives.now - 1 end })
            ctx:ready()
            ctx:wait()
            sutura.shield(sutura.sleep, 20)
        end }
    end

    it("is closed by force, and the group goes on", in_time(function(rt)
        local lives = { now = 0, most = 0 }
        local sup, actors, record = failed(rt, {}, { b = deaf(lives) })
        sutura.sleep(1.9)
        assert.equal("a restarting, b stopping, c restarting", states(sup))
        sutura.sleep(0.2)
        assert.equal("a running, b running, c running", states(sup))
        assert.equal("-a -c +a +c", actors:log())
        assert.same({ "service_panic sup/a", "stop_timeout sup/b" }, record:lines())
        assert.same({ 1, 1, true }, { lives.now, lives.most, record:only("stop_timeout").killed })
    end))

    it("and may not be killed is left, and the group goes on without: it follows when it has ended", in_time(
        function(rt)
            local lives = { now = 0, most = 0 }
            local sup, actors, record = failed(rt, {}, { b = deaf(lives, false) })
            sutura.sleep(3)
            assert.equal("a running, b stopping, c running", states(sup))
            assert.equal("-a -c +a +c", actors:log())
            assert.is_false(record:only("stop_timeout").killed)
            actors:cue("c", ends.panic)
            assert.equal("a running, b stopping, c running", states(sup))
            sutura.sleep(20)
            assert.equal("a running, b running, c running", states(sup))
            assert.same({ 1, 1, 2 }, { lives.now, lives.most, sup:get_child("b").run })
        end))

    it("holds the failed child back for that time, and no longer", in_time(function(rt)
        local sup, actors = failed(rt, { timeout = 3 }, { c = function(a) return slow(a, 100) end })
        sutura.sleep(2.9)
        assert.equal("a restarting, b running, c stopping", states(sup))
        sutura.sleep(0.2)
        assert.equal("a running, b running, c running", states(sup))
        assert.equal("-a ?c -b +a +b +c", actors:log())
    end))

    it("with no time at all is closed at once, also by kill", in_each({ zero = 0, kill = "kill" },
        function(rt, shutdown)
            local sup, actors = failed(rt, {}, { b = function(a)
                local child = slow(a, 100)
                child.shutdown = shutdown
                return child
            end })
            assert.equal("a running, b running, c running", states(sup))
            assert.equal(0, sutura.now())
            assert.matches("+a +b +c", actors:log(), 1, true)
        end))
end)

describe("a pause", function()
    it("leaves the siblings alone, and the group restarts when it is over", in_each({
        one_for_all = { "one_for_all", "-b -c -a +a +b +c" }, rest_for_one = { "rest_for_one", "-b -c +b +c" },
    }, function(rt, case)
        local sup, actors, record = failed(rt, { strategy = case[1], failure_threshold = 0.5, failure_backoff = 10 },
            {}, true)
        actors:cue("b", ends.panic)
        assert.same({ "-b", "a running, b queued, c running", "paused" }, { actors:log(), states(sup), sup:state() })
        sutura.sleep(10)
        settle()
        assert.equal(case[2], "-b " .. actors:log())
        assert.same({ "backoff sup", "service_panic sup/b", "resume sup" }, record:lines())
        assert.same({ "normal", 0.0 }, { sup:state(), sup:failures() })
    end))

    it("with several that failed restarts one group for all of them", in_time(function(rt)
        local sup, actors = failed(rt, { failure_threshold = 0.5, failure_backoff = 10, resume_spacing = 2 }, {}, true)
        actors:cue("c", ends.panic)
        actors:cue("a", ends.panic)
        assert.equal("a queued, b running, c queued", states(sup))
        sutura.sleep(15)
        assert.equal("-c -a -b +a +b +c", actors:log())
        assert.same({ 2, 2, 2 }, { sup:get_child("a").run, sup:get_child("b").run, sup:get_child("c").run })
    end))

    it("that begins while the group restarts lets the group go on, and queues the new one", in_time(function(rt)
        local sup, actors = failed(rt, { strategy = "rest_for_one", failure_threshold = 1, failure_backoff = 10,
            failure_decay = math.huge }, { c = slow }, true)
        actors:cue("b", ends.panic)
        actors:cue("a", ends.panic)
        assert.same({ "paused", "a queued, b restarting, c stopping" }, { sup:state(), states(sup) })
        sutura.sleep(6)
        assert.equal("a queued", states(sup):match("^[^,]*"))
        sutura.sleep(12)
        assert.equal("a running, b running, c running", states(sup))
    end))
end)

describe("a delay of a child's own", function()
    it("leaves the siblings alone until it has passed, and then the group restarts", in_time(function(rt)
        local sup, actors, record = failed(rt, {}, { a = { backoff = { min = 4 } } })
        assert.same({ "-a", "a backing_off, b running, c running" }, { actors:log(), states(sup) })
        assert.equal(4.0, record:only("service_panic").delay)
        sutura.sleep(3)
        assert.equal("", actors:log())
        sutura.sleep(2)
        assert.equal("-c -b +a +b +c", actors:log())
    end))

    it("is over when a sibling fails first, whose group it then starts with", in_time(function(rt)
        local sup, actors = failed(rt, {}, { a = { backoff = { min = 40 } } })
        actors:cue("c", ends.panic)
        assert.equal("-a -c -b +a +b +c", actors:log())
        sutura.sleep(100)
        assert.same({ "a running, b running, c running", 2 }, { states(sup), sup:get_child("a").run })
    end))

    it("keeps those waiting that have not started yet: they would only restart with their group", in_time(function(rt)
        local actors = troupe.new()
        actors.fails.b = function(ctx)
            sutura.sleep(2)
            ctx:ready()
            ctx:wait()
        end
        local sup = recorder.supervisor(rt, "sup", { strategy = "rest_for_one", children = {
            actors:child("a", { backoff = { min = 4 } }), actors:child("b"), actors:child("c"),
        } })
        sup:serve_background()
        settle()
        actors:cue("a", ends.panic)
        sutura.sleep(3) -- b is ready
        assert.equal("a backing_off, b running, c starting", states(sup))
        sutura.sleep(4)
        assert.same({ "+a +b -a -b +a +b +c", "a running, b running, c running" }, { actors:log(), states(sup) })
    end))
end)
