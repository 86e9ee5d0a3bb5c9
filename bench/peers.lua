-- SPDX-License-Identifier: MIT
--
-- usage: lua5.4 bench/peers.lua [WORK [PEERS [ROUNDS]]]    an empty word stands for the default
--
-- The race: sutura, a floor in C, and what a user would take instead do the same work in turns, and a table is printed
-- for each work: the median of the rounds, the least and the most, and the median of the ratios that sutura had to each
-- in the same round, with its limit. A limit that is missed makes the exit status 1. A contestant is a program that is
-- given WORK N [SERVICES] and prints a line `figure value` for each thing that it measured; one that is not installed
-- is left out, and named. docs/performance.md says how to read it all.

local works = require "bench.peers.race"

local lua = os.getenv("LUA") or "lua5.4"
local out = (os.getenv("OUT") or "build/release") .. "/peers"
local only, peers, rounds = arg[1] or "", arg[2] or "", tonumber(arg[3]) or 3

-- Each with a command that succeeds where it is installed.
local function in_lua(name, ...)
    local modules = {}
    for i, module in ipairs { ... } do
        modules[i] = ("require '%s'"):format(module)
    end
    local needs = ([[%s -e "%s"]]):format(lua, table.concat(modules, "; ")) -- some need nothing: they are there
    return { name = name, command = ("%s bench/peers/%s.lua"):format(lua, name), needs = needs }
end

local bare = in_lua("bare")
bare.works = { add = true, bytes = true, ["plain-end"] = true, stop = true, yield = true } -- it has none of the others

local contestants = {
    { name = "floor", command = out .. "/floor", needs = "true" },
    in_lua("sutura"),
    bare,
    in_lua("lua", "socket"),
    in_lua("luv", "luv"),
    in_lua("cqueues", "cqueues"),
    in_lua("copas", "copas"),
}
contestants[#contestants].needs = lua .. [[ -e "assert(require 'copas'.pauseforever)"]] -- Copas 4
for _, processors in ipairs { "1", "2" } do
    contestants[#contestants + 1] = {
        name = "suture-" .. processors,
        command = ("env GOMAXPROCS=%s %s/suture"):format(processors, out),
        needs = ("test -x %s/suture"):format(out),
    }
end

-- OTP's supervisor looks at all restarts of the last second at each: a rate of so many takes long to be told.
contestants[#contestants + 1] = {
    name = "otp",
    command = ("env ERL_CRASH_DUMP_BYTES=0 erl -noinput +P 2000000 -pa %s -s otp main"):format(out),
    needs = ("test -f %s/otp.beam && command -v erl"):format(out),
    most = { panic = 20000, ["plain-end"] = 20000 },
}

local function succeeds(command)
    return (os.execute(command .. " >/dev/null 2>&1"))
end

local function median(list)
    local sorted = table.move(list, 1, #list, 1, {})
    table.sort(sorted)
    local middle = (#sorted + 1) // 2
    return #sorted % 2 == 1 and sorted[middle] or (sorted[middle] + sorted[middle + 1]) / 2
end

local function grouped(n)
    local text = tostring(n):reverse():gsub("(%d%d%d)", "%1,"):reverse()
    return (text:gsub("^,", ""))
end

-- Who takes part: who was asked for, and is there.
local function entries()
    local list, asked = {}, {}
    for name in peers:gmatch("[%w-]+") do
        asked[name] = true
    end
    for _, one in ipairs(contestants) do
        local wanted = peers == "" or asked[one.name] or one.name == "sutura"
        asked[one.name] = nil
        if wanted and not succeeds(one.needs) then
            print(one.name .. " is skipped: it is not installed (scripts/deps.sh peers installs what Debian has)")
        elseif wanted then
            list[#list + 1] = one
        end
    end
    assert(not next(asked), "no contestant is called " .. tostring(next(asked)))
    return list
end

-- A run that takes longer, for the load is more than the contestant can do, is given up.
local PATIENCE_S = 60

-- The figures by name that one run prints; nil when it did not end.
local function run(one, work)
    local n = math.min(work.n, (one.most or {})[work.name] or work.n)
    local words = { one.command, work.name, n, work.services }
    if work.name == "cold" then
        words = { out .. "/spawn", n, one.command, "cold", 1 }
    end
    local command = table.concat(words, " ")
    local complaints = out .. "/complaints.txt"
    local pipe <close> = assert(io.popen(("timeout -k 1 %d %s 2>%s"):format(PATIENCE_S, command, complaints)))
    local said, figures = pipe:read("a"), {}
    for name, value in said:gmatch("([%w_]+) (%S+)\n") do
        figures[name] = tonumber(value)
    end
    local ended, _, status = pipe:close()
    if status == 124 or status == 137 then -- what timeout says when it had to end it
        return nil
    elseif not ended then
        for line in io.lines(complaints) do
            said = said .. line .. "\n"
        end
        error(command .. " failed: " .. said)
    end
    return figures
end

-- results[contestant][round], with the contestants in turn: forwards in odd rounds, backwards in even ones.
local function race(list, work)
    local results = {}
    for _, one in ipairs(list) do
        results[one.name] = {}
    end
    for round = 1, rounds do
        for i = 1, #list do
            local one = list[round % 2 == 1 and i or #list + 1 - i]
            results[one.name][round] = run(one, work) or {}
        end
    end
    return results
end

local function column(result, figure)
    local values = {}
    for round = 1, rounds do
        local value = result[round] and result[round][figure.name]
        if not value then
            return nil
        end
        values[round] = value / figure.scale
    end
    return values
end

local function ratio(ours, theirs)
    local ratios = {}
    for round = 1, rounds do
        ratios[round] = ours[round] / theirs[round]
    end
    return median(ratios)
end

-- What a limit says in words, and whether a value is within it.
local function judged(figure, value, bound)
    if not bound then
        return "", ""
    end
    local good, words = value >= bound, "at least"
    if figure.better == "less" then
        good, words = value <= bound, "at most"
    end
    return ("%s %g"):format(words, bound), good and "ok" or "OVER"
end

local missed = 0

local function row(figure, name, values, ours)
    local sorted = table.move(values, 1, #values, 1, {})
    table.sort(sorted)
    local against, limit, verdict = "", "", ""
    if name ~= "sutura" and ours then
        local value = ratio(ours, values)
        against = ("%.2f"):format(value)
        limit, verdict = judged(figure, value, (figure.limits or {})[name])
    elseif name == "sutura" then
        limit, verdict = judged(figure, median(values), figure.most)
    end
    missed = missed + (verdict == "OVER" and 1 or 0)
    local line = ("  %-8s %12.5g  %-19s %9s  %-13s %s"):format(name, median(values),
        ("%.4g - %.4g"):format(sorted[1], sorted[#sorted]), against, limit, verdict)
    print((line:gsub("%s+$", "")))
end

local function gave_up(result)
    for round = 1, rounds do
        if not next(result[round]) then
            return true
        end
    end
    return false
end

local function report(list, work, results)
    for _, figure in ipairs(work.figures) do
        print(("\n%s: %s %s"):format(work.name, grouped(work.n), work.what))
        print(("  %-8s %12s  %-19s %9s  %s"):format("", figure.unit, "least - most", "sutura/it", "limit"))
        local ours = column(results.sutura, figure)
        for _, one in ipairs(list) do
            local values = column(results[one.name], figure)
            if values then
                row(figure, one.name, values, ours)
            elseif gave_up(results[one.name]) then
                print(("  %-8s did not end in %d s"):format(one.name, PATIENCE_S))
            end
        end
    end
    io.stdout:flush()
end

-- Those who have the work.
local function able(list, work)
    local those = {}
    for _, one in ipairs(list) do
        if not one.works or one.works[work.name] then
            those[#those + 1] = one
        end
    end
    return those
end

local list = entries()
print(("median of %d rounds, in turns; sutura/it is the median of the ratios of each round"):format(rounds))
local ran = 0
for _, work in ipairs(works) do
    if only == "" or only == work.name then
        local those = able(list, work)
        report(those, work, race(those, work))
        ran = ran + 1
    end
end
assert(ran > 0, "no work is called " .. only)
print(missed == 0 and "\nall limits are kept" or ("\n%d limits are missed"):format(missed))
os.exit(missed == 0, true)
