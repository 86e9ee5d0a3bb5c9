-- SPDX-License-Identifier: MIT
--
-- Mailboxes: what is sent is received once and in order, whoever waits, gives up or is ended meanwhile.

local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local settle = virtual.settle

-- A service that notes whatever it receives in `got`.
local function reader(box, got)
    return function()
        while true do
            local value, err = box:receive()
            got[#got + 1] = value == nil and err or value
        end
    end
end

local function serve(rt)
    local sup = rt:supervisor("a", { event_hook = function() end })
    sup:serve_background()
    return sup
end

describe("a mailbox", function()
    it("gives what was sent, once and in the order of sending", virtual.test(function()
        local box = sutura.mailbox()
        for i = 1, 3 do
            assert.is_true(box:send(i))
        end
        assert.equal(3, box:count())
        assert.same({ 1, 2, 3 }, { box:receive(), (box:receive()), (box:receive()) })
        assert.equal(0, box:count())
    end))

    it("takes any value but nil", virtual.test(function()
        local box, table_of_ours = sutura.mailbox(), {}
        for _, value in ipairs { false, table_of_ours, "text", 1.5 } do
            box:send(value)
            assert.equal(value, box:receive())
        end
        assert.error_matches(function() box:send() end,
            "^bad argument 'value' to 'send' %(a value other than nil expected, got nothing%)$")
        assert.error_matches(function() box.send(table_of_ours, 1) end,
            "^bad argument 'self' to 'send' %(a mailbox %(called with ':'%) expected, got table%)$")
        assert.error_matches(function() box:receive("soon") end,
            '^bad argument \'limit\' to \'receive\' %(seconds as a number expected, got "soon"%)$')
        assert.equal(0, box:count())
    end))

    it("lets a service wait until something is sent", virtual.test(function(rt)
        local box, got = sutura.mailbox(), {}
        local sup = serve(rt)
        sup:add("reader", reader(box, got))
        sutura.sleep(5)
        assert.same({}, got)
        assert.matches("^mailbox:receive at .-mailbox_spec.lua:%d+$", sup:children()[1].waiting_for)
        box:send("now")
        assert.same({}, got)
        settle()
        assert.same({ "now" }, got)
        sup:stop()
    end))

    it("serves those who wait in their order, each with one", virtual.test(function(rt)
        local box, got = sutura.mailbox(), {}
        local sup = serve(rt)
        for i = 1, 3 do
            sup:add("reader", function(ctx)
                local value = box:receive()
                got[#got + 1] = i .. " " .. value
                ctx:wait()
            end)
        end
        settle()
        box:send("a")
        box:send("b")
        settle()
        assert.same({ "1 a", "2 b" }, got)
        box:send("c")
        settle()
        assert.same({ "1 a", "2 b", "3 c" }, got)
        sup:stop()
    end))

    it("after the limit gives nil and ERR_TIMEOUT, and nothing is lost", virtual.test(function(rt)
        local box = sutura.mailbox()
        local began = rt:now()
        assert.same({ nil, sutura.ERR_TIMEOUT }, { box:receive(2.5) })
        assert.equal(began + 2.5, rt:now())
        box:send("later")
        assert.equal("later", box:receive(2.5))
        assert.equal(began + 2.5, rt:now())
    end))

    it("with a limit of 0 gives way once", virtual.test(function(rt)
        local box, ran = sutura.mailbox(), 0
        local sup = serve(rt)
        sup:add("other", function(ctx) ran = ran + 1 box:send(ran) ctx:wait() end)
        assert.equal(1, box:receive(0))
        assert.same({ nil, sutura.ERR_TIMEOUT }, { box:receive(0) })
        sup:stop()
    end))

    it("keeps what is in it from a service that was asked to stop, which CANCELED reaches", virtual.test(function(rt)
        local box, got, raised = sutura.mailbox(), {}, nil
        local sup = serve(rt)
        local token = sup:add("reader", function()
            local ok
            ok, raised = pcall(reader(box, got))
            assert(not ok)
            sutura.shield(sutura.yield) -- by now there is something
            got[1] = select(2, pcall(box.receive, box))
        end)
        settle()
        sup:remove(token)
        box:send("for another one")
        settle()
        assert.equal(sutura.CANCELED, raised)
        assert.same({ sutura.CANCELED }, got)
        assert.equal("for another one", box:receive(0))
        assert.equal(0, #sup:children())
        sup:stop()
    end))

    it("goes on receiving under a shield", virtual.test(function(rt)
        local box, got = sutura.mailbox(), nil
        local sup = serve(rt)
        local token = sup:add("reader", function(ctx)
            pcall(ctx.wait, ctx)
            got = sutura.shield(box.receive, box, 1)
        end)
        settle()
        sup:remove(token)
        settle()
        box:send("last words")
        settle()
        assert.equal("last words", got)
        sup:stop()
    end))

    it("passes on what a service was woken for that is killed before its turn", virtual.test(function(rt)
        local box, got = sutura.mailbox(), {}
        local sup = serve(rt)
        local first = sup:add { name = "first", run = reader(box, got), shutdown = "kill" }
        local other = {}
        sup:add("second", reader(box, other))
        settle()
        box:send("kept")
        sup:remove(first) -- closed at once, before it runs again
        settle()
        assert.same({}, got)
        assert.same({ "kept" }, other)
        sup:stop()
    end))

    it("passes on what a service was woken for that is asked to stop before its turn", virtual.test(function(rt)
        local box, got = sutura.mailbox(), {}
        local sup = serve(rt)
        local first = sup:add("first", reader(box, got))
        local other = {}
        sup:add("second", reader(box, other))
        settle()
        box:send("kept")
        sup:remove(first) -- it is asked, and has not run since the value came
        settle()
        assert.same({}, got)
        assert.same({ "kept" }, other)
        sup:stop()
    end))

    it("lets one wait on whose value was taken by somebody who came by", virtual.test(function(rt)
        local box, got = sutura.mailbox(), {}
        local sup = serve(rt)
        sup:add("reader", reader(box, got))
        settle()
        box:send("first")
        assert.equal("first", box:receive())
        settle()
        assert.same({}, got)
        box:send("second")
        settle()
        assert.same({ "second" }, got)
        sup:stop()
    end))

    it("is passed through by a wait in an inner coroutine", virtual.test(function(rt)
        local box, got = sutura.mailbox(), nil
        local sup = serve(rt)
        sup:add("reader", function(ctx)
            got = coroutine.wrap(function() return box:receive() .. "!" end)()
            ctx:wait()
        end)
        settle()
        box:send("through")
        settle()
        assert.equal("through!", got)
        sup:stop()
    end))

    it("takes what a hook sends, which cannot receive", virtual.test(function(rt)
        local box, problem = sutura.mailbox(), nil
        local sup = rt:supervisor("a", {
            event_hook = function(event)
                box:send(event.type)
                problem = select(2, pcall(box.receive, box))
            end,
        })
        sup:serve_background()
        sup:add("w", function() error("once") end)
        assert.equal("service_panic", box:receive(1))
        assert.matches("'receive' cannot wait in a hook or callback", tostring(problem))
        sup:stop()
    end))

    it("lets go what was received, and the room for much of it", virtual.test(function()
        local box, kept = sutura.mailbox(), setmetatable({}, { __mode = "k" })
        local function used()
            collectgarbage()
            collectgarbage()
            return collectgarbage("count")
        end
        local before = used()
        for i = 1, 100000 do
            box:send(i)
        end
        for i = 1, 100000 do
            assert(box:receive() == i)
        end
        for _ = 1, 2 do
            box:send({})
        end
        kept[box:receive()], kept[box:receive()] = true, true
        assert.is_true(used() - before < 4)
        assert.is_nil(next(kept))
    end))
end)

describe("a main program", function()
    local rt
    before_each(function() rt = sutura.runtime { clock = "virtual" } end)
    after_each(function() rt:close() end)

    local function box_of(runtime)
        local box
        runtime:run(function() box = sutura.mailbox() end)
        return box
    end

    it("receives what a service sends, and drives the loop meanwhile", function()
        local box = box_of(rt)
        local sup = serve(rt)
        sup:add("writer", function(ctx) sutura.sleep(3) box:send("hello") ctx:wait() end)
        assert.equal("hello", box:receive())
        assert.equal(3, rt:now())
    end)

    it("waits on when somebody else took its value", function()
        local box = box_of(rt)
        local sup = serve(rt)
        sup:add("thief", function(ctx)
            sutura.sleep(1)
            for i = 1, 1000 do
                box:send(i)
                assert(box:receive() == i)
                sutura.yield()
            end
            box:send("at last")
            ctx:wait()
        end)
        assert.equal("at last", box:receive())
    end)

    it("raises a deadlock when nothing can ever be sent", function()
        local box = box_of(rt)
        assert.error_matches(function() box:receive() end, "deadlock")
    end)

    it("cannot use the mailbox of a closed runtime", function()
        local box = box_of(rt)
        rt:close()
        for _, method in ipairs { "send", "receive", "count" } do
            assert.error_matches(function() box[method](box, 1) end,
                ("^'%s': the runtime of the mailbox is closed$"):format(method))
        end
    end)

    it("cannot wait for the mailbox of another runtime than the one that runs it", function()
        local box = box_of(rt)
        local other <close> = sutura.runtime { clock = "virtual" }
        other:run(function()
            assert.error_matches(function() box:receive() end, "concerns another runtime")
        end)
    end)
end)

describe("a mailbox that is garbage", function()
    it("is collected, with what is in it, and leaves its runtime as it was", virtual.test(function(rt)
        local kept = setmetatable({}, { __mode = "v" })
        local box = sutura.mailbox()
        kept[1], kept[2] = box, {}
        box:send(kept[2])
        box = nil -- luacheck: ignore
        collectgarbage()
        collectgarbage()
        assert.is_nil(kept[1] or kept[2])
        local other = sutura.mailbox()
        other:send(rt)
        assert.equal(rt, other:receive())
    end))
end)
