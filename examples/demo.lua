-- SPDX-License-Identifier: MIT
--
-- What `make demo` shows: a service that crashes and is started again, restarts that pause when crashes pile up and
-- resume by themselves, and a clean stop. Nothing outside is needed, and it ends by itself after about five seconds.
--
--     demo            the root; its own children never notice what happens below "shop"
--     ├── clock       runs on through all of it
--     ├── shop        a supervisor of its own, with a low threshold so that the pause comes soon
--     │   └── flaky   the one that crashes
--     └── narrator    says what you see, and stops the tree at the end
--
-- What the services print goes to stdout; the lines with a date are the log, on stderr.

local sutura = require "sutura"

io.stdout:setvbuf("line") -- Keeps what is printed and what is logged in order, also in a pipe.

-- What service flaky is to do wrong, one entry a run. An upvalue outlives a crash; a local of the service does not.
local bugs = {
    { after = 0.6, message = "the disk is on fire" },
    { after = 0.3, message = "still on fire" },
    { after = 0.3, message = "still on fire" },
}

-- A <close> variable sees why its service ends; a service that is asked to stop ends by CANCELED.
local function farewell(name)
    return setmetatable({}, {
        __close = function(_, reason)
            if reason == sutura.CANCELED then
                print(("   %-8sstops, and has cleaned up"):format(name))
            end
        end,
    })
end

local function flaky(ctx)
    local _farewell <close> = farewell("flaky")
    print(("   flaky   run %d begins"):format(ctx.run))
    local bug = table.remove(bugs, 1)
    if bug then
        sutura.sleep(bug.after)
        error(bug.message)
    end
    print("   flaky   is well again")
    while true do
        sutura.sleep(60)
    end
end

local function clock()
    local _farewell <close> = farewell("clock")
    while true do
        sutura.sleep(1)
        print("   clock   tick")
    end
end

-- More than two failures, each counting half after 30 s: restarts pause for about 1.5 s, then go on.
local shop = sutura.supervisor("shop", {
    failure_threshold = 2,
    failure_backoff = 1.5,
    backoff_jitter = sutura.no_jitter,
    children = { { name = "flaky", run = flaky } },
})

-- A line for each moment of the show: when, in seconds from the start, and what is said.
local story = {
    { 0.0, "A tree of four services starts. One of them has a bug." },
    { 0.3, "Soon it crashes: the log shows the error, its trace, and that it restarts." },
    { 0.9, "It crashes again and again: after the third failure the restarts pause." },
    { 1.9, "While they pause, the rest of the tree runs on." },
    { 2.8, "The pause is over, the service is started once more." },
    { 4.2, "Everything is well: the tree stops, and the last service stops first." },
}

local function narrator(ctx)
    local started = sutura.now()
    for _, moment in ipairs(story) do
        sutura.sleep(math.max(0, started + moment[1] - sutura.now()))
        print("\n== " .. moment[2])
    end
    ctx.supervisor:stop() -- Asks; this service too is then stopped, at its next wait.
end

return sutura.supervisor("demo", {
    children = {
        { name = "clock", run = clock },
        { name = "shop", run = shop },
        { name = "narrator", run = narrator },
    },
})
