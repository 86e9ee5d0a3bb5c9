-- SPDX-License-Identifier: MIT
--
-- A runtime in virtual time for the length of one test: made, given to the test, closed whatever happens. It owns
-- nothing else; what the test raises leaves unchanged.

local sutura = require "sutura"

local virtual = {}

--- Runs `body` in a coroutine of a new runtime whose clock is virtual.
---@param body fun(rt: sutura.Runtime)
---@param options? table more options of the runtime
function virtual.run(body, options)
    local given = { clock = "virtual", seed = 1 }
    for key, value in pairs(options or {}) do
        given[key] = value
    end
    local rt = sutura.runtime(given)
    local ok, problem = pcall(rt.run, rt, function()
        body(rt)
    end)
    rt:close()
    if not ok then
        error(problem, 0)
    end
end

--- Lets everything else run that can run now: for a body, which cannot call the runtime's own settle.
function virtual.settle()
    for _ = 1, 20 do
        sutura.yield()
    end
end

--- The body of an `it`: as `virtual.run`, later.
---@param body fun(rt: sutura.Runtime)
---@param options? table
---@return fun()
function virtual.test(body, options)
    return function()
        virtual.run(body, options)
    end
end

--- The body of an `it` that holds for many cases, each in a runtime of its own.
---@param cases table<string, any> by what a failure says of the case
---@param body fun(rt: sutura.Runtime, case: any)
---@return fun()
function virtual.each(cases, body)
    return function()
        for text, case in pairs(cases) do
            local ok, problem = pcall(virtual.run, function(rt)
                body(rt, case)
            end)
            if not ok then
                error(("with %s: %s"):format(text, type(problem) == "table" and problem.message or problem), 0)
            end
        end
    end
end

return virtual
