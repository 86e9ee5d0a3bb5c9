-- SPDX-License-Identifier: MIT
--
-- Start and stop events, and what every event carries: its number, its times, its supervisor, service and token.

local recorder = require "spec.support.recorder"
local services = require "spec.support.services"
local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local settle, in_time = virtual.settle, virtual.test
local sleeper = services.sleeper

local function new(rt, name, spec)
    local record = recorder.new()
    spec = spec or {}
    spec.event_hook = record.hook
    spec.backoff_jitter = sutura.no_jitter
    if spec.lifecycle_events == nil then
        spec.lifecycle_events = true
    end
    return rt:supervisor(name, spec), record
end

-- "type path: reason" of each event.
local function lines(record)
    local found = {}
    for i, event in ipairs(record.events) do
        found[i] = ("%s %s%s"):format(event.type, event.path, event.reason and ": " .. event.reason or "")
    end
    return found
end

describe("lifecycle events", function()
    it("are told only when the spec asks", in_time(function(rt)
        local a, record = new(rt, "a", { lifecycle_events = false })
        a:add("w", sleeper)
        a:serve_background()
        settle()
        a:stop()
        assert.same({}, record:lines())
    end))

    it("tell of starts and stops of services and supervisors, in order, with reasons", in_time(function(rt)
        local a, record = new(rt, "a")
        local b = new(rt, "b")
        a:add("w", function() sutura.sleep(100) end)
        a:add(b)
        b:add("v", sleeper)
        a:serve_background()
        settle()
        assert.same({ "supervisor_start a: served", "supervisor_start a/b: first start",
            "service_start a/w: first start", "service_start a/b/v: first start" }, lines(record))
        record:forget()
        a:stop()
        settle()
        assert.same({ "service_stop a/b/v: returned", "supervisor_stop a/b: stopped", "service_stop a/w: stopped",
            "supervisor_stop a: stopped" }, lines(record))
        record:forget()
        a:serve_background()
        settle()
        a:restart("b")
        settle()
        assert.same({ "supervisor_start a: served", "supervisor_start a/b: started again", "service_start a/w: stopped",
            "service_start a/b/v: stopped", "service_stop a/b/v: returned", "supervisor_stop a/b: stopped",
            "supervisor_start a/b: started again", "service_start a/b/v: stopped" }, lines(record))
    end))

    it("say how each run ended and why the next began, after the failure's own event", in_time(function(rt)
        local a, record = new(rt, "a", { failure_threshold = math.huge })
        local ends = {
            function() end,
            function() return nil, "broken" end,
            function() error("boom", 0) end,
            function(ctx) ctx.supervisor:restart(ctx.token) ctx:wait() end,
            function() return sutura.DO_NOT_RESTART end,
        }
        a:add("w", function(ctx) return ends[ctx.run](ctx) end)
        a:serve_background()
        settle()
        table.remove(record.events, 1)
        assert.same({
            "service_start a/w: first start", "service_terminate a/w", "service_stop a/w: returned",
            "service_start a/w: returned without an error", "service_terminate a/w", "service_stop a/w: error",
            "service_start a/w: broken", "service_panic a/w", "service_stop a/w: panic",
            "service_start a/w: boom", "service_stop a/w: returned",
            "service_start a/w: restarted on purpose", "service_stop a/w: do not restart",
        }, lines(record))
        local last = record.events[#record.events]
        assert.equal("a/w", tostring(last.token))
        assert.equal(5, last.run)
    end))

    it("say when a tree ends by itself", in_time(function(rt)
        local a, record = new(rt, "a")
        local b = new(rt, "b", { pass_through_panics = true })
        a:add(b)
        b:add("w", function(ctx) if ctx.run == 1 then error("boom", 0) end return sutura.TERMINATE_TREE end)
        assert.equal(sutura.TERMINATE_TREE, a:serve())
        assert.same({ "supervisor_start a: served", "supervisor_start a/b: first start",
            "service_start a/b/w: first start", "service_panic a/b/w", "service_stop a/b/w: panic",
            "supervisor_stop a/b: panic", "supervisor_start a/b: started again", "service_panic a/b",
            "service_start a/b/w: boom", "service_stop a/b/w: terminate tree", "supervisor_stop a/b: terminate tree",
            "supervisor_stop a: terminate tree" }, lines(record))
    end))

    it("say when a supervisor shut itself down, gave up or could not start", in_time(function(rt)
        local function panics() error("boom", 0) end
        local function reason_of(spec)
            local sup, record = new(rt, "sup", spec)
            sup:serve()
            return record:only("supervisor_stop").reason
        end
        assert.equal("auto shutdown", reason_of { auto_shutdown = "any_significant", children = {
            { name = "w", run = function() end, restart = "temporary", significant = true },
        } })
        assert.equal("gave up", reason_of { intensity = 2, children = { { name = "w", run = panics } } })
        assert.equal("gave up", reason_of { failure_threshold = 0.5, escalate_after = 1, children = {
            { name = "w", run = panics },
        } })
        assert.equal("start failed", reason_of { children = { { name = "w", run = panics, ready = "notify" } } })
        assert.equal("start failed", reason_of { children = {
            { name = "w", run = sleeper, ready = "notify", start_timeout = 1 },
        } })
    end))

    it("come from the supervisor that asked for them, not from those below", in_time(function(rt)
        local a, record = new(rt, "a")
        local b = new(rt, "b", { lifecycle_events = false })
        a:add(b)
        b:add("w", sleeper)
        a:serve_background()
        settle()
        a:stop()
        assert.same({ "supervisor_start a: served", "supervisor_stop a: stopped" }, lines(record))
    end))

    it("say why a run began, not why it ended at once", in_time(function(rt)
        local a, record = new(rt, "a", { failure_threshold = math.huge })
        a:add("w", function(ctx)
            if ctx.run == 1 then
                error("boom", 0)
            elseif ctx.run == 2 then
                ctx.supervisor:restart(ctx.token)
            else
                ctx:wait()
            end
        end)
        a:serve_background()
        settle()
        assert.same({ "supervisor_start a: served", "service_start a/w: first start", "service_panic a/w",
            "service_stop a/w: panic", "service_start a/w: boom", "service_stop a/w: returned",
            "service_start a/w: restarted on purpose" }, lines(record))
    end))

    it("say why a supervisor began, whatever has become of it at the same instant", in_time(function(rt)
        local a, record = new(rt, "a")
        local b, c = new(rt, "b"), new(rt, "c")
        a:serve_background()
        settle()
        record:forget()
        a:restart(a:add(b))
        a:remove(a:add(c))
        settle()
        assert.same({ "supervisor_start a/b: first start", "supervisor_start a/c: first start",
            "supervisor_stop a/b: stopped", "supervisor_stop a/c: stopped", "supervisor_start a/b: started again" },
            lines(record))
    end))

    it("say that the run before ended the tree", in_time(function(rt)
        local a, record = new(rt, "a", { failure_threshold = math.huge })
        a:add("w", function(ctx)
            if ctx.run == 1 then
                error("boom", 0)
            end
            return ctx.run == 2 and sutura.TERMINATE_TREE or ctx:wait()
        end)
        a:serve()
        record:forget()
        a:serve_background()
        settle()
        assert.same({ "supervisor_start a: served", "service_start a/w: returned TERMINATE_TREE" }, lines(record))
        assert.equal("returned TERMINATE_TREE", a:get_child("w").last_error)
    end))

    it("of a service that never had its turn are not told", in_time(function(rt)
        local a, record = new(rt, "a")
        a:add("w", sleeper)
        a:serve_background()
        a:stop()
        settle()
        assert.same({ "supervisor_start a", "supervisor_stop a" }, record:lines())
    end))
end)

describe("every event", function()
    it("carries its supervisor with name and path, and a service's event the service with name and token", in_time(
        function(rt)
            local a, record = new(rt, "a", { failure_threshold = 0.5, failure_backoff = 1, timeout = 1 })
            local b = new(rt, "b/c", { failure_threshold = 0.5, failure_backoff = 1, timeout = 1 })
            local function body(ctx)
                if ctx.run == 1 then error("x") end
                ctx:wait()
                sutura.shield(sutura.sleep, 5)
            end
            a:add(b)
            local token = b:add("w", body)
            a:serve_background()
            sutura.sleep(3)
            a:stop()
            local of_supervisors, of_services = 0, 0
            for _, event in ipairs(record.events) do
                assert.is_true(event.supervisor == b or event.supervisor == a)
                assert.equal(event.supervisor.name, event.supervisor_name)
                if event.service then
                    of_services = of_services + 1
                    assert.same({ body, "w", token, b, "a/b%2Fc/w" }, { event.service, event.service_name, event.token,
                        event.supervisor, event.path })
                    assert.is_true(event.run == 1 or event.run == 2)
                else
                    of_supervisors = of_supervisors + 1
                    assert.equal(tostring(event.supervisor), event.path)
                    assert.is_nil(event.token)
                    assert.is_nil(event.service_name)
                end
            end
            assert.same({ 6, 6 }, { of_supervisors, of_services })
        end))

    it("has a seq that counts up in a runtime without gaps, from 1", in_time(function(rt)
        local a, record = new(rt, "a")
        local b, others = new(rt, "b")
        for i = 1, 4 do
            a:add("w" .. i, function() sutura.sleep(i) end)
            b:add("w" .. i, function() sutura.sleep(i) error("x") end)
        end
        a:serve_background()
        b:serve_background()
        sutura.sleep(30)
        local seen = {}
        for _, event in ipairs(record.events) do
            seen[event.seq] = event
        end
        for _, event in ipairs(others.events) do
            assert.is_nil(seen[event.seq])
            seen[event.seq] = event
        end
        assert.equal(#record.events + #others.events, #seen)
        for i = 2, #seen do
            assert.is_true(seen[i].time >= seen[i - 1].time)
        end
        assert.equal("integer", math.type(seen[1].seq))
    end))

    it("has the runtime's now as time, and epoch plus that as wall on a virtual clock", function()
        for _, epoch in ipairs { 0, 1700000000.5 } do
            virtual.run(function(rt)
                local a, record = new(rt, "a")
                a:add("w", function() sutura.sleep(2.25) error("x") end)
                a:serve_background()
                sutura.sleep(3)
                local event = record:only("service_panic")
                assert.equal(2.25, event.time)
                assert.equal(epoch + 2.25, event.wall)
                assert.equal(0.0, record:only("supervisor_start").time)
            end, { epoch = epoch ~= 0 and epoch or nil })
        end
    end)

    it("has the path of the time when it happened, also of what has left the tree since", in_time(function(rt)
        local root, record = new(rt, "root", { lifecycle_events = false })
        root:add(rt:supervisor("gave up", { intensity = 0, children = {
            { name = "w", run = function() error("x", 0) end },
        } }), { restart = "temporary" })
        root:add(rt:supervisor("ended", { dont_propagate_termination = true, lifecycle_events = true, children = {
            { name = "w", run = function() return sutura.TERMINATE_TREE end },
        } }))
        root:serve_background()
        settle()
        assert.equal(0, root:count().specs)
        assert.same({
            "supervisor_start root/ended: first start",
            "service_panic root/gave up/w", "escalate root/gave up: more than 0 restarts in 5 s",
            "service_terminate root/gave up",
            "service_start root/ended/w: first start", "service_stop root/ended/w: terminate tree",
            "supervisor_stop root/ended: do not restart",
        }, lines(record))
        root:stop()
    end))

    it("of a real clock has the Unix time as wall", function()
        local rt = sutura.runtime{ clock = "real" }
        local record = recorder.new()
        rt:run(function()
            local sup = rt:supervisor("a", { event_hook = record.hook })
            sup:add("v", function(ctx) ctx:wait() error("x") end)
            sup:add("w", function() return sutura.TERMINATE_TREE end)
            sup:serve()
        end)
        rt:close()
        local event = record:only("service_panic")
        assert.is_true(math.abs(event.wall - os.time()) < 5)
        assert.is_true(event.time > 0)
    end)
end)
