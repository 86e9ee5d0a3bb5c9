-- SPDX-License-Identifier: MIT
--
-- The cases of OTP's own suite for its supervisor that are about starting: a child that wants no run, one that fails to
-- start, what a spec may hold. docs/otp.md says which case is which.

local recorder = require "spec.support.recorder"
local sutura = require "sutura"
local troupe = require "spec.support.troupe"
local virtual = require "spec.support.virtual"

local settle, in_time, in_each = virtual.settle, virtual.test, virtual.each
local counts, states, ends = troupe.counts, troupe.states, troupe.ends
local new = recorder.supervisor

local function ignores()
    return sutura.DO_NOT_RESTART
end

describe("a supervisor", function()
    it("without children serves, and ends cleanly when it is stopped", in_time(function(rt)
        local sup, record = new(rt, "sup", { intensity = 2, period = 3600 })
        local handle = sup:serve_background()
        settle()
        assert.same({ "normal", 0 }, { sup:state(), sup:count().specs })
        assert.is_nil(sup:stop())
        assert.same({ n = 2, true, nil }, table.pack(handle:wait()))
        assert.same({}, record:lines())
    end))

    it("is not made from a spec that is none", in_each({
        ["a word"] = "invalid", ["a number"] = 2, ["a function"] = function() return {} end
    }, function(rt, given)
        assert.error_matches(function() rt:supervisor("sup", given) end, "argument 'spec': expected a table")
    end))
end)

describe("a child that wants no run", function()
    it("is forgotten with its spec when it was added, and the next one starts", in_each({
        permanent = "permanent", transient = "transient", temporary = "temporary"
    }, function(rt, restart)
        local sup, record = new(rt, "sup", { intensity = 2, period = 3600 })
        local actors = troupe.new()
        actors.fails.child1 = ignores
        sup:serve_background()
        sup:add(actors:child("child1", { restart = restart }))
        sup:add(actors:child("child2", { restart = restart }))
        settle()
        assert.equal("child2 running", states(sup))
        assert.same({ 1, 1, 0, 1 }, counts(sup))
        assert.equal("+child1 -child1 +child2", actors:log())
        assert.same({ {}, 0 }, { record:lines(), sup:failures() })
    end))

    it("is skipped in the first start, and forgotten for later lives too", in_time(function(rt)
        local actors = troupe.new()
        actors.fails.child1 = ignores
        local sup = new(rt, "sup", { children = {
            actors:child("child1", { restart = "temporary" }), actors:child("child2", { restart = "temporary" }),
        } })
        for _ = 1, 2 do
            sup:serve_background()
            assert.is_true(sup:wait_ready())
            assert.equal("child2 running", states(sup))
            assert.same({ 1, 1, 0, 1 }, counts(sup))
            sup:stop()
        end
        assert.equal("+child1 -child1 +child2 -child2 +child2 -child2", actors:log())
    end))

    it("of a template leaves nothing behind, whatever its restart type, and the template stops cleanly", in_each({
        permanent = "permanent", temporary = "temporary"
    }, function(rt, restart)
        local sup = new(rt, "sup")
        local actors = troupe.new()
        local pool = sup:template { name = "pool", run = actors.act, ready = "notify", restart = restart }
        local handle = sup:serve_background()
        actors.fails["1"] = ignores
        pool:start()
        pool:start()
        settle()
        assert.equal("2 running", states(pool))
        assert.same({ 1, 1, 0, 1 }, counts(pool))
        assert.is_nil(sup:stop())
        assert.same({ n = 2, true, nil }, table.pack(handle:wait()))
    end))
end)

describe("a child that fails to start", function()
    it("in the first start ends the supervisor with an error that names it, and stops the earlier ones in reverse",
        in_time(function(rt)
            local actors = troupe.new()
            actors.fails.faulty = function() error("no such module", 0) end
            local inner = new(rt, "inner", { children = {
                actors:child("a"), actors:child("b"), actors:child("faulty"), actors:child("never"),
            } })
            local sup, record = new(rt, "app", { children = { actors:child("first"), inner } })
            local err = sup:serve()
            assert.is_true(sutura.is(err, sutura.ERR_START_FAILED))
            assert.matches("app/inner/faulty", tostring(err), 1, true)
            assert.matches("no such module", tostring(err), 1, true)
            assert.equal("+first +a +b +faulty -faulty -b -a -first", actors:log())
            assert.equal("service_panic app/inner/faulty", record:lines()[1])
        end))

    it("in a supervisor that was added keeps that one from getting ready, and those behind from starting",
        in_time(function(rt)
            local actors = troupe.new()
            actors.fails.faulty = ends.error
            local behind = new(rt, "behind", { lifecycle_events = true })
            local inner = new(rt, "inner", { children = { actors:child("a"), actors:child("faulty"), behind } })
            local sup, record = new(rt, "sup", { failure_threshold = 0.5 })
            sup:serve_background()
            sup:add(inner)
            local ready, err = sup:wait_ready()
            assert.is_nil(ready)
            assert.is_true(sutura.is(err, sutura.ERR_START_FAILED))
            assert.matches("sup/inner/faulty.*broken", tostring(err))
            assert.equal("inner queued", states(sup))
            assert.equal("+a +faulty -faulty -a", actors:log())
            assert.same({ "service_terminate sup/inner/faulty", "escalate sup/inner", "backoff sup",
                "service_terminate sup/inner" }, record:lines())
        end))

    it("when it was added counts as a failure, and is tried again by the policy", in_each({
        ["an error"] = ends.error, ["a panic"] = ends.panic, ["a plain end"] = ends.plain
    }, function(rt, how)
        local sup, record = new(rt, "sup", { failure_threshold = 1, failure_backoff = 10 })
        local actors = troupe.new()
        sup:serve_background()
        actors.fails.child = how
        local token = sup:add(actors:child("child"))
        assert.equal("userdata", type(token))
        local ready, err = sup:wait_ready()
        assert.is_nil(ready)
        assert.is_true(sutura.is(err, sutura.ERR_START_FAILED))
        assert.matches("sup/child", tostring(err), 1, true)
        settle()
        assert.equal("child queued", states(sup))
        assert.same({ 1, 0, 0, 1 }, counts(sup))
        assert.equal(3, #record.events)
        actors.fails.child = nil
        sutura.sleep(10)
        settle()
        assert.equal("child running", states(sup))
        assert.equal("+child -child +child -child +child", actors:log())
    end))

    it("and is temporary is forgotten with the failure", in_time(function(rt)
        local sup, record = new(rt, "sup", { intensity = 0 })
        local actors = troupe.new()
        sup:serve_background()
        actors.fails.child1, actors.fails.child2 = ends.error, ends.plain
        sup:add(actors:child("child1", { restart = "temporary" }))
        sup:add(actors:child("child2", { restart = "temporary" }))
        settle()
        assert.same({ "normal", 0 }, { sup:state(), #sup:children() })
        assert.same({ "service_terminate sup/child1", "service_terminate sup/child2" }, record:lines())
        assert.is_false(record.events[1].restarting)
        assert.equal("broken", record.events[1].error)
        assert.matches("before it was ready", record.events[2].error_msg, 1, true)
    end))

    it("after restart_child answers true at once, and wait_ready says what became of it", in_time(function(rt)
        local actors = troupe.new()
        local sup = new(rt, "sup", { failure_threshold = 0.5, children = { actors:child("child") } })
        sup:serve_background()
        assert.is_true(sup:wait_ready())
        assert.is_true(sup:terminate_child("child"))
        actors.fails.child = ends.error
        assert.is_true(sup:restart_child("child"))
        local ready, err = sup:wait_ready()
        assert.is_nil(ready)
        assert.matches("sup/child.*broken", tostring(err))
        assert.equal("child queued", states(sup))
        assert.same({ 1, 0, 0, 1 }, counts(sup))
    end))

    it("after it was stopped by hand in the first start is tried again by the policy", in_each({
        ["before it began"] = { "a", "b" }, ["before it was ready"] = { "b" },
    }, function(rt, names)
        local actors = troupe.new()
        local children = {}
        for i, name in ipairs(names) do
            children[i] = actors:child(name)
            actors.fails[name] = function(ctx) ctx:wait() end
        end
        local sup, record = new(rt, "sup", { children = children })
        sup:serve_background()
        settle()
        assert.is_true(sup:terminate_child("b"))
        actors.fails.b = ends.panic
        assert.is_true(sup:restart_child("b"))
        settle()
        assert.is_true(record.events[1].restarting)
        assert.same({}, record:of("escalate"))
        assert.equal("paused", sup:state())
    end))

    it("of a template is forgotten when it is temporary, and tried again when it is permanent", in_time(function(rt)
        local sup, record = new(rt, "sup")
        local actors = troupe.new()
        local once = sup:template { name = "once", run = actors.act, ready = "notify", restart = "temporary" }
        local again = sup:template { name = "again", run = actors.act, ready = "notify", failure_threshold = 0.5 }
        sup:serve_background()
        actors.fails.a, actors.fails.b = ends.error, ends.error
        assert.equal("sup/once/a", tostring(once:start(nil, "a")))
        assert.equal("sup/again/b", tostring(again:start(nil, "b")))
        settle()
        assert.same({ "", "b queued" }, { states(once), states(again) })
        assert.same({ "service_terminate sup/once/a", "backoff sup/again", "service_terminate sup/again/b" },
            record:lines())
    end))
end)

describe("a child's record", function()
    it("says what its spec has, and what is left to its defaults", in_time(function(rt)
        local actors = troupe.new()
        local inner = new(rt, "child3")
        local sup = new(rt, "sup", { children = {
            { name = "child1", run = actors.act }, { name = "child2", run = actors.act, shutdown = "kill" }, inner,
        } })
        sup:serve_background()
        settle()
        local one, two, three = sup:get_child("child1"), sup:get_child("child2"), sup:get_child("child3")
        assert.same({ "permanent", "worker", nil, nil }, { one.restart, one.kind, one.shutdown, one.significant })
        assert.same({ "permanent", "worker", "kill" }, { two.restart, two.kind, two.shutdown })
        assert.same({ "permanent", "supervisor", nil }, { three.restart, three.kind, three.shutdown })
        assert.same({ n = 2, nil, sutura.ERR_UNKNOWN_SERVICE }, table.pack(sup:get_child("child4")))
        assert.is_nil(sup:stop())
    end))

    it("of a template's child is the same for all of them, but for its name and its argument", in_time(function(rt)
        local sup = new(rt, "sup")
        local actors = troupe.new()
        local pool = sup:template { name = "pool", run = actors.act, restart = "temporary", shutdown = 5 }
        sup:serve_background()
        local tokens = { pool:start("x"), pool:start("y"), pool:start("z") }
        settle()
        for i, token in ipairs(tokens) do
            local child = pool:get_child(token)
            assert.same({ "temporary", "worker", 5.0, "running" },
                { child.restart, child.kind, child.shutdown, child.state })
            assert.same({ tostring(i), ({ "x", "y", "z" })[i] }, { child.name, child.arg })
        end
        local other = sup:add(actors:child("other"))
        assert.same({ n = 2, nil, sutura.ERR_WRONG_SUPERVISOR }, table.pack(pool:get_child(other)))
        assert.same({ n = 2, nil, sutura.ERR_UNKNOWN_SERVICE }, table.pack(pool:get_child("nobody")))
    end))
end)

describe("a faulty spec", function()
    local function run() end
    it("of a child is refused by its place: nothing to run, an unknown field, no spec at all", in_each({
        ["without anything to run"] = { { name = "child2" }, "children[1]: field 'run'" },
        ["with an unknown field"] = { { name = "c", run = run, silly_flag = true }, "unknown field 'silly_flag'" },
        ["a word"] = { "child4", "children[1]: argument 'service'" },
    }, function(rt, case)
        local ok, message = pcall(rt.supervisor, rt, "sup", { children = { case[1] } })
        assert.is_false(ok)
        assert.matches(case[2], message, 1, true)
    end))

    it("does not come of a child without a name, which is called by its place in the source", in_time(function(rt)
        local sup = new(rt, "sup", { children = { { run = run } } })
        assert.matches("^otp_start_spec.lua:%d+$", sup:children()[1].name)
    end))
end)
