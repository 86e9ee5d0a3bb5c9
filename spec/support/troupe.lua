-- SPDX-License-Identifier: MIT
--
-- Services that act when a test tells them to, and a log of who began and who ended, in order.
--
-- An actor begins, says that it is ready, and waits for its cue: a function, whose results or error are the actor's
-- own. What is put into `fails` by an actor's name is what it does instead of becoming ready. An actor is known by
-- its name, so that each troupe acts under one supervisor, or under several with names of their own.

local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local troupe = {}
troupe.__index = troupe

--- Ways for an actor to end.
troupe.ends = {
    plain = function() end,
    value = function() return "done", { some = "info" } end,
    error = function() return nil, "broken" end,
    panic = function() error("broken", 0) end,
    do_not_restart = function() return sutura.DO_NOT_RESTART end,
    terminate_tree = function() return sutura.TERMINATE_TREE end,
}

---@return table troupe with the field `act`, what an actor runs
function troupe.new()
    local self = setmetatable({ fails = {}, lines = {}, cues = {}, runs = {}, arguments = {} }, troupe)
    self.act = function(ctx, argument)
        local name = ctx.name
        self:say("+" .. name)
        local _left <close> = setmetatable({}, { __close = function() self:say("-" .. name) end })
        self.runs[name] = (self.runs[name] or 0) + 1
        self.arguments[name] = argument
        if self.fails[name] then
            return self.fails[name](ctx, argument)
        end
        ctx:ready(self.info and self.info(ctx, argument))
        local cue = sutura.await(function(resume) self.cues[name] = resume end)
        return cue(ctx)
    end
    return self
end

function troupe:say(line)
    self.lines[#self.lines + 1] = line
end

--- Who began ("+name") and who ended ("-name") since this was last asked.
---@return string
function troupe:log()
    local log = table.concat(self.lines, " ")
    self.lines = {}
    return log
end

--- Gives an actor its cue, and lets what follows from it happen.
---@param name string
---@param how fun(ctx: sutura.ServiceContext): any
function troupe:cue(name, how)
    self.cues[name](how)
    virtual.settle()
end

--- A child spec of an actor that says itself when it is ready.
---@param name string
---@param fields? table more of the child spec
---@return table
function troupe:child(name, fields)
    local child = { name = name, run = self.act, ready = "notify" }
    for field, value in pairs(fields or {}) do
        child[field] = value
    end
    return child
end

--- specs, active, supervisors, workers: what OTP's count_children gives.
---@param sup sutura.Supervisor
---@return integer[]
function troupe.counts(sup)
    local count = sup:count()
    return { count.specs, count.active, count.supervisors, count.workers }
end

--- "a running, b stopped": the children in start order.
---@param sup sutura.Supervisor
---@return string
function troupe.states(sup)
    local states = {}
    for i, child in ipairs(sup:children()) do
        states[i] = child.name .. " " .. child.state
    end
    return table.concat(states, ", ")
end

return troupe
