-- SPDX-License-Identifier: MIT
--
-- Error objects: their texts, what `wrap` makes of a cause, and how `is` finds one.

local sutura = require "sutura"

local SENTINELS = { "DO_NOT_RESTART", "TERMINATE_TREE", "CANCELED", "DEADLINE_EXCEEDED" }
local ERRORS = {
    "ERR_NOT_RUNNING", "ERR_NOT_STARTED", "ERR_NOT_TERMINATED", "ERR_WRONG_SUPERVISOR", "ERR_TIMEOUT",
    "ERR_UNKNOWN_SERVICE", "ERR_AMBIGUOUS_NAME", "ERR_RUNNING", "ERR_RESTARTING", "ERR_ALREADY_PRESENT",
    "ERR_TOO_MANY_RESTARTS", "ERR_START_FAILED", "ERR_MAX_CHILDREN",
}

-- The message of the error that `fn` raises, and the line that this function was called from.
local function refusal(fn)
    local ok, message = pcall(fn)
    assert.is_false(ok)
    return message
end

describe("the errors of the module", function()
    it("are all there, each with a sentence of its own", function()
        local seen = {}
        for _, names in ipairs({ SENTINELS, ERRORS }) do
            for _, name in ipairs(names) do
                local text = tostring(sutura[name])
                assert.is_truthy(text:find(" ", 1, true), name)
                assert.is_nil(text:find("table:", 1, true), name)
                assert.is_nil(seen[text], name)
                seen[text] = true
            end
        end
    end)

    it("cannot be given a field", function()
        local message = refusal(function()
            sutura.CANCELED.reason = "mine"
        end)
        assert.matches("errors_spec.lua:%d+: an error object cannot be changed", message)
        assert.is_nil(rawget(sutura.CANCELED, "reason"))
    end)
end)

describe("a wrapped error", function()
    it("reads as its message, then its cause", function()
        assert.equal("connect: refused", tostring(sutura.wrap("refused", "connect")))
        local inner = sutura.wrap(sutura.ERR_TIMEOUT, "read")
        assert.equal("start: read: " .. tostring(sutura.ERR_TIMEOUT), tostring(sutura.wrap(inner, "start")))
    end)

    it("may have an error object for its message", function()
        local err = sutura.wrap("disk full", sutura.ERR_START_FAILED)
        assert.equal(tostring(sutura.ERR_START_FAILED) .. ": disk full", tostring(err))
    end)

    it("may have any cause, or none", function()
        assert.equal("lost: 42", tostring(sutura.wrap(42, "lost")))
        assert.equal("lost: false", tostring(sutura.wrap(false, "lost")))
        assert.equal("lost", tostring(sutura.wrap(nil, "lost")))
    end)

    it("says so when the text of its cause cannot be had", function()
        local hostile = setmetatable({}, { __tostring = function() error("no text") end })
        assert.equal("lost: (a table whose __tostring failed)", tostring(sutura.wrap(hostile, "lost")))
    end)

    it("stays short enough to read, however deep it is", function()
        local err = "root"
        for i = 1, 100000 do
            err = sutura.wrap(err, "level " .. i)
        end
        assert.is_true(#tostring(err) < 10000)
        assert.matches("^level 100000: level 99999: ", tostring(err))
    end)

    it("is refused at the caller's line without a message", function()
        local line = debug.getinfo(1, "l").currentline + 2
        local message = refusal(function()
            sutura.wrap("cause", 42)
        end)
        assert.equal(("spec/errors_spec.lua:%d: wrap: argument 'message': expected a string or an error object, "
            .. "got the number 42"):format(line), (message:gsub("^%./", "")))
    end)
end)

describe("is", function()
    it("finds the error itself", function()
        assert.is_true(sutura.is(sutura.CANCELED, sutura.CANCELED))
        assert.is_false(sutura.is(sutura.CANCELED, sutura.DEADLINE_EXCEEDED))
    end)

    it("finds it among the causes, at any depth", function()
        local err = sutura.wrap(sutura.wrap(sutura.CANCELED, "inner"), "outer")
        assert.is_true(sutura.is(err, sutura.CANCELED))
        assert.is_false(sutura.is(err, sutura.ERR_TIMEOUT))
    end)

    it("finds it among the messages too", function()
        local err = sutura.wrap("boom", sutura.wrap("x", sutura.ERR_START_FAILED))
        assert.is_true(sutura.is(err, sutura.ERR_START_FAILED))
        assert.is_true(sutura.is(err, "boom"))
    end)

    it("walks from the outside to the inside only", function()
        local inner = sutura.wrap(nil, "inner")
        assert.is_true(sutura.is(sutura.wrap(inner, "outer"), inner))
        assert.is_false(sutura.is(inner, sutura.wrap(inner, "outer")))
    end)

    it("compares other values as they are, without metamethods", function()
        local touchy = setmetatable({}, { __eq = function() error("compared") end })
        assert.is_false(sutura.is(touchy, setmetatable({}, getmetatable(touchy))))
        assert.is_true(sutura.is(sutura.wrap(touchy, "x"), touchy))
        assert.is_true(sutura.is("text", "text"))
        assert.is_false(sutura.is(nil, sutura.CANCELED))
        assert.is_true(sutura.is(nil, nil))
    end)

    it("does not look into tables that only look like errors", function()
        assert.is_false(sutura.is({ message = "x", cause = sutura.CANCELED }, sutura.CANCELED))
    end)

    it("ends on an error that was made circular", function()
        local err = sutura.wrap("first", "round")
        rawset(err, "cause", err)
        assert.is_false(sutura.is(err, sutura.CANCELED))
        assert.equal("round", tostring(err))
    end)
end)
