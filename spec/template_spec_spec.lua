-- SPDX-License-Identifier: MIT
--
-- What `template` accepts, what that becomes for the C module, and how it refuses the rest. How templates run is said
-- elsewhere.

local refusal = require "spec.support.refusal"
local spec = require "sutura.spec"
local sutura = require "sutura"

local function nothing() end

-- The minimum with these fields.
local function template(fields)
    local given = { name = "conns", run = nothing }
    for field, value in pairs(fields or {}) do
        given[field] = value
    end
    return given
end

local function refuses(cases)
    local sup = sutura.supervisor("A")
    refusal.each(cases, function(given)
        sup:template(given)
    end)
    assert.equal(0, #sup:children())
end

-- Messages of a named template, with the minimum added to what is given.
local function refuses_fields(cases)
    local whole = {}
    for message, fields in pairs(cases) do
        whole["template 'conns': " .. message] = template(fields)
    end
    refuses(whole)
end

describe("the spec of a template", function()
    it("is a name and a function at least", function()
        local normal, options, max_children, name, run = spec.template(template(), 1)
        assert.same({ "conns", nothing }, { name, run })
        assert.is_nil(options)
        assert.is_nil(max_children)
        assert.same({}, normal.children)
    end)

    it("is a spec of a supervisor without children that stops them together", function()
        local expected = spec.supervisor(require "sutura.core", "conns", { stop_order = "parallel" }, 1)
        assert.same(expected, (spec.template(template(), 1)))
        local normal = spec.template(template({
            intensity = 3, timeout = 1, stop_order = "reverse", strategy = "one_for_one", auto_shutdown = "never",
            backoff_jitter = nothing,
        }), 1)
        assert.same({ 3, 5.0, 1.0, "reverse", nothing }, {
            normal.intensity, normal.period, normal.timeout, normal.stop_order, normal.backoff_jitter,
        })
    end)

    it("has the options of all its children", function()
        local _, options = spec.template(template({
            restart = "temporary", shutdown = 2, kill = false, ready = "notify", start_timeout = 3,
            heartbeat = 4, backoff = { min = 1, max = 2 },
        }), 1)
        assert.same({
            restart = "temporary", shutdown = 2.0, kill = false, ready = true, start_timeout = 3.0,
            heartbeat = 4.0, backoff = { min = 1.0, max = 2.0, factor = 2.0, reset_after = 2.0 },
        }, options)
    end)

    it("limits the number of children, or not", function()
        local function limit(value)
            return (select(3, spec.template(template({ max_children = value }), 1)))
        end
        assert.equal(1, limit(1))
        assert.equal("integer", math.type(limit(1000.0)))
        assert.is_nil(limit(1 << 40))
    end)

    it("is refused without what it must have", function()
        refuses({
            ["template: argument 'spec': expected a table, got the string \"conns\""] = "conns",
            ["template: field 'name': expected a non-empty string, got nil"] = { run = nothing },
            ["template: field 'name': expected a non-empty string, got the string \"\""] = { name = "", run = nothing },
            ["template: field 'name': expected a non-empty string, got the number 1"] = { name = 1, run = nothing },
            ["template 'conns': field 'run': expected a function, got nil"] = { name = "conns" },
            ["template 'conns': field 'run': expected a function, got a table"] =
                { name = "conns", run = { serve = nothing } },
        })
    end)

    it("says of what it cannot have why", function()
        refuses_fields({
            ["a template has no field 'after': its children wait for no sibling"] = { after = { "db" } },
            ["a template has no field 'significant': its field 'auto_shutdown' is \"never\""] = { significant = false },
            ["a template has no field 'children': its children are started by its method 'start'"] = { children = {} },
            ["a template has no field 'event_hook': its events go to the hook of the supervisor above"] =
                { event_hook = nothing },
            ["field 'strategy': expected \"one_for_one\", got the string \"one_for_all\""] =
                { strategy = "one_for_all" },
            ["field 'auto_shutdown': expected \"never\", got the string \"any_significant\""] =
                { auto_shutdown = "any_significant" },
        })
    end)

    it("refuses each field as a spec and a child do", function()
        refuses_fields({
            ["unknown field 'max_child'; the nearest known one is 'max_children'"] = { max_child = 1 },
            ["field 'max_children': expected an integer >= 1, got the number 0"] = { max_children = 0 },
            ["field 'max_children': expected an integer >= 1, got the number inf"] = { max_children = math.huge },
            ["field 'timeout': expected a finite number >= 0, got the number -1"] = { timeout = -1 },
            ["field 'period': expected a finite number > 0, got the number 0"] = { period = 0 },
            [ [[field 'restart': expected "permanent" or "transient" or "temporary", got the string "never"]] ] =
                { restart = "never" },
            ["field 'start_timeout' is only for a child with field 'ready' = \"notify\""] = { start_timeout = 1 },
            ["field 'shutdown' is \"kill\", so field 'kill' cannot be false"] = { shutdown = "kill", kill = false },
            ["field 'backoff': field 'max' (1) is less than field 'min' (2)"] = { backoff = { min = 2, max = 1 } },
        })
    end)
end)
