-- SPDX-License-Identifier: MIT
--
-- A small world of supervisors in virtual time, driven at random: services that end in every way of the contract, and
-- calls that meddle with them from programs, services, hooks, closers and finalizers. It owns what must hold in any
-- such world (seq without a gap, counts that agree, an end in bounded time); it knows nothing of what any one call
-- ought to answer. A seed decides everything but when garbage is collected.

local sutura = require "sutura"
local core = require "sutura.core"

local stress = {}

local RUNS = 400 -- after so many, services only sleep: a world may not go round at one instant for ever
local CALLS = 800

-- Values that are raised and returned, some of them hard to print.
local VALUES = {
    function() return "a string" end,
    function() return {} end,
    function() return nil end,
    function() return setmetatable({}, { __tostring = function() error("no text") end }) end,
    function() return setmetatable({}, { __tostring = function() return {} end }) end,
    function() return sutura.CANCELED end,
    function() return sutura.wrap(sutura.TERMINATE_TREE, "wrapped") end,
}

-- ---- what services do; each gets the world and its context ----

local bodies = {}

function bodies.ends(world) sutura.sleep(world.number(3)) return world.pick(VALUES)() end
function bodies.fails(world) sutura.sleep(world.number(3)) return nil, world.pick(VALUES)() end
function bodies.raises(world) sutura.sleep(world.number(3)) error(world.pick(VALUES)()) end
function bodies.leaves(world) sutura.sleep(world.number(4)) return sutura.DO_NOT_RESTART end
function bodies.ends_tree(world) sutura.sleep(world.number(20)) return sutura.TERMINATE_TREE end
function bodies.waits(world, ctx) while not ctx:wait(world.number(3)) do end end
function bodies.yields_bare() sutura.sleep(1) coroutine.yield(1) end
function bodies.sorts() sutura.sleep(1) table.sort({ 3, 2, 1 }, function(a, b) sutura.sleep(1) return a < b end) end
function bodies.hangs(world) while true do pcall(sutura.sleep, world.number(3)) end end

function bodies.nests()
    local inner = coroutine.wrap(function()
        sutura.shield(function()
            sutura.sleep(1)
            coroutine.yield()
            sutura.sleep(1)
        end)
    end)
    inner()
    sutura.sleep(1)
    inner()
end

function bodies.closes(world)
    local _slow <close> = setmetatable({}, {
        __close = function() sutura.shield(function() sutura.sleep(world.number(3)) end) end,
    })
    local _raises <close> = setmetatable({}, { __close = function() error(world.pick(VALUES)()) end })
    local _calls <close> = setmetatable({}, { __close = function() world.call() end })
    sutura.sleep(world.number(4))
end

function bodies.awaits(world)
    return sutura.await(function(resume)
        world.keep("resumes", resume)
        return function()
            world.call()
            error(world.pick(VALUES)())
        end
    end, world.number(5))
end

function bodies.derives(world, ctx)
    local derived, cancel = ctx:with_timeout(world.number(3))
    world.keep("contexts", derived:with_value("key", ctx))
    world.keep("cancels", cancel)
    derived:wait(world.number(5))
end

function bodies.serves(world, ctx)
    local sup = world.supervisor()
    return sup:serve(world.chance(0.5) and ctx or nil)
end

function bodies.serves_aside(world)
    local _handle <close> = world.supervisor():serve_background()
    sutura.sleep(world.number(5))
end

function bodies.is_meddled_with(world)
    world.keep("threads", (coroutine.running()))
    sutura.sleep(world.number(4))
end

function bodies.has_helper(world)
    core.spawn(function()
        for _ = 1, 3 do
            sutura.sleep(1)
            world.call()
        end
    end)
    sutura.sleep(world.number(5))
end

function bodies.calls(world)
    while true do
        sutura.sleep(world.number(3))
        world.call()
    end
end

-- ---- calls; any of them may raise ----

local calls = {}

function calls.add(world) world.add(world.pick(world.sups)) end
function calls.add_tree(world) world.keep_token(world.pick(world.sups), world.supervisor()) end
function calls.move(world) world.keep_token(world.pick(world.sups), world.pick(world.sups)) end
function calls.begin(world) world.pick(world.sups):serve_background() end
function calls.begin_under(world) world.pick(world.sups):serve_background(world.any("contexts")) end
function calls.stop(world) world.pick(world.sups):stop(world.number(4) - 1) end
function calls.kill(world) if world.chance(0.3) then core.kill(world.pick(world.sups)) end end
function calls.resume(world) world.any("resumes")(1, nil, 2) end
function calls.cancel(world) world.any("cancels")(world.pick(VALUES)()) end
function calls.collect() collectgarbage() end

function calls.remove(world)
    local entry = world.any("tokens")
    entry[1]:remove(entry[2])
end

function calls.remove_and_wait(world)
    local entry = world.any("tokens")
    entry[1]:remove_and_wait(entry[2], world.number(3) - 1)
end

function calls.restart(world)
    local entry = world.any("tokens")
    entry[1]:restart(entry[2])
end

function calls.look(world)
    local sup = world.pick(world.sups)
    return sup:tree(), sup:services(), tostring(sup), tostring(world.any("tokens")[2])
end

function calls.ask_context(world)
    local ctx = world.any("contexts")
    return ctx:err(), ctx:cause(), ctx:value("none"), ctx:deadline(), tostring(ctx)
end

function calls.meddle(world)
    local thread = world.any("threads")
    if world.chance(0.5) then
        coroutine.resume(thread)
    else
        coroutine.close(thread)
    end
end

function calls.leave_garbage(world)
    local garbage = { world.pick(world.sups) }
    setmetatable(garbage, {
        __gc = function()
            if not world.over then
                pcall(garbage[1].tree, garbage[1])
                world.call()
            end
        end,
    })
end

local function sorted_keys(of)
    local keys = {}
    for key in pairs(of) do
        keys[#keys + 1] = key
    end
    table.sort(keys)
    return keys
end

local BODIES, CALL_NAMES = sorted_keys(bodies), sorted_keys(calls)

-- ---- the world ----

local function spec_of(world)
    return {
        event_hook = world.hook,
        timeout = world.pick({ 0, 1, 3 }),
        failure_threshold = world.pick({ 1, 3, 5 }),
        failure_backoff = world.pick({ 1, 5 }),
        resume_spacing = world.pick({ 0, 0.5 }),
        stop_order = world.pick({ "reverse", "parallel" }),
        dont_propagate_termination = world.chance(0.5),
        lifecycle_events = world.chance(0.3),
        panic_locals = world.chance(0.3),
    }
end

-- The next event has the next number, and none comes when the runtime is closed.
local function hook_of(world)
    return function(event)
        world.seq = world.seq + 1
        if event.seq ~= world.seq then
            world.problem = world.problem or ("event %d came as number %d"):format(event.seq, world.seq)
        elseif world.closed then
            world.problem = world.problem or ("an event after the end: %s"):format(event)
        end
        if world.chance(0.3) then
            world.call()
        end
        if world.chance(0.03) then
            local _calls <close> = setmetatable({}, { __close = function() world.call() end })
            error(world.pick(VALUES)())
        end
    end
end

local function check_counts(world, sup)
    collectgarbage("stop") -- between the calls no finalizer may change anything
    local children, count, state, active = sup:children(), sup:count(), sup:state(), 0
    collectgarbage("restart")
    for _, record in ipairs(children) do
        if record.state ~= "stopped" and record.state ~= "queued" then
            active = active + 1
        end
        if state == "terminated" and (record.state == "running" or record.state == "queued") then
            world.problem = world.problem or ("%s is %s under what has terminated"):format(record.path, record.state)
        end
    end
    if #children ~= count.specs or active ~= count.active then
        world.problem = world.problem or ("count and children disagree at %s"):format(sup)
    end
end

local function new_world(seed)
    local state = seed * 2654435761 % 2147483648
    local world = { sups = {}, tokens = {}, resumes = {}, contexts = {}, cancels = {}, threads = {} }
    world.seq, world.runs, world.made, world.depth = 0, 0, 0, 0
    function world.number(most)
        state = (state * 1103515245 + 12345) % 2147483648
        return (state >> 8) % most + 1
    end
    function world.pick(from) return from[world.number(#from)] end
    function world.any(kind) return world.pick(world[kind]) end -- raises when there are none
    function world.chance(part) return world.number(1000) <= part * 1000 end
    function world.keep(kind, value)
        local list = world[kind]
        list[#list < 20 and #list + 1 or world.number(20)] = value
    end
    world.hook = hook_of(world)
    function world.call()
        world.made = world.made + 1
        if world.made > CALLS or world.depth > 3 or world.over then
            return
        end
        local waits = coroutine.isyieldable()
        world.depth = world.depth + (waits and 0 or 1)
        pcall(calls[world.pick(CALL_NAMES)], world)
        world.depth = world.depth - (waits and 0 or 1)
    end
    function world.keep_token(sup, ...)
        local token = sup:add(...)
        if token then
            world.keep("tokens", { sup, token })
        end
    end
    function world.add(sup)
        local name = world.pick(BODIES)
        world.keep_token(sup, name, function(ctx)
            world.runs = world.runs + 1
            if world.runs > RUNS then
                sutura.sleep(1000)
            end
            return bodies[name](world, ctx)
        end, { kill = world.chance(0.8), shutdown = world.pick({ 0, 1, 2 }) })
    end
    function world.supervisor()
        assert(#world.sups < 12, "enough")
        local sup = world.rt:supervisor("s" .. #world.sups, spec_of(world))
        world.sups[#world.sups + 1] = sup
        for _ = 1, world.number(3) do
            world.add(sup)
        end
        return sup
    end
    return world
end

--- Lives through one world.
---@param seed integer
---@return string? problem what did not hold
---@return table world with what came about: `runs`, `made` (calls), `seq` (events)
function stress.run(seed)
    local world = new_world(seed)
    local rt = sutura.runtime{ clock = "virtual", seed = seed, close_budget = 0.0005 }
    world.rt = rt
    for _ = 1, 3 do
        world.supervisor():serve_background()
    end
    local function live()
        for _ = 1, 40 do
            world.call()
            for _, sup in ipairs(world.sups) do
                check_counts(world, sup)
            end
            sutura.sleep(world.number(20) / 10)
        end
    end
    rt:run(live)
    world.over = true
    rt:close()
    world.closed = true
    collectgarbage()
    return world.problem, world
end

return stress
