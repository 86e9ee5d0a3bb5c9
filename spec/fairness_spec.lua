-- SPDX-License-Identifier: MIT
--
-- Who gets the processor: everybody in turn, sleepers in time, and no more than its share for a service that has one;
-- and what is known of what each has used.

local hogs = require "spec.support.hogs"
local stretched = require "spec.support.stretched"
local sutura = require "sutura"

local SLEEPERS, SECONDS = 1000, 0.6

-- How late the sleepers wake up beside these services: the lateness that 99 of 100 stay under, in seconds.
local function lateness(slice, crowd)
    local late = {}
    local rt <close> = sutura.runtime { slice = slice, seed = 1 }
    rt:run(function()
        local sup = rt:supervisor("root", { event_hook = function() end, timeout = 0, stop_order = "parallel" })
        sup:serve_background()
        for i = 1, SLEEPERS do
            sup:add("sleeper-" .. i, function()
                while true do
                    local span = 0.001 + (i * 7919 % 100) / 1000
                    local due = rt:now() + span
                    sutura.sleep(span)
                    late[#late + 1] = rt:now() - due
                end
            end)
        end
        crowd(sup)
        sutura.sleep(SECONDS)
        sup:stop()
    end)
    table.sort(late)
    return late[#late * 99 // 100], #late
end

-- Busy machines come late by themselves: the slice grows until they count no more.
local function in_time(crowd)
    return function()
        stretched(function(factor)
            local slice = 0.05 * math.min(factor, 5)
            local p99, count = lateness(slice, crowd)
            assert.is_true(count > SLEEPERS)
            assert.is_true(p99 < 2 * slice, ("%.3f s late"):format(p99))
        end)
    end
end

describe("a thousand sleepers #realtime #thousands", function()
    it("wake up within two slices beside one that spins", in_time(function(sup)
        sup:add("spins", hogs.spins["a plain loop"])
    end))

    it("wake up within two slices beside one that yields in a loop", in_time(function(sup)
        sup:add("polite", function() while true do sutura.yield() end end)
    end))

    it("wake up within two slices beside a hundred that yield in a loop", in_time(function(sup)
        for i = 1, 100 do
            sup:add("polite-" .. i, function() while true do sutura.yield() end end)
        end
    end))
end)

describe("a share of the processor #realtime", function()
    -- The part of all that was used after a second and a half, of the service with the share and of another.
    local function used(options, others)
        local cpu = {}
        hogs.run({ timeout = 0, stop_order = "parallel" }, function(sup)
            sup:add("limited", hogs.spins["a plain loop"], options)
            for _ = 1, others do
                sup:add("free", hogs.spins["a plain loop"])
            end
            local began = os.clock()
            repeat sutura.sleep(0.05) until os.clock() - began > 1.5
            local all = 0
            for _, record in ipairs(sup:children()) do all = all + record.cpu_time end
            for _, record in ipairs(sup:children()) do cpu[record.name] = record.cpu_time / all end
        end, { accounting = true })
        return cpu.limited, cpu.free
    end

    it("is all that a service gets while others are ready", function()
        stretched(function()
            local limited, free = used({ cpu_share = 0.1 }, 1)
            assert.is_true(limited > 0.03 and limited < 0.2, ("%.2f"):format(limited))
            assert.is_true(free > 0.6, ("%.2f"):format(free))
        end)
    end)

    it("is none while nobody else is ready", function()
        stretched(function()
            local limited = used({ cpu_share = 0.1 }, 0)
            assert.is_true(limited > 0.6, ("%.2f"):format(limited))
        end)
    end)

    it("keeps nobody from running where all have one", hogs.test({ timeout = 0, stop_order = "parallel" }, function(sup)
        local turns = { 0, 0 }
        for i = 1, 2 do
            sup:add("limited-" .. i, function()
                while true do
                    turns[i] = turns[i] + 1
                    hogs.compute(0.002)
                    sutura.yield()
                end
            end, { cpu_share = 0.01 })
        end
        local began = os.clock()
        repeat sutura.sleep(0.01) until os.clock() - began > 0.3
        assert.is_true(turns[1] > 20 and turns[2] > 20, table.concat(turns, " "))
    end))

    it("does not keep a service from stopping", hogs.test({ timeout = 5 }, function(sup, record)
        local token = sup:add("limited", function()
            while true do
                hogs.compute(0.005)
                sutura.yield()
            end
        end, { cpu_share = 0.001 })
        sup:add("free", function() while true do hogs.compute(0.001) sutura.yield() end end)
        sutura.sleep(0.1)
        assert.is_true(sup:remove_and_wait(token, 1))
        assert.same({}, record:of("stop_timeout"))
    end))

    it("stands in the record", hogs.test({}, function(sup)
        sup:add("limited", function(ctx) ctx:wait() end, { cpu_share = 0.25, on_hog = "kill" })
        local record = sup:get_child("limited")
        assert.same({ 0.25, "kill" }, { record.cpu_share, record.on_hog })
    end))

    it("is a number over 0 and up to 1, for what runs code of its own", function()
        local rt <close> = sutura.runtime { clock = "virtual" }
        local sup = rt:supervisor("root")
        for value, expected in pairs({ [0] = "a finite number > 0, got the number 0",
            [1.5] = "a number > 0 and <= 1, got the number 1.5", ["x"] = 'a finite number > 0, got the string "x"' }) do
            local ok, problem = pcall(sup.add, sup, "a", print, { cpu_share = value })
            assert.is_false(ok)
            assert.matches("field 'cpu_share': expected " .. expected, problem, 1, true)
        end
        local ok, problem = pcall(sup.add, sup, rt:supervisor("child"), { cpu_share = 0.5 })
        assert.is_false(ok)
        assert.matches("field 'cpu_share' is for functions and objects", problem, 1, true)
    end)
end)

describe("what a service has used of the processor #realtime", function()
    it("is sampled by the watchdog, and the record says so", hogs.test({}, function(sup)
        sup:add("busy", function(ctx) hogs.compute(0.2) ctx:wait() end)
        sup:add("idle", function(ctx) ctx:wait() end)
        repeat sutura.sleep(0.01) until sup:get_child("busy").cpu_time > 0.1
        local busy, idle = sup:get_child("busy"), sup:get_child("idle")
        assert.equal("sampled", busy.cpu_time_by)
        assert.is_true(busy.longest_turn >= hogs.SLICE / 2 and busy.longest_turn <= busy.cpu_time)
        assert.is_true(idle.cpu_time < 0.05)
    end))

    it("is measured at each resume with accounting", hogs.test({}, function(sup)
        local used
        sup:add("busy", function(ctx)
            for _ = 1, 10 do
                hogs.compute(0.002)
                sutura.yield()
            end
            used = true
            ctx:wait()
        end)
        repeat sutura.sleep(0.01) until used
        local record = sup:get_child("busy")
        assert.equal("measured", record.cpu_time_by)
        assert.is_true(record.cpu_time >= 0.015, tostring(record.cpu_time)) -- the watchdog counts in os.clock too
        assert.is_true(record.longest_turn >= 0.002 and record.longest_turn < record.cpu_time)
    end, { accounting = true }))

    it("is not known where nothing is watched or measured", hogs.test({}, function(sup)
        sup:add("busy", function(ctx) ctx:wait() end)
        assert.is_nil(sup:get_child("busy").cpu_time)
    end, { slice = 0 }))
end)
