-- SPDX-License-Identifier: MIT
--
-- Promises of docs/contract.md that belong to no other spec: what happens between parts that are each specified
-- elsewhere.

local sutura = require "sutura"

-- A spec whose body is a program on a virtual clock; the runtime is closed behind it.
local function program(body, options)
    return function()
        options = options or {}
        options.clock, options.seed = "virtual", 1
        local rt <close> = sutura.runtime(options)
        rt:run(function()
            body(rt)
        end)
    end
end

-- A supervisor that keeps its events, and a function that counts them by type.
local function watched(rt, spec)
    spec = spec or {}
    local events = {}
    spec.event_hook = function(event)
        table.insert(events, event)
    end
    return rt:supervisor("A", spec), events
end

local function forever()
    sutura.sleep(math.huge)
end

-- Fails in its first run with the value, and then goes on.
local function fail_once(value)
    return function(ctx)
        if ctx.run == 1 then
            return nil, value
        end
        forever()
    end
end

describe("adding and restarting", function()
    it("returns before the body has run", program(function(rt)
        local sup, began = watched(rt), 0
        local token = sup:add("B", function()
            began = began + 1
            forever()
        end)
        sup:serve_background()
        assert.equal(0, began)
        sutura.yield()
        assert.equal(1, began)
        assert.is_true(sup:restart(token))
        assert.equal(1, began)
        sutura.sleep(1)
        assert.equal(2, began)
        sup:stop()
    end))

    it("starts one that has stopped", program(function(rt)
        local sup, inner = watched(rt), rt:supervisor("inner")
        inner:add("leaf", forever)
        local token = sup:add(inner)
        sup:serve_background()
        sutura.sleep(1)
        assert.is_nil(inner:stop())
        assert.equal("stopped", sup:children()[1].state)
        assert.is_true(sup:restart(token))
        sutura.sleep(1)
        assert.equal("running", inner:children()[1].state)
        sup:stop()
    end))

    it("with another supervisor's token is nil, ERR_WRONG_SUPERVISOR", program(function(rt)
        local sup, other = watched(rt), rt:supervisor("other")
        local token = other:add("B", forever)
        sup:serve_background()
        assert.same({ nil, sutura.ERR_WRONG_SUPERVISOR }, { sup:restart(token) })
        sup:stop()
    end))
end)

describe("a step of the tree", function()
    it("is told of by its hooks after all has changed, and before anything runs", program(function(rt)
        local seen, sup = {}, nil
        local function state(name)
            for _, record in ipairs(sup:children()) do
                if record.name == name then
                    return record.state .. record.run
                end
            end
        end
        sup = rt:supervisor("A", { event_hook = function(event)
            table.insert(seen, event.service_name .. ": " .. state("first") .. " " .. state("second"))
        end })
        local function body(ctx)
            table.insert(seen, ctx.name .. " runs " .. ctx.run)
            if ctx.run == 1 then
                return nil, "x"
            end
            forever()
        end
        sup:add("first", body)
        sup:add("second", body)
        sup:serve_background()
        sutura.sleep(1)
        assert.same({
            "first runs 1", "first: starting2 starting1", "second runs 1", "second: starting2 starting2",
            "first runs 2", "second runs 2",
        }, seen)
        sup:stop()
    end))
end)

describe("a supervisor", function()
    it("has its name as a field, and its path as its text", program(function(rt)
        local sup, inner = rt:supervisor("A/b"), rt:supervisor("inner")
        sup:add(inner)
        assert.equal("A/b", sup.name)
        assert.equal("A%2Fb", tostring(sup))
        assert.equal("A%2Fb/inner", tostring(inner))
    end))

    it("before serve gives nil, ERR_NOT_STARTED", program(function(rt)
        assert.same({ nil, sutura.ERR_NOT_STARTED }, { rt:supervisor("A"):unstopped_service_report() })
    end))

    it("takes the child out of the next life", program(function(rt)
        local sup = watched(rt)
        local token = sup:add("goes", forever)
        sup:add("stays", forever)
        sup:serve_background()
        sutura.sleep(1)
        sup:stop()
        assert.is_true(sup:remove(token))
        sup:serve_background()
        sutura.sleep(1)
        assert.equal(1, #sup:children())
        assert.equal("stays", sup:children()[1].name)
        sup:stop()
    end))
end)

describe("a record", function()
    it("counts runs, restarts and failures", program(function(rt)
        local sup = watched(rt)
        local token = sup:add("B", fail_once("x"))
        local function counts()
            local record = sup:children()[1]
            return { record.run, record.restarts, record.failures }
        end
        assert.same({ 0, 0, 0 }, counts())
        sup:serve_background()
        sutura.sleep(1)
        assert.same({ 2, 1, 1 }, counts())
        sup:restart(token)
        sutura.sleep(1)
        assert.same({ 3, 2, 1 }, counts())
        sup:stop()
    end))

    it("has the settings that its spec gave", program(function(rt)
        local sup = watched(rt, {
            timeout = 4, stop_order = "parallel", failure_decay = 7, failure_threshold = 2, failure_backoff = 9,
            resume_spacing = 0.5,
        })
        sup:add("plain", forever)
        sup:add("patient", forever, { shutdown = "infinity", kill = false })
        sup:add("quick", forever, { shutdown = 2 })
        local root, children = sup:tree(), sup:children()
        assert.same({ 4.0, "parallel", 7.0, 2.0, 9.0, 0.5 }, {
            root.timeout, root.stop_order, root.failure_decay, root.failure_threshold, root.failure_backoff,
            root.resume_spacing,
        })
        assert.same({ n = 2 }, table.pack(children[1].shutdown, children[1].kill))
        assert.same({ "infinity", false, 2.0 }, { children[2].shutdown, children[2].kill, children[3].shutdown })
    end))

    it("says since when, why the run before ended, and where it waits", program(function(rt)
        local sup = watched(rt)
        sup:add("B", function(ctx)
            sutura.sleep(2)
            return fail_once("no luck")(ctx)
        end)
        assert.is_nil(sup:children()[1].started_at)
        sup:serve_background()
        sutura.sleep(2.5)
        local record = sup:children()[1]
        assert.equal(2.0, record.started_at)
        assert.equal("no luck", record.last_error)
        assert.matches("^sleep %(1%.500 s left%) at .*contract_spec%.lua:%d+$", record.waiting_for)
        sup:stop()
    end))
end)

describe("a service", function()
    it("runs in a coroutine of its own, a new one for each run", program(function(rt)
        local sup, seen = watched(rt), { coroutine.running() }
        sup:add("B", function(ctx)
            table.insert(seen, (coroutine.running()))
            return fail_once("x")(ctx)
        end)
        sup:serve_background()
        sutura.sleep(1)
        assert(seen[1] ~= seen[3] and seen[3] ~= seen[4])
        sup:stop()
    end))
end)

describe("a service that was asked to stop", function()
    -- Ways to wait, none of which would end by itself.
    local WAITS = {
        sleep = function() sutura.sleep(math.huge) end,
        yield = function() while true do sutura.yield() end end,
        await = function() sutura.await(function() end) end,
        stop = function(_, other) other:stop() end,
        report = function(_, other) other:unstopped_service_report() end,
        remove_and_wait = function(_, other, token) other:remove_and_wait(token) end,
        handle = function(handle) handle:wait() end,
    }

    it("ends by itself at any wait, for that raises CANCELED", program(function(rt)
        for name, wait in pairs(WAITS) do
            local sup, other = watched(rt), rt:supervisor("other")
            local raised
            local token = other:add("stubborn", function() sutura.shield(forever) end, { shutdown = "infinity" })
            local handle = other:serve_background()
            sup:add("B", function()
                local ok, problem = pcall(wait, handle, other, token)
                raised = not ok and problem
                error(problem)
            end)
            sup:serve_background()
            sutura.yield()
            assert.is_nil(sup:stop(1))
            assert.equal(sutura.CANCELED, raised, name)
        end
    end))
end)

describe("a service that computes", function()
    it("that calls a blocking function of C blocks the others", function()
        local rt <close> = sutura.runtime()
        local woken
        rt:run(function()
            local sup = rt:supervisor("A")
            sup:add("punctual", function()
                local began = sutura.now()
                sutura.sleep(0.001)
                woken = sutura.now() - began
                forever()
            end)
            sup:add("blocks", function()
                os.execute("sleep 0.05")
                forever()
            end)
            sup:serve_background()
            sutura.sleep(0.02)
            sup:stop()
        end)
        assert(woken >= 0.05)
    end)
end)

describe("a runtime", function()
    it("makes a supervisor of its own", function()
        local rt <close> = sutura.runtime({ clock = "virtual" })
        local sup = rt:supervisor("A", { timeout = 3 })
        sup:add("B", forever)
        sup:serve_background()
        rt:settle()
        assert.equal("running", sup:children()[1].state)
        assert.equal(3.0, sup:tree().timeout)
    end)

    it("lets time jump to the next deadline when nothing can run", program(function(rt)
        local sup, times = watched(rt), {}
        for _, span in ipairs { 3600, 0.25, 86400 } do
            sup:add("B" .. span, function()
                sutura.sleep(span)
                table.insert(times, rt:now())
                forever()
            end)
        end
        sup:serve_background()
        sutura.sleep(1e5)
        assert.same({ 0.25, 3600.0, 86400.0 }, times)
        sup:stop()
    end))
end)

describe("the sentinels", function()
    it("raised are a panic like any other value", program(function(rt)
        for _, sentinel in ipairs { sutura.DO_NOT_RESTART, sutura.TERMINATE_TREE } do
            local sup, events = watched(rt)
            sup:add("B", function(ctx)
                if ctx.run == 1 then
                    error(sentinel)
                end
                forever()
            end)
            sup:serve_background()
            sutura.sleep(1)
            assert.equal("service_panic", events[1].type)
            assert.equal(sentinel, events[1].error)
            assert.equal("running", sup:children()[1].state)
            sup:stop()
        end
    end))
end)

describe("an event", function()
    it("has the time at which it happened, also when it is told later", program(function(rt)
        local sup, events = watched(rt)
        sup:add("B", function(ctx)
            sutura.sleep(1.5)
            return fail_once("x")(ctx)
        end)
        sup:serve_background()
        sutura.sleep(2)
        assert.equal(1.5, events[1].time)
        sup:stop()
    end))

    it("has the wall time of the clock, after its epoch on a virtual one", program(function(rt)
        local sup, events = watched(rt)
        sup:add("B", fail_once("x"))
        sutura.sleep(5)
        sup:serve_background()
        sutura.sleep(1)
        assert.equal(1005.0, events[1].wall)
        sup:stop()
    end, { epoch = 1000 }))

    it("says whose it is", program(function(rt)
        local sup, events = watched(rt)
        local inner, body = rt:supervisor("inner", { failure_threshold = 0.5 }), fail_once("x")
        local token = inner:add("B", body)
        sup:add(inner)
        sup:serve_background()
        sutura.sleep(1)
        local backoff, ended = events[1], events[2]
        assert.same({ inner, "inner", "A/inner" }, { backoff.supervisor, backoff.supervisor_name, backoff.path })
        assert.is_nil(backoff.service_name)
        assert.same({ inner, "A/inner/B", body, "B", token, 1 },
            { ended.supervisor, ended.path, ended.service, ended.service_name, ended.token, ended.run })
        sup:stop()
    end))

    it("tell the score and the delay", program(function(rt)
        local sup, events = watched(rt, {
            failure_threshold = 0.5, failure_backoff = 7, resume_spacing = 0.5, backoff_jitter = sutura.no_jitter,
        })
        sup:add("B", fail_once("x"))
        sup:serve_background()
        sutura.sleep(10)
        assert.same({ "backoff", 1.0, 7.0 }, { events[1].type, events[1].current_failures, events[1].delay })
        assert.same({ "resume", 0.0, 0.5 }, { events[3].type, events[3].current_failures, events[3].delay })
        sup:stop()
    end))
end)

describe("the exit code of the command", function()
    it("is that of a second signal, else of what was closed by force, else of SIGINT, else of an error", function()
        local exit_code = require("sutura.serve_tree").exit_code
        local ending = { asked = "SIGINT", forced = "SIGTERM", failed = true, unstopped = {} }
        assert.equal(143, exit_code(ending))
        ending.forced = nil
        assert.equal(5, exit_code(ending))
        ending.unstopped = nil
        assert.equal(130, exit_code(ending))
        ending.asked = "SIGTERM"
        assert.equal(1, exit_code(ending))
        ending.failed = false
        assert.equal(0, exit_code(ending))
    end)
end)

describe("a hook", function()
    it("may remove the service that it is told of, also from a coroutine of its own", program(function(rt)
        local told = {}
        local sup = rt:supervisor("A", { event_hook = function(event)
            assert(event.supervisor:remove(event.token))
            table.insert(told, tostring(event.token))
            coroutine.wrap(function()
                assert(event.supervisor:remove(event.token))
                table.insert(told, tostring(event.token))
            end)()
        end })
        sup:add("B", fail_once("no"))
        sup:serve_background()
        sutura.sleep(1)
        assert.same({ "A/B", "A/B" }, told)
        assert.equal(0, #sup:children())
        sup:stop()
    end))
end)
