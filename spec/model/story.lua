-- SPDX-License-Identifier: MIT
--
-- Stories: a tree and what happens to it, as data, made from a seed. Weights change by the seed, so that each kind of
-- happening is common in some stories and absent from others.
--
-- A story is { seed, root, steps }. A supervisor is { name, settings, options, children }, a worker { name, options,
-- plans }, and either may have `after`, names of siblings that were before it; every name is there once. A step is one
-- of:
--
--   { calls = { call, ... }, hooks = { [n] = { call, ... } } }   calls at one instant; more in its nth hook
--   { advance = nanoseconds, hooks = ... }                    time passes
--   { edge = offset, hooks = ... }                            time passes up to the next deadline, and so much more
--
-- A call is { method, name, argument }, with the methods of spec/model/calls.lua, or "cue"; a cue may be a call that
-- the worker is to make. A story remains one when any of its steps or calls is left out.

local body = require "spec.model.body"
local dice = require "spec.support.dice"

local story = {}

local SECOND = 1000000000
local MOST = 30 -- So many services a story may have.

local teller = {}
teller.__index = teller

function teller:pick(values)
    return values[self.roll(#values)]
end

-- One of the first of them, of whom more is told in some stories.
function teller:one_of(names)
    return names[self.roll(math.min(#names, self.cast))]
end

-- True so often, in per cent.
function teller:chance(per_cent)
    return self.roll(100) <= per_cent
end

---- The tree

function teller:settings()
    local settings = {
        strategy = self:pick { "one_for_one", "one_for_one", "one_for_all", "rest_for_one" },
        auto_shutdown = self:pick { "never", "never", "any_significant", "all_significant" },
        stop_order = self:pick { "reverse", "reverse", "parallel" },
        timeout = self:pick { 0, 1, 2 } * SECOND,
        pass_through_panics = self:chance(6), dont_propagate_termination = self:chance(30),
        failure_decay = self:pick { 0, 1, 30, math.huge }, failure_threshold = self:pick { 0, 1, 1.5, 3, math.huge },
        failure_backoff = self:pick { 0, 1, 5 } * SECOND, resume_spacing = self:pick { 0, 0, 1, 3 } * SECOND // 2,
        stretch = self:pick { 1, 1.25 }, lifecycle_events = self:chance(self.talkative),
    }
    if self:chance(20) then
        settings.intensity, settings.period = self:pick { 0, 1, 3 }, self:pick { 1, 5, 50 } * SECOND
    elseif self:chance(30) then
        settings.escalate_after = self:pick { 1, 2 }
    end
    return settings
end

function teller:options(settings, is_worker)
    local options = { restart = self:pick { "permanent", "permanent", "transient", "temporary" },
        kill = not self:chance(self.spared) }
    if settings.auto_shutdown ~= "never" and options.restart ~= "permanent" then
        options.significant = self:chance(50)
    end
    if self:chance(25) then
        options.backoff = { min = self:pick { 1, 4 } * SECOND // 2, max = 6 * SECOND, factor = self:pick { 1, 1.5, 2 },
            reset_after = self:pick { 1, 100 } * SECOND }
    end
    if self:chance(40) then
        options.shutdown = self:pick { 0, SECOND, 3 * SECOND, "infinity", options.kill and "kill" or nil }
    end
    if is_worker and self:chance(self.lively) then
        options.heartbeat = self:pick { 1, 3, 6 } * SECOND // 2
    end
    if is_worker and self:chance(30) then
        options.notifies = true
        options.start_timeout = self:chance(60) and self:pick { 1, 3 } * SECOND // 2 or nil
    end
    return options
end

function teller:plans()
    local plans = {}
    for i = 1, self.roll(3) do
        plans[i] = {
            first = self:chance(self.fragile) and self:pick(body.ENDS) or self:chance(15) and "silent" or "ready",
            stop = self:chance(55) and "meek" or self:pick { "slow", "stuck", self:pick(body.ENDS) },
            slow = self:pick { 1, 2, 3, 8 } * SECOND // 2,
        }
    end
    return plans
end

function teller:name(letter)
    self.count = self.count + 1
    return letter .. self.count
end

function teller:worker(settings)
    local name = self:name("w")
    table.insert(self.workers, name)
    table.insert(self.services, name)
    return { name = name, options = self:options(settings, true), plans = self:plans() }
end

-- The child, among those that the supervisor has had so far: it may say after which of them it starts.
function teller:placed(name, child)
    local siblings = self.children_of[name]
    if self:chance(self.orderly) then
        child.after = {}
        for _, sibling in ipairs(siblings) do
            if self:chance(40) then
                table.insert(child.after, sibling)
            end
        end
    end
    table.insert(siblings, child.name)
    return child
end

function teller:supervisor(depth, above)
    local sup = { name = self:name("s"), settings = self:settings(), children = {} }
    sup.options = above and self:options(above, false)
    table.insert(self.supervisors, sup.name)
    self.settings_of[sup.name], self.children_of[sup.name] = sup.settings, {}
    if above then
        table.insert(self.services, sup.name)
    end
    for i = 1, self.roll(4) - (depth > 0 and 0 or 1) do
        local goes_down = depth > 0 and self:chance(40)
        sup.children[i] = self:placed(sup.name, goes_down and self:supervisor(depth - 1, sup.settings)
            or self:worker(sup.settings))
    end
    return sup
end

---- What happens

local calls = {}

function calls:cue()
    if self:chance(self.wilful) then
        return { "cue", self:one_of(self.workers), self:call(self:chance(10) and "send" or self:pick(body.CALLS)) }
    elseif self:chance(self.postal) then
        return { "cue", self:one_of(self.workers), self:pick { 0, 3 * SECOND, math.huge, math.huge } }
    end
    local how = self:chance(25) and "ready" or self:chance(self.lively) and "beat" or self:pick(body.ENDS)
    if (how == "terminate_tree" or how == "do_not_restart") and self:chance(70) then
        how = "panic"
    end
    return { "cue", self:one_of(self.workers), how }
end

function calls:add()
    local sup = self:pick(self.supervisors)
    local settings = self.settings_of[sup]
    if #self.services > MOST then
        return self:call("cue")
    end
    return { "add", sup, self:placed(sup, self:chance(75) and self:worker(settings) or self:supervisor(0, settings)) }
end

-- A template's children stop by its own timeout, and nothing of theirs depends on a sibling.
function calls:template()
    if #self.services > MOST then
        return self:call("cue")
    end
    local sup, settings = self:pick(self.supervisors), self:settings()
    settings.strategy, settings.auto_shutdown = "one_for_one", "never"
    local name = self:name("t")
    table.insert(self.templates, name)
    table.insert(self.services, name)
    self.settings_of[name], self.of_children[name] = settings, self:options(settings, true)
    return { "template", sup, { name = name, settings = settings, children = {}, of_children = self.of_children[name],
        options = { restart = "permanent", kill = true }, max_children = self:chance(30) and self.roll(3) or nil } }
end

function calls:start()
    if #self.templates == 0 or #self.services > MOST then
        return self:call("template")
    end
    local template = self:pick(self.templates)
    local worker = self:worker(self.settings_of[template])
    worker.options = self.of_children[template]
    return { "start", template, worker }
end

-- One of those that have been there so far, a template among them.
function teller:any_supervisor()
    local last = self.templates[self.roll(#self.templates + 1)]
    return last and self:chance(40) and last or self:pick(self.supervisors)
end

-- One setting, or a whole limit.
function calls:update()
    local sup, settings = self:any_supervisor(), self:settings()
    local field = self:pick { "strategy", "stop_order", "timeout", "resume_spacing", "pass_through_panics",
        "dont_propagate_termination", "failure_backoff", "lifecycle_events", "limit", "limit" }
    if field == "strategy" and settings.strategy ~= "one_for_one" and sup:find("^t") then
        field = "timeout"
    end
    if field ~= "limit" then
        return { "update", sup, { [field] = settings[field] } }
    elseif settings.intensity then
        return { "update", sup, { intensity = settings.intensity, period = settings.period } }
    end
    return { "update", sup, { failure_threshold = settings.failure_threshold, failure_decay = settings.failure_decay,
        escalate_after = settings.escalate_after } }
end

-- Where few receive there is little to send: else all would find something, and nobody wait.
function calls:send()
    if not self:chance(self.postal) then
        return self:call("cue")
    end
    self.count = self.count + 1
    return { "send", "box", self.count }
end

function calls:stop()
    return { "stop", self:any_supervisor() }
end

function calls:serve()
    return { "serve", self.supervisors[1] }
end

for _, method in ipairs(body.CALLS) do
    calls[method] = function(self)
        return { method, self:one_of(self.services) }
    end
end

local METHODS = { "cue", "add", "template", "start", "send", "update", "stop", "serve", "remove", "restart",
    "terminate_child", "restart_child", "delete_child" }

function teller:call(method)
    return calls[method or self:pick(self.methods)](self)
end

function teller:calls(most)
    local list = {}
    for i = 1, self.roll(most) do
        list[i] = self:call()
    end
    if list[#list][1] == "send" and self:chance(50) then -- who is woken for it may be stopped before his turn
        table.insert(list, self:call(self:pick(body.CALLS)))
    end
    return list
end

function teller:step()
    local step = { hooks = {} }
    if self:chance(self.patience) then
        step.edge = self:pick { -1, 0, 0, 0, 1 }
    elseif self:chance(20) then
        step.advance = self:pick { 0, 1, SECOND // 2, SECOND, 5 * SECOND, 20 * SECOND, 100 * SECOND }
    else
        step.calls = self:calls(self.crowd)
    end
    if self:chance(self.meddling) then
        step.hooks[self.roll(3)] = self:calls(2)
    end
    return step
end

local WEIGHTS = { cue = { 8, 20 }, add = { 1, 4 }, template = { 0, 0, 1 }, start = { 0, 0, 6 }, send = { 1, 1 },
    update = { 0, 2 }, stop = { 0, 1 }, serve = { 3, 9 }, remove = { 0, 2 }, restart = { 0, 3 },
    terminate_child = { 0, 2 }, restart_child = { 1, 3 }, delete_child = { 0, 1 } }

function teller:weigh()
    self.methods = {}
    for _, method in ipairs(METHODS) do
        for _ = 1, self:pick(WEIGHTS[method]) do
            table.insert(self.methods, method)
        end
    end
end

--- The story of a seed, `length` steps long.
function story.of(seed, length)
    local self = setmetatable({ roll = dice(seed), count = 0, workers = {}, services = {}, supervisors = {},
        settings_of = {}, children_of = {}, of_children = {}, templates = {} }, teller)
    self.roll(1) -- neighbours begin alike
    self.spared, self.fragile, self.lively = self:pick { 0, 10, 40 }, self:pick { 0, 10, 30 }, self:pick { 0, 30, 60 }
    self.patience, self.crowd = self:pick { 20, 40, 60 }, self:pick { 1, 1, 3, 5 }
    self.meddling, self.wilful = self:pick { 0, 20, 60 }, self:pick { 0, 10, 30 }
    self.cast = self:pick { 3, 6, MOST }
    self.postal = self:pick { 0, 0, 40, 90 }
    self.talkative, self.orderly = self:pick { 0, 30, 100 }, self:pick { 0, 0, 30, 70 }
    self:weigh()
    local root = self:supervisor(self.roll(4) - 1)
    if #self.workers == 0 then
        table.insert(root.children, self:worker(root.settings))
    end
    local steps = { { calls = { { "serve", root.name } }, hooks = {} } }
    for i = 2, length do
        steps[i] = self:step()
    end
    return { seed = seed, root = root, steps = steps }
end

return story
