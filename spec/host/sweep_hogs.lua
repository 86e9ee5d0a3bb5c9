-- SPDX-License-Identifier: MIT
--
-- The scenario of the memory sweep for what runs over its slice, on a real clock: the records of hogs, their traces and
-- shares are made when memory may fail. Whatever failed, the hogs come to their ends and everything stops.

local sweep = sweep -- luacheck: ignore 113

local SLICE = 0.003

local ended = 0
local closing = { __close = function() ended = ended + 1 end }

local function spin(slices)
    local till = os.clock() + slices * SLICE
    while os.clock() < till do
        math.abs(1)
    end
end

local function hogs_in(run, slices, closer)
    return function(ctx)
        local _end <close> = closer
        if ctx.run <= run then
            spin(slices)
        end
        ctx:wait()
    end
end

local function main()
    local sutura = require "sutura"
    local closer = setmetatable({}, closing)
    local rt = sutura.runtime { slice = SLICE }
    local sup = rt:supervisor("hogs", { event_hook = function() end, failure_threshold = 100 })
    for _, on_hog in ipairs { "yield", "panic", "kill" } do
        sup:add { name = on_hog, run = hogs_in(2, 3, closer), on_hog = on_hog }
    end
    sup:add { name = "shares", run = hogs_in(1, 3, closer), cpu_share = 0.5 }
    sup:add { name = "stubborn", shutdown = 2 * SLICE, run = function(ctx)
        local _end <close> = closer
        ctx:wait()
        spin(6)
    end }
    local ran, err = pcall(rt.run, rt, function()
        sup:serve_background()
        sutura.sleep(20 * SLICE)
        sup:children()
        sup:stop()
    end)
    sweep.allow()
    if not ran then
        rt:run(function() sup:stop() end)
        error(err, 0)
    end
    local counts = sup:count()
    if counts.active ~= 0 then
        error(counts.active .. " services still live", 0)
    end
    rt:close()
end

main()
