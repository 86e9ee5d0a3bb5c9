-- SPDX-License-Identifier: MIT
--
-- Real time for specs about the order of things that happen at real times. A busy machine, or a tool that watches
-- every access to memory, may come too late for times that lie close together, and what is due by then has no
-- order. So such a spec is tried again with its times further apart; code that is wrong fails at every distance.

local FACTORS = { 1, 5, 25 }

--- Calls `body(factor)` until it does not raise, with the factor by which all its times are to be multiplied.
---@param body fun(factor: number)
return function(body)
    local ok, problem
    for _, factor in ipairs(FACTORS) do
        ok, problem = pcall(body, factor)
        if ok then
            return
        end
    end
    error(problem, 0)
end
