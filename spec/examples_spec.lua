-- SPDX-License-Identifier: MIT
--
-- The examples that end by themselves, run as a reader runs them.

local command = require "spec.support.command"

local function run(name)
    return command.script(("exec $SUTURA run examples/%s.lua"):format(name))
end

local function run_program(name)
    return command.script(("exec ${SUTURA%%bin/sutura} examples/%s.lua"):format(name))
end

-- Fails unless the text has these patterns in this order.
local function has_in_order(text, patterns)
    local from = 1
    for _, pattern in ipairs(patterns) do
        local _, stop = text:find(pattern, from)
        assert(stop, ("expected %q after byte %d of:\n%s"):format(pattern, from, text))
        from = stop + 1
    end
end

local function read(path)
    local file <close> = assert(io.open(path))
    return file:read("a")
end

describe("the examples", function()
    it("begin with the one that the README shows", function()
        local code = read("examples/hello.lua"):match("\n(local sutura.*)")
        assert.is_truthy(read("README.md"):find("```lua\n" .. code .. "```", 1, true))
    end)

    it("greet, crash once and greet again", function()
        local result = run("hello")
        assert.equal(0, result.code)
        assert.equal("hello from run 1\nhello from run 2\n", result.out)
        has_in_order(result.err, { "root/greeter: panicked: examples/hello%.lua:%d+: a bug", "stack traceback",
            "examples/hello%.lua:%d+" })
        assert.equal(1, select(2, result.err:gsub("service_panic", "")))
    end)

    it("demonstrate a crash with its trace, restarts, a pause, a resume and a clean stop", function()
        local started = os.time()
        local result = command.script("exec 2>&1; exec $SUTURA run examples/demo.lua")
        assert.equal(0, result.code, result.out)
        assert.is_true(os.time() - started <= 12) -- Five, on a machine that has nothing else to do.
        has_in_order(result.out, {
            "run 1 begins", "demo/shop/flaky: panicked: [^\n]*restarting%)", "stack traceback:",
            "examples/demo%.lua:%d+", "run 2 begins", "run 3 begins", "backoff +demo/shop: too many failures",
            "not restarting now", "tick", "resume +demo/shop", "run 4 begins", "is well again",
            "flaky +stops, and has cleaned up", "clock +stops, and has cleaned up\n$",
        })
        assert.equal(3, select(2, result.out:gsub("service_panic", "")))
        assert.is_nil(result.out:find("run 5", 1, true))
    end)

    it("start, stop and restart the parts of a shop in the order of what they need", function()
        local checked = command.script("exec $SUTURA check examples/shop.lua")
        has_in_order(checked.out, { "1%. audit: ", "2%. database: ", "3%. catalog: ", "4%. web: " })
        local result = run("shop")
        assert.equal(0, result.code, result.err)
        local run_1 = { "audit +run 1  watches\n", "database +run 1  opens\n", "web +run 1  sells an apple for 3\n",
            "database +run 1  is gone\n", "web +run 1  is gone\n", "catalog +run 1  is gone\n" }
        local run_2 = { "database +run 2  opens\n", "web +run 2  sells an apple for 3\n", "web +run 2  is gone\n",
            "catalog +run 2  is gone\n", "database +run 2  is gone\n", "audit +run 1  is gone\n$" }
        has_in_order(result.out, table.move(run_2, 1, #run_2, #run_1 + 1, run_1))
        assert.matches("shop/database: panicked: .*the disk has failed %(run 1, .*, restarting%)", result.err)
    end)

    it("keep a hundred services going beside three that do not cooperate, and say which", function()
        local result = run("hogs")
        assert.equal(5, result.code)
        local ticks = 0
        for count, seconds in result.out:gmatch("(%d+) ticks in (%d+%.%d) s\n") do
            assert.is_true(tonumber(count) > 0 and tonumber(seconds) < 10)
            ticks = ticks + 1
        end
        assert.equal(6, ticks)
        has_in_order(result.err, { "service_hog +works/spinner: ran for 0%.%d+ s in one piece, and was made to give",
            "examples/hogs%.lua:%d+", "stuck +service works/blocker has run for 1%.%d s",
            "service_hog +works/blocker: ran", "stop_timeout +works/deaf: [^\n]* it was in sleep",
            "stop_timeout +works/spinner: [^\n]* it was running at" })
        local named = {}
        for path in result.err:gmatch("unstopped +(%S+) did not stop and was closed by force") do
            named[#named + 1] = path
        end
        assert.same({ "works/spinner", "works/deaf" }, named)
    end)

    it("run a tree in a program whose main loop is that of cqueues", function()
        local result = run_program("in_cqueues")
        assert.equal(0, result.code, result.err)
        has_in_order(result.out, { "cqueues: a job, 5\n", "worker, run 1: 60 / 5 = 12\n", "cqueues: a job, 4\n",
            "worker, run 1: 60 / 4 = 15\n", "cqueues: a job, 0\n", "worker, run 2: 60 / 3 = 20\n",
            "the tree has stopped\n$" })
        assert.matches("root/worker: panicked: .*divide by zero", result.err)
    end)

    it("run a tree in a program whose main loop is that of luv", function()
        local result = run_program("in_luv")
        assert.equal(0, result.code, result.err)
        has_in_order(result.out, { "service, run 1: 1\n", "luv's timer: 1\n", "service, run 1: 2\n",
            "service, run 2: 4\n", "luv's timer: 5\n", "the tree is terminated, because the program has seen enough" })
        assert.matches("root/counter: panicked: .*three is too much", result.err)
    end)
end)
