-- SPDX-License-Identifier: MIT
--
-- Partitions: a supervisor of like children, and the one of them that a key belongs to.

local refusal = require "spec.support.refusal"
local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local function nothing() end

local function forever()
    sutura.sleep(math.huge)
end

-- A partition of n functions, and the number of each by its function.
local function partition(n, given)
    local numbers = {}
    local p = sutura.partition("p", n, function(i)
        local function run()
            forever()
        end
        numbers[run] = i
        return run
    end, given)
    return p, numbers
end

-- The numbers that keys belong to.
local function numbers_of(n, keys)
    local p, numbers = partition(n)
    local found = {}
    for i, key in ipairs(keys) do
        found[i] = numbers[(p:get(key))]
    end
    return found
end

local function names_of(sup)
    local names = {}
    for i, record in ipairs(sup:children()) do
        names[i] = record.name
    end
    return names
end

describe("a partition", function()
    it("is a supervisor with the children that the factory makes, in order", function()
        local asked = {}
        local p = sutura.partition("p", 3, function(i)
            table.insert(asked, i)
            return nothing
        end)
        assert.equal("p", p.name)
        assert.same({ 1, 2, 3 }, asked)
        assert.same({ "1", "2", "3" }, names_of(p))
    end)

    it("names a child by its child spec, else by its number", function()
        local inner = sutura.supervisor("inner")
        local made = {
            { name = "first", run = nothing }, { run = nothing }, { serve = nothing, name = "object" }, inner, nothing,
        }
        local p = sutura.partition("p", 5, function(i)
            return made[i]
        end)
        assert.same({ "first", "2", "3", "4", "5" }, names_of(p))
        assert.is_nil(made[2].name)
    end)

    it("has a spec as any supervisor", function()
        local given = { failure_threshold = 2, strategy = "one_for_all" }
        local p = sutura.partition("p", 2, function()
            return { run = nothing, restart = "transient" }
        end, given)
        local tree = p:tree()
        assert.same({ 2.0, "one_for_all", "transient" },
            { tree.failure_threshold, tree.strategy, tree.children[1].restart })
        assert.is_nil(given.children)
    end)

    it("takes from metatables what they give", function()
        local common = { __index = { restart = "temporary", run = nothing, failure_threshold = 3 } }
        local p = sutura.partition("p", 1, function()
            return setmetatable({ shutdown = 1 }, common)
        end, setmetatable({ timeout = 1 }, common))
        assert.equal("temporary", p:children()[1].restart)
        assert.equal(3.0, p:tree().failure_threshold)
    end)

    it("runs under another supervisor, restarts its children and stops", virtual.test(function(rt)
        local starts = {}
        local p = sutura.partition("p", 2, function(i)
            return function(ctx)
                starts[i] = ctx.run
                sutura.sleep(ctx.run == 1 and i == 2 and 1 or math.huge)
            end
        end)
        local sup = rt:supervisor("A", { event_hook = nothing })
        sup:add(p)
        sup:serve_background()
        sutura.sleep(2)
        assert.same({ 1, 2 }, starts)
        local _, token = p:get("x")
        assert.matches("^A/p/[12]$", tostring(token))
        assert.is_true(p:restart(token))
        assert.is_nil(sup:stop())
    end))

    it("is collected when nobody keeps it", function()
        local seen = setmetatable({}, { __mode = "k" })
        do
            local p = sutura.partition("p", 2, function()
                return { serve = nothing }
            end)
            seen[p], seen[p:get(1)] = true, true
        end
        for _ = 1, 3 do
            collectgarbage()
        end
        assert.is_nil(next(seen))
    end)

    it("lets an error of the factory through as it is", function()
        local problem = {}
        local ok, raised = pcall(sutura.partition, "p", 1, function()
            error(problem)
        end)
        assert.is_false(ok)
        assert.equal(problem, raised)
    end)

    it("may have a factory that waits", virtual.test(function()
        local p = sutura.partition("p", 2, function()
            sutura.sleep(1)
            return nothing
        end)
        assert.equal(2.0, sutura.now())
        assert.equal(2, #p:children())
    end))
end)

describe("what makes a partition", function()
    it("is refused by the argument that is wrong", function()
        local n = "partition 'p': argument 'n': expected an integer from 1 to 100000, got "
        refusal.each({
            ["partition: argument 'name': expected a non-empty string, got nil"] = {},
            ["partition: argument 'name': expected a non-empty string, got the string \"\""] = { "" },
            [n .. "nil"] = { "p" },
            [n .. "the number 0"] = { "p", 0 },
            [n .. "the number 1.5"] = { "p", 1.5 },
            [n .. "the number 100001"] = { "p", 100001 },
            [n .. 'the string "2"'] = { "p", "2" },
            ["partition 'p': argument 'factory': expected a function, got a table"] = { "p", 2, {} },
            ["partition 'p': argument 'spec': expected a table, got the number 5"] = { "p", 2, nothing, 5 },
            ["partition 'p': field 'children': a partition has the children that 'factory' makes"] =
                { "p", 2, nothing, { children = {} } },
        }, function(given)
            sutura.partition(given[1], given[2], given[3], given[4])
        end)
    end)

    it("is refused by what the factory made", function()
        local expected = "partition 'p': factory(2): expected a function, an object with a method 'serve', a "
            .. "supervisor or a child spec, got "
        refusal.each({
            [expected .. "nil"] = { nothing },
            [expected .. "the number 5"] = { nothing, 5 },
            ["supervisor 'p': children[2]: field 'run': expected a function, an object with a method 'serve' or a "
                .. "supervisor, got nil"] = { nothing, {} },
            ["supervisor 'p': children[1] and children[2] have the same name \"x\""] =
                { { name = "x", run = nothing }, { name = "x", run = nothing } },
        }, function(made)
            sutura.partition("p", 2, function(i) return made[i] end)
        end)
    end)

    it("is refused by its spec", function()
        refusal.each({
            ["supervisor 'p': unknown field 'tiemout'; the nearest known one is 'timeout'"] = { tiemout = 1 },
        }, function(given)
            sutura.partition("p", 1, function() return nothing end, given)
        end)
    end)
end)

describe("the child of a key", function()
    it("is what runs, and its token", function()
        local object, inner = { serve = nothing }, sutura.supervisor("inner")
        local made = { { name = "spec", run = nothing }, object, inner }
        local p = sutura.partition("p", 3, function(i)
            return made[i]
        end)
        local paths = { [nothing] = "p/spec", [object] = "p/2", [inner] = "p/3" }
        for key = 1, 30 do
            local child, token = p:get(key)
            assert.equal(paths[child], tostring(token))
            paths[child] = paths[child] or error("no child of the factory")
        end
    end)

    it("is the same for equal keys, before and while it runs", virtual.test(function()
        local p = partition(7)
        local before = {}
        for key = 1, 50 do
            before[key] = table.pack(p:get(key))
        end
        p:serve_background()
        sutura.sleep(1)
        for key = 1, 50 do
            assert.same(before[key], table.pack(p:get(key)))
            assert.same(before[key], table.pack(p:get(key + 0.0)))
        end
        p:stop()
    end))

    it("is the same in every run of every program", function()
        assert.same({ 12, 4, 16, 1, 6, 7, 15, 9 }, numbers_of(16,
            { "", "a", "user:1", "\0\xFF", 0, 1, -1, math.maxinteger }))
    end)

    it("is another one for a number than for its text", function()
        local numbers, texts = {}, {}
        for i = 1, 64 do
            numbers[i], texts[i] = i, tostring(i)
        end
        assert.not_same(numbers_of(64, numbers), numbers_of(64, texts))
    end)

    it("is any of them, about as often, whatever keys have in common", function()
        local shapes = {
            integers = function(i) return i end,
            even = function(i) return 2 * i end,
            wide = function(i) return i << 10 end,
            negative = function(i) return -i end,
            digits = tostring,
            names = function(i) return "user:" .. i end,
            ends = function(i) return i .. ".example" end,
        }
        for shape, key_of in pairs(shapes) do
            for _, n in ipairs({ 2, 3, 16, 50 }) do
                local keys, counts = {}, {}
                for i = 1, 100 * n do
                    keys[i] = key_of(i)
                end
                for _, number in ipairs(numbers_of(n, keys)) do
                    counts[number] = (counts[number] or 0) + 1
                end
                for number = 1, n do
                    local count = counts[number] or 0
                    assert.is_true(count > 50 and count < 150, ("%s, %d of %d: %d"):format(shape, number, n, count))
                end
            end
        end
    end)

    it("is found by the child's own token after it was removed and others came", virtual.test(function()
        local p = partition(1)
        local child, token = p:get("x")
        p:serve_background()
        p:remove_and_wait(token)
        p:add("1", forever)
        assert.same({ child, token }, { p:get("x") })
        assert.equal("p/1", tostring(token))
        p:stop()
    end))

    it("is refused when the runtime is closed", function()
        local p, sup
        virtual.run(function()
            p, sup = partition(2), sutura.supervisor("A")
        end)
        for _, closed in ipairs({ p, sup }) do
            assert.equal("'get': the runtime of the supervisor is closed", refusal.of(function()
                closed:get(1)
            end))
        end
    end)

    it("is refused for what is no key, and where there is no partition", function()
        local p = partition(2)
        local expected = "get: argument 'key': expected a string or an integer, got "
        refusal.each({
            [expected .. "the number 1.5"] = 1.5,
            [expected .. "the number NaN"] = 0 / 0,
            [expected .. "the number inf"] = math.huge,
            [expected .. "the boolean true"] = true,
            [expected .. "a table"] = {},
        }, function(key)
            p:get(key)
        end)
        assert.equal(expected .. "nil", refusal.of(function()
            p:get()
        end))
        local sup = sutura.supervisor("A")
        assert.equal("get: supervisor 'A' is no partition: sutura.partition makes one", refusal.of(function()
            sup:get(1)
        end))
        assert.equal("get: argument 'self': expected a supervisor (called with ':'), got the number 1",
            refusal.of(function()
                p.get(1)
            end))
    end)
end)
