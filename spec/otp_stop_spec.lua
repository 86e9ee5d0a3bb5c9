-- SPDX-License-Identifier: MIT
--
-- The cases of OTP's own suite for its supervisor that are about stopping: how long a child has, in which order they
-- stop, what ends by itself meanwhile. docs/otp.md says which case is which.

local recorder = require "spec.support.recorder"
local services = require "spec.support.services"
local sutura = require "sutura"
local troupe = require "spec.support.troupe"
local virtual = require "spec.support.virtual"

local settle, in_time, in_each = virtual.settle, virtual.test, virtual.each
local stubborn, ends = services.stubborn, troupe.ends
local new = recorder.supervisor

-- What does not wait at all for being stopped, and so is only ever closed.
local function deaf()
    while true do
        pcall(sutura.sleep, 200)
    end
end

local function served(rt, children, spec)
    spec = spec or {}
    spec.children = children
    local sup, record = new(rt, "sup", spec)
    local handle = sup:serve_background()
    settle()
    return sup, record, handle
end

-- "path at seconds": what the events say was closed by force.
local function closed(record)
    local lines = {}
    for i, event in ipairs(record:of("stop_timeout")) do
        assert.is_true(event.killed)
        lines[i] = ("%s at %g"):format(event.path, event.time)
    end
    return lines
end

describe("the time to stop", function()
    it("may be without end, for a child and for a child supervisor", in_time(function(rt)
        local inner = new(rt, "child1", { children = { { name = "w", run = stubborn(70), shutdown = "infinity" } } })
        local sup, record, handle = served(rt, {
            { run = inner, shutdown = "infinity" }, { name = "child2", run = stubborn(500), shutdown = "infinity" },
        }, { timeout = 1 })
        assert.is_nil(sup:stop())
        assert.equal(570.0, sutura.now())
        assert.same({}, record:lines())
        assert.same({ n = 2, true, nil }, table.pack(handle:wait()))
    end))

    it("is over after the seconds that a child has, and then it alone is closed", in_time(function(rt)
        local actors = troupe.new()
        local sup, record = served(rt, { actors:child("child1", { shutdown = 1 }),
            { name = "child2", run = deaf, shutdown = 1 } })
        local report = sup:stop()
        assert.same({ 1.0, { "sup/child2 at 1" } }, { sutura.now(), closed(record) })
        assert.same({ 1, "sup/child2", true }, { #report, report[1].path, report[1].killed })
        assert.equal("+child1 -child1", actors:log())
    end))

    it("of a template's children runs for all of them at once", in_time(function(rt)
        local sup, record = new(rt, "sup")
        local pool = sup:template { name = "pool", restart = "temporary", shutdown = 1, run = function(ctx, seconds)
            stubborn(seconds)(ctx)
        end }
        sup:serve_background()
        pool:start(0)
        pool:start(200)
        pool:start(200)
        settle()
        assert.equal(2, #sup:stop())
        assert.same({ 1.0, { "sup/pool/3 at 1", "sup/pool/2 at 1" } }, { sutura.now(), closed(record) })
    end))

    it("of a template's children is theirs to use, and no longer", in_time(function(rt)
        local sup, record = new(rt, "sup")
        local pool = sup:template { name = "pool", shutdown = 2, run = function(ctx, seconds)
            stubborn(seconds)(ctx)
        end }
        sup:serve_background()
        for _, seconds in ipairs { 1, 1, 5 } do
            pool:start(seconds)
        end
        settle()
        sup:stop()
        assert.same({ 2.0, { "sup/pool/3 at 2" } }, { sutura.now(), closed(record) })
    end))

    it("is none for a child that is to be killed, which is no timeout", in_time(function(rt)
        local actors = troupe.new()
        local sup, record = served(rt, { actors:child("child1", { shutdown = 1 }),
            { name = "child2", run = deaf, shutdown = "kill" } })
        assert.is_nil(sup:stop())
        assert.same({ 0.0, {} }, { sutura.now(), record:lines() })
        assert.equal("+child1 -child1", actors:log())
    end))

    it("is none for the children of a template that are to be killed", in_time(function(rt)
        local sup, record = new(rt, "sup")
        local pool = sup:template { name = "pool", restart = "temporary", shutdown = "kill", run = deaf }
        sup:serve_background()
        for _ = 1, 10 do
            pool:start()
        end
        settle()
        assert.equal(10, pool:count().active)
        assert.is_nil(sup:stop())
        assert.same({ 0.0, {}, "terminated" }, { sutura.now(), record:lines(), pool:state() })
    end))

    it("of a child that does not listen holds terminate_child up no longer than it lasts", in_time(function(rt)
        local sup, record = served(rt, { { name = "naughty_child", run = deaf, shutdown = 1 } })
        assert.is_true(sup:terminate_child("naughty_child"))
        assert.same({ 1.0, "naughty_child stopped" }, { sutura.now(), troupe.states(sup) })
        assert.same({ "sup/naughty_child at 1" }, closed(record))
    end))
end)

-- A child of each restart type with each end, as { name, restart, cue }.
local function of_all_kinds()
    local all = {}
    for _, restart in ipairs { "temporary", "transient", "permanent" } do
        for _, how in ipairs { "plain", "value", "error", "panic", "do_not_restart" } do
            all[#all + 1] = { name = restart .. " " .. how, restart = restart, how = ends[how] }
        end
    end
    return all
end

describe("a stop", function()
    it("is complete and starts nothing again when children end by themselves meanwhile, in any way", in_time(
        function(rt)
            local actors = troupe.new()
            local sup, record, handle = served(rt, { actors:child("a", { restart = "temporary", shutdown = 1 }) })
            local all = of_all_kinds()
            for _, child in ipairs(all) do
                sup:add(actors:child(child.name, { restart = child.restart, shutdown = 1 }))
            end
            sup:add("z", stubborn(1), { restart = "temporary", shutdown = 2 })
            settle()
            local helper = new(rt, "helper")
            helper:add("cues", function()
                sutura.sleep(0.2)
                for _, child in ipairs(all) do
                    actors:cue(child.name, child.how)
                end
                return sutura.DO_NOT_RESTART
            end)
            helper:serve_background()
            actors:log()
            assert.is_nil(sup:stop())
            assert.same({ n = 2, true, nil }, table.pack(handle:wait()))
            assert.same({ 1.0, "terminated" }, { sutura.now(), sup:state() })
            local log = actors:log()
            assert.is_nil(log:find("+", 1, true))
            assert.matches("-a$", log)
            for _, event in ipairs(record.events) do
                assert.same({ true, false }, { event.stopping, event.restarting })
            end
        end))

    it("of a template is complete when its children end in some other way than they were asked to", in_each({
        temporary = "temporary", transient = "transient", permanent = "permanent"
    }, function(rt, restart)
        local sup, record = new(rt, "sup")
        local runs = 0
        local pool = sup:template { name = "pool", restart = restart, shutdown = 5, run = function(ctx, how)
            runs = runs + 1
            ctx:wait()
            return ends[how](ctx)
        end }
        local handle = sup:serve_background()
        for _, how in ipairs { "plain", "value", "error", "panic" } do
            pool:start(how, how)
        end
        settle()
        assert.is_nil(sup:stop())
        assert.same({ n = 2, true, nil }, table.pack(handle:wait()))
        assert.same({ 4, 0.0 }, { runs, sutura.now() })
        assert.same({ "service_panic sup/pool/panic", "service_terminate sup/pool/error" }, record:lines())
        assert.is_true(record.events[1].stopping and record.events[2].stopping)
    end))
end)

describe("the order of children", function()
    it("is kept by starts, and reversed by the stop of a group and of all", in_time(function(rt)
        local actors = troupe.new()
        local names, children = { "ch7", "ch3", "ch10", "ch2", "ch5" }, {}
        for i, name in ipairs(names) do
            children[i] = actors:child(name, { shutdown = 1 })
        end
        local sup = served(rt, children, { strategy = "rest_for_one", intensity = 2, period = 3600 })
        assert.equal("+ch7 +ch3 +ch10 +ch2 +ch5", actors:log())
        actors:cue("ch10", ends.panic)
        assert.equal("-ch10 -ch5 -ch2 +ch10 +ch2 +ch5", actors:log())
        assert.equal("ch7 running, ch3 running, ch10 running, ch2 running, ch5 running", troupe.states(sup))
        sup:stop()
        assert.equal("-ch5 -ch2 -ch10 -ch3 -ch7", actors:log())
    end))
end)
