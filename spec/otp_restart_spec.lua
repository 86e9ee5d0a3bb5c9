-- SPDX-License-Identifier: MIT
--
-- The cases of OTP's own suite for its supervisor that are about strategies and limits: who restarts with whom, and
-- when a supervisor gives up. docs/otp.md says which case is which.

local recorder = require "spec.support.recorder"
local sutura = require "sutura"
local troupe = require "spec.support.troupe"
local virtual = require "spec.support.virtual"

local settle, in_time, in_each = virtual.settle, virtual.test, virtual.each
local counts, states, ends = troupe.counts, troupe.states, troupe.ends
local new = recorder.supervisor

-- A served supervisor of actors with these names, and what is needed to watch it.
local function served(rt, spec, names, options)
    local actors = troupe.new()
    local sup, record = new(rt, "sup", spec)
    for _, name in ipairs(names) do
        sup:add(actors:child(name, options and options[name]))
    end
    local handle = sup:serve_background()
    settle()
    actors:log()
    return sup, actors, record, handle
end

local function assert_gave_up(handle, record, path, reason)
    local ended, err = handle:wait(0)
    assert.is_true(ended)
    assert.is_true(sutura.is(err, sutura.ERR_TOO_MANY_RESTARTS))
    assert.matches(path, tostring(err), 1, true)
    assert.equal(reason, record:only("escalate").reason)
    assert.equal("escalate", record.events[#record.events].type)
end

describe("restarts", function()
    it("that are far enough from each other go on for ever", in_time(function(rt)
        local sup, actors, record = served(rt, { intensity = 1, period = 1 }, { "child1" })
        for _ = 1, 4 do
            actors:cue("child1", ends.panic)
            sutura.sleep(2.1)
        end
        assert.same({ "child1 running", 5 }, { states(sup), actors.runs.child1 })
        assert.equal(4, #record:of("service_panic"))
        assert.is_true(sup:terminate_child("child1"))
        assert.is_true(sup:delete_child("child1"))
    end))
end)

describe("one_for_one", function()
    it("restarts the child that failed alone, and gives up after its restarts", in_time(function(rt)
        local sup, actors, record, handle = served(rt, { intensity = 2, period = 3600 }, { "child1", "child2" })
        actors:cue("child1", ends.panic)
        assert.equal("-child1 +child1", actors:log())
        assert.same({ 2, 2, 0, 2 }, counts(sup))
        assert.equal(1, sup:get_child("child2").run)
        actors:cue("child2", ends.panic)
        assert.equal("-child2 +child2", actors:log())
        actors:cue("child1", ends.panic)
        assert.equal("-child1 -child2", actors:log())
        assert_gave_up(handle, record, "sup/child1", "more than 2 restarts in 3600 s")
        assert.same({ 3.0, 2.0 }, { record.events[3].current_failures, record.events[3].failure_threshold })
        assert.is_false(record.events[3].restarting)
    end))

    it("gives up when a child fails to start again and again, and stops the other", in_time(function(rt)
        local _, actors, record, handle = served(rt, { intensity = 4, period = 3600 }, { "child1", "child2" })
        actors.fails.child1 = ends.error
        actors:cue("child1", ends.panic)
        assert.equal("-child1" .. (" +child1 -child1"):rep(4) .. " -child2", actors:log())
        assert_gave_up(handle, record, "sup/child1", "more than 4 restarts in 3600 s")
    end))
end)

describe("one_for_all", function()
    it("stops all in reverse order and starts all in order, and counts that as one restart", in_time(function(rt)
        local sup, actors, record, handle = served(rt, { strategy = "one_for_all", intensity = 2, period = 3600 },
            { "child1", "child2" })
        actors:cue("child1", ends.panic)
        assert.equal("-child1 -child2 +child1 +child2", actors:log())
        assert.same({ { 2, 2, 0, 2 }, 1 }, { counts(sup), sup:failures() })
        actors:cue("child2", ends.panic)
        assert.equal("-child2 -child1 +child1 +child2", actors:log())
        actors:cue("child2", ends.panic)
        assert.equal("-child2 -child1", actors:log())
        assert_gave_up(handle, record, "sup/child2", "more than 2 restarts in 3600 s")
        assert.equal(4, #record.events)
    end))

    it("gives up when the second child fails to start again and again", in_time(function(rt)
        local _, actors, record, handle = served(rt, { strategy = "one_for_all", intensity = 4, period = 3600 },
            { "child1", "child2" })
        actors.fails.child2 = ends.error
        actors:cue("child1", ends.panic)
        assert.equal("-child1 -child2" .. (" +child1 +child2 -child2 -child1"):rep(4), actors:log())
        assert_gave_up(handle, record, "sup/child2", "more than 4 restarts in 3600 s")
    end))

    it("stops the first child again when the second fails to start, before the next try", in_time(function(rt)
        local sup, actors = served(rt, { strategy = "one_for_all", intensity = 3, period = 3600 },
            { "child1", "child2" })
        actors.fails.child2 = function() actors.fails.child2 = nil end
        actors:cue("child1", ends.panic)
        assert.equal("-child1 -child2 +child1 +child2 -child2 -child1 +child1 +child2", actors:log())
        assert.same({ "child1 running, child2 running", 2 }, { states(sup), sup:failures() })
    end))
end)

describe("rest_for_one", function()
    it("stops those behind in reverse order, starts them in order and leaves those before alone", in_time(function(rt)
        local sup, actors, record, handle = served(rt, { strategy = "rest_for_one", intensity = 2, period = 3600 },
            { "child1", "child2", "child3" })
        assert.same({ 3, 3, 0, 3 }, counts(sup))
        actors:cue("child2", ends.panic)
        assert.equal("-child2 -child3 +child2 +child3", actors:log())
        assert.same({ 3, 3, 0, 3 }, counts(sup))
        actors:cue("child3", ends.panic)
        assert.equal("-child3 +child3", actors:log())
        actors:cue("child2", ends.panic)
        assert.equal("-child2 -child3 -child1", actors:log())
        assert_gave_up(handle, record, "sup/child2", "more than 2 restarts in 3600 s")
    end))

    it("gives up when a child behind fails to start again and again", in_time(function(rt)
        local _, actors, record, handle = served(rt, { strategy = "rest_for_one", intensity = 4, period = 3600 },
            { "child1", "child2" })
        actors.fails.child2 = ends.error
        actors:cue("child1", ends.panic)
        assert.equal("-child1 -child2 +child1" .. (" +child2 -child2"):rep(4) .. " -child1", actors:log())
        assert_gave_up(handle, record, "sup/child2", "more than 4 restarts in 3600 s")
    end))

    it("leaves the first child alone when the second fails to start", in_time(function(rt)
        local sup, actors = served(rt, { strategy = "rest_for_one", intensity = 3, period = 3600 },
            { "child1", "child2" })
        actors.fails.child2 = function() actors.fails.child2 = nil end
        actors:cue("child1", ends.panic)
        assert.equal("-child1 -child2 +child1 +child2 -child2 +child2", actors:log())
        assert.same({ "child1 running, child2 running", 2 }, { states(sup), sup:failures() })
    end))
end)

describe("a temporary child", function()
    it("that stands by is stopped by the restart of a group, and does not come back", in_each({
        one_for_all = "one_for_all", rest_for_one = "rest_for_one"
    }, function(rt, strategy)
        local sup, actors, record = served(rt, { strategy = strategy, intensity = 2, period = 300 },
            { "child1", "child2" }, { child2 = { restart = "temporary" } })
        actors:cue("child1", ends.plain)
        assert.equal("-child1 -child2 +child1", actors:log())
        sutura.sleep(0.35)
        assert.same({ "normal", "child1 running" }, { sup:state(), states(sup) })
        assert.same({ "service_terminate sup/child1" }, record:lines())
    end))

    it("that was added starts in the first life of its supervisor, and not in the next", in_time(function(rt)
        local sup = served(rt, {}, { "child1", "child2" }, { child1 = { restart = "temporary" } })
        assert.equal("child1 running, child2 running", states(sup))
        sup:stop()
        sup:serve_background()
        settle()
        assert.equal("child2 running", states(sup))
    end))
end)

-- A served template of actors, and what is needed to watch it.
local function served_template(rt, spec)
    local actors = troupe.new()
    local sup, record = new(rt, "sup", { intensity = 0 })
    spec.name, spec.run, spec.ready = "pool", actors.act, "notify"
    local pool = sup:template(spec)
    local handle = sup:serve_background()
    return pool, actors, record, handle
end

describe("a template", function()
    it("restarts the child that failed alone, with its argument, and gives up after its restarts", in_time(function(rt)
        local pool, actors, record, handle = served_template(rt, { intensity = 2, period = 3600 })
        actors.info = function(_, argument) return "info on " .. argument end
        pool:start("x")
        pool:start("y")
        settle()
        assert.equal("info on y", pool:get_child("2").info)
        actors:cue("1", ends.panic)
        assert.equal("+1 +2 -1 +1", actors:log())
        assert.same({ 2, 2, 0, 2 }, counts(pool))
        assert.same({ "x", "info on x" }, { actors.arguments["1"], pool:get_child("1").info })
        actors:cue("2", ends.panic)
        actors:cue("1", ends.panic)
        assert.equal("-2 +2 -1 -2", actors:log())
        assert.equal("terminated", pool:state())
        local _, err = handle:wait()
        assert.matches("sup/pool/1", tostring(err), 1, true)
        assert.is_true(sutura.is(err, sutura.ERR_TOO_MANY_RESTARTS))
        assert.equal("more than 2 restarts in 3600 s", record:of("escalate")[1].reason)
    end))

    it("gives up when a child fails to start again and again, and stops the others", in_time(function(rt)
        local pool, actors, record = served_template(rt, { intensity = 4, period = 3600 })
        pool:start("x")
        pool:start("y")
        settle()
        actors.fails["1"] = ends.error
        actors:cue("1", ends.panic)
        assert.equal("+1 +2 -1" .. (" +1 -1"):rep(4) .. " -2", actors:log())
        assert.equal("more than 4 restarts in 3600 s", record:of("escalate")[1].reason)
    end))

    it("forgets a child that wants no run when it restarts", in_each({
        transient = "transient", permanent = "permanent"
    }, function(rt, restart)
        local pool, actors, record, handle = served_template(rt, { restart = restart, intensity = 10, period = 3600 })
        pool:start()
        settle()
        actors:cue("1", ends.panic)
        assert.equal("1 running", states(pool))
        actors.fails["1"] = ends.do_not_restart
        actors:cue("1", ends.panic)
        assert.same({ "", { 0, 0, 0, 0 } }, { states(pool), counts(pool) })
        assert.equal(2, #record.events)
        assert.same({ n = 2, nil, sutura.ERR_TIMEOUT }, table.pack(handle:wait(0)))
    end))

    it("keeps nothing of the argument of a temporary child that has ended, in any way", in_time(function(rt)
        local pool, actors = served_template(rt, { restart = "temporary" })
        local arguments = setmetatable({}, { __mode = "k" })
        for _, how in ipairs { "plain", "error", "panic", "do_not_restart" } do
            local argument = {}
            arguments[argument] = how
            pool:start(argument, how)
            settle()
            actors:cue(how, ends[how])
            actors.arguments[how], actors.cues[how] = nil, nil
        end
        settle()
        collectgarbage()
        collectgarbage()
        assert.same({ 0, nil }, { pool:count().specs, next(arguments) })
    end))
end)

describe("a tree", function()
    it("restarts what fails where it fails, and whole levels without what was added as temporary", in_time(function(rt)
        local low, high = troupe.new(), troupe.new()
        local one = new(rt, "supchild1", { intensity = 4, period = 3600,
            children = { low:child("child1"), low:child("child2") } })
        local two, three = new(rt, "supchild2", { intensity = 4, period = 3600 }), new(rt, "supchild3")
        local sup, record = new(rt, "top", { strategy = "one_for_all", intensity = 4, period = 3600 })
        sup:serve_background()
        sup:add(one)
        sup:add(two)
        sup:add(three, { restart = "transient" })
        settle()
        assert.is_true(sup:terminate_child("supchild3"))
        assert.same({ { 3, 2, 3, 0 }, { 2, 2, 0, 2 }, { 0, 0, 0, 0 } }, { counts(sup), counts(one), counts(two) })

        two:add(high:child("child3"))
        two:add(high:child("child4"))
        two:add(high:child("child5", { restart = "temporary" }))
        settle()
        high:cue("child4", ends.panic)
        assert.equal("+child3 +child4 +child5 -child4 +child4", high:log())
        assert.equal("+child1 +child2", low:log())

        high.fails.child3 = function() if two:failures() == 4 then high.fails.child3 = nil end return nil, "no" end
        high:cue("child3", ends.panic)
        assert.equal("supchild1 running, supchild2 running, supchild3 running", states(sup))
        assert.same({ 3, 3, 3, 0 }, counts(sup))
        assert.equal("-child2 -child1 +child1 +child2", low:log())
        assert.same({ { 2, 2, 0, 2 }, { 2, 2, 0, 2 } }, { counts(one), counts(two) })
        assert.equal("child3 running, child4 running", states(two))
        assert.same({ 1, 0 }, { sup:failures(), two:failures() })
        assert.equal("top/supchild2", record:only("escalate").path)
    end))

    it("of one_for_all in one_for_all brings its only worker back, however that ended, or by hand", in_each({
        ["an error"] = ends.error, ["a panic"] = ends.panic, ["a plain end"] = ends.plain, ["by hand"] = "by hand"
    }, function(rt, how)
        local actors = troupe.new()
        local middle = new(rt, "middle", { strategy = "one_for_all", intensity = 3, period = 60,
            children = { actors:child("child", { shutdown = 2 }) } })
        local top = new(rt, "top", { strategy = "one_for_all", intensity = 3, period = 60,
            children = { { run = middle, shutdown = 2 } } })
        top:serve_background()
        settle()
        if how == "by hand" then
            assert.is_true(middle:terminate_child("child"))
            assert.is_true(middle:restart_child("child"))
            settle()
        else
            actors:cue("child", how)
        end
        assert.equal("+child -child +child", actors:log())
        assert.same({ "child running", 0 }, { states(middle), top:failures() })
        assert.is_true(top:restart("middle"))
        settle()
        assert.equal("-child +child", actors:log())
        top:stop()
        assert.equal("-child", actors:log())
    end))
end)
