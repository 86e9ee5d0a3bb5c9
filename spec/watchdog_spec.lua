-- SPDX-License-Identifier: MIT
--
-- What the watchdog says and does by itself, from its own thread, while the loop's thread does not come back; and that
-- it costs nothing while it need not look. Each case is a process of its own.

local child = require "spec.support.child"

-- A tree whose service blocks in a function of C for so long, once it was asked to stop if `stops`.
local BLOCKS = [[
local sutura = require "sutura"
%s
local rt = sutura.runtime { slice = 0.02, kill_grace = 0.05, close_budget = 0.05, %s }
rt:run(function()
    local sup = rt:supervisor("app", { timeout = 0.05, event_hook = function() end })
    local inner = rt:supervisor("inner", { timeout = 0.05 })
    inner:add("stuck", function(ctx)
        %s
        require "luv".sleep(%d)
    end, { restart = "temporary" })
    sup:add(inner)
    sup:serve_background()
    sutura.sleep(0.01)
    local report = sup:stop()
    io.stdout:write(("stopped %%s %%s\n"):format(report and report[1].path, report and report[1].killed))
end)
]]

local function blocks(seconds, options, before, prelude)
    return child.run(BLOCKS:format(prelude or "", options or "", before or "", seconds * 1000 // 1))
end

describe("the watchdog", function()
    it("names on stderr who keeps the thread, after a second, and the tree goes on when it comes back", function()
        local result = blocks(1.4)
        assert.equal(0, result.code)
        local line = result.err:match("^(%d+%-%d+%-%d+T[%d:.]+Z stuck [^\n]*)\n$")
        assert.matches("stuck +service app/inner/stuck has run for 1%.%d s in one piece, and cannot be interrupted",
            line)
        assert.equal("stopped nil nil\n", result.out)
    end)

    it("says nothing of what comes back before that", function()
        assert.equal("", blocks(0.4).err)
    end)

    it("says it at once when a service cannot be killed, and that stands in the report", function()
        local result = blocks(0.6, "", "ctx:wait()")
        assert.matches("service app/inner/stuck has run for 0%.%d s in one piece, and cannot be killed", result.err)
        assert.equal("stopped app/inner/stuck true\n", result.out)
    end)

    it("ends the process with exit code 70 then, where on_unkillable is abort", function()
        local result = blocks(5, 'on_unkillable = "abort"', "ctx:wait()")
        assert.equal(70, result.code)
        assert.matches("cannot be killed.*; the process ends because of it %(on_unkillable%)\n$", result.err)
        assert.equal("", result.out)
    end)

    it("ends nothing for a long call of a service that need not stop", function()
        local result = blocks(0.5, 'on_unkillable = "abort"')
        assert.equal(0, result.code)
    end)

    it("writes one JSON object a line where the log is JSON", function()
        local result = blocks(1.3, "", "", 'require("sutura.log").set_format("json")')
        local object = require("dkjson").decode(result.err)
        assert.equal("stuck", object.type)
        assert.equal("error", object.level)
        assert.matches("^service app/inner/stuck has run for 1%.%d s", object.msg)
        assert.matches("^%d+%-%d+%-%d+T[%d:.]+Z$", object.ts)
    end)

    it("is heard of in a finalizer and a message handler too, which no hook reaches", function()
        local result = child.run([[
local sutura = require "sutura"
local rt = sutura.runtime { slice = 0.02 }
local function spin() local t = os.clock() while os.clock() - t < 1.2 do end end
rt:run(function()
    local sup = rt:supervisor("app", { event_hook = function() end })
    sup:add("collects", function(ctx)
        setmetatable({}, { __gc = spin })
        collectgarbage()
        ctx:wait()
    end)
    sup:serve_background()
    sutura.sleep(0.01)
    sup:stop()
end)
]])
        assert.equal(0, result.code)
        assert.matches("service app/collects has run for 1%.%d s in one piece, and cannot be interrupted", result.err)
    end)

    it("uses a signal that the host chooses, and hands on those that are not its own", function()
        local result = child.script([[
local sutura = require "sutura"
local rt = sutura.runtime { slice = 0.02, preempt_signal = "SIGPROF" }
local turns = 0
rt:run(function()
    local sup = rt:supervisor("app", { event_hook = function() end })
    sup:add("spins", function() while true do local _ = {} end end)
    sup:add("other", function() while true do turns = turns + 1 sutura.sleep(0.001) end end)
    sup:serve_background()
    sutura.sleep(0.1)
    print(turns > 1, pcall(sutura.runtime, { preempt_signal = "SIGURG" }))
end)
]], "exec $LUA_PROGRAM")
        assert.matches("^true\tfalse\t.*already preempts by SIGPROF", result.out)
    end)

    it("lets the interpreter end in the middle of a step, of a spin and of a preemption", function()
        local result = child.run([[
local sutura = require "sutura"
local rt = sutura.runtime { slice = 0.01 }
rt:run(function()
    local sup = rt:supervisor("app", { event_hook = function() end })
    sup:add("spins", function() while true do local _ = {} end end)
    sup:add("exits", function() sutura.sleep(0.05) os.exit(7, true) end)
    sup:serve_background()
    sutura.sleep(10)
end)
]])
        assert.equal(7, result.code)
        assert.equal("", result.err)
    end)

    it("sleeps while nothing runs: an idle tree takes no time of the processor", function()
        local result = child.run([[
local sutura = require "sutura"
local pid = io.open("/proc/self/stat"):read("n")
local function wakeups()
    local sum = 0
    for line in io.popen(("cat /proc/%d/task/*/status"):format(pid)):lines() do
        sum = sum + (line:match("^voluntary_ctxt_switches:%s+(%d+)") or 0)
    end
    return sum
end
sutura.run(function()
    local sup = sutura.supervisor("app")
    sup:add("sleeps", function() while true do sutura.sleep(10) end end)
    sup:serve_background()
    sutura.sleep(0.3) -- the watchdog has parked by now
    local before = wakeups()
    sutura.sleep(0.5) -- it looks 80 times a second while something runs
    print(wakeups() - before < 20)
end)
]])
        assert.equal("true\n", result.out)
    end)
end)
