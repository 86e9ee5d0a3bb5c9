-- SPDX-License-Identifier: MIT
--
-- An example tree that runs in the background while a spec talks to it. It owns the process: its output is a file
-- that can be read while it grows, and it never outlives its time limit. What an example must do is said by the specs.

local command = require "spec.support.command"

local example = {}
example.__index = example

local LIMIT_S = 20
local LOOK_S = 0.01

-- The process ids stay good under env and exec; the preloaded sanitizers are for the program under test alone.
local START = [[exec env -u LD_PRELOAD timeout -k 1 %d sh -c 'echo $$; exec env LD_PRELOAD=%s %s bin/sutura run %s' %s]]

--- Starts `sutura run` with these words as its arguments.
---@param arguments string
---@return table process
function example.start(arguments)
    local self = setmetatable({ out = command.file(""), err = command.file("") }, example)
    local preload = (os.getenv("LD_PRELOAD") or ""):gsub(" ", ":")
    local line = START:format(LIMIT_S, preload, os.getenv("LUA") or "lua5.4", arguments,
        (">%s 2>%s </dev/null"):format(self.out, self.err))
    self.pipe = assert(io.popen(line))
    self.pid = self:await("^(%d+)\n")
    return self
end

--- What it has written to one of its streams so far.
---@param stream "out"|"err"
---@return string
function example:text(stream)
    local file <close> = assert(io.open(self[stream], "rb"))
    return file:read("a")
end

--- Waits until what it has written has the pattern; gives the capture.
---@param pattern string
---@param stream? "out"|"err" default "out"
---@return string
function example:await(pattern, stream)
    local give_up = os.time() + LIMIT_S
    repeat
        local found = self:text(stream or "out"):match(pattern)
        if found then
            return found
        end
        os.execute("exec env -u LD_PRELOAD sleep " .. LOOK_S)
    until os.time() > give_up
    error(("never wrote %q but:\n%s%s"):format(pattern, self:text("out"), self:text("err")), 2)
end

--- Sends it a signal.
---@param name string such as "USR2"
function example:signal(name)
    -- The shell's own kill: a small Debian has no program of that name.
    os.execute(("exec env -u LD_PRELOAD sh -c 'kill -%s %s'"):format(name, self.pid))
end

--- Asks it to stop, and waits for its end.
---@return integer exit_code
function example:stop()
    if self.code then
        return self.code
    end
    self:signal("TERM")
    local _, _, code = self.pipe:close()
    self.code = code
    return code
end

return example
