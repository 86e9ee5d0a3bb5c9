-- SPDX-License-Identifier: MIT
--
-- Code that keeps the thread, in every way that a service may: what is preempted, and what cannot be. And a tree on a
-- real clock with a short slice, whose events are recorded. It owns how such a tree is made and given back.
--
-- Times are real here, for they are the matter. What a spin took is measured in time of the processor, which other
-- programs on a busy machine do not use up.

local recorder = require "spec.support.recorder"
local sutura = require "sutura"

local hogs = {}

hogs.SLICE = 0.02

local function spin()
    while true do end
end

local function block(seconds)
    os.execute(("sleep %g"):format(seconds))
end

-- ThreadSanitizer hands on a signal at the next call that it watches, such as one for memory; and no shell runs under
-- it. Elsewhere luv is left alone, for its loop goes with the spec file that has required it.
if os.getenv("SPIN_ALLOCATES") then
    function spin()
        while true do
            local _ = {}
        end
    end

    function block(seconds)
        require "luv".sleep(seconds * 1000 // 1)
    end
end

hogs.spin = spin

-- Runs fn in so many coroutines, one inside the other.
local function nested(depth, fn)
    if depth == 0 then
        return fn()
    end
    return coroutine.wrap(function() return nested(depth - 1, fn) end)()
end

local function closing(fn)
    return setmetatable({}, { __close = fn })
end

local spinning_index = setmetatable({}, { __index = function() spin() end, __concat = function() spin() end })

--- What spins where Lua can yield: each is preempted, and never ends by itself.
hogs.spins = {
    ["a plain loop"] = spin,
    ["a loop of calls"] = function() while true do tostring(1) end end,
    ["a loop that catches all"] = function() while true do pcall(spin) end end,
    ["a metamethod"] = function() return spinning_index.x end,
    ["a concatenation"] = function() return spinning_index .. "x" end,
    ["a closer of a scope"] = function() do local _ <close> = closing(spin) end end,
    ["a closer after an error"] = function() local _ <close> = closing(spin) error("no") end,
    ["an iterator"] = function() for _ in spin do end end,
    ["one coroutine deep"] = function() nested(1, spin) end,
    ["ten coroutines deep"] = function() nested(10, spin) end,
}

--- The same, but an error that is raised there is caught, and ends the spin alone.
hogs.caught = {
    ["a loop inside pcall"] = function() pcall(spin) end,
    ["a loop inside xpcall"] = function() xpcall(spin, function(e) return e end) end,
    ["a resumed coroutine"] = function() coroutine.resume(coroutine.create(spin)) end,
}

--- All of them.
hogs.all = {}
for _, kind in ipairs({ hogs.spins, hogs.caught }) do
    for text, code in pairs(kind) do hogs.all[text] = code end
end

--- What spins where Lua cannot yield: it is left alone until it is killed, and then ends.
hogs.pinned = {
    ["a comparator of table.sort"] = function() table.sort({ 3, 2, 1 }, spin) end,
    ["a callback of string.gsub"] = function() return ("x"):gsub(".", spin) end,
    ["a coroutine inside a comparator"] = function()
        table.sort({ 3, 2, 1 }, function() nested(2, spin) end)
    end,
    ["a comparator that catches all"] = function()
        table.sort({ 3, 2, 1 }, function() while true do pcall(spin) end end)
    end,
}

--- Keeps the thread in a function of C for so long.
function hogs.block(seconds)
    block(seconds)
end

--- Keeps the thread in Lua for so long, as the processor counts.
function hogs.compute(seconds)
    local until_then = os.clock() + seconds
    local n = 0
    while os.clock() < until_then do n = n + 1 end
    return n
end

--- Runs `body(sup, record, rt)` in a real runtime with a short slice, beside a served supervisor without services.
---@param spec? sutura.SupervisorSpec
---@param body fun(sup: sutura.Supervisor, record: table, rt: sutura.Runtime)
---@param options? sutura.RuntimeOptions
function hogs.run(spec, body, options)
    local given = { slice = hogs.SLICE, kill_grace = 0.05, close_budget = 0.05 }
    for key, value in pairs(options or {}) do
        given[key] = value
    end
    local rt = sutura.runtime(given)
    local ok, problem = pcall(rt.run, rt, function()
        local sup, record = recorder.supervisor(rt, "root", spec or {})
        sup:serve_background()
        body(sup, record, rt)
    end)
    rt:close()
    if not ok then
        error(problem, 0)
    end
end

--- The same as the body of an `it`.
function hogs.test(spec, body, options)
    return function()
        hogs.run(spec, body, options)
    end
end

--- The same for many cases, each in a runtime of its own.
function hogs.each(cases, spec, body, options)
    return function()
        for text, case in pairs(cases) do
            local ok, problem = pcall(hogs.run, spec(case), function(...) body(case, ...) end, options)
            if not ok then
                error(("with %s: %s"):format(text, type(problem) == "table" and problem.message or problem), 0)
            end
        end
    end
end

return hogs
