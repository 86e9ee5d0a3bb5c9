-- SPDX-License-Identifier: MIT
--
-- The cases of OTP's own suite for its supervisor that are about significant children: whose end ends the supervisor,
-- and what an update changes of that. docs/otp.md says which case is which.

local recorder = require "spec.support.recorder"
local sutura = require "sutura"
local troupe = require "spec.support.troupe"
local virtual = require "spec.support.virtual"

local settle, in_time, in_each = virtual.settle, virtual.test, virtual.each
local states, ends = troupe.states, troupe.ends
local new = recorder.supervisor

local MODES = { never = "never", any_significant = "any_significant", all_significant = "all_significant" }

local function served(rt, auto_shutdown, spec)
    spec = spec or { intensity = 5 }
    spec.auto_shutdown = auto_shutdown
    local actors = troupe.new()
    local sup, record = new(rt, "sup", spec)
    local handle = sup:serve_background()
    return { sup = sup, actors = actors, record = record, handle = handle }
end

local function add(it_is, name, restart, significant)
    it_is.sup:add(it_is.actors:child(name, { restart = restart, significant = significant }))
    settle()
end

-- Two significant children and one that is not.
local function add_three(it_is, restart)
    add(it_is, "child1", restart, true)
    add(it_is, "child2", restart, true)
    add(it_is, "child3", restart, false)
    it_is.actors:log()
end

local function assert_serves(it_is, expected_states)
    settle()
    assert.same({ "normal", expected_states }, { it_is.sup:state(), states(it_is.sup) })
    assert.same({ n = 2, nil, sutura.ERR_TIMEOUT }, table.pack(it_is.handle:wait(0)))
end

local function assert_shut_down(it_is, log)
    assert.same({ "terminated", log }, { it_is.sup:state(), it_is.actors:log() })
    assert.same({ n = 2, true, nil }, table.pack(it_is.handle:wait(0)))
    assert.same({}, it_is.record:of("escalate"))
end

describe("a child that is not significant", function()
    it("and temporary ends nobody else, in any mode and however it ends", in_each(MODES, function(rt, mode)
        local it_is = served(rt, mode)
        for _, how in ipairs { "terminate_child", "panic", "error", "plain" } do
            add(it_is, "child1", "temporary", false)
            if ends[how] then
                it_is.actors:cue("child1", ends[how])
            else
                assert.is_true(it_is.sup:terminate_child("child1"))
            end
            assert_serves(it_is, "")
        end
        assert.is_nil(it_is.sup:stop())
    end))

    it("and transient ends nobody else, in any mode and however it ends", in_each(MODES, function(rt, mode)
        local it_is = served(rt, mode)
        add(it_is, "child1", "transient", false)
        assert.is_true(it_is.sup:terminate_child("child1"))
        assert_serves(it_is, "child1 stopped")
        assert.is_true(it_is.sup:restart_child("child1"))
        settle()
        it_is.actors:cue("child1", ends.panic)
        assert_serves(it_is, "child1 running")
        it_is.actors:cue("child1", ends.error)
        assert_serves(it_is, "child1 running")
        it_is.actors:cue("child1", ends.plain)
        assert_serves(it_is, "child1 stopped")
        assert.is_nil(it_is.sup:stop())
    end))
end)

describe("a significant child", function()
    it("that is temporary ends its supervisor by any end of its own, the others stopping in reverse", in_each({
        ["a panic"] = ends.panic, ["an error"] = ends.error, ["a plain end"] = ends.plain,
        ["DO_NOT_RESTART"] = ends.do_not_restart,
    }, function(rt, how)
        local it_is = served(rt, "any_significant")
        add_three(it_is, "temporary")
        it_is.actors:cue("child1", how)
        assert_shut_down(it_is, "-child1 -child3 -child2")
    end))

    it("that is temporary may be stopped by hand, and be added again", in_time(function(rt)
        local it_is = served(rt, "any_significant")
        add_three(it_is, "temporary")
        assert.is_true(it_is.sup:terminate_child("child1"))
        assert_serves(it_is, "child2 running, child3 running")
        add(it_is, "child1", "temporary", true)
        assert_serves(it_is, "child2 running, child3 running, child1 running")
        it_is.actors:log()
        it_is.actors:cue("child1", ends.panic)
        assert_shut_down(it_is, "-child1 -child3 -child2")
    end))

    it("that is transient ends its supervisor by a plain end alone", in_time(function(rt)
        local it_is = served(rt, "any_significant")
        local all = "child1 running, child2 running, child3 running"
        add_three(it_is, "transient")
        assert.is_true(it_is.sup:terminate_child("child1"))
        assert_serves(it_is, "child1 stopped, child2 running, child3 running")
        assert.is_true(it_is.sup:restart_child("child1"))
        assert_serves(it_is, all)
        it_is.actors:cue("child1", ends.panic)
        assert_serves(it_is, all)
        it_is.actors:cue("child1", ends.error)
        assert_serves(it_is, all)
        it_is.actors:log()
        it_is.actors:cue("child1", ends.plain)
        assert_shut_down(it_is, "-child1 -child3 -child2")
    end))

    it("that is not the last of them ends nobody under all_significant, and the last one does", in_each({
        temporary = "temporary", transient = "transient"
    }, function(rt, restart)
        local it_is = served(rt, "all_significant")
        add_three(it_is, restart)
        it_is.actors:cue("child1", ends.plain)
        assert_serves(it_is, (restart == "transient" and "child1 stopped, " or "") .. "child2 running, child3 running")
        it_is.actors:cue("child2", ends.plain)
        assert_shut_down(it_is, "-child1 -child2 -child3")
    end))

    it("that is temporary and too late to be ready has ended by that, as the last one too", in_each({
        ["any, alone"] = { "any_significant", "?late +other -other -late" },
        ["all, alone"] = { "all_significant", "?late +other -other -late" },
        ["all, after another one"] = { "all_significant", "+child1 ?late +other -child1 -other -late", 0 },
        ["all, before another one"] = { "all_significant", "+child1 ?late +other -child1 -late -other", 2 },
    }, function(rt, case)
        local it_is = served(rt, case[1])
        if case[3] then
            add(it_is, "child1", "transient", true)
        end
        it_is.sup:add({
            name = "late", restart = "temporary", significant = true, ready = "notify", start_timeout = 1,
            run = function()
                it_is.actors:say("?late")
                sutura.shield(sutura.sleep, 5)
                it_is.actors:say("-late")
            end,
        })
        add(it_is, "other", "permanent", false)
        sutura.sleep(case[3] or 0)
        if case[3] then
            it_is.actors:cue("child1", ends.plain)
        end
        sutura.sleep(10)
        assert_shut_down(it_is, case[2])
    end))

    it("that is transient and too late to be ready is tried again, and ends nobody", in_each({
        any = "any_significant", all = "all_significant",
    }, function(rt, auto_shutdown)
        local it_is = served(rt, auto_shutdown)
        local runs = 0
        it_is.sup:add {
            name = "late", restart = "transient", significant = true, ready = "notify", start_timeout = 1,
            run = function(ctx)
                runs = runs + 1
                if runs > 1 then
                    ctx:ready()
                end
                ctx:wait()
            end,
        }
        sutura.sleep(10)
        assert.equal(2, runs)
        assert_serves(it_is, "late running")
        assert.is_nil(it_is.sup:stop())
    end))

    it("that is stopped by the restart of a group does not count", in_each({
        ["one_for_one, any"] = { "one_for_one", "any_significant", "-child2 +child2" },
        ["one_for_one, all"] = { "one_for_one", "all_significant", "-child2 +child2" },
        ["one_for_all, any"] = { "one_for_all", "any_significant",
            "-child2 -child3 -child1 +child1 +child2 +child3" },
        ["one_for_all, all"] = { "one_for_all", "all_significant",
            "-child2 -child3 -child1 +child1 +child2 +child3" },
        ["rest_for_one, any"] = { "rest_for_one", "any_significant", "-child2 -child3 +child2 +child3" },
        ["rest_for_one, all"] = { "rest_for_one", "all_significant", "-child2 -child3 +child2 +child3" },
    }, function(rt, case)
        local it_is = served(rt, case[2], { intensity = 5, strategy = case[1] })
        add(it_is, "child1", "transient", true)
        add(it_is, "child2", "transient", false)
        add(it_is, "child3", "transient", true)
        it_is.actors:log()
        it_is.actors:cue("child2", ends.panic)
        assert.equal(case[3], it_is.actors:log())
        assert_serves(it_is, "child1 running, child2 running, child3 running")
        assert.is_nil(it_is.sup:stop())
    end))

    it("that is a supervisor which shuts itself down ends the one above, and one that is not does not", in_each({
        ["is significant"] = true, ["is not"] = false
    }, function(rt, significant)
        local it_is = served(rt, "any_significant", {})
        local inner = new(rt, "sup1", { auto_shutdown = "any_significant",
            children = { it_is.actors:child("child1", { restart = "transient", significant = true }) } })
        it_is.sup:add(inner, { restart = "transient", significant = significant })
        settle()
        it_is.actors:cue("child1", ends.plain)
        assert.equal("terminated", inner:state())
        if significant then
            assert_shut_down(it_is, "+child1 -child1")
        else
            assert_serves(it_is, "sup1 stopped")
            assert.is_nil(it_is.sup:stop())
        end
    end))

    it("is no child of a template, which has no auto_shutdown", in_time(function(rt)
        local sup = new(rt, "sup")
        local function run() end
        for _, mode in ipairs { "any_significant", "all_significant" } do
            assert.error_matches(function()
                sup:template { name = "pool", run = run, auto_shutdown = mode }
            end, "auto_shutdown")
        end
        assert.error_matches(function()
            sup:template { name = "pool", run = run, restart = "transient", significant = true }
        end, "significant")
        local pool = sup:template { name = "pool", run = run, auto_shutdown = "never" }
        assert.error_matches(function() pool:update { auto_shutdown = "any_significant" } end, "auto_shutdown")
    end))
end)

describe("an update", function()
    local WANTED = { any_significant = "any_significant", all_significant = "all_significant" }

    local function assert_refuses_to_add(it_is)
        assert.error_matches(function() add(it_is, "refused", "transient", true) end,
            "field 'significant' is true, but field 'auto_shutdown'")
    end

    it("from never lets significant children in, and their ends count", in_each(WANTED, function(rt, mode)
        local it_is = served(rt, "never")
        assert_refuses_to_add(it_is)
        assert.is_true(it_is.sup:update { auto_shutdown = mode })
        add(it_is, "child1", "transient", true)
        add(it_is, "child2", "transient", true)
        it_is.actors:log()
        it_is.actors:cue("child1", ends.plain)
        if mode == "all_significant" then
            assert_serves(it_is, "child1 stopped, child2 running")
            it_is.actors:cue("child2", ends.plain)
        end
        assert_shut_down(it_is, "-child1 -child2")
    end))

    it("to never is refused while there are significant children, and then keeps them out", in_each(WANTED,
        function(rt, mode)
            local it_is = served(rt, mode)
            add(it_is, "child1", "transient", true)
            assert.error_matches(function()
                it_is.sup:update { auto_shutdown = "never", timeout = 1 }
            end, 'service "child1" of \'sup\' is significant')
            assert.equal(10.0, it_is.sup:tree().timeout)
            it_is.sup:terminate_child("child1")
            it_is.sup:delete_child("child1")
            assert.is_true(it_is.sup:update { auto_shutdown = "never" })
            assert_refuses_to_add(it_is)
            add(it_is, "child1", "transient", false)
            it_is.actors:cue("child1", ends.plain)
            assert_serves(it_is, "child1 stopped")
        end))

    it("from any_significant to all_significant waits for the last of them", in_time(function(rt)
        local it_is = served(rt, "any_significant")
        add(it_is, "child1", "transient", true)
        add(it_is, "child2", "transient", true)
        assert.is_true(it_is.sup:update { auto_shutdown = "all_significant" })
        assert_serves(it_is, "child1 running, child2 running")
        it_is.actors:cue("child1", ends.plain)
        assert_serves(it_is, "child1 stopped, child2 running")
        it_is.actors:cue("child2", ends.plain)
        assert_shut_down(it_is, "+child1 +child2 -child1 -child2")
    end))

    it("from all_significant to any_significant waits for the next of them", in_time(function(rt)
        local it_is = served(rt, "all_significant")
        add(it_is, "child1", "transient", true)
        add(it_is, "child2", "transient", true)
        assert.is_true(it_is.sup:update { auto_shutdown = "any_significant" })
        assert_serves(it_is, "child1 running, child2 running")
        it_is.actors:cue("child1", ends.plain)
        assert_shut_down(it_is, "+child1 +child2 -child1 -child2")
    end))
end)
