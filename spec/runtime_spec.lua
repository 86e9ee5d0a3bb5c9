-- SPDX-License-Identifier: MIT
--
-- Runtimes: run, what it gives and raises, nothing left to run, things of another runtime, and the end.

local recorder = require "spec.support.recorder"
local sutura = require "sutura"

local function virtual_runtime(options)
    local given = { clock = "virtual", seed = 1 }
    for key, value in pairs(options or {}) do
        given[key] = value
    end
    return sutura.runtime(given)
end

local function quiet() end

-- A supervisor that is served in the background, with one service.
local function serve(rt, body, options)
    local sup = rt:supervisor("A", { timeout = 1, event_hook = quiet })
    sup:add("worker", body, options)
    return sup, sup:serve_background()
end

describe("run", function()
    it("runs its function as a coroutine that may wait, and gives what it returned", function()
        local rt <close> = virtual_runtime()
        local got = table.pack(rt:run(function()
            sutura.sleep(3)
            return 1, nil, "x", nil
        end))
        assert.same({ 1, nil, "x", nil, n = 4 }, got)
        assert.equal(3, rt:now())
        assert.equal(0, select("#", rt:run(function() end)))
        assert.equal(300, select("#", rt:run(function() return table.unpack({}, 1, 300) end)))
    end)

    it("raises a string with its traceback appended", function()
        local rt <close> = virtual_runtime()
        local function inner() error("broken") end
        local ok, text = pcall(rt.run, rt, function() inner() return 1 end)
        assert.is_false(ok)
        assert.matches("^spec/runtime_spec%.lua:%d+: broken\nstack traceback:\n\t%[C%]: in function 'error'\n\t"
            .. "spec/runtime_spec%.lua:%d+: in upvalue 'inner'\n\tspec/runtime_spec%.lua:%d+: in ", text)
    end)

    it("raises a string with zeros, or of 1 MB, whole", function()
        local rt <close> = virtual_runtime()
        local _, text = pcall(rt.run, rt, function() error("a\0b", 0) end)
        assert.equal("a\0b\nstack", text:sub(1, 9))
        local long = ("x"):rep(1024 * 1024)
        _, text = pcall(rt.run, rt, function() error(long, 0) end)
        assert.equal(long .. "\nstack", text:sub(1, #long + 6))
    end)

    it("appends the program's own traceback, though a service panics at the same instant", function()
        local rt <close> = virtual_runtime()
        local sup = rt:supervisor("A", { event_hook = quiet })
        local function in_the_service() error("service") end
        local function in_the_program() error("program") end
        sup:add("worker", function(ctx)
            sutura.sleep(1)
            if ctx.run == 1 then
                in_the_service()
            end
            ctx:wait()
        end)
        local ok, text = pcall(rt.run, rt, function()
            sup:add("later", function() sutura.sleep(1) in_the_service() end)
            sup:serve_background()
            sutura.sleep(1)
            in_the_program()
        end)
        assert.is_false(ok)
        assert.matches("in_the_program", text)
        assert.is_nil(text:find("in_the_service", 1, true))
    end)

    it("raises any other value unchanged", function()
        local rt <close> = virtual_runtime()
        for _, value in ipairs({ {}, 5, false, sutura.CANCELED }) do
            local ok, raised = pcall(rt.run, rt, function() error(value) end)
            assert.is_false(ok)
            assert.equal(value, raised)
        end
        assert.same({ false, nil, n = 2 }, table.pack(pcall(rt.run, rt, function() error(nil) end)))
    end)

    it("runs the closers of its function before it returns or raises", function()
        local rt <close> = virtual_runtime()
        local log = {}
        for i = 1, 2 do
            pcall(rt.run, rt, function()
                local _ <close> = setmetatable({}, { __close = function()
                    sutura.sleep(1)
                    log[#log + 1] = rt:now()
                end })
                if i == 2 then
                    error("x")
                end
            end)
        end
        assert.same({ 1, 2 }, log)
    end)

    it("leaves what else runs where it is, and goes on with it at the next run", function()
        local rt <close> = virtual_runtime()
        local ticks = 0
        serve(rt, function()
            while true do
                sutura.sleep(1)
                ticks = ticks + 1
            end
        end)
        assert.equal(0, rt:run(function() return ticks end))
        rt:run(function() sutura.sleep(2.5) end)
        assert.equal(2, ticks)
        rt:run(function() sutura.sleep(1) end)
        assert.equal(3, ticks)
        assert.equal(3.5, rt:now())
    end)

    it("inside run of the same runtime raises", function()
        local rt <close> = virtual_runtime()
        local ok, text = rt:run(function()
            return pcall(function() rt:run(function() end) end)
        end)
        assert.is_false(ok)
        assert.matches("^spec/runtime_spec%.lua:%d+: run: this runtime is running already$", text)
        local seen
        serve(rt, function() seen = select(2, pcall(rt.run, rt)) end)
        rt:run(function() sutura.sleep(0) end)
        assert.matches("run: this runtime is running already", seen)
    end)

    it("of another runtime blocks the caller's until it is done", function()
        local outer <close> = virtual_runtime()
        local inner <close> = virtual_runtime()
        local log = {}
        serve(outer, function()
            while true do
                log[#log + 1] = "tick"
                sutura.sleep(1)
            end
        end)
        local result = outer:run(function()
            sutura.sleep(0.5)
            local got = inner:run(function()
                sutura.sleep(100)
                assert.equal(100, sutura.now())
                local nested = sutura.supervisor("B", { event_hook = quiet })
                nested:add("w", function() log[#log + 1] = "inner" return sutura.DO_NOT_RESTART end)
                nested:serve_background()
                sutura.yield()
                return "got"
            end)
            assert.equal(0.5, sutura.now())
            log[#log + 1] = "done"
            sutura.sleep(1)
            return got
        end)
        assert.equal("got", result)
        assert.equal("tick inner done tick", table.concat(log, " "))
        assert.equal(1.5, outer:now())
    end)

    it("refuses what is no function, at the caller's line", function()
        local rt <close> = virtual_runtime()
        local ok, text = pcall(function() rt:run(5) end)
        assert.is_false(ok)
        assert.matches("^spec/runtime_spec%.lua:%d+: bad argument 'fn' to 'run' %(function expected, got 5%)$", text)
    end)

    it("as a function of the module runs the default runtime", function()
        local before = sutura.now()
        assert.equal("x", sutura.run(function()
            sutura.sleep(0.002)
            return "x"
        end))
        assert.is_true(sutura.default_runtime():now() - before >= 0.002)
        assert.equal(sutura.default_runtime(), sutura.default_runtime())
    end)

    it("makes its runtime the one that all functions of the module use", function()
        local rt <close> = virtual_runtime()
        rt:run(function()
            assert.equal(0, sutura.now())
            sutura.sleep(7)
            assert.equal(7, sutura.now())
            local sup = sutura.supervisor("A", { event_hook = quiet })
            local handle = sup:serve_background()
            assert.is_nil(sup:stop())
            assert.is_true((handle:wait()))
            assert.not_equal(rt, sutura.default_runtime())
        end)
    end)
end)

describe("run without a function", function()
    it("runs until nothing is left that could ever run again", function()
        local rt <close> = virtual_runtime()
        local ended = {}
        local sup = rt:supervisor("A", { event_hook = quiet })
        for i = 1, 3 do
            sup:add("s" .. i, function()
                sutura.sleep(i * 10)
                ended[i] = rt:now()
                return sutura.DO_NOT_RESTART
            end)
        end
        sup:add("waiting", function(ctx) ctx:wait() end)
        sup:serve_background()
        assert.equal(0, select("#", rt:run()))
        assert.same({ 10, 20, 30 }, ended)
        assert.equal(30, rt:now())
        assert.equal("normal", sup:state())
    end)

    it("returns at once when nothing was ever started", function()
        local rt <close> = sutura.runtime({})
        rt:run()
    end)

    it("on a real clock waits for the last timer", function()
        local rt <close> = sutura.runtime({})
        local done
        serve(rt, function()
            sutura.sleep(0.003)
            done = true
            return sutura.DO_NOT_RESTART
        end)
        rt:run()
        assert.is_true(done)
    end)
end)

describe("a deadlock", function()
    it("of run says who waits for what", function()
        local rt <close> = virtual_runtime()
        local sup = rt:supervisor("A", { event_hook = quiet })
        sup:add("patient", function(ctx) ctx:wait() end)
        sup:add("waiting", function() sutura.await(function() end) end)
        local ok, text = pcall(function()
            rt:run(function()
                sup:serve_background()
                sutura.await(function() end)
            end)
        end)
        assert.is_false(ok)
        assert.matches("^spec/runtime_spec%.lua:%d+: deadlock: nothing can ever run again\n"
            .. "\tthe program: waits for await at spec/runtime_spec%.lua:%d+\n"
            .. "\tA/patient: waits for ctx:wait at spec/runtime_spec%.lua:%d+\n"
            .. "\tA/waiting: waits for await at spec/runtime_spec%.lua:%d+$", text)
        assert.equal("normal", sup:state())
        rt:run(function() assert.is_nil(sup:stop()) end)
    end)

    it("closes the program, and lists 20 services and the number of the others", function()
        local rt <close> = virtual_runtime()
        local sup = rt:supervisor("A", { event_hook = quiet })
        for i = 1, 25 do
            sup:add("s" .. i, function(ctx) ctx:wait() end)
        end
        local closed
        local ok, text = pcall(rt.run, rt, function()
            local _ <close> = setmetatable({}, { __close = function() closed = true end })
            sup:serve()
        end)
        assert.is_false(ok)
        assert.is_true(closed)
        assert.equal(20, select(2, text:gsub("\n\tA/s", "")))
        assert.matches("\n\tand 5 more$", text)
        rt:run(function() sup:stop() end)
    end)

    it("of the main program's wait raises there, and another wait works after it", function()
        local rt <close> = virtual_runtime()
        local sup = rt:supervisor("A", { event_hook = quiet })
        local ok, text = pcall(function() sup:serve() end)
        assert.is_false(ok)
        assert.matches("^spec/runtime_spec%.lua:%d+: deadlock: nothing can ever run again\n\t"
            .. "the main program: waits for end of A", text)
        sup:stop()
        assert.equal("terminated", sup:state())
    end)

    it("is none while a timer, or a service that could run, is there", function()
        local rt <close> = virtual_runtime()
        serve(rt, function() sutura.sleep(1e6) return sutura.DO_NOT_RESTART end)
        assert.same({ nil, sutura.ERR_TIMEOUT }, { rt:run(function() return sutura.await(function() end, 1e7) end) })
    end)
end)

describe("things of another runtime", function()
    it("raise when they are used", function()
        local rt <close> = virtual_runtime()
        local other <close> = virtual_runtime()
        local sup = other:supervisor("B", { event_hook = quiet })
        local token = sup:add("w", function(ctx) ctx:wait() end)
        local handle = sup:serve_background()
        rt:run(function()
            for name, use in pairs({
                serve = function() other:supervisor("C"):serve() end,
                stop = function() sup:stop() end,
                wait = function() handle:wait() end,
                add = function() sup:add("x", quiet) end,
                remove = function() sup:remove(token) end,
                restart = function() sup:restart(token) end,
                child = function() rt:supervisor("D"):add(sup) end,
            }) do
                local ok, text = pcall(use)
                assert.is_false(ok, name)
                assert.matches("another runtime", text)
            end
        end)
        other:settle()
        assert.equal(1, #sup:services())
    end)
end)

describe("the end of a runtime", function()
    it("stops what runs, in order, and gives everything back", function()
        local rt = virtual_runtime()
        local log = {}
        local told = recorder.new()
        local sup = rt:supervisor("A", { event_hook = told.hook, lifecycle_events = true })
        for _, name in ipairs({ "a", "b" }) do
            sup:add(name, function()
                local _ <close> = setmetatable({}, { __close = function() log[#log + 1] = name end })
                sutura.sleep(1000)
            end)
        end
        sup:serve_background()
        rt:settle()
        rt:close()
        assert.same({ "b", "a" }, log)
        assert.equal("supervisor_stop A", told:lines()[#told:lines()])
    end)

    it("comes once, by close or by the scope of a variable", function()
        local stopped = 0
        do
            local rt <close> = virtual_runtime()
            serve(rt, function(ctx) ctx:wait() stopped = stopped + 1 end)
            rt:settle()
        end
        assert.equal(1, stopped)
        local rt = virtual_runtime()
        rt:close()
        rt:close()
        assert.equal("sutura.runtime (virtual clock, closed)", tostring(rt))
    end)

    it("lets the runtime and its supervisors be used no more", function()
        local rt = virtual_runtime()
        local sup, handle = serve(rt, function(ctx) ctx:wait() end)
        rt:close()
        for _, use in ipairs({
            function() rt:run() end,
            function() rt:now() end,
            function() rt:settle() end,
            function() rt:supervisor("X") end,
            function() sup:serve() end,
            function() sup:add("x", quiet) end,
            function() sup:stop() end,
        }) do
            local ok, text = pcall(use)
            assert.is_false(ok)
            assert.matches("closed", text)
        end
        assert.is_true((handle:wait()))
        assert.equal("a supervisor whose runtime is closed", tostring(sup))
    end)

    it("cannot come from inside one of its steps", function()
        local rt <close> = virtual_runtime()
        local ok, text = rt:run(function() return pcall(rt.close, rt) end)
        assert.is_false(ok)
        assert.matches("'close' cannot be called inside a step of the same runtime", text)
    end)

    it("closes by force what does not stop in its time", function()
        local rt = virtual_runtime()
        local told = recorder.new()
        local sup = rt:supervisor("A", { timeout = 2, event_hook = told.hook })
        sup:add("worker", function() sutura.shield(sutura.sleep, 1e6) end)
        sup:serve_background()
        rt:settle()
        rt:close()
        assert.is_true(told:only("stop_timeout").killed)
    end)

    it("of the default one lets a new one be made", function()
        local first = sutura.default_runtime()
        first:close()
        local second = sutura.default_runtime()
        assert.not_equal(first, second)
        sutura.sleep(0.001)
    end)
end)

describe("the scope of a variable to be closed", function()
    it("stops what a supervisor or a handle in it has started", function()
        local rt <close> = virtual_runtime()
        rt:run(function()
            local sup, outer
            do
                local scoped <close> = rt:supervisor("A", { event_hook = quiet })
                scoped:add("worker", function(ctx) ctx:wait() end)
                scoped:serve_background()
                sup = scoped
                outer = rt:supervisor("B", { event_hook = quiet })
                local _handle <close> = outer:serve_background()
                sutura.sleep(1)
                assert.equal("normal", scoped:state())
            end
            assert.equal("terminated", sup:state())
            assert.equal("terminated", outer:state())
            local _never_served <close> = rt:supervisor("C", {})
        end)
    end)
end)
