-- SPDX-License-Identifier: MIT
--
-- The fields of an event are made when they are first read. Nobody is to see that: not by when they are read, nor by
-- how. What the fields say is in event_spec and where each type of event is told.

local recorder = require "spec.support.recorder"
local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local in_time, settle = virtual.test, virtual.settle

local function fails(ctx)
    if ctx.run == 1 then
        error("broken")
    elseif ctx.run == 2 then
        error({ "a table" })
    end
    ctx:wait()
end

-- A tree of which a service has panicked twice, told to a recorder.
local function tell(rt)
    local record = recorder.new()
    local sup = rt:supervisor("root", { event_hook = record.hook, lifecycle_events = true })
    sup:serve_background()
    local token = sup:add("w", fails)
    settle()
    return record, sup, token
end

local function all_of(event)
    local fields = {}
    for name, value in pairs(event) do
        fields[name] = value
    end
    return fields
end

describe("an event", function()
    it("has the same fields, read by name or gone through, in any order", in_time(function(rt)
        local record = tell(rt)
        for _, event in ipairs(record.events) do
            local before = { stacktrace = event.stacktrace, type = event.type, token = event.token }
            local fields = all_of(event)
            assert.is_string(fields.type)
            for name, value in pairs(before) do
                assert.is_true(rawequal(value, fields[name]), name)
            end
            for name, value in pairs(fields) do
                assert.is_string(name)
                assert.is_true(rawequal(value, event[name]), name)
            end
        end
    end))

    it("has one value for a field, however often that is read", in_time(function(rt)
        local record = tell(rt)
        local panic = record:of("service_panic")[1]
        for _, name in ipairs { "stacktrace", "frames", "token", "error", "service", "supervisor" } do
            assert.is_not_nil(panic[name])
            assert.is_true(rawequal(panic[name], panic[name]), name)
        end
        local frames, trace = panic.frames, panic.stacktrace
        assert.is_true(rawequal(frames, all_of(panic).frames))
        assert.equal(trace, all_of(panic).stacktrace)
    end))

    it("says the same long after, when what it tells of is gone", function()
        local rt = sutura.runtime { clock = "virtual" }
        local now, later = {}, recorder.new()
        local sup = rt:supervisor("root", { event_hook = function(event)
            now[#now + 1] = later.hook(event) or all_of(event)
            later.events[#now] = event
        end })
        local unread = recorder.new()
        local other = rt:supervisor("other", { event_hook = unread.hook })
        local token = other:add("w", fails)
        sup:add("w", fails)
        rt:run(function()
            sup:serve_background()
            other:serve_background()
            settle()
            other:remove(token)
            settle()
            sup:stop()
            other:stop()
        end)
        rt:close()
        collectgarbage()
        assert.equal(2, #now)
        for i, event in ipairs(later.events) do
            assert.same(now[i], all_of(event))
        end
        local told = unread.events[2]
        assert.same({ "service_panic", "other", "other/w", "w", "other/w", "other/w" }, { told.type,
            told.supervisor_name, told.path, told.service_name, tostring(told.token), told.because_of })
        assert.equal(token, told.token)
    end)

    it("has a token that equals the service's, read before or after the service is gone", in_time(function(rt)
        local record, sup, token = tell(rt)
        local early, late = record.events[#record.events].token, record:of("service_panic")[1]
        sup:remove(token)
        settle()
        assert.equal(token, early)
        assert.equal(token, late.token)
        local name = tostring(token)
        token, early = nil, nil -- luacheck: ignore
        collectgarbage()
        assert.equal(name, tostring(late.token))
    end))

    it("can be changed by its hook, in a field that was read and in one that was not", in_time(function(rt)
        local record = tell(rt)
        local event = record:of("service_panic")[1]
        event.path = "elsewhere"
        event.note = 1
        assert.same({ "elsewhere", 1, "w" }, { event.path, event.note, event.service_name })
        event.error_msg = nil
        assert.is_nil(event.error_msg)
        assert.is_nil(all_of(event).error_msg)
        assert.matches("^elsewhere: panicked", tostring(event))
    end))

    it("is a plain table once it was gone through or shown", in_time(function(rt)
        local record = tell(rt)
        local shown, seen = record.events[1], record.events[2]
        local _ = tostring(shown)
        all_of(seen)
        for _, event in ipairs { shown, seen } do
            assert.equal(event.type, rawget(event, "type"))
            assert.equal(0, rawlen(event))
        end
    end))

    it("keeps what was set past its metatable", in_time(function(rt)
        local record = tell(rt)
        local event = record:of("service_panic")[1]
        rawset(event, "path", "mine")
        assert.same({ "mine", "mine", "w" }, { event.path, all_of(event).path, event.service_name })
    end))

    it("has a metatable that does no harm on any table", function()
        local metatable = require("sutura.event").metatable
        local large = setmetatable({ sutura.supervisor("large") }, metatable)
        assert.is_nil(large.type)
        assert.is_table(large:map())
        for type = -1, 20 do
            local rows = { type }
            for i = 2, 40 do
                local kind = (i + type) % 3
                rows[i] = kind == 0 and io.stdout or kind == 1 and i or "text"
            end
            local forged = setmetatable(rows, metatable)
            for _, name in ipairs { "type", "token", "stacktrace", "frames", "supervisor", "path", "none" } do
                local _ = forged[name]
            end
            assert.is_string(tostring(forged))
            assert.is_table(forged:map())
        end
        assert.is_nil(setmetatable({}, metatable).type)
        assert.has_error(function() metatable.__pairs(1) end)
        assert.has_error(function() metatable.__newindex(1, 2, 3) end)
        assert.is_nil(metatable.__index(1, "type"))
    end)
end)
