-- SPDX-License-Identifier: MIT
--
-- The follower of a growing log file, with a real file under it.

local command = require "spec.support.command"
local example = require "spec.support.example"

local path, follower

local function write(mode, text)
    local file <close> = assert(io.open(path, mode))
    file:write(text)
end

-- What was printed, without the follower's own remarks.
local function lines()
    local result = {}
    for line in follower:text("out"):gsub("^%d+\n", "", 1):gmatch("([^\n]*)\n") do
        if not line:find("^%(") then
            result[#result + 1] = line
        end
    end
    return table.concat(result, " ")
end

local function panics()
    return select(2, follower:text("err"):gsub("service_panic", ""))
end

describe("the example that follows a log file", function()
    before_each(function()
        path = command.file("written before\n")
        follower = example.start("examples/follow.lua -- " .. path)
        follower:await("following from byte 15")
    end)

    after_each(function()
        follower:stop()
    end)

    it("prints new lines, and a line in pieces when it is whole", function()
        write("a", "one\ntwo\nthr")
        follower:await("two\n")
        write("a", "ee\n")
        follower:await("three\n")
        assert.equal("one two three", lines())
        assert.equal(0, follower:stop())
        assert.equal(0, panics())
    end)

    it("goes on without a crash when the file is truncated", function()
        write("w", "new\n")
        follower:await("new\n")
        write("a", "more\n")
        follower:await("more\n")
        assert.equal("new more", lines())
        assert.equal(0, panics())
    end)

    it("crashes once when the file is removed, and waits for a new one, which it reads from the beginning", function()
        os.remove(path)
        follower:await("log/follower: panicked: .*ENOENT", "err")
        follower:await("%(waiting: ")
        write("w", "reborn\n")
        follower:await("reborn\n")
        assert.equal(1, panics())
        assert.equal("reborn", lines())
    end)

    it("prints the rest of a file that another has replaced before it reads the other", function()
        local old = command.file("")
        write("a", "the rest\n") -- Most likely not seen before the next two lines have been run, too.
        assert(os.rename(path, old))
        write("w", "the first\nthe second\n")
        follower:await("the second\n")
        assert.equal("the rest the first the second", lines())
        assert.is_true(panics() <= 2)
    end)

    it("prints a line of the file neither twice nor not at all when a line too long crashes it", function()
        write("a", "before\n" .. ("x"):rep(70000) .. "\nafter\n")
        follower:await("\nafter\n")
        assert.matches("^before x+ after$", lines())
        assert.equal(1, panics())
        assert.matches("a line is too long", follower:text("err"))
    end)
end)
