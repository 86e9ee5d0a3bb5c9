-- SPDX-License-Identifier: MIT
--
-- What OTP's supervisor does, written down as simply as it can be: one level of children that start and stop at once.
-- It owns the rules of strategies, restart types, the window and significant children; it knows nothing of sutura.
--
-- A child is { name, restart, significant, failures, running }, where `failures` is the number of its next starts
-- that fail. What begins and ends is said in `log`, as a troupe says it.

local model = {}
model.__index = model

---@param strategy string
---@param intensity integer
---@param period number
---@param auto_shutdown string
function model.new(strategy, intensity, period, auto_shutdown)
    return setmetatable({
        strategy = strategy, intensity = intensity, period = period, auto_shutdown = auto_shutdown, children = {},
        restarts = {}, lines = {}, now = 0,
    }, model)
end

function model:say(line)
    self.lines[#self.lines + 1] = line
end

function model:log()
    local log = table.concat(self.lines, " ")
    self.lines = {}
    return log
end

function model:states()
    local states = {}
    for i, child in ipairs(self.children) do
        states[i] = child.name .. (child.running and " running" or " stopped")
    end
    return table.concat(states, ", ")
end

local function index_of(list, wanted)
    for i, value in ipairs(list) do
        if value == wanted then
            return i
        end
    end
end

function model:forget(child)
    table.remove(self.children, index_of(self.children, child))
end

-- The restarts that the window still has: one as old as the period counts.
function model:in_window()
    while self.restarts[1] and self.restarts[1] < self.now - self.period do
        table.remove(self.restarts, 1)
    end
    return #self.restarts
end

-- The end of the supervisor, for the reason "gave up" or "shut down".
function model:finish(reason)
    self.finished = reason
    for i = #self.children, 1, -1 do
        self:halt(self.children[i])
    end
end

function model:halt(child)
    if child.running then
        child.running = false
        self:say("-" .. child.name)
    end
end

-- A child has ended for good, by itself.
function model:ended(child)
    if not child.significant then
        return
    end
    for _, other in ipairs(self.children) do
        if other.significant and other.running and self.auto_shutdown == "all_significant" then
            return
        end
    end
    self:finish("shut down")
end

-- True if the child runs afterwards.
function model:try(child)
    self:say("+" .. child.name)
    child.running = true
    if child.failures == 0 then
        return true
    end
    child.failures = child.failures - 1
    self:halt(child)
    return false
end

-- Those that restart with the child, in start order.
function model:members(child)
    if self.strategy == "one_for_one" then
        return { child }
    end
    local from = self.strategy == "one_for_all" and 1 or index_of(self.children, child)
    return table.move(self.children, from, #self.children, 1, {})
end

-- Stops the group of the child and starts it again; returns the first that failed to start, if any.
function model:restart_group(child)
    local members = self:members(child)
    for i = #members, 1, -1 do
        self:halt(members[i])
        if members[i].restart == "temporary" then
            self:forget(members[i])
            table.remove(members, i)
        end
    end
    for _, member in ipairs(members) do
        if not self:try(member) then
            return member
        end
    end
end

-- The child has failed: restarts until all is well, or too often.
function model:fail(child)
    while child do
        self.restarts[#self.restarts + 1] = self.now
        if self:in_window() > self.intensity then
            return self:finish("gave up")
        end
        child = self:restart_group(child)
    end
end

--- A child ends by itself: "plain", "error", "panic" or "do_not_restart".
function model:ends(child, how)
    self:halt(child)
    if how == "do_not_restart" or child.restart == "temporary" then
        self:forget(child)
        self:ended(child)
    elseif how == "plain" and child.restart == "transient" then
        self:ended(child)
    else
        self:fail(child)
    end
end

-- A start by hand.
function model:start(child)
    if self:try(child) then
        return
    elseif child.restart == "temporary" then
        self:forget(child)
        self:ended(child)
    else
        self:fail(child)
    end
end

function model:add(child)
    self.children[#self.children + 1] = child
    self:start(child)
end

--- Each returns true, or the name of OTP's error.
function model:terminate_child(child)
    self:halt(child)
    if child.restart == "temporary" then
        self:forget(child)
    end
    return true
end

function model:restart_child(child)
    if child.running then
        return "ERR_RUNNING"
    end
    self:start(child)
    return true
end

function model:delete_child(child)
    if child.running then
        return "ERR_RUNNING"
    end
    self:forget(child)
    return true
end

return model
