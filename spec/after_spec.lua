-- SPDX-License-Identifier: MIT
--
-- Children that wait for siblings by name: who starts when, whom they may name, who restarts with whom, and in which
-- order they stop. The order that a list of children is put into is in order_spec.

local recorder = require "spec.support.recorder"
local refusal = require "spec.support.refusal"
local services = require "spec.support.services"
local sutura = require "sutura"
local troupe = require "spec.support.troupe"
local virtual = require "spec.support.virtual"

local settle, in_time, in_each = virtual.settle, virtual.test, virtual.each
local states, ends = troupe.states, troupe.ends
local new = recorder.supervisor

-- A child that takes so long to get ready, and so long to stop.
local function child(actors, name, after, seconds, stop_seconds)
    return { name = name, ready = "notify", after = after, run = function(ctx)
        actors:say(("?%s@%g"):format(name, sutura.now()))
        sutura.sleep(seconds or 0)
        if not stop_seconds then
            return actors.act(ctx)
        end
        ctx:ready()
        ctx:wait()
        actors:say(("!%s@%g"):format(name, sutura.now()))
        sutura.shield(sutura.sleep, stop_seconds)
        actors:say("-" .. name)
    end }
end

local function serve(rt, actors, spec, children)
    spec.children = children
    local sup, record = new(rt, "sup", spec)
    sup:serve_background()
    settle()
    return sup, record, actors
end

describe("a child that is after siblings", function()
    it("waits for those to be ready, in any order of theirs, and for no others", in_time(function(rt)
        local actors = troupe.new()
        local sup = serve(rt, actors, {}, {
            child(actors, "db", {}, 3), child(actors, "cache", {}, 1), child(actors, "slow", {}, 50),
            child(actors, "web", { "cache", "db" }), child(actors, "log", { "cache" }),
        })
        assert.equal("db starting, cache starting, slow starting, web starting, log starting", states(sup))
        assert.same({ 0, "cache to be ready" }, { sup:get_child("web").run, sup:get_child("web").waiting_for })
        sutura.sleep(10)
        assert.equal("?db@0 ?cache@0 ?slow@0 +cache ?log@1 +log +db ?web@3 +web", actors:log())
        assert.equal("db running, cache running, slow starting, web running, log running", states(sup))
    end))

    it("does not wait for one that it does not name, where one without names does", in_time(function(rt)
        local actors = troupe.new()
        serve(rt, actors, {}, {
            child(actors, "db", nil, 3), child(actors, "free", {}), child(actors, "web", { "db" }),
            child(actors, "plain"),
        })
        sutura.sleep(10)
        assert.equal("?db@0 ?free@0 +free +db ?web@3 +web ?plain@3 +plain", actors:log())
    end))

    it("says in its record whom it is after", in_time(function(rt)
        local actors = troupe.new()
        local sup = serve(rt, actors, {}, {
            child(actors, "a"), child(actors, "b"), child(actors, "c", { "b", "a" }), child(actors, "d", {}),
        })
        assert.same({ { "b", "a" }, {} }, { sup:get_child("c").after, sup:get_child("d").after })
        assert.is_nil(sup:get_child("b").after)
    end))

    it("is counted as on its way by wait_ready, and a stop in the middle never starts it", in_time(function(rt)
        local actors = troupe.new()
        local sup = serve(rt, actors, {}, { child(actors, "db", {}, 5), child(actors, "web", { "db" }, 2) })
        assert.same({ nil, sutura.ERR_TIMEOUT }, { sup:wait_ready(6) })
        assert.is_true(sup:wait_ready())
        assert.equal(7.0, sutura.now())
        sup:stop()
        sup:serve_background()
        sutura.sleep(1)
        actors:log()
        assert.is_nil(sup:stop())
        assert.same({ "", 1 }, { actors:log(), sup:get_child("web").run })
    end))

    it("does not wait for one that has stopped, was removed or wants no run", in_each({
        ["stopped by hand"] = function(sup) sup:terminate_child("db") end,
        removed = function(sup) sup:remove(sup:get_child("db").token) end,
        ["without a run"] = function(_, actors) actors.cues.db(ends.do_not_restart) end,
    }, function(rt, leave)
        local actors = troupe.new()
        local sup = serve(rt, actors, {}, {
            { name = "db", ready = "notify", after = {}, run = function(ctx)
                actors:say("+db")
                return sutura.await(function(resume) actors.cues.db = resume end)(ctx)
            end },
            child(actors, "web", { "db" }),
        })
        assert.equal("+db", actors:log())
        leave(sup, actors)
        settle()
        assert.equal("?web@0 +web", actors:log())
    end))

    it("waits no more once what it is after, and stops to start again, is to stay stopped", in_time(function(rt)
        local actors = troupe.new()
        local sup = serve(rt, actors, {}, { child(actors, "db", {}, 0, 5) })
        sup:restart("db")
        settle()
        sup:add(child(actors, "web", { "db" }))
        settle()
        assert.equal("db stopping, web starting", states(sup))
        sup:terminate_child("db", 0)
        settle()
        assert.equal("db stopping, web running", states(sup))
    end))

    it("starts by itself though what it is after was stopped before", in_time(function(rt)
        local actors = troupe.new()
        local sup = serve(rt, actors, {}, { child(actors, "db", {}), child(actors, "web", { "db" }) })
        sup:terminate_child("db")
        actors:log()
        actors:cue("web", ends.panic)
        assert.same({ "-web ?web@0 +web", "db stopped, web running" }, { actors:log(), states(sup) })
    end))

    it("waits at its own restart for one that is on its way: starting, queued or backing off", in_each({
        starting = { {}, { after = {} }, function(sup, actors)
            actors.fails.db = function(ctx) sutura.sleep(4) ctx:ready() ctx:wait() end
            sup:restart("db")
        end, 4 },
        ["stopping, to start again"] = { {}, { after = {}, run = function(ctx)
            ctx:ready()
            ctx:wait()
            sutura.shield(sutura.sleep, 3)
        end }, function(sup) sup:restart("db") end, 3 },
        queued = { { failure_threshold = 0.5, failure_backoff = 5 }, { after = {} },
            function(_, actors) actors:cue("db", ends.panic) end, 5 },
        ["backing off"] = { {}, { after = {}, backoff = { min = 6 } },
            function(_, actors) actors:cue("db", ends.panic) end, 6 },
    }, function(rt, case)
        local actors = troupe.new()
        local sup = serve(rt, actors, case[1], { actors:child("db", case[2]), child(actors, "web", { "db" }) })
        case[3](sup, actors)
        settle()
        sup:restart("web")
        settle()
        actors:log()
        sutura.sleep(case[4] - 0.1)
        assert.same({ "starting", 1 }, { sup:get_child("web").state, sup:get_child("web").run })
        sutura.sleep(0.2)
        assert.matches(("?web@%g +web"):format(case[4]), actors:log(), 1, true)
        assert.equal("db running, web running", states(sup))
    end))

    it("is no failed start, however long it waits: its start_timeout counts from its first resume", in_time(
        function(rt)
            local actors = troupe.new()
            local web = child(actors, "web", { "db" }, 2)
            web.start_timeout = 3
            local sup, record = serve(rt, actors, {}, { child(actors, "db", {}, 20), web })
            assert.is_true(sup:wait_ready())
            assert.same({ 22.0, {} }, { sutura.now(), record:lines() })
        end))
end)

describe("add", function()
    it("takes the names of siblings that are there already, before serve and while it runs", in_time(function(rt)
        local actors = troupe.new()
        local sup = new(rt, "sup")
        sup:add(child(actors, "db", nil, 4))
        sup:add(child(actors, "web", { "db" }))
        sup:serve_background()
        sup:add(child(actors, "api", { "web" }))
        sup:add("late", actors.act, { after = { "db", "web" } })
        settle()
        assert.equal("db starting, web starting, api starting, late starting", states(sup))
        sutura.sleep(5)
        assert.equal("?db@0 +db ?web@4 +web ?api@4 +late +api", actors:log())
    end))

    it("starts at once who is after siblings that are ready or have stopped", in_time(function(rt)
        local actors = troupe.new()
        local sup = serve(rt, actors, {}, { child(actors, "a"), child(actors, "b") })
        sup:terminate_child("b")
        actors:log()
        sup:add(child(actors, "c", { "a", "b" }))
        settle()
        assert.equal("?c@0 +c", actors:log())
    end))

    it("refuses names that no sibling has, or several have, and adds nothing", in_time(function(rt)
        local sup = new(rt, "sup")
        sup:add("a", services.sleeper)
        sup:add("twin", services.sleeper)
        sup:add("twin", services.sleeper)
        local where = "add: field 'after': supervisor 'sup' has "
        refusal.each({
            [where .. 'no service named "db"'] = { "a", "db" },
            [where .. 'no service named "later"'] = { "later" },
            [where .. 'more than one service named "twin"'] = { "twin" },
        }, function(after)
            sup:add("web", services.sleeper, { after = after })
        end)
        assert.equal("a twin twin", table.concat({ sup:children()[1].name, sup:children()[2].name,
            sup:children()[3].name }, " "))
        assert.equal(3, sup:count().specs)
    end))

    it("does not find one that was removed", in_time(function(rt)
        local actors = troupe.new()
        local sup = serve(rt, actors, {}, { child(actors, "a") })
        sup:remove_and_wait(sup:get_child("a").token)
        assert.error_matches(function()
            sup:add("web", services.sleeper, { after = { "a" } })
        end, 'no service named "a"')
    end))
end)

-- db <- cache <- web, db <- log; "other" depends on nobody. In an order that dependencies do not follow.
local function family(rt, spec, stop_seconds)
    local actors = troupe.new()
    local function member(name, after)
        local seconds = stop_seconds and stop_seconds[name]
        return child(actors, name, after, 0, seconds)
    end
    local sup, record = serve(rt, actors, spec, {
        member("db", {}), member("other", {}), member("cache", { "db" }), member("log", { "db" }),
        member("web", { "cache" }),
    })
    assert.is_true(sup:wait_ready())
    actors:log()
    return sup, actors, record
end

-- Who ended and who began again, without the times of it.
local function plain(log)
    return (log:gsub("%?%a+@%S+ ?", ""):gsub(" $", ""))
end

describe("a group whose children are after each other", function()
    it("is who failed and all that depend on it, through others too, and nobody else", in_each({
        db = { "db", "-db -web -log -cache +db +cache +log +web" }, other = { "other", "-other +other" },
        cache = { "cache", "-cache -web +cache +web" }, log = { "log", "-log +log" }, web = { "web", "-web +web" },
    }, function(rt, case)
        local sup, actors, record = family(rt, { strategy = "rest_for_one" })
        actors:cue(case[1], ends.panic)
        assert.equal(case[2], plain(actors:log()))
        assert.equal("db running, other running, cache running, log running, web running", states(sup))
        assert.same({ { "service_panic sup/" .. case[1] }, 1.0 }, { record:lines(), sup:failures() })
    end))

    it("takes what names nobody and comes behind for no dependent, once any child names one", in_time(function(rt)
        local actors = troupe.new()
        local sup = serve(rt, actors, { strategy = "rest_for_one" }, { child(actors, "a"), child(actors, "b") })
        actors:cue("a", ends.panic)
        assert.equal("+a +b -a -b +a +b", plain(actors:log()))
        local token = sup:add(child(actors, "c", { "a" }))
        settle()
        actors:log()
        actors:cue("a", ends.panic)
        assert.equal("-a -c +a +c", plain(actors:log()))
        sup:remove_and_wait(token)
        actors:log()
        actors:cue("a", ends.panic)
        assert.equal("-a -b +a +b", plain(actors:log()))
    end))

    it("is everybody under one_for_all, and one under one_for_one, whatever depends on whom", in_each({
        one_for_all = { "one_for_all", "-db -web -log -cache -other +db +other +cache +log +web" },
        one_for_one = { "one_for_one", "-db +db" },
    }, function(rt, case)
        local _, actors = family(rt, { strategy = case[1] })
        actors:cue("db", ends.panic)
        assert.equal(case[2], plain(actors:log()))
    end))

    it("starts each when those that it is after are ready again, and not before", in_time(function(rt)
        local actors = troupe.new()
        local sup = serve(rt, actors, { strategy = "rest_for_one" }, {
            child(actors, "db", {}, 3), child(actors, "cache", { "db" }, 2), child(actors, "log", { "db" }, 4),
            child(actors, "web", { "cache" }),
        })
        sup:wait_ready()
        sutura.sleep(10 - sutura.now())
        actors:log()
        actors:cue("db", ends.panic)
        assert.equal("db starting, cache restarting, log restarting, web restarting", states(sup))
        assert.equal("db to be ready", sup:get_child("log").waiting_for)
        sutura.sleep(10)
        assert.equal("-db -web -log -cache ?db@10 +db ?cache@13 ?log@13 +cache ?web@15 +web +log", actors:log())
    end))

    it("under stop_order parallel stops together, but dependents before what they are after", in_time(function(rt)
        local _, actors = family(rt, { strategy = "rest_for_one", stop_order = "parallel" },
            { cache = 1, log = 4, web = 2 })
        actors:cue("db", ends.panic)
        sutura.sleep(10)
        assert.equal("-db !web@0 !log@0 -web !cache@2 -cache -log ?db@4 +db ?cache@4 ?log@4 ?web@4", actors:log())
    end))

    it("one by one stops dependents first, for they are behind", in_time(function(rt)
        local _, actors = family(rt, { strategy = "rest_for_one" }, { cache = 1, log = 4, web = 2 })
        actors:cue("db", ends.panic)
        sutura.sleep(20)
        assert.equal("-db !web@0 -web !log@2 -log !cache@6 -cache ?db@7 +db ?cache@7 ?log@7 ?web@7", actors:log())
    end))
end)

describe("a stop of children that are after each other", function()
    local SECONDS = { db = 1, other = 3, cache = 1, log = 4, web = 2 }

    it("is in reverse of the start order, which is not that of the list", in_time(function(rt)
        local actors = troupe.new()
        local sup = serve(rt, actors, {}, {
            child(actors, "web", { "db" }), child(actors, "log", {}), child(actors, "db", {}),
        })
        assert.equal("log running, db running, web running", states(sup))
        actors:log()
        sup:stop()
        assert.equal("-web -db -log", actors:log())
    end))

    it("under stop_order parallel is together, but dependents stop before what they are after", in_time(function(rt)
        local sup, actors = family(rt, { stop_order = "parallel" }, SECONDS)
        assert.is_nil(sup:stop())
        assert.equal("!web@0 !log@0 !other@0 -web !cache@2 -other -cache -log !db@4 -db", actors:log())
        assert.equal(5.0, sutura.now())
    end))

    it("under stop_order parallel gives each its whole time, from the moment it is asked", in_time(function(rt)
        local sup, actors, record = family(rt, { stop_order = "parallel", timeout = 3 },
            { db = 2, other = 0, cache = 2, log = 0, web = 50 })
        assert.equal(1, #sup:stop())
        assert.equal("!web@0 !log@0 !other@0 -log -other !cache@3 -cache !db@5 -db", actors:log())
        assert.same({ { "stop_timeout sup/web" }, 7.0 }, { record:lines(), sutura.now() })
    end))
end)
