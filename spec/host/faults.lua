-- SPDX-License-Identifier: MIT
--
-- The scenario of the fault sweep (scripts/faults.lua): start, run, timers, restarts, a signal and the stop on a real
-- clock, with system calls that may fail. A call of sutura's may fail by an error that names the cause, and succeeds
-- when it is made again; whatever happens, no service is lost. What is wrong makes the exit status 3.

local raise = raise -- luacheck: ignore 113

local sutura = require "sutura"

local SIGUSR1 = 10

local function check(ok, text)
    if not ok then
        io.stderr:write("faults: ", text, "\n")
        os.exit(3)
    end
end

-- What errors of the system say.
local CAUSES = { "%f[%u]E%u%u+", "not enough memory", "too many open files", "resource temporarily unavailable",
    "invalid argument" }

local function names_cause(text)
    for _, cause in ipairs(CAUSES) do
        if text:find(cause) then
            return true
        end
    end
    return false
end

-- Calls, and once more when that has failed for a cause that it names. What fails twice ends the program, where the
-- fault is a lasting one.
local function attempt(name, fn, ...)
    local results = table.pack(pcall(fn, ...))
    if not results[1] then
        local text = tostring(results[2])
        check(names_cause(text), name .. " raised " .. text)
        results = table.pack(pcall(fn, ...))
        check(results[1] or os.getenv("LASTING"), name .. " failed twice: " .. tostring(results[2]))
        if not results[1] then
            error(results[2], 0)
        end
    end
    return table.unpack(results, 2, results.n)
end

local begun, ended, ticks = 0, 0, 0

local function counted(body)
    return function(ctx)
        begun = begun + 1
        local _end <close> = setmetatable({}, { __close = function() ended = ended + 1 end })
        return body(ctx)
    end
end

local rt = attempt("runtime", sutura.runtime, { slice = 0.01 })
local sup = rt:supervisor("faults", { failure_threshold = 10 })

sup:add("ticks", counted(function(ctx)
    while not ctx:wait(0.001) do
        ticks = ticks + 1
    end
end))
sup:add("fails", counted(function(ctx)
    sutura.sleep(0.001)
    if ctx.run <= 2 then
        error("failure " .. ctx.run)
    end
    ctx:wait()
end))
sup:add("spins", counted(function(ctx)
    if ctx.run == 1 then
        local began = sutura.now()
        repeat until sutura.now() - began > 0.03
    end
    ctx:wait()
end))

-- A signal that cannot be watched is told as an error.
local function watch_signal()
    return sutura.signal_context { "SIGUSR1" }
end

attempt("run", rt.run, rt, function()
    if sup:state() == "not_running" then
        sup:serve_background()
    end
    local signals = attempt("signal_context", watch_signal)
    raise(SIGUSR1)
    check(signals:wait(5), "the signal was lost")
    local before = ticks
    local deadline = sutura.now() + 10
    repeat
        sutura.sleep(0.002)
        local fails = sup:get_child("fails")
    until fails.run == 3 and ticks > before + 3 or sutura.now() > deadline
    check(ticks > before + 3, "a service does not wake up any more")
    for _, record in ipairs(sup:children()) do
        check(record.state == "running", record.path .. " is " .. record.state)
    end
end)
attempt("stop", sup.stop, sup)
check(sup:state() == "terminated" and begun == ended, ("%d runs have begun, and %d ended"):format(begun, ended))
rt:close()
