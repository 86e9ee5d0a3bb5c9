-- SPDX-License-Identifier: MIT
--
-- A service's own coroutines: waits inside them suspend the service, and for the rest `coroutine.resume` and
-- `coroutine.wrap` are Lua's own, outside any runtime too.

local sutura = require "sutura"

local resume, wrap = sutura.coroutine.resume, sutura.coroutine.wrap

-- What a call gave: its results as text, without addresses.
local function said(...)
    local values = table.pack(...)
    for i = 1, values.n do
        values[i] = tostring(values[i]):gsub("0x%x+", "*")
    end
    return table.concat(values, " ")
end

local function failing(value)
    return function()
        error(value)
    end
end

describe("a coroutine of ours outside any runtime", function()
    it("is resumed with values and gives values back", function()
        local co = coroutine.create(function(...)
            local more = coroutine.yield("first", ...)
            return "last", more
        end)
        assert.equal("true first 1 nil", said(resume(co, 1, nil)))
        assert.equal("suspended", coroutine.status(co))
        assert.equal("true last 2", said(resume(co, 2)))
        assert.equal("dead", coroutine.status(co))
    end)

    it("cannot be resumed when it is dead, running or normal", function()
        local co = coroutine.create(function() end)
        resume(co)
        assert.equal("false cannot resume dead coroutine", said(resume(co)))
        assert.equal("false cannot resume non-suspended coroutine", said(resume((coroutine.running()))))
        local outer
        outer = coroutine.create(function()
            return resume(coroutine.create(function()
                return resume(outer)
            end))
        end)
        assert.equal("true true false cannot resume non-suspended coroutine", said(resume(outer)))
    end)

    it("names the argument that is none", function()
        assert.matches("bad argument #1 to 'resume' (thread expected, got number)",
            select(2, pcall(function() resume(5) end)), 1, true)
        assert.matches("bad argument #1 to 'wrap' (function expected, got nil)",
            select(2, pcall(function() wrap(nil) end)), 1, true)
    end)

    it("gives any error value as it was raised", function()
        local value = {}
        local _, raised = resume(coroutine.create(failing(value)))
        assert.equal(value, raised)
        assert.equal("false nil", said(resume(coroutine.create(failing(nil)))))
        _, raised = pcall(wrap(failing(value)))
        assert.equal(value, raised)
    end)

    it("puts the caller's place before the text of an error that leaves wrap", function()
        local _, text = pcall(function()
            local generator = wrap(function() error("no more", 0) end)
            generator()
        end)
        assert.matches("^spec/nested_spec.lua:%d+: no more$", text)
    end)

    it("closes its variables when it fails under wrap, and the latest error goes on", function()
        local log = {}
        local generator = wrap(function()
            local _guard <close> = setmetatable({}, { __close = function(_, err)
                log[#log + 1] = err
                error("from the closer", 0)
            end })
            error("from the body", 0)
        end)
        assert.matches("from the closer$", select(2, pcall(generator)))
        assert.same({ "from the body" }, log)
        assert.matches("cannot resume dead coroutine$", select(2, pcall(generator)))
    end)

    it("is a generator of a for loop", function()
        local sum = 0
        for i in wrap(function() for i = 1, 10 do coroutine.yield(i) end end) do
            sum = sum + i
        end
        assert.equal(55, sum)
    end)

    it("takes and gives thousands of values", function()
        local co = coroutine.create(function(...) return ... end)
        assert.equal(5001, select("#", resume(co, table.unpack({}, 1, 5000))))
    end)

    it("refuses more arguments than its stack can take, and can still be resumed", function()
        local function hold(...)
            coroutine.yield()
            return "alive", ... == nil
        end
        local co = coroutine.create(function() return hold(table.unpack({}, 1, 600000)) end)
        resume(co)
        assert.equal("false too many arguments to resume", said(resume(co, table.unpack({}, 1, 600000))))
        assert.equal("true alive true", said(resume(co)))
    end)

    it("ends an endless nesting by an error", function()
        local function nest()
            return wrap(nest)()
        end
        assert.matches("C stack overflow", select(2, pcall(nest)))
    end)
end)

describe("a wait in a nested coroutine", function()
    local runtime, events

    before_each(function()
        runtime = sutura.runtime({ clock = "virtual", seed = 1 })
        events = {}
    end)

    after_each(function()
        runtime:close()
    end)

    -- Runs `body` as the only service of a supervisor until it has ended for good; returns the events' types.
    local function serve(body)
        runtime:run(function()
            local sup = sutura.supervisor("A", {
                timeout = 1,
                event_hook = function(event) events[#events + 1] = event end,
            })
            sup:add("worker", function(ctx)
                body(ctx)
                return sutura.DO_NOT_RESTART
            end)
            sup:serve_background()
            sutura.sleep(100)
            sup:stop()
        end)
    end

    it("suspends the service and is unseen by who resumes the inner coroutine", function()
        runtime:run(function()
            local generator = wrap(function(step)
                for i = 1, 3 do
                    sutura.sleep(1)
                    step = step + coroutine.yield(step * i)
                end
                return "over"
            end)
            assert.equal(10, generator(10))
            assert.equal(1, sutura.now())
            assert.equal(22, generator(1))
            assert.equal(39, generator(2))
            assert.equal("over", generator(0))
            assert.equal(3, sutura.now())
        end)
    end)

    it("passes through any number of resumes and wraps", function()
        local function dive(depth)
            if depth == 0 then
                sutura.sleep(1)
                return "bottom"
            end
            return wrap(function()
                return select(2, resume(coroutine.create(dive), depth - 1))
            end)()
        end
        assert.equal("bottom", runtime:run(function() return dive(20) end))
    end)

    it("lets other services run meanwhile", function()
        local log = {}
        runtime:run(function()
            local sup = sutura.supervisor("A")
            for i = 1, 2 do
                sup:add("worker" .. i, function()
                    for tick in wrap(function()
                        for tick = 1, 2 do
                            sutura.sleep(1)
                            coroutine.yield(tick)
                        end
                    end) do
                        log[#log + 1] = i .. ":" .. tick
                    end
                    return sutura.DO_NOT_RESTART
                end)
            end
            sup:serve_background()
            sutura.sleep(10)
            sup:stop()
        end)
        assert.same({ "1:1", "2:1", "1:2", "2:2" }, log)
    end)

    it("raises the cancellation inside the inner coroutine, through every level", function()
        local log = {}
        runtime:run(function()
            local sup = sutura.supervisor("A", { event_hook = function(event) events[#events + 1] = event end })
            sup:add("worker", function()
                wrap(function()
                    local _guard <close> = setmetatable({}, { __close = function(_, err) log[1] = err end })
                    sutura.sleep(1000)
                end)()
            end)
            sup:serve_background()
            sutura.sleep(1)
            assert.is_nil(sup:stop())
            assert.equal(1, sutura.now())
        end)
        assert.equal(sutura.CANCELED, log[1])
        assert.same({}, events)
    end)

    it("may happen in a closer, and goes on with the error", function()
        local slept
        runtime:run(function()
            local ok, err = pcall(wrap(function()
                local _guard <close> = setmetatable({}, { __close = function()
                    slept = pcall(sutura.sleep, 1)
                end })
                return pcall(error, "caught") and nil or "left"
            end))
            assert.is_true(ok)
            assert.equal("left", err)
        end)
        assert.is_true(slept)
    end)

    it("is refused with a reason where Lua cannot yield outwards, and leaves the service able to wait", function()
        runtime:run(function()
            local reason
            pcall(table.sort, { 3, 2, 1 }, function(a, b)
                local ok, err = resume(coroutine.create(function() sutura.sleep(1) end))
                reason = reason or not ok and err
                return a < b
            end)
            assert.matches("'sleep' cannot wait here: Lua cannot yield across a C function", reason, 1, true)
            assert.is_true(resume(coroutine.create(function() sutura.sleep(1) end)))
            assert.equal(1, sutura.now())
        end)
    end)

    it("is refused in a coroutine that another resume than ours has resumed", function()
        local program = [[
            local stock = coroutine.resume
            local sutura = require "sutura"
            sutura.runtime({ clock = "virtual" }):run(function()
                print(stock(coroutine.create(function() sutura.sleep(1) end)))
                sutura.sleep(1)
                print(sutura.now())
            end)]]
        local lua = io.popen(("%s -e '%s' 2>&1"):format(os.getenv("LUA") or "lua5.4", program))
        local text = lua:read("a")
        assert.is_true(lua:close(), text)
        assert.matches("^false.*was resumed by another coroutine.resume than sutura's.*\n1.0\n$", text)
    end)

    it("shows the inner coroutine's stack in the panic, then the outer one", function()
        serve(function()
            local function deepest() error("no more") end
            local function outer()
                wrap(function()
                    sutura.sleep(1)
                    wrap(function() deepest() end)()
                end)()
            end
            outer()
        end)
        local event = events[1]
        assert.equal("service_panic", event.type)
        assert.matches("no more$", event.panic_msg)
        local trace = event.stacktrace
        local inner, outer = trace:find("'deepest'", 1, true), trace:find("'outer'", 1, true)
        assert.truthy(inner and outer and inner < outer, trace)
        assert.equal(2, select(2, trace:gsub("in a coroutine resumed by:", "")))
    end)

    it("shows the failing stack though the closers of the inner coroutine fail too and are caught", function()
        serve(function()
            local function deepest() error("no more") end
            local function closer() pcall(wrap(function() error("of a closer") end)) end
            wrap(function()
                local _guard <close> = setmetatable({}, { __close = closer })
                deepest()
            end)()
        end)
        assert.matches("no more$", events[1].panic_msg)
        assert.matches("'deepest'", events[1].stacktrace)
        assert.is_nil(events[1].stacktrace:find("'closer'", 1, true))
    end)

    it("shows the locals of the inner coroutine to who asks for them", function()
        runtime:run(function()
            local sup = sutura.supervisor("A", {
                panic_locals = true,
                event_hook = function(event) events[#events + 1] = event end,
            })
            sup:add("worker", function()
                wrap(function()
                    local answer = 42
                    error("no more " .. answer)
                end)()
            end, { restart = "permanent" })
            sup:serve_background()
            sutura.yield()
            sutura.yield()
            sup:stop()
        end)
        local found
        for _, frame in ipairs(events[1].frames) do
            for _, variable in ipairs(frame.locals or {}) do
                if variable.name == "answer" then found = variable.text end
            end
        end
        assert.equal("42", found)
    end)

    it("shows nothing of an inner failure that was caught", function()
        serve(function()
            local function forgiven() error("forgiven") end
            pcall(wrap(function() forgiven() end))
            error("the real one")
        end)
        assert.matches("the real one$", events[1].panic_msg)
        assert.is_nil(events[1].stacktrace:find("forgiven", 1, true))
    end)

    it("says where the inner coroutine waits", function()
        runtime:run(function()
            local sup = sutura.supervisor("A")
            sup:add("worker", function()
                wrap(function() sutura.sleep(50) end)()
            end)
            sup:serve_background()
            sutura.sleep(1)
            assert.matches("^sleep %(49%.000 s left%) at spec/nested_spec.lua:%d+$", sup:children()[1].waiting_for)
            sup:stop()
        end)
    end)

    it("is closed by force with all that is nested, innermost first", function()
        local log = {}
        local function guard(name)
            return setmetatable({}, { __close = function() log[#log + 1] = name end })
        end
        runtime:run(function()
            local sup = sutura.supervisor("A", { timeout = 1, event_hook = function() end })
            sup:add("worker", function()
                local _outer <close> = guard("outer")
                wrap(function()
                    local _inner <close> = guard("inner")
                    while true do
                        pcall(sutura.sleep, 1)
                    end
                end)()
            end)
            sup:serve_background()
            sutura.sleep(1)
            assert.is_true(sup:stop()[1].killed)
        end)
        assert.same({ "inner", "outer" }, log)
    end)
end)

describe("a shield in a nested coroutine", function()
    local runtime

    before_each(function()
        runtime = sutura.runtime({ clock = "virtual", seed = 1 })
    end)

    after_each(function()
        runtime:close()
    end)

    -- Serves `body` and asks it to stop after a second.
    local function stop_after_a_second(body)
        runtime:run(function()
            local sup = sutura.supervisor("A", { event_hook = function() end })
            sup:add("worker", body)
            sup:serve_background()
            sutura.sleep(1)
            sup:stop()
        end)
    end

    it("does not shield the outer coroutine while the inner one stands aside", function()
        local ended
        stop_after_a_second(function()
            local generator = wrap(function()
                sutura.shield(function()
                    coroutine.yield()
                    sutura.sleep(5)
                end)
            end)
            generator()
            local ok, err = pcall(sutura.sleep, 100)
            ended = not ok and err
        end)
        assert.equal(sutura.CANCELED, ended)
    end)

    it("shields the inner one again when it goes on", function()
        local slept, after
        stop_after_a_second(function(ctx)
            local generator = wrap(function()
                sutura.shield(function()
                    coroutine.yield()
                    slept = pcall(sutura.sleep, 5)
                end)
            end)
            generator()
            ctx:wait()
            generator()
            after = sutura.now()
            assert.is_false(pcall(sutura.sleep, 1))
        end)
        assert.is_true(slept)
        assert.equal(6, after)
    end)

    it("is over when the inner coroutine fails inside of it", function()
        local ended
        stop_after_a_second(function()
            pcall(wrap(function()
                sutura.shield(function()
                    sutura.sleep(0.5)
                    error("inside")
                end)
            end))
            local ok, err = pcall(sutura.sleep, 100)
            ended = not ok and err
        end)
        assert.equal(sutura.CANCELED, ended)
    end)
end)

describe("a service's own coroutine", function()
    it("that a stranger resumes ends as one panic, and the service goes on", function()
        local runtime <close> = sutura.runtime({ clock = "virtual", seed = 1 })
        local events, thread, runs = {}, nil, 0
        runtime:run(function()
            local sup = sutura.supervisor("A", { event_hook = function(event) events[#events + 1] = event end })
            sup:add("victim", function()
                runs = runs + 1
                thread = thread or coroutine.running()
                sutura.sleep(10)
            end)
            sup:serve_background()
            sutura.sleep(1)
            resume(thread)
            sutura.sleep(1)
            assert.equal(2, runs)
            sup:stop()
        end)
        assert.equal(1, #events)
        assert.equal("service_panic", events[1].type)
    end)
end)
