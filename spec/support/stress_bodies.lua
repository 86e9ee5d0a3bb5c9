-- SPDX-License-Identifier: MIT
--
-- What the services of a stress world do (spec.support.stress): end in every way of the contract, wait in every way,
-- and call. Each gets the world and its context; any of them may be told at any time to stop, or be closed.

local sutura = require "sutura"
local core = require "sutura.core"

local bodies = {}

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

--- A value that few expect.
function bodies.value(world)
    return world.pick(VALUES)()
end

local ways = {}
bodies.ways = ways

function ways.ends(world) sutura.sleep(world.number(3)) return bodies.value(world) end
function ways.fails(world) sutura.sleep(world.number(3)) return nil, bodies.value(world) end
function ways.raises(world) sutura.sleep(world.number(3)) error(bodies.value(world)) end
function ways.leaves(world) sutura.sleep(world.number(4)) return sutura.DO_NOT_RESTART end
function ways.ends_tree(world) sutura.sleep(world.number(20)) return sutura.TERMINATE_TREE end
function ways.waits(world, ctx) while not ctx:wait(world.number(3)) do end end
function ways.yields_bare() sutura.sleep(1) coroutine.yield(1) end
function ways.sorts() sutura.sleep(1) table.sort({ 3, 2, 1 }, function(a, b) sutura.sleep(1) return a < b end) end
function ways.hangs(world) while true do pcall(sutura.sleep, world.number(3)) end end

function ways.nests()
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

function ways.closes(world)
    local _slow <close> = setmetatable({}, {
        __close = function() sutura.shield(function() sutura.sleep(world.number(3)) end) end,
    })
    local _raises <close> = setmetatable({}, { __close = function() error(bodies.value(world)) end })
    local _calls <close> = setmetatable({}, { __close = function() world.call() end })
    sutura.sleep(world.number(4))
end

function ways.awaits(world)
    return sutura.await(function(resume)
        world.keep("resumes", resume)
        return function()
            world.call()
            error(bodies.value(world))
        end
    end, world.number(5))
end

function ways.derives(world, ctx)
    local derived, cancel = ctx:with_timeout(world.number(3))
    world.keep("contexts", derived:with_value("key", ctx))
    world.keep("cancels", cancel)
    derived:wait(world.number(5))
end

function ways.serves(world, ctx)
    local sup = world.supervisor()
    return sup:serve(world.chance(0.5) and ctx or nil)
end

function ways.serves_aside(world)
    local _handle <close> = world.supervisor():serve_background()
    sutura.sleep(world.number(5))
end

function ways.is_meddled_with(world)
    world.keep("threads", (coroutine.running()))
    sutura.sleep(world.number(4))
end

function ways.has_helper(world)
    core.spawn(function()
        for _ = 1, 3 do
            sutura.sleep(1)
            world.call()
        end
    end)
    sutura.sleep(world.number(5))
end

function ways.calls(world)
    while true do
        sutura.sleep(world.number(3))
        world.call()
    end
end

function ways.calls_once(world, ctx)
    world.call()
    ctx:wait()
end

--- What a service that tells of its readiness does before anything else: it may get ready at once, late, or never.
function bodies.get_ready(world, ctx)
    if world.chance(0.2) then
        sutura.sleep(world.number(4))
    elseif world.chance(0.2) then
        return
    end
    ctx:ready(bodies.value(world))
    if world.chance(0.2) then
        sutura.sleep(1)
        ctx:ready()
    end
end

return bodies
