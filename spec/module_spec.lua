-- SPDX-License-Identifier: MIT
--
-- The names of the module itself: what is there, its defaults, what loading it changes, and which runtime it acts on.

local sutura = require "sutura"

local lua = os.getenv("LUA") or "lua5.4"

local function forever()
    sutura.sleep(math.huge)
end

-- A spec whose body is a program on a virtual clock.
local function program(body)
    return function()
        local rt <close> = sutura.runtime({ clock = "virtual" })
        rt:run(function()
            body(rt)
        end)
    end
end

-- Runs a text in a Lua of its own; gives what it wrote to both of its outputs.
local function run_apart(text)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
    local pipe = assert(io.popen(("%s %s 2>&1"):format(lua, path)))
    local said = pipe:read("a")
    pipe:close()
    os.remove(path)
    return said
end

describe("the module", function()
    it("has a version", function()
        assert.matches("^%d+%.%d+%.%d+$", sutura._VERSION)
    end)

    it("has Lua's library, with its own resume and wrap", function()
        local core = require "sutura.core"
        for name, value in pairs(coroutine) do
            assert.equal(core.coroutine[name] or value, sutura.coroutine[name])
        end
        assert.equal(core.coroutine.wrap, sutura.coroutine.wrap)
    end)

    it("puts its resume and wrap into the global table", function()
        assert.equal("true\ttrue\n", run_apart([[
            local sutura = require "sutura"
            print(coroutine.resume == sutura.coroutine.resume, coroutine.wrap == sutura.coroutine.wrap)]]))
    end)

    it("leaves the global table alone with sutura_no_patch", function()
        assert.equal("true\ttrue\tfalse\n", run_apart([[
            sutura_no_patch = true
            local resume, wrap = coroutine.resume, coroutine.wrap
            local sutura = require "sutura"
            print(coroutine.resume == resume, coroutine.wrap == wrap, sutura.coroutine.wrap == wrap)]]))
    end)

    it("has the defaults of the contract", function()
        local normal = require("sutura.spec").supervisor(require "sutura.core", "A", nil, 1)
        assert.same({
            failure_decay = 30.0, failure_threshold = 5.0, failure_backoff = 15.0, resume_spacing = 0.0, timeout = 10.0,
            pass_through_panics = false, dont_propagate_termination = false, panic_locals = false,
            lifecycle_events = false, stop_order = "reverse", strategy = "one_for_one", auto_shutdown = "never",
            history = 64, children = {},
        }, normal)
    end)

    it("names the argument, what was expected and what came, at the caller's line", function()
        local function raises(call)
            local ok, problem = pcall(call)
            assert.is_false(ok)
            return problem
        end
        local line = debug.getinfo(1, "l").currentline
        local by_lua = raises(function() local _ = sutura.supervisor(nil) return _ end)
        local by_c = raises(function() sutura.sleep("x") end)
        local function at(offset, message)
            return ("module_spec.lua:%d: %s"):format(line + offset, message)
        end
        assert.matches(at(1, "supervisor: argument 'name': expected a non-empty string, got nil"), by_lua, 1, true)
        assert.matches(at(2, "bad argument 's' to 'sleep' (seconds as a number expected, got"), by_c, 1, true)
    end)

    it("gives every delay back, without jitter", function()
        assert.equal(1.5, sutura.no_jitter(1.5))
        assert.equal(0, sutura.no_jitter(0))
    end)
end)

describe("the default runtime", function()
    it("is one for the whole Lua state, and the one that module functions act on outside of any", function()
        assert.equal(sutura.default_runtime(), sutura.default_runtime())
        local sup = sutura.supervisor("A")
        assert.has_no_error(function()
            sutura.default_runtime():run(function() return sup:add("B", forever) end)
        end)
        assert.matches("real clock", tostring(sutura.default_runtime()), 1, true)
    end)

    it("runs the default runtime", function()
        local before = sutura.now()
        assert.same({ 1, nil, 3, n = 3 }, table.pack(sutura.run(function()
            sutura.sleep(0.001)
            return 1, nil, 3
        end)))
        assert(sutura.now() >= before + 0.001)
    end)
end)

describe("a function of the module", function()
    it("acts on the runtime that runs the caller", program(function(rt)
        local sup = sutura.supervisor("A")
        sup:add("B", forever)
        sup:serve_background()
        sutura.sleep(1000)
        assert.equal(1000.0, rt:now())
        assert.equal("running", sup:children()[1].state)
        assert.equal("virtual", sutura.default_runtime() ~= rt and "virtual")
        assert.is_nil(sup:stop())
    end))

    it("gives the time of the runtime that runs the caller, which never goes back", program(function(rt)
        assert.equal(0.0, sutura.now())
        sutura.sleep(0.25)
        assert.equal(0.25, sutura.now())
        assert.equal(rt:now(), sutura.now())
        local real = sutura.default_runtime()
        local times = { real:now(), real:now(), real:now() }
        assert(times[1] <= times[2] and times[2] <= times[3])
    end))
end)

describe("tokens of two runtimes", function()
    it("are not equal, even when they are the first of each", function()
        local one <close> = sutura.runtime({ clock = "virtual" })
        local other <close> = sutura.runtime({ clock = "virtual" })
        local token = one:supervisor("A"):add("B", forever)
        local sup = one:supervisor("A")
        assert.not_equal(token, other:supervisor("A"):add("B", forever))
        assert.equal(token, token)
        assert.not_equal(token, sup:add("B", forever))
    end)
end)

describe("an event without a hook", function()
    it("logs to stderr by default", function()
        local said = run_apart([[
            local sutura = require "sutura"
            local rt = sutura.runtime { clock = "virtual" }
            rt:run(function()
                local sup = rt:supervisor("A")
                sup:add("B", function(ctx) if ctx.run == 1 then error("oh", 0) end return sutura.TERMINATE_TREE end)
                sup:serve()
            end)]])
        assert.matches("service_panic +A/B: panicked: oh %(run 1.-%)\n    stack traceback:\n        %[C%]: in", said)
    end)
end)
