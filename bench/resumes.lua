-- SPDX-License-Identifier: MIT
--
-- usage: lua5.4 bench/resumes.lua on|off COUNT
--
-- Resumes one service COUNT times, with preemption on or off, in a runtime with a real clock, and prints the seconds
-- that it took. For bench/preemption.lua, which compares the two, in time and under callgrind.

local sutura = require "sutura"

local preemption, count = arg[1], tonumber(arg[2])

local rt <close> = sutura.runtime { slice = preemption == "on" and 0.05 or 0 }
rt:run(function()
    local sup = rt:supervisor("bench")
    local done = false
    sup:add("yields", function(ctx)
        for _ = 1, count do
            sutura.yield()
        end
        done = true
        ctx:wait()
    end)
    sup:serve_background()
    local began = os.clock()
    repeat sutura.sleep(0.001) until done
    print(os.clock() - began)
end)
