-- SPDX-License-Identifier: MIT
--
-- await: a wait for whoever calls resume, its limit, and the cleanup of what was started.

local recorder = require "spec.support.recorder"
local sutura = require "sutura"
local virtual = require "spec.support.virtual"

-- A service that does `body` once, in a supervisor that is being served.
local function serve(rt, body, options)
    local told = recorder.new()
    local sup = rt:supervisor("A", { timeout = 1, event_hook = told.hook })
    local token = sup:add("worker", function(ctx)
        body(ctx)
        return sutura.DO_NOT_RESTART
    end, options)
    sup:serve_background()
    return sup, token, told
end

describe("an await", function()
    it("suspends until resume is called, and returns what it was given", virtual.test(function(rt)
        local resume, got
        local sup = serve(rt, function()
            got = table.pack(sutura.await(function(r) resume = r end))
        end)
        sutura.sleep(5)
        assert.is_nil(got)
        resume("a", 2)
        assert.is_nil(got)
        sutura.sleep(0)
        assert.same({ "a", 2, n = 2 }, got)
        sup:stop()
    end))

    it("returns nothing, nils and any number of values as resume was given them", virtual.test(function()
        assert.equal(0, select("#", sutura.await(function(resume) resume() end)))
        assert.same({ n = 3 }, table.pack(sutura.await(function(resume) resume(nil, nil, nil) end)))
        assert.same({ nil, 1, nil, n = 3 }, table.pack(sutura.await(function(resume) resume(nil, 1, nil) end)))
        local values = {}
        for i = 1, 200 do
            values[i] = i
        end
        assert.same(values, { sutura.await(function(resume) resume(table.unpack(values)) end) })
    end))

    it("returns 200 values that come later", virtual.test(function(rt)
        local values = {}
        for i = 1, 200 do
            values[i] = "v" .. i
        end
        local resume, got
        local sup = serve(rt, function() got = { sutura.await(function(r) resume = r end) } end)
        sutura.sleep(1)
        resume(table.unpack(values))
        sutura.sleep(0)
        assert.same(values, got)
        sup:stop()
    end))

    it("does not suspend when resume comes before start returns", virtual.test(function(rt)
        local log = {}
        local sup = serve(rt, function() log[#log + 1] = "other" end)
        assert.equal(1, sutura.await(function(resume) resume(1) end))
        assert.same({}, log)
        sutura.sleep(0)
        assert.same({ "other" }, log)
        sup:stop()
    end))

    it("takes the first resume, and a second one does nothing", virtual.test(function(rt)
        assert.equal(1, sutura.await(function(resume)
            resume(1)
            resume(2)
        end))
        local resume, got
        local sup = serve(rt, function()
            got = sutura.await(function(r) resume = r end)
            sutura.sleep(10)
            got = got .. " slept"
        end)
        sutura.sleep(1)
        resume("first")
        assert.equal(0, select("#", resume("second")))
        sutura.sleep(1)
        resume("third")
        assert.equal("first", got)
        sutura.sleep(8)
        assert.equal("first", got)
        sutura.sleep(2)
        assert.equal("first slept", got)
        sup:stop()
    end))

    it("may be resumed from another service, a hook and the main program", function()
        local rt <close> = sutura.runtime({ clock = "virtual" })
        local resume, got
        local sup = rt:supervisor("A", { event_hook = function() if resume then resume("hook") end end })
        sup:add("waiter", function()
            got = {}
            for i = 1, 3 do
                got[i] = sutura.await(function(r) resume = r end)
            end
            return sutura.DO_NOT_RESTART
        end)
        sup:add("failing", function(ctx)
            if ctx.run == 1 then
                resume("service")
                sutura.sleep(1)
                error("for the hook")
            end
            ctx:wait()
        end)
        sup:serve_background()
        rt:advance(5)
        assert.same({ "service", "hook" }, got)
        resume("main")
        rt:settle()
        assert.same({ "service", "hook", "main" }, got)
    end)

    it("works in a main program and in a program given to run", function()
        assert.equal(5, sutura.await(function(resume) resume(5) end))
        local rt <close> = sutura.runtime({ clock = "virtual" })
        assert.equal(6, rt:run(function() return sutura.await(function(resume) resume(6) end) end))
    end)

    it("works in a nested coroutine", virtual.test(function(rt)
        local resume
        local got
        local sup = serve(rt, function()
            got = coroutine.wrap(function()
                return sutura.await(function(r) resume = r end)
            end)()
        end)
        sutura.sleep(1)
        resume("inner")
        sutura.sleep(0)
        assert.equal("inner", got)
        sup:stop()
    end))

    it("lets start itself wait", virtual.test(function(rt)
        local got = { sutura.await(function(resume)
            sutura.sleep(3)
            local inner = sutura.await(function(r) r("inner") end)
            resume(inner, rt:now())
        end) }
        assert.same({ "inner", 3 }, got)
    end))
end)

describe("an await with a limit", function()
    it("returns nil and ERR_TIMEOUT when the limit has passed", virtual.test(function(rt)
        local before = rt:now()
        assert.same({ nil, sutura.ERR_TIMEOUT }, { sutura.await(function() end, 2.5) })
        assert.equal(before + 2.5, rt:now())
    end))

    it("counts the limit from the call, also while start waits", virtual.test(function(rt)
        assert.same({ nil, sutura.ERR_TIMEOUT }, { sutura.await(function() sutura.sleep(4) end, 5) })
        assert.equal(5, rt:now())
    end))

    it("of 0 gives way once", virtual.test(function(rt)
        assert.same({ nil, sutura.ERR_TIMEOUT }, { sutura.await(function() end, 0) })
        assert.same({ 1 }, { sutura.await(function(resume) resume(1) end, 0) })
        assert.equal(0, rt:now())
    end))

    it("ignores a resume that comes too late", virtual.test(function(rt)
        local resume, got
        local sup = serve(rt, function()
            got = { sutura.await(function(r) resume = r end, 1) }
            got[3] = sutura.await(function() end, 10) or "waited"
        end)
        sutura.sleep(2)
        assert.same({ nil, sutura.ERR_TIMEOUT }, got)
        resume("late")
        sutura.sleep(1)
        assert.is_nil(got[3])
        sutura.sleep(10)
        assert.equal("waited", got[3])
        sup:stop()
    end))

    it("is never early on a real clock", function()
        local rt <close> = sutura.runtime({})
        rt:run(function()
            for _, limit in ipairs({ 0.0002, 0.0013, 0.0027 }) do
                local before = rt:now()
                sutura.await(function() end, limit)
                assert.is_true(rt:now() - before >= limit)
            end
        end)
    end)

    it("leaves nothing behind, after 1,000 of them", virtual.test(function(rt)
        local done = 0
        local sup = rt:supervisor("A", { event_hook = function() end })
        for i = 1, 10 do
            sup:add("s" .. i, function()
                for _ = 1, 100 do
                    sutura.await(function() return function() done = done + 1 end end, 0.5)
                end
                return sutura.DO_NOT_RESTART
            end)
        end
        sup:serve_background()
        sutura.sleep(60)
        assert.equal(1000, done)
        local function settled_memory()
            collectgarbage()
            collectgarbage()
            return collectgarbage("count")
        end
        local before = settled_memory()
        for _ = 1, 1000 do
            sutura.await(function() end, 0.001)
        end
        assert.near(before, settled_memory(), 4)
        local kept = setmetatable({}, { __mode = "k" })
        for _ = 1, 1000 do
            sutura.await(function(resume) kept[resume] = true end, 0.001)
        end
        collectgarbage()
        assert.is_nil(next(kept))
        local ok, text = pcall(function()
            local other = sutura.runtime({ clock = "virtual" })
            other:run(function()
                for _ = 1, 1000 do
                    sutura.await(function() end, 0.001)
                end
                sutura.await(function() end) -- a timer that was left would keep this from being a deadlock
            end)
        end)
        assert.is_false(ok)
        assert.matches("deadlock", text)
        sup:stop()
    end))
end)

describe("the cleanup that start returns", function()
    local function counting()
        local count = { 0 }
        return count, function() count[1] = count[1] + 1 end
    end

    it("is called once when the limit passes", virtual.test(function()
        local count, cleanup = counting()
        sutura.await(function() return cleanup end, 1)
        assert.equal(1, count[1])
        sutura.sleep(5)
        assert.equal(1, count[1])
    end))

    it("is not called after a resume", virtual.test(function(rt)
        local count, cleanup = counting()
        sutura.await(function(resume) resume() return cleanup end)
        local resume
        local sup = serve(rt, function() sutura.await(function(r) resume = r return cleanup end, 10) end)
        sutura.sleep(1)
        resume()
        sutura.sleep(20)
        assert.equal(0, count[1])
        sup:stop()
    end))

    it("is called once when the service is stopped, before the error goes on", virtual.test(function(rt)
        local count, cleanup = counting()
        local at_catch
        local sup = serve(rt, function()
            local ok, err = pcall(sutura.await, function() return cleanup end)
            at_catch = { ok, err, count[1] }
        end)
        sutura.sleep(1)
        assert.is_nil(sup:stop())
        assert.same({ false, sutura.CANCELED, 1 }, at_catch)
        assert.equal(1, count[1])
    end))

    it("is called once when the service is closed by force", virtual.test(function(rt)
        local count, cleanup = counting()
        local sup = serve(rt, function()
            sutura.shield(sutura.await, function() return cleanup end)
        end)
        sutura.sleep(1)
        local report = sup:stop()
        assert.is_true(report[1].killed)
        assert.equal(1, count[1])
    end))

    it("is called when a nested coroutine that waits is closed by force", virtual.test(function(rt)
        local count, cleanup = counting()
        local sup = serve(rt, function()
            sutura.shield(coroutine.wrap(function() sutura.await(function() return cleanup end) end))
        end, { shutdown = "kill" })
        sutura.sleep(1)
        sup:stop()
        assert.equal(1, count[1])
    end))

    it("may not wait", virtual.test(function(rt)
        local problem
        sutura.await(function()
            return function() problem = select(2, pcall(sutura.sleep, 1)) end
        end, 1)
        assert.matches("cannot wait", problem)
        assert.equal(1, rt:now())
    end))

    it("is reported, and changes nothing else, when it raises", virtual.test(function()
        local stderr = {}
        local write = io.stderr
        local log = require "sutura.log"
        local report = log.report
        log.report = function(text) stderr[#stderr + 1] = text end
        local got = { sutura.await(function() return function() error("no cleanup", 0) end end, 1) }
        log.report = report
        assert.same({ nil, sutura.ERR_TIMEOUT }, got)
        assert.equal(1, #stderr)
        assert.matches("the cleanup of an await raised: no cleanup", stderr[1])
        assert.equal(write, io.stderr)
    end))

    it("may be anything else, which is ignored", virtual.test(function()
        for _, value in ipairs({ false, 5, "x", {} }) do
            assert.same({ nil, sutura.ERR_TIMEOUT }, { sutura.await(function() return value end, 1) })
        end
    end))
end)

describe("an await goes wrong", function()
    it("by an error in start, which is raised to the caller as it is", virtual.test(function(rt)
        local value = {}
        assert.same({ false, value }, { pcall(sutura.await, function() error(value) end, 5) })
        local _, text = pcall(sutura.await, function() error("broken") end)
        assert.matches("^spec/await_spec%.lua:%d+: broken$", text)
        local ok, after = pcall(sutura.await, function(resume) resume(1) error("after resume", 0) end)
        assert.same({ false, "after resume" }, { ok, after })
        assert.equal(0, rt:now())
    end))

    it("by a start that is no function, or a limit that is none", virtual.test(function()
        local function refusal(...)
            local ok, text = pcall(function(...) sutura.await(...) end, ...)
            assert.is_false(ok)
            return text
        end
        assert.matches("^spec/await_spec%.lua:%d+: bad argument 'start' to 'await' %(function expected, got 5%)$",
            refusal(5))
        assert.matches("'start' to 'await' %(function expected, got nothing%)", refusal())
        local ran = false
        assert.matches("bad argument 'limit' to 'await' %(seconds as a number expected, got \"1\"%)",
            refusal(function() ran = true end, "1"))
        assert.matches("bad argument 'limit' to 'await' %(seconds, 0 or more, expected, got %-1%)",
            refusal(function() ran = true end, -1))
        assert.is_false(ran)
    end))

    it("by a stop before it began, and then start is not called", virtual.test(function(rt)
        local called, result
        local sup = serve(rt, function()
            pcall(sutura.sleep, 100)
            result = { pcall(sutura.await, function() called = true end) }
        end)
        sutura.sleep(1)
        assert.is_nil(sup:stop())
        assert.is_nil(called)
        assert.same({ false, sutura.CANCELED }, result)
    end))

    it("by a stop while start runs, and then the cleanup is called", virtual.test(function(rt)
        local cleaned, result
        local sup = serve(rt, function(ctx)
            result = { pcall(sutura.await, function()
                ctx.supervisor:remove(ctx.token)
                return function() cleaned = true end
            end) }
        end)
        sutura.sleep(1)
        assert.same({ false, sutura.CANCELED }, result)
        assert.is_true(cleaned)
        sup:stop()
    end))
end)

describe("a resume that is kept", function()
    it("does nothing when its service is gone", virtual.test(function(rt)
        local resume
        local sup = serve(rt, function() sutura.await(function(r) resume = r end) end)
        sutura.sleep(1)
        sup:stop()
        collectgarbage()
        resume(1)
        sutura.sleep(1)
    end))

    it("does nothing when its runtime is closed, or a service that never stops was left in it", function()
        local resume
        local rt = sutura.runtime({ clock = "virtual" })
        local sup = rt:supervisor("A", { timeout = 1, event_hook = function() end })
        sup:add("stubborn", function()
            sutura.shield(sutura.await, function(r) resume = r end)
        end, { kill = false })
        sup:serve_background()
        rt:advance(1)
        rt:close()
        resume(1)
        rt, sup = nil, nil -- luacheck: ignore
        collectgarbage()
        collectgarbage()
        resume(2)
    end)
end)
