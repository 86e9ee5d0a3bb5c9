-- SPDX-License-Identifier: MIT
--
-- Random histories, each lived through twice: by a supervisor, and by a model of OTP's rules. After each step both
-- must have begun and ended the same children in the same order, and be in the same states.

local dice = require "spec.support.dice"
local model = require "spec.support.otp_model"
local recorder = require "spec.support.recorder"
local sutura = require "sutura"
local troupe = require "spec.support.troupe"
local virtual = require "spec.support.virtual"

local HISTORIES, STEPS = tonumber(os.getenv("HISTORIES")) or 40, 40
local STRATEGIES = { "one_for_one", "one_for_all", "rest_for_one" }
local RESTARTS = { "permanent", "transient", "temporary" }
local SHUTDOWNS = { "never", "any_significant", "all_significant" }
local ENDS = { "plain", "error", "panic", "do_not_restart" }
local FAILURES = { "plain", "error", "panic" }

local history = {}
history.__index = history

local function begin(rt, seed)
    local roll = dice(seed)
    local self = setmetatable({ roll = roll, actors = troupe.new(), told = {}, added = 0 }, history)
    local strategy, shutdown, intensity = STRATEGIES[roll(3)], SHUTDOWNS[roll(3)], roll(4)
    self.model = model.new(strategy, intensity, 5, shutdown)
    self.sup = recorder.supervisor(rt, "sup",
        { strategy = strategy, auto_shutdown = shutdown, intensity = intensity, period = 5 })
    self.handle = self.sup:serve_background()
    self:tell("%s, %s, %d in 5 s", strategy, shutdown, intensity)
    return self
end

function history:tell(...)
    self.told[#self.told + 1] = string.format(...)
end

function history:pick()
    local children = self.model.children
    return #children > 0 and children[self.roll(#children)] or nil
end

-- The next `count` starts of the child fail.
function history:sabotage(child, count)
    child.failures = count
    local left, how = count, troupe.ends[FAILURES[self.roll(#FAILURES)]]
    self.actors.fails[child.name] = count > 0 and function()
        left = left - 1
        if left == 0 then
            self.actors.fails[child.name] = nil
        end
        return how()
    end or nil
end

local steps = {}
history.steps = steps

function steps.add(self)
    local restart = RESTARTS[self.roll(3)]
    self.added = self.added + 1
    local child = { name = "c" .. self.added, restart = restart, failures = 0 }
    child.significant = restart ~= "permanent" and self.model.auto_shutdown ~= "never" and self.roll(2) == 1
    self:sabotage(child, self.roll(6) == 1 and self.roll(2) or 0)
    self:tell("add %s %s%s, %d starts fail", restart, child.significant and "significant " or "", child.name,
        child.failures)
    self.sup:add(self.actors:child(child.name, { restart = restart, significant = child.significant }))
    self.model:add(child)
end

function steps.cue(self)
    local child, how = self:pick(), ENDS[self.roll(#ENDS)]
    if not child or not child.running then
        return
    end
    self:sabotage(child, self.roll(4) == 1 and self.roll(3) or 0)
    self:tell("%s ends: %s, %d starts fail", child.name, how, child.failures)
    self.actors.cues[child.name](troupe.ends[how])
    self.model:ends(child, how)
end

function steps.sabotage(self)
    local child = self:pick()
    if child then
        self:sabotage(child, self.roll(2))
        self:tell("%s: %d starts will fail", child.name, child.failures)
    end
end

function steps.sleep(self)
    local seconds = self.roll(60) / 10
    self:tell("%g s pass", seconds)
    sutura.sleep(seconds)
end

function steps.update(self)
    self.model.strategy = STRATEGIES[self.roll(3)]
    self:tell("update: %s", self.model.strategy)
    self.sup:update { strategy = self.model.strategy }
end

for _, method in ipairs { "terminate_child", "restart_child", "delete_child" } do
    steps[method] = function(self)
        local child = self:pick()
        if not child then
            return
        end
        self:tell("%s %s", method, child.name)
        local expected = self.model[method](self.model, child)
        local answer, err = self.sup[method](self.sup, child.name)
        assert.equal(sutura[expected] or expected, answer or err)
    end
end

local CHOICES = { "add", "add", "add", "cue", "cue", "cue", "cue", "sabotage", "sleep", "sleep", "update",
    "terminate_child", "restart_child", "restart_child", "delete_child" }

function history:compare()
    assert.equal(self.model:log(), self.actors:log())
    assert.equal(self.model:states(), troupe.states(self.sup))
    if not self.model.finished then
        assert.same({ "normal", self.model:in_window() }, { self.sup:state(), self.sup:failures() })
        return
    end
    local ended, err = self.handle:wait(0)
    assert.is_true(ended)
    assert.equal(self.model.finished == "gave up", sutura.is(err, sutura.ERR_TOO_MANY_RESTARTS))
end

local function live_through(rt, seed)
    local self = begin(rt, seed)
    local ok, problem = pcall(function()
        for _ = 1, STEPS do
            self.model.now = sutura.now()
            steps[CHOICES[self.roll(#CHOICES)]](self)
            sutura.sleep(0.001)
            self.model.now = sutura.now()
            self:compare()
            if self.model.finished then
                return
            end
        end
    end)
    if not ok then
        error(("history %d:\n%s\n%s"):format(seed, table.concat(self.told, "\n"),
            type(problem) == "table" and tostring(problem.message) or tostring(problem)), 0)
    end
    return self.model.finished or "lived on"
end

describe("a random history", function()
    it("of strategies, restart types, limits, significant children and administration goes as OTP's rules say",
        virtual.test(function(rt)
            local seen = {}
            for seed = 1, HISTORIES do
                seen[live_through(rt, seed)] = true
            end
            assert.same({ ["gave up"] = true, ["shut down"] = true, ["lived on"] = true }, seen)
        end))
end)
