-- SPDX-License-Identifier: MIT
--
-- The short form of `make soak`.

local child = require "spec.support.child"

describe("a runtime in which everything fails all the time #realtime", function()
    it("loses no run, no event and no memory, in its first seconds", function()
        local result = child.run [[ arg[1] = "0.04" dofile "scripts/soak.lua" ]]
        assert.equal("", result.err)
        assert.is_nil(result.out:match("not ok[^\n]*"))
        assert.matches("\n1%.%.11\n$", result.out)
        assert.equal(0, result.code)
    end)
end)
