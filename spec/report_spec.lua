-- SPDX-License-Identifier: MIT
--
-- The report of a stop: exactly who stands in it, and what it says of each.

local recorder = require "spec.support.recorder"
local services = require "spec.support.services"
local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local settle, in_time = virtual.settle, virtual.test
local sleeper, stubborn = services.sleeper, services.stubborn
local new = recorder.supervisor

local function paths(report)
    local found = {}
    for i, entry in ipairs(report) do
        found[i] = entry.path .. (entry.killed and " killed" or " alive")
    end
    return found
end

describe("the report", function()
    it("is nil when all stopped in time, never an empty list", in_time(function(rt)
        local sup = new(rt, "a")
        sup:add("w", stubborn(9))
        sup:add("raises", function(ctx) ctx:wait() error("late") end)
        sup:serve_background()
        settle()
        assert.same({ n = 1 }, table.pack(sup:stop()))
        assert.same({ n = 1 }, table.pack(sup:unstopped_service_report()))
    end))

    it("of an entry gives path, name, token, service, supervisor, killed, stacktrace and waiting_for", in_time(
        function(rt)
            local sup, record = new(rt, "a", { timeout = 2 })
            local function body(ctx)
                ctx:wait()
                sutura.shield(sutura.sleep, 7)
            end
            local token = sup:add("w", body)
            sup:serve_background()
            settle()
            local report = sup:stop()
            assert.equal(1, #report)
            local entry = report[1]
            local line = debug.getinfo(body, "S").linedefined + 2
            assert.matches(("report_spec.lua:%d: in function"):format(line), entry.stacktrace, 1, true)
            assert.matches("sleep (5.000 s left) at spec/report_spec.lua:" .. line, entry.waiting_for, 1, true)
            local timeout = record:only("stop_timeout")
            assert.same({ timeout.stacktrace, timeout.waiting_for }, { entry.stacktrace, entry.waiting_for })
            entry.stacktrace, entry.waiting_for = nil, nil
            assert.same({ path = "a/w", name = "w", token = token, service = body, supervisor = sup, killed = true,
                state = "stopped", age = 2.0 }, entry)
        end))

    it("says how long each has run: until it was ended, or until now", in_time(function(rt)
        local sup = new(rt, "a", { timeout = 2, stop_order = "parallel" })
        sup:add("ended", stubborn(100))
        sup:add("lives", stubborn(100), { kill = false })
        sutura.sleep(1)
        sup:serve_background()
        sutura.sleep(3)
        sup:restart("ended")
        sutura.sleep(4)
        local function ages()
            local said = {}
            for i, entry in ipairs(assert(sup:unstopped_service_report())) do
                said[i] = ("%s %s %.1f"):format(entry.name, entry.state, entry.age)
            end
            return said
        end
        sup:stop()
        assert.same({ "ended stopped 4.0", "lives stopping 9.0" }, ages())
        sutura.sleep(10)
        assert.same({ "ended stopped 4.0", "lives stopping 19.0" }, ages())
        sutura.sleep(100)
        assert.same({ "ended stopped 4.0", "lives stopped 107.0" }, ages())
    end))

    it("names the object, not its method, and a path with its escapes", in_time(function(rt)
        local sup = new(rt, "a/b", { timeout = 1 })
        local object = { name = "o", serve = function(_, ctx) stubborn(5)(ctx) end }
        sup:add("o", sleeper)
        sup:add(object)
        sup:serve_background()
        settle()
        local entry = sup:stop()[1]
        assert.same({ "a%2Fb/o#2", "o", object }, { entry.path, entry.name, entry.service })
    end))

    it("lists what was killed and what lives, in start order, of the whole tree", in_time(function(rt)
        local a, b, c = new(rt, "a", { timeout = 1 }), new(rt, "b", { timeout = 1 }), new(rt, "c", { timeout = 1 })
        a:add("first", stubborn(100))
        a:add(b)
        b:add("fine", sleeper)
        b:add("left", stubborn(100), { kill = false })
        b:add(c)
        c:add("deep", stubborn(100))
        a:add("last", stubborn(100), { kill = false })
        a:serve_background()
        settle()
        local report = a:stop()
        assert.same({ "a/first killed", "a/b/left alive", "a/b/c/deep killed", "a/last alive" }, paths(report))
        assert.same({ a, b, c, a }, { report[1].supervisor, report[2].supervisor, report[3].supervisor,
            report[4].supervisor })
    end))

    it("of a nested supervisor's own stop is of its subtree", in_time(function(rt)
        local a, b = new(rt, "a"), new(rt, "b", { timeout = 1 })
        a:add("w", stubborn(100))
        a:add(b)
        b:add("in", stubborn(100))
        a:serve_background()
        settle()
        assert.same({ "a/b/in killed" }, paths(b:stop()))
        assert.same({ "a/b/in killed" }, paths(b:unstopped_service_report()))
    end))

    it("leaves out what was removed and killed before this stop", in_time(function(rt)
        local sup, record = new(rt, "a", { timeout = 1 })
        local token = sup:add("w", stubborn(100))
        sup:serve_background()
        settle()
        assert.is_true(sup:remove_and_wait(token))
        assert.equal(1.0, record:only("stop_timeout").time)
        assert.is_nil(sup:stop())
    end))

    it("leaves out what was killed in an earlier restart on purpose", in_time(function(rt)
        local sup = new(rt, "a", { timeout = 1 })
        sup:add("w", function(ctx) if ctx.run == 1 then stubborn(100)(ctx) else ctx:wait() end end)
        sup:serve_background()
        settle()
        sup:restart("w")
        sutura.sleep(2)
        assert.equal(2, sup:children()[1].run)
        assert.is_nil(sup:stop())
    end))

    it("has what was removed before and still lives, and not once that has ended", in_time(function(rt)
        local function stopped_after(seconds)
            local sup = new(rt, "a", { timeout = 1 })
            local token = sup:add("w", stubborn(10), { kill = false })
            sup:serve_background()
            settle()
            sup:remove(token)
            sutura.sleep(seconds)
            return sup:stop()
        end
        assert.same({ "a/w alive" }, paths(stopped_after(5)))
        assert.is_nil(stopped_after(11))
    end))

    it("has what was being removed when the stop came, and ran over its time in it", in_time(function(rt)
        local sup = new(rt, "a", { timeout = 4 })
        local token = sup:add("w", stubborn(100))
        sup:add("v", stubborn(2))
        sup:serve_background()
        settle()
        sup:remove(token)
        sutura.sleep(3)
        assert.same({ "a/w killed" }, paths(sup:stop()))
        assert.same({ "a/w killed" }, paths(sup:unstopped_service_report()))
    end))

    it("has what still lives of a child supervisor that was removed", in_time(function(rt)
        local a, b = new(rt, "a"), new(rt, "b", { timeout = 1 })
        local place = a:add(b)
        b:add("left", stubborn(50), { kill = false })
        a:serve_background()
        settle()
        assert.is_true(a:remove_and_wait(place))
        assert.equal(0, a:count().specs)
        assert.same({ "a/b/left alive" }, paths(a:stop()))
    end))

    it("of a further life tells of that life's stop alone", in_time(function(rt)
        local sup = new(rt, "a", { timeout = 1 })
        sup:add("w", function(ctx) if ctx.run == 1 then stubborn(100)(ctx) else ctx:wait() end end)
        sup:serve_background()
        settle()
        assert.same({ "a/w killed" }, paths(sup:stop()))
        sup:serve_background()
        settle()
        assert.is_nil(sup:stop())
    end))

    it("is waited for by unstopped_service_report while the supervisor runs", in_time(function(rt)
        local sup, helper = new(rt, "a", { timeout = 1 }), new(rt, "helper")
        sup:add("w", stubborn(5))
        sup:serve_background()
        helper:add("stopper", function() sutura.sleep(2) sup:stop() return sutura.DO_NOT_RESTART end)
        helper:serve_background()
        assert.same({ "a/w killed" }, paths(sup:unstopped_service_report()))
        assert.equal(3.0, sutura.now())
    end))

    it("has what hangs in the supervisor that an object contains, with its path through the object", in_time(
        function(rt)
            local a = new(rt, "a", { timeout = 5 })
            local inner = new(rt, "inner", { timeout = 1 })
            inner:add("hangs", stubborn(100))
            a:add{ name = "object", run = { supervisor = inner, serve = function(self, ctx)
                return self.supervisor:serve(ctx)
            end } }
            a:serve_background()
            settle()
            assert.same({ "a/object/inner/hangs killed" }, paths(a:stop()))
        end))

    it("has an object over its time beside what was closed with it", in_time(function(rt)
        local a = new(rt, "a", { timeout = 1 })
        local inner = new(rt, "inner", { timeout = 50 })
        inner:add("hangs", stubborn(100))
        a:add{ name = "object", run = { supervisor = inner, serve = function(self, ctx)
            return self.supervisor:serve(ctx)
        end } }
        a:serve_background()
        settle()
        assert.same({ "a/object killed", "a/object/inner/hangs killed" }, paths(a:stop()))
    end))

    it("does not blame a supervisor above what hangs", in_time(function(rt)
        local a, b = new(rt, "a", { timeout = 1 }), new(rt, "b", { timeout = 20 })
        a:add(b)
        b:add("hangs", stubborn(1000))
        a:serve_background()
        settle()
        assert.same({ "a/b/hangs killed" }, paths(a:stop()))
        assert.equal(20.0, sutura.now())
    end))

    it("has what lives on below a removed supervisor, also after the one between has restarted", in_time(function(rt)
        local a, b, c = new(rt, "a", { timeout = 1 }), new(rt, "b"), new(rt, "c", { timeout = 1 })
        local release
        c:add{ name = "hangs", kill = false, run = function()
            sutura.shield(sutura.await, function(resume) release = resume end)
        end }
        local token = b:add(c)
        a:add(b)
        a:serve_background()
        settle()
        b:remove_and_wait(token)
        a:restart("b")
        settle()
        assert.same({ "a/b/c/hangs alive" }, paths(a:stop()))
        release()
    end))

    it("has not what a supervisor that is left would ask later: it asks all at once, and starts no more", in_time(
        function(rt)
            local a = new(rt, "a", { timeout = 1 })
            local left, below = new(rt, "left", { timeout = 50 }), new(rt, "below")
            local ends = 0
            below:add("meek", function(ctx) ctx:wait() ends = ends + 1 end)
            left:add(below)
            left:add("hangs", stubborn(20))
            a:add(left, { kill = false, shutdown = 1 })
            a:serve_background()
            settle()
            assert.same({ "a/left/hangs alive" }, paths(a:stop()))
            assert.same({ 1, "terminated" }, { ends, below:state() })
            assert.same({ nil, sutura.ERR_NOT_RUNNING }, { below:add("late", sleeper) })
            sutura.sleep(20)
            assert.same({ nil, sutura.ERR_NOT_RUNNING }, { below:restart("meek") })
        end))
end)
