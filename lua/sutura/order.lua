-- SPDX-License-Identifier: MIT
--
-- The order in which things start that come in a list but may have to wait for others of it. It owns the order alone;
-- it knows nothing of supervisors. No input is too deep for it: nothing here calls itself.
--
-- Of those that wait for nothing more the first in the list is always next. So those that need nobody keep the order
-- of the list among each other, and what waits moves back only as far as it must.

local order = {}

-- ---- a heap of indices, the least on top ----

local function push(heap, value)
    local at = #heap + 1
    while at > 1 and heap[at // 2] > value do
        heap[at] = heap[at // 2]
        at = at // 2
    end
    heap[at] = value
end

local function pop(heap)
    local least, last = heap[1], table.remove(heap)
    local count, at = #heap, 1
    if count == 0 then
        return least
    end
    while 2 * at <= count do
        local child = 2 * at
        if child < count and heap[child + 1] < heap[child] then
            child = child + 1
        end
        if heap[child] >= last then
            break
        end
        heap[at] = heap[child]
        at = child
    end
    heap[at] = last
    return least
end

-- ---- the order ----

-- By index: who waits for it, and for how many it waits itself.
local function dependents_of(needs, count)
    local dependents, missing = {}, {}
    for i = 1, count do
        dependents[i] = {}
    end
    for i = 1, count do
        missing[i] = #(needs[i] or {})
        for _, needed in ipairs(needs[i] or {}) do
            table.insert(dependents[needed], i)
        end
    end
    return dependents, missing
end

-- Each of those that were not placed needs another one of them: following that from any of them comes to a circle.
local function circle(needs, missing)
    local at = 1
    while missing[at] == 0 do
        at = at + 1
    end
    local path, place = {}, {}
    while not place[at] do
        path[#path + 1] = at
        place[at] = #path
        for _, needed in ipairs(needs[at]) do
            if missing[needed] > 0 then
                at = needed
                break
            end
        end
    end
    return table.move(path, place[at], #path, 1, {})
end

--- An order of 1 to `count` in which each comes after those that it needs.
---@param count integer
---@param needs table<integer, integer[]> by index: the indices of what it needs, each once; absent: nothing
---@return integer[]? order nil if there is none
---@return integer[]? circle then: some that need each other, each the next one, and the last one the first
function order.of(count, needs)
    local dependents, missing = dependents_of(needs, count)
    local free, placed = {}, {}
    for i = 1, count do
        if missing[i] == 0 then
            push(free, i)
        end
    end
    while #free > 0 do
        local at = pop(free)
        placed[#placed + 1] = at
        for _, dependent in ipairs(dependents[at]) do
            missing[dependent] = missing[dependent] - 1
            if missing[dependent] == 0 then
                push(free, dependent)
            end
        end
    end
    if #placed < count then
        return nil, circle(needs, missing)
    end
    return placed
end

return order
