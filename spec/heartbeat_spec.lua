-- SPDX-License-Identifier: MIT
--
-- Heartbeats: what a service that promises one owes, when it has missed one, and what follows.

local hogs = require "spec.support.hogs"
local recorder = require "spec.support.recorder"
local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local in_time = virtual.test

local MISSED = "missed its heartbeat: no ctx:beat() for 5 s"

-- A supervisor that runs `body` as "worker", with a promise of 5 s.
local function serve(rt, body, options, spec)
    local sup, told = recorder.supervisor(rt, "A", spec)
    local given = { heartbeat = 5 }
    for key, value in pairs(options or {}) do
        given[key] = value
    end
    sup:add("worker", body, given)
    return sup, told, sup:serve_background()
end

-- Beats `count` times, a second apart, and then never again.
local function beat_for(ctx, count)
    for _ = 1, count do
        ctx:beat()
        sutura.sleep(1)
    end
    sutura.sleep(1e6)
end

-- Does what it is told in the first run, and keeps its promise in the later ones.
local function first_run(body)
    return function(ctx)
        if ctx.run == 1 then
            return body(ctx)
        end
        while not ctx:wait(1) do
            ctx:beat()
        end
    end
end

local function without_lines(event)
    return event.stacktrace:gsub("spec/heartbeat_spec%.lua:%d+", "spec:n")
end

describe("a heartbeat that is kept", function()
    it("lets the service live, and beat returns nothing and does not wait", in_time(function(rt)
        local returned
        local sup, told = serve(rt, function(ctx)
            while not ctx:wait(4.5) do
                local before = rt:now()
                returned = table.pack(ctx:beat())
                assert.equal(before, rt:now())
            end
        end)
        sutura.sleep(100)
        assert.equal(0, returned.n)
        assert.is_nil(sup:stop())
        assert.same({}, told:lines())
    end))

    it("is first due a promise after the first resume, and in time at the instant it is due", in_time(function(rt)
        local sup, told = serve(rt, function(ctx)
            while true do
                sutura.sleep(5)
                ctx:beat()
            end
        end)
        sutura.sleep(50.5)
        assert.is_nil(sup:stop())
        assert.same({}, told:lines())
    end))

    it("is kept by a beat from anywhere: a nested coroutine, another service", in_time(function(rt)
        local kept
        local sup, told = serve(rt, function(ctx)
            kept = ctx
            coroutine.wrap(function()
                sutura.sleep(4)
                ctx:beat()
                sutura.sleep(1e6)
            end)()
        end)
        sup:add("other", function(ctx)
            while not ctx:wait(3) do
                kept:beat()
            end
        end)
        sutura.sleep(30)
        assert.is_nil(sup:stop())
        assert.same({}, told:lines())
    end))

    it("is shown in the record with the time when the next beat is due", in_time(function(rt)
        local sup = serve(rt, function(ctx)
            sutura.sleep(2)
            ctx:beat()
            sutura.shield(sutura.sleep, 4)
        end)
        local record = sup:children()[1]
        assert.same({ 5, nil }, { record.heartbeat, record.next_beat }) -- It has not begun.
        sutura.sleep(1)
        assert.equal(5, sup:get_child("worker").next_beat)
        sutura.sleep(2)
        assert.equal(7, sup:get_child("worker").next_beat)
        sup:add("plain", function(ctx) ctx:wait() end)
        local plain = sup:get_child("plain")
        assert.is_nil(plain.heartbeat or plain.next_beat)
        sup:remove(record.token)
        record = sup:get_child("worker")
        assert.same({ "stopping", 5, nil }, { record.state, record.heartbeat, record.next_beat })
        sup:stop()
    end))
end)

describe("a heartbeat that is missed", function()
    it("is a panic with the stack where the service stands, which counts and restarts", in_time(function(rt)
        local function stands() sutura.sleep(1e6) return 1 end
        local sup, told = serve(rt, first_run(function(ctx)
            sutura.sleep(2)
            ctx:beat()
            stands()
            return 1
        end))
        sutura.sleep(30)
        assert.same({ "service_panic A/worker" }, told:lines())
        local event = told.events[1]
        assert.equal(7, event.time)
        assert.same({ MISSED, MISSED, MISSED }, { event.error, event.error_msg, event.panic_msg })
        assert.same({ true, false, 1, 1 }, { event.restarting, event.stopping, event.run, event.current_failures })
        assert.equal("stack traceback:\n\t[C]: in field 'sleep'\n\tspec:n: in upvalue 'stands'\n\t"
            .. "spec:n: in function <spec:n>\n\t(...tail calls...)", (without_lines(event)))
        assert.same({ "[C]", "sleep" }, { event.frames[1].source, event.frames[1].name })
        assert.same({ "spec/heartbeat_spec.lua", "stands" }, { event.frames[2].source, event.frames[2].name })
        local record = sup:children()[1]
        assert.same({ "running", 2, 1, MISSED }, { record.state, record.run, record.failures, record.last_error })
        assert.is_nil(sup:stop())
        assert.equal(1, #told.events)
    end))

    it("is missed by whoever never beats, in every run anew", in_time(function(rt)
        local sup, told = serve(rt, function() sutura.sleep(1e6) end)
        sutura.sleep(16)
        local times = {}
        for i, event in ipairs(told:of("service_panic")) do
            times[i] = event.time
        end
        assert.same({ 5, 10, 15 }, times)
        assert.is_nil(sup:stop())
    end))

    it("has a section for each nested coroutine, the innermost first", in_time(function(rt)
        local sup, told = serve(rt, first_run(function()
            local outer = coroutine.wrap(function()
                local inner = coroutine.wrap(function() sutura.await(function() end) end)
                inner()
            end)
            outer()
        end))
        sutura.sleep(6)
        local text, sections = told:only("service_panic").stacktrace:gsub("\n\tin a coroutine resumed by:", "")
        assert.equal(2, sections)
        assert.matches("^stack traceback:\n\t%[C%]: in field 'await'\n\t.-local 'inner'\n.-local 'outer'\n", text)
        assert.is_nil(sup:stop())
    end))

    it("has locals and upvalues when the supervisor asks for them", in_time(function(rt)
        local outside = "seen"
        local sup, told = serve(rt, first_run(function()
            coroutine.wrap(function()
                local attempt = 7
                sutura.sleep(1e6)
                return attempt, outside
            end)()
        end), nil, { panic_locals = true, redact = function(name) return name == "outside" and "hidden" or nil end })
        sutura.sleep(30)
        local frame = told:only("service_panic").frames[2]
        assert.same({ { name = "attempt", text = "7" } }, frame.locals)
        assert.same({ name = "outside", text = "hidden" }, frame.upvalues[2])
        assert.is_nil(told.events[1].error_msg:find("7", 1, true))
        assert.is_nil(sup:stop())
    end))

    it("is missed under a shield too", in_time(function(rt)
        local sup, told = serve(rt, first_run(function() sutura.shield(sutura.sleep, 1e6) end))
        sutura.sleep(6)
        assert.equal(MISSED, told:only("service_panic").error_msg)
        assert.is_nil(sup:stop())
    end))

    it("lets closers run, in the runtime of the service, which cannot wait or keep it any more", in_time(function(rt)
        local log = {}
        local sup, told = serve(rt, first_run(function(ctx)
            local _ <close> = setmetatable({}, { __close = function()
                ctx:beat()
                log[#log + 1] = sutura.now()
                log[#log + 1] = select(2, pcall(sutura.sleep, 1))
                pcall(coroutine.wrap(function() error("another stack") end))
                error("of a closer")
            end })
            sutura.sleep(1e6)
        end))
        sutura.sleep(30)
        assert.equal(5, log[1])
        assert.matches("cannot wait while its service is closed by force", log[2])
        assert.equal(2, #log)
        assert.equal(MISSED, told:only("service_panic").error_msg)
        assert.matches("^stack traceback:\n\t%[C%]: in field 'sleep'\n", told.events[1].stacktrace)
        assert.is_nil(sup:stop())
    end))

    it("calls the cleanup of an await, once", in_time(function(rt)
        local cleaned = 0
        local sup, told = serve(rt, first_run(function()
            sutura.await(function() return function() cleaned = cleaned + 1 end end)
        end))
        sutura.sleep(30)
        assert.equal(1, cleaned)
        assert.equal(1, #told.events)
        assert.is_nil(sup:stop())
    end))

    it("is missed by one that gives way for ever and does not beat", in_time(function(rt)
        local sup, told = serve(rt, first_run(function()
            while true do
                sutura.sleep(sutura.now() < 5 and 1 or 0)
            end
        end))
        sutura.sleep(6)
        local event = told:only("service_panic")
        assert.same({ MISSED, 5 }, { event.error_msg, event.time })
        assert.is_nil(sup:stop())
    end))

    it("is missed by one that spins, in its turn: with the stack where it was preempted", hogs.test({},
        function(sup, told)
            local function spins() while true do end end
            sup:add("spinner", first_run(function() spins() return 1 end), { heartbeat = 2 * hogs.SLICE })
            repeat sutura.sleep(0.005) until #told:of("service_panic") > 0
            local event = told:of("service_panic")[1]
            assert.equal("missed its heartbeat: no ctx:beat() for 0.04 s", event.error_msg)
            assert.equal("spins", event.frames[1].name)
        end))

    it("restarts by the policy: a transient one again, a temporary one never, a group together", in_time(function(rt)
        local sup, told = serve(rt, first_run(function() sutura.sleep(1e6) end), { restart = "transient" })
        sutura.sleep(6)
        assert.is_true(told:only("service_panic").restarting)
        assert.equal("running", sup:get_child("worker").state)
        sup:stop()
        sup, told = serve(rt, function() sutura.sleep(1e6) end, { restart = "temporary" })
        sutura.sleep(6)
        assert.is_false(told:only("service_panic").restarting)
        assert.equal(0, sup:count().specs)
        sup:stop()
        local runs = 0
        sup, told = serve(rt, first_run(function() sutura.sleep(1e6) end), nil, { strategy = "one_for_all" })
        sup:add("sibling", function(ctx) runs = runs + 1 ctx:wait() end)
        sutura.sleep(6)
        assert.is_true(told:only("service_panic").restarting)
        assert.equal(2, runs)
        sup:stop()
    end))

    it("is raised by serve under pass_through_panics", in_time(function(rt)
        local sup, told = recorder.supervisor(rt, "A", { pass_through_panics = true })
        sup:add("worker", function() sutura.sleep(1e6) end, { heartbeat = 0.25 })
        local ok, problem = pcall(sup.serve, sup)
        assert.same({ false, "missed its heartbeat: no ctx:beat() for 0.25 s" }, { ok, problem })
        assert.is_false(told:only("service_panic").restarting)
    end))

    it("is the cause of what a supervisor gives up with", in_time(function(rt)
        local sup, told = recorder.supervisor(rt, "A", { intensity = 0 })
        sup:add("worker", function() sutura.sleep(1e6) end, { heartbeat = 5 })
        local err = sup:serve()
        assert.is_true(sutura.is(err, sutura.ERR_TOO_MANY_RESTARTS))
        assert.equal(MISSED, err.cause)
        assert.equal(MISSED, told:only("service_panic").error_msg)
    end))

    it("before the service is ready is a failed start", in_time(function(rt)
        local sup, told = recorder.supervisor(rt, "A")
        sup:add("worker", function(ctx) beat_for(ctx, 3) end, { heartbeat = 5, ready = "notify", start_timeout = 60 })
        local err = sup:serve()
        assert.is_true(sutura.is(err, sutura.ERR_START_FAILED))
        assert.equal(MISSED, err.cause)
        assert.same({ "service_panic A/worker", "escalate A" }, told:lines())
        assert.equal(7, told.events[1].time)
    end))

    it("is missed by a template's children, each by its own", in_time(function(rt)
        local sup, told = recorder.supervisor(rt, "A")
        local conns = sup:template { name = "conns", heartbeat = 5, restart = "temporary", run = function(ctx, beats)
            beat_for(ctx, beats)
        end }
        sup:serve_background()
        conns:start(0)
        conns:start(3)
        sutura.sleep(20)
        assert.same({ "service_panic A/conns/1", "service_panic A/conns/2" }, told:lines())
        assert.same({ 5, 7 }, { told.events[1].time, told.events[2].time })
        sup:stop()
    end))

    it("is missed by an object, whose method is in the stack", in_time(function(rt)
        local sup, told = recorder.supervisor(rt, "A")
        sup:add({ name = "object", serve = function() sutura.sleep(1e6) end }, { heartbeat = 5, restart = "temporary" })
        sup:serve_background()
        sutura.sleep(6)
        assert.equal("sleep", told:only("service_panic").frames[1].name)
        sup:stop()
    end))
end)

describe("a beat that is not owed", function()
    it("is none before the first resume: only then the time begins", in_time(function(rt)
        local sup, told = recorder.supervisor(rt, "A")
        sup:add("slow", function(ctx)
            sutura.sleep(20)
            ctx:ready()
            ctx:wait()
        end, { ready = "notify" })
        sup:add("worker", function(ctx) beat_for(ctx, 1) end, { heartbeat = 5 })
        sup:serve_background()
        sutura.sleep(24.5)
        assert.same({}, told:lines())
        sutura.sleep(1)
        assert.equal(25, told:only("service_panic").time)
        sup:stop()
    end))

    it("is none once the service was asked to stop", in_time(function(rt)
        local log = {}
        local sup, told = serve(rt, function(ctx)
            local _ <close> = setmetatable({}, { __close = function()
                ctx:beat()
                sutura.shield(sutura.sleep, 8)
                log[#log + 1] = sutura.now()
                log[#log + 1] = ctx.supervisor:get_child("worker").next_beat or "none due"
            end })
            sutura.sleep(1e6)
        end)
        sutura.sleep(1)
        assert.is_nil(sup:stop())
        assert.same({ 9, "none due" }, log)
        assert.same({}, told:lines())
    end))

    it("is none once the run has ended, and a context kept from it keeps no promise", in_time(function(rt)
        local kept
        local sup, told = serve(rt, function(ctx)
            if ctx.run == 1 then
                kept = ctx
                sutura.sleep(1)
                return
            end
            sutura.sleep(1e6)
        end, nil, { failure_threshold = 0.5, failure_backoff = 50 })
        sutura.sleep(45)
        kept:beat()
        assert.same({ "backoff A", "service_terminate A/worker" }, told:lines())
        sutura.sleep(10) -- The second run has begun at 51.
        kept:beat()
        sutura.sleep(4)
        assert.equal(56, told:only("service_panic").time)
        assert.is_nil(sup:stop())
        kept:beat()
    end))

    it("does nothing in a service that has promised none", in_time(function(rt)
        local sup, told = recorder.supervisor(rt, "A")
        sup:add("worker", function(ctx) beat_for(ctx, 3) end)
        sup:serve_background()
        sutura.sleep(1000)
        assert.same({ "running", nil }, { sup:get_child("worker").state, sup:get_child("worker").next_beat })
        assert.same({}, told:lines())
        sup:stop()
    end))

    it("raises on a context that is no service's", in_time(function()
        local context = sutura.context()
        local ok, problem = pcall(context.beat, context)
        assert.is_false(ok)
        assert.equal("bad argument 'self' to 'beat' (the context of a service expected)", problem)
        assert.has_error(function() context.beat() end)
    end))
end)

describe("a promise of a heartbeat", function()
    it("costs nobody a panic who could not run while another kept the loop", function()
        local rt = sutura.runtime({ seed = 1, slice = 0 })
        local told = recorder.new()
        rt:run(function()
            local sup = rt:supervisor("A", { event_hook = told.hook })
            sup:add("beats", function(ctx)
                while not ctx:wait(0.01) do
                    ctx:beat()
                end
            end, { heartbeat = 0.05 })
            sup:add("keeps", function(ctx)
                sutura.sleep(0.02)
                local till = os.clock() + 0.2
                while os.clock() < till do end
                ctx:wait()
            end)
            sup:serve_background()
            sutura.sleep(0.4)
            assert.is_nil(sup:stop())
        end)
        rt:close()
        assert.same({}, told:lines())
    end)

    it("costs nobody a panic who has used up his share of the processor", hogs.test({}, function(sup, told)
        sup:add("spins", function() while true do end end)
        sup:add("limited", function(ctx)
            while true do
                ctx:beat()
                hogs.compute(2 * hogs.SLICE)
                sutura.yield()
            end
        end, { heartbeat = 0.25, cpu_share = 0.01 })
        sutura.sleep(0.7)
        assert.same({}, told:of("service_panic"))
    end))

    it("waits for what the loop could not hear of while another kept it", function()
        local rt = sutura.runtime({ seed = 1 })
        local told = recorder.new()
        local sup = rt:supervisor("A", { event_hook = told.hook })
        local resume
        sup:add("hears", function(ctx)
            sutura.await(function(done) resume = done end)
            ctx:beat()
            ctx:wait()
        end, { heartbeat = 0.05 })
        sup:serve_background()
        rt:step(0)
        local till = os.clock() + 0.08
        while os.clock() < till do end
        rt:step(0)
        resume()
        rt:step(0)
        assert.same({}, told:lines())
        assert.equal("ctx:wait", sup:get_child("hears").waiting_for:match("^%S+"))
        rt:close()
    end)

    it("leaves nothing behind: neither timers nor memory after many missed ones", function()
        local rt = sutura.runtime({ clock = "virtual", seed = 1 })
        local missed = 0
        local sup = rt:supervisor("A", {
            failure_threshold = math.huge, panic_locals = true,
            event_hook = function(event)
                assert(event.error_msg == MISSED)
                missed = missed + 1
            end,
        })
        for i = 1, 20 do
            sup:add("worker " .. i, function() sutura.sleep(1e6) end, { heartbeat = 5 })
        end
        sup:serve_background()
        rt:advance(50)
        collectgarbage()
        collectgarbage()
        local before = collectgarbage("count")
        rt:advance(2500)
        collectgarbage()
        collectgarbage()
        assert.equal(10200, missed)
        assert.is_true(collectgarbage("count") - before < 10)
        rt:close()
    end)

    it("goes with its runtime, wherever it is", function()
        local rt = sutura.runtime({ clock = "virtual" })
        local sup = rt:supervisor("A", { timeout = 0 })
        sup:add("worker", function() sutura.shield(sutura.sleep, 1e6) end, { heartbeat = 5, kill = false })
        sup:add("other", function() sutura.sleep(1e6) end, { heartbeat = 3 })
        sup:serve_background()
        rt:advance(1)
        rt:close()
        assert.matches("whose runtime is closed", tostring(sup))
    end)
end)
