-- SPDX-License-Identifier: MIT
--
-- What a service may do to coroutines that are not its own to handle, and to the process: the tree survives it, and
-- each service that was meddled with ends as exactly one panic.

local child = require "spec.support.child"
local recorder = require "spec.support.recorder"
local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local FOREIGN = "its coroutine was closed or resumed by somebody else"

-- A supervisor with a victim that does `body` in its first run, and then nothing; `attack` is given its coroutine.
local function meddle(rt, body, attack)
    local told = recorder.new()
    local sup = rt:supervisor("A", { event_hook = told.hook })
    local victim
    sup:add("victim", function(ctx)
        if ctx.run == 1 then
            victim = coroutine.running()
            return body(ctx)
        end
        ctx:wait()
    end)
    sup:serve_background()
    sutura.sleep(1)
    attack(victim, sup)
    sutura.sleep(100)
    return sup, told
end

-- The victim has panicked once, and lives.
local function assert_one_panic(sup, told, message)
    assert.same({ "service_panic A/victim" }, told:lines())
    assert.matches(message, told.events[1].error_msg, 1, true)
    local record = sup:children()[1]
    assert.equal("running", record.state)
    assert.equal(2, record.run or record.restarts + 1)
    assert.is_nil(sup:stop())
    assert.equal(1, #told.events)
end

local function sleeping() sutura.sleep(50) end

local function stubborn()
    while true do
        pcall(sutura.sleep, 50)
    end
end

describe("a service that yields by itself", function()
    it("panics, and is told what to use", virtual.test(function(rt)
        local told = recorder.new()
        local sup = rt:supervisor("A", { event_hook = told.hook })
        sup:add("worker", function(ctx)
            if ctx.run == 1 then
                coroutine.yield("somebody?")
            end
            ctx:wait()
        end)
        sup:serve_background()
        sutura.sleep(1)
        local event = told:only("service_panic")
        assert.equal("yielded to nobody; use sutura.yield or sutura.await", event.error)
        assert.equal(event.error, event.error_msg)
        assert.matches("^stack traceback:\n\t%[C%]: in .-'.-yield'\n\tspec/stranger_spec%.lua:%d+: in ",
            event.stacktrace)
        assert.is_true(event.restarting)
        assert.is_nil(sup:stop())
        assert.equal(1, #told.events)
    end))

    it("panics whatever it gives away", virtual.test(function(rt)
        local told = recorder.new()
        local sup = rt:supervisor("A", { event_hook = told.hook })
        for i, value in ipairs({ {}, "text", false, io.stdout, print }) do
            sup:add("worker" .. i, function(ctx)
                if ctx.run == 1 then
                    coroutine.yield(nil, value)
                end
                ctx:wait()
            end)
        end
        sup:serve_background()
        sutura.sleep(100)
        assert.equal(5, #told:of("service_panic"))
        assert.is_nil(sup:stop())
    end))

    it("runs its closers", virtual.test(function(rt)
        local closed
        meddle(rt, function()
            local _ <close> = setmetatable({}, { __close = function() closed = true end })
            coroutine.yield()
        end, function() end):stop()
        assert.is_true(closed)
    end))

    it("in an inner coroutine yields to the outer one as ever", virtual.test(function(rt)
        local got
        local _, told = meddle(rt, function()
            got = coroutine.wrap(function() coroutine.yield(5) end)()
            sutura.sleep(500)
        end, function() end)
        assert.equal(5, got)
        assert.equal(0, #told.events)
    end))
end)

describe("a service whose thread another closes", function()
    it("ends as one panic while it sleeps", virtual.test(function(rt)
        local sup, told = meddle(rt, sleeping, function(victim) assert(coroutine.close(victim)) end)
        assert_one_panic(sup, told, FOREIGN)
    end))

    it("ends as one panic while it is ready to run", virtual.test(function(rt)
        local sup, told = meddle(rt, function()
            while true do
                sutura.yield()
                sutura.sleep(1)
            end
        end, function(victim) coroutine.close(victim) end)
        assert_one_panic(sup, told, FOREIGN)
    end))

    it("ends as one panic in an await with a cleanup, which runs", virtual.test(function(rt)
        local cleaned = 0
        local sup, told = meddle(rt, function()
            sutura.await(function() return function() cleaned = cleaned + 1 end end)
        end, function(victim) coroutine.close(victim) end)
        assert.equal(1, cleaned)
        assert_one_panic(sup, told, FOREIGN)
    end))

    it("ends as one panic while it serves a tree of its own, which ends too", virtual.test(function(rt)
        local inner = rt:supervisor("inner", {})
        inner:add("leaf", function(ctx) ctx:wait() end)
        local sup, told = meddle(rt, function() inner:serve() end, function(victim) coroutine.close(victim) end)
        assert.equal("terminated", inner:state())
        assert_one_panic(sup, told, FOREIGN)
    end))

    it("ends as one panic when a nested coroutine of its own waits", virtual.test(function(rt)
        local sup, told = meddle(rt, function()
            coroutine.wrap(sleeping)()
        end, function(victim) coroutine.close(victim) end)
        assert_one_panic(sup, told, FOREIGN)
    end))

    it("does so when a closer of it raises, too", virtual.test(function(rt)
        local sup, told = meddle(rt, function()
            local _ <close> = setmetatable({}, { __close = function() error("no") end })
            sutura.sleep(50)
        end, function(victim) coroutine.close(victim) end)
        assert_one_panic(sup, told, FOREIGN)
    end))

    it("is not stopped twice when it is asked to stop at the same time", virtual.test(function(rt)
        local told = recorder.new()
        local sup = rt:supervisor("A", { event_hook = told.hook })
        local victim
        local token = sup:add("victim", function()
            victim = coroutine.running()
            sutura.sleep(50)
        end)
        sup:serve_background()
        sutura.sleep(1)
        sup:remove(token)
        coroutine.close(victim)
        sutura.sleep(1)
        assert.is_nil(sup:stop())
        assert.is_true(#told.events <= 1)
        if told.events[1] then
            assert.is_true(told.events[1].stopping)
        end
    end))
end)

describe("a service whose thread another resumes", function()
    it("ends as one panic", virtual.test(function(rt)
        local sup, told = meddle(rt, sleeping, function(victim)
            local ok = coroutine.resume(victim)
            assert.is_boolean(ok)
        end)
        assert_one_panic(sup, told, FOREIGN)
    end))

    it("ends as one panic though it swallows every error", virtual.test(function(rt)
        local sup, told = meddle(rt, stubborn, function(victim) coroutine.resume(victim) end)
        assert_one_panic(sup, told, FOREIGN)
    end))

    it("ends as one panic when a service resumes it again and again", virtual.test(function(rt)
        local sup, told = meddle(rt, stubborn, function(victim, sup)
            sup:add("attacker", function()
                for _ = 1, 10 do
                    coroutine.resume(victim)
                end
                sutura.sleep(1)
                coroutine.resume(victim)
                coroutine.close(victim)
                return sutura.DO_NOT_RESTART
            end)
        end)
        assert_one_panic(sup, told, FOREIGN)
    end))

    it("ends as one panic when its resumer is wrapped round it", virtual.test(function(rt)
        local sup, told = meddle(rt, stubborn, function(victim)
            pcall(coroutine.wrap(function() return coroutine.resume(victim) end))
        end)
        assert_one_panic(sup, told, FOREIGN)
    end))

    it("ends as one panic when the main program's await resumes it", virtual.test(function(rt)
        local sup, told = meddle(rt, function()
            sutura.await(function() end)
        end, function(victim) coroutine.resume(victim, "a", "b") end)
        assert_one_panic(sup, told, FOREIGN)
    end))
end)

describe("a service that meddles with its own thread", function()
    it("panics when it closes itself, for Lua refuses", virtual.test(function(rt)
        local sup, told = meddle(rt, function() coroutine.close(coroutine.running()) end, function() end)
        assert_one_panic(sup, told, "cannot close a running coroutine")
    end))

    it("is refused when it resumes itself, and goes on", virtual.test(function(rt)
        local result
        local sup, told = meddle(rt, function(ctx)
            result = { coroutine.resume((coroutine.running())) }
            ctx:wait()
        end, function() end)
        assert.same({ false, "cannot resume non-suspended coroutine" }, result)
        assert.equal(0, #told.events)
        assert.is_nil(sup:stop())
    end))

    it("panics when an inner coroutine of it closes it", virtual.test(function(rt)
        local sup, told = meddle(rt, function()
            local outer = coroutine.running()
            coroutine.wrap(function() coroutine.close(outer) end)()
        end, function() end)
        assert_one_panic(sup, told, "cannot close a normal coroutine")
    end))

    it("may close an inner coroutine in which nobody waits", virtual.test(function(rt)
        local sup, told = meddle(rt, function(ctx)
            local inner = coroutine.create(function() coroutine.yield() end)
            coroutine.resume(inner)
            assert(coroutine.close(inner))
            ctx:wait()
        end, function() end)
        assert.equal(0, #told.events)
        assert.is_nil(sup:stop())
    end))
end)

describe("a service whose inner coroutine another closes", function()
    it("finds its inner coroutine dead, and goes on", virtual.test(function(rt)
        local inner, result
        local sup, told = meddle(rt, function(ctx)
            inner = coroutine.create(function() sutura.sleep(50) end)
            result = { coroutine.resume(inner) }
            ctx:wait()
        end, function() coroutine.close(inner) end)
        assert.same({ false, "cannot resume dead coroutine" }, result)
        assert.equal(0, #told.events)
        assert.is_nil(sup:stop())
    end))
end)

describe("a program given to run", function()
    it("that yields to nobody leaves run with an error", function()
        local rt <close> = sutura.runtime({ clock = "virtual" })
        local ok, text = pcall(rt.run, rt, function() coroutine.yield(1) end)
        assert.is_false(ok)
        assert.matches("yielded to nobody", text)
    end)

    it("that a service closes leaves run with an error", function()
        local rt <close> = sutura.runtime({ clock = "virtual" })
        local sup = rt:supervisor("A", { event_hook = function() end })
        local ok, text = pcall(rt.run, rt, function()
            local program = coroutine.running()
            sup:add("worker", function()
                coroutine.close(program)
                return sutura.DO_NOT_RESTART
            end)
            sup:serve_background()
            sutura.sleep(10)
        end)
        assert.is_false(ok)
        assert.matches(FOREIGN, text)
        rt:run(function() assert.is_nil(sup:stop()) end)
    end)
end)

describe("a service that calls os.exit", function()
    it("ends the process with that status", function()
        local result = child.run([[
            local sutura = require "sutura"
            local sup = sutura.supervisor("A")
            sup:add("other", function(ctx) ctx:wait() end)
            sup:add("worker", function() sutura.sleep(0.001) io.write("bye") os.exit(7) end)
            sup:serve()
        ]])
        assert.same({ code = 7, out = "bye", err = "" }, result)
    end)

    it("and closes the state ends it cleanly too, from an inner coroutine and from a hook", function()
        for _, body in ipairs({
            "os.exit(3, true)",
            "coroutine.wrap(function() sutura.sleep(0.001) os.exit(3, true) end)()",
            "pcall(function() local _ <close> = setmetatable({}, { __close = function() os.exit(3, true) end }) end)",
            "error('x')",
        }) do
            local result = child.run(([[
                local sutura = require "sutura"
                local sup = sutura.supervisor("A", { event_hook = function() os.exit(3, true) end })
                sup:add("other", function(ctx) local _ <close> = ctx.supervisor ctx:wait() end)
                sup:add("worker", function() %s end)
                sup:serve()
            ]]):format(body))
            assert.same({ code = 3, out = "", err = "" }, result)
        end
    end)
end)

describe("an end that has no stack", function()
    it("says that there is no trace, and not that there was no memory", virtual.test(function(rt)
        local sup, record = recorder.supervisor(rt, "A")
        local object = { name = "lost", serve = function() end }
        sup:add(object, { restart = "temporary" })
        object.serve = nil
        sup:serve_background()
        sutura.sleep(1)
        assert.equal("(no trace)", record:only("service_panic").stacktrace)
    end))
end)
