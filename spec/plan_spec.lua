-- SPDX-License-Identifier: MIT
--
-- sup:plan: what would follow from an end is what then follows, and asking has no effect.

local foresight = require "spec.support.foresight"
local random_world = require "spec.support.random_world"
local services = require "spec.support.services"
local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local in_time = virtual.test

-- ---- worlds ----

local function with(children, settings)
    local world = { children = children }
    for field, value in pairs(settings or {}) do
        world[field] = value
    end
    return world
end

local function named(names, options)
    local children = {}
    for name in names:gmatch("%S+") do
        children[#children + 1] = { name = name }
        for option, value in pairs(options or {}) do
            children[#children][option] = value
        end
    end
    return children
end

-- Plans that the service at `path` ends as `what` says, after what `before` does, and sees that it comes true.
local function check(world, path, what, before)
    local plan
    virtual.run(function(rt)
        local seer = foresight.new(rt)
        seer:serve(world)
        if before then
            before(seer)
        end
        plan = assert(seer:plan(path, what))
        local told = seer:told(plan)
        assert.same(seer:happen(path, what), told)
    end)
    return plan
end

local function types_of(plan)
    local types = {}
    for i, event in ipairs(plan.events) do
        types[i] = event.type .. " " .. event.path
    end
    return types
end

describe("a plan", function()
    it("says what would stop, what would start and which events would come, with their times", function()
        local world = with(named "a b c", { strategy = "one_for_all", failure_threshold = 0.5, failure_backoff = 7 })
        local plan = check(world, "root/b", "panic")
        assert.same({
            stop = { "root/c", "root/a" },
            start = { "root/a", "root/b", "root/c" },
            events = {
                { type = "backoff", path = "root", at = 0.0, delay = 7.0 },
                { type = "service_panic", path = "root/b", at = 0.0, restarting = false, stopping = false,
                    queued = true },
                { type = "resume", path = "root", at = 7.0, delay = 0.0 },
            },
        }, plan)
    end)

    it("has its times from now on", in_time(function(rt)
        local seer = foresight.new(rt)
        seer:serve(with(named "a", { failure_threshold = 0, failure_backoff = 2 }))
        sutura.sleep(1000)
        assert.equal(2.0, seer:plan("root/a", "panic").events[3].at)
    end))

    it("counts supervisors among what stops and what starts, before what is below them", function()
        local inner = with(named "x y", { stop_order = "parallel" })
        local plan = check(with({ { name = "a" }, { name = "s", below = inner }, { name = "b" } },
            { strategy = "rest_for_one" }), "root/a", "panic")
        assert.same({ "root/b", "root/s", "root/s/y", "root/s/x" }, plan.stop)
        assert.same({ "root/s", "root/a", "root/s/x", "root/s/y", "root/b" }, plan.start)
    end)

    it("takes a panic when nothing is said", in_time(function(rt)
        local seer = foresight.new(rt)
        seer:serve(with(named "a"))
        assert.same(seer:plan("root/a", "panic"), seer:plan("root/a"))
    end))

    it("is about the service of a token too", in_time(function(rt)
        local sup = rt:supervisor("root", { event_hook = function() end })
        local token = sup:add("a", services.sleeper)
        sup:serve_background()
        virtual.settle()
        assert.same({ "root/a" }, sup:plan(token, "error").start)
    end))

    it("shows what stands still as it is: it changes nothing", in_time(function(rt)
        local seer = foresight.new(rt)
        local root = seer:serve(with({ { name = "a", backoff = {} }, { name = "b" },
            { name = "s", below = with(named "x y", { strategy = "one_for_all", intensity = 1 }) } },
            { failure_threshold = 1.5, lifecycle_events = true }))
        seer:fail("root/a", "panic")
        seer:fail("root/s/x", "panic")
        seer:fail("root/b", "panic")
        local before = root:tree()
        seer:forget()
        for _, path in ipairs{ "root/s/x", "root/s/y" } do
            for _, what in ipairs{ "panic", "error", "return", "do_not_restart", "terminate_tree" } do
                assert.truthy(seer:plan(path, what))
            end
        end
        assert.same(before, root:tree())
        sutura.sleep(0.5)
        assert.same({ {}, {}, {} }, { seer.events, seer.started, seer.stopped })
    end))

    it("may be made in an event hook and by the service itself", in_time(function(rt)
        local plans = {}
        local sup
        sup = rt:supervisor("root", {
            strategy = "one_for_all", failure_threshold = 0, backoff_jitter = sutura.no_jitter,
            event_hook = function(event)
                plans[#plans + 1] = event.type .. " " .. table.concat(sup:plan("b", "panic").start, " ")
            end,
            children = {
                { name = "a", run = function(ctx)
                    plans[#plans + 1] = table.concat(sup:plan("a", "return").stop, " ")
                    ctx:wait(ctx.run == 1 and 1 or nil)
                end },
                { name = "b", run = services.sleeper },
            },
        })
        sup:serve_background()
        sutura.sleep(1.5)
        local queued = "root/a root/b"
        assert.same({ "root/b", "backoff " .. queued, "service_terminate " .. queued }, plans)
    end))
end)

describe("the plan comes true", function()
    it("with one_for_one, where the service alone restarts", function()
        local plan = check(with(named "a b c"), "root/b", "error")
        assert.same({ stop = {}, start = { "root/b" } }, { stop = plan.stop, start = plan.start })
    end)

    it("with one_for_all, where all restart", function()
        local plan = check(with(named("a b c", { ready = "notify" }), { strategy = "one_for_all" }), "root/a", "panic")
        assert.same({ "root/c", "root/b" }, plan.stop)
        assert.same({ "root/a", "root/b", "root/c" }, plan.start)
    end)

    it("with one_for_all in parallel", function()
        check(with(named "a b c d", { strategy = "one_for_all", stop_order = "parallel", lifecycle_events = true }),
            "root/b", "panic")
    end)

    it("with rest_for_one, where those behind restart", function()
        local plan = check(with(named "a b c d", { strategy = "rest_for_one" }), "root/b", "panic")
        assert.same({ "root/d", "root/c" }, plan.stop)
        assert.same({ "root/b", "root/c", "root/d" }, plan.start)
    end)

    it("with rest_for_one, where the dependents restart, and only they", function()
        local plan = check(with({ { name = "db" }, { name = "other" }, { name = "cache", after = { "db" } },
            { name = "log" }, { name = "web", after = { "cache" }, ready = "notify" } },
            { strategy = "rest_for_one" }), "root/db", "panic")
        assert.same({ "root/web", "root/cache" }, plan.stop)
        assert.same({ "root/db", "root/cache", "root/web" }, plan.start)
    end)

    it("when the supervisor pauses and resumes, one start after the other", function()
        local plan = check(with(named "a b c", { failure_threshold = 1.5, resume_spacing = 2, failure_backoff = 5 }),
            "root/c", "panic", function(seer)
                seer:fail("root/a", "panic")
                seer:fail("root/b", "panic")
                sutura.sleep(3)
            end)
        assert.same({ "root/b", "root/c" }, plan.start)
        assert.same({ { "backoff root", "service_panic root/c", "resume root" }, 5.0 },
            { types_of(plan), plan.events[3].at })
    end)

    it("when the service waits for its own delay", function()
        local plan = check(with({ { name = "a", backoff = { min = 2, factor = 3 } }, { name = "b" } }), "root/a",
            "error", function(seer)
                seer:fail("root/a", "panic")
                sutura.sleep(2)
            end)
        assert.same({ 6.0, true }, { plan.events[1].delay, plan.events[1].restarting })
        assert.same({ "root/a" }, plan.start)
    end)

    it("when others wait for their own delay already, and restart the whole group then", function()
        check(with({ { name = "a", backoff = { min = 2 } }, { name = "b" }, { name = "c", backoff = { min = 9 } } },
            { strategy = "one_for_all" }), "root/b", "panic", function(seer)
            seer:fail("root/a", "panic")
            seer:fail("root/c", "panic")
            sutura.sleep(1)
        end)
    end)

    it("when two levels give up, up to the root", function()
        local low = with(named "x y", { intensity = 0 })
        local middle = with({ { name = "m" }, { name = "low", below = low } },
            { intensity = 0, strategy = "one_for_all" })
        local plan = check(with({ { name = "a" }, { name = "middle", below = middle } },
            { intensity = 0, lifecycle_events = true }), "root/middle/low/x", "panic")
        assert.same({ "root/middle/low/y", "root/middle/m", "root/a" }, plan.stop)
        assert.same({}, plan.start)
        assert.same({ "service_panic root/middle/low/x", "escalate root/middle/low",
            "service_terminate root/middle/low", "escalate root/middle", "service_terminate root/middle",
            "escalate root", "service_stop root/a", "supervisor_stop root" }, types_of(plan))
        assert.equal("more than 0 restarts in 5 s", plan.events[2].reason)
    end)

    it("when a level gives up, and the one above restarts it", function()
        local low = with(named "x y", { intensity = 1, period = 10 })
        local plan = check(with({ { name = "a" }, { name = "low", below = low } }), "root/low/x", "return",
            function(seer)
                seer:fail("root/low/y", "panic")
                sutura.sleep(9)
            end)
        assert.same({ "root/low/y" }, plan.stop)
        assert.same({ "root/low", "root/low/x", "root/low/y" }, plan.start)
    end)

    it("when it paused often enough in a row", function()
        local plan = check(with(named "a b", { failure_threshold = 0, failure_backoff = 1, escalate_after = 1 }),
            "root/a", "panic", function(seer)
                seer:fail("root/b", "panic")
                sutura.sleep(1)
            end)
        assert.same({ "service_panic root/a", "escalate root" }, types_of(plan))
    end)

    it("when a significant child ends, and its supervisor with it", function()
        local below = with({ { name = "x", restart = "transient", significant = true }, { name = "y" } },
            { auto_shutdown = "any_significant", lifecycle_events = true })
        local plan = check(with({ { name = "s", below = below }, { name = "b" } }), "root/s/x", "return")
        assert.same({ "root/s/y" }, plan.stop)
        assert.same({ "root/s", "root/s/x", "root/s/y" }, plan.start)
    end)

    it("when temporary children are in the group: they do not come back", function()
        local plan = check(with({ { name = "a" }, { name = "b", restart = "temporary" }, { name = "c" } },
            { strategy = "one_for_all" }), "root/a", "panic")
        assert.same({ "root/c", "root/b" }, plan.stop)
        assert.same({ "root/a", "root/c" }, plan.start)
    end)

    it("when temporary children come back with the next life of their supervisor", function()
        local below = with({ { name = "x" }, { name = "y", restart = "temporary" } }, { intensity = 0 })
        local plan = check(with({ { name = "s", below = below } }), "root/s/x", "panic", function(seer)
            seer:fail("root/s/y", "panic")
            seer.supervisors["root/s"]:add("z", seer.body, { restart = "temporary" })
            virtual.settle()
        end)
        assert.same({ "root/s/z" }, plan.stop)
        assert.same({ "root/s", "root/s/x", "root/s/y" }, plan.start)
    end)

    it("when a service asks for the end of the tree, as far as that is let through", function()
        local low = with(named "x y")
        local middle = with({ { name = "low", below = low }, { name = "m" } }, { dont_propagate_termination = true })
        local plan = check(with({ { name = "a" }, { name = "middle", below = middle } }), "root/middle/low/x",
            "terminate_tree")
        assert.same({ "root/middle/low/y", "root/middle/m" }, plan.stop)
    end)

    it("when a service asks for the end of the whole tree", function()
        local plan = check(with({ { name = "s", below = with(named "x y", { stop_order = "parallel" }) },
            { name = "a" } }, { lifecycle_events = true }), "root/s/x", "terminate_tree")
        assert.same({ "root/s/y", "root/a" }, plan.stop)
    end)

    it("when a service is not to be restarted", function()
        local plan = check(with(named "a b"), "root/a", "do_not_restart")
        assert.same({ stop = {}, start = {}, events = {} }, plan)
    end)
end)

-- ---- trees at random ----

-- Lets some services fail, with some time in between, so that pauses and delays are under way.
local function stir(seer)
    for _ = 1, math.random(0, 5) do
        local path = random_world.path(seer.tell)
        if not path then
            return
        end
        seer:fail(path, random_world.pick{ "panic", "panic", "error", "return", "do_not_restart" })
        sutura.sleep(random_world.pick{ 0, 0.25, 0.5, 1, 3 })
    end
end

describe("in trees at random", function()
    it("plans come true", function()
        for seed = 1, 200 do
            math.randomseed(seed)
            local world = random_world.new(2)
            virtual.run(function(rt)
                local seer = foresight.new(rt)
                seer:serve(world)
                for turn = 1, 4 do
                    stir(seer)
                    local path = random_world.path(seer.tell)
                    if not path then
                        return
                    end
                    local what = random_world.pick{ "panic", "error", "return", "do_not_restart", "terminate_tree" }
                    local told = seer:told(assert(seer:plan(path, what)))
                    local case = ("seed %d, turn %d: %s of %s"):format(seed, turn, what, path)
                    assert.same(seer:happen(path, what), told, case)
                end
            end)
        end
    end)
end)

describe("a plan is refused", function()
    it("for a service that is not there, or whose name several have", in_time(function(rt)
        local root = rt:supervisor("root", { event_hook = function() end })
        root:add("a", services.sleeper)
        root:add("a", services.sleeper)
        local token = root:add("b", services.sleeper)
        root:serve_background()
        virtual.settle()
        assert.same({ nil, sutura.ERR_UNKNOWN_SERVICE }, { root:plan("c", "panic") })
        assert.same({ nil, sutura.ERR_AMBIGUOUS_NAME }, { root:plan("a", "panic") })
        root:remove_and_wait(token)
        assert.same({ nil, sutura.ERR_UNKNOWN_SERVICE }, { root:plan(token, "panic") })
    end))

    it("for a service of another supervisor", in_time(function(rt)
        local root, other = rt:supervisor("root"), rt:supervisor("other")
        local token = other:add("a", services.sleeper)
        assert.same({ nil, sutura.ERR_WRONG_SUPERVISOR }, { root:plan(token, "panic") })
    end))

    it("while the supervisor, or the service, does not run", in_time(function(rt)
        local seer = foresight.new(rt)
        local root = seer:supervisor("root", with{ { name = "a", restart = "transient" }, { name = "b" } })
        assert.same({ nil, sutura.ERR_NOT_RUNNING }, { root:plan("b", "panic") })
        root:serve_background()
        virtual.settle()
        seer:fail("root/a", "return")
        assert.same({ nil, sutura.ERR_NOT_RUNNING }, { root:plan("a", "panic") })
        assert.truthy(root:plan("b", "panic"))
        root:stop()
        assert.same({ nil, sutura.ERR_NOT_RUNNING }, { root:plan("b", "panic") })
    end))

    it("for an end that there is not, by name", in_time(function(rt)
        local root = rt:supervisor("root")
        for text, what in pairs{ ['"crash"'] = "crash", ["1"] = 1, table = {} } do
            assert.error_matches(function() root:plan("a", what) end, ("bad argument 'what' to 'plan' "
                .. '("panic", "error", "return", "do_not_restart" or "terminate_tree" expected, got %s)')
                :format(text), 1, true)
        end
    end))
end)
