-- SPDX-License-Identifier: MIT
--
-- Services that many specs need.

local sutura = require "sutura"

local services = {}

--- Waits until it is asked to stop, and then ends.
---@param ctx sutura.ServiceContext
function services.sleeper(ctx)
    ctx:wait()
end

--- A service that ignores that it is asked to stop, for so long, and then ends.
---@param seconds number
---@return fun(ctx: sutura.ServiceContext)
function services.stubborn(seconds)
    return function(ctx)
        ctx:wait()
        sutura.shield(sutura.sleep, seconds)
    end
end

return services
