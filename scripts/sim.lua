-- SPDX-License-Identifier: MIT
--
-- usage: lua5.4 scripts/sim.lua SEEDS BASE [JOBS]      plays the seeds BASE + 1 to BASE + SEEDS, JOBS at a time
--        lua5.4 scripts/sim.lua --part FROM TO STRIDE   every STRIDE-th from FROM on: what the first form runs
--
-- Stories of random trees, told to sutura and to the reference model (spec/model). In TAP: one test, "not ok" with each
-- problem and a short story of it. BASE is a number in any base that Lua reads, or "0x" and a commit.

local tap = require "scripts.tap"

local function part(from, to, stride)
    local sim = require "spec.model.sim"
    local played, problems = 0, 0
    for seed = from, to, stride do
        local problem = sim.seed(seed)
        played = played + 1
        if problem then
            problems = problems + 1
            print(problem)
        end
    end
    print(("played %d %d"):format(played, problems))
end

local function whole(seeds, base, jobs)
    local pipes, played, problems, said = {}, 0, 0, {}
    for job = 1, jobs do
        pipes[job] = assert(io.popen(("%s scripts/sim.lua --part %d %d %d 2>&1"):format(arg[-1], base + job,
            base + seeds, jobs)))
    end
    for _, pipe in ipairs(pipes) do
        for line in pipe:lines() do
            local count, bad = line:match("^played (%d+) (%d+)$")
            if count then
                played, problems = played + math.tointeger(count), problems + math.tointeger(bad)
            else
                said[#said + 1] = "#   " .. line
            end
        end
        pipe:close()
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
