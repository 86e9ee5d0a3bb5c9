-- SPDX-License-Identifier: MIT
--
-- Makes a story with a problem shorter: leaves out steps, calls and children as long as a problem remains. What is
-- left is the shortest that this finds, not the shortest there is.

local shrink = {}

-- Without `count` entries from `at` on.
local function without(list, at, count)
    local left = table.move(list, 1, at - 1, 1, {})
    return table.move(list, at + count, #list, #left + 1, left)
end

-- Tries to leave out entries of `holder[key]`, many at a time and then fewer.
local function thin(holder, key, still_fails)
    local count = #holder[key]
    while count >= 1 do
        local at = 1
        while at <= #holder[key] do
            local whole = holder[key]
            holder[key] = without(whole, at, count)
            if not still_fails() then
                holder[key] = whole
                at = at + count
            end
        end
        count = count // 2
    end
end

local function thin_children(sup, still_fails)
    thin(sup, "children", still_fails)
    for _, child in ipairs(sup.children) do
        if child.children then
            thin_children(child, still_fails)
        end
    end
end

local function thin_hooks(step, still_fails)
    for n = 1, 3 do
        local list = step.hooks[n]
        if list then
            step.hooks[n] = nil
            if not still_fails() then
                step.hooks[n] = list
                thin(step.hooks, n, still_fails)
            end
        end
    end
end

--- Shortens the story in place, as long as `problem(story)` is not nil.
function shrink.shrink(story, problem)
    local function still_fails()
        return problem(story) ~= nil
    end
    assert(still_fails(), "a story without a problem")
    for _ = 1, 2 do
        thin(story, "steps", still_fails)
        for _, step in ipairs(story.steps) do
            if step.calls then
                thin(step, "calls", still_fails)
            end
            if step.hooks then
                thin_hooks(step, still_fails)
            end
        end
        thin_children(story.root, still_fails)
    end
end

return shrink
