-- SPDX-License-Identifier: MIT

local log_lines = require "spec.support.log_lines"
local stress = require "spec.support.stress"

describe("a world of services that do anything", function()
    for seed = 1, 60 do
        it("keeps its promises, with seed " .. seed, function()
            local problem
            log_lines.during(function()
                problem = stress.run(seed)
            end)
            assert.is_nil(problem, ("seed %d: %s"):format(seed, tostring(problem)))
        end)
    end
end)
