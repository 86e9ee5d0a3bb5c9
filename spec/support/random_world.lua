-- SPDX-License-Identifier: MIT
--
-- Worlds for spec.support.foresight, made by math.random: every setting and option that decides what follows from an
-- end.

local random_world = {}

-- One of the values.
local function pick(values)
    return values[math.random(#values)]
end

-- True so often, from 0 to 1.
local function chance(share)
    return math.random() < share
end

random_world.pick = pick

--- One of the paths that are the keys of a table; nil when there is none.
---@param by_path table<string, any>
---@return string?
function random_world.path(by_path)
    local paths = {}
    for path in pairs(by_path) do
        paths[#paths + 1] = path
    end
    table.sort(paths)
    return #paths > 0 and pick(paths) or nil
end

local function random_limits(settings)
    if chance(0.5) then
        settings.intensity, settings.period = pick{ 0, 1, 2 }, pick{ 1, 5, 50 }
    else
        settings.failure_threshold, settings.failure_backoff = pick{ 0, 1, 1.5, 5 }, pick{ 1, 4 }
        settings.escalate_after = pick{ false, 1, 2 } or nil
        settings.resume_spacing = pick{ 0, 0, 1 }
    end
end

local function random_settings()
    local settings = {
        strategy = pick{ "one_for_one", "one_for_all", "rest_for_one" },
        auto_shutdown = pick{ "never", "any_significant", "all_significant" },
        stop_order = pick{ "reverse", "reverse", "parallel" },
        lifecycle_events = chance(0.5),
        pass_through_panics = chance(0.1),
    }
    random_limits(settings)
    return settings
end

local function random_child(name, before, settings)
    local child = { name = name, restart = pick{ "permanent", "permanent", "transient", "temporary" } }
    if settings.auto_shutdown ~= "never" and child.restart ~= "permanent" then
        child.significant = chance(0.5)
    end
    if chance(0.3) then
        child.backoff = { min = pick{ 0.5, 2 }, max = 6, reset_after = pick{ 1, 100 } }
    end
    if #before > 0 and chance(0.2) then
        child.after = { pick(before).name }
    end
    child.shutdown = pick{ false, 0, 1, "infinity" } or nil
    return child
end

--- A world with so many levels of supervisors below its root.
---@param depth integer
---@return table
function random_world.new(depth)
    local world = random_settings()
    world.children = {}
    for i = 1, math.random(1, 4) do
        local child = random_child(tostring(i), world.children, world)
        if depth > 0 and chance(0.4) then
            child.below = random_world.new(depth - 1)
        elseif chance(0.3) then
            child.ready = "notify"
            child.start_timeout = pick{ false, 0.5 } or nil
        end
        world.children[i] = child
    end
    return world
end

return random_world
