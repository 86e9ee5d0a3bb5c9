-- SPDX-License-Identifier: MIT
--
-- The flight recorder: what each supervisor keeps of its events, how much of it, for how long, and what an `escalate`
-- event tells of it. How the default logger prints it is in log_spec.

local child = require "spec.support.child"
local hogs = require "spec.support.hogs"
local log_lines = require "spec.support.log_lines"
local recorder = require "spec.support.recorder"
local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local function fail()
    error("broken", 0)
end

-- Fails in its first runs, then waits.
local function fails_times(times)
    return function(ctx)
        sutura.sleep(1)
        if ctx.run <= times then
            error("run " .. ctx.run, 0)
        end
        ctx:wait()
    end
end

local function all_in(entries, field)
    local values = {}
    for i, entry in ipairs(entries) do
        values[i] = entry[field]
    end
    return values
end

local function texts_of(events)
    local texts = {}
    for i, event in ipairs(events) do
        texts[i] = tostring(event)
    end
    return texts
end

-- Events of every type; one supervisor of three that has them all.
local function eventful_life(rt)
    local sup, record = recorder.supervisor(rt, "A", {
        failure_threshold = 2, failure_backoff = 5, escalate_after = 2, timeout = 1, lifecycle_events = true,
    })
    sup:add("stuck", function() sutura.shield(sutura.sleep, 1e6) end)
    sup:add("patient", fails_times(1), { backoff = { min = 2 } })
    sup:add("returns", function(ctx)
        sutura.sleep(2)
        if ctx.run == 1 then
            return nil, "an error"
        end
        ctx:wait()
    end)
    sup:add("panics", function()
        sutura.sleep(3)
        fail()
    end)
    sup:serve()
    return sup, record
end

describe("the history of a supervisor", function()
    it("has its events as they were told, oldest first", function()
        virtual.run(function(rt)
            local sup, record = eventful_life(rt)
            local history, types = sup:history(), {}
            assert.equal(#record.events, #history)
            for i, event in ipairs(record.events) do
                types[event.type] = true
                for field, value in pairs(history[i]) do
                    assert.equal(event[field], value, event.type .. "." .. field)
                end
                for _, field in ipairs({
                    "seq", "type", "path", "service_name", "run", "time", "wall", "restarting", "stopping", "queued",
                    "delay", "reason", "killed", "current_failures", "failure_threshold", "error_msg", "waiting_for",
                    "because_of",
                }) do
                    assert.equal(event[field], history[i][field], event.type .. "." .. field)
                end
            end
            for _, type in ipairs({
                "service_panic", "service_terminate", "backoff", "resume", "stop_timeout", "escalate", "service_start",
                "service_stop", "supervisor_start", "supervisor_stop",
            }) do
                assert.is_true(types[type], type)
            end
        end)
    end)

    it("has a hog as it was told", hogs.test({}, function(sup, record)
        sup:add("busy", function(ctx)
            repeat hogs.compute(hogs.SLICE) until #record:of("service_hog") > 1
            ctx:wait()
        end)
        repeat sutura.sleep(0.005) until #record:of("service_hog") > 1
        local history = sup:history()
        for i, event in ipairs(record.events) do
            for _, field in ipairs({ "type", "seq", "run", "duration", "in_a_row", "action", "stopping" }) do
                assert.equal(event[field], history[i][field], field)
            end
        end
        assert.same(texts_of(record.events), texts_of(history))
        assert.matches("2 times in a row", tostring(history[2]), 1, true)
    end))

    it("prints as the events did, line by line", function()
        virtual.run(function(rt)
            local sup, record = eventful_life(rt)
            assert.same(texts_of(record.events), texts_of(sup:history()))
        end)
    end)

    it("has plain tables, fit for any JSON encoder as maps", function()
        virtual.run(function(rt)
            local sup = eventful_life(rt)
            for _, entry in ipairs(sup:history()) do
                for _, value in pairs(entry) do
                    assert.is_truthy(({ string = true, number = true, boolean = true })[type(value)], type(value))
                end
                assert.equal(entry.seq, entry:map().seq)
                assert.equal(entry.error_msg, entry:map().error_msg)
            end
        end)
    end)

    it("is a copy, which keeps what it said", function()
        virtual.run(function(rt)
            local sup = recorder.supervisor(rt, "A", { failure_threshold = math.huge })
            sup:add("a", fails_times(2))
            sup:serve_background()
            sutura.sleep(1.5)
            local history = sup:history()
            history[1].error_msg = "changed"
            sutura.sleep(1)
            assert.equal(1, #history)
            assert.same({ "run 1", "run 2" }, all_in(sup:history(), "error_msg"))
        end)
    end)

    it("has what happened to its own services, not what happened below them", function()
        virtual.run(function(rt)
            local root = recorder.supervisor(rt, "root")
            local below = rt:supervisor("below", { intensity = 0 })
            below:add("leaf", fails_times(1))
            root:add(below)
            root:serve_background()
            sutura.sleep(1.5)
            assert.same({ "service_panic", "escalate" }, all_in(below:history(), "type"))
            assert.same({ "root/below/leaf", "root/below" }, all_in(below:history(), "path"))
            assert.same({ "service_terminate" }, all_in(root:history(), "type"))
            assert.same({ "root/below" }, all_in(root:history(), "path"))
        end)
    end)

    it("is empty before anything has happened, and has an event already when its hook is called", function()
        virtual.run(function(rt)
            local sup
            sup = rt:supervisor("A", { event_hook = function()
                assert.equal(1, #sup:history())
            end })
            assert.same({ {}, 0 }, { sup:history() })
            sup:add("a", fails_times(1))
            sup:serve_background()
            assert.same({}, (sup:history()))
            assert.same({}, log_lines.during(function() sutura.sleep(2) end))
            assert.equal(1, #sup:history())
        end)
    end)

    it("has an event whatever becomes of its hook", function()
        virtual.run(function(rt)
            local raises = rt:supervisor("raises", { event_hook = error })
            local default = rt:supervisor("default")
            for _, sup in ipairs({ raises, default }) do
                sup:add("a", fails_times(1))
                sup:serve_background()
            end
            log_lines.during(function() sutura.sleep(2) end)
            assert.same({ "run 1" }, all_in(raises:history(), "error_msg"))
            assert.same({ "run 1" }, all_in(default:history(), "error_msg"))
        end)
    end)

    it("is there after the end, and goes on in a second life", function()
        virtual.run(function(rt)
            local sup = recorder.supervisor(rt, "A", { intensity = 0 })
            sup:add("a", function()
                sutura.sleep(1)
                fail()
            end)
            sup:serve()
            assert.equal("terminated", sup:state())
            assert.same({ "service_panic", "escalate" }, all_in(sup:history(), "type"))
            sup:serve()
            assert.same({ "service_panic", "escalate", "service_panic", "escalate" }, all_in(sup:history(), "type"))
            assert.same({ 1.0, 1.0, 2.0, 2.0 }, all_in(sup:history(), "time"))
        end)
    end)

    it("is not to be had of a closed runtime, nor of something else", function()
        local rt = sutura.runtime({ clock = "virtual" })
        local sup = rt:supervisor("A")
        rt:close()
        assert.has_error(function() sup:history() end, "'history': the runtime of the supervisor is closed")
        assert.error_matches(function() sup.history(5) end, "bad argument 'self' to 'history'")
    end)
end)

describe("the length of a history", function()
    -- The numbers of the runs whose failures are kept, and how many are not.
    local function kept(sup)
        local history, gone = sup:history()
        local runs = all_in(history, "run")
        return { runs[1], runs[#runs], #runs, gone }
    end

    local function failing(rt, spec, times)
        spec.failure_threshold = math.huge
        local sup = recorder.supervisor(rt, "A", spec)
        sup:add("a", fails_times(times))
        sup:serve_background()
        sutura.sleep(times + 0.5)
        return sup
    end

    it("is 64 events by default, and the second result counts those that are gone", function()
        virtual.run(function(rt)
            assert.same({ 1, 64, 64, 0 }, kept(failing(rt, {}, 64)))
            assert.same({ 37, 100, 64, 36 }, kept(failing(rt, {}, 100)))
        end)
    end)

    it("is what the spec says, from none to 10,000", function()
        virtual.run(function(rt)
            assert.same({ 1, 64, 64, 0 }, kept(failing(rt, { history = 10000 }, 64)))
            assert.same({ 10, 12, 3, 9 }, kept(failing(rt, { history = 3 }, 12)))
            assert.same({ 12, 12, 1, 11 }, kept(failing(rt, { history = 1 }, 12)))
            assert.same({ nil, nil, 0, 12 }, kept(failing(rt, { history = 0 }, 12)))
        end)
    end)

    it("may be changed by an update, which leaves the latest", function()
        virtual.run(function(rt)
            local sup = failing(rt, { history = 10 }, 20)
            sup:update({ history = 4 })
            assert.same({ 17, 20, 4, 16 }, kept(sup))
            sup:update({ failure_backoff = 1 })
            assert.same({ 17, 20, 4, 16 }, kept(sup))
            sup:update({ history = 100 })
            assert.same({ 17, 20, 4, 16 }, kept(sup))
            sup:update({ history = 0 })
            assert.same({ nil, nil, 0, 20 }, kept(sup))
        end)
    end)

    it("is a setting of templates too", function()
        virtual.run(function(rt)
            local root = recorder.supervisor(rt, "root")
            local pool = root:template({
                name = "pool", history = 2, failure_threshold = math.huge, run = fails_times(5),
            })
            root:serve_background()
            pool:start("argument")
            sutura.sleep(6)
            assert.same({ 4, 5, 2, 3 }, kept(pool))
        end)
    end)
end)

describe("the texts of a history", function()
    local function entry_of(message)
        local entry
        virtual.run(function(rt)
            local sup = recorder.supervisor(rt, "A", { intensity = 0 })
            sup:add("a", function() error(message, 0) end)
            sup:serve()
            entry = sup:history()[1]
        end)
        return entry
    end

    it("are bounded: 200 bytes of an error, its head and its tail", function()
        assert.equal(("x"):rep(200), entry_of(("x"):rep(200)).error_msg)
        local long = entry_of(("h"):rep(400) .. ("t"):rep(400)).error_msg
        assert.equal(("h"):rep(145) .. " ... " .. ("t"):rep(50), long)
    end)

    it("are kept with every byte, and print on one line", function()
        local entry = entry_of("one\ntwo\0three\xFF")
        assert.equal("one\ntwo\0three\xFF", entry.error_msg)
        assert.is_nil(tostring(entry):find("[%c\xFF]"))
    end)

    it("keep no value of an error alive", function()
        virtual.run(function(rt)
            local seen = setmetatable({}, { __mode = "k" })
            local sup = rt:supervisor("A", { event_hook = function() end })
            sup:add("a", function(ctx)
                if ctx.run == 1 then
                    local err = setmetatable({}, { __tostring = function() return "a table" end })
                    seen[err] = true
                    error(err)
                end
                ctx:wait()
            end)
            sup:serve_background()
            virtual.settle()
            collectgarbage()
            collectgarbage()
            assert.equal("a table", sup:history()[1].error_msg)
            assert.is_nil(next(seen))
        end)
    end)
end)

describe("an escalate event", function()
    it("has the history up to the failure that led to it", function()
        virtual.run(function(rt)
            local sup, record = recorder.supervisor(rt, "A", { intensity = 2 })
            sup:add("a", function() fail() end)
            sup:serve()
            local escalate = record:only("escalate")
            assert.same({ 1, 2, 3 }, all_in(escalate.history, "seq"))
            assert.same({ true, true, false }, all_in(escalate.history, "restarting"))
            assert.same(texts_of(record:of("service_panic")), texts_of(escalate.history))
            assert.equal(4, escalate.seq)
            assert.equal(4, #sup:history())
        end)
    end)

    it("has it also after a first start that failed, and empty where none is kept", function()
        virtual.run(function(rt)
            for _, limit in ipairs({ 64, 0 }) do
                local sup, record = recorder.supervisor(rt, "A", { history = limit, children = {
                    { name = "a", ready = "notify", run = fail },
                } })
                sup:serve()
                local history = record:only("escalate").history
                assert.same(limit == 0 and {} or { "service_panic" }, all_in(history, "type"))
            end
        end)
    end)

    it("has no history in its map", function()
        virtual.run(function(rt)
            local sup, record = recorder.supervisor(rt, "A", { intensity = 0 })
            sup:add("a", fail)
            sup:serve()
            assert.is_nil(record:only("escalate"):map().history)
        end)
    end)
end)

-- In a process of its own, where so little lives that there may be a whole collection for each entry.
local SHORTENED = [[
local recorder = require "spec.support.recorder"
local sutura = require "sutura"
local rt = sutura.runtime({ clock = "virtual" })
local sup = recorder.supervisor(rt, "A", { failure_threshold = math.huge })
local countdown, cut_short = 0, 0

local function at_each_collection()
    setmetatable({}, { __gc = function()
        countdown = countdown - 1
        if countdown == 0 then
            sup:update({ history = 2 })
        end
        at_each_collection()
    end })
end

sup:add("a", function(ctx)
    sutura.sleep(ctx.run % 10 == 0 and 1 or 0)
    error("run " .. ctx.run, 0)
end)
sup:serve_background()
at_each_collection()
for round = 1, 8 do
    sup:update({ history = 10 })
    rt:advance(1)
    local whole = #sup:history()
    collectgarbage("incremental", 1, 1000)
    collectgarbage() -- The new mode holds from the end of a collection on.
    countdown = round
    local history = sup:history()
    collectgarbage("incremental", 200, 100)
    countdown = 0
    for i, entry in ipairs(history) do
        assert(entry.error_msg == "run " .. entry.run)
        assert(i == 1 or entry.run > history[i - 1].run)
    end
    cut_short = cut_short + (#history > 2 and #history < whole and 1 or 0)
end
assert(cut_short > 3, "few were cut short: " .. cut_short)
]]

describe("a finalizer that shortens the history while it is read", function()
    it("leaves whole what was read and what is still to be read", function()
        local result = child.run(SHORTENED)
        assert.same({ code = 0, out = "", err = "" }, result)
    end)
end)
