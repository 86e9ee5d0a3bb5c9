-- SPDX-License-Identifier: MIT
--
-- What once crashed the process, hung it, or lost something: one spec for each. They use the module as no program
-- should, in finalizers, closers and other threads; that it survives is all that they ask.

local child = require "spec.support.child"
local command = require "spec.support.command"
local load_tree = require "sutura.load_tree"
local sutura = require "sutura"
local core = require "sutura.core"
local log_lines = require "spec.support.log_lines"

local function quiet() end

local function virtual(options)
    options = options or {}
    options.clock, options.seed = "virtual", 1
    return sutura.runtime(options)
end

local function forever() sutura.sleep(math.huge) end

-- Calls `fn` when a piece of garbage that `fn` knows nothing of is collected, once.
local function at_collection(fn, ...)
    setmetatable({ ... }, { __gc = fn })
end

-- An object whose finalizer calls `fn` with it; what it holds is collected with it.
local function collect_with(fn, object)
    setmetatable(object, { __gc = fn })
end

local function collect()
    collectgarbage()
    collectgarbage()
end

describe("a finalizer", function()
    it("that adds to a supervisor collected with it is told so", function()
        local rt <close> = virtual()
        local problem
        do
            local holder = {}
            collect_with(function(object)
                local _, raised = pcall(object.sup.add, object.sup, "B", forever)
                problem = raised
            end, holder)
            holder.sup = rt:supervisor("A")
        end
        collect()
        assert.matches("has been collected as garbage", problem, 1, true)
    end)

    it("may not let time pass, nor wait", function()
        local rt <close> = virtual()
        local problems = {}
        at_collection(function()
            for i, call in ipairs({
                function() rt:advance(1) end,
                function() rt:settle() end,
                function() rt:run(quiet) end,
                function() rt:close() end,
                function() sutura.sleep(0) end,
            }) do
                problems[i] = select(2, pcall(call))
            end
        end)
        collect()
        assert.equal(5, #problems)
        for _, problem in ipairs(problems) do
            assert.matches("in a finalizer", problem, 1, true)
        end
    end)

    it("may remove a service that is about to begin, or restart it", function()
        for _, method in ipairs({ "remove", "restart" }) do
            local rt <close> = virtual()
            local sup = rt:supervisor("A", { event_hook = quiet, failure_threshold = math.huge })
            local left = 300
            local tokens = {}
            local function bomb()
                at_collection(function()
                    left = left - 1
                    for _, token in ipairs(tokens) do
                        sup[method](sup, token)
                    end
                    if left > 0 then bomb() end
                end)
            end
            collectgarbage("incremental", 1, 10000)
            bomb()
            for round = 1, 60 do
                for i = 1, 3 do
                    tokens[i] = method == "remove" and sup:add("B" .. round, forever)
                        or tokens[i] or sup:add("B", function() sutura.sleep(1) end)
                end
                if round == 1 then sup:serve_background() end
                rt:advance(1)
            end
            collectgarbage("incremental", 200, 100)
            left = 0
        end
    end)
end)

describe("user code in the middle of a call", function()
    it("may remove the service whose field 'serve' is asked for, and raise", function()
        local rt <close> = virtual()
        local sup = rt:supervisor("A", { event_hook = quiet })
        local began = false
        local token
        token = sup:add(setmetatable({}, {
            __index = function(_, key)
                if key == "serve" and began then
                    sup:remove(token)
                    error("no")
                end
                return key == "serve" and forever or nil
            end,
        }), { name = "B" })
        began = true
        sup:serve_background()
        rt:advance(1)
        assert.same({}, sup:children())
    end)

    it("that closes the runtime while a service or supervisor is made is told so", function()
        local rt = virtual()
        local sup = rt:supervisor("A")
        local object = setmetatable({ serve = forever }, {
            __tostring = function()
                rt:close()
                return "B"
            end,
        })
        assert.error_matches(function() sup:add(object) end, "is closed")
        rt = virtual()
        assert.error_matches(function() rt:supervisor("A", { children = { object } }) end, "is closed")
    end)

    it("may call in from a variable to be closed of a hook that raises", function()
        local rt <close> = virtual()
        local token
        local sup
        sup = rt:supervisor("A", {
            event_hook = function()
                local _closed <close> = setmetatable({}, { __close = function() sup:remove(token) end })
                error("hook", 0)
            end,
        })
        token = sup:add("B", forever)
        sup:add("C", function() error("first", 0) end)
        sup:serve_background()
        local lines = log_lines.during(function() rt:settle() end)
        assert.equal(1, sup:count().specs)
        assert.matches("hook", lines[1], 1, true)
    end)
end)

describe("the end of a supervisor", function()
    it("that nobody knows any more takes along what was removed from it", function()
        local rt <close> = virtual()
        do
            local sup = rt:supervisor("A")
            sup:remove(sup:add("B", quiet))
        end
        collect()
        rt:advance(1)
    end)
end)

describe("a path", function()
    it("may grow longer while room for it is made", function()
        local rt <close> = virtual()
        collectgarbage("incremental", 1, 10000)
        for _ = 1, 200 do
            local top, below = rt:supervisor("A"), rt:supervisor("B")
            local token = below:add("C", forever)
            at_collection(function() pcall(top.add, top, below) end)
            local text = tostring(token)
            assert(text == "B/C" or text == "A/B/C", text)
        end
        collectgarbage("incremental", 200, 100)
    end)
end)

describe("the end of a runtime", function()
    it("gives back what was removed from it and not let go yet", function()
        local rt = virtual()
        local sup = rt:supervisor("A")
        sup:remove(sup:add("B", quiet))
        rt:close()
        assert.equal("a supervisor whose runtime is closed", tostring(sup))
    end)

    it("leaves a context of its services that refuses", function()
        local rt = virtual()
        local sup = rt:supervisor("A")
        local kept
        sup:add("B", function(ctx)
            kept = ctx
            forever()
        end)
        sup:serve_background()
        rt:settle()
        rt:close()
        assert.error_matches(function() kept:with_cancel() end, "closed")
        assert.error_matches(function() kept:wait(0) end, "closed")
        assert.is_nil(kept.name)
    end)

    it("is not put off by two trees that serve one another when they are stopped", function()
        local rt = virtual()
        local sups = {}
        for i = 1, 2 do
            sups[i] = rt:supervisor("A" .. i, { event_hook = quiet })
            sups[i]:add("B", function()
                pcall(forever)
                sutura.shield(function()
                    for _ = 1, 9 do
                        sutura.sleep(0.5)
                        pcall(sups[3 - i].serve_background, sups[3 - i])
                    end
                end)
            end)
        end
        rt:run(function()
            sups[1]:serve_background()
            sutura.sleep(1)
            sups[1]:stop(0)
            sutura.sleep(2) -- the first serves the second in its last seconds
        end)
        rt:settle()
        rt:close()
    end)

    it("forgets who waits for a service that still lives", function()
        local rt = virtual()
        local sup = rt:supervisor("A", { event_hook = quiet, timeout = 1 })
        local token = sup:add{ name = "B", kill = false, run = function()
            while true do pcall(sutura.sleep, 1) end
        end }
        sup:add{ name = "C", kill = false, run = function()
            sutura.shield(function() sup:remove_and_wait(token) end)
        end }
        sup:serve_background()
        rt:advance(2)
        rt:close()
    end)

    it("is not kept off by a helper that waits, when nobody knows the runtime any more", function()
        local kept = setmetatable({}, { __mode = "v" })
        do
            local rt = virtual()
            kept.rt = rt
            local sup = rt:supervisor("A")
            sup:add("B", function(ctx)
                core.spawn(function() ctx:wait() end)
                core.spawn(function() sutura.await(quiet) end)
                forever()
            end)
            sup:serve_background()
            rt:advance(1)
        end
        collect()
        assert.is_nil(kept.rt)
    end)
end)

describe("contexts", function()
    it("of services work in more runtimes than 255", function()
        local runtimes = {}
        for i = 1, 300 do
            runtimes[i] = virtual()
            local sup = runtimes[i]:supervisor("A", { event_hook = function(event) error(event) end })
            local cancelled
            sup:add("B", function(ctx)
                local derived, cancel = ctx:with_cancel()
                cancel()
                cancelled = derived:cancelled()
                forever()
            end)
            sup:serve_background()
            runtimes[i]:settle()
            assert.is_true(cancelled)
        end
        for _, rt in ipairs(runtimes) do rt:close() end
    end)

    it("of a service may be to be closed in its own coroutines without ending it", function()
        local rt <close> = virtual()
        local sup = rt:supervisor("A", { event_hook = function(event) error(event) end })
        sup:add("B", function(ctx)
            local inner = coroutine.create(function()
                local _closed <close> = ctx
                coroutine.yield()
            end)
            coroutine.resume(inner)
            coroutine.close(inner)
            assert(not ctx:err())
            forever()
        end)
        sup:serve_background()
        rt:settle()
        assert.equal("running", sup:children()[1].state)
    end)

    it("that lie below one another in a circle of lives are walked once", function()
        local rt <close> = virtual()
        local sup = rt:supervisor("A", { event_hook = quiet })
        local kept
        sup:add("B", function(ctx)
            kept = kept or ctx:with_value("other", 1)
            forever()
        end)
        sup:serve_background()
        rt:settle()
        sup:stop()
        sup:serve_background(kept)
        rt:settle()
        assert.is_nil(kept:value("key"))
    end)

    it("of another runtime cannot be served with", function()
        local rt <close> = virtual()
        local other <close> = virtual()
        local context
        other:run(function() context = sutura.context() end)
        local sup = rt:supervisor("A")
        assert.error_matches(function() sup:serve_background(context) end, "bad argument 'ctx'", 1, true)
        assert.equal("not_running", sup:state())
    end)

    it("hide their metatable", function()
        assert.is_false(getmetatable(sutura.context()))
    end)
end)

describe("a service", function()
    it("may return as many values as there is room for", function()
        local rt <close> = virtual()
        local events = {}
        local sup = rt:supervisor("A", { event_hook = function(event) events[#events + 1] = event end })
        for count = 999950, 999971, 3 do
            sup:add("B", function() return nil, sutura.DO_NOT_RESTART, table.unpack({}, 1, count) end)
        end
        sup:serve_background()
        rt:settle()
        for _, event in ipairs(events) do
            assert.not_nil(event.error_msg) -- they did not fit
        end
    end)

    it("whose dead thread a hook closes has one event", function()
        local rt <close> = virtual()
        local thread
        local panics = 0
        local sup = rt:supervisor("A", {
            panic_locals = true,
            failure_threshold = 0.5,
            event_hook = function(event)
                if event.type == "service_panic" then panics = panics + 1 end
                coroutine.close(thread)
            end,
        })
        sup:add("B", function()
            thread = coroutine.running()
            error("boo")
        end)
        sup:serve_background()
        rt:settle()
        assert.equal(1, panics)
    end)

    it("may keep a coroutine that one of its closers has made", function()
        local rt <close> = virtual({ close_budget = 0 })
        local made
        local sup = rt:supervisor("A", { event_hook = quiet, timeout = 0 })
        sup:add("B", function()
            local _closed <close> = setmetatable({}, {
                __close = function()
                    made = coroutine.create(function()
                        for _ = 1, 10000 do end
                        return "done"
                    end)
                end,
            })
            while true do pcall(sutura.sleep, 1) end
        end)
        sup:serve_background()
        rt:settle()
        sup:stop()
        assert.same({ true, "done" }, { coroutine.resume(made) })
    end)
end)

describe("a process that has no descriptors left", function()
    it("is told so by run, and goes on", function()
        local result = child.script([[
            print((select(2, pcall(require("sutura").run, function() end)):match("[^\n]*")))
        ]], "ulimit -n 4; exec $LUA_PROGRAM")
        assert.same({ code = 0, out = "no event loop: too many open files\n", err = "" }, result)
    end)
end)

describe("a tree file that is too deep for Lua's parser", function()
    it("is named by the problem, in one line", function()
        local path = command.file("return " .. ("{"):rep(300))
        local sup, problem = load_tree.load(core, path, {})
        assert.same({ nil, path .. ":1: C stack overflow" }, { sup, problem })
    end)
end)
