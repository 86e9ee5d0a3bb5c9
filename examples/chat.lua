-- SPDX-License-Identifier: MIT
--
-- A chat on luv: every guest is a child of a template. What one says goes to all; who says "crash" crashes alone, and
-- who does not listen is shown the door.
--
--     sutura run examples/chat.lua -- 7000        and in two more terminals: nc 127.0.0.1 7000
--
-- Without a port the system chooses one; it is printed. A second argument is the number of guests that fit in.

local sutura = require "sutura"
local uv = require "luv"

local HOST, PORT, ROOM = "127.0.0.1", tonumber((...)) or 0, tonumber((select(2, ...))) or 100
local MAX_LINE = 4096
local MAX_UNSENT = 1024 * 1024

io.stdout:setvbuf("line")
sutura.default_runtime():attach(uv) -- luv's callbacks and our services share one loop.

local guests -- The template.

-- Waits for what a guest sends; nil when it has gone.
local function receive(socket)
    local _, chunk = sutura.await(function(resume)
        assert(socket:read_start(function(problem, chunk)
            socket:read_stop()
            resume(problem, chunk)
        end))
        return function() -- The guest is being removed, or the tree stopped.
            socket:read_stop()
        end
    end)
    return chunk
end

local function say_to_all(line)
    for _, guest in ipairs(guests:children()) do
        local socket = guest.arg
        if socket:get_write_queue_size() > MAX_UNSENT then
            guests:remove(guest.token)
        elseif not socket:is_closing() then
            socket:write(line .. "\n")
        end
    end
end

-- What each guest runs; the socket is what it was started with. A guest is temporary, for a connection that is gone
-- cannot be started again; DO_NOT_RESTART makes an ordinary farewell no news for the log.
local function guest(ctx, socket)
    local _socket <close> = setmetatable({}, { __close = function()
        socket:close()
        say_to_all(ctx.name .. " has left")
    end })
    say_to_all(ctx.name .. " is here")
    local unread = ""
    for chunk in receive, socket do
        unread = unread .. chunk
        for line in unread:gmatch("([^\n]*)\n") do
            assert(line ~= "crash", "the guest asked for it")
            say_to_all(ctx.name .. ": " .. line)
        end
        unread = unread:match("[^\n]*$")
        assert(#unread <= MAX_LINE, "the line is too long")
    end
    return sutura.DO_NOT_RESTART
end

local function welcome(socket)
    local token, problem = guests:start(socket)
    if not token then -- There are too many, or we are stopping.
        socket:write(tostring(problem) .. "\n", function()
            socket:close()
        end)
    end
end

local function door(ctx)
    local server = uv.new_tcp()
    local _server <close> = setmetatable({}, { __close = function()
        server:close()
    end })
    local knock = function() end
    assert(server:bind(HOST, PORT))
    assert(server:listen(128, function(problem)
        knock(problem)
    end))
    local port = server:getsockname().port
    print(("listening on %s:%d"):format(HOST, port))
    ctx:ready(port)
    while true do
        local problem = sutura.await(function(resume)
            knock = resume
        end)
        assert(not problem, problem)
        local socket = uv.new_tcp()
        while server:accept(socket) do
            welcome(socket)
            socket = uv.new_tcp()
        end
        socket:close()
    end
end

local root = sutura.supervisor("chat", { failure_backoff = 1 })
guests = root:template { name = "guests", run = guest, restart = "temporary", shutdown = 1, max_children = ROOM }
root:add("door", door, { ready = "notify", start_timeout = 5 })
return root
