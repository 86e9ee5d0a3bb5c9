-- SPDX-License-Identifier: MIT
--
-- The options of a child: what is accepted, what that becomes for the C module, and how the rest is refused. The plain
-- ones (name, shutdown, kill) are in spec_spec.

local refusal = require "spec.support.refusal"
local spec = require "sutura.spec"
local sutura = require "sutura"

local core = require "sutura.core"

local function nothing() end

local function options(given, run)
    local _, _, _, normal = spec.child(core, 1, "web", run or nothing, given)
    return normal
end

local function refuses(cases, run)
    local sup = sutura.supervisor("A", { auto_shutdown = "any_significant" })
    refusal.each(cases, function(given)
        sup:add("web", run or nothing, given)
    end)
    assert.equal(0, #sup:children())
end

describe("a child without options", function()
    it("has none, also when it names every default", function()
        assert.is_nil(options())
        assert.is_nil(options({}))
        assert.is_nil(options({ restart = "permanent", significant = false }))
    end)
end)

describe("the restart type", function()
    it("is permanent, transient or temporary", function()
        assert.same({ restart = "transient" }, options({ restart = "transient" }))
        assert.same({ restart = "temporary" }, options({ restart = "temporary" }))
    end)

    it("is nothing else", function()
        local where = [[add: field 'restart': expected "permanent" or "transient" or "temporary", got ]]
        refuses({
            [where .. 'the string "always"'] = { restart = "always" },
            [where .. "the boolean false"] = { restart = false },
        })
    end)
end)

describe("a significant child", function()
    it("is transient or temporary", function()
        for _, restart in ipairs({ "transient", "temporary" }) do
            assert.same({ restart = restart, significant = true }, options({ restart = restart, significant = true }))
        end
    end)

    it("is not permanent, by name or by default", function()
        local where = "add: field 'significant' is true, so field 'restart' must be \"transient\" or \"temporary\"; "
            .. "it is "
        refuses({
            [where .. '"permanent"'] = { significant = true, restart = "permanent" },
            [where .. '"permanent" by default'] = { significant = true },
            ["add: field 'significant': expected a boolean, got the string \"yes\""] =
                { significant = "yes", restart = "transient" },
        })
    end)

    it("is refused among the children of a supervisor that never shuts down for it", function()
        local children = { { name = "a", run = nothing },
            { name = "b", run = nothing, restart = "transient", significant = true } }
        refusal.each({
            ["supervisor 'A': children[2]: field 'significant' is true, but field 'auto_shutdown' of the supervisor is "
                .. '"never"'] = { children = children },
        }, function(given)
            sutura.supervisor("A", given)
        end)
        assert.equal(2, #sutura.supervisor("A", { auto_shutdown = "all_significant", children = children }):children())
    end)

    it("is refused by add to a supervisor that never shuts down for it", function()
        local sup = sutura.supervisor("A")
        assert.equal("add: field 'significant' is true, but field 'auto_shutdown' of supervisor 'A' is \"never\"",
            refusal.of(function()
                sup:add("web", nothing, { restart = "transient", significant = true })
            end))
    end)
end)

describe("readiness", function()
    it("is told, within a time or not", function()
        assert.same({ ready = true }, options({ ready = "notify" }))
        assert.same({ ready = true, start_timeout = 2.0 }, options({ ready = "notify", start_timeout = 2 }))
        assert.same({ ready = true }, options({ ready = "notify" }, { serve = nothing }))
    end)

    it("is refused by the field that is wrong", function()
        local time = "add: field 'start_timeout': expected a finite number > 0, got "
        refuses({
            ["add: field 'ready': expected \"notify\", got the boolean true"] = { ready = true },
            ["add: field 'ready': expected \"notify\", got the boolean false"] = { ready = false },
            [time .. "the number 0"] = { ready = "notify", start_timeout = 0 },
            [time .. "the number -1"] = { ready = "notify", start_timeout = -1 },
            [time .. "the number inf"] = { ready = "notify", start_timeout = math.huge },
            [time .. "the number NaN"] = { ready = "notify", start_timeout = 0 / 0 },
            [time .. 'the string "2"'] = { ready = "notify", start_timeout = "2" },
            ["add: field 'start_timeout' is only for a child with field 'ready' = \"notify\""] = { start_timeout = 1 },
        })
    end)

    it("is not for a supervisor, which is ready when its children are", function()
        local words = "add: field '%s' is not for a supervisor, which is ready when its children are"
        refuses({
            [words:format("ready")] = { ready = "notify" },
            [words:format("start_timeout")] = { start_timeout = 1 },
        }, sutura.supervisor("inner"))
    end)
end)

describe("a heartbeat", function()
    it("is a number of seconds, in any service that is no supervisor", function()
        assert.same({ heartbeat = 5.0 }, options({ heartbeat = 5 }))
        assert.same({ heartbeat = 0.5 }, options({ heartbeat = 0.5 }, { serve = nothing }))
    end)

    it("is refused when it is no such number, and for a supervisor", function()
        local words = "add: field 'heartbeat': expected a finite number > 0, got "
        refuses({
            [words .. "the number 0"] = { heartbeat = 0 },
            [words .. "the number -1"] = { heartbeat = -1 },
            [words .. "the number inf"] = { heartbeat = math.huge },
            [words .. "the number NaN"] = { heartbeat = 0 / 0 },
            [words .. 'the string "5"'] = { heartbeat = "5" },
            [words .. "the boolean true"] = { heartbeat = true },
        })
        refuses({
            ["add: field 'heartbeat' is not for a supervisor, only for what runs below it"] = { heartbeat = 5 },
        }, sutura.supervisor("inner"))
    end)
end)

describe("a delay of its own", function()
    it("has every number filled in", function()
        local cases = {
            { {}, { min = 1.0, max = 60.0, factor = 2.0, reset_after = 60.0 } },
            { { min = 2, max = 10 }, { min = 2.0, max = 10.0, factor = 2.0, reset_after = 10.0 } },
            { { min = 0, factor = 1 }, { min = 0.0, max = 60.0, factor = 1.0, reset_after = 60.0 } },
            { { min = 3, max = 3, reset_after = 0 }, { min = 3.0, max = 3.0, factor = 2.0, reset_after = 0.0 } },
            { { reset_after = math.huge }, { min = 1.0, max = 60.0, factor = 2.0, reset_after = math.huge } },
            { { jitter = nothing }, { min = 1.0, max = 60.0, factor = 2.0, reset_after = 60.0, jitter = nothing } },
        }
        for _, case in ipairs(cases) do
            local normal = options({ backoff = case[1] })
            assert.same({ backoff = case[2] }, normal)
            for _, field in ipairs({ "min", "max", "factor", "reset_after" }) do
                assert.equal("float", math.type(normal.backoff[field]))
            end
        end
    end)

    it("is refused by the field that is wrong", function()
        local where = "add: field 'backoff': field "
        local finite = ": expected a finite number >= 0, got the number "
        refuses({
            ["add: field 'backoff': expected a table, got the number 5"] = { backoff = 5 },
            ["add: field 'backoff': unknown field 'mim'; the nearest known one is 'min'"] = { backoff = { mim = 1 } },
            [where .. "'min'" .. finite .. "-1"] = { backoff = { min = -1 } },
            [where .. "'min'" .. finite .. "NaN"] = { backoff = { min = 0 / 0 } },
            [where .. "'max'" .. finite .. "inf"] = { backoff = { max = math.huge } },
            [where .. "'factor'" .. finite .. "inf"] = { backoff = { factor = math.huge } },
            [where .. "'factor': expected a finite number >= 1, got the number 0.5"] = { backoff = { factor = 0.5 } },
            [where .. "'reset_after': expected a number >= 0, got the number -1"] = { backoff = { reset_after = -1 } },
            [where .. "'jitter': expected a function, got the boolean true"] = { backoff = { jitter = true } },
        })
    end)

    it("is refused when it could not grow from its least to its most", function()
        local words = "add: field 'backoff': field 'max' (%s) is less than field 'min' (%s)"
        refuses({
            [words:format("2", "2.5")] = { backoff = { min = 2.5, max = 2 } },
            [words:format("60 by default", "61")] = { backoff = { min = 61 } },
            [words:format("0.5", "1 by default")] = { backoff = { max = 0.5 } },
        })
    end)
end)

describe("the siblings that a child waits for", function()
    it("are names, in a list of its own", function()
        local given = { "db", "cache" }
        local normal = options({ after = given })
        assert.same({ after = { "db", "cache" } }, normal)
        assert.not_equal(given, normal.after)
        assert.same({ after = {} }, options({ after = {} }))
    end)

    it("are refused when they are no such list", function()
        local where = "add: field 'after'"
        refuses({
            [where .. ': expected a table, got the string "db"'] = { after = "db" },
            [where .. ": element 2: expected a non-empty string, got the number 2"] = { after = { "db", 2 } },
            [where .. ': element 1: expected a non-empty string, got the string ""'] = { after = { "" } },
            [where .. ": expected an array without holes, got the key [the number 3]"] = { after = { "a", nil, "c" } },
            [where .. ': expected an array without holes, got the key [the string "db"]'] = { after = { db = true } },
            [where .. ' has the name "db" twice'] = { after = { "db", "cache", "db" } },
            [where .. ' has the child\'s own name, "web"'] = { after = { "db", "web" } },
        })
    end)

    it("do not hold the name by which a child is called that was given none", function()
        local sup = sutura.supervisor("A")
        assert.equal("add: field 'after' has the child's own name, \"worker\"", refusal.of(function()
            sup:add({ serve = nothing, name = "worker" }, { after = { "worker" } })
        end))
    end)
end)

describe("an unknown option", function()
    it("is refused with the nearest known one", function()
        refuses({
            ["add: unknown field 'backof'; the nearest known one is 'backoff'"] = { backof = {} },
            ["add: unknown field 'start_timout'; the nearest known one is 'start_timeout'"] = { start_timout = 1 },
            ["add: unknown field 'afte'; the nearest known one is 'after'"] = { afte = {} },
        })
    end)
end)
