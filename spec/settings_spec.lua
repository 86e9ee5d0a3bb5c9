-- SPDX-License-Identifier: MIT
--
-- Strategies, limits and automatic shutdown as a supervisor's spec gives them: what is accepted, what that becomes for
-- the C module, and how the rest is refused.

local refusal = require "spec.support.refusal"
local spec = require "sutura.spec"
local sutura = require "sutura"

local core = require "sutura.core"

local function normal(given)
    return spec.supervisor(core, "A", given, 1)
end

local function refuses(cases)
    refusal.each(cases, function(given)
        sutura.supervisor("A", given)
    end)
end

describe("the strategy and the automatic shutdown", function()
    it("are words", function()
        for _, strategy in ipairs({ "one_for_one", "one_for_all", "rest_for_one" }) do
            assert.equal(strategy, normal({ strategy = strategy }).strategy)
        end
        for _, shutdown in ipairs({ "never", "any_significant", "all_significant" }) do
            assert.equal(shutdown, normal({ auto_shutdown = shutdown }).auto_shutdown)
        end
    end)

    it("are no other words", function()
        local strategies = [["one_for_one" or "one_for_all" or "rest_for_one"]]
        local shutdowns = [["never" or "any_significant" or "all_significant"]]
        refuses({
            ["supervisor 'A': field 'strategy': expected " .. strategies .. ', got the string "simple_one_for_one"'] =
                { strategy = "simple_one_for_one" },
            ["supervisor 'A': field 'strategy': expected " .. strategies .. ", got the number 1"] = { strategy = 1 },
            ["supervisor 'A': field 'auto_shutdown': expected " .. shutdowns .. ", got the boolean false"] =
                { auto_shutdown = false },
        })
    end)
end)

describe("a window of restarts", function()
    it("has OTP's default for the one of its fields that is not given", function()
        local cases = {
            { { intensity = 3 }, 3, 5.0 },
            { { intensity = 0 }, 0, 5.0 },
            { { period = 10 }, 1, 10.0 },
            { { intensity = 2, period = 0.5 }, 2, 0.5 },
            { { intensity = 1e6, period = 1e9 }, 1000000, 1e9 },
            { {}, nil, nil },
        }
        for _, case in ipairs(cases) do
            local made = normal(case[1])
            assert.same({ case[2], case[3] }, { made.intensity, made.period })
        end
    end)

    it("counts in integers and measures in floats", function()
        local made = normal({ intensity = 3.0, period = 5 })
        assert.same({ "integer", "float" }, { math.type(made.intensity), math.type(made.period) })
    end)

    it("is never shorter than the clock can tell", function()
        assert.equal(1e-9, normal({ period = 1e-300 }).period)
    end)

    it("is refused by the field that is wrong", function()
        local intensity = "supervisor 'A': field 'intensity': expected an integer from 0 to 1000000, got "
        local period = "supervisor 'A': field 'period': expected a finite number > 0, got "
        refuses({
            [intensity .. "the number -1"] = { intensity = -1 },
            [intensity .. "the number 1.5"] = { intensity = 1.5 },
            [intensity .. "the number 1000001"] = { intensity = 1000001 },
            [intensity .. "the number inf"] = { intensity = math.huge },
            [intensity .. "the number NaN"] = { intensity = 0 / 0 },
            [intensity .. 'the string "3"'] = { intensity = "3" },
            [period .. "the number 0"] = { intensity = 3, period = 0 },
            [period .. "the number -5"] = { period = -5 },
            [period .. "the number inf"] = { period = math.huge },
            [period .. "the number NaN"] = { period = 0 / 0 },
            [period .. 'the string "5"'] = { period = "5" },
        })
    end)

    it("may stand beside the fields of the score, which it replaces", function()
        local made = normal({ intensity = 3, failure_threshold = 2, failure_decay = 1 })
        assert.same({ 3, 5.0, 2.0 }, { made.intensity, made.period, made.failure_threshold })
    end)
end)

describe("a number of pauses in a row", function()
    it("is an integer from 1 on", function()
        assert.is_nil(normal({}).escalate_after)
        assert.equal(1, normal({ escalate_after = 1 }).escalate_after)
        assert.equal("integer", math.type(normal({ escalate_after = 7.0 }).escalate_after))
        assert.equal(0xFFFFFFFF, normal({ escalate_after = 1 << 60 }).escalate_after)
    end)

    it("is refused when it is none", function()
        local where = "supervisor 'A': field 'escalate_after': expected an integer >= 1, got "
        refuses({
            [where .. "the number 0"] = { escalate_after = 0 },
            [where .. "the number -1"] = { escalate_after = -1 },
            [where .. "the number 0.5"] = { escalate_after = 0.5 },
            [where .. "the number inf"] = { escalate_after = math.huge },
            [where .. "the boolean true"] = { escalate_after = true },
        })
    end)

    it("is refused beside a window, under which nothing pauses", function()
        local where = "supervisor 'A': field 'escalate_after' counts pauses, and with field '%s' there are none: "
            .. "give one of them"
        refuses({
            [where:format("intensity")] = { escalate_after = 2, intensity = 3 },
            [where:format("period")] = { escalate_after = 2, period = 5 },
        })
    end)
end)

describe("the length of the history", function()
    it("is an integer from 0 to 10,000, and 64 when nothing is said", function()
        for given, made in pairs({ [0] = 0, [3.0] = 3, [10000] = 10000 }) do
            assert.same({ made, "integer" }, { normal({ history = given }).history,
                math.type(normal({ history = given }).history) })
        end
        assert.equal(64, normal({}).history)
        local history = "supervisor 'A': field 'history': expected an integer from 0 to 10000, got "
        refuses({
            [history .. "the number -1"] = { history = -1 },
            [history .. "the number 1.5"] = { history = 1.5 },
            [history .. "the number 10001"] = { history = 10001 },
            [history .. "the number inf"] = { history = math.huge },
            [history .. "the number NaN"] = { history = 0 / 0 },
            [history .. "the boolean false"] = { history = false },
            [history .. 'the string "64"'] = { history = "64" },
        })
    end)
end)
