-- SPDX-License-Identifier: MIT
--
-- shield: waits for cleanup that go on although the service was asked to stop.

local recorder = require "spec.support.recorder"
local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local function serve(rt, body, options)
    local told = recorder.new()
    local sup = rt:supervisor("A", { timeout = 10, event_hook = told.hook })
    sup:add("worker", body, options)
    sup:serve_background()
    sutura.sleep(1)
    return sup, told
end

describe("a shield", function()
    it("gives its function the arguments and returns all it returns", virtual.test(function()
        assert.same({ 1, nil, 3, n = 3 }, table.pack(sutura.shield(function(...) return ... end, 1, nil, 3)))
        assert.equal(0, select("#", sutura.shield(function() end)))
        local many = table.pack(sutura.shield(table.unpack, {}, 1, 200))
        assert.equal(200, many.n)
    end))

    it("works where there is no service", function()
        assert.equal(5, sutura.shield(function() return 5 end))
        sutura.shield(sutura.sleep, 0.001)
    end)

    it("passes an error on as it is", virtual.test(function(rt)
        local value = {}
        assert.same({ false, value }, { pcall(sutura.shield, function() error(value) end) })
        assert.same({ false, "x" }, { pcall(sutura.shield, function() sutura.sleep(1) error("x", 0) end) })
        assert.equal(1, rt:now())
    end))

    it("refuses what is no function, at the caller's line", virtual.test(function()
        local ok, text = pcall(function() sutura.shield(5) end)
        assert.is_false(ok)
        assert.matches("^spec/shield_spec%.lua:%d+: bad argument 'fn' to 'shield' %(function expected, got 5%)$", text)
    end))

    it("lets a wait that is under way go on when the service is asked to stop", virtual.test(function(rt)
        local slept_until
        local sup = serve(rt, function()
            sutura.shield(sutura.sleep, 5)
            slept_until = rt:now()
            sutura.sleep(100)
        end)
        assert.is_nil(sup:stop())
        assert.equal(5, slept_until)
        assert.equal(5, rt:now())
    end))

    it("lets waits that begin after the stop take their time", virtual.test(function(rt)
        local log = {}
        local sup = serve(rt, function()
            pcall(sutura.sleep, 100)
            sutura.shield(function()
                sutura.sleep(2)
                log[1] = rt:now()
                log[2] = sutura.await(function(resume) resume("awaited") end)
                log[3] = select(2, sutura.await(function() end, 1))
                sutura.yield()
                log[4] = rt:now()
            end)
            log[5] = select(2, pcall(sutura.sleep, 1))
        end)
        assert.is_nil(sup:stop())
        assert.same({ 3, "awaited", sutura.ERR_TIMEOUT, 4, sutura.CANCELED }, log)
    end))

    it("inside a shield ends with the outer one", virtual.test(function(rt)
        local ok, err
        local sup = serve(rt, function()
            pcall(sutura.sleep, 100)
            sutura.shield(function()
                sutura.shield(sutura.sleep, 1)
                sutura.sleep(1)
            end)
            ok, err = pcall(sutura.sleep, 1)
        end)
        assert.is_nil(sup:stop())
        assert.equal(3, rt:now())
        assert.same({ false, sutura.CANCELED }, { ok, err })
    end))

    it("is over after an error in it, too", virtual.test(function(rt)
        local ok, err
        local sup = serve(rt, function()
            pcall(sutura.sleep, 100)
            pcall(sutura.shield, function()
                sutura.sleep(1)
                error("x")
            end)
            ok, err = pcall(sutura.sleep, 1)
        end)
        assert.is_nil(sup:stop())
        assert.same({ false, sutura.CANCELED }, { ok, err })
        assert.equal(2, rt:now())
    end))

    it("is another service's not at all", virtual.test(function(rt)
        local sup = serve(rt, function() sutura.shield(sutura.sleep, 5) end)
        local err
        sup:add("other", function() err = select(2, pcall(sutura.sleep, 100)) end)
        sutura.sleep(1)
        assert.is_nil(sup:stop())
        assert.equal(sutura.CANCELED, err)
    end))

    it("of one run does not shield the next", virtual.test(function(rt)
        local sup = serve(rt, function(ctx)
            if ctx.run == 1 then
                sutura.shield(error, "x")
            end
            sutura.sleep(100)
        end)
        assert.is_nil(sup:stop())
        assert.equal(1, rt:now())
    end))

    it("does not hold the stop for longer than the service's time", virtual.test(function(rt)
        local sup, told = serve(rt, function() sutura.shield(sutura.sleep, 1000) end)
        local report = sup:stop()
        assert.equal(11, rt:now())
        assert.equal("A/worker", report[1].path)
        assert.is_true(report[1].killed)
        local event = told:only("stop_timeout")
        assert.is_true(event.killed)
        assert.matches("^sleep %(989%.000 s left%) at spec/shield_spec%.lua:%d+$", event.waiting_for)
        assert.matches("^stack traceback:\n\t%[C%]: in .-\n\t%[C%]: in .-shield.-\n\tspec/shield_spec%.lua:%d+: in ",
            event.stacktrace)
    end))

    it("keeps a cancelled context visible", virtual.test(function(rt)
        local seen
        local sup = serve(rt, function(ctx)
            pcall(sutura.sleep, 100)
            sutura.shield(function()
                seen = { ctx:cancelled(), ctx:err(), ctx:wait(5) }
            end)
        end)
        assert.is_nil(sup:stop())
        assert.same({ true, sutura.CANCELED, true }, seen)
        assert.equal(1, rt:now())
    end))
end)
