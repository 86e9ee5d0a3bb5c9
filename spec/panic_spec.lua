-- SPDX-License-Identifier: MIT
--
-- Panics: whatever a service raises becomes exactly one event, with the value, its text and where it happened, and the
-- supervisor lives.

local recorder = require "spec.support.recorder"
local sutura = require "sutura"
local virtual = require "spec.support.virtual"

-- Runs `body` as the first run of a service and returns the event of its panic. The service must have been restarted,
-- and nothing else may have happened.
local function panic_of(body, spec)
    local event
    virtual.run(function(rt)
        local told = recorder.new()
        local given = { event_hook = told.hook }
        for key, value in pairs(spec or {}) do
            given[key] = value
        end
        local sup = rt:supervisor("A", given)
        local lives
        sup:add("worker", function(ctx)
            if ctx.run == 1 then
                return body(ctx)
            end
            lives = true
            ctx:wait()
        end)
        sup:serve_background()
        sutura.sleep(5)
        assert.is_true(lives)
        assert.same({ "service_panic A/worker" }, told:lines())
        event = told.events[1]
        assert.is_nil(sup:stop())
        assert.equal(1, #told.events)
    end)
    return event
end

local function hostile(metamethods)
    return setmetatable({}, metamethods)
end

local function raising(value)
    return function() error(value) end
end

describe("a panic's value and text", function()
    it("are the string with its place that error made", function()
        local event = panic_of(raising("broken"))
        assert.matches("^spec/panic_spec%.lua:%d+: broken$", event.error)
        assert.equal(event.error, event.error_msg)
        assert.equal(event.error, event.panic_msg)
    end)

    it("are nil and false as raised", function()
        local event = panic_of(raising(nil))
        assert.is_nil(event.error)
        assert.equal("nil", event.error_msg)
        event = panic_of(raising(false))
        assert.is_false(event.error)
        assert.equal("false", event.error_msg)
    end)

    it("are a number, a function and a table as raised", function()
        local event = panic_of(raising(42))
        assert.equal(42, event.error)
        assert.equal("42", event.error_msg)
        event = panic_of(raising(print))
        assert.equal(print, event.error)
        assert.equal(tostring(print), event.error_msg)
        local value = {}
        event = panic_of(raising(value))
        assert.equal(value, event.error)
        assert.equal("{}", event.error_msg)
    end)

    it("use __tostring of the value", function()
        local event = panic_of(raising(hostile({ __tostring = function() return "my text" end })))
        assert.equal("my text", event.error_msg)
    end)

    it("are an error object's sentence", function()
        local err = sutura.wrap(sutura.ERR_TIMEOUT, "no answer")
        local event = panic_of(raising(err))
        assert.equal(err, event.error)
        assert.equal(tostring(err), event.error_msg)
    end)

    it("of a string of 10 MB are the whole value and a bounded text", function()
        local long = ("x"):rep(10 * 1024 * 1024)
        local event = panic_of(function() error(long, 0) end)
        assert.is_true(event.error == long)
        assert.is_true(#event.error_msg < 20000)
        assert.matches("^xxxx.*%.%.%. %(10485760 bytes%)$", event.error_msg)
        assert.is_true(#tostring(event) < 40000)
        event = panic_of(raising(hostile({ __tostring = function() return long end })))
        assert.is_true(#event.error_msg < 20000)
    end)

    it("of a string with zeros are whole", function()
        assert.equal("a\0b", panic_of(function() error("a\0b", 0) end).error_msg)
    end)

    it("survive a __tostring that raises, returns no string, or overflows the stack", function()
        for _, tostring_of in ipairs({
            function() error("no text") end,
            function() error(nil) end,
            function() error(hostile({ __tostring = function() error("deeper") end })) end,
            function() return {} end,
            function() return nil end,
            function(self) return tostring(self) end,
            5,
            function() sutura.sleep(1) end,
            function() coroutine.yield() end,
        }) do
            local value = hostile({ __tostring = tostring_of })
            local event = panic_of(raising(value))
            assert.equal(value, event.error)
            assert.matches("^table: 0x%x+", event.error_msg)
        end
    end)

    it("survive tricks with __name, __index and __metatable", function()
        local name = ("n"):rep(100000)
        local event = panic_of(raising(hostile({ __name = name })))
        assert.matches("^nnnn", event.error_msg)
        assert.is_true(#event.error_msg < 20000)
        event = panic_of(raising(hostile({ __name = 5, __metatable = "locked", __index = error })))
        assert.equal("{}", event.error_msg)
        event = panic_of(raising(hostile({
            __index = function() error("touched") end,
            __eq = function() error("touched") end,
            __len = function() error("touched") end,
        })))
        assert.equal("{}", event.error_msg)
    end)
end)

describe("a panic's stack trace", function()
    local function third() error("deep") end
    local function second() third() return 1 end
    local function first() second() return 1 end

    it("is taken at the raise, in text and in frames, and hides what the user has not written", function()
        local event = panic_of(function() first() end)
        local here = "spec/panic_spec%.lua:%d+: in "
        assert.matches("^stack traceback:\n\t%[C%]: in function 'error'\n\t" .. here .. "upvalue 'third'\n\t" .. here
            .. "upvalue 'second'\n\t" .. here .. "upvalue 'first'\n\t" .. here
            .. "function <spec/panic_spec%.lua:%d+>\n\t%(%.%.%.tail calls%.%.%.%)$", event.stacktrace)
        assert.equal(5, #event.frames)
        assert.same({ source = "[C]", name = "error", what = "C" }, event.frames[1])
        assert.equal("third", event.frames[2].name)
        assert.equal("spec/panic_spec.lua", event.frames[2].source)
        assert.equal("Lua", event.frames[2].what)
        assert.matches("panic_spec.lua:" .. event.frames[2].line .. ": deep$", event.error_msg)
        assert.is_nil(event.frames[2].locals)
    end)

    it("says where an error of the language happened", function()
        local event = panic_of(function()
            local record = {}
            return record.field.deeper
        end)
        assert.matches("attempt to index a nil value %(field 'field'%)", event.error_msg)
        assert.matches("^stack traceback:\n\tspec/panic_spec%.lua:%d+: in ", event.stacktrace)
    end)

    it("keeps the first 20 and the last 10 frames and counts the others", function()
        local function dive(n)
            if n == 0 then
                error("bottom")
            end
            dive(n - 1)
            return n
        end
        local event = panic_of(function() dive(500) end)
        assert.equal(30, #event.frames)
        assert.matches("\n\t%.%.%.\t%(skipping %d+ levels%)", event.stacktrace)
        assert.matches("\n\tspec/panic_spec%.lua:%d+: in .-$", event.stacktrace)
        assert.is_nil(event.stacktrace:find("service_main", 1, true))
    end)

    it("have what there is room for of a name that is longer than that", function()
        local name = ("n"):rep(100)
        local event = panic_of(load(("local function %s() error('here') end %s() return 1"):format(name, name)))
        assert.matches("in local 'n+'", event.stacktrace)
        assert.equal(47, #event.stacktrace:match("'(n+)'"))
    end)

    it("has a section for each coroutine that an error has left by wrap", function()
        local event = panic_of(function()
            local outer = coroutine.wrap(function()
                local inner = coroutine.wrap(function() third() end)
                inner()
            end)
            outer()
        end)
        assert.matches("deep$", event.error_msg)
        local text, sections = event.stacktrace:gsub("\n\tin a coroutine resumed by:", "")
        assert.equal(2, sections)
        assert.matches("^stack traceback:\n\t%[C%]: in function 'error'\n\t[^\n]+upvalue 'third'", text)
    end)

    it("is that of the raise, though a pcall has caught another error before", function()
        local event = panic_of(function()
            pcall(function() first() end)
            error("later")
        end)
        assert.is_nil(event.stacktrace:find("third", 1, true))
        assert.matches("later$", event.error_msg)
    end)

    it("is not taken from an earlier panic", function()
        local told = recorder.new()
        virtual.run(function(rt)
            local sup = rt:supervisor("A", { event_hook = told.hook })
            sup:add("a", function(ctx)
                if ctx.run == 1 then first() end
                ctx:wait()
            end)
            sup:add("b", function(ctx)
                if ctx.run == 1 then coroutine.yield() end
                ctx:wait()
            end)
            sup:add("c", function(ctx)
                if ctx.run == 1 then error(nil) end
                ctx:wait()
            end)
            sup:serve_background()
            sutura.sleep(1)
            sup:stop()
        end)
        assert.matches("third", told.events[1].stacktrace)
        assert.is_nil(told.events[2].stacktrace:find("third", 1, true))
        assert.is_nil(told.events[3].stacktrace:find("third", 1, true))
    end)

    it("of an error in a message handler of the service's own is there", function()
        local event = panic_of(function()
            local ok, text = xpcall(function() error("first") end, function() error("in the handler") end)
            assert(not ok)
            error(text, 0)
        end)
        assert.is_not_nil(event.error_msg)
        assert.matches("^stack traceback:\n\t", event.stacktrace)
    end)

    it("of an error in a closer is there, and the closer's error replaces the first", function()
        local event = panic_of(function()
            local _ <close> = setmetatable({}, { __close = function() error("closer", 0) end })
            error("body", 0)
        end)
        assert.equal("closer", event.error)
        assert.matches("^stack traceback:\n\t", event.stacktrace)
    end)
end)

describe("a panic by a stack overflow", function()
    it("of Lua is one event", function()
        local function endless() return 1 + endless() end
        local event = panic_of(endless)
        assert.matches("stack overflow", event.error_msg)
        assert.equal(30, #event.frames)
        assert.matches("skipping %d%d%d%d+ levels", event.stacktrace)
    end)

    it("of C is one event", function()
        local function nest() return coroutine.wrap(nest)() end
        assert.matches("C stack overflow", panic_of(nest).error_msg)
        local function substitute() return (("x"):gsub("x", substitute)) end
        assert.matches("C stack overflow", panic_of(substitute).error_msg)
    end)

    it("in a closer, or in its error value's __tostring, is one event", function()
        local function endless() return 1 + endless() end
        local event = panic_of(function()
            local _ <close> = setmetatable({}, { __close = endless })
            error("body")
        end)
        assert.matches("stack overflow", event.error_msg)
        local value = hostile({ __tostring = endless })
        event = panic_of(raising(value))
        assert.equal(value, event.error)
        assert.matches("^table: ", event.error_msg)
    end)
end)

describe("locals and upvalues of a panic's frames", function()
    local function variables(list)
        local found = {}
        for _, variable in ipairs(list) do
            found[variable.name] = variable.text
        end
        return found
    end

    local limit = 10
    local function work(count, name)
        local list, on, password = { 1, 2 }, true, "hunter2"
        local long = ("y"):rep(1000)
        error(("%s %s %s %s %s"):format(count, name, list, on, password) .. #long .. limit)
    end

    it("are absent unless the spec asks for them", function()
        local event = panic_of(function() work(1, "n") end)
        assert.is_nil(event.frames[2].locals)
        assert.is_nil(event.frames[2].upvalues)
    end)

    it("are bounded text by name when it does", function()
        local event = panic_of(function() work(3, "na\nme") end, { panic_locals = true })
        local locals = variables(event.frames[2].locals)
        assert.equal("3", locals.count)
        assert.equal('"na\\nme"', locals.name)
        assert.equal("true", locals.on)
        assert.matches("^table: 0x%x+ %(2 items%)$", locals.list)
        assert.equal('"hunter2"', locals.password)
        assert.is_true(#locals.long < 100)
        assert.equal("10", variables(event.frames[2].upvalues).limit)
        assert.is_nil(variables(event.frames[2].upvalues)._ENV)
    end)

    it("call no metamethod", function()
        local touched = false
        local function touch() touched = true end
        panic_of(function()
            local trap = hostile({ __tostring = touch, __index = touch, __len = touch, __pairs = touch })
            error("x" .. type(trap))
        end, { panic_locals = true })
        assert.is_false(touched)
    end)

    it("may be replaced by redact, by name", function()
        local event = panic_of(function() work(3, "n") end, {
            panic_locals = true,
            redact = function(name) if name == "password" or name == "limit" then return "***" end end,
        })
        local locals = variables(event.frames[2].locals)
        assert.equal("***", locals.password)
        assert.equal("3", locals.count)
        assert.equal("***", variables(event.frames[2].upvalues).limit)
    end)

    it("are hidden, and it is reported, when redact raises", function()
        local log = require "sutura.log"
        local report, said = log.report, {}
        log.report = function(text) said[#said + 1] = text end
        local event = panic_of(function() work(3, "n") end, {
            panic_locals = true,
            redact = function(name) if name == "password" then error("no") end end,
        })
        log.report = report
        assert.equal("(redacted)", variables(event.frames[2].locals).password)
        assert.equal("3", variables(event.frames[2].locals).count)
        assert.matches("redact of supervisor 'A' raised: .*no", said[1])
    end)

    it("keep no object alive", function()
        local kept = setmetatable({}, { __mode = "k" })
        local event = panic_of(function()
            local object = {}
            kept[object] = true
            error("x", 0)
        end, { panic_locals = true })
        assert.is_table(event.frames[2].locals)
        collectgarbage()
        assert.is_nil(next(kept))
    end)
end)

describe("the text by format_error", function()
    it("is what it returns, for strings and other values", function()
        local function format(value) return "<" .. type(value) .. ">" end
        assert.equal("<table>", panic_of(raising({}), { format_error = format }).error_msg)
        assert.equal("<string>", panic_of(raising("x"), { format_error = format }).error_msg)
        assert.equal("<nil>", panic_of(raising(nil), { format_error = format }).error_msg)
    end)

    it("is replaced, and it is reported, when it raises or returns no string", function()
        local log = require "sutura.log"
        local report, said = log.report, {}
        log.report = function(text) said[#said + 1] = text end
        local value = {}
        local event = panic_of(raising(value), { format_error = function() error("unformatted") end })
        assert.matches("^table: 0x", event.error_msg)
        assert.equal(value, event.error)
        event = panic_of(raising("x"), { format_error = function() return nil end })
        assert.matches("x$", event.error_msg)
        log.report = report
        assert.matches("format_error of supervisor 'A' raised: .*unformatted", said[1])
        assert.matches("format_error of supervisor 'A' returned no string: ", said[2])
    end)

    it("of 10 MB is bounded", function()
        local event = panic_of(raising({}), { format_error = function() return ("z"):rep(10485760) end })
        assert.is_true(#event.error_msg < 20000)
    end)

    it("cannot wait", function()
        local problem
        panic_of(raising({}), {
            format_error = function()
                problem = select(2, pcall(sutura.sleep, 1))
                return "text"
            end,
        })
        assert.matches("'sleep' cannot wait in a hook or callback", problem)
    end)
end)

describe("the value of a panic", function()
    it("that refers to the dead coroutine is let go after the hook", function()
        local weak = setmetatable({}, { __mode = "v" })
        virtual.run(function(rt)
            local sup = rt:supervisor("A", { event_hook = function() end })
            sup:add("worker", function(ctx)
                if ctx.run == 1 then
                    weak.thread = coroutine.running()
                    error({ thread = weak.thread })
                end
                ctx:wait()
            end)
            sup:serve_background()
            sutura.sleep(1)
            collectgarbage()
            collectgarbage()
            assert.is_nil(weak.thread)
            sup:stop()
        end)
    end)
end)
