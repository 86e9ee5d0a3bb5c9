-- SPDX-License-Identifier: MIT
--
-- What an update changes of a supervisor, from the next failure, stop or event on, and what it leaves. Which updates
-- are refused is in update_spec_spec, significant children are in otp_auto_shutdown_spec.

local recorder = require "spec.support.recorder"
local services = require "spec.support.services"
local sutura = require "sutura"
local troupe = require "spec.support.troupe"
local virtual = require "spec.support.virtual"

local settle, in_time, in_each = virtual.settle, virtual.test, virtual.each
local states, ends = troupe.states, troupe.ends
local new = recorder.supervisor

-- A served supervisor of actors with these names, by default a, b and c.
local function served(rt, spec, names)
    local actors = troupe.new()
    local sup, record = new(rt, "sup", spec)
    for _, name in ipairs(names or { "a", "b", "c" }) do
        sup:add(actors:child(name))
    end
    local handle = sup:serve_background()
    settle()
    actors:log()
    return sup, actors, record, handle
end

local SETTINGS = {
    "strategy", "intensity", "period", "failure_threshold", "failure_decay", "failure_backoff", "escalate_after",
    "resume_spacing", "timeout", "auto_shutdown", "stop_order",
}

-- The settings that a record has.
local function settings(sup)
    local record, found = sup:tree(), {}
    for _, name in ipairs(SETTINGS) do
        found[name] = record[name]
    end
    return found
end

describe("an update", function()
    it("returns true, and changes what it names and nothing else", in_each({
        strategy = { strategy = "rest_for_one" }, failure_threshold = { failure_threshold = 2.5 },
        failure_decay = { failure_decay = math.huge }, failure_backoff = { failure_backoff = 0.0 },
        escalate_after = { escalate_after = 4 }, resume_spacing = { resume_spacing = 0.5 }, timeout = { timeout = 0.0 },
        auto_shutdown = { auto_shutdown = "all_significant" }, stop_order = { stop_order = "parallel" },
        ["several at once"] = { strategy = "one_for_all", failure_threshold = 7.0, timeout = 1.0 },
    }, function(rt, given)
        for _, serve in ipairs { false, true } do
            local sup = new(rt, "sup")
            sup:add("w", services.sleeper)
            if serve then
                sup:serve_background()
                settle()
            end
            local expected, children = settings(sup), sup:children()
            for name, value in pairs(given) do
                expected[name] = value
            end
            assert.same({ n = 1, true }, table.pack(sup:update(given)))
            assert.same(expected, settings(sup))
            assert.same(children, sup:children())
        end
    end))

    it("is good for a supervisor that has stopped, whose next life goes by it", in_time(function(rt)
        local sup, actors = served(rt, {})
        sup:stop()
        assert.is_true(sup:update { strategy = "one_for_all" })
        sup:serve_background()
        settle()
        actors:log()
        actors:cue("a", ends.panic)
        assert.equal("-a -c -b +a +b +c", actors:log())
    end))

    it("may be made in an event hook and by a child, at once in force", in_time(function(rt)
        local sup, actors, record = served(rt, {})
        function record.also(event)
            sup:update { strategy = event.service_name == "a" and "one_for_all" or "one_for_one" }
        end
        actors:cue("a", ends.panic)
        assert.equal("-a +a", actors:log())
        actors:cue("b", ends.panic)
        assert.equal("-b -c -a +a +b +c", actors:log())
        record.also = nil
        actors:cue("c", function(ctx)
            ctx.supervisor:update { strategy = "rest_for_one" }
        end)
        assert.equal("-c +c", actors:log())
        actors:cue("b", ends.panic)
        assert.equal("-b -c +b +c", actors:log())
    end))
end)

describe("the next failure goes by an update of", function()
    it("failure_threshold and failure_backoff", in_time(function(rt)
        local sup, actors, record = served(rt, {})
        sup:update { failure_threshold = 0.5, failure_backoff = 3 }
        actors:cue("a", ends.panic)
        assert.same({ "paused", 3.0, 0.5 }, { sup:state(), record:only("backoff").delay,
            record:only("service_panic").failure_threshold })
        sutura.sleep(3)
        settle()
        assert.equal("normal", sup:state())
    end))

    it("backoff_jitter", in_time(function(rt)
        local sup, actors, record = served(rt, { failure_threshold = 0.5, failure_backoff = 10 })
        sup:update { backoff_jitter = function(seconds) return seconds / 4 end }
        actors:cue("a", ends.panic)
        assert.equal(2.5, record:only("backoff").delay)
    end))

    it("failure_decay", in_time(function(rt)
        local sup, actors = served(rt, {})
        sup:update { failure_decay = 0 }
        actors:cue("a", ends.panic)
        actors:cue("a", ends.panic)
        assert.equal(1, sup:failures())
    end))

    it("escalate_after", in_time(function(rt)
        local sup, actors, record = served(rt, { failure_threshold = 0.5, failure_backoff = 1 })
        sup:update { escalate_after = 1 }
        actors:cue("a", ends.panic)
        sutura.sleep(2)
        actors:cue("a", ends.panic)
        assert.equal("paused 1 time in a row", record:only("escalate").reason)
    end))

    it("resume_spacing", in_time(function(rt)
        local sup, actors = served(rt, { failure_threshold = 0.5, failure_backoff = 10 })
        sup:update { resume_spacing = 4 }
        actors:cue("a", ends.panic)
        actors:cue("b", ends.panic)
        sutura.sleep(11)
        assert.equal("a running, b queued, c running", states(sup))
        sutura.sleep(4)
        assert.equal("a running, b running, c running", states(sup))
    end))

    it("strategy while children start: who has failed keeps those behind it waiting", in_each({
        ["by none"] = { "one_for_one", "b c" }, ["by those behind"] = { "rest_for_one", "b" },
    }, function(rt, case)
        local sup, begins, contexts = new(rt, "sup", {}), {}, {}
        sup:add { name = "a", run = function() error("a") end, backoff = { min = 50 } }
        for _, name in ipairs { "b", "c" } do
            sup:add { name = name, ready = "notify", run = function(ctx)
                begins[#begins + 1], contexts[name] = name, ctx
                ctx:wait()
            end }
        end
        sup:serve_background()
        settle()
        sup:update { strategy = case[1] }
        contexts.b:ready()
        settle()
        assert.equal(case[2], table.concat(begins, " "))
    end))

    it("stop_order, where a group restarts", in_time(function(rt)
        local sup, actors = served(rt, { strategy = "one_for_all" }, { "a" })
        for _, name in ipairs { "b", "c" } do
            sup:add(name, function(ctx)
                ctx:wait()
                actors:say(("!%s@%g"):format(name, sutura.now()))
                sutura.shield(sutura.sleep, 2)
            end)
        end
        settle()
        sup:update { stop_order = "parallel" }
        actors:cue("a", ends.panic)
        sutura.sleep(5)
        assert.equal("-a !c@0 !b@0 +a", actors:log())
    end))

    it("pass_through_panics", in_time(function(rt)
        local sup, actors, record, handle = served(rt, {})
        sup:update { pass_through_panics = true }
        actors:cue("a", ends.panic)
        assert.equal("terminated", sup:state())
        assert.is_false(record:only("service_panic").restarting)
        assert.same({ true, "broken" }, { handle:wait() })
    end))

    it("dont_propagate_termination", in_time(function(rt)
        local inner, actors = served(rt, {})
        inner:stop()
        local outer = new(rt, "outer", { children = { inner, { name = "w", run = services.sleeper } } })
        outer:serve_background()
        settle()
        inner:update { dont_propagate_termination = true }
        actors:cue("a", ends.terminate_tree)
        assert.same({ "terminated", "normal", "w running" }, { inner:state(), outer:state(), states(outer) })
    end))

    it("format_error", in_time(function(rt)
        local sup, actors, record = served(rt, {})
        sup:update { format_error = function(value) return "it is " .. value end }
        actors:cue("a", ends.panic)
        assert.equal("it is broken", record:only("service_panic").error_msg)
    end))

    it("panic_locals and redact", in_time(function(rt)
        local sup, actors, record = served(rt, {})
        local function fail()
            local secret = "hunter2" -- luacheck: no unused
            error("x", 0)
        end
        local function found(event)
            for _, frame in ipairs(event.frames) do
                for _, variable in ipairs(frame.locals or {}) do
                    if variable.name == "secret" then
                        return variable.text
                    end
                end
            end
        end
        actors:cue("a", fail)
        sup:update { panic_locals = true }
        actors:cue("a", fail)
        sup:update { redact = function(name) return name == "secret" and "***" or nil end }
        actors:cue("a", fail)
        sup:update { panic_locals = false }
        actors:cue("a", fail)
        local seen = {}
        for i, event in ipairs(record.events) do
            seen[i] = found(event) or "none"
        end
        assert.same({ "none", '"hunter2"', "***", "none" }, seen)
    end))
end)

describe("the next stop goes by an update of", function()
    it("timeout", in_time(function(rt)
        local sup = new(rt, "sup", { children = { { name = "deaf", run = services.stubborn(500) } } })
        sup:serve_background()
        settle()
        sup:update { timeout = 2 }
        assert.equal(1, #sup:stop())
        assert.equal(2.0, sutura.now())
    end))

    it("stop_order", in_time(function(rt)
        local sup = new(rt, "sup", { children = {
            { name = "a", run = services.stubborn(3) }, { name = "b", run = services.stubborn(3) },
        } })
        sup:serve_background()
        settle()
        sup:update { stop_order = "parallel" }
        assert.is_nil(sup:stop())
        assert.equal(3.0, sutura.now())
    end))
end)

describe("an event that has yet to be told", function()
    it("has the threshold and the spacing by which it came about", in_time(function(rt)
        local sup, told
        sup = rt:supervisor("sup", { failure_threshold = 0.5, failure_backoff = 1, resume_spacing = 3,
            backoff_jitter = sutura.no_jitter, event_hook = function(event)
                if event.type == "backoff" then
                    sup:update { failure_threshold = 9 }
                end
                told = event
            end })
        sup:add("a", function(ctx) if ctx.run == 1 then error("boom", 0) end ctx:wait() end)
        sup:serve_background()
        settle()
        assert.same({ "service_panic", 0.5 }, { told.type, told.failure_threshold })
        sutura.sleep(1)
        assert.same({ "resume", 3.0 }, { told.type, told.delay })
    end))

    it("has the limit by which the supervisor gave up", in_time(function(rt)
        local sup, told
        sup = rt:supervisor("sup", { intensity = 1, period = 5, event_hook = function(event)
            sup:update { intensity = 100, period = 7 }
            told = event
        end })
        sup:add("a", function() sup:update { intensity = 1, period = 5 } error("boom", 0) end)
        sup:serve()
        assert.same({ "escalate", "more than 1 restart in 5 s" }, { told.type, told.reason })
    end))
end)

describe("the next event goes by an update of", function()
    it("lifecycle_events, in both directions", in_time(function(rt)
        local sup, _, record = served(rt, {}, { "a" })
        sup:restart("a")
        settle()
        assert.same({}, record:lines())
        sup:update { lifecycle_events = true }
        sup:restart("a")
        settle()
        assert.same({ "service_stop sup/a", "service_start sup/a" }, record:lines())
        record:forget()
        sup:update { lifecycle_events = false }
        sup:restart("a")
        sup:stop()
        assert.same({}, record:lines())
    end))
end)

describe("the limit in force", function()
    local WINDOW, SCORE = { intensity = 3, period = 9 }, { failure_threshold = 4, failure_decay = 20 }

    it("becomes the window by its intensity or its period, the other one by default", in_each({
        intensity = { { intensity = 7 }, 7, 5.0 }, period = { { period = 60 }, 1, 60.0 },
        both = { { intensity = 2, period = 30 }, 2, 30.0 },
    }, function(rt, case)
        local sup, actors = served(rt, { failure_threshold = 4, escalate_after = 3 }, { "a" })
        sup:update(case[1])
        local now = settings(sup)
        assert.same({ case[2], case[3] }, { now.intensity, now.period })
        assert.same({}, { now.failure_threshold, now.failure_decay, now.escalate_after })
        for i = 1, case[2] do
            actors:cue("a", ends.panic)
            assert.same({ i, "normal" }, { sup:failures(), sup:state() })
        end
        actors:cue("a", ends.panic)
        assert.equal("terminated", sup:state())
    end))

    it("keeps the half of the window that is not named", in_each({
        intensity = { { intensity = 7 }, 7, 9.0 }, period = { { period = 60 }, 3, 60.0 },
    }, function(rt, case)
        local sup = served(rt, { intensity = 3, period = 9 })
        sup:update(case[1])
        assert.same({ case[2], case[3] }, { settings(sup).intensity, settings(sup).period })
    end))

    it("becomes the score by any of its fields, the others as they were or by default", in_each({
        failure_threshold = { { failure_threshold = 0.5 }, 0.5, 30.0 },
        failure_decay = { { failure_decay = 0 }, 5.0, 0.0 },
        escalate_after = { { escalate_after = 2 }, 5.0, 30.0, 2 },
        all = { { failure_threshold = 1, failure_decay = 2, escalate_after = 3 }, 1.0, 2.0, 3 },
    }, function(rt, case)
        local sup, actors = served(rt, { intensity = 0 }, { "a" })
        sup:update(case[1])
        local now = settings(sup)
        assert.same({ case[2], case[3], case[4] }, { now.failure_threshold, now.failure_decay, now.escalate_after })
        assert.same({}, { now.intensity, now.period })
        actors:cue("a", ends.panic)
        assert.equal(case[2] < 1 and "paused" or "normal", sup:state())
    end))

    it("stays what it is by an update of anything else", in_each({
        window = WINDOW, score = SCORE,
    }, function(rt, spec)
        local given = {}
        for name, value in pairs(spec) do
            given[name] = value
        end
        local sup = served(rt, given)
        local before = settings(sup)
        sup:update { failure_backoff = 1, timeout = 2, strategy = "one_for_all", resume_spacing = 3 }
        for name in pairs { intensity = 1, period = 1, failure_threshold = 1, failure_decay = 1, escalate_after = 1 } do
            assert.equal(before[name], settings(sup)[name])
        end
    end))

    it("that becomes the window in a pause lets that end, and what queued restarts", in_time(function(rt)
        local sup, actors = served(rt, { failure_threshold = 0.5, failure_backoff = 10 })
        actors:cue("a", ends.panic)
        sup:update { intensity = 2, period = 100 }
        actors:cue("b", ends.panic)
        assert.same({ "paused", "a queued, b queued, c running", 1 }, { sup:state(), states(sup), sup:failures() })
        sutura.sleep(11)
        assert.same({ "normal", "a running, b running, c running" }, { sup:state(), states(sup) })
    end))
end)

describe("what was counted before an update", function()
    it("of the window is kept in a window: the restarts that are in the new one", in_time(function(rt)
        local sup, actors = served(rt, { intensity = 5, period = 10 }, { "a" })
        for _ = 1, 3 do
            actors:cue("a", ends.panic)
            sutura.sleep(4)
        end
        assert.equal(2, sup:failures())
        sup:update { intensity = 3, period = 8 }
        assert.equal(2, sup:failures())
        sutura.sleep(1)
        assert.equal(1, sup:failures())
        actors:cue("a", ends.panic)
        actors:cue("a", ends.panic)
        assert.same({ "normal", 3 }, { sup:state(), sup:failures() })
        actors:cue("a", ends.panic)
        assert.equal("terminated", sup:state())
    end))

    it("of the window is too much where the new one tolerates less, at the next failure", in_time(function(rt)
        local sup, actors = served(rt, { intensity = 9, period = 100 }, { "a" })
        for _ = 1, 5 do
            actors:cue("a", ends.panic)
        end
        sup:update { intensity = 2 }
        assert.equal("normal", sup:state())
        actors:cue("a", ends.panic)
        assert.equal("terminated", sup:state())
    end))

    it("of the score is kept in a score, and decays by the new half-life from then on", in_time(function(rt)
        local sup, actors = served(rt, { failure_decay = 10 }, { "a" })
        actors:cue("a", ends.panic)
        actors:cue("a", ends.panic)
        sutura.sleep(10)
        sup:update { failure_decay = 40, failure_threshold = 1.4 }
        assert.equal(1.0, sup:failures())
        sutura.sleep(40)
        assert.equal(0.5, sup:failures())
        actors:cue("a", ends.panic)
        assert.same({ 1.5, "paused" }, { sup:failures(), sup:state() })
    end))

    it("of pauses in a row is kept", in_time(function(rt)
        local sup, actors = served(rt, { failure_threshold = 0.5, failure_backoff = 1 }, { "a" })
        for _ = 1, 2 do
            actors:cue("a", ends.panic)
            sutura.sleep(2)
        end
        sup:update { escalate_after = 3 }
        actors:cue("a", ends.panic)
        assert.equal("paused", sup:state())
        sutura.sleep(2)
        actors:cue("a", ends.panic)
        assert.equal("terminated", sup:state())
    end))

    it("of the one limit is nothing to the other", in_time(function(rt)
        local sup, actors = served(rt, {}, { "a" })
        for _ = 1, 4 do
            actors:cue("a", ends.panic)
        end
        sup:update { intensity = 2, period = 100 }
        assert.equal(0, sup:failures())
        actors:cue("a", ends.panic)
        assert.same({ "normal", 1 }, { sup:state(), sup:failures() })
        sup:update { failure_threshold = 5 }
        assert.equal(0, sup:failures())
    end))
end)
