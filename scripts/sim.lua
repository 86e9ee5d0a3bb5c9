-- SPDX-License-Identifier: MIT
--
-- usage: lua5.4 scripts/sim.lua SEEDS BASE [JOBS]      plays the seeds BASE + 1 to BASE + SEEDS, JOBS at a time
--        lua5.4 scripts/sim.lua --part FROM TO STRIDE   every STRIDE-th from FROM on: what the first form runs
--
-- Stories of random trees, told to sutura and to the reference model (spec/model). In TAP: one test, "not ok" with each
-- problem and a short story of it. BASE is a number in any base that Lua reads, or "0x" and a commit. Where there are
-- many, it says at each tenth how far it is.

local tap = require "scripts.tap"

-- So many take minutes.
local MANY = 20000

local function part(from, to, stride)
    local sim = require "spec.model.sim"
    local played, problems = 0, 0
    local tenth = math.max(MANY, (to - from) // stride + 1) // 10
    local function tell() print(("played %d %d"):format(played, problems)) end
    io.stdout:setvbuf("line")
    for seed = from, to, stride do
        local problem = sim.seed(seed)
        played = played + 1
        if problem then
            problems = problems + 1
            print(problem)
        end
        if played % tenth == 0 then
            tell()
        end
    end
    if played % tenth ~= 0 then
        tell()
    end
end

-- Reads what a part says, and tells it at each tenth if `aloud`. Returns how many it has played, with how many
-- problems.
local function listen(pipe, aloud, said)
    local played, problems = 0, 0
    for line in pipe:lines() do
        local count, bad = line:match("^played (%d+) (%d+)$")
        if not count then
            said[#said + 1] = "#   " .. line
        else
            played, problems = math.tointeger(count), math.tointeger(bad)
            if aloud then
                print(("# the first job: %d played, problems in %d"):format(played, problems))
            end
        end
    end
    pipe:close()
    return played, problems
end

local function whole(seeds, base, jobs)
    local pipes, played, problems, said = {}, 0, 0, {}
    io.stdout:setvbuf("line")
    for job = 1, jobs do
        pipes[job] = assert(io.popen(("%s scripts/sim.lua --part %d %d %d 2>&1"):format(arg[-1], base + job,
            base + seeds, jobs)))
    end
    for job, pipe in ipairs(pipes) do
        local count, bad = listen(pipe, job == 1 and seeds >= MANY, said)
        played, problems = played + count, problems + bad
    end
    tap.check(played == seeds and problems == 0, "%d of %d stories, seeds %d to %d, go as the model says",
        played - problems, seeds, base + 1, base + seeds)
    for _, line in ipairs(said) do
        print(line)
    end
    tap.finish()
end

if arg[1] == "--part" then
    part(math.tointeger(arg[2]), math.tointeger(arg[3]), math.tointeger(arg[4]))
else
    whole(math.tointeger(tonumber(arg[1])), math.tointeger(tonumber(arg[2])), math.tointeger(tonumber(arg[3] or 1)))
end
