-- SPDX-License-Identifier: MIT
--
-- The annotations in library/, held to the program: what editors and the reference offer is there, and nothing that is
-- there is missing. Methods are looked up behind the locked metatables.

local hogs = require "spec.support.hogs"
local sutura = require "sutura"

local SOURCES = {
    "library/sutura.lua", "library/sutura/spec.lua", "library/sutura/supervisor.lua", "library/sutura/context.lua",
    "library/sutura/runtime.lua", "library/sutura/event.lua",
}

local function read(path)
    local file <close> = assert(io.open(path))
    return file:read("a")
end

-- What the annotations say: fields by class (with those of its parents), functions and values by their prefix.
local function annotated()
    local classes, names = {}, {}
    local class
    local function name(prefix, key)
        names[prefix] = names[prefix] or {}
        names[prefix][key] = true
    end
    for _, path in ipairs(SOURCES) do
        for line in read(path):gmatch("[^\n]*") do
            local own, parent = line:match("^%-%-%-@class ([%w_.]+):? ?([%w_.]*)")
            local field, optional = line:match("^%-%-%-@field ([%w_]+)(%??)")
            local prefix, key = line:match("^function (%w+)[.:]([%w_]+)")
            local value = line:match("^sutura%.([%w_]+) = nil$")
            if own then
                class = {}
                for inherited, kind in pairs(classes[parent] or {}) do
                    class[inherited] = kind
                end
                classes[own] = class
            elseif field then
                class[field] = optional == "?" and "optional" or "required"
            elseif prefix then
                name(prefix, key)
            elseif value then
                name("sutura", value)
            end
        end
    end
    for field in pairs(classes.sutura) do
        name("sutura", field)
    end
    return classes, names
end

local classes, names = annotated()

local function keys_of(set)
    local keys = {}
    for key in pairs(set) do
        keys[#keys + 1] = key
    end
    table.sort(keys)
    return keys
end

-- The methods behind a userdata: its `__index`, or the table that this function keeps.
local function methods_of(userdata)
    local index = debug.getmetatable(userdata).__index
    if type(index) == "table" then
        return index
    end
    for i = 1, 10 do
        local _, value = debug.getupvalue(index, i)
        if type(value) == "table" then
            return value
        end
    end
    error("no methods were found")
end

-- Has every required field of the class, and no field that it does not have.
local function assert_record(class, record)
    local fields = assert(classes[class], class)
    for key in pairs(record) do
        assert(fields[key], ("%s has no field '%s'"):format(class, tostring(key)))
    end
    for key, kind in pairs(fields) do
        if kind == "required" then
            assert(rawget(record, key) ~= nil, ("a %s came without '%s'"):format(class, key))
        end
    end
end

-- Refuses fields that are unknown, and each known one by its name.
local function assert_known(class, make)
    for field in pairs(assert(classes[class], class)) do
        local ok, problem = pcall(make, field, coroutine.create(print))
        assert.is_false(ok, class .. "." .. field)
        assert.matches("field '" .. field .. "'", problem, 1, true)
        assert.not_matches("unknown field", problem, 1, true)
    end
end

local EVENTS = {
    service_panic = "sutura.PanicEvent", service_terminate = "sutura.TerminateEvent",
    backoff = "sutura.BackoffEvent", resume = "sutura.ResumeEvent", stop_timeout = "sutura.StopTimeoutEvent",
    escalate = "sutura.EscalateEvent", service_hog = "sutura.HogEvent",
    service_start = "sutura.ServiceStartEvent", service_stop = "sutura.ServiceStopEvent",
    supervisor_start = "sutura.SupervisorStartEvent", supervisor_stop = "sutura.SupervisorStopEvent",
}

-- A tree that goes through everything that has an event; returns the events, its records and its report.
local function eventful_life()
    local rt = sutura.runtime({ clock = "virtual", seed = 1, slice = 0.05 })
    local life = { events = {}, context = {} }
    rt:run(function()
        local sup = rt:supervisor("A", {
            failure_threshold = 1, lifecycle_events = true, panic_locals = true, timeout = 1,
            event_hook = function(event)
                table.insert(life.events, event)
                life.hogged = life.hogged or event.type == "service_hog"
            end,
        })
        sup:add(rt:supervisor("B"))
        sup:add(rt:supervisor("gives up", { intensity = 0, auto_shutdown = "any_significant", children = {
            { name = "fails", run = error, restart = "transient", significant = true, backoff = {} },
        } }), { restart = "temporary" })
        sup:template { name = "conns", run = sutura.sleep, max_children = 1 }:start(1e6)
        sup:add {
            name = "readies", ready = "notify", start_timeout = 1, heartbeat = 1e7, after = { "conns" },
            run = function(ctx)
                ctx:ready("info")
                sutura.sleep(1e6)
            end,
        }
        sup:add("panics", function(ctx)
            for key in pairs(classes["sutura.Context"]) do
                life.context[key] = life.context[key] or ctx[key]
            end
            local secret = ctx.run
            if secret <= 2 then
                error("no")
            end
            sutura.sleep(1e6)
        end)
        sup:add("fails", function(ctx)
            if ctx.run == 1 then
                return nil, "failed"
            end
            sutura.sleep(1e6)
        end)
        sup:add("hogs", function()
            repeat hogs.compute(0.05) until life.hogged
            sutura.sleep(1e6)
        end, { cpu_share = 1 })
        sup:add("hangs", function()
            sutura.shield(sutura.sleep, 1e6)
        end)
        sup:serve_background()
        sutura.sleep(100)
        life.children, life.tree, life.count = sup:children(), sup:tree(), sup:count()
        life.plan = sup:plan("readies", "panic")
        life.report = sup:stop()
        life.history = sup:history()
    end)
    rt:close()
    return life
end

describe("the annotations", function()
    it("have every name of the module, and no other", function()
        assert.same(keys_of(sutura), keys_of(names.sutura))
    end)

    it("have every method of every object, and no other", function()
        for _, prefix in ipairs { "Template", "Partition" } do -- Supervisors, with a method more.
            for method in pairs(names[prefix]) do
                names.Supervisor[method] = true
            end
        end
        local rt <close> = sutura.runtime({ clock = "virtual" })
        local sup = rt:supervisor("A")
        local handle = sup:serve_background()
        local event = { path = "A" }
        for prefix, methods in pairs {
            Supervisor = methods_of(sup), Runtime = methods_of(rt), Handle = methods_of(handle),
            Context = methods_of(sutura.context()), Event = require("sutura.event").methods,
        } do
            assert.same(keys_of(methods), keys_of(names[prefix]), prefix .. " of " .. event.path)
        end
    end)

    it("have every field of the specs of supervisors, children and templates, and no other", function()
        assert_known("sutura.SupervisorSpec", function(field, value)
            sutura.supervisor("A", { [field] = value })
        end)
        assert_known("sutura.ChildSpec", function(field, value)
            local spec = { name = "a", run = print, ready = field == "start_timeout" and "notify" or nil }
            spec[field] = value
            sutura.supervisor("A"):add(spec)
        end)
        assert_known("sutura.Backoff", function(field, value)
            sutura.supervisor("A"):add("a", print, { backoff = { [field] = value } })
        end)
        assert_known("sutura.TemplateSpec", function(field, value)
            local spec = { name = "a", run = print, ready = field == "start_timeout" and "notify" or nil }
            spec[field] = value
            sutura.supervisor("A"):template(spec)
        end)
        assert_known("sutura.SupervisorSettings", function(field, value)
            sutura.supervisor("A"):update { [field] = value }
        end)
        local settings = require("sutura.settings").NAMES
        assert.same(settings, keys_of((function(class)
            local known = { event_hook = true }
            for field in pairs(class) do
                known[field] = true
            end
            return known
        end)(classes["sutura.SupervisorSettings"])))
    end)

    it("have every field of each type of event", function()
        local seen = {}
        for _, event in ipairs(eventful_life().events) do
            seen[event.type] = true
            assert_record(EVENTS[event.type], event)
            for _, frame in ipairs(event.frames or {}) do
                assert_record("sutura.Frame", frame)
                for _, variable in ipairs(frame.locals or {}) do
                    assert_record("sutura.Variable", variable)
                end
            end
        end
        assert.same(keys_of(EVENTS), keys_of(seen))
    end)

    it("have every field of a history's entries", function()
        local life = eventful_life()
        for _, entry in ipairs(life.history) do
            assert_record("sutura.HistoryEntry", entry)
        end
        for _, event in ipairs(life.events) do
            for _, entry in ipairs(event.history or {}) do
                assert_record("sutura.HistoryEntry", entry)
            end
        end
    end)

    it("have every field of records, counts, plans and reports", function()
        local life = eventful_life()
        assert_record("sutura.Record", life.tree)
        for _, record in ipairs(life.children) do
            assert_record("sutura.Record", record)
        end
        assert_record("sutura.Count", life.count)
        assert_record("sutura.Plan", life.plan)
        for _, event in ipairs(life.plan.events) do
            assert_record("sutura.PlannedEvent", event)
        end
        assert.equal(1, #life.report)
        assert_record("sutura.Unstopped", life.report[1])
    end)

    it("have the fields of a service's context", function()
        assert.same(keys_of(classes["sutura.Context"]), keys_of(eventful_life().context))
    end)

    it("name only types that they have", function()
        local known = {}
        for _, path in ipairs(SOURCES) do
            for class in read(path):gmatch("%-%-%-@class ([%w_.]+)") do
                known[class] = true
            end
            for alias in read(path):gmatch("%-%-%-@alias ([%w_.]+)") do
                known[alias] = true
            end
        end
        for _, path in ipairs(SOURCES) do
            for line in read(path):gmatch("%-%-%-@[^\n]*") do
                for class in line:gmatch("sutura%.%u%l[%w_]*") do
                    assert(known[class], ("%s: there is no %s"):format(path, class))
                end
            end
        end
    end)
end)
