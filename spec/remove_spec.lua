-- SPDX-License-Identifier: MIT
--
-- Removing and restarting single services: every answer of remove, remove_and_wait and restart, in every state.

local recorder = require "spec.support.recorder"
local services = require "spec.support.services"
local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local settle, in_time = virtual.settle, virtual.test
local sleeper, stubborn = services.sleeper, services.stubborn
local new = recorder.supervisor
local ERR_TIMEOUT, ERR_NOT_RUNNING = sutura.ERR_TIMEOUT, sutura.ERR_NOT_RUNNING

local function all(...)
    return table.pack(...)
end

describe("remove", function()
    it("returns true at once and asks the service to stop", in_time(function(rt)
        local sup, record = new(rt, "a")
        local token = sup:add("w", stubborn(3))
        sup:add("v", sleeper)
        sup:serve_background()
        settle()
        assert.same({ n = 1, true }, all(sup:remove(token)))
        assert.equal("stopping", sup:children()[1].state)
        assert.same({ n = 1, true }, all(sup:remove(token)))
        sutura.sleep(3)
        settle()
        assert.same({ 1, "v" }, { #sup:children(), sup:children()[1].name })
        assert.same({}, record:lines())
    end))

    it("of what is stopped, removed or unknown, or in a stopped supervisor, is true", in_time(function(rt)
        local sup = new(rt, "a")
        local nested = new(rt, "n")
        local place = sup:add(nested)
        local gone = sup:add("gone", function() return sutura.DO_NOT_RESTART end)
        local last = sup:add("last", sleeper)
        sup:serve_background()
        settle()
        nested:stop()
        assert.same({ n = 1, true }, all(sup:remove(place)))
        assert.same({ n = 1, true }, all(sup:remove(place)))
        assert.same({ n = 1, true }, all(sup:remove(gone)))
        sup:stop()
        assert.same({ n = 1, true }, all(sup:remove(last)))
        assert.equal(0, sup:count().specs)
        assert.same({ n = 1, true }, all(sup:remove(last)))
    end))

    it("before serve means that it never starts", in_time(function(rt)
        local sup, ran = new(rt, "a"), false
        local token = sup:add("w", function() ran = true end)
        assert.same({ n = 1, true }, all(sup:remove(token)))
        sup:serve_background()
        settle()
        assert.is_false(ran)
        assert.equal(0, sup:count().specs)
    end))

    it("before its first turn means that it never starts", in_time(function(rt)
        local sup, ran = new(rt, "a"), false
        sup:serve_background()
        local token = sup:add("w", function() ran = true end)
        assert.is_true(sup:remove_and_wait(token))
        settle()
        assert.is_false(ran)
    end))

    it("with the token of another supervisor is nil, ERR_WRONG_SUPERVISOR", in_time(function(rt)
        local a, b = new(rt, "a"), new(rt, "b")
        local token = b:add("w", sleeper)
        b:serve_background()
        for _, method in ipairs { "remove", "remove_and_wait", "restart" } do
            assert.same({ n = 2, nil, sutura.ERR_WRONG_SUPERVISOR }, all(a[method](a, token)))
        end
        b:remove_and_wait(token)
        assert.same({ n = 2, nil, sutura.ERR_WRONG_SUPERVISOR }, all(a:remove(token)))
    end))

    it("with what is no token raises", in_time(function(rt)
        local sup = new(rt, "a")
        sup:add("w", sleeper)
        assert.error_matches(function() sup:remove("w") end, "token")
        assert.error_matches(function() sup:remove_and_wait(nil) end, "token")
        assert.error_matches(function() sup:restart(12) end, "a token or a name")
    end))

    it("with a token of another runtime raises", in_time(function(rt)
        local other = sutura.runtime{ clock = "virtual" }
        local token = new(other, "b", { children = { { name = "w", run = sleeper } } }):children()[1].token
        local sup = new(rt, "a")
        assert.error_matches(function() sup:remove(token) end, "another runtime")
        other:close()
    end))

    it("of a child supervisor stops its subtree and leaves it free to be added again", in_time(function(rt)
        local a, b, runs = new(rt, "a"), new(rt, "b"), 0
        local place = a:add(b)
        b:add("w", function(ctx) runs = runs + 1 ctx:wait() end)
        a:serve_background()
        settle()
        assert.is_true(a:remove_and_wait(place))
        assert.equal("terminated", b:state())
        a:add(b, { name = "again" })
        settle()
        assert.same({ "normal", 2, "a/again/w" }, { b:state(), runs, tostring(b:children()[1].token) })
    end))
end)

describe("remove_and_wait", function()
    it("returns true when it has stopped", in_time(function(rt)
        local sup = new(rt, "a")
        local token = sup:add("w", stubborn(3))
        sup:serve_background()
        settle()
        assert.same({ n = 1, true }, all(sup:remove_and_wait(token)))
        assert.equal(3.0, sutura.now())
        assert.same({ n = 1, true }, all(sup:remove_and_wait(token)))
    end))

    it("after its limit returns nil, ERR_TIMEOUT, and the service goes on stopping", in_time(function(rt)
        local sup = new(rt, "a")
        local token = sup:add("w", stubborn(5))
        sup:serve_background()
        settle()
        assert.same({ n = 2, nil, ERR_TIMEOUT }, all(sup:remove_and_wait(token, 2)))
        assert.equal(2.0, sutura.now())
        assert.same({ n = 1, true }, all(sup:remove_and_wait(token, 4)))
        assert.equal(5.0, sutura.now())
    end))

    it("with the limit 0 asks without waiting", in_time(function(rt)
        local sup = new(rt, "a")
        local token = sup:add("w", sleeper)
        sup:serve_background()
        settle()
        assert.same({ n = 2, nil, ERR_TIMEOUT }, all(sup:remove_and_wait(token, 0)))
        settle()
        assert.equal(0, sup:count().specs)
        assert.same({ n = 1, true }, all(sup:remove_and_wait(token, 0)))
    end))

    it("in a stopped supervisor returns nil, ERR_NOT_RUNNING", in_time(function(rt)
        local sup = new(rt, "a")
        local token = sup:add("w", sleeper)
        sup:serve_background()
        sup:stop()
        assert.same({ n = 2, nil, ERR_NOT_RUNNING }, all(sup:remove_and_wait(token)))
    end))

    it("before serve removes and returns true", in_time(function(rt)
        local sup = new(rt, "a")
        local token = sup:add("w", sleeper)
        assert.same({ n = 1, true }, all(sup:remove_and_wait(token)))
        assert.equal(0, sup:count().specs)
    end))

    it("waits no longer than the service has to stop, closed by force", in_time(function(rt)
        local sup, record = new(rt, "a", { timeout = 2 })
        local token = sup:add("w", stubborn(100))
        sup:serve_background()
        settle()
        assert.is_true(sup:remove_and_wait(token))
        assert.equal(2.0, sutura.now())
        assert.is_true(record:only("stop_timeout").killed)
        assert.is_false(record.events[1].stopping == true)
    end))

    it("waits for one that is left alone when over its time, to the end", in_time(function(rt)
        local sup = new(rt, "a", { timeout = 2 })
        local token = sup:add("w", stubborn(100), { kill = false })
        sup:serve_background()
        settle()
        assert.same({ n = 2, nil, ERR_TIMEOUT }, all(sup:remove_and_wait(token, 50)))
        assert.is_true(sup:remove_and_wait(token))
        assert.equal(100.0, sutura.now())
    end))

    it("ends when the stop of the supervisor has ended the service, in its time or not", in_time(function(rt)
        for _, seconds in ipairs { 1, 100 } do
            local sup, helper, result = new(rt, "a", { timeout = 2 }), new(rt, "helper"), nil
            local token = sup:add("w", stubborn(seconds))
            sup:serve_background()
            helper:add("h", function() result = all(sup:remove_and_wait(token)) return sutura.DO_NOT_RESTART end)
            helper:serve_background()
            settle()
            sup:stop()
            settle()
            assert.same({ n = 1, true }, result)
        end
    end))

    it("from the service itself is true at once, and it stops when it next waits", in_time(function(rt)
        local sup, result, steps = new(rt, "a"), nil, {}
        sup:add("w", function(ctx)
            sutura.sleep(1)
            result = all(sup:remove_and_wait(ctx.token))
            steps[#steps + 1] = "goes on"
            sutura.sleep(5)
            steps[#steps + 1] = "never"
        end)
        sup:serve_background()
        sutura.sleep(2)
        assert.same({ n = 1, true }, result)
        assert.same({ "goes on" }, steps)
        assert.equal(0, sup:count().specs)
    end))

    it("of an ancestor raises CANCELED in the wait, and under shield returns nil, ERR_TIMEOUT at once", in_time(
        function(rt)
            for _, shielded in ipairs { false, true } do
                local a, b, place, result = new(rt, "a"), new(rt, "b"), nil, nil
                local from = sutura.now()
                b:add("w", function()
                    sutura.sleep(1)
                    result = all(pcall(function()
                        if shielded then return sutura.shield(a.remove_and_wait, a, place) end
                        return a:remove_and_wait(place)
                    end))
                end)
                place = a:add(b)
                a:serve_background()
                sutura.sleep(2)
                assert.same(shielded and { n = 3, true, nil, ERR_TIMEOUT } or { n = 2, false, sutura.CANCELED }, result)
                assert.equal(0, a:count().specs)
                assert.equal("terminated", b:state())
                assert.equal(from + 2, sutura.now())
            end
        end))

    it("may be asked by many, who all get their answer", in_time(function(rt)
        local sup, answers = new(rt, "a"), 0
        local token = sup:add("w", stubborn(3))
        sup:serve_background()
        settle()
        for i = 1, 10 do
            sup:add("h" .. i, function()
                if sup:remove_and_wait(token) then answers = answers + 1 end
                return sutura.DO_NOT_RESTART
            end)
        end
        sutura.sleep(4)
        assert.equal(10, answers)
    end))

    it("of a child supervisor waits for its subtree, and goes on when that is given up", in_time(function(rt)
        local a, b = new(rt, "a"), new(rt, "b", { timeout = 2 })
        local place = a:add(b)
        b:add("slow", stubborn(1))
        b:add("left", stubborn(100), { kill = false })
        a:serve_background()
        settle()
        assert.is_true(a:remove_and_wait(place))
        assert.equal(3.0, sutura.now())
    end))
end)

describe("restart", function()
    it("returns true at once, stops and starts on purpose, without a failure or an event", in_time(function(rt)
        local sup, record = new(rt, "a")
        local log = {}
        local token = sup:add("w", function(ctx)
            log[#log + 1] = ("%d from %g, after %s"):format(ctx.run, sutura.now(), ctx.last_error)
            stubborn(2)(ctx)
        end)
        sup:serve_background()
        settle()
        assert.same({ n = 1, true }, all(sup:restart(token)))
        assert.same({ n = 1, true }, all(sup:restart("w")))
        sutura.sleep(3)
        assert.same({ "1 from 0, after nil", "2 from 2, after restarted on purpose" }, log)
        assert.same({}, record:lines())
        assert.same({ 0, 0, 1, "running" }, { sup:failures(), sup:children()[1].failures, sup:children()[1].restarts,
            sup:children()[1].state })
    end))

    it("never makes a second live run: it waits for the old one, left alone or not", in_time(function(rt)
        local sup, live, most = new(rt, "a", { timeout = 1 }), 0, 0
        local function body(ctx)
            live = live + 1
            most = math.max(most, live)
            local _guard <close> = setmetatable({}, { __close = function() live = live - 1 end })
            stubborn(10)(ctx)
        end
        sup:add("w", body, { kill = false })
        sup:serve_background()
        settle()
        for _ = 1, 3 do
            sup:restart("w")
            sutura.sleep(2)
        end
        assert.same({ 1, 1 }, { most, sup:children()[1].run })
        sutura.sleep(5)
        assert.same({ 1, 2, "running" }, { most, sup:children()[1].run, sup:children()[1].state })
    end))

    it("in a starting, queued, stopped and stopping service", in_time(function(rt)
        local sup = new(rt, "a", { failure_threshold = 0.5, failure_backoff = 100 })
        local nested = new(rt, "n")
        sup:serve_background()
        sup:add("w", function(ctx) if ctx.run == 1 then error("x") end ctx:wait() end)
        local place = sup:add(nested)
        local fresh = sup:add("fresh", sleeper)
        assert.equal("starting", sup:children()[3].state)
        assert.is_true(sup:restart(fresh))
        settle()
        assert.equal("running", sup:children()[3].state)
        assert.equal("queued", sup:children()[1].state)
        assert.is_true(sup:restart("w"))
        settle()
        assert.same({ "running", 2 }, { sup:children()[1].state, sup:children()[1].run })
        nested:stop()
        assert.equal("stopped", sup:children()[2].state)
        assert.is_true(sup:restart(place))
        settle()
        assert.same({ "running", "normal" }, { sup:children()[2].state, nested:state() })
    end))

    it("of a child supervisor stops its subtree and starts it again", in_time(function(rt)
        local a, b, log = new(rt, "a"), new(rt, "b"), {}
        a:add(b)
        for i = 1, 2 do
            b:add("w" .. i, function(ctx) ctx:wait() log[#log + 1] = ctx.name .. ctx.run end)
        end
        a:serve_background()
        settle()
        a:restart("b")
        settle()
        assert.same({ "w21", "w11" }, log)
        assert.same({ "normal", 2, 2 }, { b:state(), b:children()[1].run, b:children()[2].run })
        assert.equal(0, a:failures())
    end))

    it("of what is unknown or being removed is nil, ERR_UNKNOWN_SERVICE", in_time(function(rt)
        local sup = new(rt, "a")
        local token = sup:add("w", stubborn(1))
        sup:serve_background()
        settle()
        sup:remove(token)
        assert.same({ n = 2, nil, sutura.ERR_UNKNOWN_SERVICE }, all(sup:restart(token)))
        sutura.sleep(2)
        assert.same({ n = 2, nil, sutura.ERR_UNKNOWN_SERVICE }, all(sup:restart(token)))
        assert.same({ n = 2, nil, sutura.ERR_UNKNOWN_SERVICE }, all(sup:restart("w")))
    end))

    it("of a temporary one that stops, and will be forgotten, is nil, ERR_UNKNOWN_SERVICE", in_time(function(rt)
        local sup = new(rt, "a")
        local token = sup:add("w", stubborn(1), { restart = "temporary" })
        sup:serve_background()
        settle()
        sup:terminate_child(token, 0)
        assert.same({ n = 2, nil, sutura.ERR_UNKNOWN_SERVICE }, all(sup:restart(token)))
        sutura.sleep(2)
        assert.same({}, sup:children())
    end))

    it("before serve and after the stop is nil, ERR_NOT_RUNNING", in_time(function(rt)
        local sup = new(rt, "a")
        local token = sup:add("w", sleeper)
        assert.same({ n = 2, nil, ERR_NOT_RUNNING }, all(sup:restart(token)))
        sup:serve_background()
        sup:stop()
        assert.same({ n = 2, nil, ERR_NOT_RUNNING }, all(sup:restart(token)))
    end))

    it("of itself starts it again when it next waits", in_time(function(rt)
        local sup, runs = new(rt, "a"), 0
        sup:add("w", function(ctx)
            runs = ctx.run
            if ctx.run == 1 then sup:restart(ctx.token) end
            ctx:wait()
        end)
        sup:serve_background()
        settle()
        assert.same({ 2, 0 }, { runs, sup:failures() })
    end))
end)
