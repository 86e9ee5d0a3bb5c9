-- SPDX-License-Identifier: MIT
--
-- That our own helper of busted fails a spec which leaves something behind, and no other.

local command = require "spec.support.command"

local RUN = [[exec ${SUTURA%bin/sutura} "$(command -v busted)" --run=make spec/support/leaking/leaks.lua]]

describe("a spec that leaves something open", function()
    it("fails, whatever it leaves: a descriptor, a reference, a loop, a coroutine or a file", function()
        local result = command.script(RUN)
        local failed = {}
        for what in result.out:gmatch("the spec has left behind: ([%a, %(%)%d]+)") do
            failed[#failed + 1] = what:gsub(" %(.-%)", "")
        end
        assert.same({ "descriptors", "descriptors, references", "descriptors", "coroutines", "files" }, failed)
        assert.not_equal(0, result.code)
        assert.matches("ok %d+ %- a spec leaves nothing\n", result.out)
    end)
end)
