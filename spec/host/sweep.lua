-- SPDX-License-Identifier: MIT
--
-- The scenario of the memory sweep (spec/host/sweep_host.c): as much of sutura as fits into a short run, with memory
-- that may fail at any request. Each call must succeed, or raise "not enough memory" and have changed nothing; then
-- there is memory again, and it must succeed. In the end all events have come in order, every run has ended, and
-- everything stops.

local sweep = sweep -- luacheck: ignore 113

local sutura

local begun, ended, last_seq, heard, disorder = 0, 0, 0, 0, false

local function check(ok, text)
    if not ok then
        sweep.allow()
        error(text, 0)
    end
end

-- What is checked of a call that failed: nothing that can be looked at has changed.
local function no_state()
    return ""
end

-- Calls until it succeeds. Returns two results, as most calls have.
local function attempt(name, state, fn, ...)
    local before = sweep.quiet(state)
    local ok, first, second = pcall(fn, ...)
    if ok then
        return first, second
    end
    sweep.allow()
    check(type(first) == "string" and first:find("not enough memory"), name .. ": " .. tostring(first))
    check(sweep.quiet(state) == before, name .. " has failed, and changed something")
    return select(2, assert(pcall(fn, ...)))
end

-- A hook needs memory itself: where it has none it raises, and that is its own loss.
local function hook(event)
    heard = heard + 1
    local seq = event.seq
    if seq <= last_seq then
        disorder = true
    end
    last_seq = seq
end

local closing = { __close = function() ended = ended + 1 end }
local CLOSER

local function run_of(body)
    return function(ctx, argument)
        local _end <close> = CLOSER
        begun = begun + 1
        return body(ctx, argument)
    end
end

local function waits(ctx) ctx:wait() end

local function fails_twice(ctx)
    sutura.sleep(0.5)
    if ctx.run == 1 then
        error({ "a table" })
    elseif ctx.run == 2 then
        error("a string")
    end
    ctx:wait()
end

local function hand_over()
    local box = sutura.mailbox()
    for i = 1, 20 do
        box:send(i)
    end
    assert(box:receive() == 1 and box:receive(0) == 2)
end

local function nests(ctx)
    coroutine.wrap(function() sutura.sleep(1) end)()
    sutura.await(function() return function() end end, 1)
    sutura.shield(sutura.sleep, 0.25)
    hand_over()
    local context, cancel = ctx:with_timeout(1)
    context:wait(0.5)
    cancel("enough")
    ctx:wait()
end

local function beats(ctx)
    while not ctx:wait(1) do
        ctx:beat()
    end
end

local function stuck()
    while true do
        pcall(sutura.sleep, 3)
    end
end

local function gets_ready(ctx)
    sutura.sleep(0.25)
    ctx:ready("info")
    ctx:wait()
end

local function tree_of(sup)
    return function()
        local lines = {}
        local function walk(record)
            lines[#lines + 1] = ("%s %s %s"):format(record.path, record.state, record.supervisor_state)
            for _, child in ipairs(record.children or {}) do
                walk(child)
            end
        end
        walk(sup:tree())
        return table.concat(lines, "\n")
    end
end

-- Nothing is left on its way, whatever failed meanwhile.
local function check_all_run(record)
    for _, child in ipairs(record.children) do
        check(child.state == "running" or child.state == "stopped", child.path .. " is " .. child.state)
        if child.children then
            check_all_run(child)
        end
    end
end

local function virtual_tree()
    local rt = attempt("runtime", no_state, sutura.runtime, { clock = "virtual", seed = 7 })
    local SPEC = { event_hook = hook, failure_threshold = 2, failure_backoff = 1, panic_locals = true, timeout = 2 }
    local root = attempt("supervisor", no_state, rt.supervisor, rt, "root", SPEC)
    local middle = attempt("supervisor", no_state, rt.supervisor, rt, "middle",
        { strategy = "rest_for_one", intensity = 50, children = {
            { name = "fails", run = run_of(fails_twice), backoff = { min = 0.5 } },
            { name = "gets ready", run = run_of(gets_ready), ready = "notify", start_timeout = 9 },
            { name = "after", run = run_of(waits), after = { "fails" }, restart = "transient" },
        } })
    local deep = attempt("supervisor", no_state, rt.supervisor, rt, "deep", { stop_order = "parallel" })
    local state = tree_of(root)
    attempt("add a supervisor", state, middle.add, middle, deep)
    attempt("add a supervisor", state, root.add, root, middle)
    attempt("add", state, deep.add, deep, "nests", run_of(nests))
    attempt("add", state, deep.add, deep, "beats", run_of(beats), { heartbeat = 5 })
    local token = attempt("add", state, root.add, root, "goes", run_of(waits), { restart = "temporary" })
    attempt("add", state, root.add, root, "stuck", run_of(stuck), { shutdown = 1 })
    local handle = attempt("serve_background", state, root.serve_background, root)
    attempt("settle", no_state, rt.settle, rt)
    attempt("advance", no_state, rt.advance, rt, 3)
    attempt("remove", state, root.remove, root, token)
    local pool = attempt("template", state, deep.template, deep, { name = "pool", run = run_of(waits) })
    if pool then
        attempt("start", state, pool.start, pool, 1)
        attempt("start", state, pool.start, pool, 2, "second")
    end
    attempt("update", state, root.update, root, { failure_threshold = 3, intensity = nil })
    attempt("plan", state, root.plan, root, "middle", "panic")
    attempt("history", state, root.history, root)
    attempt("children", state, root.children, root)
    attempt("count", state, root.count, root)
    attempt("stats", state, rt.stats, rt)
    attempt("dump", state, sutura.dump, "/dev/null")
    attempt("restart", state, root.restart, root, "goes")
    attempt("restart", no_state, middle.restart, middle, "gets ready")
    sweep.allow()
    rt:advance(100)
    check_all_run(root:tree())
    return rt, root, handle
end

local function real_clock()
    local rt = attempt("runtime", no_state, sutura.runtime)
    local sup = attempt("supervisor", no_state, rt.supervisor, rt, "real", { event_hook = function() end })
    attempt("add", tree_of(sup), sup.add, sup, "waits", waits)
    attempt("run", no_state, rt.run, rt, function()
        sutura.signal_context({ "SIGUSR1" }):wait(0.001)
        sup:serve_background()
        sutura.sleep(0.001)
        sup:stop()
    end)
    attempt("step", no_state, rt.step, rt, 0)
    attempt("pollfd", no_state, rt.pollfd, rt)
    attempt("close", no_state, rt.close, rt)
end

local function main()
    sutura = require "sutura"
    CLOSER = setmetatable({}, closing)
    real_clock()
    local rt, root, handle = virtual_tree()
    if root:state() == "terminated" then -- a service had no memory before it was ready: a failed first start
        local _, reason = handle:wait(0)
        check(sweep.failed() and sutura.is(reason, sutura.ERR_START_FAILED), "the tree has ended: " .. tostring(reason))
    else
        local report = rt:run(function() return root:stop() end)
        check(report and #report == 1 and report[1].name == "stuck", "the report of the stop")
    end
    check(begun == ended and begun > 0, ("%d runs have begun, and %d ended"):format(begun, ended))
    local events = rt:stats().events
    check(events.waiting == 0 and not disorder, "events wait, or came in disorder")
    check(heard == events.told or sweep.failed() and heard == events.told - 1,
        ("%d events of %d were heard"):format(heard, events.told))
    rt:close()
end

-- Where the scenario's own text needs memory, a failure is its end: then everything is closed with the state.
main()
