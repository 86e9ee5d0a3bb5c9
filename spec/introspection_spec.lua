-- SPDX-License-Identifier: MIT
--
-- What a record says of a service beyond its state: since when, how often it was resumed, and what it waits for. What
-- else is in a record is in supervisor_spec and contract_spec.

local sutura = require "sutura"
local recorder = require "spec.support.recorder"
local troupe = require "spec.support.troupe"
local in_time = require("spec.support.virtual").test

local ends = troupe.ends

-- "state since": how one child stands.
local function stands(sup, name)
    local record = assert(sup:get_child(name))
    return ("%s %.1f"):format(record.state, record.since)
end

describe("since", function()
    it("is when the state began that the record names, and not when its run did", in_time(function(rt)
        local actors = troupe.new()
        local sup = recorder.supervisor(rt, "root")
        sutura.sleep(1)
        sup:add("a", actors.act, { ready = "notify", backoff = { min = 5, max = 5 } })
        assert.equal("stopped 1.0", stands(sup, "a"))
        sutura.sleep(1)
        sup:serve_background()
        assert.equal("starting 2.0", stands(sup, "a"))
        actors.fails.a = function(ctx)
            sutura.sleep(3)
            ctx:ready()
            return actors.act(ctx)
        end
        sutura.sleep(2)
        assert.equal("starting 2.0", stands(sup, "a"))
        sutura.sleep(2)
        assert.equal("running 5.0", stands(sup, "a"))
    end))

    it("is when it began to back off, to wait for the pause, and to stop", in_time(function(rt)
        local actors = troupe.new()
        local spec = { failure_threshold = 1.5, failure_decay = 1e9, failure_backoff = 20 }
        local sup = recorder.supervisor(rt, "root", spec)
        sup:add("slow", actors.act, { backoff = { min = 5, max = 5, jitter = sutura.no_jitter } })
        sup:add("quick", actors.act)
        sup:add("stubborn", function(ctx)
            ctx:wait()
            sutura.shield(sutura.sleep, 1e3)
        end, { kill = false, shutdown = 4 })
        sup:serve_background()
        sutura.sleep(1)
        actors:cue("slow", ends.panic)
        sutura.sleep(1)
        assert.equal("backing_off 1.0", stands(sup, "slow"))
        actors:cue("quick", ends.panic)
        sutura.sleep(1)
        assert.equal("queued 2.0", stands(sup, "quick"))
        sup:terminate_child("stubborn", 0)
        assert.equal("stopping 3.0", stands(sup, "stubborn"))
        sutura.sleep(10) -- Over its time, it is left alone; and the other's delay has passed.
        assert.equal("stopping 3.0", stands(sup, "stubborn"))
        assert.equal("queued 6.0", stands(sup, "slow"))
        sutura.sleep(10)
        assert.equal("running 22.0", stands(sup, "quick"))
        sup:terminate_child("quick")
        assert.equal("stopped 23.0", stands(sup, "quick"))
    end))

    it("begins anew when one that waits for its turn waits for its group", in_time(function(rt)
        local actors = troupe.new()
        local sup = recorder.supervisor(rt, "root", { strategy = "one_for_all", children = {
            actors:child("a"), actors:child("b"), actors:child("c", { after = { "b" } }),
        } })
        actors.fails.b = function() sutura.shield(sutura.sleep, 5) end
        sup:serve_background()
        sutura.sleep(1)
        assert.equal("starting 0.0", stands(sup, "c"))
        actors:cue("a", ends.panic)
        assert.equal("restarting 1.0", stands(sup, "c"))
        sutura.sleep(5)
        assert.same({ "running 5.0", "restarting 1.0" }, { stands(sup, "a"), stands(sup, "c") })
    end))

    it("is when a root came into its state", in_time(function(rt)
        local sup = rt:supervisor("root")
        assert.is_nil(sup:tree().since)
        sutura.sleep(1)
        sup:serve_background()
        sutura.sleep(1)
        assert.equal(1.0, sup:tree().since)
        sup:stop()
        sutura.sleep(1)
        assert.same({ "stopped", 2.0 }, { sup:tree().state, sup:tree().since })
    end))
end)

describe("resumes", function()
    it("counts the turns of a service, over all its runs", in_time(function(rt)
        local sup = recorder.supervisor(rt, "root")
        sup:add("a", function(ctx)
            for _ = 1, ctx.run == 1 and 3 or 1 do
                sutura.sleep(1)
            end
            if ctx.run == 2 then
                ctx:wait()
            end
        end)
        sup:add(rt:supervisor("below"))
        assert.equal(0, sup:get_child("a").resumes)
        sup:serve_background()
        sutura.sleep(2.5)
        assert.equal(3, sup:get_child("a").resumes)
        sutura.sleep(10)
        assert.equal(6, sup:get_child("a").resumes) -- Four of the first run, and two of the second.
        assert.is_nil(sup:get_child("below").resumes)
    end))
end)

-- A service that waits in the function, and what its record says that it waits for.
local function waits_for(rt, fn)
    local sup = rt:supervisor("watched")
    sup:add("waiter", fn)
    sup:serve_background()
    sutura.sleep(1)
    local text = sup:get_child("waiter").waiting_for
    sup:stop()
    return text
end

-- Takes three seconds to stop.
local function slow(ctx)
    ctx:wait()
    sutura.shield(sutura.sleep, 3)
end

-- A supervisor "root/inner" that runs, with such a service.
local function slow_tree(rt, name)
    local root, inner = rt:supervisor("root"), rt:supervisor("inner")
    local token = inner:add(name or "slow", slow)
    root:add(inner)
    root:serve_background()
    sutura.sleep(0)
    return inner, token, root
end

local HERE = " at spec/introspection_spec%.lua:%d+$"

describe("waiting_for", function()
    it("names the service whose end is waited for, by its path", in_time(function(rt)
        local inner, token, root = slow_tree(rt)
        assert.matches("^end of root/inner/slow %(7%.000 s left%)" .. HERE, waits_for(rt, function()
            inner:terminate_child("slow", 8)
        end))
        sutura.sleep(5)
        inner:restart_child(token)
        sutura.sleep(0)
        assert.matches("^end of root/inner/slow" .. HERE, waits_for(rt, function()
            inner:remove_and_wait(token)
        end))
        root:stop()
    end))

    it("names the supervisor whose end is waited for, by its path", in_time(function(rt)
        local inner, _, root = slow_tree(rt)
        assert.matches("^end of root/inner" .. HERE, waits_for(rt, function()
            inner:stop()
        end))
        root:stop()
        assert.matches("^end of root" .. HERE, waits_for(rt, function()
            root:serve()
        end))
        assert.matches("^end of root %(1%.000 s left%)" .. HERE, waits_for(rt, function()
            root:serve_background():wait(2)
        end))
        root:stop()
    end))

    it("names the supervisor whose children are to be ready, and the sibling by its name", in_time(function(rt)
        local actors = troupe.new()
        actors.fails.db = function() sutura.sleep(1e3) end
        local inner = rt:supervisor("inner", { children = { actors:child("db"), { name = "web", run = actors.act } } })
        inner:serve_background()
        assert.matches("^children of inner to be ready %(9%.000 s left%)" .. HERE, waits_for(rt, function()
            inner:wait_ready(10)
        end))
        assert.equal("db to be ready", inner:get_child("web").waiting_for)
        inner:stop()
    end))

    it("has the time that is left, and the place that started an await", in_time(function(rt)
        local line = debug.getinfo(1, "l").currentline + 2
        assert.equal("await (4.000 s left) at spec/introspection_spec.lua:" .. line, waits_for(rt, function()
            sutura.await(function() end, 5)
        end))
    end))

    it("is bounded, whatever the names are", in_time(function(rt)
        local inner, token, root = slow_tree(rt, ("n"):rep(1e5))
        assert.matches("^end of n+%.%.%." .. HERE, waits_for(rt, function()
            inner:remove_and_wait(token)
        end))
        root:stop()
        local top = rt:supervisor("bottom")
        local bottom = top
        for _ = 1, 30 do
            local above = rt:supervisor("a-level")
            above:add(top)
            top = above
        end
        top:serve_background()
        bottom:add("slow", slow)
        sutura.sleep(0)
        assert.matches("^end of %.%.%./a%-level/a%-level/.*/bottom" .. HERE, waits_for(rt, function()
            bottom:stop()
        end))
        top:stop()
    end))

    it("is what the program waits for too, when that can never come", function()
        local rt <close> = sutura.runtime { clock = "virtual" }
        local ok, problem = pcall(rt.run, rt, function()
            rt:supervisor("root"):serve()
        end)
        assert.is_false(ok)
        assert.matches("the program: waits for end of root at spec/introspection_spec%.lua:%d+", problem)
    end)
end)
