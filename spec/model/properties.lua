-- SPDX-License-Identifier: MIT
--
-- What must hold of every story, whatever the model says of it: looked for in sutura's own journal and tree after each
-- step. Each has a name, which a violation gives. Those that need a story made for them are in spec/model_spec.lua.

local properties = {}
properties.__index = properties

local BACKOFFS = { backoff = true, resume = true }
local MOST_KEPT = 64

function properties.new()
    return setmetatable({ started = {}, running = {}, paused = {}, report = {} }, properties)
end

-- Every start has exactly one end, and no service has two runs at once.
function properties:P1_start_end_pairing(entry)
    if entry.begins then
        assert(not self.running[entry.begins], entry.begins .. " has begun a second run beside its first")
        self.running[entry.begins] = true
        self.started[entry.begins] = (self.started[entry.begins] or 0) + 1
    elseif entry.ends then
        assert(self.running[entry.ends], entry.ends .. " has ended without having begun")
        self.running[entry.ends] = nil
    end
end

-- Once the root has stopped nothing runs but what its report says.
function properties:P2_quiet_after_stop(entry)
    if self.stopped then
        assert(not entry.begins, tostring(entry.begins) .. " has begun after the stop")
        assert(not entry.ends or self.report[entry.ends] == "lives",
            tostring(entry.ends) .. " ran after the stop, and the report says nothing of it")
    end
end

-- A begin is told after it, and so is an end, by the number of its run; a service is over its time only while it runs;
-- there is no resume without a backoff.
function properties:P5_per_service_order(entry)
    local name = entry.service
    if entry.type == "stop_timeout" then
        assert(self.running[name], name .. " was over its time, and does not run")
    elseif BACKOFFS[entry.type] then
        assert(entry.type == "backoff" or self.paused[entry.path], entry.path .. " resumed without a backoff")
        self.paused[entry.path] = entry.type == "backoff"
    elseif entry.run and self.started[name] then
        assert(entry.run == self.started[name], ("%s tells of run %d of %s, and begun was run %d"):format(entry.type,
            entry.run, name, self.started[name]))
        assert(not self.running[name] or entry.type == "service_start" or entry.text == "other",
            name .. " has ended, as it is told, and runs")
    end
end

-- What queued has been tried when a pause is over, or has its time.
function properties:P6_drain_on_resume(record)
    if record.supervisor_state == "normal" then
        for _, child in ipairs(record.children) do
            assert(child.state ~= "queued" or child.next_try, child.path .. " is queued, and nothing pauses")
        end
    end
    for _, child in ipairs(record.children) do
        if child.kind == "supervisor" then
            self:P6_drain_on_resume(child)
        end
    end
end

-- The report of a stop has all that live on, and nobody twice.
function properties:P7_report_exact(stage)
    self.report = {}
    for _, line in ipairs(stage:report()) do
        local name, fate = line:match("^(%S+) (%a+)$")
        assert(not self.report[name], name .. " is in the report twice")
        assert(fate == "lives" or not self.running[name], name .. " was closed by force, and runs")
        self.report[name] = fate
    end
    for name in pairs(self.running) do
        assert(self.report[name], name .. " still runs, and the report says nothing of it")
    end
end

-- The history keeps so many events, and counts the others.
function properties.P14_bounded(_, sup)
    local kept, gone = sup:history()
    assert(#kept <= MOST_KEPT, ("a history of %d events"):format(#kept))
    assert(gone == 0 or #kept == MOST_KEPT, ("%d events are gone from a history of %d"):format(gone, #kept))
end

-- A line of the journal in parts.
local function read(line)
    local sign, name = line:match("^([+-])(%S+)$")
    if sign then
        return { begins = sign == "+" and name or nil, ends = sign == "-" and name or nil }
    end
    local type, path = line:match("^%d+ ns: (%S+) (%S+)")
    if type then
        return { type = type, path = path, service = path:match("[^/]+$"), run = tonumber(line:match(" run=(%d+)")),
            text = line:match(" text=(%S+)") }
    end
    return {}
end

--- Looks at what a step has led to. Raises a text that names the property.
function properties:watch(journal, stage)
    local root = stage.root
    for _, line in ipairs(journal) do
        if line:match("^serve %S+: true$") then
            self.stopped = false
        end
        local entry = read(line)
        self:check("P2_quiet_after_stop", entry)
        self:check("P1_start_end_pairing", entry)
        self:check("P5_per_service_order", entry)
    end
    self:check("P6_drain_on_resume", root:tree())
    self:check("P14_bounded", root)
    self.stopped = root:state() == "terminated"
    if self.stopped then
        self:check("P7_report_exact", stage)
    end
end

function properties:check(name, ...)
    local ok, problem = pcall(self[name], self, ...)
    if not ok then
        error(name .. ": " .. tostring(problem), 0)
    end
end

return properties
