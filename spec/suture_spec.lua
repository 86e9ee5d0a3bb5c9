-- SPDX-License-Identifier: MIT
--
-- Section 7 of the contract: the ten things that suture gets wrong and this gets right, a few proofs each.

local recorder = require "spec.support.recorder"
local services = require "spec.support.services"
local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local settle, in_time = virtual.settle, virtual.test
local sleeper, stubborn = services.sleeper, services.stubborn
local new = recorder.supervisor

describe("what suture gets wrong:", function()
    it("point 1: waiting for an unknown or removed token answers at once, and the supervisor goes on", in_time(
        function(rt)
            local sup = new(rt, "a")
            local removed = sup:add("w", sleeper)
            sup:serve_background()
            settle()
            assert.is_true(sup:remove_and_wait(removed))
            for _ = 1, 3 do
                assert.is_true(sup:remove_and_wait(removed))
                assert.is_true(sup:remove_and_wait(removed, 5))
                assert.is_true(sup:remove_and_wait(removed, 0))
            end
            local foreign = new(rt, "b"):add("w", sleeper)
            assert.equal(sutura.ERR_WRONG_SUPERVISOR, (select(2, sup:remove_and_wait(foreign))))
            assert.equal(0.0, sutura.now())
            assert.is_truthy(sup:add("after", sleeper))
            assert.is_nil(sup:stop())
        end))

    it("point 1: 1,000 expired waits leave no waiter, timer or coroutine", function()
        local rt = sutura.runtime{ clock = "virtual", seed = 1 }
        local sup, waiters = nil, setmetatable({}, { __mode = "k" })
        rt:run(function()
            sup = new(rt, "a", { timeout = 1 })
            local token = sup:add("w", stubborn(1e9), { kill = false })
            sup:serve_background()
            settle()
            local expired = 0
            for _ = 1, 1000 do
                sup:add("waiter", function()
                    waiters[coroutine.running()] = true
                    local ok, err = sup:remove_and_wait(token, 0.5)
                    if not ok and err == sutura.ERR_TIMEOUT then expired = expired + 1 end
                    return sutura.DO_NOT_RESTART
                end)
            end
            sutura.sleep(5)
            assert.equal(1000, expired)
        end)
        collectgarbage()
        collectgarbage()
        assert.is_nil(next(waiters))
        assert.same({ "stopping" }, { sup:children()[1].state, sup:children()[2] }) -- who is waited for, alone
        rt:run()
        assert.same({ 1e9, 0 }, { rt:now(), sup:count().specs }) -- its own timer was the last
        rt:close()
    end)

    it("point 2: a hook may list, add, remove and stop on its own supervisor", in_time(function(rt)
        local sup, record = new(rt, "a")
        local said = {}
        local victim = sup:add("victim", sleeper)
        function record.also(event)
            said[#said + 1] = { #event.supervisor:services(), #event.supervisor:children() }
            if event.run == 1 then
                said[#said + 1] = tostring(event.supervisor:add("added", sleeper))
                said[#said + 1] = event.supervisor:remove(victim)
            else
                said[#said + 1] = table.pack(event.supervisor:stop())
            end
        end
        sup:add("w", function(ctx) sutura.sleep(1) error(ctx.run) end)
        assert.is_nil(sup:serve())
        assert.same({ { 2, 2 }, "a/added", true, { 2, 2 }, { n = 2, nil, sutura.ERR_TIMEOUT } }, said)
        assert.equal(2.0, sutura.now())
    end))

    it("point 3: a removed service that hangs past its time and still lives stands in the report", in_time(function(rt)
        local sup, record = new(rt, "a", { timeout = 1 })
        local token = sup:add("w", stubborn(100), { kill = false })
        sup:serve_background()
        settle()
        sup:remove(token)
        sutura.sleep(2)
        assert.is_false(record:only("stop_timeout").killed)
        assert.equal("normal", sup:state())
        local report = sup:stop()
        assert.same({ 1, "a/w", "w", false, token }, { #report, report[1].path, report[1].name, report[1].killed,
            report[1].token })
    end))

    it("point 4: only the grandchild that hangs is blamed, with its full path; its supervisor is not", in_time(
        function(rt)
            local a, record = new(rt, "a", { timeout = 1 })
            local b, c = new(rt, "b", { timeout = 1 }), new(rt, "c", { timeout = 1 })
            a:add(b)
            a:add("uncle", sleeper)
            b:add(c)
            b:add("sibling", sleeper)
            c:add("hangs", stubborn(100))
            c:add("twin", sleeper)
            a:serve_background()
            settle()
            local report = a:stop()
            assert.same({ 1, "a/b/c/hangs", true, c }, { #report, report[1].path, report[1].killed,
                report[1].supervisor })
            assert.same({ "stop_timeout a/b/c/hangs" }, record:lines())
        end))

    it("point 5: a removed service that panics on its way out changes neither score nor state", in_time(function(rt)
        local sup, record = new(rt, "a", { failure_threshold = 0.5 })
        local removed = sup:add("w", function(ctx) ctx:wait() error("on the way out") end)
        sup:add("v", sleeper)
        sup:serve_background()
        settle()
        assert.is_true(sup:remove_and_wait(removed))
        local event = record:only("service_panic")
        assert.same({ true, false, 0.0 }, { event.stopping, event.restarting, event.current_failures })
        assert.same({ 0, "normal", 1, 1 }, { sup:failures(), sup:state(), sup:count().specs, #record.events })
    end))

    it("point 6: adding while the tree is ending returns at once", in_time(function(rt)
        local a, b = new(rt, "a"), new(rt, "b")
        local results = {}
        a:add(b)
        b:add("w", function(ctx)
            ctx:wait()
            results[1] = { sutura.now(), b:add("x", sleeper) == nil, select(2, b:add("x", sleeper)) }
            results[2] = { sutura.now(), a:add("x", sleeper) == nil, select(2, a:add("x", sleeper)) }
            sutura.shield(sutura.sleep, 1)
        end)
        a:add("ends", function() sutura.sleep(1) return sutura.TERMINATE_TREE end)
        assert.equal(sutura.TERMINATE_TREE, a:serve())
        assert.same({ { 1.0, true, sutura.ERR_NOT_RUNNING }, { 1.0, true, sutura.ERR_NOT_RUNNING } }, results)
        assert.equal(sutura.ERR_NOT_RUNNING, (select(2, a:add("y", sleeper))))
        assert.equal(2.0, sutura.now())
    end))

    it("point 7: removing a service before serve works", in_time(function(rt)
        local a, b, ran = new(rt, "a"), new(rt, "b"), {}
        local function body(ctx) ran[#ran + 1] = ctx.path ctx:wait() end
        b:add("deep", body)
        local first, _, last = a:add("first", body), a:add("second", body), a:add(b)
        assert.is_true(a:remove(first))
        assert.is_true(a:remove_and_wait(last))
        a:serve_background()
        settle()
        assert.same({ "a/second" }, ran)
        assert.equal("not_running", b:state())
        assert.is_nil(a:stop())
    end))

    it("point 8: a stopped supervisor can be served again and stopped again", in_time(function(rt)
        local a, b, runs = new(rt, "a"), new(rt, "b"), 0
        a:add(b)
        b:add("w", function(ctx) runs = ctx.run ctx:wait() end)
        for life = 1, 5 do
            local handle = a:serve_background()
            settle()
            assert.same({ life, "normal", "normal" }, { runs, a:state(), b:state() })
            assert.is_nil(a:stop())
            assert.same({ n = 2, true, nil }, table.pack(handle:wait()))
            assert.same({ "terminated", "terminated" }, { a:state(), b:state() })
            assert.is_nil(a:stop())
        end
    end))

    it("point 9: an event's text, map and fields agree, and an error's text survives in the map", in_time(function(rt)
        local a, record = new(rt, "a", { failure_threshold = 1.5, failure_backoff = 3, timeout = 1,
            lifecycle_events = true })
        local reason = setmetatable({}, { __tostring = function() return "disk full" end })
        a:add("returns", function(ctx) if ctx.run == 1 then return nil, reason end ctx:wait() end)
        a:add("raises", function(ctx) if ctx.run == 1 then error(reason) end ctx:wait() end)
        a:add("hangs", stubborn(50))
        a:serve_background()
        sutura.sleep(10)
        a:stop()
        local seen = {}
        for _, event in ipairs(record.events) do
            seen[event.type] = true
            local map, line = event:map(), tostring(event)
            assert.matches(event.path, line, 1, true)
            assert.is_nil(line:find("\n", 1, true))
            for key, value in pairs(map) do
                if key == "token" then
                    assert.equal(event.path, value)
                elseif key == "error" then
                    assert.equal(event.error_msg, value)
                else
                    assert.equal(event[key], value)
                end
            end
            for key in pairs(event) do
                assert.is_true(map[key] ~= nil or key == "supervisor" or key == "service" or key == "frames")
            end
            if event.error_msg then
                assert.equal("disk full", event.error_msg)
                assert.equal("disk full", map.error)
                assert.matches("disk full", line, 1, true)
                assert.is_true(rawequal(reason, event.error))
            end
        end
        for _, type in ipairs { "service_panic", "service_terminate", "backoff", "resume", "stop_timeout",
            "service_start", "service_stop", "supervisor_start", "supervisor_stop" } do
            assert.is_true(seen[type], type)
        end
    end))

    it("point 10: after a long pause a queue of 100 services can restart spaced", in_time(function(rt)
        local sup, record = new(rt, "a", { failure_threshold = 0.5, failure_backoff = 3600, resume_spacing = 0.25 })
        local starts = {}
        for i = 1, 100 do
            sup:add("w" .. i, function(ctx)
                if ctx.run == 1 then error("down") end
                starts[#starts + 1] = { i, sutura.now() }
                ctx:wait()
            end)
        end
        sup:serve_background()
        sutura.sleep(3599)
        assert.same({}, starts)
        sutura.sleep(100)
        assert.equal(100, #starts)
        for i, start in ipairs(starts) do
            assert.same({ i, 3600 + (i - 1) * 0.25 }, start)
        end
        assert.equal(1, #record:of("resume"))
        assert.is_nil(sup:stop())
    end))
end)
