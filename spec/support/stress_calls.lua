-- SPDX-License-Identifier: MIT
--
-- The calls that meddle with the services of a stress world (spec.support.stress), from wherever it likes: every
-- method that changes something, with arguments that are mostly right. Any of them may raise.

local core = require "sutura.core"
local bodies = require "spec.support.stress_bodies"

local calls = {}

-- A service of the world: its supervisor, and its token or its name.
local function any_service(world)
    if world.chance(0.5) then
        return table.unpack(world.any("tokens"))
    end
    local sup = world.pick(world.sups)
    return sup, world.pick(sup:children()).name
end

-- Seconds to wait: none, some, or rather more than the world lasts.
local function limit(world)
    return world.pick({ 0, 1, 2, 5 })
end

-- ---- trees ----

function calls.add(world) world.add(world.pick(world.sups)) end
function calls.add_tree(world) world.keep_token(world.pick(world.sups), world.supervisor(), world.tree_options()) end
function calls.move(world) world.keep_token(world.pick(world.sups), world.pick(world.sups), world.tree_options()) end
function calls.begin(world) world.pick(world.sups):serve_background() end
function calls.begin_under(world) world.pick(world.sups):serve_background(world.any("contexts")) end
function calls.stop(world) world.pick(world.sups):stop(limit(world)) end
function calls.kill(world) if world.chance(0.3) then core.kill(world.pick(world.sups)) end end
function calls.wait_ready(world) world.pick(world.sups):wait_ready(limit(world)) end
function calls.add_template(world) world.template(world.pick(world.sups)) end
function calls.start(world) world.start(world.any("templates")) end

function calls.start_many(world)
    local template = world.any("templates")
    for _ = 1, 5 do
        world.start(template)
    end
end

-- ---- single services ----

function calls.remove(world)
    local entry = world.any("tokens")
    entry[1]:remove(entry[2])
end

function calls.remove_and_wait(world)
    local entry = world.any("tokens")
    entry[1]:remove_and_wait(entry[2], limit(world))
end

function calls.restart(world)
    local sup, which = any_service(world)
    sup:restart(which)
end

function calls.terminate(world)
    local sup, which = any_service(world)
    sup:terminate_child(which, limit(world))
end

function calls.restart_child(world)
    local sup, which = any_service(world)
    sup:restart_child(which)
end

function calls.delete(world)
    local sup, which = any_service(world)
    sup:delete_child(which)
end

-- Each answer is what the state before it allows.
function calls.administrate(world)
    local sup, which = any_service(world)
    world.undisturbed(function()
        local record = sup:get_child(which)
        local state = sup:state()
        if record and (state == "normal" or state == "paused") then
            local ok = sup:restart_child(which)
            world.check((ok == true) == (record.state == "stopped"), "restart_child of what is %s says %s",
                record.state, ok)
        end
    end)
end

-- ---- settings ----

function calls.update(world)
    local given = world.settings()
    local part = {}
    for _, field in ipairs(world.sorted_keys(given)) do
        if field ~= "event_hook" and world.chance(0.3) then
            part[field] = given[field]
        end
    end
    world.pick(world.sups):update(part)
end

-- ---- looking, and everything else ----

function calls.resume(world) world.any("resumes")(1, nil, 2) end
function calls.cancel(world) world.any("cancels")(bodies.value(world)) end
function calls.collect() collectgarbage() end
function calls.ready(world) world.any("contexts"):ready(bodies.value(world)) end

function calls.look(world)
    local sup = world.pick(world.sups)
    return sup:tree(), sup:services(), tostring(sup), tostring(world.any("tokens")[2]), sup:failures()
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

return calls
