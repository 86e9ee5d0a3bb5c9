-- SPDX-License-Identifier: MIT
--
-- Follows a log file that somebody else writes, as `tail -F` does, and prints its new lines.
--
--     bin/sutura run examples/follow.lua -- /var/log/some.log
--
-- What may happen to the file, and what the follower makes of it:
--   it grows       new lines are printed; the beginning of a line waits for its end
--   truncated      no failure: it goes on from the new end (if it sees the file while it is shorter)
--   removed        a crash, for there is nothing left to follow; the next run waits for a new file
--   replaced       the same, and the next run reads the new file from its beginning
--
-- Files are read by short calls that block; for a pipe or a slow disk see how echo.lua waits.

local sutura = require "sutura"
local uv = require "luv"

local path = assert(..., "usage: sutura run examples/follow.lua -- FILE")
local POLL_S = 0.1
local CHUNK = 65536

io.stdout:setvbuf("line")

-- How far the file has been handled, and which file that is. These are upvalues, so a run that follows a crash goes
-- on where the last one was: no line is lost or printed twice.
local position, inode

-- Opens the file; waits for it if it is not there. What a file had before we first saw it is not new.
local function open()
    local fd, problem = uv.fs_open(path, "r", 0)
    if not fd then
        print(("(waiting: %s)"):format(problem))
        position = 0
    end
    while not fd do
        sutura.sleep(POLL_S)
        fd = uv.fs_open(path, "r", 0)
    end
    local stat = assert(uv.fs_fstat(fd))
    if not position then
        position = stat.size
    elseif stat.ino ~= inode then
        position = 0
    end
    inode = stat.ino
    return fd
end

-- Prints what is new. The position moves on before a line is handled: one that crashes us is not handled again.
local function catch_up(fd)
    if assert(uv.fs_fstat(fd)).size < position then
        print("(the file was truncated)")
        position = 0
    end
    repeat
        local before = position
        local data = assert(uv.fs_read(fd, CHUNK, position))
        local whole_lines = data:match("^.*\n") or ""
        for line in whole_lines:gmatch("[^\n]*\n") do
            position = position + #line
            print(line:sub(1, -2))
        end
        if #data == CHUNK and position == before then
            position = position + CHUNK
            error("a line is too long, some of it is skipped")
        end
        sutura.yield() -- Others have their turn, however much there is to read.
    until position == before
end

-- While the file is open its inode is not given to another, so comparing the two tells whether the name is still its.
local function follow()
    local fd = open()
    local _file <close> = setmetatable({}, { __close = function()
        uv.fs_close(fd)
    end })
    print("(following from byte " .. position .. ")")
    while true do
        local named, problem = uv.fs_stat(path)
        catch_up(fd)
        assert(named, problem)
        assert(named.ino == inode, "another file has taken its place")
        sutura.sleep(POLL_S)
    end
end

return sutura.supervisor("log", {
    children = { { name = "follower", run = follow } },
})
