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
