-- SPDX-License-Identifier: MIT
--
-- A tree whose parts depend on each other, in the manner of OTP: each starts when what it needs is ready, and restarts
-- together with it.
--
--     sutura run examples/shop.lua            sutura check examples/shop.lua shows the order of the starts
--
--     shop            rest_for_one; gives up at the fourth restart in 5 s
--       database      takes a while to open; its disk fails once
--       catalog       keeps what it has read of the database, so it must not outlive it
--       web           needs both
--       audit         needs nobody, and notices nothing
--
-- It ends by itself after about two seconds.

local sutura = require "sutura"

io.stdout:setvbuf("line")

local function say(ctx, text)
    print(("%-9s run %d  %s"):format(ctx.name, ctx.run, text))
end

-- Says goodbye however the run ends.
local function farewell(ctx, undo)
    return setmetatable({}, { __close = function()
        undo()
        say(ctx, "is gone")
    end })
end

local tables -- What the database has, while it is open.
local prices -- What the catalog has read of it.

local function database(ctx)
    say(ctx, "opens")
    sutura.sleep(0.3)
    local _farewell <close> = farewell(ctx, function() tables = nil end)
    tables = { apple = 3, pear = 5 }
    ctx:ready("2 rows") -- From here on the catalog may start.
    sutura.sleep(0.6)
    assert(ctx.run > 1, "the disk has failed")
    sutura.sleep(math.huge)
end

local function catalog(ctx)
    local _farewell <close> = farewell(ctx, function() prices = nil end)
    prices = assert(tables, "there is no database") -- Cannot be: it waits for one.
    sutura.sleep(0.1)
    ctx:ready()
    sutura.sleep(math.huge)
end

local function web(ctx)
    local _farewell <close> = farewell(ctx, function() end)
    for _ = 1, 4 do
        say(ctx, ("sells an apple for %d"):format(prices.apple))
        sutura.sleep(0.2)
    end
    ctx.supervisor:stop()
end

local function audit(ctx)
    local _farewell <close> = farewell(ctx, function() end)
    say(ctx, "watches")
    sutura.sleep(math.huge)
end

-- Written in any order: `after` decides who starts first, and who restarts with whom.
return sutura.supervisor("shop", {
    strategy = "rest_for_one", intensity = 3, period = 5,
    children = {
        { name = "audit", run = audit, after = {} },
        { name = "web", run = web, after = { "database", "catalog" } },
        { name = "catalog", run = catalog, after = { "database" }, ready = "notify" },
        { name = "database", run = database, ready = "notify", start_timeout = 5 },
    },
})
