-- SPDX-License-Identifier: MIT
--
-- What a service costs, as far as it is the same on every machine and in every build; `make bench` measures the rest.

local sutura = require "sutura"

-- A power of two: Lua's tables have no slack then, so that the bound can be tight. An entry of the table of tokens, of
-- 24 bytes, is there for as many as have come since garbage was last collected on the way.
local N = 4096

local function sleeps()
    sutura.sleep(1e6)
end

local function used()
    collectgarbage()
    collectgarbage()
    return collectgarbage("count") * 1024
end

describe("the cost of a service", function()
    it("is at most 1,256 bytes of Lua's memory while it sleeps", function()
        local rt <close> = sutura.runtime { clock = "virtual" }
        local sup = rt:supervisor("many")
        sup:serve_background()
        local before = used()
        for i = 1, N do
            sup:add("service-" .. i, sleeps)
        end
        rt:settle()
        local each = (used() - before) / N
        assert.equal(N, sup:count().active)
        assert.is_true(each <= 1256, ("an idle service takes %.0f bytes"):format(each))
    end)

    it("leaves nothing behind once it is gone", function()
        local rt <close> = sutura.runtime { clock = "virtual" }
        local sup = rt:supervisor("many")
        sup:serve_background()
        local function come_and_go()
            for _ = 1, N do
                sup:add("once", function()
                    return sutura.DO_NOT_RESTART
                end)
            end
            rt:settle()
        end
        come_and_go()
        local before = used()
        come_and_go()
        local left = used() - before
        assert.equal(0, sup:count().specs)
        assert.is_true(left < N, ("%.0f bytes are left of %d services"):format(left, N))
    end)
end)
