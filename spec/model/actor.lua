-- SPDX-License-Identifier: MIT
--
-- A service that acts by a plan: what spec/model/body.lua does in tables, with a coroutine of sutura's.

local sutura = require "sutura"

local actor = {}

local ends = {
    plain = function() end,
    error = function() return nil, "broken" end,
    panic = function() error("broken", 0) end,
    do_not_restart = function() return sutura.DO_NOT_RESTART end,
    terminate_tree = function() return sutura.TERMINATE_TREE end,
}

--- The body of a worker. The stage has `tell`, which is given what it does, `cues`, which are given by its name how to
--- wake it, and the `box` where it receives; `call` makes a call of a story, and returns its answer. Once the cues are
--- `over`, it is ready at once and ends when it is asked to.
function actor.new(worker, stage, call)
    local name, plans, tell, cues = worker.name, worker.plans, stage.tell, stage.cues

    local function wait()
        return sutura.await(function(resume) cues[name] = resume end)
    end

    local function heed(cue)
        if type(cue) == "table" then
            tell(("%s calls %s %s: %s"):format(name, cue[1], cue[2], tostring((call(cue)))))
        end
    end

    local function stopped(plan, err, ctx)
        local _, by = ctx:cause()
        tell(("%s stops because of %s"):format(name, by and by:match("[^/]+$") or "nobody"))
        if plan.stop == "meek" or cues.over then
            error(err, 0)
        elseif ends[plan.stop] then
            return ends[plan.stop]()
        elseif plan.stop == "slow" then
            return sutura.shield(sutura.sleep, plan.slow / 1e9)
        end
        local cue
        repeat
            cue = sutura.shield(wait)
            heed(cue)
        until ends[cue] or cues.over
        return (ends[cue] or ends.plain)()
    end

    return function(ctx)
        local plan = plans[(ctx.run - 1) % #plans + 1]
        local _left <close> = setmetatable({}, { __close = function() tell("-" .. name) end })
        tell("+" .. name)
        if ends[plan.first] and not cues.over then
            return ends[plan.first]()
        end
        local cue = cues.over and "ready" or plan.first
        while true do
            if cue == "ready" then
                ctx:ready()
            elseif cue == "beat" then
                ctx:beat()
            else
                heed(cue)
            end
            if math.type(cue) and not cues.over then
                local received, value = pcall(stage.box.receive, stage.box, cue / 1e9)
                if not received then
                    return stopped(plan, value, ctx)
                end
                tell(("%s got %s"):format(name, value or "nothing"))
            end
            local ok
            if cues.over and worker.options.heartbeat then
                ctx:beat()
                ok, cue = pcall(sutura.sleep, worker.options.heartbeat / 2e9)
            else
                ok, cue = pcall(wait)
            end
            if not ok then
                return stopped(plan, cue, ctx)
            elseif ends[cue] then
                return ends[cue]()
            end
        end
    end
end

return actor
