-- SPDX-License-Identifier: MIT
--
-- The order in which the children of a spec start, from what each is `after`: the order alone, and what a spec makes
-- of it.

local order = require "sutura.order"
local refusal = require "spec.support.refusal"
local sutura = require "sutura"

local MANY = 10000

local function nothing() end

-- What every order must be: each index once, after what it needs; and at each place the first one that could be there.
local function check_order(count, needs, placed)
    local at, free_at = {}, {}
    for place, i in ipairs(placed) do
        assert(not at[i], "twice")
        at[i], free_at[i] = place, 1
        for _, needed in ipairs(needs[i]) do
            assert(at[needed], "before what it needs")
            free_at[i] = math.max(free_at[i], at[needed] + 1)
        end
        for earlier = free_at[i], place - 1 do
            assert(placed[earlier] < i, "later than it could be")
        end
    end
    assert.equal(count, #placed)
end

-- Children by name, each with the names that it is after.
local function children(list)
    local specs = {}
    for i, entry in ipairs(list) do
        local name, after = entry:match("^(%w+) ?(.*)$")
        specs[i] = { name = name, run = nothing }
        for needed in after:gmatch("%w+") do
            specs[i].after = specs[i].after or {}
            table.insert(specs[i].after, needed)
        end
    end
    return specs
end

local function names_in_order(list)
    local names = {}
    for i, record in ipairs(sutura.supervisor("A", { children = children(list) }):children()) do
        names[i] = record.name
    end
    return table.concat(names, " ")
end

describe("an order", function()
    it("is that of the list where nothing is needed", function()
        assert.same({ 1, 2, 3 }, order.of(3, {}))
        assert.same({}, order.of(0, {}))
    end)

    it("moves what waits back only as far as it must", function()
        local cases = {
            { { [1] = { 2 } }, { 2, 1, 3, 4 } },
            { { [1] = { 3 } }, { 2, 3, 1, 4 } },
            { { [1] = { 4 }, [2] = { 1 } }, { 3, 4, 1, 2 } },
            { { [1] = { 2 }, [2] = { 3 }, [3] = { 4 } }, { 4, 3, 2, 1 } },
            { { [1] = { 3, 4 } }, { 2, 3, 4, 1 } },
            { { [4] = { 1, 2, 3 } }, { 1, 2, 3, 4 } },
        }
        for _, case in ipairs(cases) do
            assert.same(case[2], order.of(4, case[1]))
        end
    end)

    it("is right for any graph without a circle", function()
        local seed = 1
        local function random(n)
            seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
            return (seed >> 8) % n + 1
        end
        for _ = 1, 200 do
            local count = random(30)
            local rank, needs = {}, {}
            for i = 1, count do
                rank[i] = random(1000) * 100 + i
            end
            for i = 1, count do
                needs[i] = {}
                for j = 1, count do
                    if rank[j] < rank[i] and random(8) == 1 then
                        table.insert(needs[i], j)
                    end
                end
            end
            check_order(count, needs, order.of(count, needs))
        end
    end)

    it("is found for ten thousand that wait for each other in a row", function()
        local needs = {}
        for i = 1, MANY - 1 do
            needs[i] = { i + 1 }
        end
        local placed = order.of(MANY, needs)
        assert.same({ MANY, 1 }, { placed[1], placed[MANY] })
    end)

    it("is none where some need each other, and these are told", function()
        local cases = {
            { { [1] = { 1 } }, { 1 } },
            { { [1] = { 2 }, [2] = { 1 } }, { 1, 2 } },
            { { [1] = { 2 }, [2] = { 4 }, [4] = { 2 } }, { 2, 4 } },
            { { [1] = { 3, 4 }, [4] = { 2 }, [2] = { 1 } }, { 1, 4, 2 } },
        }
        for _, case in ipairs(cases) do
            local placed, circle = order.of(4, case[1])
            assert.is_nil(placed)
            assert.same(case[2], circle)
        end
    end)
end)

describe("the children of a spec", function()
    it("start after the siblings that they name, else in the order of the list", function()
        local cases = {
            ["a b c"] = { "a", "b", "c" },
            ["db web log"] = { "web db", "db", "log" },
            ["db cache web log"] = { "web db cache", "db", "cache", "log" },
            ["log db web api"] = { "api web", "web db", "log", "db" },
        }
        -- "log" names nobody, so that it and "db" keep their order; "web" and "api" move behind "db".
        for expected, list in pairs(cases) do
            assert.equal(expected, names_in_order(list))
        end
    end)

    it("are as many as one likes", function()
        local list = {}
        for i = 1, MANY do
            list[i] = { name = "c" .. i, run = nothing, after = i < MANY and { "c" .. i + 1 } or nil }
        end
        local records = sutura.supervisor("A", { children = list }):children()
        assert.same({ "c" .. MANY, "c1" }, { records[1].name, records[MANY].name })
    end)

    it("do not wait for one that is not among them", function()
        refusal.each({
            ["supervisor 'A': children[2] is after 'db', which is no name in 'children'"] =
                { children = children({ "a", "web db" }) },
            ["supervisor 'A': children[1] is after 'd\\nb', which is no name in 'children'"] =
                { children = { { name = "a", run = nothing, after = { "d\nb" } } } },
            ["supervisor 'A': children[1]: field 'after' has the child's own name, \"a\""] =
                { children = children({ "a a" }) },
        }, function(given)
            sutura.supervisor("A", given)
        end)
    end)

    it("do not wait for each other in a circle", function()
        local list = {}
        for i = 1, MANY do
            list[i] = { name = "c" .. i, run = nothing, after = { "c" .. i % MANY + 1 } }
        end
        local where = "supervisor 'A': field 'after' of the children makes a circle: "
        refusal.each({
            [where .. "a -> b -> a"] = { children = children({ "a b", "b a" }) },
            [where .. "b -> c -> d -> b"] = { children = children({ "a b", "b c", "c d", "d b x", "x" }) },
            [where .. "c1 -> c2 -> c3 -> c4 -> c5 -> c6 -> c7 -> c8 -> c9 -> c10 -> (9990 more) -> c1"] =
                { children = list },
        }, function(given)
            sutura.supervisor("A", given)
        end)
    end)

    it("are numbered in messages as in the list", function()
        refusal.each({
            ["supervisor 'A': children[1] and children[3] have the same name \"a\""] =
                { children = children({ "a b", "b", "a" }) },
        }, function(given)
            sutura.supervisor("A", given)
        end)
    end)
end)
