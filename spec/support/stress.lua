-- SPDX-License-Identifier: MIT
--
-- A small world of supervisors in virtual time, driven at random: services that end in every way of the contract
-- (spec.support.stress_bodies), and calls that meddle with them from programs, services, hooks, closers and finalizers
-- (spec.support.stress_calls). It owns how such a world is made and what must hold in any of them: seq without a gap,
-- counts that agree, never two live runs, nobody who waits for nobody, an end in bounded time, nothing left. It knows
-- nothing of what any one call ought to answer. A seed decides everything but when garbage is collected.

local sutura = require "sutura"
local bodies = require "spec.support.stress_bodies"
local calls = require "spec.support.stress_calls"

local stress = {}

local RUNS = 400 -- after so many, services only sleep: a world may not go round at one instant for ever
local CALLS = 800
local SUPERVISORS = 12

local function sorted_keys(of)
    local keys = {}
    for key in pairs(of) do
        keys[#keys + 1] = key
    end
    table.sort(keys)
    return keys
end

local WAYS, CALL_NAMES = sorted_keys(bodies.ways), sorted_keys(calls)

-- ---- settings and options ----

local function jitter_of(world)
    return world.pick({
        sutura.no_jitter,
        function(delay) return delay / 2 end,
        function() return "no number" end,
        function() error(bodies.value(world)) end,
        function(delay) world.call() return delay end,
    })
end

local function settings_of(world)
    local settings = {
        event_hook = world.hook,
        timeout = world.pick({ 0, 1, 3 }),
        failure_backoff = world.pick({ 1, 5 }),
        resume_spacing = world.pick({ 0, 0.5 }),
        stop_order = world.pick({ "reverse", "parallel" }),
        strategy = world.pick({ "one_for_one", "one_for_all", "rest_for_one" }),
        auto_shutdown = world.pick({ "never", "never", "any_significant", "all_significant" }),
        dont_propagate_termination = world.chance(0.5),
        pass_through_panics = world.chance(0.05),
        lifecycle_events = world.chance(0.3),
        panic_locals = world.chance(0.3),
        backoff_jitter = world.chance(0.3) and jitter_of(world) or nil,
    }
    if world.chance(0.3) then
        settings.intensity, settings.period = world.number(4) - 1, world.number(10)
    else
        settings.failure_threshold = world.pick({ 1, 3, 5 })
        settings.escalate_after = world.chance(0.3) and world.number(3) or nil
    end
    return settings
end

local function backoff_of(world)
    local min = world.pick({ 0, 0.5, 1 })
    return {
        min = min, max = min + world.number(4), factor = world.pick({ 1, 2 }),
        reset_after = world.pick({ 0, 3, math.huge }), jitter = world.chance(0.5) and jitter_of(world) or nil,
    }
end

-- What the children of any supervisor may have; whether it may have significant ones is its own to say.
local function options_of(world, significant)
    local options = {
        kill = world.chance(0.8), shutdown = world.pick({ 0, 1, 2 }),
        restart = world.pick({ "permanent", "permanent", "transient", "temporary" }),
        backoff = world.chance(0.3) and backoff_of(world) or nil,
    }
    if options.kill and world.chance(0.1) then
        options.shutdown = "kill"
    end
    if options.restart ~= "permanent" and significant then
        options.significant = world.chance(0.5)
    end
    if world.chance(0.25) then
        options.ready = "notify"
        options.start_timeout = world.chance(0.6) and world.number(4) or nil
    end
    return options
end

-- Names of some that are there already.
local function after_of(world, names)
    if #names == 0 or world.chance(0.7) then
        return nil
    end
    local first, second = world.pick(names), world.pick(names)
    return { first, first ~= second and second or nil }
end

-- ---- what must hold ----

-- The next event has the next number, and none comes when the runtime is closed.
local function hook_of(world)
    return function(event)
        world.seq = world.seq + 1
        world.check(event.seq == world.seq, "event %s came as number %s", event.seq, world.seq)
        world.check(not world.closed, "an event after the end: %s", event)
        if world.chance(0.3) then
            world.call()
        end
        if world.chance(0.03) then
            local _calls <close> = setmetatable({}, { __close = function() world.call() end })
            error(bodies.value(world))
        end
    end
end

local INACTIVE = { stopped = true, queued = true, backing_off = true, restarting = true }

local function waits_for_siblings(record)
    local sibling = record.waiting_for or ""
    return record.state == "restarting"
        or record.state == "starting" and (sibling:find(" to be ready$") or sibling:find(" to stop$")) ~= nil
end

-- Somebody to wait for: on its way to run, or to its end.
local function keeps_waiting(record)
    return not waits_for_siblings(record) and record.state ~= "running" and record.state ~= "stopped"
end

local function check_children(world, sup)
    local children, count, state = sup:children(), sup:count(), sup:state()
    local active, waiting, awaited = 0, false, false
    for _, record in ipairs(children) do
        waiting = waiting or waits_for_siblings(record)
        awaited = awaited or keeps_waiting(record)
        if not INACTIVE[record.state] and not waits_for_siblings(record) then
            active = active + 1
        end
    world.check(state ~= "terminated" or record.state == "stopped" or record.state == "stopping",
            "%s is %s under what has terminated", record.path, record.state)
    end
    world.check(#children == count.specs and active == count.active, "count and children disagree at %s", sup)
    world.check(not waiting or awaited or state == "stopping", "children of %s wait for nobody", sup)
end

local function check_all(world)
    for _, sup in ipairs(world.sups) do
        world.undisturbed(check_children, world, sup)
    end
end

-- ---- the world ----

local function add_chance(world, seed)
    local state = seed * 2654435761 % 2147483648
    function world.number(most)
        state = (state * 1103515245 + 12345) % 2147483648
        return (state >> 8) % most + 1
    end
    function world.pick(from) return from[world.number(#from)] end
    function world.any(kind) return world.pick(world[kind]) end -- raises when there are none
    function world.chance(part) return world.number(1000) <= part * 1000 end
end

-- Not its status: a thread that was closed by force, and has kept an error, seems to be suspended.
local function lives(thread)
    return debug.getinfo(thread, 0, "l") ~= nil
end

-- What a service of the world runs: never twice at once. A run is over when its closer has been called, or, where the
-- close budget left no time for that, when nothing is on its thread.
local function body_of(world, way, options)
    local threads = {} -- of the runs that live, by the name: a template's children share the function
    return function(ctx, arg)
        local name = ctx.name
        world.check(not threads[name] or not lives(threads[name]), "%s lives twice", ctx)
        threads[name] = coroutine.running()
        local _ <close> = setmetatable({}, { __close = function() threads[name] = nil end })
        world.check(arg == nil or arg.name == name, "%s got the argument of another", ctx)
        world.runs = world.runs + 1
        if world.runs > RUNS then
            sutura.sleep(1000)
        end
        if world.chance(0.3) then
            world.keep("contexts", ctx)
        end
        if options.ready or world.chance(0.05) then
            bodies.get_ready(world, ctx)
        end
        return bodies.ways[way](world, ctx)
    end
end

local function add_making(world)
    function world.keep_token(sup, ...)
        local token = sup:add(...)
        if token then
            world.keep("tokens", { sup, token })
        end
    end
    function world.child(names, significant)
        local way, options = world.pick(WAYS), options_of(world, significant)
        world.named = world.named + 1
        options.name = world.chance(0.1) and way or way .. world.named
        options.after = after_of(world, names)
        options.run = body_of(world, way, options)
        return options
    end
    function world.add(sup)
        local names = {}
        for i, record in ipairs(sup:children()) do
            names[i] = record.name
        end
        world.keep_token(sup, world.child(names, true))
    end
    function world.supervisor()
        assert(#world.sups < SUPERVISORS, "enough")
        local settings, names = settings_of(world), {}
        settings.children = {}
        for i = 1, world.number(3) do
            settings.children[i] = world.child(names, settings.auto_shutdown ~= "never")
            settings.children[i].name = ("%s-%d"):format(settings.children[i].name, i)
            names[i] = settings.children[i].name
        end
        local sup = world.rt:supervisor("s" .. #world.sups, settings)
        world.sups[#world.sups + 1] = sup
        for _ = 1, world.number(2) - 1 do
            pcall(world.add, sup)
        end
        return sup
    end
    function world.tree_options()
        return { restart = world.pick({ "permanent", "transient", "temporary" }), kill = world.chance(0.8),
            backoff = world.chance(0.2) and backoff_of(world) or nil }
    end
    function world.template(sup)
        assert(#world.sups < SUPERVISORS, "enough")
        local given, options = settings_of(world), options_of(world, false)
        given.strategy, given.auto_shutdown, given.event_hook = nil, nil, nil
        for key, value in pairs(options) do
            given[key] = value
        end
        given.name = "t" .. #world.sups
        given.max_children = world.chance(0.5) and world.number(8) or nil
        given.run = body_of(world, world.pick(WAYS), options)
        local template = sup:template(given)
        if template then
            world.sups[#world.sups + 1] = template
            world.keep("templates", template)
        end
    end
    function world.start(template)
        world.named = world.named + 1
        local arg = { name = "x" .. world.named }
        world.weak[arg] = "an argument"
        local token = template:start(arg, arg.name)
        if token then
            world.keep("tokens", { template, token })
        end
    end
end

local function new_world(seed)
    local world = { sups = {}, weak = setmetatable({}, { __mode = "k" }) }
    world.seq, world.runs, world.made, world.depth, world.named = 0, 0, 0, 0, 0
    for _, kind in ipairs({ "tokens", "resumes", "contexts", "cancels", "threads", "templates" }) do
        world[kind] = {}
    end
    add_chance(world, seed)
    add_making(world)
    world.hook = hook_of(world)
    world.sorted_keys = sorted_keys
    function world.settings() return settings_of(world) end
    function world.check(holds, text, ...)
        if not holds then
            world.problem = world.problem or text:format(...)
        end
    end
    function world.undisturbed(call, ...)
        collectgarbage("stop") -- no finalizer may change anything meanwhile
        local ok, problem = pcall(call, ...)
        collectgarbage("restart")
        if not ok then error(problem, 0) end
    end
    function world.keep(kind, value)
        local list = world[kind]
        list[#list < 20 and #list + 1 or world.number(20)] = value
    end
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
    return world
end

-- What only the world kept is gone with it.
local function check_garbage(world)
    for _, kind in ipairs({ "sups", "tokens", "resumes", "contexts", "cancels", "threads", "templates" }) do
        world[kind] = {}
    end
    for _ = 1, 4 do
        collectgarbage()
    end
    world.check(next(world.weak) == nil, "%s is left", world.weak[next(world.weak)])
end

--- Lives through one world.
---@param seed integer
---@return string? problem what did not hold
---@return table world with what came about: `runs`, `made` (calls), `seq` (events)
function stress.run(seed)
    local world = new_world(seed)
    world.rt = sutura.runtime{ clock = "virtual", seed = seed, close_budget = 0.0005 }
    for _ = 1, 3 do
        world.supervisor():serve_background()
    end
    world.rt:run(function()
        for _ = 1, 40 do
            world.call()
            check_all(world)
            sutura.sleep(world.number(20) / 10)
        end
    end)
    world.over = true
    world.rt:close()
    world.closed, world.rt = true, nil
    check_garbage(world)
    return world.problem, world
end

return stress
