-- SPDX-License-Identifier: MIT
--
-- Preemption: what runs over its slice gives way to the others, unseen by its own code, wherever Lua can yield; and
-- what is told of it. How it is killed is in kill_spec.

local hogs = require "spec.support.hogs"
local sutura = require "sutura"

local SLICE = hogs.SLICE

local function plain_spec()
    return { timeout = 0.05 }
end

-- Time of the processor from the beginning of the spin until another service runs.
local function time_of_spin(sup, spin, options)
    local began, seen
    sup:add("spinner", function()
        began = began or os.clock()
        return spin()
    end, options)
    sup:add("other", function(ctx)
        sutura.yield()
        seen = os.clock()
        ctx:wait()
    end)
    repeat sutura.sleep(0.001) until seen
    return seen - began
end

describe("a service that runs over its slice #realtime", function()
    it("is preempted within three slices, wherever Lua can yield", hogs.each(hogs.all, plain_spec,
        function(spin, sup)
            assert.is_true(time_of_spin(sup, spin) < 3 * SLICE + 0.01)
        end))

    it("goes on where it was, and computes what it would have computed", hogs.test({}, function(sup)
        local result, others = nil, 0
        local function fibonacci(n)
            if n < 2 then return n end
            return fibonacci(n - 1) + fibonacci(n - 2)
        end
        sup:add("others", function() while true do others = others + 1 sutura.sleep(0.001) end end)
        sup:add("computes", function()
            repeat
                local parts = {}
                local generator = coroutine.wrap(function()
                    for i = 1, 3 do coroutine.yield(i, fibonacci(26)) end
                end)
                for i, value in generator do parts[#parts + 1] = ("%d=%d"):format(i, value) end
                result = table.concat(parts, " ")
            until others > 1
            return sutura.DO_NOT_RESTART
        end)
        repeat sutura.sleep(0.005) until result and others > 1
        assert.equal("1=121393 2=121393 3=121393", result)
    end))

    it("leaves everybody their turn: each is resumed once before any is resumed twice", hogs.test({},
        function(sup, _, rt)
            local log = {}
            for _, name in ipairs({ "a", "b", "c" }) do
                sup:add(name, function()
                    for _ = 1, 2 do
                        log[#log + 1] = name
                        hogs.compute(4 * SLICE)
                    end
                    return sutura.DO_NOT_RESTART
                end)
            end
            repeat sutura.sleep(0.01) until sup:count().specs == 0
            assert.equal("abc", table.concat(log, "", 1, 3))
            assert.is_true(rt:now() > 0)
        end))

    it("serves timers meanwhile, which are late by two slices at most for each that spins", hogs.test({},
        function(sup)
            sup:add("spins", hogs.spins["a plain loop"])
            local began, late = os.clock(), 0
            for _ = 1, 10 do
                local due = sutura.now() + 0.005
                local used = os.clock()
                sutura.sleep(0.005)
                late = math.max(late, math.min(sutura.now() - due, os.clock() - used))
            end
            assert.is_true(late < 2 * SLICE + 0.01, tostring(late))
            assert.is_true(os.clock() - began < 10 * 2 * SLICE + 0.1)
        end))

    it("waits, where Lua cannot yield, until it can", hogs.test({}, function(sup, record)
        local sorted
        sup:add("sorts", function()
            local list = { 3, 1, 2 }
            table.sort(list, function(a, b) hogs.compute(4 * SLICE) return a < b end)
            sorted = table.concat(list, " ")
            return sutura.DO_NOT_RESTART
        end)
        repeat sutura.sleep(0.01) until sorted
        assert.equal("1 2 3", sorted)
        local event = record:of("service_hog")[1]
        assert.equal("none", event.action)
        assert.matches("in field 'sort'", event.stacktrace, 1, true)
        assert.matches("in one piece, where it cannot be interrupted", tostring(event), 1, true)
    end))

    it("is never preempted where the slice is 0", hogs.test({}, function(sup, record)
        local done
        sup:add("computes", function()
            hogs.compute(0.1)
            done = true
            return sutura.DO_NOT_RESTART
        end)
        sutura.yield()
        sutura.yield()
        assert.is_true(done)
        assert.same({}, record:of("service_hog"))
    end, { slice = 0 }))

    it("is never preempted on a virtual clock, unless that has a slice", function()
        local rt <close> = sutura.runtime { clock = "virtual" }
        local turns = 0
        rt:run(function()
            local sup = rt:supervisor("root", { event_hook = function() turns = turns + 1 end })
            sup:add("computes", function() hogs.compute(0.12) return sutura.DO_NOT_RESTART end)
            sup:serve_background()
            sutura.sleep(1)
        end)
        assert.equal(0, turns)
    end)
end)

describe("a program given to run #realtime", function()
    it("is preempted as well", function()
        local rt <close> = sutura.runtime { slice = SLICE }
        local ticks = 0
        rt:run(function()
            local sup = rt:supervisor("root")
            sup:add("ticks", function() while true do ticks = ticks + 1 sutura.sleep(0.001) end end)
            sup:serve_background()
            local till = os.clock() + 100 * SLICE
            while ticks < 2 and os.clock() < till do hogs.compute(SLICE) end
        end)
        assert.is_true(ticks > 1, tostring(ticks))
    end)
end)

describe("hooks that others have set #realtime", function()
    it("are there after a preemption, and have missed no line", hogs.test({}, function(sup)
        local lines, traced, kept = {}, nil, nil
        sup:add("traced", function()
            local n = 0
            traced = function(_, line) lines[line] = (lines[line] or 0) + 1 end
            debug.sethook(traced, "l")
            local until_then = os.clock() + 10 * SLICE
            while os.clock() < until_then do
                n = n + 1
            end
            sutura.yield() -- whatever was under way is over
            kept = { debug.gethook() }
            debug.sethook()
            lines.loop = n
            return sutura.DO_NOT_RESTART
        end)
        repeat sutura.sleep(0.005) until lines.loop
        assert.same({ traced, "l", 0 }, kept)
        local rounds, body = lines.loop, nil
        for line, count in pairs(lines) do
            if line ~= "loop" and count == rounds then body = line end
        end
        assert.is_number(body)
    end))
end)

describe("service_hog #realtime", function()
    it("says for how long, where, how often in a row, and what was done", hogs.test({}, function(sup, record)
        local function deep()
            repeat hogs.compute(SLICE) until #record.events > 0
        end
        sup:add("busy", function(ctx)
            deep()
            ctx:wait()
        end)
        repeat sutura.sleep(0.005) until #record:of("service_hog") > 0
        local event = record:of("service_hog")[1]
        assert.equal("root/busy", event.path)
        assert.equal("yield", event.action)
        assert.equal(1, event.in_a_row)
        assert.is_true(event.duration >= SLICE and event.duration < 1, tostring(event.duration))
        assert.matches("in upvalue 'deep'", event.stacktrace, 1, true)
        assert.is_false(event.stopping)
        assert.matches("^root/busy: ran for %d+%.%d+ s in one piece, and was made to give way", tostring(event))
    end))

    it("is told at the 1st, 2nd, 4th, 8th time in a row, and anew after a wait", hogs.test({}, function(sup, record)
        local rows = {}
        local function overrun_until_told(number)
            local till = os.clock() + 200 * SLICE
            repeat
                hogs.compute(SLICE)
                for i, event in ipairs(record:of("service_hog")) do rows[i] = event.in_a_row end
            until rows[#rows] == number or os.clock() > till
        end
        local again
        sup:add("busy", function(ctx)
            overrun_until_told(8)
            sutura.sleep(0.001)
            overrun_until_told(2)
            again = true
            ctx:wait()
        end)
        repeat sutura.sleep(0.005) until again
        assert.matches("^1 2 4 8 .*1 2$", table.concat(rows, " "))
        for i, number in ipairs(rows) do
            assert.is_true(number == 1 or number == 2 * rows[i - 1], table.concat(rows, " "))
        end
    end))

    it("is told anew after a wait of one that could not be interrupted", hogs.test({}, function(sup, record)
        local told = 0
        sup:add("sorts", function(ctx)
            repeat
                table.sort({ 2, 1 }, function(a, b) hogs.compute(4 * SLICE) return a < b end)
                sutura.sleep(0.001)
            until told >= 3
            ctx:wait()
        end)
        repeat
            sutura.sleep(0.005)
            told = 0
            for _, event in ipairs(record:of("service_hog")) do
                assert.equal(1, event.in_a_row)
                if event.action == "none" then told = told + 1 end
            end
        until told >= 3
    end))

    it("comes too when it gave way by itself after a long call of C, and then has no stack", hogs.test({},
        function(sup, record)
            sup:add("blocks", function(ctx)
                hogs.block(0.08)
                ctx:wait()
            end)
            repeat sutura.sleep(0.005) until #record:of("service_hog") > 0
            local event = record:only("service_hog")
            assert.is_true(event.duration >= 0.05)
            assert.is_true(event.action == "none" or event.action == "yield")
            assert.equal("running", sup:get_child("blocks").state)
        end))

    it("is a panic where it stands, with on_hog panic", hogs.each(hogs.spins, function()
        return { failure_threshold = 0.5, failure_backoff = 1000, timeout = 0.05 }
    end, function(spin, sup, record)
        sup:add("spins", spin, { on_hog = "panic", kill = true })
        repeat sutura.sleep(0.005) until #record:of("service_panic") > 0
        local panic = record:only("service_panic")
        local catches_all = panic.error_msg:find("closed by force", 1, true)
        assert.is_truthy(catches_all or panic.error_msg:find("longer than the slice of", 1, true))
        assert.matches("spec/support/hogs.lua", panic.stacktrace, 1, true)
        assert.equal(1.0, panic.current_failures)
        assert.equal("queued", sup:get_child("spins").state)
        assert.equal("panic", record:of("service_hog")[1].action)
    end))

    it("with on_hog panic is no more than an error to code that catches it", hogs.each(hogs.caught, function()
        return { timeout = 0.05 }
    end, function(spin, sup, record)
        local on
        sup:add("spins", function(ctx) spin() on = true ctx:wait() end, { on_hog = "panic" })
        repeat sutura.sleep(0.005) until on
        assert.same({}, record:of("service_panic"))
        assert.equal("panic", record:only("service_hog").action)
    end))

    it("is a panic and a forced end, with on_hog kill", hogs.each(hogs.all, function()
        return { failure_threshold = 0.5, failure_backoff = 1000, timeout = 0.05 }
    end, function(spin, sup, record)
        local closed
        sup:add("spins", function()
            local _closer <close> = setmetatable({}, { __close = function() closed = true end })
            return spin()
        end, { on_hog = "kill" })
        repeat sutura.sleep(0.005) until #record:of("service_panic") > 0
        local panic = record:only("service_panic")
        assert.matches("closed by force: it kept the thread", panic.error_msg, 1, true)
        assert.matches("spec/support/hogs.lua", panic.stacktrace, 1, true)
        assert.equal("queued", sup:get_child("spins").state)
        assert.equal("kill", record:only("service_hog").action)
        assert.is_true(closed)
    end))
end)

describe("on_hog #realtime", function()
    it("is one of three words, for what runs code of its own", function()
        local rt <close> = sutura.runtime { clock = "virtual" }
        local sup = rt:supervisor("root")
        local ok, problem = pcall(sup.add, sup, "a", print, { on_hog = "wait" })
        assert.is_false(ok)
        assert.matches([[field 'on_hog': expected "yield" or "panic" or "kill", got the string "wait"]], problem, 1,
            true)
        ok, problem = pcall(sup.add, sup, rt:supervisor("child"), { on_hog = "kill" })
        assert.is_false(ok)
        assert.matches("field 'on_hog' is for functions and objects", problem, 1, true)
    end)
end)

describe("user code that is no service #realtime", function()
    it("is bounded: an event hook that spins is reported once, and the tree goes on", function()
        local rt <close> = sutura.runtime { slice = SLICE }
        local runs, spun = 0, 0
        rt:run(function()
            local sup = rt:supervisor("root", { failure_threshold = math.huge, event_hook = function()
                spun = spun + 1
                while true do pcall(hogs.spins["a plain loop"]) end
            end })
            sup:add("fails", function(ctx)
                runs = runs + 1
                if runs < 3 then return nil, "broken" end
                ctx:wait()
            end)
            sup:serve_background()
            repeat sutura.sleep(0.005) until runs == 3
        end)
        assert.equal(2, spun)
    end)

    it("is bounded: a jitter that spins is not used", function()
        local rt <close> = sutura.runtime { slice = SLICE }
        rt:run(function()
            local sup = rt:supervisor("root", { failure_threshold = 0.5, failure_backoff = 7,
                event_hook = function() end, backoff_jitter = hogs.spins["a plain loop"] })
            sup:add("fails", function() return nil, "broken" end)
            sup:serve_background()
            repeat sutura.sleep(0.005) until sup:state() == "paused"
            local left = sup:get_child("fails").next_try - rt:now()
            assert.is_true(left > 6 and left <= 7)
        end)
    end)

    it("is bounded: a format_error or __tostring that spins is replaced", hogs.test({
        format_error = hogs.spin,
    }, function(sup, record)
        sup:add("fails", function() error({}) end, { restart = "temporary" })
        repeat sutura.sleep(0.005) until #record.events > 0
        assert.matches("^table: 0x%x+", record:only("service_panic").error_msg)
    end))

    it("is bounded: a redact that spins hides the text", hogs.test({
        panic_locals = true, redact = hogs.spin,
    }, function(sup, record)
        sup:add("fails", function()
            local password = "secret"
            error("broken " .. #password)
        end, { restart = "temporary" })
        repeat sutura.sleep(0.005) until #record.events > 0
        local locals = record:only("service_panic").frames[2].locals
        assert.same({ { name = "password", text = "(redacted)" } }, locals)
    end))

    it("is bounded: start of an await gets an error, which is the caller's", hogs.test({}, function(sup, record)
        local problem
        sup:add("awaits", function(ctx)
            problem = select(2, pcall(sutura.await, hogs.spins["a plain loop"]))
            ctx:wait()
        end)
        repeat sutura.sleep(0.005) until problem
        assert.matches("'start' of an await ran for", problem, 1, true)
        assert.same({}, record:of("service_panic"))
    end))
end)
