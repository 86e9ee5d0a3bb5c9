-- SPDX-License-Identifier: MIT
--
-- The cases of OTP's own suite for its supervisor that are about administration: stopping, starting again, forgetting
-- and counting single children, and the answers in each wrong state. docs/otp.md says which case is which.

local recorder = require "spec.support.recorder"
local sutura = require "sutura"
local troupe = require "spec.support.troupe"
local virtual = require "spec.support.virtual"

local settle, in_time, in_each = virtual.settle, virtual.test, virtual.each
local counts, states, ends = troupe.counts, troupe.states, troupe.ends
local new = recorder.supervisor
local UNKNOWN, RUNNING, RESTARTING = sutura.ERR_UNKNOWN_SERVICE, sutura.ERR_RUNNING, sutura.ERR_RESTARTING

local METHODS = { "terminate_child", "restart_child", "delete_child" }

-- Calls a method, and asserts that it refuses with that error.
local function assert_refused(err, sup, method, child)
    assert.same({ n = 2, nil, err }, table.pack(sup[method](sup, child)))
end

local function assert_state(sup, expected_states, ...)
    assert.same({ expected_states, { ... } }, { states(sup), counts(sup) })
end

local function served(rt, spec)
    local sup, record = new(rt, "sup", spec)
    sup:serve_background()
    settle()
    return sup, record
end

describe("a child", function()
    it("is stopped, started again and forgotten by hand, with an answer for each wrong state", in_time(function(rt)
        local actors = troupe.new()
        local sup, record = served(rt, { intensity = 2, period = 3600, children = { actors:child("child1") } })
        assert_state(sup, "child1 running", 1, 1, 0, 1)

        assert_refused(UNKNOWN, sup, "terminate_child", "hej")
        assert.is_true(sup:terminate_child("child1"))
        assert_state(sup, "child1 stopped", 1, 0, 0, 1)
        assert.is_true(sup:terminate_child("child1"))

        assert.is_true(sup:restart_child("child1"))
        settle()
        assert_state(sup, "child1 running", 1, 1, 0, 1)
        assert_refused(RUNNING, sup, "restart_child", "child1")
        assert_refused(UNKNOWN, sup, "restart_child", "child2")

        assert_refused(RUNNING, sup, "delete_child", "child1")
        assert_refused(UNKNOWN, sup, "delete_child", "hej")
        assert.is_true(sup:terminate_child("child1"))
        assert.is_true(sup:delete_child("child1"))
        assert_refused(UNKNOWN, sup, "restart_child", "child1")
        assert_state(sup, "", 0, 0, 0, 0)

        sup:add(actors:child("child1"))
        settle()
        assert_state(sup, "child1 running", 1, 1, 0, 1)
        assert.equal("+child1 -child1 +child1 -child1 +child1", actors:log())
        assert.same({ {}, 0 }, { record:lines(), sup:failures() })
    end))

    it("may have a name that is used, and is then called by its token alone", in_time(function(rt)
        local actors = troupe.new()
        local sup = served(rt, { children = { actors:child("child1") } })
        local second = sup:add("child1", function(ctx) ctx:wait() end)
        settle()
        for _, method in ipairs(METHODS) do
            assert_refused(sutura.ERR_AMBIGUOUS_NAME, sup, method, "child1")
        end
        assert.is_true(sup:terminate_child(second))
        assert_state(sup, "child1 running, child1 stopped", 2, 1, 0, 2)
        assert.is_true(sup:delete_child(second))
        assert.is_true(sup:terminate_child("child1"))
    end))

    it("of another supervisor, or of one that does not run, is out of reach", in_time(function(rt)
        local actors = troupe.new()
        local sup, idle = served(rt), new(rt, "foo", { children = { actors:child("child1") } })
        local token = idle:children()[1].token
        for _, method in ipairs(METHODS) do
            assert_refused(sutura.ERR_NOT_RUNNING, idle, method, "child1")
            assert_refused(sutura.ERR_WRONG_SUPERVISOR, sup, method, token)
        end
        sup:stop()
        assert.same({ n = 2, nil, sutura.ERR_NOT_RUNNING }, table.pack(sup:add(actors:child("child2"))))
    end))

    it("keeps what it said when it was ready in its record, and says it anew in each run", in_time(function(rt)
        local actors = troupe.new()
        actors.info = function(ctx) return "extra_return " .. ctx.run end
        local child = actors:child("child1")
        local sup = served(rt, { failure_threshold = 2, children = { child } })
        assert.equal("extra_return 1", sup:get_child("child1").info)
        assert.is_true(sup:terminate_child("child1"))
        assert.is_true(sup:restart_child("child1"))
        assert.is_true(sup:wait_ready())
        assert.equal("extra_return 2", sup:get_child("child1").info)
        assert.is_true(sup:terminate_child("child1"))
        assert.is_true(sup:delete_child("child1"))
        sup:add(child)
        assert.is_true(sup:wait_ready())
        assert.equal("extra_return 1", sup:get_child("child1").info)
        actors:cue("child1", ends.panic)
        assert.equal("extra_return 2", sup:get_child("child1").info)
        assert_state(sup, "child1 running", 1, 1, 0, 1)
    end))
end)

describe("a template's child", function()
    it("is listed, counted, stopped and forgotten by token or name, as on any supervisor", in_time(function(rt)
        local actors = troupe.new()
        local sup = served(rt)
        local pool = sup:template { name = "pool", run = actors.act, shutdown = 1 }
        settle()
        assert_state(pool, "", 0, 0, 0, 0)
        local one, two = pool:start(), pool:start()
        settle()
        assert_state(pool, "1 running, 2 running", 2, 2, 0, 2)
        assert_refused(UNKNOWN, pool, "terminate_child", "child1")
        assert.is_true(pool:terminate_child(one))
        assert.is_true(pool:terminate_child(one))
        assert_state(pool, "1 stopped, 2 running", 2, 1, 0, 2)
        assert_refused(RUNNING, pool, "restart_child", two)
        assert.is_true(pool:restart_child("1"))
        settle()
        assert_state(pool, "1 running, 2 running", 2, 2, 0, 2)
        pool:terminate_child("1")
        assert.is_true(pool:delete_child("1"))
        assert_refused(UNKNOWN, pool, "terminate_child", one)
        local other = sup:add(actors:child("other"))
        settle()
        assert_refused(sutura.ERR_WRONG_SUPERVISOR, pool, "terminate_child", other)
        assert.equal("running", sup:get_child(other).state)
        sup:stop()
        assert.same({ n = 2, nil, sutura.ERR_NOT_RUNNING }, table.pack(pool:start()))
    end))

    it("that is temporary is gone with its stop", in_time(function(rt)
        local actors = troupe.new()
        local sup = served(rt)
        local pool = sup:template { name = "pool", run = actors.act, restart = "temporary" }
        local one, two = pool:start(), pool:start()
        settle()
        assert.same({ UNKNOWN }, { select(2, pool:get_child("self")) })
        assert.equal("1", pool:get_child(one).name)
        assert.is_true(pool:terminate_child(one))
        assert.same({ n = 2, nil, UNKNOWN }, table.pack(pool:get_child(one)))
        assert.equal("2", pool:get_child(two).name)
        assert_state(pool, "2 running", 1, 1, 0, 1)
    end))
end)

describe("the list of children", function()
    it("and a single record follow each child from its adding to its deletion", in_time(function(rt)
        local actors = troupe.new()
        local sup = served(rt)
        local function assert_seen(expected, ...)
            assert.equal(expected, states(sup))
            for i, name in ipairs { "childx", "child1", "child2" } do
                local state = select(i, ...)
                local child, err = sup:get_child(name)
                assert.equal(state, child and child.state or nil)
                assert.equal(not child and UNKNOWN or nil, err)
            end
        end
        assert_seen("", nil, nil, nil)
        sup:add(actors:child("child1"))
        settle()
        assert_seen("child1 running", nil, "running", nil)
        sup:add(actors:child("child2"))
        settle()
        assert_seen("child1 running, child2 running", nil, "running", "running")
        sup:terminate_child("child1")
        assert_seen("child1 stopped, child2 running", nil, "stopped", "running")
        sup:delete_child("child1")
        assert_seen("child2 running", nil, nil, "running")
    end))
end)

describe("count", function()
    it("of a template counts thousands of children, and none when they are gone", in_time(function(rt)
        local actors = troupe.new()
        local sup = served(rt)
        local pool = sup:template { name = "pool", run = actors.act, restart = "temporary" }
        for thousands = 1, 2 do
            for _ = 1, 1000 do
                pool:start()
            end
            settle()
            local n = thousands * 1000
            assert.same({ { n, n, 0, n }, n }, { counts(pool), #pool:children() })
        end
        for _, child in ipairs(pool:children()) do
            actors.cues[child.name](ends.panic)
        end
        settle()
        assert_state(pool, "", 0, 0, 0, 0)
    end))

    it("counts child supervisors as such", in_time(function(rt)
        local sup = served(rt)
        for i = 1, 1000 do
            sup:add(new(rt, "inner"), { name = "inner" .. i, restart = "temporary" })
        end
        settle()
        assert.same({ 1000, 1000, 1000, 0 }, counts(sup))
        for _, child in ipairs(sup:children()) do
            assert.is_true(sup:terminate_child(child.token))
        end
        assert_state(sup, "", 0, 0, 0, 0)
    end))

    it("counts children that wait for their restart as specs, and not as active", in_time(function(rt)
        local actors = troupe.new()
        local sup = served(rt)
        local pool = sup:template { name = "pool", run = actors.act, ready = "notify", intensity = 20, period = 10,
            backoff = { min = 1, max = 1, jitter = sutura.no_jitter } }
        local tokens = { pool:start(), pool:start(), pool:start() }
        settle()
        assert_state(pool, "1 running, 2 running, 3 running", 3, 3, 0, 3)
        for i = 1, 3 do
            actors:cue(tostring(i), ends.panic)
        end
        sutura.sleep(1)
        settle()
        assert_state(pool, "1 running, 2 running, 3 running", 3, 3, 0, 3)
        actors.fails["1"], actors.fails["2"] = ends.error, ends.error
        actors:cue("1", ends.panic)
        actors:cue("2", ends.panic)
        sutura.sleep(4.5)
        assert_state(pool, "1 backing_off, 2 backing_off, 3 running", 3, 1, 0, 3)
        actors.fails = {}
        sutura.sleep(1)
        assert_state(pool, "1 running, 2 running, 3 running", 3, 3, 0, 3)
        for left = 2, 0, -1 do
            assert.is_true(pool:terminate_child(tokens[left + 1]))
            assert.is_true(pool:delete_child(tokens[left + 1]))
            assert.same({ left, left, 0, left }, counts(pool))
        end
    end))
end)

describe("the spec of a child", function()
    local STRATEGIES = { one_for_one = "one_for_one", one_for_all = "one_for_all", rest_for_one = "rest_for_one" }

    it("is forgotten with a temporary child, however it ended", in_each(STRATEGIES, function(rt, strategy)
        local actors = troupe.new()
        local sup = served(rt, { strategy = strategy })
        for _, how in ipairs { "kill", "plain", "panic", "terminate_child" } do
            sup:add(actors:child("child3", { restart = "temporary", shutdown = "kill" }))
            settle()
            if ends[how] then
                actors:cue("child3", ends[how])
            else
                sup:terminate_child("child3")
            end
            assert_state(sup, "", 0, 0, 0, 0)
        end
    end))

    it("stays with a transient child that was stopped or ended plainly, and with a permanent one in any case",
        in_each(STRATEGIES, function(rt, strategy)
            local actors = troupe.new()
            local sup = served(rt, { strategy = strategy })
            local function after(restart, how)
                sup:add(actors:child("child", { restart = restart }))
                settle()
                if how then
                    actors:cue("child", how)
                else
                    sup:terminate_child("child")
                end
                local state = states(sup)
                sup:terminate_child("child")
                assert.is_true(sup:delete_child("child"))
                return state
            end
            assert.equal("child stopped", after("permanent"))
            assert.equal("child stopped", after("transient"))
            assert.equal("child running", after("permanent", ends.plain))
            assert.equal("child stopped", after("transient", ends.plain))
            assert.equal("child running", after("permanent", ends.panic))
            assert.equal("child running", after("transient", ends.panic))
        end))
end)

describe("a child in a loop of failing restarts", function()
    -- Sends a running child into its loop: it fails, and so does each start from now on.
    local function fail(actors, name)
        actors.fails[name] = function()
            sutura.sleep(0.1)
            error("no start", 0)
        end
        actors:cue(name, ends.error)
    end

    it("answers ERR_RESTARTING between two tries and ERR_RUNNING in one, and can be stopped in both", in_time(
        function(rt)
            local actors = troupe.new()
            local sup = served(rt, { intensity = 100, period = 10 })
            sup:add(actors:child("child1", { backoff = { min = 1, max = 1 } }))
            settle()
            for _, try in ipairs { { 2.0, "backing_off", RESTARTING }, { 1.05, "starting", RUNNING } } do
                fail(actors, "child1")
                sutura.sleep(try[1])
                assert_refused(try[3], sup, "restart_child", "child1")
                assert_refused(try[3], sup, "delete_child", "child1")
                assert.equal("child1 " .. try[2], states(sup))
                assert.is_true(sup:terminate_child("child1"))
                assert_state(sup, "child1 stopped", 1, 0, 0, 1)
                actors.fails = {}
                sutura.sleep(10)
                assert.equal("child1 stopped", states(sup))
                assert.is_true(sup:restart_child("child1"))
                settle()
                assert_state(sup, "child1 running", 1, 1, 0, 1)
            end
        end))

    it("lets its supervisor stop at once", in_time(function(rt)
        local actors = troupe.new()
        local sup, record = served(rt, { intensity = 8, period = 10 })
        sup:add(actors:child("child1", { shutdown = "kill" }))
        settle()
        fail(actors, "child1")
        sutura.sleep(0.55)
        assert.equal("child1 starting", states(sup))
        assert.is_nil(sup:stop())
        assert.equal(0.55, sutura.now())
        assert.equal(6, #record:of("service_panic") + #record:of("service_terminate"))
        assert.same({}, record:of("escalate"))
    end))

    it("of rest_for_one keeps those behind it waiting until it has started or was stopped", in_time(function(rt)
        local actors = troupe.new()
        local sup = served(rt, { strategy = "rest_for_one", intensity = 100, period = 10, children = {
            actors:child("child1"), actors:child("child2"), actors:child("child3") } })
        fail(actors, "child2")
        sutura.sleep(0.55)
        assert_state(sup, "child1 running, child2 starting, child3 restarting", 3, 2, 0, 3)
        assert_refused(RUNNING, sup, "delete_child", "child2")
        assert_refused(RESTARTING, sup, "delete_child", "child3")
        assert_refused(RESTARTING, sup, "restart_child", "child3")
        assert.is_true(sup:terminate_child("child2"))
        settle()
        assert_state(sup, "child1 running, child2 stopped, child3 running", 3, 2, 0, 3)
        actors.fails = {}
        assert.is_true(sup:restart_child("child2"))
        settle()
        fail(actors, "child2")
        sutura.sleep(0.25)
        sup:stop()
        assert.equal("child1 stopped, child2 stopped, child3 stopped", states(sup))
        assert.equal(1, actors.runs.child1)
    end))

    it("of a template is listed as such, and can be stopped, as can the template", in_time(function(rt)
        local actors = troupe.new()
        local sup = served(rt)
        local pool = sup:template { name = "pool", run = actors.act, ready = "notify", intensity = 100, period = 10 }
        local one = pool:start()
        settle()
        fail(actors, "1")
        sutura.sleep(0.55)
        assert_state(pool, "1 starting", 1, 1, 0, 1)
        assert_refused(RUNNING, pool, "restart_child", "1")
        assert.is_true(pool:terminate_child(one))
        assert_state(pool, "1 stopped", 1, 0, 0, 1)
        actors.fails = {}
        pool:start()
        settle()
        fail(actors, "2")
        sutura.sleep(0.55)
        assert.is_nil(sup:stop())
        assert.equal(1.1, sutura.now())
    end))
end)
