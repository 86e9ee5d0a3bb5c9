-- SPDX-License-Identifier: MIT
--
-- The trees of a runtime as text, with the stack of each service. How a tree is laid out is in tree_text_spec, what the
-- command does with it in cli_spec.

local sutura = require "sutura"
local recorder = require "spec.support.recorder"
local refusal = require "spec.support.refusal"
local in_time = require("spec.support.virtual").test

local function idle()
    sutura.sleep(1e6)
end

-- An open file that keeps what is written.
local function paper()
    return {
        text = "",
        write = function(self, text)
            self.text = self.text .. text
            return self
        end,
    }
end

local function dumped(rt)
    local file = paper()
    assert.same({ n = 1, true }, table.pack(rt:dump(file)))
    return file.text
end

local function contents(path)
    local file <close> = assert(io.open(path))
    return file:read("a")
end

describe("a dump", function()
    it("has the tree of every root that is served, and beneath each service its stack", in_time(function(rt)
        local root, inner, other = rt:supervisor("root"), rt:supervisor("inner"), rt:supervisor("other")
        root:add("db", idle)
        root:add(inner)
        inner:add("web", function()
            coroutine.wrap(idle)()
        end)
        other:add("idle", idle)
        rt:supervisor("never served"):add("x", idle)
        root:serve_background()
        other:serve_background()
        sutura.sleep(2)
        root:terminate_child("db")
        sutura.sleep(1)
        local line = debug.getinfo(idle, "S").linedefined + 1
        local stack = ("stack traceback:\n%%s[C]: in field 'sleep'\n%%sspec/dump_spec.lua:%d: in "):format(line)
        local text = dumped(rt)
        assert.matches("^3 supervisors, 3 services: 2 running, 1 stopped\n", text)
        assert.matches("\nroot: supervisor running (normal) for 3.000 s, score 0.00 of 5\n"
            .. "  db: worker stopped for 1.000 s, resumes 2\n"
            .. "  inner: supervisor running (normal) for 3.000 s, score 0.00 of 5\n"
            .. "    web: worker running for 3.000 s, waits in sleep (999997.000 s left) at spec/dump_spec.lua:" .. line
            .. ", resumes 1\n        " .. stack:format((" "):rep(12), (" "):rep(12)), text, 1, true)
        assert.matches("\nother: supervisor running (normal) for 3.000 s, score 0.00 of 5\n  idle: worker running",
            text, 1, true)
        assert.matches(("in a coroutine resumed by:\n%s[C]: in"):format((" "):rep(12)), text, 1, true)
        assert.not_matches("never served", text, 1, true)
    end))

    it("has the last error beneath a service, and what has stopped while something of it lives", in_time(function(rt)
        local sup = recorder.supervisor(rt, "root", { timeout = 1 })
        sup:add("flaky", function(ctx)
            if ctx.run == 1 then error("line 1\nline 2", 0) end
            idle()
        end)
        sup:add("stays", function(ctx)
            ctx:wait()
            sutura.shield(sutura.sleep, 50)
        end, { kill = false })
        sup:serve_background()
        sutura.sleep(1)
        assert.matches("\n  flaky: worker running for 1.000 s, [^\n]*restarts 1, failures 1, resumes 2"
            .. "[^\n]*\n      last error: line 1\\nline 2\n      stack traceback:\n", dumped(rt))
        sup:stop()
        assert.matches("^1 supervisor, 2 services: 1 stopping, 1 stopped\nroot: supervisor stopped %(terminated%)",
            dumped(rt))
        sutura.sleep(100)
        assert.equal("0 supervisors, 0 services\n", dumped(rt))
    end))

    it("is of the runtime that runs the caller, and shows the caller too", in_time(function(rt)
        local sup, file = rt:supervisor("root"), paper()
        local line = debug.getinfo(1, "l").currentline + 3
        sup:add("curious", function()
            coroutine.wrap(function()
                sutura.dump(file)
            end)()
            idle()
        end)
        sup:serve_background()
        sutura.sleep(1)
        assert.matches("root: supervisor", file.text)
        local stack = "spec/dump_spec.lua:%d: in function <.*in a coroutine resumed by:\n.*spec/dump_spec.lua:%d: in "
        assert.matches(stack:format(line, line - 1), file.text)
        local outside = sutura.runtime { clock = "virtual" }
        assert.equal("0 supervisors, 0 services\n", dumped(outside))
        outside:close()
    end))

    it("goes to a file by its path, which is made or written over", in_time(function(rt)
        local path = os.tmpname()
        local file = assert(io.open(path, "w"))
        file:write(("x"):rep(1000))
        file:close()
        rt:supervisor("root"):serve_background()
        assert.is_true(rt:dump(path))
        assert.equal("1 supervisor, 0 services\nroot: supervisor running (normal) for 0.000 s, score 0.00 of 5\n",
            contents(path))
        os.remove(path)
    end))

    it("goes to stderr when no file is given", in_time(function(rt)
        rt:supervisor("root"):serve_background()
        local stderr, file = io.stderr, paper()
        rawset(io, "stderr", file)
        local ok, problem = pcall(sutura.dump)
        rawset(io, "stderr", stderr)
        assert.same({ true, true }, { ok, problem })
        assert.matches("root: supervisor running", file.text)
    end))

    it("that cannot be written is nil and why", in_time(function(rt)
        local ok, problem = rt:dump("/nowhere/at/all")
        assert.is_nil(ok)
        assert.matches("^/nowhere/at/all: ", problem)
        ok, problem = rt:dump({ write = function() return nil, "no paper" end })
        assert.same({ nil, "no paper" }, { ok, problem })
        ok, problem = rt:dump("/dev/full")
        assert.is_nil(ok)
        assert.is_string(problem)
    end))

    it("is refused for what is no file, and by a runtime that is closed", in_time(function(rt)
        for _, value in ipairs { 5, true, {} } do
            local problem = refusal.of(function()
                rt:dump(value)
            end)
            assert.matches("dump: argument 'file': expected an open file or a path, got ", problem, 1, true)
        end
        assert.matches("dump: argument 'self': expected a runtime (called with ':'), got ", refusal.of(function()
            rt.dump()
        end), 1, true)
        local closed = sutura.runtime { clock = "virtual" }
        closed:close()
        assert.equal("dump: the runtime is closed", refusal.of(function()
            closed:dump()
        end))
    end))

    it("in a closer leaves the trace of the error that is on its way", in_time(function(rt)
        local sup, record = recorder.supervisor(rt, "root")
        local line
        sup:add("w", function(ctx)
            if ctx.run > 1 then return sutura.DO_NOT_RESTART end
            local _left <close> = setmetatable({}, { __close = function() rt:dump(paper()) end })
            line = debug.getinfo(1, "l").currentline + 1
            error("boom")
        end)
        sup:serve_background()
        sutura.sleep(1)
        local trace = record:only("service_panic").stacktrace
        assert.matches(("spec/dump_spec.lua:%d: in function"):format(line), trace, 1, true)
    end))
end)
