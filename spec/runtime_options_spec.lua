-- SPDX-License-Identifier: MIT
--
-- What `sutura.runtime` accepts, and how it refuses the rest.

local sutura = require "sutura"

local function refusal(options)
    local ok, message = pcall(function()
        sutura.runtime(options)
    end)
    assert.is_false(ok)
    local line, rest = message:match("runtime_options_spec%.lua:(%d+): (.*)$")
    assert.equal(debug.getinfo(1, "S").linedefined + 2, tonumber(line), message)
    return rest
end

describe("the options of a runtime", function()
    it("may be left out, or be all there", function()
        for _, options in ipairs({ {}, { clock = "virtual", seed = 42, epoch = 1.5e9, close_budget = 0 } }) do
            local runtime <close> = sutura.runtime(options)
            assert.is_number(runtime:now())
        end
        sutura.runtime():close()
    end)

    it("are refused with the nearest known name", function()
        assert.equal("runtime: unknown field 'clok'; the nearest known one is 'clock'", refusal({ clok = "virtual" }))
        assert.equal("runtime: unknown field 'budget'; the nearest known one is 'close_budget'",
            refusal({ budget = 1 }))
    end)

    it("are refused by name when they hold something else", function()
        assert.equal([[runtime: field 'clock': expected "real" or "virtual", got the string "unreal"]],
            refusal({ clock = "unreal" }))
        assert.equal("runtime: field 'close_budget': expected a finite number >= 0, got the number -1",
            refusal({ close_budget = -1 }))
        assert.equal("runtime: field 'seed': expected a finite number, got the string \"x\"", refusal({ seed = "x" }))
        assert.equal("runtime: field 'epoch': expected a finite number, got the number NaN",
            refusal({ epoch = 0 / 0 }))
        assert.matches("bad argument 'preempt_signal' to 'runtime' %(the name of a signal that can be caught expected",
            refusal({ preempt_signal = "SIGKILL" }))
    end)
end)
