-- SPDX-License-Identifier: MIT
-- The smallest tree: one service, which crashes once and is started again. Run: sutura run examples/hello.lua
local sutura = require "sutura"

local root = sutura.supervisor("root")

root:add("greeter", function(ctx)
    print(("hello from run %d"):format(ctx.run))
    sutura.sleep(0.5)
    if ctx.run == 1 then
        error("a bug in the first run")
    end
    root:stop()
end)

return root
