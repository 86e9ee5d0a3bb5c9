-- SPDX-License-Identifier: MIT
--
-- The known name that is nearest to a misspelt one, for messages. It owns the distance between two names and knows
-- nothing of what the names stand for.

local MIN_PART = 4
local MAX_LENGTH = 64 -- Longer names are cut: the work grows with the square of the length.

-- The fewest insertions, deletions, replacements and swaps of neighbours that make one word of the other.
local function distance(a, b)
    local before, previous, current = {}, {}, {}
    for j = 0, #b do
        previous[j] = j
    end
    for i = 1, #a do
        current[0] = i
        for j = 1, #b do
            local same = a:byte(i) == b:byte(j)
            local least = math.min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (same and 0 or 1))
            local swapped = i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j)
            if swapped then
                least = math.min(least, before[j - 2] + 1)
            end
            current[j] = least
        end
        before, previous, current = previous, current, before
    end
    return previous[#b]
end

-- A part of a name is near to it, however much is missing: people leave the first word out.
local function is_part(word, name)
    return #word >= MIN_PART and name:find(word, 1, true) ~= nil
end

local function comparable(word)
    return word:sub(1, MAX_LENGTH):lower()
end

--- The nearest of some names to a word, whatever its case; of equally near ones the first.
---@param word string
---@param names string[]
---@return string? name nil only if there are no names
---@return integer? edits how many edits lie between the two; 1 if the word is a part of the name
return function(word, names)
    local nearest, least
    for _, name in ipairs(names) do
        local a, b = comparable(word), comparable(name)
        local edits = is_part(a, b) and a ~= b and 1 or distance(a, b)
        if not least or edits < least then
            nearest, least = name, edits
        end
    end
    return nearest, least
end
