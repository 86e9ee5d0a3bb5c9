-- SPDX-License-Identifier: MIT
--
-- Ctrl-C under the plain interpreter, by a real SIGINT to a process of its own: the "interrupted!" of Lua's own handler
-- ends what waits in the loop, and is never taken for the error of a hook or a service.

local child = require "spec.support.child"

-- Starts the program, sends SIGINT when it has written "ready" to stderr, and gives how it ended.
local function interrupt(program)
    local result = child.script(program, [[
$LUA_PROGRAM 2>"$SHOWN" &
PID=$!
await ready "$SHOWN"
sleep 0.02
kill -INT $PID
wait $PID
]])
    return result
end

local function assert_interrupted(result)
    assert.equal(1, result.code)
    assert.matches("interrupted!", result.err)
    assert.matches("stack traceback:", result.err)
    assert.is_nil(result.err:find("hook", 1, true))
    assert.is_nil(result.err:find("panic", 1, true))
    assert.equal("", result.out)
end

local READY = [[
local sutura = require "sutura"
local function ready() io.stderr:write("ready\n") io.stderr:flush() end
]]

describe("Ctrl-C in a program that", function()
    it("serves a tree that sleeps ends it by interrupted!, with status 1", function()
        assert_interrupted(interrupt(READY .. [[
            local sup = sutura.supervisor("A")
            sup:add("worker", function() ready() sutura.sleep(100) end)
            sup:serve()
            print("not reached")
        ]]))
    end)

    it("runs a function ends it by interrupted!, with status 1", function()
        assert_interrupted(interrupt(READY .. [[
            sutura.run(function() ready() sutura.sleep(100) end)
            print("not reached")
        ]]))
    end)

    it("runs until nothing is left, sleeps, or awaits ends it likewise", function()
        for _, wait in ipairs({
            "sutura.run()", "sutura.sleep(100)", "sutura.await(function() end, 100)", "handle:wait()", "sup:stop()",
        }) do
            assert_interrupted(interrupt(READY .. [[
                local sup = sutura.supervisor("A", { timeout = 100 })
                sup:add("worker", function() ready() sutura.shield(sutura.sleep, 100) end)
                local handle = sup:serve_background()
                sutura.sleep(0.001)
            ]] .. wait .. " print('not reached', handle)"))
        end
    end)

    it("never waits for long ends it too, watched or not", function()
        for _, supervisor in ipairs { 'sutura.supervisor("A")', 'sutura.runtime({ slice = 0 }):supervisor("A")' } do
            assert_interrupted(interrupt(READY .. "local sup = " .. supervisor .. [[

                sup:add("busy", function()
                    ready()
                    while true do
                        for _ = 1, 1000 do math.abs(1) end
                        sutura.yield()
                    end
                end)
                sup:serve()
            ]]))
        end
    end)

    it("spends its time in event hooks ends it, and no hook is blamed", function()
        local result = interrupt(READY .. [[
            local events = 0
            local sup = sutura.supervisor("A", {
                failure_threshold = math.huge,
                event_hook = function()
                    events = events + 1
                    if events == 10 then ready() end
                    for _ = 1, 2000 do math.abs(1) end
                end,
            })
            sup:add("failing", function() return nil, "again" end)
            sup:serve()
        ]])
        assert_interrupted(result)
    end)

    it("catches the error finds the tree that it served stopped in order", function()
        local result = interrupt(READY .. [[
            local sup = sutura.supervisor("A")
            sup:add("worker", function(ctx)
                local _ <close> = setmetatable({}, { __close = function() print("closed") end })
                ready()
                sutura.sleep(100)
            end)
            print(pcall(sup.serve, sup))
            print(sup:state(), sup:stop())
        ]])
        assert.equal(0, result.code)
        assert.matches("^closed\nfalse\t.*interrupted!\nterminated\tnil\n$", result.out)
    end)

    it("runs a tree on a virtual clock ends it", function()
        assert_interrupted(interrupt(READY .. [[
            local rt = sutura.runtime({ clock = "virtual" })
            rt:run(function()
                ready()
                while true do sutura.sleep(1) end
            end)
        ]]))
    end)
end)
