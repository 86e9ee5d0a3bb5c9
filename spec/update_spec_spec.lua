-- SPDX-License-Identifier: MIT
--
-- What `update` accepts, what that becomes for the C module, and how it refuses the rest. What an update changes is
-- said elsewhere.

local refusal = require "spec.support.refusal"
local spec = require "sutura.spec"
local sutura = require "sutura"

local function normal(given)
    return spec.update("A", given, 1)
end

local function refuses(cases)
    local sup = sutura.supervisor("A")
    refusal.each(cases, function(given)
        sup:update(given)
    end)
end

describe("an update", function()
    it("holds what was given and nothing else", function()
        for name, value in pairs({
            strategy = "rest_for_one", intensity = 3, period = 5.0, failure_decay = math.huge, failure_threshold = 2.0,
            failure_backoff = 1.0, escalate_after = 4, backoff_jitter = sutura.no_jitter, resume_spacing = 0.5,
            timeout = 0.0, auto_shutdown = "any_significant", stop_order = "parallel", pass_through_panics = true,
            dont_propagate_termination = false, lifecycle_events = true, format_error = tostring, panic_locals = false,
            redact = tostring, history = 0,
        }) do
            assert.same({ [name] = value }, normal({ [name] = value }))
        end
    end)

    it("has numbers as floats and counts as integers", function()
        local made = normal({ timeout = 3, failure_threshold = 1, escalate_after = 2.0 })
        assert.same({ "float", "float", "integer" },
            { math.type(made.timeout), math.type(made.failure_threshold), math.type(made.escalate_after) })
    end)

    it("leaves the user's table alone", function()
        local given = { intensity = 3 }
        assert.not_equal(given, normal(given))
        assert.same({ intensity = 3 }, given)
    end)

    it("is a table that names something", function()
        refuses({
            ["update: supervisor 'A': argument 'spec': expected a table, got the number 5"] = 5,
            ["update: supervisor 'A': argument 'spec': expected at least one field, got an empty table"] = {},
        })
        local sup = sutura.supervisor("A")
        assert.equal("update: supervisor 'A': argument 'spec': expected a table, got nil", refusal.of(function()
            sup:update()
        end))
    end)

    it("puts one limit in force and not two", function()
        local where = "update: supervisor 'A': field '%s' puts the window in force and field '%s' the score: "
            .. "give one of them"
        refuses({
            [where:format("intensity", "failure_threshold")] = { intensity = 3, failure_threshold = 5 },
            [where:format("intensity", "failure_decay")] = { intensity = 3, period = 1, failure_decay = 5 },
            [where:format("period", "failure_decay")] = { period = 3, failure_decay = 5 },
            [where:format("period", "escalate_after")] = { period = 3, escalate_after = 5 },
        })
    end)

    it("changes neither the children nor the hook, and says what to do instead", function()
        refuses({
            ["update: supervisor 'A': field 'children' cannot be updated: add, remove and delete_child change them"] =
                { children = {} },
            ["update: supervisor 'A': field 'event_hook' cannot be updated: it is chosen when the supervisor is made; "
                .. "let that function call another one"] = { timeout = 1, event_hook = print },
        })
    end)

    it("refuses each field as a spec does", function()
        refuses({
            ["update: supervisor 'A': unknown field 'tiemout'; the nearest known one is 'timeout'"] = { tiemout = 1 },
            ["update: supervisor 'A': unknown field [the number 1]; fields have names"] = { "timeout" },
            ["update: supervisor 'A': field 'timeout': expected a finite number >= 0, got the number -1"] =
                { timeout = -1 },
            ["update: supervisor 'A': field 'failure_threshold': expected a number >= 0, got the number NaN"] =
                { failure_threshold = 0 / 0 },
            ["update: supervisor 'A': field 'period': expected a finite number > 0, got the number 0"] = { period = 0 },
            ["update: supervisor 'A': field 'intensity': expected an integer from 0 to 1000000, got the number 0.5"] =
                { intensity = 0.5 },
            ["update: supervisor 'A': field 'escalate_after': expected an integer >= 1, got the number 0"] =
                { escalate_after = 0 },
            [ [[update: supervisor 'A': field 'stop_order': expected "reverse" or "parallel", got the number 1]] ] =
                { stop_order = 1 },
            ["update: supervisor 'A': field 'lifecycle_events': expected a boolean, got the number 1"] =
                { lifecycle_events = 1 },
            ["update: supervisor 'A': field 'redact': expected a function, got the boolean false"] =
                { redact = false },
        })
    end)

    it("changes nothing when it is refused", function()
        local sup = sutura.supervisor("A", { timeout = 3, failure_threshold = 2 })
        assert.is_false(pcall(sup.update, sup, { failure_threshold = 7, timeout = -1 }))
        assert.equal(2.0, sup:tree().failure_threshold)
    end)
end)
