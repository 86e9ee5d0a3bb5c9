-- SPDX-License-Identifier: MIT
--
-- Runtimes attached to luv: its loop is shared when it uses our libuv, else ours is driven through it. A luv that
-- reports another version stands for one with a libuv of its own.

local stretched = require "spec.support.stretched"
local sutura = require "sutura"
local uv = require "luv"

local function with_other_libuv()
    return setmetatable({ version = function() return 1 end }, { __index = uv })
end

-- Calls `callback` once in luv, after some milliseconds.
local function after(ms, callback)
    local timer = uv.new_timer()
    timer:start(ms, 0, function()
        timer:close()
        callback()
    end)
end

-- Runs a program as a process of its own; how it ended and what it wrote.
local function process(program)
    local path = os.tmpname()
    local _, how, code = os.execute(("%s -e '%s' >%s 2>&1"):format(os.getenv("LUA") or "lua5.4", program, path))
    local file <close> = assert(io.open(path))
    os.remove(path)
    return how .. " " .. code, file:read("a")
end

local ways = {
    { name = "shared", luv = uv },
    { name = "driven", luv = with_other_libuv(), answer = "driven" },
}

for _, way in ipairs(ways) do
    describe("a runtime attached to luv and " .. way.name, function()
        local runtime

        before_each(function()
            runtime = sutura.runtime()
            assert.same({ true, way.answer }, { runtime:attach(way.luv) })
        end)

        after_each(function()
            runtime:close()
            uv.run()
        end)

        -- Serves one function in the background until it ends.
        local function serve(body)
            local sup = runtime:supervisor("A", { event_hook = function() end })
            sup:add("worker", function(ctx)
                body(ctx)
                return sutura.TERMINATE_TREE
            end)
            return sup:serve_background(), sup
        end

        it("answers the same again", function()
            assert.same({ true, way.answer }, { runtime:attach(way.luv) })
            assert.error_matches(function() runtime:attach(with_other_libuv()) end, "attached to another luv")
        end)

        it("runs its services and luv's callbacks in the order of time when luv runs the loop", function()
            stretched(function(factor)
                local log = {}
                after(20 * factor, function() log[#log + 1] = "luv 20" end)
                after(50 * factor, function() log[#log + 1] = "luv 50" end)
                serve(function()
                    sutura.sleep(0.005 * factor)
                    log[#log + 1] = "ours 5"
                    sutura.sleep(0.030 * factor)
                    log[#log + 1] = "ours 35"
                end)
                uv.run()
                assert.same({ "ours 5", "luv 20", "ours 35", "luv 50" }, log)
            end)
        end)

        it("lets luv's loop end when nothing is left", function()
            local handle = serve(function() sutura.yield() end)
            uv.run()
            assert.is_true(handle:wait())
            uv.run()
        end)

        it("runs luv's callbacks while the main program waits for its services", function()
            stretched(function(factor)
                local log = {}
                after(20 * factor, function() log[#log + 1] = "luv 20" end)
                local handle = serve(function()
                    sutura.sleep(0.005 * factor)
                    log[#log + 1] = "ours 5"
                    sutura.await(function(resume) after(30 * factor, resume) end)
                    log[#log + 1] = "ours 35"
                end)
                assert.is_true(handle:wait())
                assert.same({ "ours 5", "luv 20", "ours 35" }, log)
            end)
        end)

        it("lets the main program go on when a callback sends it something, though a sleep ends soon", function()
            stretched(function()
                local box, came
                runtime:run(function() box = sutura.mailbox() end)
                local handle = serve(function() sutura.sleep(0.09) end)
                after(5, function() came = runtime:now() box:send("luv 5") end)
                assert.equal("luv 5", box:receive())
                assert.is_true(runtime:now() - came < 0.04, runtime:now() - came)
                assert.is_true(handle:wait())
            end)
        end)

        it("takes services that a callback of luv's adds", function()
            stretched(function(factor)
                local log = {}
                after(5 * factor, function()
                    log[#log + 1] = "luv"
                    serve(function()
                        sutura.sleep(0.005 * factor)
                        log[#log + 1] = "ours"
                    end)
                end)
                after(50 * factor, function() log[#log + 1] = "luv again" end)
                uv.run()
                assert.same({ "luv", "ours", "luv again" }, log)
            end)
        end)

        it("wakes a service that awaits a callback of luv's", function()
            local came
            serve(function()
                came = sutura.await(function(resume)
                    after(5, function() resume("luv") end)
                end, 5)
            end)
            uv.run()
            assert.equal("luv", came)
        end)

        it("refuses a wait in a callback of luv's", function()
            local ok, err
            after(1, function() ok, err = pcall(function() runtime:supervisor("B"):serve() end) end)
            uv.run()
            assert.is_false(ok)
            assert.matches("cannot wait in a callback of the loop", err, 1, true)
        end)

        it("is kept alive by being attached", function()
            local ended
            local known = setmetatable({}, { __mode = "v" })
            do
                local other = sutura.runtime()
                known[1] = other
                other:attach(way.luv)
                local sup = other:supervisor("B", { event_hook = function() end })
                sup:add("worker", function()
                    sutura.sleep(0.01)
                    ended = true
                    return sutura.TERMINATE_TREE
                end)
                sup:serve_background()
            end
            collectgarbage()
            collectgarbage()
            uv.run()
            assert.is_true(ended)
            known[1]:close()
            uv.run()
        end)

        it("hears signals", function()
            local cause
            serve(function()
                local ctx = sutura.signal_context({ "SIGUSR1" })
                os.execute("kill -USR1 $PPID")
                ctx:wait(5)
                cause = ctx:cause()
            end)
            uv.run()
            assert.equal("SIGUSR1", cause)
        end)

        it("gives luv its loop back when it is closed", function()
            serve(function(ctx) ctx:wait() end)
            runtime:close()
            uv.run()
            local late
            after(1, function() late = true end)
            uv.run()
            assert.is_true(late)
        end)
    end)
end

describe("a runtime that shares luv's loop", function()
    it("runs luv's callbacks while it runs itself", function()
        local runtime <close> = sutura.runtime()
        runtime:attach(uv)
        stretched(function(factor)
            local log = {}
            after(10 * factor, function() log[#log + 1] = "luv" end)
            runtime:run(function()
                log[#log + 1] = "before"
                sutura.sleep(0.02 * factor)
                log[#log + 1] = "after"
            end)
            assert.same({ "before", "luv", "after" }, log)
        end)
    end)

    it("can be attached after it has run on a loop of its own", function()
        local runtime <close> = sutura.runtime()
        runtime:run(function() sutura.sleep(0.001) end)
        assert.is_true(runtime:attach(uv))
        assert.equal(5, runtime:run(function()
            sutura.sleep(0.001)
            return 5
        end))
    end)
end)

describe("attaching to luv is refused", function()
    it("on a virtual clock", function()
        local runtime <close> = sutura.runtime({ clock = "virtual" })
        assert.error_matches(function() runtime:attach(uv) end, "virtual clock")
    end)

    it("inside a step", function()
        local runtime <close> = sutura.runtime()
        runtime:run(function()
            assert.error_matches(function() runtime:attach(uv) end, "while it runs")
        end)
    end)

    it("while it watches signals in a loop of its own", function()
        local runtime <close> = sutura.runtime()
        local ctx <close> = runtime:run(function() return sutura.signal_context({ "SIGUSR1" }) end)
        assert.error_matches(function() runtime:attach(uv) end, "watches signals")
        assert.is_false(ctx:cancelled())
    end)

    it("with anything that is not luv, by name", function()
        local runtime <close> = sutura.runtime()
        assert.error_matches(function() runtime:attach() end, "bad argument 'luv' to 'attach'")
        assert.error_matches(function() runtime:attach({}) end, "without the function 'version'")
    end)
end)

describe("a process with a runtime attached to luv", function()
    local program = [[
        local sutura = require "sutura"
        local uv = require "luv"
        local runtime = sutura.runtime()
        local luv = %s
        assert(runtime:attach(luv))
        local sup = runtime:supervisor("A")
        sup:add("worker", function(ctx) ctx:wait() end)
        sup:serve_background()
        KEPT = sutura.signal_context{ "SIGUSR1" }
        local timer = uv.new_timer()
        timer:start(10, 0, function() uv.stop() end)
        uv.run()
        print("left")
        os.exit(true, true)]]

    it("ends cleanly while everything still runs", function()
        for _, luv in ipairs({ "uv", "setmetatable({ version = function() return 1 end }, { __index = uv })" }) do
            local ended, said = process(program:format(luv))
            assert.equal("exit 0", ended, said)
            assert.equal("left\n", said)
        end
    end)

    it("ends cleanly when the runtime was there before luv", function()
        local ended, said = process([[
            local sutura = require "sutura"
            sutura.run(function() sutura.sleep(0.001) end)
            local uv = require "luv"
            sutura.default_runtime():attach(uv)
            sutura.supervisor("A", { children = { { name = "w", run = function() sutura.sleep(100) end } } })
                :serve_background()
            KEPT = uv.new_timer()
            KEPT:start(5, 0, function() uv.stop() end)
            uv.run()
            os.exit(true, true)]])
        assert.equal("exit 0", ended, said)
        assert.equal("", said)
    end)
end)
