-- SPDX-License-Identifier: MIT
--
-- Causes that have left the tree: whoever is told of one later still hears the path that it had.

local recorder = require "spec.support.recorder"
local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local settle, in_time, in_each = virtual.settle, virtual.test, virtual.each

-- Takes 5 seconds to stop, and tells because of whom it does, first and last.
local function slow(causes)
    return function(ctx)
        ctx:wait()
        local first = select(2, ctx:cause())
        sutura.shield(sutura.sleep, 5)
        causes[ctx.path] = { first, (select(2, ctx:cause())) }
    end
end

local function fails()
    sutura.sleep(10)
    error("boom", 0)
end

describe("a cause that has left the tree", function()
    it("by its own end stands in the event of that, as its own", in_time(function(rt)
        local sup, record = recorder.supervisor(rt, "root")
        sup:add("work", fails, { restart = "temporary" })
        sup:serve_background()
        sutura.sleep(11)
        assert.equal("root/work", record:only("service_panic").because_of)
    end))

    it("stands in the event of the supervisor that ends by it, at the same instant", in_each({
        temporary = { restart = "temporary", run = function() sutura.sleep(10) end },
        ["do not restart"] = { restart = "transient",
            run = function() sutura.sleep(10) return sutura.DO_NOT_RESTART end },
    }, function(rt, case)
        local inner = recorder.supervisor(rt, "inner", { auto_shutdown = "any_significant" })
        inner:add("work", case.run, { restart = case.restart, significant = true })
        local sup, record = recorder.supervisor(rt, "root")
        sup:add(inner, { restart = "temporary" })
        sup:serve_background()
        sutura.sleep(11)
        local events = record:of("service_terminate")
        assert.equal("root/inner", events[#events].path)
        assert.equal("root/inner/work", events[#events].because_of)
    end))

    it("by its end is told by its path, also to who is asked long after", in_each({
        temporary = { restart = "temporary", run = fails },
        ["do not restart"] = { restart = "transient",
            run = function() sutura.sleep(10) return sutura.DO_NOT_RESTART end },
    }, function(rt, case)
        local causes = {}
        local sup = recorder.supervisor(rt, "root", { auto_shutdown = "any_significant" })
        sup:add("a", slow(causes))
        sup:add("b", slow(causes))
        sup:add("work", case.run, { restart = case.restart, significant = true })
        local count
        sup:add("z", function(ctx) ctx:wait() sutura.shield(sutura.sleep, 1) count = sup:count().specs end)
        sup:serve()
        assert.equal(3, count)
        assert.same({ ["root/a"] = { "root/work", "root/work" }, ["root/b"] = { "root/work", "root/work" } }, causes)
    end))

    it("with the supervisor that it was in, is told by the whole path", in_each({
        ["gives up"] = { spec = { intensity = 0 }, run = fails },
        ["passes a panic on"] = { spec = { pass_through_panics = true }, run = fails },
        ["shuts itself down"] = { spec = { auto_shutdown = "any_significant" }, restart = "temporary", run = fails },
    }, function(rt, case)
        local causes = {}
        local sup = recorder.supervisor(rt, "root", { auto_shutdown = "any_significant" })
        sup:add("a", slow(causes))
        sup:add("b", slow(causes))
        case.spec.children = { { name = "w", run = case.run, restart = case.restart,
            significant = case.restart and true } }
        sup:add(rt:supervisor("inner", case.spec), { restart = "temporary", significant = true })
        sup:serve_background()
        sutura.sleep(12)
        collectgarbage()
        collectgarbage()
        sutura.sleep(20)
        assert.equal("terminated", sup:state())
        local w = { "root/inner/w", "root/inner/w" }
        assert.same({ ["root/a"] = w, ["root/b"] = w }, causes)
    end))

    it("because it was removed is told by its path, in causes and events", in_time(function(rt)
        local causes = {}
        local sup, record = recorder.supervisor(rt, "root", { strategy = "one_for_all", lifecycle_events = true })
        sup:add("a", slow(causes))
        sup:add("b", fails)
        sup:add("c", slow(causes))
        sup:serve_background()
        sutura.sleep(11)
        sup:remove(sup:get_child("b").token)
        sutura.sleep(1)
        collectgarbage()
        sup:add("takes its slot", function(ctx) ctx:wait() end)
        sutura.sleep(9)
        assert.same({ ["root/a"] = { "root/b", "root/b" }, ["root/c"] = { "root/b", "root/b" } }, causes)
        for _, event in ipairs(record.events) do
            if (event.service_name == "a" or event.service_name == "c") and event.run > 1 then
                assert.equal("root/b", event.because_of)
            end
        end
    end))

    it("after its call is told by its path", in_time(function(rt)
        local causes = {}
        local sup, record = recorder.supervisor(rt, "root", { lifecycle_events = true })
        sup:add("victim", slow(causes))
        sup:serve_background()
        settle()
        sup:add("caller", function(ctx) ctx.supervisor:restart("victim") end, { restart = "temporary" })
        sutura.sleep(6)
        assert.same({ ["root/victim"] = { "root/caller", "root/caller" } }, causes)
        local starts = record:of("service_start")
        assert.equal("root/caller", starts[#starts].because_of)
        assert.equal(2, starts[#starts].run)
    end))

    it("is told until 256 others have left", in_time(function(rt)
        local causes = {}
        local sup = recorder.supervisor(rt, "root")
        local function victim(ctx)
            ctx:wait()
            sutura.shield(sutura.sleep, tonumber(ctx.name:match("%d+")))
            causes[#causes + 1] = select(2, ctx:cause()) or "nobody"
        end
        sup:add("2", victim)
        sup:add("4", victim)
        sup:add("bystander", function(ctx) ctx:wait() end)
        sup:serve_background()
        settle()
        local function call(name, number)
            sup:add("caller " .. number, function() sup:restart(name) end, { restart = "temporary" })
            settle()
        end
        call("2", 1)
        call("4", 2)
        for number = 3, 257 do
            call("bystander", number)
        end
        sutura.sleep(5)
        assert.same({ "nobody", "root/caller 2" }, causes)
    end))
end)
