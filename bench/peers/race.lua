-- SPDX-License-Identifier: MIT
--
-- The works of the race in order, with their sizes, what is printed of each, and where sutura must stand. A limit is a
-- bound of the ratio "sutura to it": of the figure that sutura had by the one that a contestant had in the same round;
-- `most` is a bound of sutura's figure itself. bench/peers/works.lua says what each work does.

local LIKE_HANDS = { "luv", "cqueues" }
local LOOPS = { "cqueues", "copas", "luv" }
local ALL = { "lua", "luv", "cqueues", "copas", "suture-1", "suture-2", "otp" }
local SUTURE = { "suture-1", "suture-2" }

-- The limits { floor = bound, CONTESTANT = bound... }.
local function against(floor, bound, names, more)
    local limits = { floor = floor }
    for _, name in ipairs(names) do
        limits[name] = bound
    end
    for name, other in pairs(more or {}) do
        limits[name] = other
    end
    return limits
end

local function union(...)
    local all = {}
    for _, list in ipairs { ... } do
        table.move(list, 1, #list, #all + 1, all)
    end
    return all
end

local function rate(limits, scale)
    local unit = scale == 1e6 and "M/s" or "k/s"
    return { name = "per_second", unit = unit, scale = scale or 1e3, better = "more", limits = limits }
end

local function less(name, unit, limits, most)
    return { name = name, unit = unit, scale = 1, better = "less", limits = limits, most = most }
end

local AHEAD = against(0.7, 1, ALL)
local FRUGAL = against(1.3, 1, union(SUTURE, { "otp" }), { lua = 1.05 })
local PANIC = against(0.5, 5, union(SUTURE, { "luv" }))

local works = {}

local function work(name, n, services, what, ...)
    works[#works + 1] = { name = name, n = n, services = services, what = what, figures = { ... } }
end

for _, n in ipairs { 10000, 100000, 1000000 } do
    work("add", n, 1, "services added, begun and waiting", rate(AHEAD))
end
for _, n in ipairs { 10000, 100000, 1000000 } do
    work("bytes", n, 1, "idle services, resident memory of each", less("bytes", "bytes", FRUGAL))
end
work("panic", 200000, 1, "panics of one service, with trace and hook, to restarted", rate(PANIC))
work("panic", 200000, 1000, "panics of 1,000 services in turn", rate(PANIC))
work("plain-end", 200000, 1, "plain ends of one service, with hook, to restarted",
    rate(against(0.5, 1, union(SUTURE, { "luv" }))))
work("stop", 100000, 1, "services stopped, the last first", rate(against(0.4, 1, ALL)))
work("chain", 1000, 1, "supervisors, each in the one before",
    less("start_ms", "ms to start"), less("stop_ms", "ms to stop"))
work("wide", 10, 1, "levels of a tree with 3 children each, 29,524 nodes",
    less("start_ms", "ms to start"), less("stop_ms", "ms to stop"))
work("sleepers", 10000, 1, "services that sleep 1 to 100 ms at random, for 5 s",
    less("cpu_us", "us each", against(1.5, 1, LIKE_HANDS)),
    less("p99_ms", "ms late", against(nil, 1, LIKE_HANDS), 2))
work("sleepers", 100000, 1, "services that sleep 1 to 100 ms at random, for 5 s",
    rate(against(0.7, 1, union(SUTURE, LIKE_HANDS))), less("p99_ms", "ms late"))
work("pingpong", 500000, 1, "times there and back between two services", rate(against(0.6, 1, LOOPS)))
work("yield", 2000000, 2, "yields of 2 services", rate(against(0.6, 1, LOOPS), 1e6))
work("yield", 2000000, 100, "yields of 100 services", rate(against(0.6, 1, LOOPS), 1e6))
work("idle", 100, 1, "idle services, processor time in 5 s", less("cpu_ms", "ms"))
work("cold", 20, 1, "runs of a whole program in which one service begins",
    less("wall_ms", "ms"), less("rss_mb", "MB"))

return works
