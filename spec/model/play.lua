-- SPDX-License-Identifier: MIT
--
-- Plays a story twice, to the model and to sutura, and compares after each step: what services did and which events
-- were told, in order; what calls answered; the tree, with its scores and deadlines; the report of the root.

local body = require "spec.model.body"
local calls = require "spec.model.calls"
local lines = require "spec.model.lines"
local mailbox = require "spec.model.mailbox"
local policy = require "spec.model.policy"
local stage = require "spec.model.stage"
local world = require "spec.model.world"

local play = {}

---- The model's side, with the same methods as a stage

local model = {}
model.__index = model

local function index(self, sup)
    self.supervisors[sup.name] = sup
    for _, service in ipairs(sup.children) do
        self.services[service.name] = service
        if service.child then
            index(self, service.child)
        end
    end
end

function model.new(root, tell, hear)
    local self = setmetatable({ supervisors = {}, services = {} }, model)
    self.world = world.new(tell, hear)
    self.world.call = function(call)
        return self:call(call)
    end
    self.root = calls.supervisor(self.world, root)
    index(self, self.root)
    return self
end

local ADDS = { add = true, template = true, start = true }

function model:call(call)
    local method, name, argument = table.unpack(call)
    local sup, service = self.supervisors[name], self.services[name]
    if method == "cue" then
        if service then
            body.cue(service, argument)
        end
    elseif method == "send" then
        mailbox.send(self.world.box, argument)
        return true
    elseif ADDS[method] and sup then
        local added = calls[method](sup, argument)
        if type(added) == "table" then
            index(self, { name = sup.name, children = { added } })
            self.supervisors[sup.name] = sup
        end
        return type(added) == "table" or added
    elseif method == "update" and sup then
        return calls.update(sup, argument)
    elseif method == "stop" and sup then
        return calls.stop(sup)
    elseif method == "serve" and (sup.state == "not_running" or sup.state == "terminated") then
        return calls.serve(sup)
    elseif service and calls[method] and not calls.OF_SUPERVISORS[method] then
        return calls[method](service)
    end
end

---- Both

local game = {}
game.__index = game

-- One side: its journal, and the calls that its hooks make.
local function side(self, new, root, line)
    local journal, heard, it = {}, 0, nil
    local function tell(text)
        journal[#journal + 1] = text
    end
    local function answer(list)
        for _, call in ipairs(list) do
            local said = it:call(call)
            if said ~= nil then
                tell(("%s %s: %s"):format(call[1], call[2], said))
            end
        end
    end
    it = new(root, tell, function(event)
        heard = heard + 1
        tell(line(event))
        local more = self.hooks and self.hooks[heard]
        if more then
            answer(more)
        end
        if it.also then
            it.also()
        end
    end)
    it.answer = function(list)
        heard = 0
        answer(list)
    end
    it.listen = function()
        heard = 0
    end
    it.take = function()
        local taken = journal
        journal = {}
        return taken
    end
    return it
end

function game:pass(span, hooks)
    self.hooks = hooks
    self.model.listen()
    self.stage.listen()
    self.model.world:advance(span)
    self.stage.rt:advance(span / 1e9)
end

local function take(self, step)
    if step.advance then
        return self:pass(step.advance, step.hooks)
    elseif step.edge then
        local owner = self.model.world:next()
        return self:pass(owner and math.max(owner.timer.time + step.edge - self.model.world.now, 0) or 0, step.hooks)
    end
    self.hooks = step.hooks
    self.model.answer(step.calls)
    self.model.world:settle()
    self.stage:within(function() self.stage.answer(step.calls) end)
end

-- The first line in which they differ.
local function difference(what, expected, got)
    for i = 1, math.max(#expected, #got) do
        if expected[i] ~= got[i] then
            return ("%s, line %d:\n  expected %s\n  got      %s"):format(what, i, expected[i], got[i])
        end
    end
end

local function compare(self)
    local expected, got = self.model.take(), self.stage.take()
    local problem = difference("journal", expected, got)
        or difference("tree", lines.of_supervisor(self.model.root, nil, nil, policy.score),
            lines.of_record(self.stage.root:tree()))
    if not problem and self.model.root.state == "terminated" then
        problem = difference("report", calls.report(self.model.root), self.stage:report())
    end
    self.journal = got
    return problem
end

-- What a property says needs no trace.
local function traced(problem)
    local told = problem == world.RUNAWAY or type(problem) == "string" and problem:match("^P%d+_")
    return told and problem or debug.traceback(problem)
end

--- Plays the story, up to where it runs away. Returns nil, or the number of the step at which they differ, and how.
--- `watch`, if given, is called after each step with the lines of sutura's journal and the stage; `also`, if given, is
--- the last that sutura's hooks do.
function play.play(story, watch, also)
    local self = setmetatable({}, game)
    self.model = side(self, model.new, story.root, lines.of_model)
    self.stage = side(self, stage.new, story.root, lines.of_event)
    self.stage.also = also
    local _closed <close> = setmetatable({}, { __close = function()
        self.hooks = nil
        self.stage:close()
    end })
    for i, step in ipairs(story.steps) do
        local ok, problem = xpcall(function()
            take(self, step)
            local different = compare(self)
            if not different and watch then
                watch(self.journal, self.stage)
            end
            return different
        end, traced)
        if problem == world.RUNAWAY then
            return
        elseif problem then
            return i, ok and problem or "raised: " .. problem
        end
    end
end

return play
