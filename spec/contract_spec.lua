-- SPDX-License-Identifier: MIT
--
-- Promises of docs/contract.md that belong to no other spec: mostly what happens between parts that are each specified
-- elsewhere.

local sutura = require "sutura"
local log = require "sutura.log"

-- Runs a program on a virtual clock; gives what the default logger wrote meanwhile.
local function run(program)
    local rt <close> = sutura.runtime({ clock = "virtual", seed = 1 })
    local written = {}
    local write = log.write
    log.write = function(text)
        table.insert(written, text)
    end
    local ok, problem = pcall(rt.run, rt, function()
        program(rt)
    end)
    log.write = write
    assert(ok, problem)
    return table.concat(written)
end

local function fail_once(value)
    return function(ctx)
        if ctx.run == 1 then
            error(value, 0)
        end
        sutura.sleep(math.huge)
    end
end

describe("a hook", function()
    it("may remove the service that it is told of, also from a coroutine of its own", function()
        run(function(rt)
            local told = {}
            local sup = rt:supervisor("A", { event_hook = function(event)
                assert(event.supervisor:remove(event.token))
                table.insert(told, tostring(event.token))
                coroutine.wrap(function()
                    assert(event.supervisor:remove(event.token))
                    table.insert(told, tostring(event.token))
                end)()
            end })
            sup:add("B", fail_once("no"))
            sup:serve_background()
            sutura.sleep(1)
            assert.same({ "A/B", "A/B" }, told)
            assert.equal(0, #sup:children())
            sup:stop()
        end)
    end)
end)

describe("a function of the spec that fails", function()
    it("is reported, and the text of the error is guarded, when it is format_error", function()
        local texts = {}
        for _, format in ipairs { function() error("bad format") end, function() return 7 end } do
            local logged = run(function(rt)
                local sup = rt:supervisor("A", { format_error = format, event_hook = function(event)
                    table.insert(texts, event.error_msg)
                end })
                sup:add("B", fail_once("no"))
                sup:serve_background()
                sutura.sleep(1)
                assert.equal("running", sup:children()[1].state)
                sup:stop()
            end)
            assert.matches("format_error of supervisor 'A'", logged, 1, true)
        end
        assert.same({ "no", "no" }, texts)
    end)
end)
