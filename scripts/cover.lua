-- SPDX-License-Identifier: MIT
--
-- usage: lua5.4 scripts/cover.lua BUILD_DIRECTORY      what the specs have covered, after a run in the flavour cover
--
-- In TAP: branches of each ring of C, by gcovr, and lines of Lua, by spec/host/cover.c. Each has its bound. What
-- is not covered is listed below the line.

local tap = require "scripts.tap"

local build = assert(arg[1], "usage: lua5.4 scripts/cover.lua BUILD_DIRECTORY")

local LEAST = { core = 100, rt = 90, lua = 90, Lua = 95 }

local function report(what, name, hit, all, missed)
    local share = all > 0 and 100 * hit / all or 0
    tap.check(share >= LEAST[name], "%s: %d of %d, %.1f %%, at least %d", what, hit, all, share, LEAST[name])
    for _, line in ipairs(missed) do
        print("#   " .. line)
    end
end

-- An invariant's other branch ends the program. gcovr's table: file, branches, taken, share, and lines with a branch
-- that was not.
local function branches(ring)
    local pipe = assert(io.popen(("gcovr -r . --object-directory %s/obj --filter csrc/%s/ "
        .. "--exclude-unreachable-branches --exclude-branches-by-pattern '.*SUT_INVARIANT\\(.*' "
        .. "--branches 2>&1"):format(build, ring)))
    local hit, all, missed = 0, 0, {}
    for line in pipe:lines() do
        local file, total, taken, lines = line:match("^(csrc/%S+) +(%d+) +(%d+) +%S+%%? *(%S*)")
        if file then
            all, hit = all + total, hit + taken
            if total ~= taken then
                missed[#missed + 1] = file .. ": " .. lines
            end
        end
    end
    pipe:close()
    report("branches of csrc/" .. ring, ring, hit, all, missed)
end

-- Lines that have code, without those that only end something: what is there runs by a return alone.
local function lines_with_code(path)
    local found, source = {}, {}
    for line in io.lines(path) do
        source[#source + 1] = line
    end
    local pipe = assert(io.popen("luac5.4 -l -p " .. path))
    for line in pipe:lines() do
        local number = tonumber(line:match("^\t%d+\t%[(%d+)%]\t%u%w+"))
        local text = number and not line:find("VARARGPREP", 1, true) and source[number] or ""
        if text:find("%w") and not text:find("^%s*end[%s%),;}]*$") then
            found[number] = true
        end
    end
    pipe:close()
    return found
end

local function hits()
    local found = {}
    local pipe = assert(io.popen(("sort -u %s/lines/*"):format(build)))
    for line in pipe:lines() do
        found[line] = true
    end
    pipe:close()
    return found
end

local function lines()
    local seen, hit, all, missed = hits(), 0, 0, {}
    local pipe = assert(io.popen("ls lua/sutura/*.lua"))
    for path in pipe:lines() do
        local without = {}
        for number in pairs(lines_with_code(path)) do
            all = all + 1
            if seen[path .. ":" .. number] then
                hit = hit + 1
            else
                without[#without + 1] = number
            end
        end
        table.sort(without)
        if without[1] then
            missed[#missed + 1] = path .. ": " .. table.concat(without, ",")
        end
    end
    pipe:close()
    report("lines of lua/sutura", "Lua", hit, all, missed)
end

branches("core")
branches("rt")
branches("lua")
lines()
tap.finish()
