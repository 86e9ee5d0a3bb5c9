-- SPDX-License-Identifier: MIT
--
-- Because of whom a service is asked to stop or started again: what ctx:cause() gives beside the reason, and what the
-- events say. What is left of a cause that has left the tree is in cause_gone_spec.

local recorder = require "spec.support.recorder"
local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local settle, in_time, in_each = virtual.settle, virtual.test, virtual.each

-- Why and because of whom each was asked to stop, by path; and what it runs to tell.
local function told()
    local causes = {}
    return causes, function(ctx)
        ctx:wait()
        causes[ctx.path] = table.pack(ctx:cause())
    end
end

-- Fails at its cue, once; then waits.
local function brittle(how)
    return function(ctx)
        if ctx.run > 1 then
            sutura.sleep(1e6)
        end
        sutura.sleep(10)
        return (how or error)("boom", 0)
    end
end

local function supervisor(rt, name, spec, children)
    spec = spec or {}
    spec.lifecycle_events = true
    local sup, record = recorder.supervisor(rt, name, spec)
    for _, child in ipairs(children or {}) do
        sup:add(child)
    end
    return sup, record
end

local function child(name, run, fields)
    local spec = { name = name, run = run }
    for field, value in pairs(fields or {}) do
        spec[field] = value
    end
    return spec
end

-- "type path: because of", of the types that begin with the word, from an event on.
local function blamed(record, word, from)
    local lines = {}
    for i = from or 1, #record.events do
        local event = record.events[i]
        if event.type:find("^" .. word) then
            lines[#lines + 1] = ("%s: %s"):format(event.path, event.because_of)
        end
    end
    return lines
end

local function restarted(by) return { n = 2, "restarted", by } end
local function grouped(by) return { n = 2, "restarted with its group", by } end
local function stopped(by) return { n = 2, "stopped", by } end

describe("the cause of the restart of a group", function()
    it("is the sibling that failed, for every member and all below", in_time(function(rt)
        local causes, body = told()
        local below = supervisor(rt, "below", {}, { child("deep", body) })
        local sup, record = supervisor(rt, "root", { strategy = "one_for_all" }, {
            child("a", body), child("b", brittle()), below, child("c", body),
        })
        sup:serve_background()
        sutura.sleep(11)
        assert.same({
            ["root/a"] = grouped "root/b", ["root/c"] = grouped "root/b", ["root/below/deep"] = grouped "root/b",
        }, causes)
        assert.same({ "root/b: root/b" }, blamed(record, "service_panic"))
        assert.same({ "root/b: root/b", "root/c: root/b", "root/below/deep: root/b", "root/a: root/b" },
            blamed(record, "service_stop"))
        assert.same({ "root/below: root/b" }, blamed(record, "supervisor_stop"))
        local from = record:only("service_panic").seq
        assert.same({ "root/a: root/b", "root/b: root/b", "root/below/deep: root/b", "root/c: root/b" },
            blamed(record, "service_start", from))
        assert.same({ "root/below: root/b" }, blamed(record, "supervisor_start", from))
    end))

    it("starts one that had been stopped by hand too", in_time(function(rt)
        local _, body = told()
        local sup, record = supervisor(rt, "root", { strategy = "one_for_all" }, {
            child("a", body), child("b", brittle()), child("idle", body),
        })
        sup:serve_background()
        settle()
        sup:terminate_child("idle")
        record:forget()
        sutura.sleep(11)
        assert.equal("root/idle: root/b", blamed(record, "service_start")[3])
    end))

    it("is the first failure for a member, and a failure of its own for one that fails", in_time(function(rt)
        local causes = {}
        local function slow(ctx)
            ctx:wait()
            causes[ctx.name] = select(2, ctx:cause())
            sutura.shield(sutura.sleep, 5)
        end
        -- x restarts because of b, although d, which is in the group, fails while e still stops.
        local sup, record = supervisor(rt, "root", { strategy = "rest_for_one" }, {
            child("b", brittle()), child("x", slow), child("d", function(ctx)
                if ctx.run == 1 then
                    sutura.sleep(12)
                    error("boom", 0)
                end
                sutura.sleep(1e6)
            end), child("e", slow),
        })
        sup:serve_background()
        sutura.sleep(30)
        assert.same({ e = "root/b", x = "root/b" }, causes)
        assert.same({ "root/b: root/b", "root/x: root/b", "root/d: root/d", "root/e: root/b" },
            blamed(record, "service_start", record:of("service_panic")[2].seq))
    end))

    it("is the first failure for a member, when two are tried again at one instant", in_time(function(rt)
        local causes, body = told()
        local function falls(after)
            return function(ctx)
                sutura.sleep(ctx.run == 1 and after or 1e6)
                error("boom", 0)
            end
        end
        local sup = supervisor(rt, "root", { strategy = "rest_for_one", failure_threshold = 0.5, failure_backoff = 5,
            backoff_jitter = sutura.no_jitter }, { child("a", falls(2)), child("b", falls(1)), child("c", body) })
        sup:serve_background()
        sutura.sleep(8)
        assert.same(grouped "root/b", causes["root/c"])
    end))

    it("is a sibling's also under a strategy that update has given", in_time(function(rt)
        local causes, body = told()
        local sup = supervisor(rt, "root", {}, { child("a", body), child("b", brittle()) })
        sup:serve_background()
        sup:update { strategy = "one_for_all" }
        sutura.sleep(11)
        assert.same(grouped "root/b", causes["root/a"])
    end))

    it("is the one that a member depends on, though another group restarts at the same time", in_time(function(rt)
        local causes = {}
        local function slow(ctx)
            ctx:wait()
            causes[#causes + 1] = ctx.name .. " " .. select(2, ctx:cause())
            sutura.shield(sutura.sleep, 5)
            causes[#causes + 1] = ctx.name .. " " .. select(2, ctx:cause())
        end
        local sup, record = supervisor(rt, "root", { strategy = "rest_for_one", children = {
            child("db", brittle(), { after = {} }), child("api", slow, { after = { "db" } }),
            child("cache", function(ctx)
                if ctx.run == 1 then
                    sutura.sleep(12)
                    error("boom", 0)
                end
                sutura.sleep(1e6)
            end, { after = {} }), child("page", slow, { after = { "cache" } }),
        } })
        sup:serve_background()
        sutura.sleep(30)
        table.sort(causes)
        assert.same({ "api root/db", "api root/db", "page root/cache", "page root/cache" }, causes)
        local starts = blamed(record, "service_start", record:of("service_panic")[2].seq)
        table.sort(starts)
        assert.same({ "root/api: root/db", "root/cache: root/cache", "root/db: root/db", "root/page: root/cache" },
            starts)
    end))

    it("is the same after a pause, and after a delay of its own", in_each({
        pause = { spec = { failure_threshold = 0.5, failure_backoff = 20 } },
        delay = { child = { backoff = { min = 20, jitter = sutura.no_jitter } } },
    }, function(rt, case)
        local causes, body = told()
        local spec = case.spec or {}
        spec.strategy = "one_for_all"
        local sup, record = supervisor(rt, "root", spec, { child("a", body), child("b", brittle(), case.child) })
        sup:serve_background()
        sutura.sleep(29)
        assert.same({}, causes)
        sutura.sleep(2)
        assert.same({ ["root/a"] = grouped "root/b" }, causes)
        assert.same({ "root/a: root/b", "root/b: root/b" },
            blamed(record, "service_start", record:only("service_panic").seq))
    end))

    it("of one that is not ready in its time is itself", in_time(function(rt)
        local causes, body = told()
        local sup = supervisor(rt, "root", { strategy = "rest_for_one" })
        sup:serve_background()
        settle()
        sup:add(child("late", body, { ready = "notify", start_timeout = 5 }))
        sutura.sleep(6)
        assert.same({ ["root/late"] = grouped "root/late" }, causes)
    end))

    it("is not touched by a plan", in_time(function(rt)
        local causes = {}
        local sup = supervisor(rt, "root", { strategy = "one_for_all" })
        sup:add("a", function(ctx)
            ctx:wait()
            for _, what in ipairs { "panic", "do_not_restart", "terminate_tree" } do
                assert(sup:plan("a", what))
            end
            causes.a = table.pack(ctx:cause())
        end)
        sup:add("c", function(ctx) ctx:wait() sutura.shield(sutura.sleep, 1) end)
        sup:add("b", brittle())
        sup:serve_background()
        sutura.sleep(12)
        assert.same({ a = grouped "root/b" }, causes)
    end))
end)

describe("the cause of the end of a supervisor", function()
    local ENDS = {
        ["intensity"] = { spec = { intensity = 0 } },
        ["escalate_after"] = { spec = { failure_threshold = 0.5, failure_backoff = 1, escalate_after = 1 },
            run = function() sutura.sleep(10) error("boom", 0) end },
        ["a failed start"] = { child = { ready = "notify" } },
        ["a panic that passes through"] = { spec = { pass_through_panics = true } },
        ["TERMINATE_TREE"] = { how = function() return sutura.TERMINATE_TREE end },
    }

    it("is the child, for its siblings and for those of each supervisor that ends by it", in_each(ENDS,
        function(rt, case)
            local causes, body = told()
            local function spec()
                local copy = {}
                for field, value in pairs(case.spec or { intensity = 0 }) do
                    copy[field] = value
                end
                return copy
            end
            local w = child("w", case.run or brittle(case.how), case.child)
            local bottom = supervisor(rt, "bottom", spec(), { child("beside", body) })
            bottom:add(w)
            local aside = supervisor(rt, "aside", {}, { child("nephew", body) })
            local top_spec = spec()
            top_spec.intensity = top_spec.intensity or not case.how and 0 or nil
            top_spec.failure_threshold, top_spec.failure_backoff, top_spec.escalate_after = nil, nil, nil
            local sup, record = supervisor(rt, "root", top_spec, { aside, child("uncle", body), bottom })
            sup:serve_background()
            sutura.sleep(100)
            assert.equal("terminated", sup:state())
            for _, path in ipairs { "root/bottom/beside", "root/aside/nephew", "root/uncle" } do
                assert.equal("root/bottom/w", causes[path][2], path)
                assert.is_true(causes[path][1] == "boom" or sutura.is(causes[path][1], sutura.TERMINATE_TREE)
                    or sutura.is(causes[path][1], sutura.ERR_TOO_MANY_RESTARTS)
                    or sutura.is(causes[path][1], sutura.ERR_START_FAILED))
            end
            for _, event in ipairs(record.events) do
                if event.type == "supervisor_stop" or event.type == "service_stop" then
                    assert.equal("root/bottom/w", event.because_of, tostring(event))
                end
            end
        end))

    it("is the significant child by which it shuts down", in_time(function(rt)
        local causes, body = told()
        local sup, record = supervisor(rt, "root", { auto_shutdown = "any_significant" }, {
            child("a", body),
            child("work", function() sutura.sleep(10) end, { restart = "transient", significant = true }),
        })
        sup:serve_background()
        sutura.sleep(11)
        assert.same({ ["root/a"] = stopped "root/work" }, causes)
        assert.same({ "root: root/work" }, blamed(record, "supervisor_stop"))
    end))

    it("is the child in the event of its end, though it starts again at once", in_time(function(rt)
        local inner = supervisor(rt, "inner", { intensity = 0 }, { child("w", brittle()) })
        local sup, record = supervisor(rt, "root", {}, { inner })
        sup:serve_background()
        sutura.sleep(11)
        assert.equal("root/inner/w", record:only("service_terminate").because_of)
    end))

    it("is the cause of its restart too, and of those below that start again with it", in_time(function(rt)
        local causes, body = told()
        local inner = supervisor(rt, "inner", { intensity = 0 }, { child("beside", body), child("w", brittle()) })
        local sup, record = supervisor(rt, "root", { strategy = "one_for_all" }, { child("a", body), inner })
        sup:serve_background()
        sutura.sleep(11)
        assert.same(grouped "root/inner/w", causes["root/a"])
        local failed = record:only("service_terminate")
        assert.equal("root/inner", failed.path)
        assert.equal("root/inner/w", failed.because_of)
        assert.same({ "root/inner: root/inner/w" }, blamed(record, "supervisor_start", failed.seq - 3))
        assert.same({ "root/a: root/inner/w", "root/inner/beside: root/inner/w", "root/inner/w: root/inner/w" },
            blamed(record, "service_start", failed.seq))
    end))

    it("is none of what is added to it after its restart", in_time(function(rt)
        local inner = supervisor(rt, "inner", { intensity = 0 }, { child("w", brittle()) })
        local sup, record = supervisor(rt, "root", {}, { inner })
        sup:serve_background()
        sutura.sleep(11)
        inner:add("new", function(ctx) ctx:wait() end)
        settle()
        assert.same({ "root/inner/w: root/inner/w", "root/inner/new: nil" },
            blamed(record, "service_start", record:only("service_terminate").seq))
    end))

    it("is forgotten in its next life", in_time(function(rt)
        local causes, body = told()
        local sup, record = supervisor(rt, "root", { intensity = 0 }, { child("a", body), child("w", brittle()) })
        assert(sutura.is(sup:serve(), sutura.ERR_TOO_MANY_RESTARTS))
        record:forget()
        sup:serve_background()
        settle()
        sup:stop()
        assert.same({ ["root/a"] = stopped(nil) }, causes)
        for _, event in ipairs(record.events) do
            assert.is_nil(event.because_of)
        end
    end))
end)

describe("the cause of a call", function()
    local CALLS = {
        restart = function(sup) sup:restart("victim") end,
        remove = function(sup) sup:remove(sup:get_child("victim").token) end,
        remove_and_wait = function(sup) sup:remove_and_wait(sup:get_child("victim").token) end,
        terminate_child = function(sup) sup:terminate_child("victim") end,
        ["stop of the supervisor"] = function(sup) sup:stop(0) end,
    }
    local WORDS = { restart = "restarted", remove = "removed", remove_and_wait = "removed" }

    local function by_caller(rt, call, caller)
        local causes, body = told()
        local inner, record = supervisor(rt, "inner", {}, { child("victim", body) })
        local sup = supervisor(rt, "root", { event_hook = record.hook }, { inner })
        sup:serve_background()
        settle()
        caller(sup, inner, call)
        settle()
        return causes["root/inner/victim"], record
    end

    it("is the service that calls", in_each(CALLS, function(rt, call)
        local cause, record = by_caller(rt, call, function(sup, inner)
            sup:add("caller", function(ctx) if ctx.run == 1 then call(inner) end ctx:wait() end)
        end)
        local word = "stopped"
        for name, other in pairs(CALLS) do
            word = other == call and WORDS[name] or word
        end
        assert.same({ n = 2, word, "root/caller" }, cause)
        assert.same({ "root/inner/victim: root/caller" }, blamed(record, "service_stop"))
    end))

    it("is the service of a nested coroutine, or of a helper", in_each({
        coroutine = function(inner)
            return function(ctx) coroutine.wrap(function() inner:restart("victim") end)() ctx:wait() end
        end,
        helper = function(inner)
            return sutura.as_service {
                name = "caller",
                serve = function(self) while not self.over do sutura.sleep(1) end end,
                stop = function(self) inner:restart("victim") self.over = true end,
            }
        end,
    }, function(rt, make)
        local cause = by_caller(rt, nil, function(sup, inner)
            sup:add { name = "caller", run = make(inner) }
            settle()
            sup:terminate_child("caller")
        end)
        assert.same(restarted "root/caller", cause)
    end))

    it("is nobody for the main program, a program of run, and a hook", in_each(CALLS, function(rt, call)
        local cause, record = by_caller(rt, call, function(_, inner) call(inner) end)
        assert.is_nil(cause[2])
        assert.equal(2, cause.n)
        assert.same({ "root/inner/victim: nil" }, blamed(record, "service_stop"))
        local causes, body = told()
        local sup, other = supervisor(rt, "other", {}, { child("victim", body), child("w", brittle()) })
        other.also = function(event)
            if event.type == "service_panic" then
                call(sup)
            end
        end
        sup:serve_background()
        sutura.sleep(11)
        assert.is_nil(causes["other/victim"][2])
    end))

    it("is named by the start that follows, and it alone", in_time(function(rt)
        local _, record = by_caller(rt, nil, function(sup, inner)
            sup:add("caller", function(ctx) inner:restart("victim") ctx:wait() end)
            settle()
            inner:restart("victim")
        end)
        local starts = record:of("service_start")
        assert.equal("root/caller", starts[3].because_of)
        assert.equal("root/inner/victim: started again after: restarted on purpose, because of root/caller",
            tostring(starts[3]))
        assert.is_nil(starts[4].because_of)
        assert.equal(4, #starts)
    end))

    it("stands for all below a supervisor that is restarted", in_time(function(rt)
        local causes, body = told()
        local inner = supervisor(rt, "inner", {}, { child("v", body) })
        local sup, record = supervisor(rt, "root", {}, { inner })
        sup:serve_background()
        settle()
        sup:add("caller", function(ctx) sup:restart("inner") ctx:wait() end)
        settle()
        assert.same({ ["root/inner/v"] = restarted "root/caller" }, causes)
        assert.same({ "root/inner: nil", "root/inner: root/caller" }, { select(2, table.unpack(
            blamed(record, "supervisor_start"))) })
        assert.equal("root/inner/v: root/caller", blamed(record, "service_start")[3])
    end))

    it("is that of the stop of a whole tree, from inside it", in_time(function(rt)
        local causes, body = told()
        local sup, record = supervisor(rt, "root", {}, {
            child("a", body), (supervisor(rt, "inner", {}, { child("v", body) })),
        })
        sup:add("caller", function(ctx) sutura.sleep(1) ctx.supervisor:stop() end)
        sup:serve()
        assert.same({ ["root/a"] = stopped "root/caller", ["root/inner/v"] = stopped "root/caller" }, causes)
        assert.same({ "root/inner: root/caller", "root: root/caller" }, blamed(record, "supervisor_stop"))
    end))

    it("is the first that asked, unless a later one changes what becomes of the service", in_time(function(rt)
        local causes = {}
        local sup = supervisor(rt, "root")
        local token = sup:add("victim", function(ctx)
            ctx:wait()
            sutura.shield(sutura.sleep, 2)
            causes[#causes + 1] = table.pack(ctx:cause())
            sutura.shield(sutura.sleep, 4)
            causes[#causes + 1] = table.pack(ctx:cause())
        end)
        sup:serve_background()
        settle()
        sup:add("first", function(ctx) sup:restart(token) ctx:wait() end)
        settle()
        sup:add("same", function(ctx) sup:restart(token) ctx:wait() end)
        sutura.sleep(3)
        sup:add("other", function(ctx) sup:remove(token) ctx:wait() end)
        sutura.sleep(10)
        assert.same({ restarted "root/first", { n = 2, "removed", "root/other" } }, causes)
    end))

    it("reaches the tree that the stopped service serves", in_time(function(rt)
        local causes, body = told()
        local inner = supervisor(rt, "inner", {}, { child("v", body) })
        local sup = supervisor(rt, "root", {}, { child("serves", function() return inner:serve() end) })
        sup:serve_background()
        settle()
        sup:add("caller", function(ctx) sup:terminate_child("serves") ctx:wait() end)
        settle()
        assert.same({ ["inner/v"] = stopped "root/caller" }, causes)
    end))

    it("is nobody's when a context or a signal stops the tree", in_time(function(rt)
        local causes, body = told()
        local ctx, cancel = sutura.context():with_cancel()
        local sup, record = supervisor(rt, "root", {}, { child("a", body) })
        sup:serve_background(ctx)
        settle()
        cancel("enough")
        settle()
        assert.same({ ["root/a"] = { n = 2, "enough", nil } }, causes)
        assert.same({ "root: nil" }, blamed(record, "supervisor_stop"))
        assert.same({ n = 2, "enough", nil }, table.pack(ctx:cause()))
    end))
end)

describe("an end of a service's own", function()
    it("names the service itself, and says so in no line", in_time(function(rt)
        local sup, record = supervisor(rt, "root", {}, { child("w", brittle()) })
        sup:serve_background()
        sutura.sleep(11)
        assert.is_nil(record:of("service_start")[1].because_of)
        for i, event in ipairs { record:only("service_panic"), record:only("service_stop"),
            record:of("service_start")[2] } do
            assert.equal("root/w", event.because_of, i)
            assert.not_matches("because of", tostring(event))
        end
    end))

    it("with an error, after a stop, names who caused the stop", in_time(function(rt)
        local sup, record = supervisor(rt, "root", { strategy = "one_for_all" }, {
            child("a", function(ctx) ctx:wait() error("late", 0) end), child("b", brittle()),
        })
        sup:serve_background()
        sutura.sleep(11)
        local event = record:of("service_panic")[2]
        assert.equal("root/a: panicked: late (run 1, while stopping, not counted), because of root/b", tostring(event))
        assert.equal("root/b", event:map().because_of)
    end))
end)
