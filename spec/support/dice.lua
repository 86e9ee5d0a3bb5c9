-- SPDX-License-Identifier: MIT
--
-- Numbers of their own for random stories and histories: the same from a seed wherever and whenever they are thrown.

---@param seed integer
---@return fun(n: integer): integer roll from 1 to n
return function(seed)
    local state = seed
    return function(n)
        state = (state * 6364136223846793005 + 1442695040888963407) & math.maxinteger
        return (state >> 33) % n + 1
    end
end
