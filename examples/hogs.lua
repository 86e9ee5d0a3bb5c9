-- SPDX-License-Identifier: MIT
--
-- A tree with services that do not cooperate, and a hundred that do.
--
--     sutura run examples/hogs.lua
--
--     works           half a second for each to stop
--       healthy-1...  a hundred services that tick twenty times a second
--       spinner       computes for ever and never waits: it is preempted, and killed at the stop
--       deaf          catches whatever is raised in it and goes on: it is closed by force at the stop
--       blocker       calls a function of C that takes 1.3 seconds: nobody can interrupt that, and the log names it
--       narrator      says how the others do, and stops the tree after three seconds
--
-- Look at the log: it says who kept the thread, for how long, and where.

local sutura = require "sutura"

io.stdout:setvbuf("line")

local works = sutura.supervisor("works", { timeout = 0.5, stop_order = "parallel" })
local ticks = 0

for i = 1, 100 do
    works:add("healthy-" .. i, function()
        while true do
            sutura.sleep(0.05)
            ticks = ticks + 1
        end
    end)
end

works:add("spinner", function()
    local n = 0
    while true do
        n = n + 1
    end
end)

works:add("deaf", function()
    while true do
        pcall(sutura.sleep, 60)
    end
end)

works:add("blocker", function()
    sutura.sleep(1)
    os.execute("sleep 1.3") -- The shell sleeps, and this thread waits for it.
    sutura.sleep(60)
end)

works:add("narrator", function()
    for _ = 1, 6 do
        ticks = 0
        local began = sutura.now()
        sutura.sleep(0.5)
        print(("%3d ticks in %.1f s"):format(ticks, sutura.now() - began))
    end
    works:stop()
end)

return works
