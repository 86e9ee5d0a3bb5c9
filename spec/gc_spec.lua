-- SPDX-License-Identifier: MIT
--
-- Garbage: what nobody runs and nobody keeps is collected, circles included; collecting anywhere changes nothing; and
-- the end of the Lua state finds everything, whatever still runs.

local child = require "spec.support.child"
local sutura = require "sutura"

local function quiet() end

local function full_collection()
    for _ = 1, 4 do
        collectgarbage()
    end
    return collectgarbage("count")
end

-- Makes things by `make(keep)`, which hands `keep` each of them, and drops them: all must be gone, and the memory too.
local function assert_dropped(make)
    local kept = setmetatable({}, { __mode = "k" })
    for _ = 1, 5 do
        make(function(object, name) kept[object] = name end)
    end
    full_collection()
    assert.is_nil(next(kept), "not collected: " .. tostring(kept[next(kept)]))
    -- The least of three times: Lua's table of strings doubles now and then, and stays so.
    local left = math.huge
    for _ = 1, 3 do
        local before = full_collection()
        for _ = 1, 20 do
            make(quiet)
        end
        left = math.min(left, full_collection() - before)
    end
    assert.is_true(left < 4, ("%.1f KB are left"):format(left))
end

local scenarios = {
    ["a supervisor that never ran"] = function(keep)
        local rt = sutura.runtime({ clock = "virtual" })
        local sup = rt:supervisor("A", { event_hook = quiet })
        local token = sup:add("worker", quiet)
        keep(sup, "sup")
        keep(token, "token")
        keep(rt, "rt")
    end,
    ["a tree that has ended"] = function(keep)
        local rt = sutura.runtime({ clock = "virtual" })
        local sup = rt:supervisor("A", { event_hook = quiet })
        local nested = rt:supervisor("B")
        local body = function(ctx)
            keep(ctx, "ctx")
            keep(coroutine.running(), "thread")
            ctx:wait()
        end
        nested:add("leaf", body)
        sup:add(nested)
        sup:add("worker", body)
        keep(sup:serve_background(), "handle")
        rt:run(function()
            sutura.sleep(1)
            sup:stop()
        end)
        keep(body, "body")
        keep(sup, "sup")
        keep(nested, "nested")
        keep(rt, "rt")
    end,
    ["a runtime whose tree still runs"] = function(keep)
        local rt = sutura.runtime({ clock = "virtual" })
        local sup = rt:supervisor("A", { event_hook = quiet })
        for i = 1, 3 do
            sup:add("s" .. i, function(ctx)
                keep(ctx, "ctx")
                keep(coroutine.running(), "thread")
                if i == 1 then
                    sutura.await(function(resume) keep(resume, "resume") return quiet end)
                elseif i == 2 then
                    coroutine.wrap(sutura.sleep)(1000)
                end
                ctx:wait()
            end)
        end
        keep(sup:serve_background(), "handle")
        rt:advance(1)
        keep(sup, "sup")
        keep(rt, "rt")
    end,
    ["a runtime that was closed"] = function(keep)
        local rt = sutura.runtime({})
        local sup = rt:supervisor("A", { event_hook = quiet })
        sup:add("worker", function(ctx) ctx:wait() end)
        sup:serve_background()
        rt:step()
        rt:close()
        keep(sup, "sup")
        keep(rt, "rt")
    end,
    ["circles of a supervisor, its hook, its services and itself"] = function(keep)
        local rt = sutura.runtime({ clock = "virtual" })
        local sup, token
        sup = rt:supervisor("A", { event_hook = function() return sup, rt, token end })
        token = sup:add("worker", function() return sup, token, rt end)
        local object = { supervisor = sup, name = "object" }
        function object:serve(ctx) self.ctx = ctx ctx:wait() end
        local other = rt:supervisor("B", { event_hook = function() return sup, object end })
        other:add(object)
        local handle = other:serve_background()
        object.handle = handle
        rt:settle()
        keep(sup, "sup")
        keep(other, "other")
        keep(object, "object")
        keep(handle, "handle")
        keep(rt, "rt")
    end,
    ["contexts with cancel, timeout and values"] = function(keep)
        local rt = sutura.runtime({ clock = "virtual" })
        rt:run(function()
            local root = sutura.context()
            local cancelled, cancel = root:with_cancel()
            local timed = cancelled:with_timeout(1000)
            local valued = timed:with_value("key", { timed })
            local self_value = {}
            self_value.context = valued:with_value("self", self_value)
            cancel("cause")
            keep(root, "root")
            keep(cancelled, "cancelled")
            keep(timed, "timed")
            keep(valued, "valued")
            keep(self_value.context, "circle")
            keep(root:with_timeout(5000), "abandoned")
        end)
        keep(rt, "rt")
    end,
    ["services that panicked, with values and traces"] = function(keep)
        local rt = sutura.runtime({ clock = "virtual" })
        local sup = rt:supervisor("A", { event_hook = function(event) keep(event, "event") end, panic_locals = true })
        sup:add("worker", function(ctx)
            local value = { coroutine.running(), ctx }
            keep(value, "value")
            sutura.sleep(1)
            error(value)
        end)
        sup:serve_background()
        rt:advance(20)
        keep(sup, "sup")
        keep(rt, "rt")
    end,
    ["services that were removed from a tree that runs"] = function(keep)
        local rt = sutura.runtime({ clock = "virtual" })
        local sup = rt:supervisor("A", { event_hook = quiet })
        sup:serve_background()
        for i = 1, 5 do
            local token = sup:add("s" .. i, function(ctx) ctx:wait() end)
            rt:settle()
            sup:remove(token)
            rt:settle()
            keep(token, "token")
        end
        keep(rt, "rt")
    end,
}

describe("dropped and collected without a trace are", function()
    for name, make in pairs(scenarios) do
        it(name, function()
            assert_dropped(make)
        end)

        it(name .. ", by the generational collector", function()
            collectgarbage("generational")
            local ok, problem = pcall(assert_dropped, make)
            collectgarbage("incremental")
            assert.is_true(ok, problem)
        end)
    end
end)

describe("the coroutine of a run that has ended", function()
    -- Serves what `make` adds to it, lets a second pass, and asks for the coroutine of the only run.
    local function assert_let_go(hook, make)
        local rt <close> = sutura.runtime({ clock = "virtual" })
        local weak = setmetatable({}, { __mode = "v" })
        local sup = rt:supervisor("A", { event_hook = hook, failure_threshold = 1, failure_backoff = 1000 })
        make(sup, function() weak.run = coroutine.running() end)
        sup:serve_background()
        rt:advance(1)
        full_collection()
        assert.is_nil(weak.run)
        assert.equal("worker", sup:children()[1].name)
    end

    it("is let go when the next run is taken back", function()
        assert_let_go(quiet, function(sup, note)
            local worker = sup:add("worker", note)
            sup:add("other", function(ctx)
                sup:terminate_child(worker)
                ctx:wait()
            end)
        end)
    end)

    it("is let go when the next run cannot begin", function()
        local panics = 0
        assert_let_go(function(event)
            panics = panics + (event.type == "service_panic" and 1 or 0)
        end, function(sup, note)
            local runs = 0
            sup:add("worker", setmetatable({}, {
                __index = function(_, name)
                    if name ~= "serve" then return end
                    runs = runs + 1
                    return runs < 3 and note or error("nothing to run") -- it was asked for once by add
                end,
            }))
        end)
        assert.is_true(panics > 0)
    end)
end)

describe("a supervisor that runs", function()
    it("is kept by its runtime, and let go when it has ended", function()
        local rt <close> = sutura.runtime({ clock = "virtual" })
        local weak = setmetatable({}, { __mode = "v" })
        local token
        do
            local sup = rt:supervisor("A", { event_hook = quiet })
            token = sup:add("worker", function()
                sutura.sleep(10)
                return sutura.TERMINATE_TREE
            end)
            sup:serve_background()
            weak.sup = sup
        end
        rt:advance(5)
        full_collection()
        assert.equal("A/worker", tostring(token))
        assert.is_not_nil(weak.sup)
        token = nil -- luacheck: ignore
        rt:advance(10)
        full_collection()
        assert.is_nil(weak.sup)
    end)
end)

describe("collecting in every hook and at every wait", function()
    local function life()
        local told = {}
        local rt <close> = sutura.runtime({ clock = "virtual", seed = 1 })
        local sup = rt:supervisor("A", {
            lifecycle_events = true, panic_locals = true,
            redact = function(_, text) collectgarbage() return text end,
            format_error = function(value) collectgarbage() return tostring(value) end,
            backoff_jitter = function(delay) collectgarbage() return delay end,
            failure_threshold = 1.5, failure_backoff = 2,
            event_hook = function(event)
                collectgarbage()
                told[#told + 1] = ("%s %s %.3f"):format(event.type, event.path, event.time)
            end,
        })
        for i = 1, 3 do
            sup:add("s" .. i, function(ctx)
                local _ <close> = setmetatable({}, { __close = function() collectgarbage() end })
                collectgarbage()
                sutura.await(function() collectgarbage() return function() collectgarbage() end end, i)
                collectgarbage()
                if ctx.run < 3 then
                    coroutine.wrap(function()
                        collectgarbage()
                        error({ i })
                    end)()
                end
                ctx:wait()
            end)
        end
        sup:serve_background()
        rt:advance(30)
        rt:run(function() sup:stop() end)
        return told
    end

    it("changes nothing of what happens", function()
        local first = life()
        assert.is_true(#first > 20)
        collectgarbage("generational")
        local second = life()
        collectgarbage("incremental")
        collectgarbage("stop")
        local third = life()
        collectgarbage("restart")
        assert.same(first, second)
        assert.same(first, third)
    end)
end)

describe("the end of the Lua state", function()
    local RUNNING = [[
        local sutura = require "sutura"
        local function quiet() end
        -- Global, and made after the module: finalized before it.
        guard = setmetatable({}, { __gc = function() sutura.now() end })
        rt = sutura.runtime({ clock = "virtual" })
        for _, runtime in ipairs({ rt, sutura.default_runtime() }) do
            local sup = runtime:supervisor("A", { event_hook = quiet })
            local nested = runtime:supervisor("B")
            nested:add("leaf", function(ctx) ctx:wait() end)
            sup:add(nested)
            sup:add("sleeping", function() sutura.sleep(1000) end)
            sup:add("awaiting", function()
                sutura.await(function(resume) later = resume return quiet end)
            end)
            sup:add("nested", function() coroutine.wrap(function() sutura.shield(sutura.sleep, 1000) end)() end)
            sup:add("closing", function(ctx)
                local _ <close> = setmetatable({}, { __close = function() print("closed") end })
                ctx:wait()
            end)
            sup:add("failing", function() sutura.sleep(0.001) error({ sup }) end)
            handle = sup:serve_background()
            runtime:settle()
        end
        rt:advance(5)
        timed = sutura.context():with_timeout(1000)
    ]]

    it("is clean with everything still running, and runs no code of a service", function()
        assert.same({ code = 0, out = "", err = "" }, child.run(RUNNING))
    end)

    it("is clean from inside a service, a hook, a program and a closer", function()
        for _, at in ipairs({
            "rt:run(function() os.exit(0, true) end)",
            "sutura.run(function() sutura.sleep(0.002) os.exit(0, true) end)",
            [[rt:run(function()
                local sup = sutura.supervisor("C", { event_hook = function() os.exit(0, true) end })
                sup:add("x", function() error("x") end)
                sup:serve()
            end)]],
            [[rt:run(function()
                local sup = sutura.supervisor("C", { timeout = 0, event_hook = function() end })
                sup:add("x", function()
                    local _ <close> = setmetatable({}, { __close = function() os.exit(0, true) end })
                    sutura.shield(sutura.sleep, 10)
                end)
                sup:serve_background()
                sutura.sleep(1)
                sup:stop()
            end)]],
        }) do
            local result = child.run(RUNNING .. at)
            assert.equal("", result.err)
            assert.equal(0, result.code)
        end
    end)

    it("is clean after an error that ends the program", function()
        local result = child.run(RUNNING .. "\nerror('the end')")
        assert.equal(1, result.code)
        assert.matches("the end", result.err)
    end)
end)
