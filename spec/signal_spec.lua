-- SPDX-License-Identifier: MIT
--
-- Signals: contexts that end at one, functions that are called for each, and the former handling afterwards.

local core = require "sutura.core"
local log = require "sutura.log"
local signal = require "cqueues.signal"
local sutura = require "sutura"

-- Sends this process a signal, and returns when it has been sent.
local function send(name)
    assert(os.execute("kill -" .. name:sub(4) .. " $PPID"))
end

-- The same in the background, after some time.
local function send_later(name)
    assert(os.execute("(sleep 0.05; kill -" .. name:sub(4) .. " $PPID) &"))
end

-- The specs of this block start in a process that ignores the signals. That is a handling which nothing
-- but putting back what was there before brings about, and the only one that can be seen under valgrind,
-- which handles by itself whatever the process does not ignore.
local function ignored_before()
    setup(function() signal.ignore(signal.SIGUSR1, signal.SIGUSR2) end)
    teardown(function() signal.default(signal.SIGUSR1, signal.SIGUSR2) end)
end

-- Whether this process now has a handler of its own for the signal, and does not ignore it as before.
local function is_caught(name)
    local file <close> = assert(io.open("/proc/self/status"))
    local mask = tonumber(file:read("a"):match("SigIgn:%s*(%x+)"), 16)
    return mask & (1 << (signal[name] - 1)) == 0
end

-- Runs a program as a process of its own, after a command of the shell; how it ended and what it wrote.
local function process(program, before)
    local path = os.tmpname()
    local _, how, code = os.execute(("%s; %s -e '%s' >%s 2>&1"):format(before or ":", os.getenv("LUA") or "lua5.4",
        program, path))
    local file <close> = assert(io.open(path))
    os.remove(path)
    return how .. " " .. code, file:read("a")
end

for _, clock in ipairs({ "real", "virtual" }) do
    describe("on a " .. clock .. " clock", function()
        local runtime
        ignored_before()

        before_each(function()
            runtime = sutura.runtime({ clock = clock })
        end)

        after_each(function()
            runtime:close()
            assert.is_false(is_caught("SIGUSR1"))
            assert.is_false(is_caught("SIGUSR2"))
        end)

        describe("a context of signals", function()
            it("ends at the first of them, which is its cause", function()
                runtime:run(function()
                    local ctx = sutura.signal_context({ "SIGUSR1", "SIGUSR2" })
                    assert.is_false(ctx:cancelled())
                    assert.is_true(is_caught("SIGUSR1") and is_caught("SIGUSR2"))
                    send("SIGUSR2")
                    assert.is_true(ctx:wait())
                    assert.equal(sutura.CANCELED, ctx:err())
                    assert.equal("SIGUSR2", ctx:cause())
                    assert.is_false(is_caught("SIGUSR1") or is_caught("SIGUSR2"))
                end)
            end)

            it("is no deadlock while it can still end", function()
                runtime:run(function()
                    local ctx = sutura.signal_context({ "SIGUSR1" })
                    send_later("SIGUSR1")
                    assert.is_true(ctx:wait())
                end)
            end)

            it("passes its end and its cause down", function()
                runtime:run(function()
                    local below = sutura.signal_context({ "SIGUSR1" }):with_cancel()
                    collectgarbage()
                    send("SIGUSR1")
                    assert.is_true(below:wait())
                    assert.equal("SIGUSR1", below:cause())
                end)
            end)

            it("stops the supervisor that is served with it", function()
                runtime:run(function()
                    local cause
                    local sup = sutura.supervisor("A")
                    sup:add("worker", function(ctx)
                        send("SIGUSR1")
                        ctx:wait()
                        cause = ctx:cause()
                    end)
                    assert.equal(sutura.CANCELED, sup:serve(sutura.signal_context({ "SIGUSR1" })))
                    assert.equal("SIGUSR1", cause)
                end)
            end)

            it("ends though the others always have something to do", function()
                runtime:run(function()
                    local ctx = sutura.signal_context({ "SIGUSR1" })
                    local sup = sutura.supervisor("A")
                    sup:add("busy", function(own)
                        while not own:wait(0.001) do
                            sutura.yield()
                        end
                    end)
                    sup:serve_background()
                    send("SIGUSR1")
                    assert.is_true(ctx:wait(1000))
                    sup:stop()
                end)
            end)

            it("puts the former handling back when it is closed", function()
                runtime:run(function()
                    do
                        local _ctx <close> = sutura.signal_context({ "SIGUSR1" })
                        assert.is_true(is_caught("SIGUSR1"))
                    end
                    assert.is_false(is_caught("SIGUSR1"))
                end)
            end)

            it("puts the former handling back when it is collected", function()
                runtime:run(function()
                    sutura.signal_context({ "SIGUSR1" })
                    collectgarbage()
                    collectgarbage()
                    assert.is_false(is_caught("SIGUSR1"))
                end)
            end)

            it("puts the former handling back when its runtime is closed", function()
                local ctx = runtime:run(function() return sutura.signal_context({ "SIGUSR1" }) end)
                assert.is_true(is_caught("SIGUSR1"))
                runtime:close()
                assert.is_false(is_caught("SIGUSR1"))
                assert.is_false(ctx:cancelled())
            end)

            it("shares a signal with another", function()
                runtime:run(function()
                    local one = sutura.signal_context({ "SIGUSR1" })
                    local both = sutura.signal_context({ "SIGUSR2", "SIGUSR1", "SIGUSR1" })
                    send("SIGUSR2")
                    assert.is_true(both:wait())
                    assert.is_true(is_caught("SIGUSR1"))
                    send("SIGUSR1")
                    assert.is_true(one:wait())
                    assert.equal("SIGUSR2", both:cause())
                end)
            end)
        end)

        describe("a function for signals", function()
            -- Goes on until the count of calls has been reached.
            local function await_calls(calls, count)
                for _ = 1, 1000 do
                    if #calls >= count then break end
                    sutura.sleep(0.001)
                end
                assert.equal(count, #calls)
            end

            it("is called with the name, for each", function()
                runtime:run(function()
                    local calls = {}
                    local watch = core.on_signal({ "SIGUSR1", "SIGUSR2" }, function(name) calls[#calls + 1] = name end)
                    assert.equal("signal (SIGUSR1, SIGUSR2)", tostring(watch))
                    for i, name in ipairs({ "SIGUSR1", "SIGUSR2", "SIGUSR1" }) do
                        send(name)
                        await_calls(calls, i)
                    end
                    assert.same({ "SIGUSR1", "SIGUSR2", "SIGUSR1" }, calls)
                    watch:close()
                    watch:close()
                    assert.equal("signal (closed)", tostring(watch))
                    assert.is_false(is_caught("SIGUSR1"))
                end)
            end)

            it("may act on supervisors and may not wait", function()
                runtime:run(function()
                    local refused
                    local sup = sutura.supervisor("A")
                    local _watch <close> = core.on_signal({ "SIGUSR1" }, function()
                        refused = not pcall(sutura.sleep, 1)
                        sup:stop()
                    end)
                    sup:add("worker", function(ctx) ctx:wait() end)
                    send("SIGUSR1")
                    assert.is_nil(sup:serve())
                    assert.is_true(refused)
                end)
            end)

            it("that raises is reported and stays", function()
                local lines = {}
                local report = log.report
                log.report = function(line) lines[#lines + 1] = line end
                local _restore <close> = setmetatable({}, { __close = function() log.report = report end })
                runtime:run(function()
                    local calls = {}
                    local _watch <close> = core.on_signal({ "SIGUSR1" }, function()
                        calls[#calls + 1] = true
                        error("no more", 0)
                    end)
                    for i = 1, 2 do
                        send("SIGUSR1")
                        await_calls(calls, i)
                    end
                end)
                assert.equal(2, #lines)
                assert.matches("SIGUSR1 raised: no more", lines[1], 1, true)
            end)

            it("may close its own watch", function()
                runtime:run(function()
                    local calls, watch = {}, nil
                    watch = core.on_signal({ "SIGUSR1" }, function()
                        calls[#calls + 1] = true
                        watch:close()
                    end)
                    send("SIGUSR1")
                    await_calls(calls, 1)
                    assert.is_false(is_caught("SIGUSR1"))
                end)
            end)

            it("is called no more when nobody keeps the watch", function()
                runtime:run(function()
                    core.on_signal({ "SIGUSR1" }, print)
                    collectgarbage()
                    collectgarbage()
                    assert.is_false(is_caught("SIGUSR1"))
                end)
            end)
        end)
    end)
end

describe("the names of signals", function()
    ignored_before()

    it("that are unknown are named in the error", function()
        for _, call in ipairs({ sutura.signal_context, function(names) return core.on_signal(names, print) end }) do
            local ok, message = pcall(call, { "SIGTERM", "SIGFOO" })
            assert.is_false(ok)
            assert.matches("names[2]", message, 1, true)
            assert.matches("SIGFOO", message, 1, true)
        end
        assert.error_matches(function() core.signal_default("TERM") end, "TERM")
    end)

    it("are a table that is not empty", function()
        for _, wrong in ipairs({ "SIGTERM", 15, {} }) do
            assert.has_error(function() sutura.signal_context(wrong) end)
        end
        assert.has_error(function() sutura.signal_context({ 15 }) end)
        assert.has_error(function() sutura.signal_context() end)
        assert.has_error(function() core.on_signal({ "SIGTERM" }) end)
    end)

    it("that cannot be caught are refused", function()
        assert.has_error(function() sutura.signal_context({ "SIGKILL" }) end)
        assert.has_error(function() sutura.signal_context({ "SIGUSR1", "SIGSTOP" }) end)
        assert.is_false(is_caught("SIGUSR1"))
    end)
end)

describe("a process", function()
    it("dies by the signal when the context has had its first", function()
        local ended = process([[
            local sutura = require "sutura"
            local ctx = sutura.signal_context{ "SIGTERM" }
            os.execute("kill -TERM $PPID")
            assert(ctx:wait())
            os.execute("kill -TERM $PPID")
            os.execute("sleep 5")]])
        assert.equal("signal 15", (ended:gsub("exit 143", "signal 15")))
    end)

    it("that ignored a signal ignores it again after the context", function()
        local ended, said = process([[
            local sutura = require "sutura"
            local ctx = sutura.signal_context{ "SIGUSR1" }
            os.execute("kill -USR1 $PPID")
            assert(ctx:wait())
            os.execute("kill -USR1 $PPID")
            print("lives")]], "trap \"\" USR1")
        assert.equal("exit 0", ended, said)
        assert.equal("lives\n", said)
    end)

    it("that watches signals ends cleanly", function()
        local ended, said = process([[
            local sutura = require "sutura"
            KEPT = { sutura.signal_context{ "SIGUSR1" }, require "sutura.core".on_signal({ "SIGUSR2" }, print),
                sutura.runtime{ clock = "virtual" }:run(function() return sutura.signal_context{ "SIGUSR1" } end) }
            os.exit(true, true)]])
        assert.equal("exit 0", ended, said)
        assert.equal("", said)
    end)

    it("has the default handling when that is asked for", function()
        local ended = process([[
            require "sutura.core".signal_default("SIGPIPE")
            os.execute("kill -PIPE $PPID")
            os.execute("sleep 5")]])
        assert.equal("signal 13", (ended:gsub("exit 141", "signal 13")))
    end)
end)
