-- SPDX-License-Identifier: MIT
--
-- Children that start after siblings which they name: for whom they wait, with whom they restart, and that they stop
-- before them.

local rules = require "spec.model.rules"

local order = {}

--- What stands in `siblings` for the names that a child of a story starts after; nil if it says nothing of that.
function order.named(child, siblings)
    if not child.after then
        return nil
    end
    local found = {}
    for _, name in ipairs(child.after) do
        table.insert(found, siblings[name]) -- none for one that the story has not
    end
    return found
end

--- Whether any child of the supervisor says whom it starts after.
function order.counts(sup)
    for _, service in ipairs(sup.children) do
        if service.needs then
            return true
        end
    end
    return false
end

-- Whether any that it names and that is there still is so.
local function any(service, is_so)
    for _, other in ipairs(service.needs or {}) do
        if not other.gone and is_so(other) then
            return true
        end
    end
    return false
end

--- Whether nobody that it names is on its way.
function order.is_clear(service)
    return not any(service, rules.keeps_waiting)
end

--- Whether one that it names restarts with its group.
function order.touches_group(service)
    return any(service, function(other) return other.grouped end)
end

--- Calls `ask` for all that may stop now: those that nobody needs who `holds`, the last first.
function order.ask_unneeded(sup, holds, ask)
    local needed = {}
    for service in rules.backwards(sup) do
        if not needed[service] then
            ask(service)
        end
        if holds(service) then
            for _, other in ipairs(service.needs or {}) do
                needed[other] = true
            end
        end
    end
end

return order
