-- SPDX-License-Identifier: MIT
--
-- sutura's side of a story: the tree built from the data, in a runtime with a virtual clock, and the calls made where
-- nobody can wait: in the hook of a supervisor beside the tree, whose only service ends when it is prompted.

local actor = require "spec.model.actor"
local order = require "spec.model.order"
local sutura = require "sutura"

local stage = {}
stage.__index = stage

local NS = 1e9
local OF_SUPERVISORS = require "spec.model.calls".OF_SUPERVISORS

local function error_name(err)
    for name, value in pairs(sutura) do
        if value == err then
            return name
        end
    end
    return tostring(err)
end

local function answer(value, err)
    return value and true or error_name(err)
end

---- Building

local function in_seconds(settings)
    local given = {}
    for key, value in pairs(settings) do
        given[key] = value
    end
    for _, key in ipairs { "timeout", "failure_backoff", "resume_spacing", "period" } do
        given[key] = given[key] and given[key] / NS
    end
    return given
end

-- The settings and options as users write them.
local function settings(spec, hook)
    local given = in_seconds(spec.settings)
    given.stretch, given.event_hook = nil, hook
    local stretch = spec.settings.stretch
    given.backoff_jitter = stretch == 1 and sutura.no_jitter or function(delay) return delay * stretch end
    if given.intensity then
        given.escalate_after = nil
    end
    return given
end

local function child_spec(spec, run)
    local options = spec.options
    local child = { name = spec.name, run = run, restart = options.restart, kill = options.kill,
        significant = options.significant, shutdown = options.shutdown,
        ready = options.notifies and "notify" or nil,
        heartbeat = options.heartbeat and options.heartbeat / NS,
        start_timeout = options.start_timeout and options.start_timeout / NS }
    if math.type(options.shutdown) == "integer" then
        child.shutdown = options.shutdown / NS
    end
    local backoff = options.backoff
    child.backoff = backoff and { min = backoff.min / NS, max = backoff.max / NS, factor = backoff.factor,
        reset_after = backoff.reset_after / NS }
    return child
end

function stage:actor(worker)
    return actor.new(worker, self, function(call)
        return self:call(call)
    end)
end

function stage:child(spec)
    return child_spec(spec, spec.settings and self:supervisor(spec) or self:actor(spec))
end

function stage:supervisor(spec)
    local given = settings(spec, self.hook)
    given.children = {}
    local siblings = {}
    for i, child in ipairs(spec.children) do
        given.children[i] = self:child(child)
        given.children[i].after = order.named(child, siblings)
        siblings[child.name] = child.name
    end
    local sup = self.rt:supervisor(spec.name, given)
    self.supervisors[spec.name] = sup
    for _, child in ipairs(spec.children) do
        self.services[child.name] = { sup = sup, token = assert(sup:get_child(child.name)).token }
    end
    return sup
end

--- `tell` is given what services do, `hear` each event.
function stage.new(root, tell, hear)
    local self = setmetatable({ supervisors = {}, services = {}, cues = {}, tell = tell, seq = 0 }, stage)
    self.cues.over = false
    self.rt = sutura.runtime { clock = "virtual", seed = 1 }
    self.rt:run(function() self.box = sutura.mailbox() end)
    self.hook = function(event)
        self:count(event)
        hear(event)
    end
    self.root = self:supervisor(root)
    self:build_prompter()
    return self
end

---- Calls

-- Numbers have no gaps, whoever hears the event.
function stage:count(event)
    assert(event.seq == self.seq + 1, ("event %d came after %d"):format(event.seq, self.seq))
    self.seq = event.seq
end

function stage:build_prompter()
    local prompter = self.rt:supervisor("prompter", { failure_threshold = math.huge, event_hook = function(event)
        self:count(event)
        self.prompted()
    end })
    self.foreign = prompter:add("prompter", function()
        sutura.await(function(resume) self.prompt = resume end)
    end)
    prompter:serve_background()
    self.rt:settle()
end

--- Runs `fn` in a hook, and then all that follows from it.
function stage:within(fn)
    self.prompted = fn
    self.prompt()
    self.rt:settle()
end

-- What could not be added is not there.
function stage:forget(spec)
    self.supervisors[spec.name], self.services[spec.name] = nil, nil
    for _, child in ipairs(spec.children or {}) do
        self:forget(child)
    end
end

local calls = {}

function calls.cue(self, name, how)
    if self.cues[name] then
        self.cues[name](how)
    end
end

function calls.send(self, _, value)
    return self.box:send(value)
end

function calls.add(self, name, spec)
    local sup = self.supervisors[name]
    local siblings = {}
    for _, record in ipairs(sup:children()) do
        siblings[record.name] = record.name
    end
    local child = self:child(spec)
    child.after = order.named(spec, siblings)
    local token, err = sup:add(child)
    if token then
        self.services[spec.name] = { sup = sup, token = token }
    else
        self:forget(spec)
    end
    return answer(token, err)
end

local function run_argument(ctx, body)
    return body(ctx)
end

function calls.template(self, name, spec)
    local given = settings(spec)
    for key, value in pairs(child_spec({ options = spec.of_children }, run_argument)) do
        given[key] = value
    end
    given.name, given.max_children, given.significant = spec.name, spec.max_children, nil
    local sup = self.supervisors[name]
    local template, err = sup:template(given)
    if template then
        self.supervisors[spec.name] = template
        self.services[spec.name] = { sup = sup, token = assert(sup:get_child(spec.name)).token }
    end
    return answer(template, err)
end

function calls.start(self, name, worker)
    local sup = self.supervisors[name]
    local token, err = sup:start(self:actor(worker), worker.name)
    if token then
        self.services[worker.name] = { sup = sup, token = token }
    end
    return answer(token, err)
end

function calls.serve(self)
    local state = self.root:state()
    if state == "not_running" or state == "terminated" then
        return answer(self.root:serve_background())
    end
end

function calls.update(self, name, changes)
    return answer(self.supervisors[name]:update(in_seconds(changes)))
end

function calls.stop(self, name)
    local report, err = self.supervisors[name]:stop()
    return report and true or err == nil or error_name(err)
end

function calls.remove(self, name)
    local service = self.services[name]
    return answer(service.sup:remove(service.token))
end

function calls.restart(self, name)
    local service = self.services[name]
    return answer(service.sup:restart(service.token))
end

for _, method in ipairs { "terminate_child", "restart_child", "delete_child" } do
    calls[method] = function(self, name)
        local service = self.services[name]
        return answer(service.sup[method](service.sup, service.token, method == "terminate_child" and 0 or nil))
    end
end

--- Makes a call of a story, if what it is about exists. Returns its answer.
function stage:call(call)
    local method, name, argument = table.unpack(call)
    if method == "cue" or method == "send" or self.supervisors[name] and OF_SUPERVISORS[method]
        or self.services[name] and not OF_SUPERVISORS[method] then
        return calls[method](self, name, argument)
    end
end

--- From now on nothing fails by itself, and nobody stays.
function stage:calm()
    self.cues.over = true
    for name, cue in pairs(self.cues) do
        if name ~= "over" then
            cue("ready")
        end
    end
end

function stage:close()
    self:calm()
    self.rt:close()
end

--- "name killed" or "name lives", of a root that has terminated.
function stage:report()
    local found = {}
    for i, entry in ipairs(self.root:unstopped_service_report() or {}) do
        found[i] = entry.name .. (entry.killed and " killed" or " lives")
    end
    return found
end

return stage
