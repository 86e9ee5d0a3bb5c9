-- SPDX-License-Identifier: MIT
--
-- Objects with `serve` and `stop` as services: waits that do not raise, `stop` in a coroutine of its own, and `serve`
-- waited for.

local sutura = require "sutura"

-- An old service that serves until it is stopped, and writes down what happens to it.
local function old_service(log)
    return {
        name = "old",
        serve = function(self)
            self.stopping = false
            log[#log + 1] = "serve"
            while not self.stopping do
                sutura.sleep(1)
            end
            log[#log + 1] = "served"
        end,
        stop = function(self)
            log[#log + 1] = "stop"
            self.stopping = true
        end,
    }
end

describe("as_service", function()
    local runtime, events

    before_each(function()
        runtime = sutura.runtime({ clock = "virtual", seed = 1 })
        events = {}
    end)

    after_each(function()
        runtime:close()
    end)

    -- Serves an old object, does `steps` with the supervisor, and stops it.
    local function serve(old, steps)
        return runtime:run(function()
            local sup = runtime:supervisor("A", {
                timeout = 5,
                event_hook = function(e)
                    events[#events + 1] = e
                end,
            })
            local token = sup:add(sutura.as_service(old))
            sup:serve_background()
            sutura.sleep(0.5)
            if steps then
                steps(sup, token)
            end
            return sup:stop()
        end)
    end

    it("lets serve wait, asks by stop, and waits for serve", function()
        local log = {}
        assert.is_nil(serve(old_service(log)))
        assert.same({ "serve", "stop", "served" }, log)
        assert.equal(1, runtime:now())
        assert.same({}, events)
    end)

    it("has the name of the old object, or its text", function()
        local old = old_service({})
        serve(old, function(sup, token)
            assert.equal("A/old", tostring(token))
            old.name = nil
            assert.equal("A/text", tostring(sup:add(sutura.as_service(setmetatable(old, {
                __tostring = function() return "text" end,
            })))))
        end)
    end)

    it("keeps the supervisor that the old object contains", function()
        local inner = runtime:supervisor("inner")
        assert.equal(inner, sutura.as_service({ serve = print, stop = print, supervisor = inner }).supervisor)
        local old = {
            serve = print,
            stop = print,
            supervisor = function(self) return self.mine end,
            mine = inner,
        }
        assert.equal(inner, sutura.as_service(old):supervisor())
    end)

    it("calls stop on the old object, where waits work", function()
        local log = {}
        local old = old_service(log)
        local stop = old.stop
        function old.stop(self)
            assert.equal(old, self)
            sutura.sleep(2)
            log[#log + 1] = "rested"
            stop(self)
        end
        assert.is_nil(serve(old))
        assert.same({ "serve", "rested", "stop", "served" }, log)
        assert.same({}, events)
    end)

    it("lets stop finish when serve ends first", function()
        local log = {}
        local old = old_service(log)
        function old.stop(self)
            self.stopping = true
            sutura.sleep(3)
            log[#log + 1] = "stop is over"
        end
        assert.is_nil(serve(old))
        assert.same({ "serve", "served", "stop is over" }, log)
        assert.same({}, events)
    end)

    it("does not call stop when serve ends by itself, and restarts", function()
        local log = {}
        local old = old_service(log)
        local serve_on = old.serve
        function old.serve(self)
            if #log == 0 then
                log[1] = "refused"
                return nil, "refused"
            end
            serve_on(self)
        end
        assert.is_nil(serve(old))
        assert.same({ "refused", "serve", "stop", "served" }, log)
        assert.equal(1, #events)
        assert.equal("service_terminate", events[1].type)
        assert.equal("refused", events[1].error)
    end)

    it("passes a panic of serve on with its own trace", function()
        local old = old_service({})
        function old.serve()
            error("boom")
        end
        serve(old, function(sup)
            sup:stop()
        end)
        assert.equal("service_panic", events[1].type)
        assert.matches("as_service_spec.lua:%d+: boom$", events[1].error)
        assert.matches("as_service_spec.lua", events[1].stacktrace)
    end)

    it("takes what stop raises for the service's error", function()
        local old = old_service({})
        function old.stop(self)
            self.stopping = true
            error("no brakes")
        end
        assert.is_nil(serve(old))
        assert.equal(1, #events)
        assert.equal("service_panic", events[1].type)
        assert.is_true(events[1].stopping)
        assert.matches("no brakes$", events[1].error)
    end)

    it("takes what stop returns after nil for the service's error", function()
        local old = old_service({})
        function old.stop(self)
            self.stopping = true
            return nil, "half stopped"
        end
        assert.is_nil(serve(old))
        assert.equal(1, #events)
        assert.equal("service_terminate", events[1].type)
        assert.equal("half stopped", events[1].error)
    end)

    it("is closed by force when serve does not end", function()
        local old = old_service({})
        function old.stop() end
        local report = serve(old)
        assert.equal(1, #report)
        assert.equal("A/old", report[1].path)
        assert.is_true(report[1].killed)
        assert.equal(5.5, runtime:now())
        assert.equal("stop_timeout", events[1].type)
    end)

    it("serves again after a stop", function()
        local log = {}
        runtime:run(function()
            local sup = runtime:supervisor("A")
            sup:add(sutura.as_service(old_service(log)))
            for _ = 1, 2 do
                sup:serve_background()
                sutura.sleep(0.5)
                assert.is_nil(sup:stop())
            end
        end)
        assert.same({ "serve", "stop", "served", "serve", "stop", "served" }, log)
    end)

    it("refuses an object that lacks a method, at the caller's line", function()
        for _, old in ipairs({ {}, { serve = print }, { stop = print }, 42, "x" }) do
            local ok, message = pcall(function()
                sutura.as_service(old)
            end)
            assert.is_false(ok)
            assert.matches("as_service_spec.lua:%d+: as_service: argument 'old': expected an object with the methods "
                .. "'serve' and 'stop', got ", message)
        end
    end)
end)
