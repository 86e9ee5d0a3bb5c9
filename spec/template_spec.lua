-- SPDX-License-Identifier: MIT
--
-- Templates: a child supervisor whose children are all alike but for an argument. What `template` and `start` return
-- and refuse, names, limits, arguments and lives. What its spec may hold is in template_spec_spec, the cases of OTP's
-- suite are in the otp specs.

local recorder = require "spec.support.recorder"
local refusal = require "spec.support.refusal"
local services = require "spec.support.services"
local sutura = require "sutura"
local troupe = require "spec.support.troupe"
local virtual = require "spec.support.virtual"

local settle, in_time, in_each = virtual.settle, virtual.test, virtual.each
local states, counts, ends = troupe.states, troupe.counts, troupe.ends
local sleeper = services.sleeper
local new = recorder.supervisor

-- A served supervisor with the template "conns" of actors, with these fields more.
local function served(rt, fields, spec)
    local actors = troupe.new()
    local sup, record = new(rt, "root", spec)
    local given = { name = "conns", run = actors.act }
    for field, value in pairs(fields or {}) do
        given[field] = value
    end
    local template = sup:template(given)
    sup:serve_background()
    settle()
    return template, actors, record, sup
end

describe("template", function()
    it("adds a child supervisor of that name, before serve and while it runs, and returns it", in_time(function(rt)
        local sup = new(rt, "root")
        local early = sup:template { name = "early", run = sleeper }
        assert.same({ "early", "root/early", "not_running" }, { early.name, tostring(early), early:state() })
        sup:serve_background()
        settle()
        local late = sup:template { name = "late", run = sleeper }
        settle()
        assert.same({ "normal", "normal" }, { early:state(), late:state() })
        assert.equal("early running, late running", states(sup))
        for _, child in ipairs(sup:children()) do
            assert.same({ "supervisor", "permanent", "one_for_one", "parallel" },
                { child.kind, child.restart, child.strategy, child.stop_order })
        end
        assert.same({ early, late }, sup:services())
        sup:stop()
        assert.same({ "terminated", "terminated" }, { early:state(), late:state() })
    end))

    it("on a supervisor that stops or has stopped is nil, ERR_NOT_RUNNING", in_time(function(rt)
        local sup = new(rt, "root", { children = { { name = "slow", run = services.stubborn(5) } } })
        sup:serve_background()
        settle()
        sup:stop(1)
        local spec = { name = "conns", run = sleeper }
        assert.same({ n = 2, nil, sutura.ERR_NOT_RUNNING }, table.pack(sup:template(spec)))
        sup:stop()
        assert.same({ n = 2, nil, sutura.ERR_NOT_RUNNING }, table.pack(sup:template(spec)))
        assert.equal(1, sup:count().specs)
    end))

    it("of a template raises", in_time(function(rt)
        local template = served(rt)
        assert.error_matches(function() template:template { name = "inner", run = sleeper } end, "template")
        assert.equal(0, template:count().specs)
    end))
end)

describe("start", function()
    it("returns a token and puts the child to the run queue", in_time(function(rt)
        local template, actors = served(rt)
        local token = template:start("socket")
        assert.same({ "root/conns/1", "1 starting", "" }, { tostring(token), states(template), actors:log() })
        sutura.yield()
        assert.same({ "1 running", "+1", "socket" }, { states(template), actors:log(), actors.arguments["1"] })
        assert.equal(token, template:get_child("1").token)
        assert.equal(1, select("#", template:start("another")))
    end))

    it("hands the context and the argument to the function, any value and nil", in_each({
        ["a word"] = "x", ["a number"] = 7, ["false"] = false, ["a table"] = { 1 }, ["a function"] = print,
    }, function(rt, value)
        local seen = {}
        local template = served(rt, { run = function(...)
            local ctx = ...
            seen[#seen + 1] = table.pack(...)
            ctx:wait()
        end })
        local token = template:start(value)
        template:start()
        settle()
        assert.same({ 2, 2 }, { seen[1].n, seen[2].n })
        assert.equal(value, seen[1][2])
        assert.is_nil(seen[2][2])
        assert.same({ "1", 1, token, template }, { seen[1][1].name, seen[1][1].run, seen[1][1].token,
            seen[1][1].supervisor })
        assert.equal(value, template:get_child(token).arg)
        assert.is_nil(template:get_child("2").arg)
    end))

    it("without a name counts from 1, and never gives a number again", in_time(function(rt)
        local template, actors = served(rt, { restart = "temporary" })
        for i = 1, 17 do
            assert.equal(("root/conns/%d"):format(i), tostring(template:start()))
        end
        settle()
        actors:cue("17", ends.plain)
        template:remove_and_wait(template:get_child("3").token)
        assert.equal("root/conns/18", tostring(template:start()))
        assert.equal(16, template:count().specs)
    end))

    it("passes over the numbers that are names already", in_time(function(rt)
        local template = served(rt)
        template:start(nil, "1")
        template:start(nil, "3")
        assert.equal("root/conns/2", tostring(template:start()))
        assert.equal("root/conns/4", tostring(template:start()))
    end))

    it("with a name has that in its path, escaped as others", in_time(function(rt)
        local template, actors = served(rt)
        assert.equal("root/conns/user 7", tostring(template:start(7, "user 7")))
        assert.equal("root/conns/a%2Fb", tostring(template:start(8, "a/b")))
        settle()
        assert.same({ 7, 8 }, { actors.arguments["user 7"], actors.arguments["a/b"] })
        assert.equal("user 7 running, a/b running", states(template))
    end))

    it("with a name that is used is nil, ERR_ALREADY_PRESENT, until that is forgotten", in_time(function(rt)
        local template, actors = served(rt)
        template:start(1, "one")
        settle()
        local function assert_used()
            assert.same({ n = 2, nil, sutura.ERR_ALREADY_PRESENT }, table.pack(template:start(2, "one")))
        end
        assert_used()
        template:terminate_child("one")
        assert_used()
        assert.same({ 1, 1 }, { template:count().specs, actors.arguments.one })
        template:delete_child("one")
        assert.equal("root/conns/one", tostring(template:start(2, "one")))
        settle()
        assert.equal(2, actors.arguments.one)
    end))

    it("with max_children there is nil, ERR_MAX_CHILDREN, stopped ones counted too", in_time(function(rt)
        local template, actors = served(rt, { max_children = 3, restart = "transient" })
        for _ = 1, 3 do
            template:start()
        end
        settle()
        local function assert_full()
            assert.same({ n = 2, nil, sutura.ERR_MAX_CHILDREN }, table.pack(template:start()))
            assert.same({ nil, sutura.ERR_MAX_CHILDREN }, { template:start(nil, "1") })
        end
        assert_full()
        actors:cue("2", ends.plain)
        assert.equal("1 running, 2 stopped, 3 running", states(template))
        assert_full()
        template:delete_child("2")
        assert.equal("root/conns/4", tostring(template:start()))
        assert_full()
        actors:cue("1", ends.do_not_restart)
        assert.equal("root/conns/5", tostring(template:start()))
        assert.same({ 3, 3 }, { template:count().specs, template:get_child("3") and template:tree().max_children })
        assert_full()
    end))

    it("is nil, ERR_NOT_RUNNING when the template does not run: before, while it stops and after", in_time(
        function(rt)
            local sup = new(rt, "root")
            local template = sup:template { name = "conns", run = services.stubborn(5), max_children = 1 }
            local function assert_refused()
                assert.same({ n = 2, nil, sutura.ERR_NOT_RUNNING }, table.pack(template:start()))
            end
            assert_refused()
            sup:serve_background()
            assert.equal("userdata", type(template:start()))
            settle()
            sup:stop(1)
            assert.equal("stopping", template:state())
            assert_refused()
            sup:stop()
            assert_refused()
        end))

    it("is nil, ERR_NOT_RUNNING when the template alone was stopped, until it is started again", in_time(
        function(rt)
            local template, _, _, sup = served(rt)
            sup:terminate_child("conns")
            assert.same({ nil, sutura.ERR_NOT_RUNNING }, { template:start() })
            sup:restart_child("conns")
            settle()
            assert.equal("root/conns/1", tostring(template:start()))
        end))

    it("in a pause starts now", in_time(function(rt)
        local template, actors = served(rt, { failure_threshold = 0.5 })
        template:start()
        settle()
        actors:cue("1", ends.panic)
        assert.equal("paused", template:state())
        template:start()
        settle()
        assert.equal("1 queued, 2 running", states(template))
    end))

    it("on a supervisor that is no template raises, and so does a name that is none", in_time(function(rt)
        local template, _, _, sup = served(rt)
        assert.error_matches(function() sup:start("socket") end, "start: 'root' is no template")
        assert.error_matches(function() new(rt, "other"):start() end, "start: 'other' is no template")
        assert.equal(1, sup:count().specs)
        local words = "bad argument 'name' to 'start' (a non-empty string expected, got %s)"
        refusal.each({
            [words:format("17")] = 17, [words:format('""')] = "", [words:format("true")] = true,
        }, function(name)
            template:start(nil, name)
        end)
        assert.equal(0, template:count().specs)
    end))
end)

describe("a template's child", function()
    it("keeps its argument and its name in every run", in_time(function(rt)
        local template, actors = served(rt, { failure_threshold = math.huge })
        local token = template:start("socket")
        for run = 1, 4 do
            settle()
            assert.same({ run, "socket" }, { actors.runs["1"], actors.arguments["1"] })
            actors.arguments["1"] = nil
            if run < 3 then
                actors:cue("1", run == 1 and ends.panic or ends.plain)
            else
                template:terminate_child(token)
                template:restart_child(token)
            end
        end
        assert.equal("socket", template:get_child(token).arg)
    end))

    it("has a token that outlives it", in_time(function(rt)
        local template, actors = served(rt, { restart = "temporary" })
        local token = template:start()
        settle()
        actors:cue("1", ends.plain)
        assert.same({ nil, sutura.ERR_UNKNOWN_SERVICE }, { template:get_child(token) })
        assert.equal("root/conns/1", tostring(token))
        assert.is_true(template:remove(token))
    end))

    it("is known by the template's function and its own name in events", in_time(function(rt)
        local template, actors, record = served(rt)
        local token = template:start()
        settle()
        actors:cue("1", ends.panic)
        local event = record:only("service_panic")
        assert.same({ "root/conns/1", actors.act, "1", token, template },
            { event.path, event.service, event.service_name, event.token, event.supervisor })
    end))

    it("may start others, and end itself", in_time(function(rt)
        local template = served(rt, { restart = "temporary", run = function(ctx, depth)
            if depth > 1 then
                ctx.supervisor:start(depth - 1)
            else
                ctx:wait()
            end
        end })
        template:start(5)
        settle()
        assert.same({ "5 running", { 1, 1, 0, 1 } }, { states(template), counts(template) })
    end))

    it("comes back with the next life, unless it is temporary", in_each({
        permanent = { "permanent", "1 running, 2 running" }, transient = { "transient", "1 running, 2 running" },
        temporary = { "temporary", "" },
    }, function(rt, case)
        local template, actors, _, sup = served(rt, { restart = case[1] })
        template:start("x")
        template:start("y")
        settle()
        actors.arguments = {}
        sup:stop()
        sup:serve_background()
        settle()
        assert.equal(case[2], states(template))
        assert.same(case[2] ~= "" and { ["1"] = "x", ["2"] = "y" } or {}, actors.arguments)
        assert.equal("root/conns/3", tostring(template:start()))
    end))

    it("fails alone, and the template gives up by its own limits", in_time(function(rt)
        local template, actors, record, sup = served(rt, { intensity = 1 })
        template:start()
        template:start()
        settle()
        actors:log()
        actors:cue("1", ends.panic)
        assert.equal("-1 +1", actors:log())
        actors:cue("2", ends.panic)
        assert.same({ "service_panic root/conns/1", "service_panic root/conns/2", "escalate root/conns",
            "service_terminate root/conns" }, record:lines())
        assert.same({ "conns running", "1 running, 2 running" }, { states(sup), states(template) })
    end))
end)
