-- SPDX-License-Identifier: MIT
--
-- Contexts: ends that pass down, deadlines, values, and the wait for an end.

local sutura = require "sutura"

describe("a context", function()
    local runtime

    before_each(function()
        runtime = sutura.runtime({ clock = "virtual", seed = 1 })
    end)

    after_each(function()
        runtime:close()
    end)

    -- A spec whose body is a program of the runtime.
    local function program(body)
        return function() runtime:run(body) end
    end

    it("that is a root has no end, no deadline and no values", program(function()
        local root = sutura.context()
        assert.is_false(root:cancelled())
        assert.is_nil(root:err())
        assert.is_nil(root:cause())
        assert.is_nil(root:deadline())
        assert.is_nil(root:value("key"))
        assert.equal("context (root)", tostring(root))
        assert.is_nil(root.name)
    end))

    it("ends when it is cancelled, with the cause that was given", program(function()
        local ctx, cancel = sutura.context():with_cancel()
        assert.is_false(ctx:cancelled())
        cancel("enough")
        assert.is_true(ctx:cancelled())
        assert.equal(sutura.CANCELED, ctx:err())
        assert.equal("enough", ctx:cause())
        assert.equal("context (with cancel, ended)", tostring(ctx))
    end))

    it("has CANCELED as its cause when none was given", program(function()
        local ctx, cancel = sutura.context():with_cancel()
        cancel()
        assert.equal(sutura.CANCELED, ctx:cause())
    end))

    it("keeps its first end", program(function()
        local ctx, cancel = sutura.context():with_cancel()
        cancel("first")
        cancel("second")
        assert.equal("first", ctx:cause())
    end))

    it("passes its end and its cause down, not up", program(function()
        local top, cancel_top = sutura.context():with_cancel()
        local middle, cancel_middle = top:with_value("k", 1):with_cancel()
        local below = middle:with_timeout(5)
        local sibling = top:with_cancel()
        cancel_middle("middle")
        assert.is_false(top:cancelled())
        assert.is_false(sibling:cancelled())
        assert.equal("middle", below:cause())
        assert.equal(sutura.CANCELED, below:err())
        cancel_top("top")
        assert.equal("top", sibling:cause())
        assert.equal("middle", below:cause())
    end))

    it("is ended from the start under one that has ended", program(function()
        local ctx, cancel = sutura.context():with_cancel()
        cancel("before")
        local child = ctx:with_timeout(5)
        assert.is_true(child:cancelled())
        assert.equal("before", child:cause())
        assert.is_true(ctx:with_value("k", 1):cancelled())
    end))

    it("reaches thousands below it at once", program(function()
        local ctx, cancel = sutura.context():with_cancel()
        local deepest = ctx
        for _ = 1, 20000 do
            deepest = deepest:with_cancel()
        end
        cancel("deep")
        assert.equal("deep", deepest:cause())
    end))

    it("ends by itself at its deadline", program(function()
        sutura.sleep(1)
        local ctx = sutura.context():with_timeout(2)
        assert.equal(3, ctx:deadline())
        sutura.sleep(1.999)
        assert.is_nil(ctx:err())
        sutura.sleep(0.001)
        assert.equal(sutura.DEADLINE_EXCEEDED, ctx:err())
        assert.equal(sutura.DEADLINE_EXCEEDED, ctx:cause())
        assert.equal(3, ctx:deadline())
    end))

    it("has the earliest deadline above it", program(function()
        local early = sutura.context():with_timeout(1)
        local late = early:with_timeout(5)
        assert.equal(1, late:deadline())
        assert.equal(1, late:with_value("k", 1):deadline())
        assert.equal(0.5, early:with_timeout(0.5):deadline())
        sutura.sleep(1)
        assert.equal(sutura.DEADLINE_EXCEEDED, late:err())
    end))

    it("with no time at all has ended at once", program(function()
        local ctx = sutura.context():with_timeout(0)
        assert.equal(sutura.DEADLINE_EXCEEDED, ctx:err())
    end))

    it("with endless time has no deadline", program(function()
        local ctx, cancel = sutura.context():with_timeout(math.huge)
        assert.is_nil(ctx:deadline())
        cancel("by hand")
        assert.equal("by hand", ctx:cause())
    end))

    it("refuses a time that is none, by name", program(function()
        local root = sutura.context()
        local _, message = pcall(function() root:with_timeout(-1) end)
        assert.matches("^spec/context_spec.lua:%d+: bad argument 's' to 'with_timeout' "
            .. "%(seconds, 0 or more, expected, got %-1%)$", message)
        for _, wrong in ipairs({ 0 / 0, "1", false }) do
            assert.has_error(function() root:with_timeout(wrong) end)
        end
        assert.has_error(function() root:with_timeout() end)
        assert.has_error(function() root:with_value(nil, 1) end)
        assert.has_error(function() root.with_cancel({}) end)
    end))

    it("knows the values of all above it, the nearest first", program(function()
        local key = {}
        local ctx = sutura.context():with_value(key, "high"):with_value("other", false):with_cancel()
        local near = ctx:with_value(key, "low"):with_timeout(1)
        assert.equal("high", ctx:value(key))
        assert.equal("low", near:value(key))
        assert.is_false(near:value("other"))
        assert.is_nil(near:value("unknown"))
    end))

    it("that nobody keeps leaves neither timer nor link", program(function()
        local top, cancel = sutura.context():with_cancel()
        local kept = setmetatable({}, { __mode = "k" })
        for _ = 1, 100 do
            kept[top:with_timeout(1000)] = true
            kept[top:with_cancel()] = true
        end
        collectgarbage()
        collectgarbage()
        assert.is_nil(next(kept))
        cancel()
    end))

    it("is kept by one below it", program(function()
        local below
        do
            local above = sutura.context():with_timeout(1)
            below = above:with_cancel()
        end
        collectgarbage()
        collectgarbage()
        sutura.sleep(1)
        assert.equal(sutura.DEADLINE_EXCEEDED, below:err())
    end))

    it("that is closed with its block is cancelled", program(function()
        local kept
        do
            local ctx <close> = sutura.context():with_timeout(10)
            kept = ctx
        end
        assert.equal(sutura.CANCELED, kept:err())
    end))

    it("belongs to one runtime", function()
        local ctx, cancel = runtime:run(function() return sutura.context():with_cancel() end)
        local other <close> = sutura.runtime({ clock = "virtual" })
        other:run(function()
            local _, message = pcall(function() ctx:with_cancel() end)
            assert.matches("^spec/context_spec.lua:%d+: bad argument 'self' to 'with_cancel' "
                .. "%(context of this runtime expected, got one of another%)$", message)
            assert.has_error(function() ctx:wait() end)
            assert.has_error(function() cancel() end)
        end)
        cancel()
        assert.is_true(ctx:cancelled())
    end)

    it("of a closed runtime derives nothing and waits for nothing", function()
        local closed = sutura.runtime({ clock = "virtual" })
        local ctx = closed:run(function() return sutura.context():with_timeout(5) end)
        closed:close()
        assert.is_false(ctx:cancelled())
        assert.has_error(function() ctx:with_cancel() end)
        assert.has_error(function() ctx:wait(1) end)
    end)
end)

describe("waiting for a context", function()
    local runtime

    before_each(function()
        runtime = sutura.runtime({ clock = "virtual", seed = 1 })
    end)

    after_each(function()
        runtime:close()
    end)

    local function program(body)
        return function() runtime:run(body) end
    end

    -- Serves `body` as a service, asks it to stop after `seconds`, and gives what the body returned.
    local function stop_after(seconds, body)
        local result
        local sup = sutura.supervisor("A", { timeout = 100, event_hook = function() end })
        sup:add("worker", function(ctx) result = table.pack(body(ctx)) end)
        sup:serve_background()
        sutura.sleep(seconds)
        sup:stop()
        return table.unpack(result)
    end

    it("gives true when it ends and false when the limit passes first", program(function()
        local ctx = sutura.context():with_timeout(3)
        assert.is_false(ctx:wait(1))
        assert.equal(1, sutura.now())
        assert.is_true(ctx:wait(5))
        assert.equal(3, sutura.now())
        assert.is_true(ctx:wait())
        assert.equal(3, sutura.now())
    end))

    it("gives way once when the limit is 0", program(function()
        local others = 0
        local sup = sutura.supervisor("A")
        sup:add("other", function(ctx)
            while not ctx:wait(0) do
                others = others + 1
            end
        end)
        sup:serve_background()
        local root = sutura.context()
        for _ = 1, 5 do
            assert.is_false(root:wait(0))
        end
        assert.is_true(others >= 4)
        sup:stop()
    end))

    it("wakes everyone who waits, in order", program(function()
        local ctx, cancel = sutura.context():with_cancel()
        local log = {}
        local sup = sutura.supervisor("A")
        for i = 1, 3 do
            sup:add("worker", function()
                local answer = ctx:wait()
                log[#log + 1] = i .. " " .. tostring(answer)
                return sutura.DO_NOT_RESTART
            end)
        end
        sup:serve_background()
        sutura.sleep(1)
        cancel()
        sutura.sleep(1)
        assert.same({ "1 true", "2 true", "3 true" }, log)
        sup:stop()
    end))

    it("ends a service's loop without an error", program(function()
        local ticks = stop_after(3.5, function(ctx)
            local ticks = 0
            while not ctx:wait(1) do
                ticks = ticks + 1
            end
            return ticks
        end)
        assert.equal(3, ticks)
        assert.equal(3.5, sutura.now())
    end))

    it("on the own context, again and again, gives way each time and stays true", program(function()
        local others, answers = 0, {}
        local sup = sutura.supervisor("A", { stop_order = "parallel" })
        sup:add("one", function(ctx)
            ctx:wait()
            for i = 1, 5 do
                answers[i] = ctx:wait(1)
            end
        end)
        sup:add("other", function(ctx)
            ctx:wait()
            for _ = 1, 5 do
                ctx:wait()
                others = others + 1
            end
        end)
        sup:serve_background()
        sutura.sleep(1)
        sup:stop()
        assert.same({ true, true, true, true, true }, answers)
        assert.equal(5, others)
        assert.equal(1, sutura.now())
    end))

    it("on another context, while asked to stop, gives way once and is false", program(function()
        local first, second, woke = stop_after(1, function()
            local other = sutura.context()
            local first = other:wait()
            local woke = sutura.now()
            return first, other:wait(1000), woke
        end)
        assert.is_false(first)
        assert.is_false(second)
        assert.equal(1, woke)
        assert.equal(1, sutura.now())
    end))

    it("on another context, under a shield, goes on while asked to stop", program(function()
        local answer = stop_after(1, function()
            local other = sutura.context():with_timeout(5)
            return sutura.shield(function() return other:wait() end)
        end)
        assert.is_true(answer)
        assert.equal(5, sutura.now())
    end))

    it("on the own context, under a shield, ends all the same", program(function()
        local answer = stop_after(1, function(ctx)
            return sutura.shield(function() return ctx:wait(50) end)
        end)
        assert.is_true(answer)
        assert.equal(1, sutura.now())
    end))

    it("of a service by others ends with that service", program(function()
        local answer, err
        local other
        local sup = sutura.supervisor("A")
        local token = sup:add("watched", function(ctx)
            other = ctx
            ctx:wait()
        end)
        sup:add("watcher", function(ctx)
            answer, err = other:wait(), other:err()
            ctx:wait()
        end)
        sup:serve_background()
        sutura.sleep(1)
        assert.is_nil(answer)
        sup:remove_and_wait(token)
        sutura.yield()
        assert.is_true(answer)
        assert.equal(sutura.CANCELED, err)
        sup:stop()
    end))

    it("on a context below the own one ends with it", program(function()
        local answer, err = stop_after(1, function(ctx)
            local below = ctx:with_timeout(50)
            return below:wait(), below:err()
        end)
        assert.is_true(answer)
        assert.equal(sutura.CANCELED, err)
    end))

    it("happens in a nested coroutine too", program(function()
        local ctx = sutura.context():with_timeout(2)
        assert.is_true(coroutine.wrap(function() return ctx:wait() end)())
        assert.equal(2, sutura.now())
    end))

    it("drives the loop from a main program", function()
        local ctx = runtime:run(function() return sutura.context():with_timeout(5) end)
        assert.is_false(ctx:wait(1))
        assert.is_true(ctx:wait())
        assert.equal(5, runtime:now())
    end)

    it("is a deadlock where nothing can ever end it", function()
        local ctx = runtime:run(function() return sutura.context() end)
        assert.error_matches(function() ctx:wait() end, "deadlock")
    end)

    it("is refused in a hook", function()
        local ok, err
        runtime:run(function()
            local root = sutura.context()
            local sup = sutura.supervisor("A", { event_hook = function()
                ok, err = pcall(root.wait, root, 1)
            end })
            sup:add("worker", function(ctx)
                return ctx.run == 1 and error("no more") or sutura.TERMINATE_TREE
            end)
            sup:serve()
        end)
        assert.is_false(ok)
        assert.matches("cannot wait in a hook", err)
    end)
end)

describe("the context of a service", function()
    local runtime

    before_each(function()
        runtime = sutura.runtime({ clock = "virtual", seed = 1 })
    end)

    after_each(function()
        runtime:close()
    end)

    -- Serves a supervisor "A" with the service "worker" under `parent`, and stops it after a second.
    local function serve(body, parent)
        local sup = sutura.supervisor("A", { event_hook = function() end })
        local token = sup:add("worker", body)
        sup:serve_background(parent)
        sutura.sleep(1)
        sup:stop()
        return sup, token
    end

    it("says which service this is", function()
        runtime:run(function()
            local seen = {}
            local sup, token = serve(function(ctx)
                seen[#seen + 1] = ctx
                assert.equal("worker", ctx.name)
                assert.equal("A/worker", ctx.path)
                seen.supervisor, seen.token = ctx.supervisor, ctx.token
                seen[#seen + 1] = ctx.run .. " " .. tostring(ctx.last_error)
                assert.equal("context (service A/worker)", tostring(ctx))
                assert.is_nil(ctx.unknown)
                if ctx.run == 1 then
                    error("first", 0)
                end
                ctx:wait()
            end)
            assert.equal(sup, seen.supervisor)
            assert.equal(token, seen.token)
            assert.same({ "1 nil", "2 first" }, { seen[2], seen[4] })
        end)
    end)

    it("has ended when the service has been asked to stop", function()
        runtime:run(function()
            local ctx
            serve(function(given)
                ctx = given
                assert.is_nil(ctx:err())
                assert.is_nil(ctx:cause())
                ctx:wait()
                assert.equal(sutura.CANCELED, ctx:err())
                assert.not_nil(ctx:cause())
            end)
            assert.is_true(ctx:cancelled())
            assert.equal(sutura.CANCELED, ctx:err())
        end)
    end)

    it("ends with the run, and with it what was derived from it", function()
        runtime:run(function()
            local ctx, below
            serve(function(given)
                ctx = ctx or given
                below = below or given:with_timeout(100)
                return sutura.DO_NOT_RESTART
            end)
            assert.equal(sutura.CANCELED, ctx:err())
            assert.equal(sutura.CANCELED, below:err())
        end)
    end)

    it("has the values and the deadline of the one given to serve", function()
        runtime:run(function()
            local seen
            serve(function(ctx)
                local below = ctx:with_cancel()
                seen = { ctx:value("k"), ctx:deadline(), below:value("k"), below:deadline() }
                ctx:wait()
            end, sutura.context():with_value("k", "v"):with_timeout(50))
            assert.same({ "v", 50, "v", 50 }, seen)
        end)
    end)

    it("carries the err and the cause of the one given to serve when that ends", function()
        runtime:run(function()
            local parent, cancel = sutura.context():with_cancel()
            local seen
            local sup = sutura.supervisor("A")
            sup:add("worker", function(ctx)
                local below = ctx:with_cancel()
                ctx:wait()
                seen = { ctx:err(), ctx:cause(), below:err(), below:cause() }
            end)
            local handle = sup:serve_background(parent)
            sutura.sleep(1)
            cancel("enough")
            local _, reason = handle:wait()
            assert.same({ sutura.CANCELED, "enough", sutura.CANCELED, "enough" }, seen)
            assert.equal(sutura.CANCELED, reason)
        end)
    end)

    it("carries DEADLINE_EXCEEDED from the one given to serve", function()
        runtime:run(function()
            local seen
            local sup = sutura.supervisor("A")
            sup:add("worker", function(ctx)
                local below = ctx:with_cancel()
                ctx:wait()
                seen = { ctx:err(), ctx:cause(), below:err() }
            end)
            assert.equal(sutura.DEADLINE_EXCEEDED, sup:serve(sutura.context():with_timeout(2)))
            assert.same({ sutura.DEADLINE_EXCEEDED, sutura.DEADLINE_EXCEEDED, sutura.DEADLINE_EXCEEDED }, seen)
            assert.equal(2, sutura.now())
        end)
    end)

    it("ends when the service's turn to stop comes, not before", function()
        runtime:run(function()
            local ended = {}
            local parent, cancel = sutura.context():with_cancel()
            local sup = sutura.supervisor("A")
            for _, name in ipairs({ "first", "second" }) do
                sup:add(name, function(ctx)
                    ctx:wait()
                    ended[name] = sutura.now()
                    sutura.shield(sutura.sleep, 2)
                end)
            end
            local handle = sup:serve_background(parent)
            sutura.sleep(1)
            cancel()
            handle:wait()
            assert.same({ second = 1, first = 3 }, ended)
        end)
    end)

    it("may be held in a variable to be closed", function()
        runtime:run(function()
            local runs = 0
            serve(function(given)
                runs = runs + 1
                do
                    local ctx <close> = given
                    assert.is_false(ctx:cancelled())
                end
                given:wait()
            end)
            assert.equal(1, runs)
        end)
    end)
end)
