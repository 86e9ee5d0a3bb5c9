-- SPDX-License-Identifier: MIT
--
-- The table of restart type x end x strategy x where the spec came from, generated and covered whole: what a small
-- rule written here says of each combination, against what a supervisor of three really does.
--
-- The child "mid" has the restart type and the end; "low" stands before it and "top" behind it, both permanent. An
-- end "by" something is one that mid was asked for, or that its group, which top begins, asks of it.

local recorder = require "spec.support.recorder"
local sutura = require "sutura"
local troupe = require "spec.support.troupe"
local virtual = require "spec.support.virtual"

local settle = virtual.settle
local ends = troupe.ends

local RESTARTS = { "permanent", "transient", "temporary" }
local STRATEGIES = { "one_for_one", "one_for_all", "rest_for_one" }
local ORIGINS = { "children", "add" }

-- What an end by itself is: the event it is told by, and what it is to the restart type.
local BY_ITSELF = {
    plain = { event = "service_terminate", kind = "normal" },
    value = { event = "service_terminate", kind = "normal" },
    error = { event = "service_terminate", kind = "abnormal" },
    panic = { event = "service_panic", kind = "abnormal" },
    do_not_restart = { kind = "for good" },
    terminate_tree = { kind = "fatal" },
}

-- How mid is made to stop by somebody else; the last two by ending with an error on its way out.
local ASKED = {
    terminate_child = function(sup) return sup:terminate_child("mid") end,
    remove = function(sup) return sup:remove(sup:get_child("mid").token) end,
    restart = function(sup) return sup:restart("mid") end,
    group = function(_, actors) return actors:cue("low", ends.panic) end,
    stop = function(sup) return sup:stop() == nil end,
}

-- ---- the rule ----

-- Who starts again with a child, in start order, under each strategy.
local GROUPS = {
    one_for_one = { low = { low = true }, mid = { mid = true } },
    one_for_all = { low = { low = true, mid = true, top = true }, mid = { low = true, mid = true, top = true } },
    rest_for_one = { low = { low = true, mid = true, top = true }, mid = { mid = true, top = true } },
}

local function restarts_after(restart, kind)
    if kind == "normal" then
        return restart == "permanent"
    end
    return kind == "abnormal" and restart ~= "temporary"
end

-- Whether mid's spec is there afterwards, and whether it runs.
local function left(restart, restarted)
    if restart == "temporary" then
        return "forgotten"
    end
    return restarted and "running" or "stopped"
end

local function runs_of(group, name)
    return group[name] and 2 or 1
end

-- What must be after mid has ended by itself in a way.
local function after_itself(restart, how, strategy)
    local end_ = BY_ITSELF[how]
    if end_.kind == "fatal" then
        return { over = true, reason = sutura.TERMINATE_TREE, events = {}, mid = "stopped", low = 1, top = 1 }
    end
    local again = restarts_after(restart, end_.kind)
    local group = again and GROUPS[strategy].mid or {}
    return {
        events = end_.event and { { end_.event, again, false } } or {},
        score = again and 1 or 0,
        mid = end_.kind == "for good" and "forgotten" or left(restart, again),
        low = runs_of(group, "low"), top = runs_of(group, "top"),
    }
end

-- What must be after mid was asked to stop, and has ended cleanly or not.
local function after_asked(restart, how, strategy, origin, clean)
    local grouped = how == "group" and GROUPS[strategy].low.mid
    local expected = { score = 0, low = 1, top = 1, events = {} }
    local asked = how ~= "group" or grouped
    if how == "group" then
        expected.score = 1
        expected.events[1] = { "service_panic", true, false, "sup/low" }
        expected.low, expected.top = 2, runs_of(GROUPS[strategy].low, "top")
    end
    if asked and not clean then
        table.insert(expected.events, { "service_terminate", false, true })
    end
    if how == "remove" then
        expected.mid = "forgotten"
    elseif how == "stop" then -- the next life lets go the temporary ones that were added, and no others
        expected.over, expected.mid = true, "stopped"
        expected.next = (restart == "temporary" and origin == "add") and "forgotten" or "running"
    elseif how == "restart" or not asked then
        expected.mid = "running"
    elseif how == "group" then
        expected.mid = left(restart, true)
    else
        expected.mid = left(restart, false)
    end
    return expected
end

-- ---- what happens ----

local function child(actors, name, unclean)
    return { name = name, run = unclean and function(ctx)
        ctx:wait()
        return nil, "on the way out"
    end or actors.act }
end

local function make(rt, case, actors, unclean)
    local mid = child(actors, "mid", unclean)
    mid.restart = case.restart
    local low, top = child(actors, "low"), child(actors, "top")
    local spec = { strategy = case.strategy, failure_threshold = math.huge }
    spec.children = case.origin == "children" and { low, mid, top } or nil
    local sup, record = recorder.supervisor(rt, "sup", spec)
    for _, added in ipairs(case.origin == "add" and { low, mid, top } or {}) do
        sup:add(added)
    end
    local handle = sup:serve_background()
    settle()
    return sup, record, handle
end

local function state_of(sup)
    local mid = sup:get_child("mid")
    return mid and mid.state or "forgotten"
end

local function check(expected, sup, record, handle)
    local events = {}
    for i, event in ipairs(record.events) do
        events[i] = { event.type, event.restarting, event.stopping, event.path ~= "sup/mid" and event.path or nil }
    end
    assert.same(expected.events, events)
    local over, reason = handle:wait(0)
    assert.same({ expected.over, expected.reason }, { over, over and reason })
    assert.equal(expected.mid, state_of(sup))
    assert.equal(expected.mid == "forgotten" and 2 or 3, sup:count().specs)
    assert.same({ expected.low, expected.top }, { sup:get_child("low").run, sup:get_child("top").run })
    if not expected.over then
        assert.equal(expected.score, sup:failures())
        assert.same({ "running", "running" }, { sup:get_child("low").state, sup:get_child("top").state })
    end
    if expected.next then
        sup:serve_background()
        settle()
        assert.equal(expected.next, state_of(sup))
    end
end

-- Runs one combination; says which one when it fails.
local function try(case, body)
    local ok, problem = pcall(virtual.run, body)
    if not ok then
        error(("%s, %s, %s, %s: %s"):format(case.restart, case.how, case.strategy, case.origin,
            type(problem) == "table" and problem.message or problem), 0)
    end
end

-- Calls `body` with every combination of these ends with the rest; gives their number.
local function every(hows, body)
    local covered = 0
    for how in pairs(hows) do
        for _, restart in ipairs(RESTARTS) do
            for _, strategy in ipairs(STRATEGIES) do
                for _, origin in ipairs(ORIGINS) do
                    body({ how = how, restart = restart, strategy = strategy, origin = origin })
                    covered = covered + 1
                end
            end
        end
    end
    return covered
end

describe("every restart type under every strategy", function()
    it("does what the rule says after every end by itself", function()
        local covered = every(BY_ITSELF, function(case)
            try(case, function(rt)
                local actors = troupe.new()
                local sup, record, handle = make(rt, case, actors)
                actors:cue("mid", ends[case.how])
                check(after_itself(case.restart, case.how, case.strategy), sup, record, handle)
            end)
        end)
        assert.equal(6 * 3 * 3 * 2, covered)
    end)

    it("does what the rule says after every stop that somebody asked for", function()
        local covered = 0
        for _, unclean in ipairs { false, true } do
            covered = covered + every(ASKED, function(case)
                try(case, function(rt)
                    local actors = troupe.new()
                    local sup, record, handle = make(rt, case, actors, unclean)
                    assert.is_not_false(ASKED[case.how](sup, actors))
                    settle()
                    check(after_asked(case.restart, case.how, case.strategy, case.origin, not unclean), sup, record,
                        handle)
                end)
            end)
        end
        assert.equal(2 * 5 * 3 * 3 * 2, covered)
    end)
end)
