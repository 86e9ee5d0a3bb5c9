-- SPDX-License-Identifier: MIT
--
-- A tree inside a program whose main loop is cqueues. A runtime is an object that cqueues can poll: it knows the
-- descriptor to watch and the time until something is due. One coroutine of cqueues steps the tree when it must.
--
--     lua5.4 examples/in_cqueues.lua          (with sutura installed, or LUA_PATH and LUA_CPATH set)

local cqueues = require "cqueues"
local sutura = require "sutura"

io.stdout:setvbuf("line")

local runtime = sutura.default_runtime()
local host = cqueues.new()

-- The side of the tree: a worker takes jobs from a queue, and one of the jobs is too much for it.
local jobs = {}
local wake_worker = function() end

local function next_job()
    while #jobs == 0 do
        sutura.await(function(resume)
            wake_worker = resume
        end)
    end
    return table.remove(jobs, 1)
end

local function worker(ctx)
    while true do
        local job = next_job() -- Taken first: the job that crashes us is not met again.
        if job == "stop" then
            ctx.supervisor:stop()
        end
        print(("worker, run %d: 60 / %d = %d"):format(ctx.run, job, 60 // job))
    end
end

local root = runtime:supervisor("root", { children = { { name = "worker", run = worker } } })

-- The side of cqueues: a coroutine that hands out a job every tenth of a second. It may call whatever does not wait;
-- calling `resume` of an await from here is how it wakes a service.
host:wrap(function()
    for _, job in ipairs({ 5, 4, 0, 3, "stop" }) do
        cqueues.sleep(0.1)
        print("cqueues: a job, " .. job)
        jobs[#jobs + 1] = job
        wake_worker()
    end
end)

-- What joins the two. `poll` returns when the runtime has something to do, and `step` does it.
host:wrap(function()
    root:serve_background()
    while root:state() ~= "terminated" do
        cqueues.poll(runtime)
        runtime:step()
    end
    print("the tree has stopped")
end)

assert(host:loop())
