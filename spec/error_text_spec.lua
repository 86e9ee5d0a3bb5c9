-- SPDX-License-Identifier: MIT
--
-- What is read of an error that is a table: its fields, for its address says nothing to anybody.

local command = require "spec.support.command"
local recorder = require "spec.support.recorder"
local sutura = require "sutura"

-- The text of a panic with that value.
local function text_of(value)
    local rt <close> = sutura.runtime { clock = "virtual" }
    local sup, record = recorder.supervisor(rt, "root", {})
    sup:add("fails", function() error(value) end, { restart = "temporary" })
    sup:serve_background()
    rt:settle()
    return record:only("service_panic").error_msg
end

describe("an error that is a table", function()
    local TABLES = {
        ["nothing"] = { {}, "{}" },
        ["fields"] = { { message = "no such user", code = 404 }, '{code = 404, message = "no such user"}' },
        ["a list"] = { { "a", "b", 3.5, true }, '{"a", "b", 3.5, true}' },
        ["both"] = { { "first", code = 1 }, '{"first", code = 1}' },
        ["other keys"] = { { ["two words"] = 1, [0] = 2, [true] = 3 }, '{["two words"] = 1, [0] = 2, [true] = 3}' },
    }

    it("is read as its list, and then as its fields by their names", function()
        for what, case in pairs(TABLES) do
            assert.equal(case[2], text_of(case[1]), what)
        end
    end)

    it("has strings in quotes on one line, and of other tables whether there is anything in them", function()
        assert.equal('{deep = {...}, empty = {}, lines = "one\\ntwo"}',
            text_of({ lines = "one\ntwo", deep = { 1 }, empty = {} }))
    end)

    it("has of other errors their messages", function()
        assert.equal('{why = {message = "the time to wait has passed"}}', text_of({ why = sutura.ERR_TIMEOUT }))
        assert.equal('{why = {message = "refused", ...}}', text_of({ why = { code = 5, message = "refused" } }))
    end)

    it("is its own text when it has one, and of what is no table a field is its text", function()
        local named = setmetatable({ code = 5 }, { __tostring = function() return "mine" end })
        assert.equal("mine", text_of(named))
        assert.equal(("{output = %s}"):format(io.stdout), text_of({ output = io.stdout }))
    end)

    it("is bounded where errors are in one another in a circle", function()
        local value = {}
        for i = 1, 10 do
            value[i] = sutura.wrap(value, "again")
        end
        assert.is_true(#text_of(value[1]) < 1000)
    end)

    it("begins with the name of its type when it has one", function()
        assert.equal("http.error {code = 404}", text_of(setmetatable({ code = 404 }, { __name = "http.error" })))
        assert.equal("{code = 404}", text_of(setmetatable({ code = 404 }, { __name = 5 })))
    end)

    it("is bounded in its fields and in the bytes of each", function()
        local long, wide, list = {}, {}, {}
        for i = 1, 1000 do
            wide["field" .. i], list[i] = i, i
        end
        assert.equal("{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...}", text_of(list))
        assert.matches("^{field%d+ = %d+, .*, %.%.%.}$", text_of(wide))
        long[("k"):rep(10000)] = ("v"):rep(10000)
        assert.is_true(#text_of(long) < 1000)
        assert.equal("{a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8, i = 9, j = 10, ...}",
            text_of({ a = 1, b = 2, c = 3, d = 4, e = 5, f = 6, g = 7, h = 8, i = 9, j = 10, k = 11 }))
    end)

    it("is read without metamethods", function()
        local function touched() error("touched") end
        local hostile = { __index = touched, __pairs = touched, __len = touched, __metatable = "locked" }
        local inner = setmetatable({}, { __index = touched, __tostring = touched })
        assert.equal("{[{}] = 1, code = 404, inner = {}}",
            text_of(setmetatable({ code = 404, inner = inner, [inner] = 1 }, hostile)))
    end)

    it("is read so when it is the end of a tree file, and beneath a message", function()
        local result = command.run("check " .. command.file("error({ code = 5 })"))
        assert.matches(":1: {code = 5}\n$", result.err)
        assert.equal("the shop is closed: {code = 5}", tostring(sutura.wrap({ code = 5 }, "the shop is closed")))
    end)
end)
