-- SPDX-License-Identifier: MIT
--
-- Stopping, starting again, forgetting and looking at single children by hand: the answer of each call in each state,
-- with and without a limit, and from places that cannot wait. The cases of OTP's suite are in otp_administration_spec.

local recorder = require "spec.support.recorder"
local services = require "spec.support.services"
local sutura = require "sutura"
local troupe = require "spec.support.troupe"
local virtual = require "spec.support.virtual"

local settle, in_time, in_each = virtual.settle, virtual.test, virtual.each
local states, ends = troupe.states, troupe.ends
local sleeper, stubborn = services.sleeper, services.stubborn
local new = recorder.supervisor
local RUNNING, RESTARTING = sutura.ERR_RUNNING, sutura.ERR_RESTARTING

-- A served supervisor of actors with these names.
local function served(rt, spec, names)
    local actors = troupe.new()
    local sup, record = new(rt, "sup", spec)
    for _, name in ipairs(names or { "a" }) do
        sup:add(actors:child(name))
    end
    sup:serve_background()
    settle()
    actors:log()
    return sup, actors, record
end

-- A served supervisor of the child "a", in each state that a child can have.
local MAKE = {
    stopped = function(rt)
        local sup, actors = served(rt, {})
        sup:terminate_child("a")
        return sup, actors
    end,
    ["stopped by its own end"] = function(rt)
        local sup, actors = served(rt, {}, {})
        sup:add(actors:child("a", { restart = "transient" }))
        settle()
        actors:cue("a", ends.plain)
        return sup, actors
    end,
    running = function(rt)
        return served(rt, {})
    end,
    ["starting, in the run queue"] = function(rt)
        local sup, actors = served(rt, {}, {})
        sup:add(actors:child("a"))
        return sup, actors
    end,
    ["starting, not ready yet"] = function(rt)
        local sup, actors = served(rt, {}, {})
        sup:add("a", function(ctx) ctx:wait() end, { ready = "notify" })
        settle()
        return sup, actors
    end,
    ["starting, in wait for a sibling"] = function(rt)
        local sup, actors = served(rt, {}, {})
        sup:add("first", function(ctx) ctx:wait() end, { ready = "notify" })
        sup:add(actors:child("a", { after = { "first" } }))
        settle()
        return sup, actors
    end,
    ["starting, in wait for those before it"] = function(rt)
        local actors = troupe.new()
        actors.fails.first = function(ctx) ctx:wait() end
        local sup = new(rt, "sup", { children = { actors:child("first"), actors:child("a") } })
        sup:serve_background()
        settle()
        return sup, actors
    end,
    stopping = function(rt)
        local sup, actors = served(rt, {}, {})
        sup:add("a", stubborn(5))
        settle()
        sup:terminate_child("a", 0)
        return sup, actors
    end,
    ["stopping, and left alone"] = function(rt)
        local sup, actors = served(rt, {}, {})
        sup:add("a", stubborn(500), { kill = false, shutdown = 1 })
        settle()
        sup:terminate_child("a", 2)
        return sup, actors
    end,
    queued = function(rt)
        local sup, actors = served(rt, { failure_threshold = 0.5 })
        actors:cue("a", ends.panic)
        return sup, actors
    end,
    backing_off = function(rt)
        local sup, actors = served(rt, {}, {})
        sup:add(actors:child("a", { backoff = { min = 50 } }))
        settle()
        actors:cue("a", ends.panic)
        return sup, actors
    end,
    restarting = function(rt)
        local sup, actors = served(rt, { strategy = "one_for_all" })
        sup:add("b", stubborn(5))
        settle()
        actors:cue("a", ends.panic)
        return sup, actors
    end,
}

-- The states by name, each with the answer that starting it again and forgetting it give.
local function cases(answers)
    local made = {}
    for text, err in pairs(answers) do
        made[text] = { MAKE[text], text:match("^[%a_]+"), err }
    end
    return made
end

local STOPPED = cases { stopped = false, ["stopped by its own end"] = false }
local BUSY = cases {
    running = RUNNING, ["starting, in the run queue"] = RUNNING, ["starting, not ready yet"] = RUNNING,
    ["starting, in wait for a sibling"] = RUNNING, ["starting, in wait for those before it"] = RUNNING,
    stopping = RUNNING, ["stopping, and left alone"] = RUNNING,
    queued = RESTARTING, backing_off = RESTARTING, restarting = RESTARTING,
}

local function state_of(sup)
    local child = sup:get_child("a")
    return child and child.state
end

describe("terminate_child", function()
    it("returns true when the child has stopped, which keeps its spec, and counts nothing", in_time(function(rt)
        local sup, actors, record = served(rt, {}, {})
        local token = sup:add("slow", stubborn(3))
        sup:add(actors:child("b"))
        settle()
        assert.same({ n = 1, true }, table.pack(sup:terminate_child(token)))
        assert.same({ 3.0, "slow stopped, b running" }, { sutura.now(), states(sup) })
        assert.same({ n = 1, true }, table.pack(sup:terminate_child("b")))
        assert.same({ 3.0, "slow stopped, b stopped" }, { sutura.now(), states(sup) })
        sutura.sleep(1000)
        assert.same({ "slow stopped, b stopped", {}, 0.0 }, { states(sup), record:lines(), sup:failures() })
    end))

    it("forgets a temporary child, which comes back with the next life if it is of the spec", in_time(function(rt)
        local actors = troupe.new()
        local sup = new(rt, "sup", { children = { actors:child("fixed", { restart = "temporary" }) } })
        sup:serve_background()
        sup:add(actors:child("added", { restart = "temporary" }))
        settle()
        for _, name in ipairs { "fixed", "added" } do
            assert.is_true(sup:terminate_child(name))
            assert.same({ nil, sutura.ERR_UNKNOWN_SERVICE }, { sup:get_child(name) })
        end
        assert.equal(0, sup:count().specs)
        sup:stop()
        sup:serve_background()
        settle()
        assert.equal("fixed running", states(sup))
    end))

    it("of one that has stopped is true, and changes nothing", in_each(STOPPED, function(rt, case)
        local sup, actors = case[1](rt)
        actors:log()
        assert.same({ n = 1, true }, table.pack(sup:terminate_child("a")))
        sutura.sleep(100)
        assert.same({ "stopped", "" }, { state_of(sup), actors:log() })
    end))

    it("of one that is queued, backing off or waits to start is true at once, and it does not start", in_each(cases {
        queued = true, backing_off = true, restarting = true, ["starting, in the run queue"] = true,
        ["starting, in wait for a sibling"] = true, ["starting, in wait for those before it"] = true,
    }, function(rt, case)
        local sup, actors = case[1](rt)
        assert.equal(case[2], state_of(sup))
        actors:log()
        assert.same({ n = 1, true }, table.pack(sup:terminate_child("a")))
        assert.same({ "stopped", 0.0 }, { state_of(sup), sutura.now() })
        sutura.sleep(100)
        assert.equal("stopped", state_of(sup))
        assert.is_nil(actors:log():find("+a", 1, true))
    end))

    it("after its limit is nil, ERR_TIMEOUT, and the child goes on stopping", in_time(function(rt)
        local sup = served(rt, {}, {})
        sup:add("slow", stubborn(5))
        settle()
        assert.same({ n = 2, nil, sutura.ERR_TIMEOUT }, table.pack(sup:terminate_child("slow", 0)))
        assert.same({ 0.0, "slow stopping" }, { sutura.now(), states(sup) })
        assert.same({ n = 2, nil, sutura.ERR_TIMEOUT }, table.pack(sup:terminate_child("slow", 2)))
        assert.same({ 2.0, "slow stopping" }, { sutura.now(), states(sup) })
        assert.is_true(sup:terminate_child("slow", 100))
        assert.same({ 5.0, "slow stopped" }, { sutura.now(), states(sup) })
    end))

    it("waits no longer than the child may take, which is then closed by force", in_time(function(rt)
        local sup, _, record = served(rt, {}, {})
        sup:add("deaf", stubborn(500), { shutdown = 4 })
        settle()
        assert.is_true(sup:terminate_child("deaf"))
        assert.same({ 4.0, "deaf stopped" }, { sutura.now(), states(sup) })
        assert.is_true(record:only("stop_timeout").killed)
    end))

    it("may be asked by many, who all get their answer", in_time(function(rt)
        local sup = served(rt, {}, {})
        sup:add("slow", stubborn(3))
        settle()
        local answers = {}
        local askers = new(rt, "askers")
        for i = 1, 5 do
            askers:add("asker" .. i, function()
                answers[i] = { sup:terminate_child("slow") }
                return sutura.DO_NOT_RESTART
            end)
        end
        askers:serve_background()
        sutura.sleep(3)
        settle()
        assert.same({ { true }, { true }, { true }, { true }, { true } }, answers)
    end))

    it("from the service itself is true at once, and it stops when it next waits", in_time(function(rt)
        local sup, _, record = served(rt, {}, {})
        local seen = {}
        sup:add("a", function(ctx)
            seen[1] = table.pack(sup:terminate_child(ctx.token))
            seen[2] = ctx:cancelled()
            seen[3] = select(2, pcall(sutura.sleep, 10))
        end)
        settle()
        assert.same({ { n = 1, true }, true, sutura.CANCELED }, seen)
        assert.same({ "stopped", 0.0, {} }, { state_of(sup), sutura.now(), record:lines() })
    end))

    it("in a hook asks, and is nil, ERR_TIMEOUT while the child lives", in_time(function(rt)
        local sup, actors, record = served(rt, {}, { "a", "b" })
        local answers
        function record.also()
            answers = { table.pack(sup:terminate_child("b")), state_of(sup), table.pack(sup:terminate_child("a")) }
        end
        actors:cue("a", ends.panic)
        assert.same({ { n = 2, nil, sutura.ERR_TIMEOUT }, "starting", { n = 1, true } }, answers)
        assert.same({ "a stopped, b stopped", "-a -b" }, { states(sup), actors:log() })
    end))
end)

describe("restart_child", function()
    it("of one that has stopped is true at once, and starts it", in_each(STOPPED, function(rt, case)
        local sup, actors = case[1](rt)
        actors:log()
        assert.same({ n = 1, true }, table.pack(sup:restart_child("a")))
        assert.same({ "starting", "" }, { state_of(sup), actors:log() })
        settle()
        assert.same({ "running", "+a", 2, 0.0 }, { state_of(sup), actors:log(), sup:get_child("a").run,
            sup:failures() })
    end))

    it("of one that has not stopped says what it does, and changes nothing", in_each(BUSY, function(rt, case)
        local sup = case[1](rt)
        local before = sup:tree()
        assert.equal(case[2], state_of(sup))
        assert.same({ n = 2, nil, case[3] }, table.pack(sup:restart_child("a")))
        assert.same(before, sup:tree())
    end))

    it("in a pause starts one that was stopped by hand", in_time(function(rt)
        local sup, actors = served(rt, { failure_threshold = 0.5 }, { "a", "b" })
        actors:cue("b", ends.panic)
        sup:terminate_child("a")
        assert.is_true(sup:restart_child("a"))
        settle()
        assert.same({ "paused", "a running, b queued" }, { sup:state(), states(sup) })
    end))
end)

describe("delete_child", function()
    it("of one that has stopped is true, and forgets it", in_each(STOPPED, function(rt, case)
        local sup, actors = case[1](rt)
        local token = sup:get_child("a").token
        assert.same({ n = 1, true }, table.pack(sup:delete_child(token)))
        assert.same({ {}, 0 }, { sup:children(), sup:count().specs })
        assert.same({ nil, sutura.ERR_UNKNOWN_SERVICE }, { sup:get_child(token) })
        assert.same({ nil, sutura.ERR_UNKNOWN_SERVICE }, { sup:delete_child("a") })
        sup:stop()
        actors:log()
        sup:serve_background()
        settle()
        assert.equal("", actors:log())
    end))

    it("of one that has not stopped says what it does, and forgets nothing", in_each(BUSY, function(rt, case)
        local sup = case[1](rt)
        local before = sup:tree()
        assert.same({ n = 2, nil, case[3] }, table.pack(sup:delete_child("a")))
        assert.same(before, sup:tree())
    end))
end)

local THREE = { "terminate_child", "restart_child", "delete_child" }

describe("the administration of a child", function()
    it("that is unknown, of another supervisor or one of several by that name is refused", in_time(function(rt)
        local sup = served(rt, {}, { "a", "b", "b" })
        local other = new(rt, "other")
        local foreign, gone = other:add("a", sleeper), sup:add("gone", sleeper)
        sup:remove_and_wait(gone)
        local before = sup:tree()
        for _, method in ipairs { "get_child", table.unpack(THREE) } do
            for child, err in pairs {
                nobody = sutura.ERR_UNKNOWN_SERVICE, [gone] = sutura.ERR_UNKNOWN_SERVICE,
                [foreign] = sutura.ERR_WRONG_SUPERVISOR, b = sutura.ERR_AMBIGUOUS_NAME,
            } do
                assert.same({ n = 2, nil, err }, table.pack(sup[method](sup, child)))
            end
        end
        assert.same(before, sup:tree())
    end))

    it("that is being removed is refused, for it is unknown already", in_time(function(rt)
        local sup = served(rt, {}, {})
        local token = sup:add("slow", stubborn(3))
        settle()
        sup:remove(token)
        for _, method in ipairs(THREE) do
            assert.same({ nil, sutura.ERR_UNKNOWN_SERVICE }, { sup[method](sup, token) })
        end
    end))

    it("that waits for a sibling to be ready says that it runs, as it is starting, and not restarting", in_time(
        function(rt)
            local sup = MAKE["starting, in wait for a sibling"](rt)
            assert.same({ "starting", 0 }, { state_of(sup), sup:get_child("a").run })
            assert.same({ nil, RUNNING }, { sup:restart_child("a") })
            assert.same({ nil, RUNNING }, { sup:delete_child("a") })
        end))

    it("needs a supervisor that runs", in_time(function(rt)
        local sup = new(rt, "sup", {})
        local token = sup:add("a", stubborn(3))
        local function assert_refused()
            for _, method in ipairs(THREE) do
                assert.same({ n = 2, nil, sutura.ERR_NOT_RUNNING }, table.pack(sup[method](sup, token)))
            end
        end
        assert_refused()
        sup:serve_background()
        settle()
        sup:stop(1)
        assert.equal("stopping", sup:state())
        assert_refused()
        sup:stop()
        assert_refused()
        assert.equal("stopped", state_of(sup))
    end))

    it("with what is neither a token nor a name raises", in_time(function(rt)
        local sup = served(rt, {})
        for _, method in ipairs { "get_child", table.unpack(THREE) } do
            for _, value in ipairs { 1, {}, true } do
                assert.error_matches(function() sup[method](sup, value) end, method .. ".*a token or a name")
            end
        end
    end))
end)

describe("get_child", function()
    it("gives the record that children has, before serve, while it runs and after the stop", in_time(function(rt)
        local actors = troupe.new()
        local sup = new(rt, "sup", { children = { actors:child("a"), actors:child("b", { restart = "transient" }) } })
        local function assert_same_record(state)
            local all = sup:children()
            assert.equal(2, #all)
            for _, record in ipairs(all) do
                assert.equal(state, record.state)
                assert.same(record, sup:get_child(record.name))
                assert.same(record, sup:get_child(record.token))
            end
        end
        assert_same_record("stopped")
        sup:serve_background()
        assert_same_record("starting")
        sutura.sleep(2)
        assert_same_record("running")
        sup:stop()
        assert_same_record("stopped")
    end))
end)

describe("restart", function()
    it("of one that is backing off starts it now", in_time(function(rt)
        local sup, actors = MAKE.backing_off(rt)
        actors:log()
        assert.same({ n = 1, true }, table.pack(sup:restart("a")))
        settle()
        assert.same({ "running", "+a", 0.0 }, { state_of(sup), actors:log(), sutura.now() })
        sutura.sleep(100)
        assert.same({ "running", 2 }, { state_of(sup), sup:get_child("a").run })
    end))

    it("under a strategy for groups restarts that one service alone, running or backing off", in_each({
        one_for_all = "one_for_all", rest_for_one = "rest_for_one",
    }, function(rt, strategy)
        local sup, actors, record = served(rt, { strategy = strategy }, {})
        for _, name in ipairs { "a", "b", "c" } do
            sup:add(actors:child(name, { backoff = { min = 50 } }))
        end
        settle()
        actors:log()
        assert.is_true(sup:restart("b"))
        settle()
        assert.same({ "-b +b", 0.0, {} }, { actors:log(), sup:failures(), record:lines() })
        actors:cue("b", ends.panic)
        assert.is_true(sup:restart("b"))
        settle()
        sutura.sleep(100)
        assert.same({ "-b +b", "a running, b running, c running" }, { actors:log(), states(sup) })
    end))
end)
