-- SPDX-License-Identifier: MIT
--
-- What users call, with its answers: true, or the name of the error.

local order = require "spec.model.order"
local policy = require "spec.model.policy"
local rules = require "spec.model.rules"

require "spec.model.causes"
require "spec.model.lifecycle"
require "spec.model.starting"
require "spec.model.failing"
require "spec.model.stopping"

local calls = {}

--- The calls about a supervisor. The others are about a service.
calls.OF_SUPERVISORS = { add = true, template = true, start = true, stop = true, serve = true, update = true }

--- A supervisor that is not served. `spec` has the settings, in nanoseconds, and `children`.
function calls.supervisor(world, spec)
    local sup = { world = world, name = spec.name, state = "not_running", children = {}, ghosts = {},
        queue = {}, attends = {}, stop_number = 0, stretch = 1 }
    for key, value in pairs(spec.settings) do
        sup[key] = value
    end
    policy.reset(sup)
    for _, child in ipairs(spec.children) do
        calls.add(sup, child).fixed = true
    end
    return sup
end

--- Returns the service, or the name of the error.
function calls.add(sup, spec)
    if sup.state == "stopping" or sup.state == "terminated" then
        return "ERR_NOT_RUNNING"
    end
    local service = { world = sup.world, parent = sup, state = "idle", run = 0, failures = 0,
        because = rules.ABOVE }
    for key, value in pairs(spec.options) do
        service[key] = value
    end
    service.name, service.plans = spec.name, spec.plans
    if spec.settings then
        service.child = calls.supervisor(sup.world, spec)
        service.child.place = service
    end
    local siblings = {}
    for _, other in ipairs(sup.children) do
        siblings[other.name] = not other.retired and other or nil
    end
    service.needs = order.named(spec, siblings)
    table.insert(sup.children, service)
    if rules.runs(sup) then -- and waits for nobody that it does not name
        rules.launch(service)
    end
    return service
end

--- A child supervisor that is a template.
function calls.template(sup, spec)
    local service = calls.add(sup, spec)
    if type(service) == "table" then
        service.child.max_children = spec.max_children
    end
    return service
end

function calls.start(sup, worker)
    if not rules.runs(sup) then
        return "ERR_NOT_RUNNING"
    elseif #sup.children >= (sup.max_children or math.huge) then
        return "ERR_MAX_CHILDREN"
    end
    return calls.add(sup, worker)
end

local function is_served(sup)
    return sup.state ~= "not_running" and sup.state ~= "terminated"
end

-- Of its services; those that were removed do not count.
local function has_living(sup)
    for _, service in ipairs(sup.children) do
        if rules.lives(service) or service.child and has_living(service.child) then
            return true
        end
    end
    return false
end

function calls.serve(sup)
    if is_served(sup) or has_living(sup) then
        return "ERR_NOT_TERMINATED"
    end
    rules.open_life(sup)
    rules.advance(sup)
    return true
end

function calls.stop(sup)
    if sup.state == "not_running" then
        return "ERR_NOT_STARTED"
    end
    rules.stop_supervisor(sup)
    return sup.state == "terminated" or "ERR_TIMEOUT"
end

--- From now on it goes by these settings too.
function calls.update(sup, settings)
    policy.change(sup, settings, sup.world.now)
    for key, value in pairs(settings) do
        sup[key] = value
    end
    return true
end

function calls.remove(service)
    if not service.gone then
        rules.request(service, "forget")
    end
    return true
end

-- Why the child cannot be administered, or nil.
local function refusal(service)
    if service.gone or service.retired then
        return "ERR_UNKNOWN_SERVICE"
    elseif not rules.runs(service.parent) then
        return "ERR_NOT_RUNNING"
    elseif rules.lives(service) and service.after == "forget" then
        return "ERR_UNKNOWN_SERVICE"
    end
end

function calls.restart(service)
    local refused = refusal(service)
    if not refused and rules.lives(service) and service.after == "retire" then
        return "ERR_UNKNOWN_SERVICE"
    elseif not refused then
        rules.request(service, "restart")
    end
    return refused or true
end

function calls.terminate_child(service)
    local refused = refusal(service)
    if not refused then
        rules.request(service, service.restart == "temporary" and "retire" or "keep")
    end
    return refused or service.gone or service.retired or not rules.lives(service) or service == service.world.caller
        or "ERR_TIMEOUT"
end

-- The same where it must have stopped.
local function refusal_unless_stopped(service)
    local refused = refusal(service)
    if refused then
        return refused
    elseif service.state == "queued" or service.state == "backing_off" or service.state == "waiting"
        and service.grouped then
        return "ERR_RESTARTING"
    elseif service.state ~= "idle" then
        return "ERR_RUNNING"
    end
end

function calls.restart_child(service)
    local refused = refusal_unless_stopped(service)
    if not refused then
        rules.request(service, "restart")
    end
    return refused or true
end

function calls.delete_child(service)
    local refused = refusal_unless_stopped(service)
    if not refused then
        rules.stop(service, "forget") -- it has stopped for a reason of its own, which stays
    end
    return refused or true
end

---- The report

local function is_under_abandoned(service, top)
    local sup = service.parent
    while sup ~= top do
        if sup.place.state == "abandoned" then
            return true
        end
        sup = sup.place.parent
    end
    return false
end

local function verdict(service, top)
    local overran = service.overran and service.overran > 0 and service.overran >= top.stop_number
    if service.state == "abandoned" or rules.lives(service) and is_under_abandoned(service, top) then
        return "lives"
    elseif overran then
        return service.kill and "killed" or "lives"
    end
end

local function collect(sup, top, lines)
    for _, list in ipairs { sup.children, sup.ghosts } do
        for _, service in ipairs(list) do
            local found = not service.child and verdict(service, top)
            if found then
                lines[#lines + 1] = service.name .. " " .. found
            elseif service.child then
                collect(service.child, top, lines)
            end
        end
    end
    return lines
end

--- "name killed" or "name lives", in the order of the tree, of one that has terminated.
function calls.report(sup)
    return collect(sup, sup, {})
end

return calls
