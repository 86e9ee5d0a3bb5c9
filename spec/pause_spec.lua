-- SPDX-License-Identifier: MIT
--
-- The failure score and the pause of restarts: section 5 of the contract, against the formula in Lua, to the last bit.

local log_lines = require "spec.support.log_lines"
local recorder = require "spec.support.recorder"
local services = require "spec.support.services"
local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local settle, in_time = virtual.settle, virtual.test
local sleeper = services.sleeper

local function new(rt, spec)
    local record = recorder.new()
    spec.event_hook = record.hook
    spec.backoff_jitter = spec.backoff_jitter or sutura.no_jitter
    return rt:supervisor("a", spec), record
end

-- A service whose run number i fails after the i-th of these times, and whose runs after them wait.
local function failing(after)
    return function(ctx)
        if not after[ctx.run] then
            ctx:wait()
        else
            sutura.sleep(after[ctx.run])
            error("failed", 0)
        end
    end
end

describe("the score", function()
    it("is 1 at the first failure, then score * 0.5^(elapsed/decay) + 1, to the bit", in_time(function(rt)
        local after = { 0.3, 0.1, 7.77, 1e-3, 29.123456789, 30, 0, 61.7, 0.000001, 3 }
        local sup, record = new(rt, { failure_threshold = math.huge })
        sup:add("w", failing(after))
        sup:serve_background()
        sutura.sleep(200)
        local score, last = 0, 0 -- times are whole nanoseconds, so their differences are exact
        assert.equal(#after, #record.events)
        for i, event in ipairs(record.events) do
            local now = math.floor(event.time * 1e9 + 0.5)
            score = i == 1 and 1 or score * 0.5 ^ ((now - last) / 1e9 / 30) + 1
            last = now
            assert.equal(score, event.current_failures)
        end
        assert.equal(score * 0.5 ^ ((200e9 - last) / 1e9 / 30), sup:failures())
    end))

    it("is the supervisor's, shared by its services", in_time(function(rt)
        local sup, record = new(rt, {})
        for i = 1, 3 do
            sup:add("w" .. i, failing{ 1 })
        end
        sup:serve_background()
        sutura.sleep(1.5)
        assert.same({ 1.0, 2.0, 3.0 }, { record.events[1].current_failures, record.events[2].current_failures,
            record.events[3].current_failures })
        for _, child in ipairs(sup:children()) do
            assert.equal(1, child.failures)
        end
    end))

    it("of one supervisor is not another's", in_time(function(rt)
        local sup = new(rt, {})
        local sub = rt:supervisor("s", {})
        sup:add(sub)
        sub:add("w", failing{ 1 })
        sup:serve_background()
        sutura.sleep(1)
        settle()
        assert.same({ 0.0, 1.0 }, { sup:failures(), sub:failures() })
    end))

    it("never decays with an infinite decay", in_time(function(rt)
        local sup = new(rt, { failure_decay = math.huge })
        sup:add("w", failing{ 1, 1e6, 1e6 })
        sup:serve_background()
        sutura.sleep(3e6)
        assert.equal(3, sup:failures())
    end))

    it("is 1 at every failure with a decay of 0, at one instant too", in_time(function(rt)
        local sup, record = new(rt, { failure_decay = 0, failure_threshold = 1 })
        sup:add("w", failing{ 1, 0, 0, 5 })
        sup:serve_background()
        sutura.sleep(6)
        settle()
        assert.equal(4, #record:of("service_panic"))
        assert.same({}, record:of("backoff"))
        for _, event in ipairs(record.events) do
            assert.equal(1, event.current_failures)
        end
        sutura.sleep(1e-9)
        assert.equal(0, sup:failures())
    end))
end)

describe("the threshold", function()
    it("is passed strictly: a score equal to it does not pause", in_time(function(rt)
        local sup, record = new(rt, { failure_threshold = 2, failure_decay = math.huge })
        sup:add("w", failing{ 1, 1, 1 })
        sup:serve_background()
        sutura.sleep(2)
        settle()
        assert.same({ 2.0, "normal", 0 }, { sup:failures(), sup:state(), #record:of("backoff") })
        sutura.sleep(1)
        settle()
        assert.same({ 3.0, "paused", 1 }, { sup:failures(), sup:state(), #record:of("backoff") })
    end))

    it("of 0 pauses at every failure", in_time(function(rt)
        local sup, record = new(rt, { failure_threshold = 0, failure_backoff = 1 })
        sup:add("w", failing{ 1, 1, 1 })
        sup:serve_background()
        sutura.sleep(20)
        assert.equal(3, #record:of("backoff"))
        assert.equal(3, #record:of("resume"))
    end))

    it("that is infinite never pauses", in_time(function(rt)
        local sup, record = new(rt, { failure_threshold = math.huge, failure_decay = math.huge })
        local after = {}
        for i = 1, 1000 do
            after[i] = 0
        end
        sup:add("w", failing(after))
        sup:serve_background()
        sutura.sleep(1)
        assert.equal(1000, sup:failures())
        assert.equal(1000, #record:of("service_panic"))
        assert.equal("normal", sup:state())
    end))
end)

describe("without a word in the spec", function()
    it("the sixth failure at once pauses for 15 seconds, and the score halves in 30", in_time(function(rt)
        local sup, record = new(rt, {})
        sup:add("w", failing{ 0, 30, 0, 0, 0, 0, 0 })
        sup:serve_background()
        sutura.sleep(46)
        assert.same({ 1.0, 1.5 }, { record.events[1].current_failures, record.events[2].current_failures })
        assert.same({ 5.5, 15.0, 30.0 }, { record:only("backoff").current_failures, record:only("backoff").delay,
            record:only("backoff").time })
        assert.equal(45.0, record:only("resume").time)
    end))
end)

describe("one failure", function()
    it("over the threshold tells backoff first, then the failure with restarting false", in_time(function(rt)
        local sup, record = new(rt, { failure_threshold = 1.5, failure_backoff = 7 })
        sup:add("w", failing{ 1, 0 })
        sup:serve_background()
        sutura.sleep(1)
        settle()
        assert.same({ "service_panic a/w", "backoff a", "service_panic a/w" }, record:lines())
        local first, backoff, second = table.unpack(record.events)
        assert.same({ true, 1.0, 1.5 }, { first.restarting, first.current_failures, first.failure_threshold })
        assert.same({ 2.0, 7.0, 1.0 }, { backoff.current_failures, backoff.delay, backoff.time })
        assert.same({ false, 2.0 }, { second.restarting, second.current_failures })
        assert.is_nil(backoff.service)
        assert.is_nil(backoff.token)
        assert.equal("queued", sup:children()[1].state)
    end))

    it("is told when its service has been put to the run queue, and before that runs", in_time(function(rt)
        local sup, record = new(rt, {})
        local states, order = {}, {}
        function record.also()
            order[#order + 1] = "hook"
            states[#states + 1] = sup:children()[1].state
        end
        sup:add("w", function(ctx)
            order[#order + 1] = "run " .. ctx.run
            if ctx.run < 2 then error("x") end
            ctx:wait()
        end)
        sup:serve_background()
        settle()
        assert.same({ "run 1", "hook", "run 2" }, order)
        assert.same({ "starting" }, states)
    end))
end)

describe("a pause", function()
    it("leaves running services alone and queues the failed ones", in_time(function(rt)
        local sup, record = new(rt, { failure_threshold = 0.5, failure_backoff = 10 })
        local ticks = 0
        sup:add("ticker", function(ctx) while not ctx:wait(1) do ticks = ticks + 1 end end)
        sup:add("bad", failing{ 1 })
        sup:serve_background()
        sutura.sleep(10.5)
        assert.equal(10, ticks)
        assert.equal("queued", sup:children()[2].state)
        assert.equal("paused", sup:state())
        sutura.sleep(1)
        assert.equal("normal", sup:state())
        assert.equal("running", sup:children()[2].state)
        local resume = record:only("resume")
        assert.same({ 11.0, 0.0, 0.0 }, { resume.time, resume.current_failures, resume.delay })
        assert.equal(0, sup:failures())
    end))

    it("is begun anew by a failure that is still over the threshold", in_time(function(rt)
        local sup, record = new(rt, { failure_threshold = 0.5, failure_backoff = 10 })
        sup:add("one", failing{ 1 })
        sup:add("two", failing{ 6 })
        sup:serve_background()
        sutura.sleep(15)
        assert.equal(2, #record:of("backoff"))
        assert.same({}, record:of("resume"))
        sutura.sleep(2)
        assert.equal(16.0, record:only("resume").time)
    end))

    it("is not prolonged by one that is under it: that only queues", in_time(function(rt)
        local sup, record = new(rt, { failure_threshold = 1.5, failure_backoff = 10, failure_decay = 1 })
        local order = {}
        local function body(after)
            local fails = failing(after)
            return function(ctx) order[#order + 1] = ctx.name .. ctx.run return fails(ctx) end
        end
        sup:add("one", body{ 1 })
        sup:add("two", body{ 1 })
        sup:add("three", body{ 8 })
        sup:serve_background()
        sutura.sleep(10)
        assert.equal(1, #record:of("backoff"))
        local third = record.events[4]
        assert.same({ "service_panic", 8.0, false }, { third.type, third.time, third.restarting })
        assert.is_true(third.current_failures < 1.5)
        assert.same({ "running", "queued", "queued" }, { sup:children()[1].state, sup:children()[2].state,
            sup:children()[3].state })
        sutura.sleep(2)
        assert.equal(11.0, record:only("resume").time)
        assert.same({ "one1", "two1", "three1", "one2", "two2", "three2" }, order)
    end))

    it("ends in this order: normal, score 0, the event, then the queue in order of failing", in_time(function(rt)
        local sup, record = new(rt, { failure_threshold = 0.5, failure_backoff = 10 })
        local order = {}
        for _, name in ipairs { "a", "b", "c" } do
            sup:add(name, function(ctx)
                if ctx.run == 1 then
                    sutura.sleep(({ a = 3, b = 1, c = 2 })[name])
                    error("x")
                end
                order[#order + 1] = { name, sutura.now() }
                ctx:wait()
            end)
        end
        function record.also(event)
            if event.type == "resume" then
                order[#order + 1] = { sup:state(), sup:failures() }
            end
        end
        sup:serve_background()
        sutura.sleep(14)
        assert.same({ { "normal", 0.0 }, { "b", 13.0 }, { "c", 13.0 }, { "a", 13.0 } }, order)
    end))

    it("of 0 seconds ends on the next turn, after the events", in_time(function(rt)
        local sup, record = new(rt, { failure_threshold = 0.5, failure_backoff = 0 })
        local states = {}
        function record.also() states[#states + 1] = sup:state() end
        sup:add("w", failing{ 1 })
        sup:serve_background()
        sutura.sleep(1.5)
        assert.same({ "backoff a", "service_panic a/w", "resume a" }, record:lines())
        assert.same({ "paused", "paused", "normal" }, states)
        assert.same({ 1.0, 0.0 }, { record.events[3].time, record.events[1].delay })
        assert.equal("running", sup:children()[1].state)
    end))

    it("makes the first failure after it count 1 again", in_time(function(rt)
        local sup, record = new(rt, { failure_threshold = 1.5, failure_backoff = 1, failure_decay = math.huge })
        sup:add("w", failing{ 0, 0, 1 })
        sup:serve_background()
        sutura.sleep(3)
        local panics = record:of("service_panic")
        assert.same({ 1.0, 2.0, 1.0 }, { panics[1].current_failures, panics[2].current_failures,
            panics[3].current_failures })
        assert.is_true(panics[3].restarting)
    end))

    it("is not waited for by a stop", in_time(function(rt)
        local sup, record = new(rt, { failure_threshold = 0.5, failure_backoff = 1000 })
        sup:add("w", failing{ 1 })
        local handle = sup:serve_background()
        sutura.sleep(2)
        assert.equal("paused", sup:state())
        assert.is_nil(sup:stop())
        assert.equal(2.0, sutura.now())
        assert.same({ true, nil }, { handle:wait() })
        sutura.sleep(2000)
        assert.same({}, record:of("resume"))
    end))

    it("lets a queued service be removed, and be restarted at once on purpose", in_time(function(rt)
        local sup = new(rt, { failure_threshold = 0.5, failure_backoff = 10 })
        local one, two = sup:add("one", failing{ 1 }), sup:add("two", failing{ 1 })
        sup:serve_background()
        sutura.sleep(2)
        assert.is_true(sup:remove_and_wait(one))
        assert.is_true(sup:restart(two))
        settle()
        assert.same({ "two", "running", 2 }, { sup:children()[1].name, sup:children()[1].state,
            sup:children()[1].run })
        assert.equal("paused", sup:state())
        sutura.sleep(10)
        assert.same({ 1, 2 }, { sup:count().active, sup:children()[1].run })
    end))
end)

describe("resume_spacing", function()
    it("is the time between the starts when a pause ends", in_time(function(rt)
        local sup, record = new(rt, { failure_threshold = 0.5, failure_backoff = 10, resume_spacing = 2 })
        local starts = {}
        for i = 1, 4 do
            sup:add("w" .. i, function(ctx)
                if ctx.run == 1 then sutura.sleep(1) error("x") end
                starts[#starts + 1] = { i, sutura.now() }
                ctx:wait()
            end)
        end
        sup:serve_background()
        sutura.sleep(30)
        assert.same({ { 1, 11.0 }, { 2, 13.0 }, { 3, 15.0 }, { 4, 17.0 } }, starts)
        assert.equal(2.0, record:only("resume").delay)
    end))

    it("skips what was removed, and what was restarted on purpose", in_time(function(rt)
        local sup = new(rt, { failure_threshold = 0.5, failure_backoff = 10, resume_spacing = 2 })
        local starts, tokens = {}, {}
        for i = 1, 5 do
            tokens[i] = sup:add("w" .. i, function(ctx)
                if ctx.run == 1 then sutura.sleep(1) error("x") end
                starts[#starts + 1] = { i, sutura.now() }
                ctx:wait()
            end)
        end
        sup:serve_background()
        sutura.sleep(11.5)
        sup:remove(tokens[2])
        sup:restart(tokens[4])
        sutura.sleep(30)
        assert.same({ { 1, 11.0 }, { 4, 11.5 }, { 3, 13.0 }, { 5, 15.0 } }, starts)
    end))

    it("stops when a new pause begins, which queues the rest behind it", in_time(function(rt)
        local sup, record = new(rt, { failure_threshold = 0.5, failure_backoff = 10, resume_spacing = 2 })
        sup:add("one", failing{ 1, 1 })
        sup:add("two", failing{ 1 })
        sup:serve_background()
        sutura.sleep(20)
        assert.equal("paused", sup:state())
        assert.equal("queued", sup:children()[2].state)
        sutura.sleep(10)
        assert.equal(2, #record:of("resume"))
        assert.same({ "running", "running" }, { sup:children()[1].state, sup:children()[2].state })
    end))
end)

describe("backoff_jitter", function()
    it("is called once a backoff, between steps, with failure_backoff", in_time(function(rt)
        local calls, sup = {}, nil
        sup = new(rt, { failure_threshold = 0.5, failure_backoff = 10, backoff_jitter = function(delay)
            calls[#calls + 1] = { delay, sup:state(), sup:children()[1].state, (sup:add("more", sleeper)) ~= nil }
            return delay * 2
        end })
        sup:add("w", failing{ 1 })
        sup:serve_background()
        sutura.sleep(20.9)
        assert.same({ { 10.0, "paused", "queued", true } }, calls)
        assert.equal("paused", sup:state())
        sutura.sleep(0.2)
        assert.equal("normal", sup:state())
        assert.equal("running", sup:children()[2].state)
    end))

    it("that fails or gives no seconds is reported and not used", function()
        local bad = { function() error("no idea") end, function() return -1 end, function() return 0 / 0 end,
            function() return math.huge end, function() return "12" end, function() end, function() return {} end }
        for _, jitter in ipairs(bad) do
            local event
            local lines = log_lines.during(in_time(function(rt)
                local sup, record = new(rt, { failure_threshold = 0.5, failure_backoff = 10, backoff_jitter = jitter })
                sup:add("w", failing{ 1 })
                sup:serve_background()
                sutura.sleep(12)
                event = record:only("backoff")
                assert.equal(11.0, record:only("resume").time)
            end))
            assert.equal(10.0, event.delay)
            assert.equal(1, #lines)
            assert.matches("backoff_jitter of supervisor 'a'", lines[1], 1, true)
        end
    end)

    it("that cannot wait does not", function()
        local lines = log_lines.during(in_time(function(rt)
            local sup = new(rt, { failure_threshold = 0.5, failure_backoff = 10, backoff_jitter = function()
                sutura.sleep(1)
            end })
            sup:add("w", failing{ 1 })
            sup:serve_background()
            sutura.sleep(11.5)
            assert.equal("normal", sup:state())
        end))
        assert.equal(1, #lines)
    end)

    it("by default is uniform from the delay up to half of it more, and repeats with the seed", function()
        local function delays(seed)
            local found = {}
            virtual.run(function(rt)
                local record = recorder.new()
                local sup = rt:supervisor("a", { failure_threshold = 0, failure_backoff = 10,
                    event_hook = record.hook })
                sup:add("w", function() error("x") end)
                sup:serve_background()
                sutura.sleep(3000)
                for i, event in ipairs(record:of("backoff")) do
                    found[i] = event.delay
                end
            end, { seed = seed })
            return found
        end
        local first, lowest, highest = delays(5), math.huge, 0
        for _, delay in ipairs(first) do
            assert.is_true(delay >= 10 and delay < 15)
            lowest, highest = math.min(lowest, delay), math.max(highest, delay)
        end
        assert.is_true(#first > 200 and lowest < 10.2 and highest > 14.8)
        assert.same(first, delays(5))
        assert.not_same(first, delays(6))
    end)
end)
