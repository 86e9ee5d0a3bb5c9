-- SPDX-License-Identifier: MIT
--
-- What `sutura.supervisor` and `add` accept, and how they refuse the rest: the argument or field, what was expected,
-- what came, at the caller's line.

local refusal = require("spec.support.refusal").of
local sutura = require "sutura"

local NUMBERS = { "failure_decay", "failure_threshold", "failure_backoff", "resume_spacing", "timeout" }

local function nothing() end

local function refused_spec(spec)
    return refusal(function()
        sutura.supervisor("A", spec)
    end)
end

describe("the name of a supervisor", function()
    it("is any non-empty string", function()
        for _, name in ipairs({ "a", "a/b", "%", "\n", ("x"):rep(1000), "\xFF" }) do
            assert.equal(name, sutura.supervisor(name).name)
        end
    end)

    it("is nothing else", function()
        local function with(name)
            return refusal(function()
                sutura.supervisor(name)
            end)
        end
        assert.equal("supervisor: argument 'name': expected a non-empty string, got nil", with(nil))
        assert.equal("supervisor: argument 'name': expected a non-empty string, got the string \"\"", with(""))
        assert.equal("supervisor: argument 'name': expected a non-empty string, got the number 42", with(42))
        assert.equal("supervisor: argument 'name': expected a non-empty string, got a table", with({}))
    end)

    it("is checked by a runtime as well", function()
        local runtime <close> = sutura.runtime({ clock = "virtual" })
        assert.equal("supervisor: argument 'name': expected a non-empty string, got nil", refusal(function()
            runtime:supervisor()
        end))
    end)
end)

describe("the spec of a supervisor", function()
    it("may be left out, be empty, or hold every field of the contract", function()
        sutura.supervisor("A")
        sutura.supervisor("A", {})
        sutura.supervisor("A", {
            event_hook = nothing, failure_decay = 30, failure_threshold = 5, failure_backoff = 15,
            backoff_jitter = sutura.no_jitter, resume_spacing = 0, timeout = 10, pass_through_panics = false,
            dont_propagate_termination = true, format_error = tostring, panic_locals = true, redact = nothing,
            lifecycle_events = true, stop_order = "parallel", children = {}, strategy = "rest_for_one",
            auto_shutdown = "any_significant", intensity = 3, period = 5, history = 10000,
        })
    end)

    it("takes an explicit 0 as a value", function()
        sutura.supervisor("A", {
            failure_decay = 0, failure_threshold = 0, failure_backoff = 0, resume_spacing = 0, timeout = 0, history = 0,
        })
        local sup = sutura.supervisor("A", { failure_threshold = 0 })
        assert.equal(0, sup:tree().failure_threshold)
    end)

    it("is a table", function()
        assert.equal("supervisor: argument 'spec': expected a table, got the number 5", refused_spec(5))
        assert.equal("supervisor: argument 'spec': expected a table, got a function", refused_spec(nothing))
    end)

    it("has no negative number, no NaN and nothing that is no number", function()
        local wrong = { [-1] = "the number -1", ["5"] = 'the string "5"', [true] = "the boolean true" }
        for _, name in ipairs(NUMBERS) do
            for value, shown in pairs(wrong) do
                local message = refused_spec({ [name] = value })
                assert.matches(("^supervisor 'A': field '%s': expected a "):format(name), message)
                assert.is_truthy(message:find(">= 0, got " .. shown, 1, true), message)
            end
            assert.is_truthy(refused_spec({ [name] = 0 / 0 }):find("got the number NaN", 1, true))
            assert.is_truthy(refused_spec({ [name] = -math.huge }):find("got the number -inf", 1, true))
        end
    end)

    it("has infinite numbers only where they are named", function()
        sutura.supervisor("A", { failure_decay = math.huge, failure_threshold = math.huge })
        for _, name in ipairs({ "failure_backoff", "resume_spacing", "timeout" }) do
            assert.equal(("supervisor 'A': field '%s': expected a finite number >= 0, got the number inf"):format(name),
                refused_spec({ [name] = math.huge }))
        end
    end)

    it("has booleans that are booleans and functions that are functions", function()
        for _, name in ipairs({
            "pass_through_panics", "dont_propagate_termination", "panic_locals", "lifecycle_events",
        }) do
            assert.equal(("supervisor 'A': field '%s': expected a boolean, got the number 1"):format(name),
                refused_spec({ [name] = 1 }))
        end
        for _, name in ipairs({ "event_hook", "backoff_jitter", "format_error", "redact" }) do
            assert.equal(("supervisor 'A': field '%s': expected a function, got the boolean false"):format(name),
                refused_spec({ [name] = false }))
        end
    end)

    it("stops in one of two orders", function()
        assert.equal([[supervisor 'A': field 'stop_order': expected "reverse" or "parallel", got the string "both"]],
            refused_spec({ stop_order = "both" }))
    end)

    it("names the nearest known field for an unknown one", function()
        assert.equal("supervisor 'A': unknown field 'tiemout'; the nearest known one is 'timeout'",
            refused_spec({ tiemout = 1 }))
        assert.equal("supervisor 'A': unknown field 'FailureDecay'; the nearest known one is 'failure_decay'",
            refused_spec({ FailureDecay = 1 }))
        assert.equal("supervisor 'A': unknown field [the number 1]; fields have names", refused_spec({ "timeout" }))
    end)

    it("shows a long or binary value briefly", function()
        assert.is_true(#refused_spec({ timeout = ("\0"):rep(1000000) }) < 1000)
        assert.is_true(#refused_spec({ [("\0"):rep(1000000)] = 1 }) < 1000)
    end)

    it("leaves the user's table alone and does not watch it", function()
        local children = {}
        local spec = { timeout = 1, children = children }
        local sup = sutura.supervisor("A", spec)
        spec.timeout, children[1] = "later", "later"
        assert.equal(0, #sup:tree().children)
        assert.same({ timeout = "later", children = { "later" } }, spec)
    end)
end)

describe("the children of a spec", function()
    it("are child specs, objects, supervisors or functions, kept in their order", function()
        local sup = sutura.supervisor("A", {
            children = {
                { name = "first", run = nothing },
                { name = "second", serve = nothing },
                sutura.supervisor("third"),
                { name = "fourth", run = { serve = nothing } },
                { run = sutura.supervisor("fifth") },
            },
        })
        local names = {}
        for i, child in ipairs(sup:tree().children) do
            names[i] = child.name
        end
        assert.same({ "first", "second", "third", "fourth", "fifth" }, names)
    end)

    it("have names of their own", function()
        assert.equal("supervisor 'A': children[1] and children[3] have the same name \"x\"", refused_spec({
            children = { { name = "x", run = nothing }, { name = "y", run = nothing }, { name = "x", run = nothing } },
        }))
    end)

    it("are refused by their place", function()
        assert.equal("supervisor 'A': children[2]: unknown field 'shutdwn'; the nearest known one is 'shutdown'",
            refused_spec({ children = { { name = "x", run = nothing }, { name = "y", run = nothing, shutdwn = 1 } } }))
        assert.equal("supervisor 'A': children[1]: field 'run': expected a function, an object with a method 'serve' "
            .. "or a supervisor, got nil", refused_spec({ children = { { name = "x" } } }))
    end)

    it("are an array without holes", function()
        assert.equal("supervisor 'A': field 'children': expected a table, got a function",
            refused_spec({ children = nothing }))
        local holes = "supervisor 'A': field 'children': expected an array without holes, got the key "
        assert.equal(holes .. '[the string "x"]', refused_spec({ children = { x = { run = nothing } } }))
        assert.equal(holes .. "[the number 3]",
            refused_spec({ children = { { name = "x", run = nothing }, nil, { name = "y", run = nothing } } }))
    end)
end)

describe("add", function()
    local sup

    before_each(function()
        sup = sutura.supervisor("A")
    end)

    local function refused(...)
        local arguments = table.pack(...)
        return refusal(function()
            sup:add(table.unpack(arguments, 1, arguments.n))
        end)
    end

    local function path_of(...)
        return tostring(sup:add(...))
    end

    it("calls a function by the given name", function()
        assert.equal("A/web", path_of("web", nothing))
        assert.equal("A/web#2", path_of("web", nothing, { shutdown = 1 }))
        assert.equal("A/other", path_of({ name = "other", run = nothing }))
        assert.equal("A/third", path_of(nothing, { name = "third" }))
    end)

    it("calls a function without a name by its place", function()
        local line = debug.getinfo(1, "l").currentline + 1
        assert.equal("A/spec_spec.lua:" .. line, path_of(function() end))
        assert.equal("A/spec_spec.lua:" .. line + 1, path_of({ run = function() end }))
    end)

    it("calls an object by its option, its name, or its text, in this order", function()
        local object = setmetatable({ serve = nothing, name = "named" }, { __tostring = function() return "text" end })
        assert.equal("A/option", path_of(object, { name = "option" }))
        assert.equal("A/named", path_of(object))
        object.name = nil
        assert.equal("A/text", path_of(object))
        object.name = 42
        assert.equal("A/text#2", path_of(object))
    end)

    it("asks an object for its text once", function()
        local asked = 0
        sup:add(setmetatable({ serve = nothing }, {
            __tostring = function()
                asked = asked + 1
                return "object " .. asked
            end,
        }))
        assert.equal("object 1", sup:tree().children[1].name)
        assert.equal(1, asked)
    end)

    it("refuses an object whose text cannot be had", function()
        assert.matches("^add: the object has no name, and its __tostring failed: .*no text", refused(setmetatable(
            { serve = nothing }, { __tostring = function() error("no text") end })))
        assert.equal("add: the object has no name, and its __tostring gives an empty string", refused(setmetatable(
            { serve = nothing }, { __tostring = function() return "" end })))
    end)

    it("refuses an object without serve, and what is no service at all", function()
        assert.equal("add: argument 'service': expected an object with a method 'serve', got a table",
            refused(setmetatable({}, {})))
        assert.equal("add: argument 'service': expected an object with a method 'serve', got a table (Worker)",
            refused(setmetatable({ serve = 5 }, { __name = "Worker" })))
        for value, shown in pairs({ [42] = "the number 42", [true] = "the boolean true" }) do
            assert.equal("add: argument 'service': expected a name and a function, an object with a method 'serve', a "
                .. "supervisor or a child spec, got " .. shown, refused(value))
        end
        assert.matches("got nil$", refused())
        assert.matches("^add: argument 'service': .* got nil$", refused("web"))
        assert.matches("^add: argument 'service': .* got the string \"x\"$", refused("web", "x"))
        assert.equal("add: argument 'name': expected a non-empty string, got the string \"\"", refused("", nothing))
    end)

    it("takes the time to stop in every form of the contract", function()
        for _, value in ipairs({ 0, 0.5, 30, "kill", "infinity" }) do
            assert.is_truthy(sup:add("web", nothing, { shutdown = value }))
        end
        for _, value in ipairs({ -1, 0 / 0, math.huge, "brutal_kill", true }) do
            assert.matches("^add: field 'shutdown': expected a finite number >= 0, \"kill\" or \"infinity\", got the ",
                refused("web", nothing, { shutdown = value }))
        end
    end)

    it("does not both close at once and never close", function()
        assert.is_truthy(sup:add("web", nothing, { kill = false }))
        assert.equal("add: field 'shutdown' is \"kill\", so field 'kill' cannot be false",
            refused("web", nothing, { shutdown = "kill", kill = false }))
        assert.equal("add: field 'kill': expected a boolean, got the number 0", refused("web", nothing, { kill = 0 }))
    end)

    it("names the nearest known option for an unknown one", function()
        assert.equal("add: unknown field 'kil'; the nearest known one is 'kill'", refused("web", nothing, { kil = 1 }))
        assert.equal("add: argument 'opts': expected a table, got the number 5", refused("web", nothing, 5))
    end)

    it("takes one name for one service", function()
        assert.equal("A/web", path_of("web", nothing, { name = "web" }))
        assert.equal("add: the service is named twice, \"web\" and by field 'name'",
            refused("web", nothing, { name = "other" }))
    end)

    it("adds nothing when it refuses", function()
        refused("web", nothing, { kil = 1 })
        assert.equal(0, #sup:tree().children)
    end)
end)
