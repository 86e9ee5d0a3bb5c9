-- SPDX-License-Identifier: MIT
--
-- A tree inside a program whose main loop is luv's. Once the runtime is attached, `uv.run()` runs the program's
-- callbacks and the services of the tree alike; it returns when neither has anything left to do.
--
--     lua5.4 examples/in_luv.lua          (with sutura installed, or LUA_PATH and LUA_CPATH set)

local sutura = require "sutura"
local uv = require "luv"

io.stdout:setvbuf("line")
sutura.default_runtime():attach(uv)

-- The side of the tree: a service counts, and crashes on its way. The count is an upvalue and survives that.
local count = 0

local function counter(ctx)
    while true do
        sutura.sleep(0.1)
        count = count + 1
        if count == 3 then
            error("three is too much")
        end
        print(("service, run %d: %d"):format(ctx.run, count))
    end
end

local root = sutura.supervisor("root", { children = { { name = "counter", run = counter } } })

-- The tree lives as long as this context. To end a context is no wait, so callbacks of luv may do it.
local life, end_life = sutura.context():with_cancel()
root:serve_background(life)

-- The side of luv: a timer of the program's own. At its fifth tick it closes and lets the tree stop.
local ticks = 0
local timer = uv.new_timer()
timer:start(150, 150, function()
    ticks = ticks + 1
    print("luv's timer: " .. ticks)
    if ticks == 5 then
        timer:close()
        end_life("the program has seen enough")
    end
end)

uv.run()
print(("both are done; the tree is %s, because %s"):format(root:state(), life:cause()))
