-- SPDX-License-Identifier: MIT
--
-- usage: lua5.4 scripts/soak.lua MINUTES      a runtime on the real clock, in which everything fails all the time
--
-- Services end, fail, raise anything, and hang; some are added and removed while they do, others restarted on purpose;
-- one hook in ten raises. It counts what each service does and what is told of it, and looks at memory, descriptors,
-- references, coroutines and the lateness of deadlines. In TAP: what it saw, each figure within its bound or not. The
-- growth is that from the second minute on, or of the last three quarters of a run of less than eight minutes, which is
-- too short to judge growth a minute and lateness by.

local leaks = require "spec.support.leaks"
local log = require "sutura.log"
local sutura = require "sutura"
local tap = require "scripts.tap"

local minutes = assert(tonumber(arg[1]), "usage: lua5.4 scripts/soak.lua MINUTES")

local LEAST_RESTARTS = 1000000 / 30 * minutes // 1 | 0
local MOST_SLOPE = 64 * 1024 -- bytes of resident memory a minute
local MOST_GROWTH = 1024 * 1024
local MOST_LAG = 0.005
local KEEPS_FREED = os.getenv("ASAN_OPTIONS") ~= nil -- AddressSanitizer does, and looks for leaks itself

local seen = { begun = 0, ended = 0, restarts = 0, pairs = 0, killed = 0, raised = 0, reported = 0, escalated = 0,
    given_up = 0, last_seq = 0, gaps = 0 }
local expected = { service_terminate = 0, service_panic = 0 }
local told = { service_terminate = 0, service_panic = 0 }

---- Ways to end. Each says which event is to come of it.

local hostile = setmetatable({}, { __tostring = function() error("no text") end })

local PLAIN = 1
local WAYS = {
    function() return "service_terminate" end,
    function() return "service_terminate", nil, "an error" end,
    function() return "service_terminate", sutura.wrap(sutura.ERR_TIMEOUT, "wrapped") end,
    function() return "service_panic", "a string" end,
    function() return "service_panic", nil end,
    function() return "service_panic", { code = 7 } end,
    function() return "service_panic", hostile end,
    function() return "service_panic", ("long "):rep(1000) end,
}

local function raise(depth, value)
    if depth > 0 then
        return raise(depth - 1, value), nil
    end
    error(value, 0)
end

-- Of one that was asked to stop meanwhile a plain end is no event.
local function fail(ctx)
    local way = math.random(#WAYS)
    local type, first, second = WAYS[way]()
    if way ~= PLAIN or not ctx:cancelled() then
        expected[type] = expected[type] + 1
    end
    if type == "service_panic" then
        raise(math.random(5), first)
    end
    return first, second
end

---- Bodies. A run is counted at its begin, and by a variable at its end, however that comes.

local function counted(body)
    return function(ctx)
        seen.begun = seen.begun + 1
        seen.restarts = seen.restarts + (ctx.run > 1 and 1 or 0)
        local _end <close> = setmetatable({}, { __close = function() seen.ended = seen.ended + 1 end })
        return body(ctx)
    end
end

local function a_while()
    return math.random() * 0.02
end

local sleeper = counted(function(ctx)
    sutura.sleep(a_while())
    return fail(ctx)
end)

local nester = counted(function(ctx)
    coroutine.wrap(function() sutura.sleep(a_while()) end)()
    return fail(ctx)
end)

local waker = counted(function(ctx)
    sutura.await(function(resume) resume() end)
    sutura.await(function() return function() end end, a_while())
    return fail(ctx)
end)

local shared = sutura.mailbox()

local talker = counted(function(ctx)
    shared:send(ctx.run)
    shared:receive(a_while())
    shared:receive(a_while())
    return fail(ctx)
end)

local stubborn = counted(function()
    while true do
        pcall(sutura.sleep, 0.5)
    end
end)

local passing = counted(function()
    return sutura.DO_NOT_RESTART
end)

---- The tree

local function hook(event)
    seen.gaps = seen.gaps + (event.seq == seen.last_seq + 1 and 0 or 1)
    seen.last_seq = event.seq
    if event.type == "escalate" then
        seen.escalated = seen.escalated + 1
    elseif event.service_name == "gives up" then
        seen.given_up = seen.given_up + 1
    elseif told[event.type] then
        told[event.type] = told[event.type] + 1
    elseif event.type == "stop_timeout" then
        seen.killed = seen.killed + 1
    end
    if math.random(10) == 1 then
        seen.raised = seen.raised + 1
        error("one in ten")
    end
end

local function supervisor(name, spec, ...)
    local sup = sutura.supervisor(name, spec)
    for _, body in ipairs { ... } do
        for _ = 1, 5 do
            sup:add("worker", body)
        end
    end
    return sup
end

local function build()
    local never_pause = { failure_threshold = math.huge }
    local root = sutura.supervisor("soak", { event_hook = hook, failure_threshold = math.huge })
    root:add(supervisor("one", never_pause, sleeper, sleeper, sleeper, sleeper, nester, waker, talker))
    root:add(supervisor("all", { failure_threshold = math.huge, strategy = "one_for_all" }, sleeper))
    root:add(supervisor("rest", { failure_threshold = math.huge, strategy = "rest_for_one" }, sleeper))
    root:add(supervisor("pauses", { failure_backoff = 0.05, failure_decay = 1 }, sleeper))
    root:add(supervisor("gives up", { intensity = 20, period = 1 }, waker))
    root:add(supervisor("restarts on purpose", never_pause))
    return root
end

-- Adds and removes, lets some be closed by force, and restarts on purpose.
local function meddle(ctx)
    local sup = ctx.supervisor
    while not ctx:wait(0.02) do
        local body = math.random(10) == 1 and stubborn or sleeper
        local token = sup:add("comes and goes", body, { shutdown = 0.01 })
        sup:add("passes", passing)
        sutura.sleep(a_while())
        sup:restart(token)
        sup:restart("restarts on purpose")
        sutura.sleep(a_while())
        sup:remove_and_wait(token)
        seen.pairs = seen.pairs + 1
    end
end

---- Looking

local samples = {}

local function resident()
    local file <close> = assert(io.open("/proc/self/statm"))
    local _, pages = file:read("n", "n")
    return math.tointeger(pages) * 4096
end

-- Least squares: bytes a minute.
local function slope()
    local n, sx, sy, sxx, sxy = #samples, 0, 0, 0, 0
    for _, sample in ipairs(samples) do
        local x, y = sample.time / 60, sample.bytes
        sx, sy, sxx, sxy = sx + x, sy + y, sxx + x * x, sxy + x * y
    end
    return (n * sxy - sx * sy) / (n * sxx - sx * sx)
end

local function watch(seconds)
    local began, every = sutura.now(), math.min(5, seconds / 10)
    local settled = math.min(120, seconds / 4)
    while sutura.now() - began < seconds do
        sutura.sleep(every)
        collectgarbage()
        if sutura.now() - began >= settled then
            samples[#samples + 1] = { time = sutura.now() - began, bytes = resident() }
        end
    end
end

-- What the runtime says of itself just before the stop, and after it.
local function run()
    local rt, root, stats = sutura.default_runtime(), build(), nil
    sutura.run(function()
        root:serve_background()
        root:add("meddler", meddle, { restart = "transient" })
        rt:stats { reset = true }
        watch(minutes * 60)
        stats = rt:stats()
        root:stop()
    end)
    return stats.lag, rt:stats()
end

---- The verdict

function log.write(line)
    seen.reported = seen.reported + (line:find("the event hook of supervisor", 1, true) and 1 or 0)
end
sutura.run(function() end)
local before = leaks.count()
local lag, after = run()
local left = leaks.since(before)

tap.check(seen.restarts >= LEAST_RESTARTS, "%d restarts in %g minutes, %d of %d runs begun have ended", seen.restarts,
    minutes, seen.ended, seen.begun)
tap.check(seen.ended == seen.begun, "each run that began has ended")
tap.check(seen.gaps == 0 and seen.last_seq == after.events.last_seq, "%d events were told, and none was left out",
    seen.last_seq)
tap.check(expected.service_terminate == told.service_terminate and expected.service_panic == told.service_panic,
    "%d of %d ends and %d of %d panics were told", told.service_terminate, expected.service_terminate,
    told.service_panic, expected.service_panic)
tap.check(seen.given_up == seen.escalated, "a supervisor gave up %d times, and was restarted", seen.escalated)
tap.check(seen.reported == seen.raised, "%d of %d hooks that raised were reported", seen.reported, seen.raised)
tap.check(seen.pairs > 0 and seen.killed > 0, "%d services were added and removed, %d closed by force", seen.pairs,
    seen.killed)
local growth = samples[#samples].bytes - samples[1].bytes
tap.check((slope() < MOST_SLOPE or minutes < 8) and (growth < MOST_GROWTH or KEEPS_FREED),
    "resident memory grew by %.1f KiB a minute, from %.1f to %.1f MiB", slope() / 1024, samples[1].bytes / 2 ^ 20,
    samples[#samples].bytes / 2 ^ 20)
tap.check(not left, "descriptors, references and coroutines are as before%s", left and ", but for " .. left or "")
tap.check(after.coroutines == 0 and after.timers == 0 and after.ready == 0, "%d coroutines, %d timers are left",
    after.coroutines, after.timers)
tap.check(lag.p99 < MOST_LAG or minutes < 8, "deadlines were %.3f ms late at most in 99 of 100 cases, %.1f ms once",
    lag.p99 * 1000, lag.max * 1000)
tap.finish()
