-- SPDX-License-Identifier: MIT
--
-- What preemption costs while nothing overruns: the time of a resume with it on against off, the median of pairs run
-- in turn, and, where valgrind is, the instructions that it adds to a resume. A figure over its limit makes the exit
-- status 1.

local PAIRS, COUNT, COUNTED = 21, 300000, 200000

local lua = os.getenv("LUA") or "lua5.4"
local failed = false

local function run(command)
    local pipe = assert(io.popen(command))
    local said = pipe:read("a")
    assert(pipe:close(), command .. ": " .. said)
    return said
end

local function seconds(preemption)
    return assert(tonumber(run(("%s bench/resumes.lua %s %d"):format(lua, preemption, COUNT))))
end

local function row(what, figure, unit, limit, good)
    failed = failed or not good
    print(("%-52s %10.2f %-8s %-16s %s"):format(what, figure, unit, limit, good and "ok" or "OVER"))
end

local function instructions(preemption)
    local said = run(("valgrind --tool=callgrind --callgrind-out-file=/dev/null %s bench/resumes.lua %s %d 2>&1")
        :format(lua, preemption, COUNTED))
    return assert(tonumber(said:match("Collected : (%d+)")), said)
end

local ratios, each = {}, {}
for i = 1, PAIRS do
    local first, second = i % 2 == 0 and "on" or "off", i % 2 == 0 and "off" or "on"
    local took = {}
    took[first] = seconds(first)
    took[second] = seconds(second)
    ratios[i], each[i] = took.on / took.off, took.on / COUNT
end
table.sort(ratios)
table.sort(each)
local ratio = ratios[(PAIRS + 1) // 2]
row("a resume with preemption on", each[(PAIRS + 1) // 2] * 1e9, "ns", "", true)
row(("  ratio to one with it off, median of %d pairs"):format(PAIRS), ratio, "times", "at most 1.05", ratio <= 1.05)
if os.execute("command -v valgrind >/dev/null 2>&1") then
    local extra = (instructions("on") - instructions("off")) / COUNTED
    row("  instructions that it adds, by callgrind", extra, "", "at most 10", extra <= 10)
else
    print("  instructions that it adds: valgrind is not there to count them")
end

os.exit(not failed, true)
