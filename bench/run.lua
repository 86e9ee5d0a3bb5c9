-- SPDX-License-Identifier: MIT
--
-- What sutura costs: memory of an idle service, adding and stopping at two sizes, the same of a template's children,
-- and a panic with its trace, event and restart against the same work in plain Lua. Each figure is printed with its
-- limit; a figure over its limit makes the exit status 1. Ratios are taken within one run: machines differ, and are
-- shared.

local sutura = require "sutura"

local clock = os.clock
local failed = false

local function median(list)
    table.sort(list)
    return list[(#list + 1) // 2]
end

local function row(what, figure, unit, limit, good)
    failed = failed or not good
    print(("%-52s %10.2f %-8s %-16s %s"):format(what, figure, unit, limit, good and "ok" or "OVER"))
end

local function resident()
    local file <close> = assert(io.open("/proc/self/statm"))
    local pages = file:read("a"):match("^%d+ (%d+)")
    return tonumber(pages) * 4096
end

local function idle()
    sutura.sleep(1e6)
end

-- A template with n idle children that have all begun to sleep, in a runtime of its own, and their tokens.
local function template(n)
    local rt = sutura.runtime { clock = "virtual" }
    local sup = rt:supervisor("bench")
    local pool = sup:template { name = "pool", run = idle, restart = "temporary" }
    sup:serve_background()
    rt:settle()
    local tokens = {}
    for i = 1, n do
        tokens[i] = pool:start(i)
    end
    rt:settle()
    return rt, pool, tokens
end

-- A tree of n idle services that have all begun to sleep, in a runtime of its own.
local function tree(n)
    local rt = sutura.runtime { clock = "virtual" }
    local sup = rt:supervisor("bench", { stop_order = "reverse", timeout = 10 })
    sup:serve_background()
    local began = clock()
    for i = 1, n do
        sup:add("service-" .. i, idle)
    end
    local added = clock() - began
    rt:settle()
    return rt, sup, added
end

local function memory(n)
    collectgarbage()
    collectgarbage()
    local before = resident()
    local rt, sup = tree(n)
    collectgarbage()
    collectgarbage()
    local each = (resident() - before) / n
    assert(sup:count().active == n)
    rt:close()
    return each
end

-- Seconds to add one service, and to stop one, at size n. Small trees are repeated to make their time measurable.
local function add_and_stop(n, total)
    local adds, stops = {}, {}
    for _ = 1, 3 do
        local add, stop = 0, 0
        for _ = 1, total // n do
            collectgarbage()
            local rt, sup, added = tree(n)
            add = add + added
            local began = clock()
            rt:run(function()
                assert(sup:stop() == nil)
            end)
            stop = stop + (clock() - began)
            rt:close()
        end
        adds[#adds + 1] = add / total
        stops[#stops + 1] = stop / total
    end
    return median(adds), median(stops)
end

-- Seconds to stop and to start a twentieth of a template's children, one by one and from both ends.
local function churn(rt, pool, tokens)
    local n = #tokens
    local began = clock()
    for i = 1, n // 40 do
        pool:terminate_child(tokens[i], 0)
        pool:terminate_child(tokens[n + 1 - i], 0)
        rt:settle()
    end
    local stopped = clock()
    for i = 1, n // 40 do
        tokens[i] = pool:start(i)
        tokens[n + 1 - i] = pool:start(n + i)
        rt:settle()
    end
    assert(pool:count().active == n)
    return clock() - stopped, stopped - began
end

-- Seconds to start one child of a template, and to stop one, among n. What others do only makes it slower.
local function start_and_stop(n, total)
    local start, stop = math.huge, math.huge
    for _ = 1, 5 do
        local starts, stops, each = 0, 0, n // 40 * 2
        for _ = 1, total // n do
            collectgarbage()
            local rt, pool, tokens = template(n)
            local started, stopped = churn(rt, pool, tokens)
            starts, stops = starts + started, stops + stopped
            rt:close()
        end
        start, stop = math.min(start, starts / (total // n * each)), math.min(stop, stops / (total // n * each))
    end
    return start, stop
end

-- Seconds for one panic with trace, event and restart, 10 frames deep.
local function deep(n)
    if n == 0 then
        error("out of luck")
    end
    deep(n - 1)
    return n
end

local function supervised(count)
    local rt = sutura.runtime { clock = "virtual" }
    local events = 0
    local sup = rt:supervisor("bench", {
        failure_threshold = math.huge,
        event_hook = function(event)
            events = events + #event.stacktrace // #event.stacktrace
        end,
    })
    local runs = 0
    sup:add("flaky", function(ctx)
        runs = runs + 1
        if runs <= count then
            deep(10)
        end
        ctx:wait()
    end)
    sup:serve_background()
    local began = clock()
    rt:settle()
    local took = clock() - began
    assert(events == count and runs == count + 1)
    rt:close()
    return took / count
end

local function plain(count)
    local events = 0
    local began = clock()
    for _ = 1, count do
        local co = coroutine.create(deep)
        local ok = coroutine.resume(co, 10)
        local trace = debug.traceback(co)
        events = events + (not ok and #trace // #trace or 0)
    end
    local took = clock() - began
    assert(events == count)
    return took / count
end

local function panics(count)
    local ours, theirs = {}, {}
    for i = 1, 5 do
        ours[i] = supervised(count)
        theirs[i] = plain(count)
    end
    return median(ours), median(theirs)
end

local N_SMALL, N_LARGE = 1000, 100000

print(("sutura %s on %s, libuv %s"):format(sutura._VERSION, _VERSION, require "sutura.core".uv_version))
local bytes = memory(N_LARGE)
row(("memory of an idle service, %d of them"):format(N_LARGE), bytes, "bytes", "at most 1600", bytes <= 1600)

-- What one costs among few and among many, and how much more that is.
local function compare(what, small, large)
    row(("%s at %d"):format(what, N_SMALL), small * 1e6, "us", "", true)
    row(("%s at %d"):format(what, N_LARGE), large * 1e6, "us", "", true)
    row("  ratio", large / small, "times", "at most 2", large <= 2 * small)
end

local add_small, stop_small = add_and_stop(N_SMALL, N_LARGE)
local add_large, stop_large = add_and_stop(N_LARGE, N_LARGE)
compare("add one service", add_small, add_large)
compare("stop one service", stop_small, stop_large)

local start_small, end_small = start_and_stop(N_SMALL, N_LARGE)
local start_large, end_large = start_and_stop(N_LARGE, N_LARGE)
compare("start one child of a template", start_small, start_large)
compare("stop one child of a template", end_small, end_large)

local ours, theirs = panics(20000)
row("panic, trace, event and restart", ours * 1e6, "us", "", true)
row("create, error, debug.traceback and create in plain Lua", theirs * 1e6, "us", "", true)
row("  ratio", theirs / ours, "times", "at least 3", theirs >= 3 * ours)

os.exit(not failed, true)
