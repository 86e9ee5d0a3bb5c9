-- SPDX-License-Identifier: MIT
--
-- What `make demo` shows: a service that crashes and is started again, restarts that pause when crashes pile up and
-- resume by themselves, and a clean stop. Nothing else is needed, and it ends by itself after about five seconds.
--
--     demo            the root
--       clock         never notices what happens to the others
--       shop          a supervisor with a low threshold, so that the pause comes soon
--         flaky       the one that crashes
--       narrator      says what you see, and stops the tree at the end
--
-- What the services print goes to stdout; the lines with a date are the log, on stderr.

local sutura = require "sutura"

io.stdout:setvbuf("line") -- Keeps what is printed and what is logged in order, in a pipe too.

-- A <close> variable is told why its service ends; one that is asked to stop ends by CANCELED.
local function farewell(name)
    return setmetatable({}, { __close = function(_, reason)
        if reason == sutura.CANCELED then
            print(("   %-8sstops, and has cleaned up"):format(name))
        end
    end })
end

local function clock()
    local _farewell <close> = farewell("clock")
    while true do
        sutura.sleep(1)
        print("   clock   tick")
    end
end

-- What goes wrong in the first runs, and when. It is an upvalue, which outlives a crash; locals of a run do not.
local bugs = { { 0.6, "the disk is on fire" }, { 0.3, "still on fire" }, { 0.3, "still on fire" } }

local function flaky(ctx)
    local _farewell <close> = farewell("flaky")
    print(("   flaky   run %d begins"):format(ctx.run))
    local bug = table.remove(bugs, 1)
    if bug then
        sutura.sleep(bug[1])
        error(bug[2])
    end
    print("   flaky   is well again")
    sutura.sleep(60) -- Asked to stop, this raises CANCELED.
end

local story = {
    { 0.0, "A tree of three services starts. One of them has a bug." },
    { 0.3, "Soon it crashes: the log shows the error, its trace, and that it is restarting." },
    { 0.9, "It crashes again, and again: at the third failure the restarts pause." },
    { 1.9, "While they pause, the rest of the tree runs on." },
    { 2.8, "The pause is over, and the service has been started once more." },
    { 4.2, "Everything is well. The tree stops, in the reverse of the order it was started in." },
}

local function narrator(ctx)
    local started = sutura.now()
    for _, moment in ipairs(story) do
        sutura.sleep(math.max(0, started + moment[1] - sutura.now()))
        print("\n== " .. moment[2])
    end
    ctx.supervisor:stop() -- Inside its own tree this asks, and then stops the caller, too.
end

-- More than two failures, of which each counts half after 30 s, and the restarts pause.
local shop = sutura.supervisor("shop", { failure_threshold = 2, failure_backoff = 1.5,
    backoff_jitter = sutura.no_jitter })
shop:add("flaky", flaky)

return sutura.supervisor("demo", {
    children = { { name = "clock", run = clock }, { run = shop }, { name = "narrator", run = narrator } },
})
