-- SPDX-License-Identifier: MIT
--
-- Stories in which a few things happen at one instant, in every order: ends, stops, removals, restarts, additions, and
-- pauses of no length.

local story = require "spec.model.story"

local orders = {}

-- Calls `visit` with every order of the list; the same table each time.
local function each_order(list, count, visit)
    if count <= 1 then
        return visit(list)
    end
    for i = 1, count do
        list[i], list[count] = list[count], list[i]
        each_order(list, count - 1, visit)
        list[i], list[count] = list[count], list[i]
    end
end

-- The calls of a story, each once, up to `count`.
local function happenings(tale, count)
    local calls = {}
    for i = 2, #tale.steps do
        for _, call in ipairs(tale.steps[i].calls or {}) do
            if #calls < count then
                table.insert(calls, call)
            end
        end
    end
    return calls
end

--- For the tree and the calls of a seed: a story for each order of `count` calls, then a while in which what they have
--- set off comes to its end. `visit` is given each story.
function orders.of(seed, count, visit)
    local tale = story.of(seed, 40)
    tale.root.settings.failure_backoff = 0
    each_order(happenings(tale, count), count, function(order)
        tale.steps = { tale.steps[1], { calls = table.move(order, 1, #order, 1, {}), hooks = {} }, { edge = 0 },
            { edge = 0 }, { advance = 20000000000 } }
        visit(tale)
    end)
end

return orders
