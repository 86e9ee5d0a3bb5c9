-- SPDX-License-Identifier: MIT
--
-- What the default logger says while a function runs, as lines instead of on stderr. It knows nothing of their form.

local log = require "sutura.log"

local log_lines = {}

--- Runs `body` and returns the lines that the default logger wrote meanwhile; an error in `body` goes on.
---@param body fun()
---@return string[] lines
function log_lines.during(body)
    local write, lines = log.write, {}
    log.write = function(written)
        for line in written:gmatch("[^\n]+") do
            lines[#lines + 1] = line
        end
    end
    local ok, problem = pcall(body)
    log.write = write
    if not ok then
        error(problem, 0)
    end
    return lines
end

return log_lines
