-- SPDX-License-Identifier: MIT
--
-- Specs that leave something behind, one of each kind, for leaks_spec: run by busted with our helper, all but the last
-- must fail.

local sutura = require "sutura"

local kept = {}

describe("a spec", function()
    teardown(function() os.remove(kept[#kept]) end)

    it("leaves a descriptor", function()
        kept[#kept + 1] = io.open("/dev/null")
    end)

    it("leaves a reference", function()
        local uv = require "luv"
        local timer = uv.new_timer()
        timer:start(1e6, 0, function() end)
        kept[#kept + 1] = timer
    end)

    it("leaves a loop with its handles", function()
        local rt = sutura.runtime()
        rt:run(function() sutura.sleep(0) end)
        kept[#kept + 1] = rt
    end)

    it("leaves a coroutine", function()
        local rt = sutura.runtime({ clock = "virtual" })
        local sup = rt:supervisor("A")
        sup:add("w", function(ctx) ctx:wait() end)
        sup:serve_background()
        rt:settle()
        kept[#kept + 1] = rt
    end)

    it("leaves a file", function()
        kept[#kept + 1] = os.tmpname()
    end)

    it("leaves nothing", function()
        local rt = sutura.runtime({ clock = "virtual" })
        local sup = rt:supervisor("A")
        sup:add("w", function(ctx) ctx:wait() end)
        sup:serve_background()
        rt:settle()
    end)
end)
