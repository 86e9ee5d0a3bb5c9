-- SPDX-License-Identifier: MIT
--
-- What the services and hooks of the C floor run, as bench/peers/works.lua has it for contestants in Lua: given the
-- floor's primitives, the functions by name. wait() returns what the service is resumed with; post(name, value) resumes
-- the service of that name, which waits, with the value.

local floor = ...
local wait, sleep, yield, post, now, random = floor.wait, floor.sleep, floor.yield, floor.post, floor.now, math.random

local bodies = {}
local left, ended, wakeups, kept, late = 0, 0, 0, 0, {}

-- Before a work, and again when its figures are to count from now on.
function bodies.begin(n)
    left, ended, wakeups, kept, late = n, 0, 0, 0, {}
end

function bodies.ended()
    return ended
end

function bodies.wakeups()
    return wakeups
end

function bodies.lateness()
    table.sort(late)
    return late[math.ceil(kept * 0.99)]
end

function bodies.idle()
    ended = ended + 1
    wait()
end

function bodies.returns()
    if left > 0 then
        left = left - 1
        return
    end
    wait()
end

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

function bodies.panics()
    if left > 0 then
        left = left - 1
        return fail(left)
    end
    wait()
end

local bytes = 0

function bodies.panic_hook(event)
    ended = ended + 1
    bytes = bytes + #event.error_msg + #event.stacktrace
end

function bodies.end_hook(event)
    if event.type == "service_terminate" then
        ended = ended + 1
    end
end

function bodies.sleeper()
    while true do
        sleep(0.001 + random() * 0.099)
        wakeups = wakeups + 1
    end
end

function bodies.measured()
    while true do
        local span = 0.001 + random() * 0.099
        local due = now() + span
        sleep(span)
        kept = kept + 1
        late[kept] = now() - due
        wakeups = wakeups + 1
    end
end

function bodies.pong()
    for _ = 1, left do
        post("ping", wait() + 1)
    end
    wait()
end

function bodies.ping()
    local ball = 0
    for _ = 1, left do
        post("pong", ball)
        ball = wait()
    end
    ended = ball
    wait()
end

function bodies.yields()
    for _ = 1, left do
        yield()
    end
    ended = ended + 1
    wait()
end

return bodies
