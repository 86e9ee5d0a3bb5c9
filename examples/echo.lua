-- SPDX-License-Identifier: MIT
--
-- An echo server on luv: one service listens, and every connection is a service of its own. A line that is not UTF-8,
-- or "crash", crashes its handler, which is started again on the same connection: that client gets no answer to that
-- one line, and nobody else notices.
--
--     bin/sutura run examples/echo.lua -- 7000        and in another terminal: nc 127.0.0.1 7000
--
-- Without a port the system chooses one; it is printed.

local sutura = require "sutura"
local uv = require "luv"

local HOST, PORT = "127.0.0.1", tonumber((...)) or 0
local MAX_LINE = 65536

io.stdout:setvbuf("line")
sutura.default_runtime():attach(uv) -- luv's callbacks and our services share one loop.

-- Clients that send only garbage make the restarts pause for a second; who has not crashed is served meanwhile.
local connections = sutura.supervisor("connections", { failure_backoff = 1 })

-- Waits for what the client sends; nil when it has gone. It reads only while it waits, so no client gets ahead of us.
local function receive(socket)
    local _, chunk = sutura.await(function(resume)
        assert(socket:read_start(function(problem, chunk)
            socket:read_stop()
            resume(problem, chunk)
        end))
        return function() -- The wait ends without a resume: the service is being stopped.
            socket:read_stop()
        end
    end)
    return chunk
end

-- The next line, or nil when the client has gone. A line is taken before it is looked at, so that a bad one crashes
-- one run and not the next one, too.
local function next_line(client)
    while true do
        local stop = client.unread:find("\n", client.from, true)
        if stop then
            local line = client.unread:sub(client.from, stop - 1)
            client.from = stop + 1
            return line
        end
        local rest = client.unread:sub(client.from)
        client.unread, client.from = "", 1
        assert(#rest <= MAX_LINE, "the line is too long")
        local chunk = receive(client.socket)
        if not chunk then
            return nil
        end
        client.unread = rest .. chunk
    end
end

-- A to-be-closed variable for a handle. A crash leaves the handle open if the next run is to have it.
local function closing(handle, next_run_has_it)
    return setmetatable({}, { __close = function(_, problem)
        if problem == nil or problem == sutura.CANCELED or not next_run_has_it then
            handle:close()
        end
    end })
end

-- A client outlives its handler's crash because it is an upvalue. When the client has gone, so does the service: by
-- DO_NOT_RESTART the supervisor forgets it, and nothing piles up however many come and go.
local function handler(client)
    return function()
        local _socket <close> = closing(client.socket, true)
        for line in next_line, client do
            assert(line ~= "crash", "the client asked for it")
            assert(utf8.len(line), "the line is not UTF-8")
            local problem = sutura.await(function(resume)
                assert(client.socket:write(line .. "\n", resume))
            end)
            if problem then
                break
            end
        end
        return sutura.DO_NOT_RESTART
    end
end

local function welcome(socket)
    local peer = socket:getpeername()
    local name = peer and ("%s:%d"):format(peer.ip, peer.port) or "somebody"
    if not connections:add(name, handler({ socket = socket, unread = "", from = 1 })) then
        socket:close() -- We are stopping.
    end
end

-- A crash here closes the listening socket, and the next run opens it again. While the port is taken that fails, and
-- the pauses of the root keep it from trying all the time.
local function listener()
    local server = uv.new_tcp()
    local _server <close> = closing(server)
    local knock = function() end
    assert(server:bind(HOST, PORT))
    assert(server:listen(128, function(problem)
        knock(problem)
    end))
    print(("listening on %s:%d"):format(HOST, server:getsockname().port))
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
    end
end

return sutura.supervisor("echo", {
    failure_backoff = 1,
    children = { { run = connections }, { name = "listener", run = listener } },
})
