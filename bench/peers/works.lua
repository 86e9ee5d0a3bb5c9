-- SPDX-License-Identifier: MIT
--
-- usage, by a contestant in Lua: require "bench.peers.works" (peer), with WORK N [SERVICES] in `arg`
--
-- The works of the race, written once for all contestants in Lua. Each does its work on the scheduler and supervisor
-- of `peer`, and prints a line `figure value` for each thing that it measured. It knows nothing about how they work:
--
--     peer.run(main)           runs main in the peer's loop until it returns
--     peer.serve(hook)         a root that runs, which restarts at once and for ever, and calls hook(event) at each end
--     peer.nested(name)        a supervisor that is to be added to another one
--     sup:add(name, service)   a function, which is given its context, or a nested supervisor
--     sup:stop()               stops the tree, last first, and returns when all of it has stopped
--     peer.idle                a service that waits until it is stopped, without a timer
--     peer.sleep(s), peer.yield(), peer.now()
--     peer.mailbox()           a box that holds one value
--     peer.send(box, value), peer.receive(box), which waits until there is one
--
-- What is printed as a time is the processor time of the process, which on a shared machine says more than the clock on
-- the wall; a contestant with more than one thread takes the smaller of the two (docs/performance.md).

local works = {}

local cpu = os.clock

local function print_figure(name, value)
    print(("%s %.9g"):format(name, value))
end

-- Only one in so many sleepers looks at the clock: looking costs as much as a tenth of a wakeup.
local MEASURED = 16

local function resident()
    local file <close> = assert(io.open("/proc/self/statm"))
    return tonumber(file:read("a"):match("^%d+ (%d+)")) * 4096
end

local function collect()
    collectgarbage()
    collectgarbage()
end

-- n idle services under a root of their own, all of which have begun to wait.
local function crowd(peer, n)
    local sup = peer.serve(print)
    local done = peer.mailbox()
    local begun, idle = 0, peer.idle
    local function service(ctx)
        begun = begun + 1
        if begun == n then
            peer.send(done, true)
        end
        return idle(ctx)
    end
    for i = 1, n do
        sup:add("service-" .. i, service)
    end
    peer.receive(done)
    return sup
end

function works.add(peer, n)
    crowd(peer, 1000):stop()
    collect()
    local began = cpu()
    crowd(peer, n)
    print_figure("per_second", n / (cpu() - began))
end

function works.bytes(peer, n)
    collect()
    local before, counted = resident(), collectgarbage("count")
    local sup = crowd(peer, n)
    collect()
    print_figure("bytes", (resident() - before) / n)
    print_figure("lua_bytes", (collectgarbage("count") - counted) * 1024 / n)
    return sup
end

function works.stop(peer, n)
    crowd(peer, 1000):stop()
    local sup = crowd(peer, n)
    collect()
    local began = cpu()
    sup:stop()
    print_figure("per_second", n / (cpu() - began))
end

-- Runs `services` services until they have ended n times together, each end by `finish`, and gives the seconds.
local function ends(peer, n, services, hook, finish)
    local sup = peer.serve(hook)
    local done = peer.mailbox()
    local left, settled, idle = n, 0, peer.idle
    local function service(ctx)
        if left > 0 then
            left = left - 1
            return finish(left)
        end
        settled = settled + 1
        if settled == services then
            peer.send(done, true)
        end
        return idle(ctx)
    end
    local began = cpu()
    for i = 1, services do
        sup:add("service-" .. i, service)
    end
    peer.receive(done)
    local took = cpu() - began
    sup:stop()
    return took
end

-- An error three calls deep. The second statement keeps each call from being a tail call.
local function parse(line)
    error("out of luck")
    return line
end

local function handle(line)
    local parsed = parse(line)
    return parsed
end

local function fail(line)
    local handled = handle(line)
    return handled
end

function works.panic(peer, n, services)
    local events, bytes = 0, 0
    local function hook(event)
        events = events + 1
        bytes = bytes + #event.error_msg + #event.stacktrace
    end
    ends(peer, services + 1000, services, hook, fail)
    local took = ends(peer, n, services, hook, fail)
    assert(events == n + services + 1000 and bytes > 100 * events)
    print_figure("per_second", n / took)
end

function works.plain_end(peer, n, services)
    local events = 0
    local function hook(event)
        if event.type == "service_terminate" then
            events = events + 1
        end
    end
    local function finish() end
    ends(peer, 1000, services, hook, finish)
    local took = ends(peer, n, services, hook, finish)
    assert(events == n + 1000)
    print_figure("per_second", n / took)
end

-- Adds what `build` gives to a root that runs, waits until `leaves` services have begun, and stops the root.
local function plant(peer, leaves, build)
    local done = peer.mailbox()
    local begun, idle = 0, peer.idle
    local function leaf(ctx)
        begun = begun + 1
        if begun == leaves then
            peer.send(done, true)
        end
        return idle(ctx)
    end
    collect()
    local began = cpu()
    local root = peer.serve(print)
    root:add("tree", build(leaf))
    peer.receive(done)
    local standing = cpu()
    root:stop()
    return standing - began, cpu() - standing
end

local function trees(peer, leaves, build)
    plant(peer, leaves, build)
    local start, stop, times = 0, 0, 5
    for _ = 1, times do
        local started, stopped = plant(peer, leaves, build)
        start, stop = start + started, stop + stopped
    end
    print_figure("start_ms", start / times * 1e3)
    print_figure("stop_ms", stop / times * 1e3)
end

-- n supervisors, each under the one before, and one service under the last.
function works.chain(peer, n)
    local function build(leaf)
        local below = leaf
        for i = n, 1, -1 do
            local sup = peer.nested("level-" .. i)
            sup:add("below", below)
            below = sup
        end
        return below
    end
    trees(peer, 1, build)
end

-- A tree of n levels in which each supervisor has three children, and those in the last level are services.
function works.wide(peer, n)
    local function build(leaf, level)
        if level == n then
            return leaf
        end
        local sup = peer.nested("level-" .. level)
        for i = 1, 3 do
            sup:add("child-" .. i, build(leaf, level + 1))
        end
        return sup
    end
    trees(peer, 3 ^ (n - 1), function(leaf)
        return build(leaf, 1)
    end)
end

local function percentile(list, part)
    table.sort(list)
    return list[math.ceil(#list * part)]
end

-- n services that sleep 1 to 100 ms at random, watched for some seconds.
function works.sleepers(peer, n)
    local random, sleep, now = math.random, peer.sleep, peer.now
    local wakeups, late, kept = 0, {}, 0
    local function sleeper()
        while true do
            sleep(0.001 + random() * 0.099)
            wakeups = wakeups + 1
        end
    end
    local function measured()
        while true do
            local span = 0.001 + random() * 0.099
            local due = now() + span
            sleep(span)
            kept = kept + 1
            late[kept] = now() - due
            wakeups = wakeups + 1
        end
    end
    local sup = peer.serve(print)
    for i = 1, n do
        sup:add("service-" .. i, i % MEASURED == 0 and measured or sleeper)
    end
    sleep(0.5)
    wakeups, kept = 0, 0
    for i = #late, 1, -1 do
        late[i] = nil
    end
    local began, began_cpu = now(), cpu()
    sleep(5)
    local took, used = now() - began, cpu() - began_cpu
    print_figure("per_second", wakeups / math.min(took, used))
    print_figure("cpu_us", used / wakeups * 1e6)
    print_figure("p99_ms", percentile(late, 0.99) * 1e3)
end

-- Two services hand a number to each other, n times there and back.
function works.pingpong(peer, n)
    local send, receive = peer.send, peer.receive
    local function play(count)
        local sup = peer.serve(print)
        local to_ping, to_pong = peer.mailbox(), peer.mailbox()
        local done = peer.mailbox()
        sup:add("pong", function(ctx)
            for _ = 1, count do
                send(to_ping, receive(to_pong) + 1)
            end
            return peer.idle(ctx)
        end)
        sup:add("ping", function(ctx)
            local ball = 0
            for _ = 1, count do
                send(to_pong, ball)
                ball = receive(to_ping)
            end
            assert(ball == count)
            peer.send(done, true)
            return peer.idle(ctx)
        end)
        peer.receive(done)
        sup:stop()
    end
    play(1000)
    local began = cpu()
    play(n)
    print_figure("per_second", n / (cpu() - began))
end

-- Some services yield n times together.
function works.yield(peer, n, services)
    local yield = peer.yield
    local function play(each)
        local sup = peer.serve(print)
        local done = peer.mailbox()
        local ended = 0
        for i = 1, services do
            sup:add("service-" .. i, function(ctx)
                for _ = 1, each do
                    yield()
                end
                ended = ended + 1
                if ended == services then
                    peer.send(done, true)
                end
                return peer.idle(ctx)
            end)
        end
        peer.receive(done)
        sup:stop()
    end
    play(100)
    local began = cpu()
    play(n // services)
    print_figure("per_second", n / (cpu() - began))
end

-- What n idle services cost in some seconds.
function works.idle(peer, n)
    local sup = crowd(peer, n)
    peer.sleep(0.1)
    local began = cpu()
    peer.sleep(5)
    print_figure("cpu_ms", (cpu() - began) * 1e3)
    return sup
end

-- One service that has begun: the race times the whole program.
function works.cold(peer)
    crowd(peer, 1)
    print_figure("rss_mb", resident() / 2 ^ 20)
end

return function(peer)
    local name, n, services = arg[1], tonumber(arg[2]), tonumber(arg[3]) or 1
    local work = works[name:gsub("-", "_")] or error("no work is called " .. name)
    peer.run(function()
        work(peer, n, services)
        io.stdout:flush()
        os.exit(true, false) -- neither garbage nor services are any part of the work
    end)
end
