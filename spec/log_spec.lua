-- SPDX-License-Identifier: MIT
--
-- The lines of the default logger, as text and as JSON. Its stderr is a table here, so that the lines can be read.

local event = require "sutura.event"
local json = require "dkjson"
local log = require "sutura.log"

local function an_event(fields)
    fields.type = fields.type or "backoff"
    fields.path = fields.path or "root/web"
    fields.wall = fields.wall or 0
    return setmetatable(fields, event.metatable)
end

describe("the default logger", function()
    local real_stderr, real_getenv = io.stderr, os.getenv
    local written, environment

    before_each(function()
        written, environment = {}, {}
        rawset(io, "stderr", {
            write = function(_, s)
                written[#written + 1] = s
            end,
        })
        rawset(os, "getenv", function(name)
            return environment[name]
        end)
        log.set_isatty(function() return false end)
    end)

    after_each(function()
        rawset(io, "stderr", real_stderr)
        rawset(os, "getenv", real_getenv)
        log.set_format("text")
        log.set_isatty(require("sutura.core").isatty)
    end)

    describe("as text", function()
        it("writes time, type, path and event in one line and one write", function()
            log.default_hook(an_event({ wall = 1700000000.25, current_failures = 6, delay = 15 }))
            assert.same({ "2023-11-14T22:13:20.250Z backoff           "
                .. "root/web: too many failures (6), restarts are paused for 15 s\n" }, written)
        end)

        it("writes the stack trace of a panic beneath it, indented", function()
            log.default_hook(an_event({
                type = "service_panic", error = "boom", error_msg = "boom",
                stacktrace = "stack traceback:\n\tw.lua:1: in f\n\tw.lua:9: in g\27[0m",
            }))
            assert.equal(1, #written)
            local lines = {}
            for line in written[1]:gmatch("[^\n]+") do
                lines[#lines + 1] = line
            end
            assert.matches("root/web: panicked: boom", lines[1])
            assert.same({ "    stack traceback:", "        w.lua:1: in f", [[        w.lua:9: in g\x1B[0m]] },
                { lines[2], lines[3], lines[4] })
        end)

        it("writes the history of a supervisor that gives up beneath its line, indented", function()
            log.default_hook(an_event({
                type = "escalate", path = "root", reason = "too much", history = {
                    an_event({ type = "service_panic", seq = 41, time = 12.5, wall = 1700000000.25, run = 3,
                        error_msg = "bo\nom" }),
                    an_event({ type = "resume", path = "root", seq = 1000000000000000, time = 0, wall = 1700000001 }),
                },
            }))
            assert.equal(1, #written)
            local lines = {}
            for line in written[1]:gmatch("[^\n]+") do
                lines[#lines + 1] = line
            end
            assert.same({
                "1970-01-01T00:00:00.000Z escalate          root: gave up (too much)",
                [[    #41 2023-11-14T22:13:20.250Z, 12.500 s: root/web: panicked: bo\nom (run 3, not restarted)]],
                "    #1000000000000000 2023-11-14T22:13:21.000Z, 0.000 s: root: the pause has ended, restarts resume",
            }, lines)
        end)

        it("has no colour where no terminal is", function()
            log.default_hook(an_event({}))
            assert.is_nil(written[1]:find("\27", 1, true))
        end)

        it("has colour on a terminal, but not with NO_COLOR", function()
            log.set_isatty(function(fd) return fd == 2 end)
            log.default_hook(an_event({}))
            assert.is_truthy(written[1]:find("\27[33mbackoff", 1, true))
            environment.NO_COLOR = "1"
            log.default_hook(an_event({}))
            assert.is_nil(written[2]:find("\27", 1, true))
            environment.NO_COLOR = ""
            log.default_hook(an_event({}))
            assert.is_truthy(written[3]:find("\27", 1, true))
            environment.TERM = "dumb"
            log.default_hook(an_event({}))
            assert.is_nil(written[4]:find("\27", 1, true))
        end)

        it("writes a line of the library's own", function()
            log.report("a hook raised:\nboom")
            assert.matches("^%d+%-%d+%-%d+T%d+:%d+:%d+%.%d+Z report            a hook raised:\\nboom\n$", written[1])
        end)
    end)

    describe("as JSON", function()
        before_each(function()
            assert.is_true(log.set_format("json"))
        end)

        local function object()
            assert.equal(1, #written)
            assert.equal("\n", written[1]:sub(-1))
            assert.is_nil(written[1]:sub(1, -2):find("\n", 1, true))
            return json.decode(written[1])
        end

        it("writes the map of the event with time, level and text", function()
            local e = an_event({
                type = "service_panic", wall = 1700000000.25, seq = 3, error = "bo\nom\xFF", error_msg = "bo\nom\xFF",
                stacktrace = "a\nb", current_failures = 1, failure_threshold = math.huge, restarting = true,
            })
            log.default_hook(e)
            local got = object()
            assert.equal("2023-11-14T22:13:20.250000Z", got.ts)
            assert.equal("error", got.level)
            assert.equal(tostring(e), got.msg)
            for name, value in pairs(e:map()) do
                assert.equal(value, got[name], name)
            end
        end)

        it("writes the history of a supervisor that gives up as an array of maps", function()
            local entries = {
                an_event({ type = "service_panic", seq = 41, time = 12.5, error_msg = "bo\nom\xFF" }),
                an_event({ type = "backoff", seq = 42, current_failures = math.huge }),
            }
            log.default_hook(an_event({ type = "escalate", history = entries }))
            local got = object()
            assert.equal(2, #got.history)
            for i, entry in ipairs(entries) do
                assert.same(entry:map(), got.history[i])
            end
            written = {}
            log.default_hook(an_event({ type = "escalate", history = {} }))
            assert.is_truthy(written[1]:find('"history":[]', 1, true))
        end)

        it("gives a level to each type", function()
            local levels = {
                service_terminate = "error", backoff = "warn", resume = "info", stop_timeout = "error",
                escalate = "error", service_start = "info",
            }
            for kind, level in pairs(levels) do
                written = {}
                log.default_hook(an_event({ type = kind }))
                assert.equal(level, object().level, kind)
            end
        end)

        it("takes a plain end that no restart follows for no failure", function()
            local function level_of(fields)
                written = {}
                log.default_hook(an_event(fields))
                return object().level
            end
            assert.equal("info", level_of({ type = "service_terminate", restarting = false }))
            for field, value in pairs({ error_msg = "no", queued = true, stopping = true, restarting = true }) do
                local fields = { type = "service_terminate", restarting = false }
                fields[field] = value
                assert.equal("error", level_of(fields), field)
            end
        end)

        it("writes a line of the library's own as an object too", function()
            log.report("a hook raised", "report", { path = "root" })
            local got = object()
            assert.equal("a hook raised", got.msg)
            assert.equal("report", got.type)
            assert.equal("root", got.path)
            assert.equal("warn", got.level)
            assert.matches("^%d+%-%d+%-%d+T%d+:%d+:%d+%.%d%d%d%d%d%dZ$", got.ts)
        end)
    end)

    it("never raises", function()
        local hostile = setmetatable({}, { __tostring = function() error("no text") end })
        for _, format in ipairs({ "text", "json" }) do
            log.set_format(format)
            for _, value in ipairs({ hostile, {}, "", 0 / 0, math.huge, 1e300, -1, math.mininteger, true }) do
                log.default_hook(setmetatable({ type = value, path = value, wall = value, stacktrace = value },
                    event.metatable))
                log.default_hook(setmetatable({ type = "escalate", history = value }, event.metatable))
                log.default_hook(an_event({ type = "escalate", history = { value, {
                    seq = value, time = value, wall = value, type = value, path = value,
                } } }))
                log.report(value)
            end
            log.default_hook(nil)
            log.default_hook(hostile)
        end
        assert.is_true(#written > 0)
    end)

    it("loses a line that cannot be written, and goes on", function()
        rawset(io, "stderr", { write = function() error("attempt to use a closed file") end })
        log.default_hook(an_event({}))
        log.report("lost")
        rawset(io, "stderr", nil)
        log.default_hook(an_event({}))
    end)
end)
