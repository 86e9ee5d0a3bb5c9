-- SPDX-License-Identifier: MIT
--
-- What busted runs before the specs. A spec that leaves anything open behind fails; SUTURA_GC=generational has all of
-- them run under Lua's other collector; and the state is closed at the end, for a leak checker.

local busted = require "busted"
local command = require "spec.support.command"
local leaks = require "spec.support.leaks"
local sutura = require "sutura"

require "spec.support.exit_close"

local mode = os.getenv("SUTURA_GC")
if mode then
    assert(mode == "generational" or mode == "incremental", "SUTURA_GC is neither generational nor incremental")
    collectgarbage(mode)
end

-- What is opened when it is first needed, and stays: the default runtime's loop, and the one with which cqueues waits
-- outside of its own.
sutura.run(function() end)
require("cqueues").poll(0)

-- In the root context: before and after what the specs' own blocks do.
local before

busted.before_each(function()
    before = leaks.count()
end)

busted.after_each(function()
    command.forget()
    local left = leaks.since(before)
    if left then
        error("the spec has left behind: " .. left, 0)
    end
end)
