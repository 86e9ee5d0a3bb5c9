-- SPDX-License-Identifier: MIT
--
-- The text and the map of an event, for any content of its fields.

local event = require "sutura.event"

local function an_event(fields)
    fields.type = fields.type or "service_terminate"
    fields.path = fields.path or "root/web"
    return setmetatable(fields, event.metatable)
end

local hostile = setmetatable({}, {
    __tostring = function() error("no text") end,
    __index = function() error("no field") end,
    __len = function() error("no length") end,
    __pairs = function() error("no pairs") end,
    __eq = function() error("no equality") end,
    __name = 42,
})

describe("the text of an event", function()
    local function text_of(fields)
        return tostring(an_event(fields))
    end

    it("says who panicked, with what, and what follows", function()
        assert.equal("root/web: panicked: w.lua:1: boom (run 3, failures 2.5 of 5, restarting)", text_of({
            type = "service_panic", error = "w.lua:1: boom", error_msg = "w.lua:1: boom", run = 3,
            current_failures = 2.5, failure_threshold = 5, restarting = true, stopping = false,
        }))
    end)

    it("tells an end without error from one with an error", function()
        assert.equal("root/web: ended (run 1, failures 1 of inf, restarting)", text_of({
            run = 1, current_failures = 1, failure_threshold = math.huge, restarting = true,
        }))
        assert.equal("root/web: failed: refused (run 1, failures 6 of 5, not restarting now)", text_of({
            error = "refused", error_msg = "refused", run = 1, current_failures = 6.0, failure_threshold = 5,
            restarting = false, queued = true,
        }))
    end)

    it("tells a restart at once from one after a delay, one after the pause, and none", function()
        local function text_of_restart(fields)
            fields.run, fields.current_failures, fields.failure_threshold = 1, 1, 5
            return text_of(fields):match(", ([^,]*)%)$")
        end
        assert.equal("restarting", text_of_restart({ restarting = true }))
        assert.equal("restarting in 2.5 s", text_of_restart({ restarting = true, delay = 2.5 }))
        assert.equal("not restarting now", text_of_restart({ restarting = false, queued = true }))
        assert.equal("not restarted", text_of_restart({ restarting = false }))
    end)

    it("says that an end while stopping does not count", function()
        assert.equal("root/web: failed: late (run 2, while stopping, not counted)", text_of({
            error = "late", error_msg = "late", run = 2, current_failures = 0, failure_threshold = 5, stopping = true,
        }))
    end)

    it("says how long a pause is and that it has ended", function()
        assert.equal("root/web: too many failures (5.97), restarts are paused for 15.25 s",
            text_of({ type = "backoff", current_failures = 5.969, delay = 15.25 }))
        assert.equal("root/web: the pause has ended, restarts resume", text_of({ type = "resume" }))
    end)

    it("says where a service was that did not stop", function()
        assert.equal("root/web: did not stop in its time, closed by force; it was in sleep at w.lua:3",
            text_of({ type = "stop_timeout", killed = true, waiting_for = "sleep at w.lua:3" }))
        assert.equal("root/web: did not stop in its time, left running",
            text_of({ type = "stop_timeout", killed = false }))
    end)

    it("says why a supervisor gave up, and why something started or stopped", function()
        assert.equal("root/web: gave up (intensity): boom",
            text_of({ type = "escalate", reason = "intensity", error = "boom", error_msg = "boom" }))
        assert.equal("root/web: started", text_of({ type = "service_start" }))
        assert.equal("root/web: started", text_of({ type = "service_start", reason = "first start" }))
        assert.equal("root/web: started again after: w.lua:3: boom",
            text_of({ type = "service_start", reason = "w.lua:3: boom" }))
        assert.equal("root/web: stopped (removed)", text_of({ type = "service_stop", reason = "removed" }))
        assert.equal("root/web: started", text_of({ type = "supervisor_start" }))
        assert.equal("root/web: stopped (asked)", text_of({ type = "supervisor_stop", reason = "asked" }))
    end)

    it("says because of whom, when that is somebody else and the error does not", function()
        local function line(because_of, message)
            return text_of({ type = "supervisor_stop", path = "root/a", because_of = because_of, reason = message })
        end
        assert.equal("root/a: stopped (stopped well), because of root/b", line("root/b", "stopped well"))
        assert.equal("root/a: stopped (it)", line("root/a", "it"))
        assert.equal("root/a: stopped (it)", line(nil, "it"))
        assert.equal("root/a: stopped (root/a/w: boom)", line("root/a/w", "root/a/w: boom"))
        assert.equal("root/a: stopped (root/a/w2: boom), because of root/a/w", line("root/a/w", "root/a/w2: boom"))
        assert.equal([[root/a: stopped (it), because of a\nb]], line("a\nb", "it"))
    end)

    it("is one line without control bytes, whatever the error says", function()
        local text = text_of({ error_msg = "a\nb\r\tc\0d\27[31me\127f\xFFg\xC2\x9Bh\xE2\x80\xA8i" })
        assert.is_nil(text:find("%c"))
        assert.is_truthy(text:find([[a\nb\r\tc\x00d\x1B[31me\x7Ff\xFFg\u{9B}h\u{2028}i]], 1, true))
        assert.is_truthy(utf8.len(text))
    end)

    it("keeps what is proper UTF-8", function()
        assert.is_truthy(text_of({ error_msg = "não é possível" }):find("não é possível", 1, true))
    end)

    it("has a bound", function()
        local text = text_of({ error_msg = ("\n"):rep(10000000), path = ("p"):rep(100000) })
        assert.is_true(#text < 10000)
        assert.matches("bytes left out", text)
    end)
end)

describe("the map of an event", function()
    it("has the fields of the event but for those that only a program can use", function()
        local supervisor, service = {}, {}
        local token = setmetatable({}, { __tostring = function() return "root/web" end })
        local map = an_event({
            type = "service_panic", time = 1.5, wall = 1700000000.25, seq = 7, supervisor = supervisor,
            supervisor_name = "root", service = service, service_name = "web", token = token, history = { {} },
            error = { "boom" }, error_msg = "boom", panic_msg = "boom", stacktrace = "stack\n\tline", frames = { {} },
            restarting = true,
        }):map()
        assert.same({
            type = "service_panic", path = "root/web", time = 1.5, wall = 1700000000.25, seq = 7,
            supervisor_name = "root", service_name = "web", token = "root/web", error = "boom", error_msg = "boom",
            panic_msg = "boom", stacktrace = "stack\n\tline", restarting = true,
        }, map)
        assert.is_nil(getmetatable(map))
    end)

    it("has numbers that every encoder takes", function()
        local map = an_event({ delay = math.huge, current_failures = 0 / 0, failure_threshold = -math.huge }):map()
        assert.equal("inf", map.delay)
        assert.equal("nan", map.current_failures)
        assert.equal("-inf", map.failure_threshold)
    end)

    it("has strings that are valid UTF-8, with other bytes written out", function()
        local map = an_event({ error_msg = "caf\xE9 \xF0\x9F\x8C\x99 \xED\xA0\x80 end" }):map()
        assert.equal([[caf\xE9 ]] .. "\xF0\x9F\x8C\x99" .. [[ \xED\xA0\x80 end]], map.error_msg)
        assert.equal(map.error_msg, map.error)
    end)

    it("has bounded strings that are not cut inside a character", function()
        for _, character in ipairs({ "é", "€", "𝄞" }) do
            for before = 0, #character - 1 do
                local message = ("."):rep(before) .. character:rep(100000)
                local map = an_event({ error_msg = message, stacktrace = ("x"):rep(1000000) }):map()
                assert.is_true(#map.error_msg < 5000)
                assert.is_truthy(utf8.len(map.error_msg))
                assert.is_nil(map.error_msg:find("\\x", 1, true))
                assert.is_true(#map.stacktrace < 40000)
            end
        end
    end)

    it("agrees with the text and the fields", function()
        local e = an_event({ type = "service_panic", error = { code = 1 }, error_msg = "code 1", panic_msg = "code 1" })
        local map = e:map()
        assert.equal(e.error_msg, map.error)
        assert.is_truthy(tostring(e):find(map.error, 1, true))
        assert.is_truthy(tostring(e):find(map.path, 1, true))
    end)

    it("has no error if there was none", function()
        assert.is_nil(an_event({}):map().error)
    end)
end)

describe("an event with hostile fields", function()
    local TYPES = {
        "service_panic", "service_terminate", "backoff", "resume", "stop_timeout", "escalate", "service_start",
        "service_stop", "supervisor_start", "supervisor_stop", "never heard of",
    }
    local FIELDS = {
        "path", "error", "error_msg", "panic_msg", "run", "current_failures", "failure_threshold", "delay", "reason",
        "waiting_for", "token", "stacktrace", "restarting", "stopping", "killed", "wall", "time", "seq",
    }

    it("still has a text and a map", function()
        for _, value in ipairs({ hostile, {}, print, "", 0, -1, true, ("x"):rep(100000), math.mininteger }) do
            for _, kind in ipairs(TYPES) do
                local fields = { type = kind }
                for _, name in ipairs(FIELDS) do
                    fields[name] = value
                end
                local e = setmetatable(fields, event.metatable)
                assert.is_string(tostring(e))
                assert.is_table(e:map())
            end
        end
    end)

    it("still has them with no field at all, or a type that is no text", function()
        for _, fields in ipairs({ {}, { type = hostile }, { type = 42 }, { [1] = 2, [hostile] = 3 } }) do
            local e = setmetatable(fields, event.metatable)
            assert.is_string(tostring(e))
            assert.is_table(e:map())
        end
    end)

    it("is read without its metamethods", function()
        assert.is_string(event.text(hostile))
        assert.same({}, event.map(hostile))
        assert.same({}, event.map(nil))
        assert.is_string(event.text(nil))
    end)
end)
