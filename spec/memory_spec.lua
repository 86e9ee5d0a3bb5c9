-- SPDX-License-Identifier: MIT
--
-- Out of memory, in a program of its own whose Lua state can be refused memory on demand (spec/host/oom_host.c): events
-- wait and are told in order later, a service that runs out of memory panics once, and a call that cannot get memory
-- raises and changes nothing.

local command = require "spec.support.command"

local HOST = (os.getenv("OUT") or "build/release") .. "/host/oom_host"

-- What every program starts with. The recorder needs no memory, so that no event is lost to the spec.
local PROLOGUE = [[
local sutura = require "sutura"
local VALUE = { "a value" }
local told, count = {}, 0
for i = 1, 5000 do told[i] = false end
local function record(event)
    count = count + 1
    told[count] = event
end
-- What a raise needs is there afterwards: the stack and its records of calls have grown.
local function warm_up(n)
    if n > 0 then return 1 + warm_up(n - 1) end
    return 0
end
local function check(condition, text)
    if not condition then error(text, 2) end
end
-- The events are numbered without a gap, and their number is returned.
local function in_order()
    for i = 2, count do
        check(told[i].seq == told[i - 1].seq + 1, "a gap or disorder at event " .. told[i].seq)
    end
    return count
end
]]

local function run(program)
    local result = command.script(("exec %s %s"):format(HOST, command.file(PROLOGUE .. program)))
    return result
end

local function assert_runs(program)
    assert.same({ code = 0, out = "done\n", err = "" }, run(program))
end

describe("with no memory for an event's table", function()
    it("the event waits in its slot, and is delivered in order when there is memory again", function()
        assert_runs([[
            local rt = sutura.runtime({ clock = "virtual" })
            local sup = rt:supervisor("A", { event_hook = record, failure_threshold = 0.5, failure_backoff = 1 })
            for i = 1, 3 do
                sup:add("s" .. i, function(ctx)
                    if ctx.run == 1 then
                        sutura.sleep(1)
                        warm_up(50)
                        if i == 1 then oom.none() end
                        error(VALUE)
                    end
                    ctx:wait()
                end)
            end
            sup:serve_background()
            local ok, problem = pcall(rt.advance, rt, 10)
            local during = count
            oom.allow()
            check(during == 0, "told without memory")
            check(not ok and problem == "not enough memory", tostring(problem))
            check(rt:now() == 1, "time has passed")
            rt:advance(10)
            check(in_order() == 7, "events: " .. count) -- of each failure backoff and service_panic; and resume
            for i = 1, 3 do
                local event = told[2 * i]
                check(event.type == "service_panic" and event.service_name == "s" .. i, "event " .. event.type)
                check(event.error == VALUE and event.time == 1, "event of " .. i)
            end
            for _, record in ipairs(sup:children()) do
                check(record.state == "running" and record.restarts == 1, record.state)
            end
            rt:close()
            print("done")
        ]])
    end)

    it("the length of a pause is asked for once all the same", function()
        assert_runs([[
            local rt = sutura.runtime({ clock = "virtual" })
            local asked = 0
            local function jitter(delay)
                asked = asked + 1
                oom.window(0, 5)
                return delay + asked
            end
            local sup = rt:supervisor("A", { event_hook = record, failure_threshold = 0.5, failure_backoff = 1,
                backoff_jitter = jitter })
            sup:add("worker", function(ctx) if ctx.run == 1 then error(VALUE) end ctx:wait() end)
            sup:serve_background()
            rt:advance(10)
            oom.allow()
            check(in_order() == 3, "events: " .. count)
            check(asked == 1 and told[1].delay == 2 and told[3].time == 2, "asked " .. asked .. " times")
            rt:close()
            print("done")
        ]])
    end)

    it("a run tries again by itself, on a virtual and on a real clock", function()
        for _, clock in ipairs({ "virtual", "real" }) do
            assert_runs(([[
                local rt = sutura.runtime({ clock = %q })
                local sup = rt:supervisor("A", { event_hook = record })
                sup:add("worker", function(ctx)
                    if ctx.run == 1 then
                        sutura.sleep(0.001)
                        warm_up(50)
                        oom.window(0, 12)
                        error(VALUE)
                    end
                    ctx:wait()
                end)
                rt:run(function()
                    sup:serve_background()
                    sutura.sleep(0.2)
                end)
                check(in_order() == 1 and told[1].error == VALUE, "events: " .. count)
                check(sup:children()[1].state == "running", "not restarted")
                rt:close()
                print("done")
            ]]):format(clock))
        end
    end)

    it("an add that comes meanwhile, and a stop, are carried out after it", function()
        assert_runs([[
            local rt = sutura.runtime({ clock = "virtual" })
            local sup = rt:supervisor("A", { event_hook = record })
            sup:add("worker", function(ctx)
                if ctx.run == 1 then
                    warm_up(50)
                    oom.none()
                    error(VALUE)
                end
                ctx:wait()
            end)
            sup:serve_background()
            pcall(rt.settle, rt)
            oom.allow()
            local ran
            sup:add("later", function(ctx) ran = count ctx:wait() end)
            rt:settle()
            check(ran == 1, "the added one has run before the event")
            rt:run(function() check(sup:stop() == nil, "unclean") end)
            check(count == 1, "events: " .. count)
            print("done")
        ]])
    end)
end)

describe("a service that runs out of memory", function()
    it("panics once, with Lua's own text, and is restarted", function()
        assert_runs([[
            local rt = sutura.runtime({ clock = "virtual" })
            local sup = rt:supervisor("A", { event_hook = record })
            sup:add("worker", function(ctx)
                if ctx.run == 1 then
                    oom.window(0, 2)
                    local t = {}
                    t[1] = t
                end
                ctx:wait()
            end)
            sup:serve_background()
            rt:advance(1)
            check(count == 1, "events: " .. count)
            check(told[1].type == "service_panic" and told[1].error == "not enough memory", told[1].error_msg)
            check(told[1].error_msg == "not enough memory", "text")
            check(type(told[1].stacktrace) == "string" and type(told[1].frames) == "table", "trace")
            check(sup:children()[1].state == "running", "state")
            rt:close()
            print("done")
        ]])
    end)

    it("may catch it and go on", function()
        assert_runs([[
            local rt = sutura.runtime({ clock = "virtual" })
            local sup = rt:supervisor("A", { event_hook = record })
            local ok, text
            local function make() return { 1 } end
            sup:add("worker", function(ctx)
                warm_up(50)
                oom.window(0, 2)
                ok, text = pcall(make)
                oom.allow()
                ctx:wait()
            end)
            sup:serve_background()
            rt:advance(1)
            check(ok == false and text == "not enough memory", tostring(text))
            check(count == 0, "events")
            rt:close()
            print("done")
        ]])
    end)
end)

describe("a call that cannot get memory", function()
    -- Lets each request of `call` fail in turn until it succeeds; after each failure `state` is as before.
    local SWEEP = [[
        local rt = sutura.runtime({ clock = "virtual" })
        local sup = rt:supervisor("A", { event_hook = record })
        local function wait(ctx) ctx:wait() end
        local first = sup:add("first", wait)
        local other = rt:supervisor("B", { event_hook = record })
        local served = rt:supervisor("C", { event_hook = record })
        local failed = rt:supervisor("E", { event_hook = function() end, intensity = 0 })
        failed:add("fails", error)
        failed:serve_background()
        sup:serve_background()
        rt:settle()
        local function sweep(name, state, call)
            for skip = 0, 2000 do
                local before = state()
                collectgarbage()
                collectgarbage("stop")
                oom.window(skip, 2)
                local ok, problem = pcall(call)
                oom.allow()
                collectgarbage("restart")
                if ok then
                    check(skip > 0 or name == "remove", name .. " needs no memory")
                    return problem
                end
                check(problem == "not enough memory", name .. ": " .. tostring(problem))
                check(state() == before, name .. " has changed something at request " .. skip)
            end
            check(false, name .. " never succeeds")
        end
        local function specs() return sup:count().specs end
        local function state() return served:state() end
        local function constant() return rt:now() end
        local program = function() return 5 end
        local START = function(resume) resume() end
        local awaiting = function() return sutura.await(START) end
    ]]

    it("raises not enough memory and changes nothing: add, supervisor, runtime, serve_background, records, contexts",
        function()
            assert_runs(SWEEP .. [[
                local token = sweep("add", specs, function() return sup:add("second", wait) end)
                check(tostring(token) == "A/second", tostring(token))
                sweep("add of a table", specs, function() return sup:add({ name = "third", run = wait }) end)
                sweep("add of a supervisor", specs, function() return sup:add(other) end)
                sweep("supervisor", constant, function() return rt:supervisor("D", { event_hook = record }) end)
                sweep("runtime", constant, function() return sutura.runtime({ clock = "virtual" }) end)
                sweep("serve_background", state, function() return served:serve_background() end)
                sweep("children", specs, function() return sup:children() end)
                sweep("tree", specs, function() return sup:tree() end)
                sweep("history", specs, function() return failed:history() end)
                sweep("services", specs, function() return sup:services() end)
                sweep("context", constant, function() return sutura.context() end)
                sweep("with_timeout", constant, function() return (sutura.context():with_timeout(5)) end)
                sweep("tostring", specs, function() return tostring(first) end)
                rt:settle()
                check(sweep("run", constant, function() return rt:run(program) end) == 5, "run")
                rt:settle()
                check(specs() == 4, "specs: " .. specs())
                check(in_order() == 0, "event: " .. tostring(told[1]))
                rt:close()
                print("done")
            ]])
        end)

    it("raises it in a service too: sleep, yield, await, shield, nested coroutines", function()
        assert_runs(SWEEP .. [[
            local log = {}
            sup:add("worker", function()
                sweep("await", constant, awaiting)
                sweep("wrap", constant, function() return coroutine.wrap(program)() end)
                sweep("add", specs, function() return sup:add("another", wait) end)
                log[1] = "swept"
                sutura.sleep(1)
                sutura.shield(sutura.yield)
                log[2] = "slept"
                return sutura.DO_NOT_RESTART
            end)
            rt:advance(5)
            check(log[1] == "swept" and log[2] == "slept", count > 0 and told[1].error_msg or "stuck")
            check(count == 0, "events")
            rt:close()
            print("done")
        ]])
    end)
end)

describe("wherever memory runs out in the life of a tree", function()
    it("the tree lives: every service runs in the end, events have no gap, and it stops cleanly", function()
        local result = run([[
            local function life(skip, length)
                count = 0
                local rt = sutura.runtime({ clock = "virtual", seed = 1 })
                local sup = rt:supervisor("A", { event_hook = record, failure_threshold = 2, failure_backoff = 3,
                    panic_locals = true })
                for i = 1, 2 do
                    sup:add("s" .. i, function(ctx)
                        sutura.sleep(i)
                        if ctx.run <= 2 then
                            coroutine.wrap(function()
                                sutura.await(function() return function() end end, 1)
                                error(VALUE)
                            end)()
                        end
                        ctx:wait()
                    end)
                end
                sup:add("beats", function(ctx)
                    if ctx.run == 1 then sutura.sleep(1e6) end
                    while not ctx:wait(1) do ctx:beat() end
                end, { heartbeat = 1.5 })
                local nested = rt:supervisor("N", { event_hook = record })
                nested:add("leaf", function(ctx) ctx:wait() end)
                sup:add(nested)
                sup:serve_background()
                oom.window(skip, length)
                pcall(rt.advance, rt, 8)
                oom.allow()
                rt:advance(100)
                in_order()
                for _, record in ipairs(sup:children()) do
                    check(record.state == "running", record.path .. " is " .. record.state .. " at " .. skip)
                end
                check(nested:children()[1].state == "running", "leaf at " .. skip)
                rt:run(function() check(sup:stop() == nil, "unclean at " .. skip) end)
                rt:close()
            end
            for skip = 0, 300 do
                life(skip, 2)
                if skip % 10 == 0 then
                    life(skip, 40)
                    life(skip, 2000000)
                end
            end
            print("done")
        ]])
        -- What a hook or the log could not do without memory is said on stderr; nothing else is.
        assert.equal("done\n", result.out, result.err)
        assert.equal(0, result.code)
        for line in result.err:gmatch("[^\n]+") do
            assert.matches("not enough memory", line)
        end
    end)
end)
