-- SPDX-License-Identifier: MIT
--
-- Fuzzes what users give to calls: tables with known fields and any value in them. Each call takes it, or raises a
-- string that says what is wrong and what was expected, and has changed nothing.

local bytes = require "spec.fuzz.bytes"
local sutura = require "sutura"

local rt = sutura.runtime { clock = "virtual", seed = 1 }

local SETTINGS = { "event_hook", "failure_decay", "failure_threshold", "failure_backoff", "backoff_jitter",
    "resume_spacing", "timeout", "pass_through_panics", "dont_propagate_termination", "format_error", "panic_locals",
    "redact", "lifecycle_events", "stop_order", "children", "strategy", "intensity", "period", "escalate_after",
    "auto_shutdown", "history", "falure_decay" }
local OPTIONS = { "name", "run", "shutdown", "kill", "on_hog", "cpu_share", "restart", "significant", "backoff",
    "ready", "start_timeout", "heartbeat", "after", "restrat" }
local BACKOFF = { "min", "max", "factor", "jitter", "reset_after", "mim" }
local RUNTIME = { "clock", "seed", "epoch", "slice", "kill_grace", "close_budget", "on_unkillable", "accounting",
    "preempt_signal", "cloak" }
local WORDS = { "one_for_all", "rest_for_one", "permanent", "transient", "temporary", "never", "any_significant",
    "parallel", "reverse", "notify", "kill", "infinity", "virtual", "yield", "panic" }

local function body() end

-- A table with some of the fields, their values good ones or any.
local function fields(from, names)
    local made = {}
    for _ = 1, from:byte() % 5 do
        local name = from:pick(names)
        local kind = from:byte() % 5
        if name == "backoff" and kind == 0 then
            made[name] = fields(from, BACKOFF)
        elseif name == "children" and kind < 2 then
            made[name] = { fields(from, OPTIONS), fields(from, OPTIONS) }
        elseif name == "run" and kind < 3 then
            made[name] = body
        elseif kind == 1 then
            made[name] = from:pick(WORDS)
        else
            made[name] = from:value()
        end
    end
    return made
end

local CALLS = {
    function(from, sup) return pcall(sup.add, sup, fields(from, OPTIONS)) end,
    function(from, sup) return pcall(sup.add, sup, from:string(), from:value(), fields(from, OPTIONS)) end,
    function(from, sup) return pcall(sup.update, sup, fields(from, SETTINGS)) end,
    function(from, sup) return pcall(sup.template, sup, fields(from, OPTIONS)) end,
    function(from, sup) return pcall(sup.plan, sup, from:value(), from:value()) end,
    function(from, sup) return pcall(sup.remove, sup, from:value()) end,
    function(from, sup) return pcall(sup.restart_child, sup, from:value()) end,
    function(from) return pcall(rt.supervisor, rt, from:string(), fields(from, SETTINGS)) end,
    function(from)
        return pcall(sutura.partition, from:string(), from:value(), from:value(), fields(from, SETTINGS))
    end,
    function(from) return pcall(sutura.wrap, from:value(), from:value()) end,
    function(from) return pcall(sutura.runtime, fields(from, RUNTIME)) end,
    function(from) return pcall(sutura.signal_context, from:value()) end,
}

local function tree_of(sup)
    local names = {}
    for i, record in ipairs(sup:children()) do
        names[i] = record.path .. record.state
    end
    return table.concat(names, "\n")
end

return function(text)
    local from = bytes.new(text)
    local shutdown = from:pick { "never", "any_significant" }
    local sup <close> = rt:supervisor("s", { event_hook = body, auto_shutdown = shutdown })
    repeat
        local before = tree_of(sup)
        local ok, problem = from:pick(CALLS)(from, sup)
        if not ok then
            assert(type(problem) == "string", "an error of type " .. type(problem))
            assert(not problem:find("^[^']*attempt to "), problem) -- what stands in quotes is the input's
            assert(not problem:find("[%c]"), ("control bytes: %q"):format(problem))
            assert(tree_of(sup) == before, "a call has failed, and changed something: " .. problem)
        elseif type(problem) == "userdata" and tostring(problem):find("^runtime") then
            problem:close()
        end
    until from:is_over()
end
