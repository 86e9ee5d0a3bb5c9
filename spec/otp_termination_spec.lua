-- SPDX-License-Identifier: MIT
--
-- The cases of OTP's own suite for its supervisor that are about restart types: a permanent, a transient and a
-- temporary child against each way to end. docs/otp.md says which case is which.

local recorder = require "spec.support.recorder"
local sutura = require "sutura"
local troupe = require "spec.support.troupe"
local virtual = require "spec.support.virtual"

local settle, in_time, in_each = virtual.settle, virtual.test, virtual.each
local counts, states, ends = troupe.counts, troupe.states, troupe.ends
local new = recorder.supervisor

-- A served supervisor with one child of that restart type.
local function served(rt, restart)
    local actors = troupe.new()
    local sup, record = new(rt, "sup", { intensity = 2, period = 3600 })
    sup:serve_background()
    sup:add(actors:child("child1", { restart = restart, shutdown = 1 }))
    settle()
    return sup, actors, record
end

local function assert_runs(sup, run)
    assert.same({ "child1 running", { 1, 1, 0, 1 }, run },
        { states(sup), counts(sup), sup:get_child("child1").run })
end

local function assert_kept(sup)
    assert.same({ "child1 stopped", { 1, 0, 0, 1 } }, { states(sup), counts(sup) })
end

local function assert_forgotten(sup)
    assert.same({ "", { 0, 0, 0, 0 } }, { states(sup), counts(sup) })
end

local PLAIN = { ["without a value"] = ends.plain, ["with a value and more"] = ends.value }
local ABNORMAL = { ["with an error"] = ends.error, ["with a panic"] = ends.panic }

describe("a permanent child", function()
    it("starts again after a plain end", in_time(function(rt)
        local sup, actors, record = served(rt, "permanent")
        actors:cue("child1", ends.plain)
        assert_runs(sup, 2)
        assert.same({ true, 1.0 }, { record:only("service_terminate").restarting, record.events[1].current_failures })
    end))

    it("starts again after each of several plain ends, with whatever values", in_time(function(rt)
        local sup, actors = served(rt, "permanent")
        actors:cue("child1", ends.value)
        assert_runs(sup, 2)
        actors:cue("child1", function() return { shutdown = "some_info" } end)
        assert_runs(sup, 3)
    end))

    it("starts again after an error and after a panic", in_each(ABNORMAL, function(rt, how)
        local sup, actors, record = served(rt, "permanent")
        actors:cue("child1", how)
        assert_runs(sup, 2)
        assert.same({ "broken", true }, { record.events[1].error, record.events[1].restarting })
    end))
end)

describe("a transient child", function()
    it("stays stopped after a plain end, which is told and not counted", in_time(function(rt)
        local sup, actors, record = served(rt, "transient")
        actors:cue("child1", ends.plain)
        assert_kept(sup)
        local event = record:only("service_terminate")
        assert.same({ false, 0.0, 0 }, { event.restarting, event.current_failures, sup:failures() })
    end))

    it("can be started again after a plain end, and stays stopped after the next", in_each(PLAIN, function(rt, how)
        local sup, actors = served(rt, "transient")
        actors:cue("child1", how)
        assert_kept(sup)
        assert.is_true(sup:restart_child("child1"))
        settle()
        assert_runs(sup, 2)
        actors:cue("child1", how)
        assert_kept(sup)
    end))

    it("starts again after an error or a panic", in_each(ABNORMAL, function(rt, how)
        local sup, actors = served(rt, "transient")
        actors:cue("child1", how)
        assert_runs(sup, 2)
        assert.equal(1, sup:failures())
    end))
end)

describe("a temporary child", function()
    it("is forgotten after a plain end", in_time(function(rt)
        local sup, actors, record = served(rt, "temporary")
        actors:cue("child1", ends.plain)
        assert_forgotten(sup)
        assert.is_false(record:only("service_terminate").restarting)
    end))

    it("can be added again after a plain end, as another one", in_each(PLAIN, function(rt, how)
        local sup, actors = served(rt, "temporary")
        local former = sup:get_child("child1").token
        actors:cue("child1", how)
        assert_forgotten(sup)
        local token = sup:add(actors:child("child1", { restart = "temporary" }))
        settle()
        assert_runs(sup, 1)
        assert.not_equal(former, token)
        actors:cue("child1", how)
        assert_forgotten(sup)
    end))

    it("is forgotten after an error or a panic, which is told and not counted", in_each(ABNORMAL, function(rt, how)
        local sup, actors, record = served(rt, "temporary")
        actors:cue("child1", how)
        assert_forgotten(sup)
        assert.same({ false, 0.0, "broken" },
            { record.events[1].restarting, record.events[1].current_failures, record.events[1].error })
        assert.same({ "normal", 0 }, { sup:state(), sup:failures() })
    end))
end)

describe("a child of any restart type", function()
    local TYPES = { permanent = "permanent", transient = "transient", temporary = "temporary" }

    it("that ends as if it had been asked to stop, and was not, has failed", in_each(TYPES, function(rt, restart)
        local sup, actors, record = served(rt, restart)
        actors:cue("child1", function() return sutura.CANCELED end)
        if restart == "temporary" then
            assert_forgotten(sup)
        else
            assert_runs(sup, 2)
        end
        assert.matches("from some other context", record:only("service_terminate").error_msg, 1, true)
    end))

    it("tells of its restart by the event of its end alone", in_time(function(rt)
        local _, actors, record = served(rt, "permanent")
        actors:cue("child1", ends.plain)
        assert.same({ "service_terminate sup/child1" }, record:lines())
    end))
end)
