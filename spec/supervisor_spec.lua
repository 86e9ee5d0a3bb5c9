-- SPDX-License-Identifier: MIT
--
-- Adding services to a supervisor, in every state it can be in, and what it says of them: paths, tokens, records.
-- How it fails, pauses and stops is said elsewhere.

local recorder = require "spec.support.recorder"
local services = require "spec.support.services"
local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local settle, in_time = virtual.settle, virtual.test
local sleeper = services.sleeper

local function quiet(spec)
    spec = spec or {}
    spec.event_hook = spec.event_hook or function() end
    spec.backoff_jitter = sutura.no_jitter
    return spec
end

local function names(list)
    local found = {}
    for i, record in ipairs(list) do
        found[i] = record.name
    end
    return found
end

describe("adding a service", function()
    it("refuses an object that contains a supervisor of another runtime", in_time(function(rt)
        local other <close> = sutura.runtime { clock = "virtual" }
        local sup = rt:supervisor("a", quiet())
        local object = { name = "o", serve = sleeper, supervisor = other:supervisor("b") }
        local ok, message = pcall(sup.add, sup, object)
        assert.is_false(ok)
        assert.matches("supervisor 'b' belongs to another runtime than 'a'", message, 1, true)
        assert.equal(0, #sup:children())
    end))

    it("as a child leaves the handle of a supervisor's own life with what that ended with", in_time(function(rt)
        local inner = rt:supervisor("b", quiet())
        local handle = inner:serve_background()
        inner:stop()
        local outer = rt:supervisor("a", quiet())
        outer:add(inner)
        outer:serve_background()
        sutura.sleep(1)
        assert.equal("normal", inner:state())
        assert.same({ true, nil, n = 2 }, table.pack(handle:wait(1)))
        outer:stop()
    end))

    it("before serve queues it, and serve starts it", in_time(function(rt)
        local sup, ran = rt:supervisor("a", quiet()), 0
        assert.equal("not_running", sup:state())
        local token = sup:add("one", function(ctx) ran = ran + 1 ctx:wait() end)
        sutura.sleep(1)
        assert.equal(0, ran)
        assert.equal("a/one", tostring(token))
        assert.equal("stopped", sup:children()[1].state)
        sup:serve_background()
        settle()
        assert.equal(1, ran)
        assert.equal("running", sup:children()[1].state)
    end))

    it("to a running supervisor starts it at the end of the run queue, after add has returned", in_time(function(rt)
        local sup, order = rt:supervisor("a", quiet()), {}
        sup:serve_background()
        sup:add("one", function(ctx) order[#order + 1] = "body" ctx:wait() end)
        order[#order + 1] = "returned"
        assert.equal("starting", sup:children()[1].state)
        sutura.yield()
        assert.same({ "returned", "body" }, order)
    end))

    it("to a paused supervisor starts it now", in_time(function(rt)
        local sup, ran = rt:supervisor("a", quiet{ failure_threshold = 0.5 }), false
        sup:add("bad", function() error("no") end)
        sup:serve_background()
        settle()
        assert.equal("paused", sup:state())
        sup:add("late", function(ctx) ran = true ctx:wait() end)
        settle()
        assert.is_true(ran)
        assert.equal("paused", sup:state())
    end))

    it("while the supervisor stops, and after it, is refused with ERR_NOT_RUNNING", in_time(function(rt)
        local sup = rt:supervisor("a", quiet())
        sup:add("slow", function(ctx) ctx:wait() sutura.shield(sutura.sleep, 2) end)
        sup:serve_background()
        settle()
        local report, err = sup:stop(1)
        assert.is_nil(report)
        assert.equal(sutura.ERR_TIMEOUT, err)
        assert.equal("stopping", sup:state())
        assert.same({ nil, sutura.ERR_NOT_RUNNING }, { sup:add("b", sleeper) })
        assert.equal(sutura.ERR_NOT_RUNNING, (select(2, sup:add("b", sleeper))))
        assert.is_nil(sup:stop())
        assert.equal("terminated", sup:state())
        local token
        token, err = sup:add("b", sleeper)
        assert.is_nil(token)
        assert.equal(sutura.ERR_NOT_RUNNING, err)
        assert.equal(1, sup:count().specs)
    end))

    it("takes a function with or without a name, an object, a supervisor, and a spec of any", in_time(function(rt)
        local sup, seen = rt:supervisor("a", quiet()), {}
        local object = { name = "thing", serve = function(self, ctx) seen.object = { self, ctx.name } ctx:wait() end }
        local function body(ctx) seen[ctx.name] = true ctx:wait() end
        local line = debug.getinfo(body, "S").linedefined
        sup:add("fn", body)
        sup:add(body)
        sup:add(object)
        sup:add(object, { name = "again" })
        sup:add(rt:supervisor("sub", quiet()))
        sup:add(rt:supervisor("sub", quiet()), { name = "other" })
        sup:add{ name = "spec", run = body }
        sup:add{ run = object }
        sup:add{ run = rt:supervisor("third", quiet()) }
        sup:serve_background()
        settle()
        assert.same({ "fn", "supervisor_spec.lua:" .. line, "thing", "again", "sub", "other", "spec", "thing",
            "third" }, names(sup:children()))
        assert.is_true(seen.fn and seen.spec and seen["supervisor_spec.lua:" .. line])
        assert.equal(object, seen.object[1])
        assert.equal("thing", seen.object[2])
    end))

    it("names an object by opts.name, else its name, else what tostring gave once", in_time(function(rt)
        local sup, calls = rt:supervisor("a", quiet()), 0
        local object = setmetatable({ serve = sleeper }, { __tostring = function()
            calls = calls + 1
            return "printed " .. calls
        end })
        sup:add(object)
        sup:serve_background()
        settle()
        assert.equal("a/printed 1", tostring(sup:tree().children[1].token))
        assert.same({ "printed 1" }, names(sup:children()))
        assert.equal(1, calls)
    end))

    it("of a supervisor under two parents, under itself or its own descendant raises", in_time(function(rt)
        local a, b, c = rt:supervisor("a", quiet()), rt:supervisor("b", quiet()), rt:supervisor("c", quiet())
        a:add(b)
        b:add(c)
        assert.error_matches(function() c:add(a) end, "add: supervisor 'a' would be under itself")
        assert.error_matches(function() c:add(c) end, "add: supervisor 'c' would be under itself")
        assert.error_matches(function() rt:supervisor("d", quiet()):add(b) end,
            "add: supervisor 'b' is under 'a' already")
        assert.equal(1, a:count().specs)
        assert.equal(0, c:count().specs)
    end))

    it("of one supervisor twice in `children` raises, and leaves it free", in_time(function(rt)
        local sub = rt:supervisor("s", quiet())
        assert.error_matches(function()
            rt:supervisor("a", quiet{ children = { { name = "x", run = sub }, { name = "y", run = sub } } })
        end, "children%[1%] and children%[2%] are the same supervisor")
        assert.is_truthy(rt:supervisor("b", quiet()):add(sub))
    end))

    it("of a supervisor that is served by somebody already raises", in_time(function(rt)
        local a, b = rt:supervisor("a", quiet()), rt:supervisor("b", quiet())
        b:serve_background()
        assert.error_matches(function() a:add(b) end, "supervisor 'b' is being served already")
    end))

    it("of a supervisor, or with a token, of another runtime raises", in_time(function(rt)
        local other = sutura.runtime{ clock = "virtual" }
        local sup, foreign = rt:supervisor("a", quiet()), other:supervisor("b", quiet())
        assert.error_matches(function() sup:add(foreign) end, "belongs to another runtime")
        assert.error_matches(function() foreign:add("x", sleeper) end, "belongs to another runtime")
        other:close()
    end))

    it("starts children depth first, in the order of adding", in_time(function(rt)
        local order = {}
        local function body(ctx) order[#order + 1] = ctx.path ctx:wait() end
        local root, mid = rt:supervisor("r", quiet()), rt:supervisor("m", quiet())
        root:add("one", body)
        root:add(mid)
        mid:add("two", body)
        mid:add("three", body)
        root:add("four", body)
        root:serve_background()
        settle()
        assert.same({ "r/one", "r/m/two", "r/m/three", "r/four" }, order)
    end))

    it("of a loaded supervisor to a running one starts its whole subtree", in_time(function(rt)
        local order = {}
        local function body(ctx) order[#order + 1] = ctx.path ctx:wait() end
        local root, mid = rt:supervisor("r", quiet()), rt:supervisor("m", quiet())
        mid:add("one", body)
        mid:add("two", body)
        root:serve_background()
        root:add(mid)
        assert.same({}, order)
        settle()
        assert.same({ "r/m/one", "r/m/two" }, order)
        assert.equal("normal", mid:state())
    end))

    it("happens for `children` in their order, in any form", in_time(function(rt)
        local order = {}
        local function body(ctx) order[#order + 1] = ctx.name ctx:wait() end
        local sub = rt:supervisor("sub", quiet{ children = { { name = "deep", run = body } } })
        local sup = rt:supervisor("a", quiet{ children = {
            { name = "first", run = body }, sub, { name = "object", serve = function(_, ctx) body(ctx) end },
        } })
        sup:serve_background()
        settle()
        assert.same({ "first", "deep", "object" }, order)
    end))
end)

describe("a name", function()
    it("may be any non-empty string, and is escaped in paths alone", in_time(function(rt)
        local sup = rt:supervisor("ro/ot", quiet())
        local token = sup:add("50%\n/\0x\127é", sleeper)
        assert.equal("ro%2Fot/50%25%0A%2F%00x%7Fé", tostring(token))
        assert.equal("50%\n/\0x\127é", sup:children()[1].name)
        assert.equal("ro/ot", sup.name)
        assert.equal("ro%2Fot", tostring(sup))
    end))

    it("that is used gives the later one a path that ends in #2, and no call by name", in_time(function(rt)
        local sup = rt:supervisor("a", quiet())
        sup:serve_background()
        local first, second, third = sup:add("w", sleeper), sup:add("w", sleeper), sup:add("w", sleeper)
        assert.same({ "a/w", "a/w#2", "a/w#3" }, { tostring(first), tostring(second), tostring(third) })
        local ok, err = sup:restart("w")
        assert.is_nil(ok)
        assert.equal(sutura.ERR_AMBIGUOUS_NAME, err)
        assert.is_true(sup:remove_and_wait(second))
        assert.is_true(sup:remove_and_wait(first))
        assert.is_true(sup:restart("w"))
        assert.equal("a/w#3", tostring(third))
    end))

    it("that nobody has gives ERR_UNKNOWN_SERVICE", in_time(function(rt)
        local sup = rt:supervisor("a", quiet())
        sup:serve_background()
        assert.equal(sutura.ERR_UNKNOWN_SERVICE, (select(2, sup:restart("nobody"))))
    end))
end)

describe("a token", function()
    it("is equal to every token of its service, and names it across restarts", in_time(function(rt)
        local sup, runs = rt:supervisor("a", quiet()), {}
        local token = sup:add("w", function(ctx) runs[#runs + 1] = ctx.token sutura.sleep(1) end)
        sup:serve_background()
        sutura.sleep(1.5)
        assert.equal(2, #runs)
        assert.is_true(runs[1] == token and runs[2] == token and sup:children()[1].token == token)
        assert.is_false(token == sup:add("v", sleeper))
        assert.equal(token, ({ [runs[2]] = token })[token])
    end))

    it("is the one that records have while somebody keeps it, of each of a thousand", in_time(function(rt)
        local sup, tokens = rt:supervisor("a", quiet()), {}
        for i = 1, 1000 do
            tokens[i] = sup:add("w", sleeper)
        end
        for i, child in ipairs(sup:children()) do
            assert.is_true(rawequal(tokens[i], child.token))
        end
    end))

    it("keeps no supervisor alive, and prints its path when that is gone", function()
        local rt <close> = sutura.runtime { clock = "virtual" }
        local gone = setmetatable({}, { __mode = "v" })
        local function token_alone(runtime)
            gone[#gone + 1] = runtime:supervisor("a", quiet())
            return gone[#gone]:add("w", sleeper)
        end
        local elsewhere = sutura.runtime { clock = "virtual" }
        local token, foreign, other = token_alone(rt), token_alone(elsewhere), rt:supervisor("b", quiet())
        elsewhere:close()
        collectgarbage()
        collectgarbage()
        assert.is_nil(next(gone))
        assert.equal("a/w", tostring(token))
        assert.is_false(token == foreign)
        assert.is_false(token == other:add("w", sleeper))
        assert.same({ n = 2, nil, sutura.ERR_WRONG_SUPERVISOR }, table.pack(other:remove(token)))
        assert.has_error(function() other:remove(foreign) end, "'remove': the token belongs to another runtime")
    end)

    it("takes no memory when nobody has it any more #thousands", in_time(function(rt)
        local sup, kept = rt:supervisor("a", quiet()), {}
        local function bytes()
            collectgarbage()
            collectgarbage()
            return collectgarbage("count") * 1024
        end
        local function have(count)
            local tokens = {}
            for i = 1, count do
                tokens[i] = sup:add("w", sleeper)
            end
            collectgarbage()
            for i, token in ipairs(tokens) do
                if i % 2000 == 0 then
                    kept[#kept + 1] = token
                else
                    sup:remove(token)
                end
            end
        end
        local before = bytes()
        have(20000)
        local left = bytes() - before
        assert.is_true(left < 20000, ("20,000 tokens left %d bytes behind"):format(left))
        for i, child in ipairs(sup:children()) do
            assert.is_true(rawequal(kept[i], child.token))
        end
        assert.equal(10, #sup:children())
    end))

    it("is that one in each of two runtimes", function()
        local rts, tokens = {}, {}
        for i = 1, 2 do
            rts[i] = sutura.runtime { clock = "virtual" }
            tokens[i] = {}
        end
        local sups = { rts[1]:supervisor("a", quiet()), rts[2]:supervisor("b", quiet()) }
        for k = 1, 10 do
            for i = 1, 2 do
                tokens[i][k] = sups[i]:add("w", sleeper)
            end
        end
        for i = 1, 2 do
            for k, child in ipairs(sups[i]:children()) do
                assert.is_true(rawequal(tokens[i][k], child.token))
            end
            rts[i]:close()
        end
    end)

    it("that no service has got, for the supervisor has stopped, is nobody's", in_time(function(rt)
        local sup, other = rt:supervisor("a", quiet()), rt:supervisor("b", quiet())
        sup:serve_background()
        sup:stop()
        assert.is_nil(sup:add("w", sleeper))
        local token = other:add("v", sleeper)
        assert.is_true(rawequal(token, other:children()[1].token))
        assert.equal("b/v", tostring(token))
    end))

    it("goes on printing its path when the service is gone", in_time(function(rt)
        local sup = rt:supervisor("a", quiet())
        sup:serve_background()
        local removed, left = sup:add("w", sleeper), sup:add("v", function() return sutura.DO_NOT_RESTART end)
        assert.is_true(sup:remove_and_wait(removed))
        settle()
        assert.equal("a/w", tostring(removed))
        assert.equal("a/v", tostring(left))
    end))

    it("never names a later service, whatever has gone", in_time(function(rt)
        local sup = rt:supervisor("a", quiet())
        sup:serve_background()
        local old = {}
        for i = 1, 600 do
            old[i] = sup:add("w", sleeper)
            assert.is_true(sup:remove_and_wait(old[i]))
        end
        local new = sup:add("w", sleeper)
        for i = 1, 600 do
            assert.is_false(old[i] == new)
            assert.is_true(sup:remove(old[i]))
        end
        settle()
        assert.equal(1, sup:count().active)
    end))

    it("is opaque", in_time(function(rt)
        local token = rt:supervisor("a", quiet()):add("w", sleeper)
        assert.equal("userdata", type(token))
        assert.has_error(function() return token.id end)
        assert.has_error(function() token.id = 1 end)
    end))
end)

describe("an object that contains a supervisor", function()
    it("by a field or a method joins it to paths and hooks", in_time(function(rt)
        local record = recorder.new()
        local sup = rt:supervisor("root", quiet{ event_hook = record.hook })
        local by_field = { name = "field", supervisor = rt:supervisor("in", quiet()) }
        local by_method = { name = "method", inner = rt:supervisor("in", quiet()) }
        function by_method:supervisor() return self.inner end
        function by_field:serve(ctx) return self.supervisor:serve(ctx) end
        function by_method:serve(ctx) return self.inner:serve(ctx) end
        by_field.supervisor:add("w", function() sutura.sleep(1) error("f") end)
        by_method.inner:add("w", function() sutura.sleep(2) error("m") end)
        sup:add(by_field)
        sup:add(by_method)
        sup:serve_background()
        sutura.sleep(2)
        settle()
        assert.same({ "service_panic root/field/in/w", "service_panic root/method/in/w",
            "service_panic root/field/in/w" }, record:lines())
        assert.equal("root/field/in", tostring(by_field.supervisor))
        assert.is_nil(sup:stop())
    end))
end)

describe("what a supervisor says of itself", function()
    it("count gives specs, active, supervisors and workers", in_time(function(rt)
        local sup = rt:supervisor("a", quiet{ failure_threshold = 0.5 })
        sup:add("w", sleeper)
        sup:add("bad", function() error("no") end)
        sup:add(rt:supervisor("s", quiet()))
        assert.same({ specs = 3, active = 0, supervisors = 1, workers = 2 }, sup:count())
        sup:serve_background()
        assert.same({ specs = 3, active = 3, supervisors = 1, workers = 2 }, sup:count())
        settle()
        assert.same({ specs = 3, active = 2, supervisors = 1, workers = 2 }, sup:count())
        sup:stop()
        assert.same({ specs = 3, active = 0, supervisors = 1, workers = 2 }, sup:count())
    end))

    it("services are what was added, in start order, and nil when it does not run", in_time(function(rt)
        local sup, sub = rt:supervisor("a", quiet()), rt:supervisor("s", quiet())
        local object = { name = "o", serve = function(_, ctx) ctx:wait() end }
        sup:add("w", sleeper)
        sup:add(sub)
        sup:add(object)
        assert.is_nil(sup:services())
        sup:serve_background()
        assert.same({ sleeper, sub, object }, sup:services())
        sup:remove(sup:children()[2].token)
        assert.same({ sleeper, object }, sup:services())
        sup:stop()
        assert.is_nil(sup:services())
    end))

    it("children gives a record of each, with its state", in_time(function(rt)
        local sup = rt:supervisor("a", quiet{ failure_threshold = 0.5, failure_backoff = 9 })
        sutura.sleep(2)
        local token = sup:add("good", sleeper)
        sup:add("bad", function() sutura.sleep(1) error("oops", 0) end)
        sup:add("slow", function(ctx) ctx:wait() sutura.shield(sutura.sleep, 5) end)
        sup:serve_background()
        local function states()
            local found = {}
            for i, record in ipairs(sup:children()) do
                found[i] = record.state
            end
            return table.concat(found, " ")
        end
        assert.equal("starting starting starting", states())
        settle()
        assert.equal("running running running", states())
        sutura.sleep(1)
        settle()
        assert.equal("running queued running", states())
        sup:restart("slow")
        settle()
        assert.equal("running queued stopping", states())
        local good, bad, slow = table.unpack(sup:children())
        assert.equal(token, good.token)
        assert.matches("^ctx:wait at .*services%.lua:%d+$", good.waiting_for)
        good.token, good.waiting_for = nil, nil
        assert.same({ name = "good", path = "a/good", kind = "worker", state = "running", restarts = 0, failures = 0,
            run = 1, resumes = 1, since = 2.0, started_at = 2.0, restart = "permanent" }, good)
        assert.equal("oops", bad.last_error)
        assert.equal(1, bad.failures)
        assert.equal(0, bad.restarts)
        assert.is_nil(bad.waiting_for)
        assert.matches("^sleep %(5.000 s left%) at ", slow.waiting_for)
        sutura.sleep(9)
        assert.equal(2, sup:children()[2].run)
        assert.equal(1, sup:children()[2].restarts)
        assert.equal(12.0, sup:children()[2].started_at)
        assert.is_nil(sup:stop())
        assert.equal("stopped stopped stopped", states())
    end))

    it("tree nests the records of the whole subtree below its own", in_time(function(rt)
        local root = rt:supervisor("r", quiet{ failure_threshold = 7 })
        local mid, low = rt:supervisor("m", quiet{ failure_threshold = 0.5 }), rt:supervisor("l", quiet())
        root:add("w", sleeper)
        root:add(mid)
        mid:add(low)
        mid:add("bad", function() error("no") end)
        low:add("deep", sleeper)
        root:serve_background()
        settle()
        local tree = root:tree()
        assert.same({ "r", "r", "supervisor", "running", "normal", 0.0, 7.0 }, { tree.name, tree.path, tree.kind,
            tree.state, tree.supervisor_state, tree.score, tree.failure_threshold })
        assert.same({ "w", "m" }, names(tree.children))
        assert.is_nil(tree.children[1].children)
        local record = tree.children[2]
        assert.same({ "r/m", "supervisor", "running", "paused", 1.0, 0.5 }, { record.path, record.kind, record.state,
            record.supervisor_state, record.score, record.failure_threshold })
        assert.same({ "l", "bad" }, names(record.children))
        assert.same({ "deep" }, names(record.children[1].children))
        assert.same({}, rt:supervisor("empty", quiet()):tree().children)
        assert.same({ "l", "bad" }, names(mid:tree().children))
        assert.equal("r/m", mid:tree().path)
    end))

    it("state goes from not_running over normal, paused and stopping to terminated", in_time(function(rt)
        local sup, seen = rt:supervisor("a", quiet{ failure_threshold = 0.5, failure_backoff = 5 }), {}
        local function look() seen[#seen + 1] = sup:state() end
        sup:add("w", function(ctx)
            if ctx:wait(1) then sutura.shield(sutura.sleep, 2) end
            error("x")
        end)
        look()
        sup:serve_background()
        look()
        sutura.sleep(1.5)
        look()
        sutura.sleep(5)
        look()
        sup:stop(1)
        look()
        sup:stop()
        look()
        assert.same({ "not_running", "normal", "paused", "normal", "stopping", "terminated" }, seen)
    end))

    it("failures is the score, decayed to now", in_time(function(rt)
        local sup = rt:supervisor("a", quiet{ failure_decay = 10 })
        sup:add("w", function(ctx) if ctx.run > 1 then ctx:wait() end error("x") end)
        assert.equal(0, sup:failures())
        sup:serve_background()
        settle()
        assert.equal(1, sup:failures())
        sutura.sleep(10)
        assert.equal(0.5, sup:failures())
        sutura.sleep(20)
        assert.equal(0.125, sup:failures())
    end))
end)
