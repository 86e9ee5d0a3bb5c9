-- SPDX-License-Identifier: MIT
--
-- What a service does at its end decides what follows: each row of the table of section 4 of the contract, and how
-- such an end goes up through the levels of a tree. Traces of panics are said elsewhere.

local recorder = require "spec.support.recorder"
local services = require "spec.support.services"
local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local settle, in_time, in_each, wrap = virtual.settle, virtual.test, virtual.each, sutura.wrap
local sleeper = services.sleeper
local new = recorder.supervisor
local CANCELED, DEADLINE_EXCEEDED = sutura.CANCELED, sutura.DEADLINE_EXCEEDED
local DO_NOT_RESTART, TERMINATE_TREE = sutura.DO_NOT_RESTART, sutura.TERMINATE_TREE

-- A served supervisor whose service "w" ends its first run with `body`, and waits in later ones.
local function ended(rt, body, spec)
    local sup, record = new(rt, "a", spec)
    local runs = 0
    local token = sup:add("w", function(ctx)
        runs = ctx.run
        if ctx.run > 1 then
            ctx:wait()
        else
            return body(ctx)
        end
    end)
    sup:add("sibling", sleeper)
    local handle = sup:serve_background()
    settle()
    return { sup = sup, record = record, token = token, handle = handle, runs = function() return runs end }
end

-- The results of a body, and whether an error stands in the event.
local function assert_terminated(rt, body, err)
    local it_is = ended(rt, body)
    local event = it_is.record:only("service_terminate")
    assert.equal(1, #it_is.record.events)
    assert.is_true(rawequal(err, event.error))
    assert.is_true(event.restarting)
    assert.is_false(event.stopping)
    assert.equal(1.0, event.current_failures)
    assert.equal(1, event.run)
    assert.equal(2, it_is.runs())
    assert.equal(1.0, it_is.sup:failures())
    return event
end

describe("a plain end", function()
    it("without a value, or with any plain one, is a service_terminate without error, counts and restarts", in_each({
        ["nothing"] = function() end,
        ["nil"] = function() return nil end,
        ["two nils"] = function() return nil, nil end,
        ["true"] = function() return true end,
        ["false alone"] = function() return false end,
        ["false and nil"] = function() return false, nil end,
        ["a number"] = function() return 7 end,
        ["a string"] = function() return "done" end,
        ["a table"] = function() return {} end,
        ["true and an error object"] = function() return true, sutura.ERR_TIMEOUT end,
        ["an error object in third place"] = function() return nil, nil, DO_NOT_RESTART end,
    }, function(rt, body)
        local event = assert_terminated(rt, body, nil)
        assert.is_nil(event.error_msg)
    end))
end)

describe("an end with an error", function()
    local object, hostile = {}, setmetatable({}, { __tostring = function() error("no") end })
    it("after nil or false, or as an error object in first place, is a service_terminate with it", in_each({
        ["nil and a string"] = { "broken", function() return nil, "broken" end },
        ["false and a string"] = { "broken", function() return false, "broken" end },
        ["nil and a table"] = { object, function() return nil, object end },
        ["nil and false"] = { false, function() return nil, false end },
        ["nil and a table without a text"] = { hostile, function() return nil, hostile end },
        ["an error object as the first value"] = { sutura.ERR_TIMEOUT, function() return sutura.ERR_TIMEOUT end },
        ["nil and an error object"] = { sutura.ERR_TIMEOUT, function() return nil, sutura.ERR_TIMEOUT end },
    }, function(rt, case)
        local event = assert_terminated(rt, case[2], case[1])
        assert.equal("string", type(event.error_msg))
    end))
end)

describe("a panic", function()
    it("with any value raised is a service_panic with that value, counts and restarts", in_each({
        ["a string"] = "broken", ["a table"] = {}, ["a number"] = 3.5, ["false"] = false,
        ["DO_NOT_RESTART"] = DO_NOT_RESTART, ["TERMINATE_TREE"] = TERMINATE_TREE
    }, function(rt, value)
        local it_is = ended(rt, function() error(value, 0) end)
        local event = it_is.record:only("service_panic")
        assert.equal(1, #it_is.record.events)
        assert.is_true(rawequal(value, event.error))
        assert.is_true(event.restarting)
        assert.equal(event.error_msg, event.panic_msg)
        assert.equal("string", type(event.stacktrace))
        assert.equal(1.0, it_is.sup:failures())
        assert.equal(2, it_is.runs())
    end))

    it("with nil raised is a service_panic too", in_time(function(rt)
        local it_is = ended(rt, function() error(nil) end)
        assert.is_nil(it_is.record:only("service_panic").error)
        assert.equal("nil", it_is.record:only("service_panic").error_msg)
        assert.equal(2, it_is.runs())
    end))
end)

describe("DO_NOT_RESTART", function()
    it("returned or wrapped: gone, siblings untouched, nothing counted; wins over TERMINATE_TREE", in_each({
        ["returned"] = function() return DO_NOT_RESTART end,
        ["returned after nil"] = function() return nil, DO_NOT_RESTART end,
        ["returned after false"] = function() return false, DO_NOT_RESTART end,
        ["wrapped"] = function() return wrap(DO_NOT_RESTART, "done here") end,
        ["wrapped twice after nil"] = function() return nil, wrap(wrap(DO_NOT_RESTART, "in"), "out") end,
        ["as the message of a wrap"] = function() return wrap("cause", DO_NOT_RESTART) end,
        ["wrapped around TERMINATE_TREE"] = function() return wrap(TERMINATE_TREE, DO_NOT_RESTART) end,
        ["wrapped inside TERMINATE_TREE"] = function() return nil, wrap(DO_NOT_RESTART, TERMINATE_TREE) end,
    }, function(rt, body)
        local it_is = ended(rt, body)
        assert.same({}, it_is.record.events)
        assert.equal(0, it_is.sup:failures())
        assert.same({ "sibling" }, { it_is.sup:children()[1].name, #it_is.sup:children() > 1 or nil })
        assert.equal("running", it_is.sup:children()[1].state)
        assert.equal(sutura.ERR_UNKNOWN_SERVICE, (select(2, it_is.sup:restart(it_is.token))))
        assert.equal("a/w", tostring(it_is.token))
    end))

    it("returned after being asked to stop keeps the service out of the next life", in_time(function(rt)
        local it_is = ended(rt, function(ctx) ctx:wait() return DO_NOT_RESTART end)
        assert.is_nil(it_is.sup:stop())
        assert.equal(1, it_is.sup:count().specs)
        it_is.sup:serve_background()
        settle()
        assert.equal(1, it_is.runs())
        assert.same({}, it_is.record.events)
    end))

    it("by the last service leaves a supervisor that keeps serving", in_time(function(rt)
        local sup = new(rt, "a")
        sup:add("w", function() return DO_NOT_RESTART end)
        local handle = sup:serve_background()
        settle()
        assert.same({ nil, sutura.ERR_TIMEOUT }, table.pack(handle:wait(100)).n and { handle:wait(0) })
        assert.equal("normal", sup:state())
        assert.same({}, sup:services())
    end))
end)

describe("TERMINATE_TREE", function()
    local wrapped = wrap(TERMINATE_TREE, "over")
    it("returned or wrapped: the services stop, serve returns that error, no failure event", in_each({
        ["returned"] = { TERMINATE_TREE, function() return TERMINATE_TREE end },
        ["returned after nil"] = { TERMINATE_TREE, function() return nil, TERMINATE_TREE end },
        ["wrapped"] = { wrapped, function() return wrapped end },
        ["wrapped, after false"] = { wrapped, function() return false, wrapped end },
    }, function(rt, case)
        local it_is = ended(rt, case[2])
        local ok, reason = it_is.handle:wait()
        assert.is_true(ok)
        assert.is_true(rawequal(case[1], reason))
        assert.same({}, it_is.record.events)
        assert.equal("terminated", it_is.sup:state())
        assert.equal("stopped", it_is.sup:children()[2].state)
        assert.is_nil(it_is.sup:unstopped_service_report())
    end))

    it("goes up through every level to the root's serve", in_time(function(rt)
        local a, b, c = new(rt, "a"), new(rt, "b"), new(rt, "c")
        a:add(b)
        a:add("other", sleeper)
        b:add(c)
        c:add("w", function() sutura.sleep(1) return wrapped end)
        assert.equal(wrapped, a:serve())
        assert.same({ "terminated", "terminated", "terminated" }, { a:state(), b:state(), c:state() })
        assert.equal(1.0, sutura.now())
    end))

    it("under dont_propagate_termination ends this supervisor alone, and the parent forgets it", in_time(function(rt)
        local a, record = new(rt, "a")
        local b, c = new(rt, "b", { dont_propagate_termination = true }), new(rt, "c")
        local place = a:add(b)
        a:add("other", sleeper)
        b:add(c)
        c:add("w", function() sutura.sleep(1) return TERMINATE_TREE end)
        a:serve_background()
        sutura.sleep(2)
        assert.same({ "normal", "terminated", "terminated" }, { a:state(), b:state(), c:state() })
        assert.same({ specs = 1, active = 1, supervisors = 0, workers = 1 }, a:count())
        assert.equal(sutura.ERR_UNKNOWN_SERVICE, (select(2, a:restart(place))))
        assert.equal("a/b", tostring(place))
        assert.same({}, record.events)
        assert.equal(0, a:failures())
        a:add(b)
        settle()
        assert.equal("normal", b:state())
    end))

    it("under dont_propagate_termination makes a root's serve return DO_NOT_RESTART", in_time(function(rt)
        local a = new(rt, "a", { dont_propagate_termination = true })
        a:add("w", function() return TERMINATE_TREE end)
        assert.equal(DO_NOT_RESTART, a:serve())
    end))

    it("returned after being asked to stop changes nothing of the stop", in_time(function(rt)
        local it_is = ended(rt, function(ctx) ctx:wait() return TERMINATE_TREE end)
        local ok, err = it_is.sup:remove_and_wait(it_is.token)
        assert.same({ true }, { ok, err })
        settle()
        assert.equal("normal", it_is.sup:state())
        assert.is_nil(it_is.sup:stop())
        assert.same({ true, nil }, { it_is.handle:wait() })
        assert.same({}, it_is.record.events)
    end))

    it("of the first service holds when a second returns another error meanwhile", in_time(function(rt)
        local first, second = wrap(TERMINATE_TREE, "first"), wrap(TERMINATE_TREE, "second")
        local sup = new(rt, "a")
        sup:add("w1", function() return first end)
        sup:add("w2", function() return second end)
        assert.equal(first, sup:serve())
    end))
end)

describe("a cancellation that is not its own", function()
    local CASES = {
        ["CANCELED"] = { CANCELED, "cancelled" },
        ["DEADLINE_EXCEEDED"] = { DEADLINE_EXCEEDED, "deadline" },
        ["a wrap of CANCELED"] = { wrap(CANCELED, "query"), "query" },
    }
    it("returned is an ordinary failure from some other context", in_each(CASES, function(rt, case)
        local event = assert_terminated(rt, function() return nil, case[1] end, case[1])
        assert.matches(case[2], event.error_msg, 1, true)
        assert.matches("from some other context", event.error_msg, 1, true)
    end))

    it("raised is a panic from some other context", in_each(CASES, function(rt, case)
        local it_is = ended(rt, function() error(case[1]) end)
        local event = it_is.record:only("service_panic")
        assert.is_true(rawequal(case[1], event.error))
        assert.is_true(event.restarting)
        assert.matches("from some other context", event.error_msg, 1, true)
        assert.equal(event.error_msg, event.panic_msg)
        assert.equal(2, it_is.runs())
    end))
end)

describe("an end after being asked to stop", function()
    it("plainly or by a cancellation is its clean end, without an event", in_each({
        ["plainly"] = function(ctx) ctx:wait() end,
        ["with a plain value"] = function(ctx) ctx:wait() return "bye" end,
        ["by the CANCELED that its wait raised"] = function() sutura.sleep(100) end,
        ["by returning CANCELED"] = function(ctx) ctx:wait() return nil, CANCELED end,
        ["by returning a wrap of DEADLINE_EXCEEDED"] = function(ctx) ctx:wait() return wrap(DEADLINE_EXCEEDED, "x") end,
        ["by raising DEADLINE_EXCEEDED"] = function(ctx) ctx:wait() error(DEADLINE_EXCEEDED) end,
    }, function(rt, body)
        local it_is = ended(rt, body)
        assert.is_nil(it_is.sup:stop())
        assert.same({}, it_is.record.events)
        assert.equal(0, it_is.sup:children()[1].failures)
    end))

    local CASES = {
        ["an error"] = { "service_terminate", function(ctx) ctx:wait() return nil, "late" end },
        ["a panic"] = { "service_panic", function(ctx) ctx:wait() error("late", 0) end },
    }
    it("with an error or panic is the event with stopping, not counted or restarted", in_each(CASES, function(rt, case)
        local it_is = ended(rt, case[2])
        assert.is_true(it_is.sup:remove_and_wait(it_is.token))
        local event = it_is.record:only(case[1])
        assert.same({ "late", "late", true, false, 0.0, 1 }, { event.error, event.error_msg, event.stopping,
            event.restarting, event.current_failures, event.run })
        assert.equal("a/w", event.path)
        assert.equal(0, it_is.sup:failures())
        assert.equal("normal", it_is.sup:state())
        assert.equal(1, it_is.runs())
    end))

    it("with an error or panic in the stop of the supervisor changes nothing else", in_each(CASES, function(rt, case)
        local it_is = ended(rt, case[2], { failure_threshold = 0.5 })
        assert.is_nil(it_is.sup:stop())
        assert.equal(1, #it_is.record.events)
        assert.is_true(it_is.record:only(case[1]).stopping)
        assert.same({ true, nil }, { it_is.handle:wait() })
    end))

    it("with an error or panic at a restart on purpose starts it again, uncounted", in_each(CASES, function(rt, case)
        local it_is = ended(rt, case[2])
        assert.is_true(it_is.sup:restart("w"))
        settle()
        assert.is_true(it_is.record:only(case[1]).stopping)
        assert.equal(2, it_is.runs())
        assert.equal(0, it_is.sup:failures())
    end))
end)

describe("pass_through_panics", function()
    it("stops the services in order and makes serve raise the original value", in_time(function(rt)
        local value, order = {}, {}
        local sup, record = new(rt, "a", { pass_through_panics = true })
        for i = 1, 3 do
            sup:add("s" .. i, function(ctx) ctx:wait() order[#order + 1] = i end)
        end
        sup:add("w", function() sutura.sleep(1) error(value) end)
        local ok, raised = pcall(sup.serve, sup)
        assert.is_false(ok)
        assert.is_true(rawequal(value, raised))
        assert.same({ 3, 2, 1 }, order)
        local event = record:only("service_panic")
        assert.is_false(event.restarting)
        assert.is_false(event.stopping)
        assert.equal(0.0, event.current_failures)
        assert.equal(1, #record.events)
    end))

    it("does not concern returned errors", in_time(function(rt)
        local it_is = ended(rt, function() return nil, "plain" end, { pass_through_panics = true })
        assert.is_true(it_is.record:only("service_terminate").restarting)
        assert.equal(2, it_is.runs())
    end))

    it("does not concern a panic after being asked to stop", in_time(function(rt)
        local it_is = ended(rt, function(ctx) ctx:wait() error("late") end, { pass_through_panics = true })
        assert.is_nil(it_is.sup:stop())
        assert.same({ true, nil }, { it_is.handle:wait() })
    end))

    it("makes a handle give the original value as the reason", in_time(function(rt)
        local it_is = ended(rt, function() error("boom", 0) end, { pass_through_panics = true })
        assert.same({ true, "boom" }, { it_is.handle:wait() })
    end))

    it("of a child is a panic of that child for its parent, which restarts it", in_time(function(rt)
        local a, record = new(rt, "a")
        local b = new(rt, "b", { pass_through_panics = true })
        local value = {}
        a:add(b)
        b:add("w", function(ctx) if ctx.run == 1 then error(value) end ctx:wait() end)
        a:serve_background()
        settle()
        assert.same({ "service_panic a/b/w", "service_panic a/b" }, record:lines())
        local below, above = table.unpack(record.events)
        assert.is_false(below.restarting)
        assert.is_true(above.restarting)
        assert.is_true(rawequal(value, above.error))
        assert.equal(b, above.service)
        assert.equal(1.0, a:failures())
        assert.equal("normal", b:state())
        assert.equal(2, b:children()[1].run)
    end))

    it("on every level raises the value out of the root's serve", in_time(function(rt)
        local a, record = new(rt, "a", { pass_through_panics = true })
        local b = new(rt, "b", { pass_through_panics = true })
        a:add(b)
        b:add("w", function() error("deep", 0) end)
        assert.same({ false, "deep" }, { pcall(a.serve, a) })
        assert.same({ "service_panic a/b/w", "service_panic a/b" }, record:lines())
    end))

    it("raises what a service of odd ends has ended with", in_time(function(rt)
        local a = new(rt, "a", { pass_through_panics = true })
        a:add("w", function() coroutine.yield() end)
        assert.same({ false, "yielded to nobody; use sutura.yield or sutura.await" }, { pcall(a.serve, a) })
    end))
end)
