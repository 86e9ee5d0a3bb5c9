-- SPDX-License-Identifier: MIT
--
-- Event hooks: when they run and in which order, what they may call, and whose hook a supervisor has.

local log_lines = require "spec.support.log_lines"
local recorder = require "spec.support.recorder"
local services = require "spec.support.services"
local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local settle, in_time = virtual.settle, virtual.test
local sleeper = services.sleeper
local new = recorder.supervisor

-- Panics in its first run and waits in the later ones.
local function flaky(ctx)
    if ctx.run == 1 then
        error(ctx.name, 0)
    end
    ctx:wait()
end

describe("a hook", function()
    it("runs between the steps: all state has changed, and nothing has run yet", in_time(function(rt)
        local sup, record = new(rt, "a", { failure_threshold = 1.5, failure_backoff = 9 })
        local log = {}
        function record.also(event)
            log[#log + 1] = event.type .. " " .. sup:state() .. " " .. sup:children()[1].state
        end
        sup:add("w", function(ctx)
            log[#log + 1] = "run " .. ctx.run
            if ctx.run < 3 then error("x") end
            ctx:wait()
        end)
        sup:serve_background()
        sutura.sleep(10)
        assert.same({ "run 1", "service_panic normal starting", "run 2", "backoff paused queued",
            "service_panic paused queued", "resume normal starting", "run 3" }, log)
    end))

    it("is told of events in order, with numbers that count up without gaps", in_time(function(rt)
        local a, record = new(rt, "a", { lifecycle_events = true })
        local other, others = new(rt, "other")
        for i = 1, 5 do
            a:add("w" .. i, flaky)
            other:add("v" .. i, flaky)
        end
        a:serve_background()
        other:serve_background()
        sutura.sleep(1)
        a:stop()
        local seen = {}
        for _, events in ipairs { record.events, others.events } do
            local last = 0
            for _, event in ipairs(events) do
                assert.is_true(event.seq > last)
                last = event.seq
                seen[#seen + 1] = event.seq
            end
        end
        table.sort(seen)
        for i, seq in ipairs(seen) do
            assert.equal(i, seq)
        end
        assert.is_true(#seen > 25)
    end))

    it("may call any method of any supervisor", in_time(function(rt)
        local a, record = new(rt, "a")
        local b = new(rt, "b")
        local victim = b:add("victim", sleeper)
        b:add("restarted", sleeper)
        b:serve_background()
        local said = {}
        function record.also()
            record.also = nil
            said = { a:count().specs, #a:children(), #a:services(), a:tree().name, a:state(), a:failures(),
                tostring(a:add("added", sleeper)), b:remove(victim), b:restart("restarted"),
                tostring(new(rt, "c"):serve_background() ~= nil) }
        end
        a:add("w", flaky)
        a:serve_background()
        settle()
        assert.same({ 1, 1, 1, "a", "normal", 1.0, "a/added", true, true, "true" }, said)
        assert.same({ 2, "running" }, { a:count().active, a:children()[2].state })
        assert.same({ 1, 2 }, { b:count().specs, b:children()[1].run })
    end))

    it("that makes events in a hook hears of them after it has returned", in_time(function(rt)
        local sup, record = new(rt, "a", { lifecycle_events = true })
        local depth, deepest = 0, 0
        function record.also(event)
            depth = depth + 1
            deepest = math.max(deepest, depth)
            if event.type == "service_panic" then
                sup:stop()
                assert(sup:state() ~= "normal")
            end
            depth = depth - 1
        end
        sup:add("w", flaky)
        sup:serve()
        assert.equal(1, deepest)
        assert.equal("supervisor_stop", record.events[#record.events].type)
    end))

    it("cannot wait: stop and remove_and_wait ask and return nil, ERR_TIMEOUT; any other wait raises", in_time(
        function(rt)
            local sup, record = new(rt, "a")
            local answers = {}
            local other = sup:add("other", sleeper)
            function record.also()
                record.also = nil
                answers = { table.pack(sup:remove_and_wait(other)), table.pack(pcall(sutura.sleep, 1)),
                    table.pack(pcall(sutura.yield)), table.pack(sup:stop(5)) }
            end
            sup:add("w", flaky)
            sup:add("slow", function(ctx) ctx:wait() sutura.shield(sutura.sleep, 1) end)
            sup:serve_background()
            sutura.sleep(2)
            assert.same({ n = 2, nil, sutura.ERR_TIMEOUT }, answers[1])
            assert.is_false(answers[2][1])
            assert.matches("'sleep' cannot wait", answers[2][2], 1, true)
            assert.is_false(answers[3][1])
            assert.same({ n = 2, nil, sutura.ERR_TIMEOUT }, answers[4])
            assert.equal("terminated", sup:state())
        end))

    it("that raises is reported once an event on the default logger, and changes nothing else", function()
        local runs, after = 0, {}
        local lines = log_lines.during(in_time(function(rt)
            local sup = new(rt, "a", { event_hook = function(event)
                after[#after + 1] = event.type
                error("hook broke\nbadly", 0)
            end })
            sup:add("w", function(ctx)
                runs = ctx.run
                if ctx.run < 3 then error("x") end
                ctx:wait()
            end)
            sup:serve_background()
            settle()
            assert.same({ "normal", "running", 2.0 }, { sup:state(), sup:children()[1].state, sup:failures() })
            assert.is_nil(sup:stop())
        end))
        assert.equal(3, runs)
        assert.same({ "service_panic", "service_panic" }, after)
        assert.equal(2, #lines)
        for _, line in ipairs(lines) do
            assert.matches("event hook of supervisor 'a' raised", line, 1, true)
            assert.matches("hook broke\\nbadly", line, 1, true)
        end
    end)

    it("that raises what has no text is reported too", function()
        local bad = setmetatable({}, { __tostring = function() error("no") end })
        local lines = log_lines.during(in_time(function(rt)
            local sup = new(rt, "a", { event_hook = function() error(bad) end })
            sup:add("w", flaky)
            sup:serve_background()
            settle()
            assert.equal("running", sup:children()[1].state)
        end))
        assert.equal(1, #lines)
    end)

    it("that raises a table is reported by its message", function()
        local lines = log_lines.during(in_time(function(rt)
            local sup = new(rt, "a", { event_hook = function() error { code = 5, message = "no such disk" } end })
            sup:add("w", flaky)
            sup:serve_background()
            settle()
        end))
        assert.matches("raised at event 1 (service_panic): no such disk", lines[1], 1, true)
    end)

    it("that changes the event changes nothing for anybody", in_time(function(rt)
        local sup, record = new(rt, "a")
        function record.also(event)
            for key in pairs(event) do
                event[key] = nil
            end
            event.restarting = false
        end
        sup:add("w", flaky)
        sup:serve_background()
        settle()
        assert.same({ "running", 2 }, { sup:children()[1].state, sup:children()[1].run })
    end))
end)

describe("the hook of a parent", function()
    it("is given to a supervisor and all below it, whenever they are added", in_time(function(rt)
        local a, record = new(rt, "a")
        local b, own_b = new(rt, "b")
        local c, own_c = new(rt, "c")
        local d, own_d = new(rt, "d")
        b:add(c)
        c:add("w1", flaky)
        a:add(b)
        a:serve_background()
        settle()
        d:add("w2", flaky)
        c:add(d)
        b:add("w3", flaky)
        settle()
        assert.same({ "service_panic a/b/c/w1", "service_panic a/b/c/d/w2", "service_panic a/b/w3" }, record:lines())
        assert.same({ 0, 0, 0 }, { #own_b.events, #own_c.events, #own_d.events })
    end))

    it("is given again when a whole tree moves under another", in_time(function(rt)
        local a, record = new(rt, "a")
        local b, c = new(rt, "b"), new(rt, "c")
        b:add(c)
        c:add("w", function(ctx) if ctx.run < 2 then return nil, "no" end ctx:wait() end)
        a:add(b)
        a:serve_background()
        settle()
        assert.same({ "service_terminate a/b/c/w" }, record:lines())
    end))

    it("is given to a supervisor that an object contains, and to what is added there later", in_time(function(rt)
        local a, record = new(rt, "a")
        local inner, own = new(rt, "inner")
        local low = new(rt, "low")
        a:add{ name = "o", run = { supervisor = inner, serve = function(self, ctx)
            return self.supervisor:serve(ctx)
        end } }
        a:serve_background()
        settle()
        low:add("w", flaky)
        inner:add(low)
        settle()
        assert.same({ "service_panic a/o/inner/low/w" }, record:lines())
        assert.same({}, own.events)
    end))

    it("is given through objects that contain each other's supervisors", in_time(function(rt)
        local a, record = new(rt, "a")
        local outer, inner = new(rt, "outer"), new(rt, "inner")
        local function object(name, supervisor)
            return { name = name, supervisor = supervisor, serve = function(_, ctx) return supervisor:serve(ctx) end }
        end
        inner:add("w", flaky)
        outer:add(object("o2", inner))
        a:add(object("o1", outer))
        a:serve_background()
        settle()
        assert.same({ "service_panic a/o1/outer/o2/inner/w" }, record:lines())
    end))

    it("is not given by an object to a supervisor that it is under, or that has a place of its own", in_time(
        function(rt)
            local a, record = new(rt, "a")
            local b, own = new(rt, "b")
            local elsewhere, others = new(rt, "elsewhere")
            local taken = new(rt, "taken")
            elsewhere:add(taken)
            a:add(b)
            b:add{ name = "o1", run = { supervisor = a, serve = function(_, ctx) flaky(ctx) end } }
            b:add{ name = "o2", run = { supervisor = taken, serve = function(_, ctx) flaky(ctx) end } }
            taken:add("w", flaky)
            assert.error_matches(function() b:add(a) end, "under itself")
            a:serve_background()
            elsewhere:serve_background()
            settle()
            assert.same({ "service_panic a/b/o1", "service_panic a/b/o2" }, record:lines())
            assert.same({ "service_panic elsewhere/taken/w" }, others:lines())
            assert.same({ {}, "elsewhere/taken" }, { own.events, tostring(taken) })
            assert.is_nil(a:stop())
        end))

    it("that is the default is given too: the child's own is replaced", function()
        local own = recorder.new()
        local lines = log_lines.during(in_time(function(rt)
            local a = rt:supervisor("a", {})
            local b = rt:supervisor("b", { event_hook = own.hook })
            a:add(b)
            b:add("w", flaky)
            a:serve_background()
            settle()
        end))
        assert.same({}, own.events)
        assert.matches("a/b/w", lines[1], 1, true)
    end)
end)

describe("the default hook", function()
    it("logs one line an event, and beneath a panic its trace, indented", function()
        local lines = log_lines.during(in_time(function(rt)
            local sup = rt:supervisor("a", { failure_threshold = 0.5, backoff_jitter = sutura.no_jitter })
            sup:add("w", function(ctx) if ctx.run == 1 then error("boom\nboom") end ctx:wait() end)
            sup:serve_background()
            sutura.sleep(20)
        end))
        assert.matches("backoff", lines[1])
        assert.matches("service_panic.*a/w.*boom\\nboom", lines[2])
        assert.matches("^%s+.*traceback", lines[3])
        assert.matches("^%s+.*hook_spec.lua", lines[5])
        assert.matches("resume", lines[#lines])
    end)
end)

describe("hooks that run other runtimes", function()
    it("do so forty deep, and what is deeper waits: no event is lost", function()
        local made, told, deepest = {}, 0, 0
        for n = 1, 60 do
            local rt = sutura.runtime({ clock = "virtual" })
            local sup = rt:supervisor("s" .. n, { event_hook = function()
                told, deepest = told + 1, math.max(deepest, n)
                local inner = made[n + 1]
                if inner and not inner.ran then
                    inner.ran = true
                    inner.ok, inner.problem = pcall(inner.rt.settle, inner.rt)
                end
            end })
            sup:add("w", flaky)
            sup:serve_background()
            made[n] = { rt = rt }
        end
        made[1].rt:settle()
        assert.same({ 40, 40 }, { told, deepest })
        assert.same({ false, "not enough memory" }, { made[41].ok, made[41].problem })
        for _, each in ipairs(made) do
            each.rt:settle()
        end
        assert.equal(60, told)
        for _, each in ipairs(made) do
            each.rt:close()
        end
    end)
end)
