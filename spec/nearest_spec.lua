-- SPDX-License-Identifier: MIT
--
-- Which known name a message offers for a misspelt one.

local nearest = require "sutura.nearest"

describe("the nearest known name", function()
    local NAMES = { "children", "event_hook", "failure_backoff", "failure_decay", "timeout" }

    it("is the one that the fewest edits lead to", function()
        assert.equal("timeout", (nearest("timout", NAMES)))
        assert.equal("timeout", (nearest("timeoutt", NAMES)))
        assert.equal("failure_decay", (nearest("failure_delay", NAMES)))
        assert.equal("children", (nearest("child", NAMES)))
    end)

    it("counts two swapped neighbours as one edit", function()
        local name, edits = nearest("tiemout", NAMES)
        assert.equal("timeout", name)
        assert.equal(1, edits)
        name, edits = nearest("hcildren", NAMES)
        assert.equal("children", name)
        assert.equal(1, edits)
    end)

    it("is one that the word is a part of", function()
        assert.equal("failure_backoff", (nearest("backoff", NAMES)))
        assert.equal("event_hook", (nearest("hook", NAMES)))
    end)

    it("does not look at case", function()
        local name, edits = nearest("failureBackoff", NAMES)
        assert.equal("failure_backoff", name)
        assert.equal(1, edits)
        assert.equal(0, select(2, nearest("TIMEOUT", NAMES)))
    end)

    it("is the first of equally near ones", function()
        assert.equal("ab", (nearest("aX", { "ab", "ac" })))
        assert.equal("ac", (nearest("aX", { "ac", "ab" })))
    end)

    it("is found for an empty and for a very long word", function()
        assert.equal("timeout", (nearest("", NAMES)))
        assert.is_string((nearest(("x"):rep(1000000), NAMES)))
    end)

    it("is nil if nothing is known", function()
        assert.is_nil((nearest("anything", {})))
    end)
end)
