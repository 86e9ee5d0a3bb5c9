-- SPDX-License-Identifier: MIT
--
-- The echo server, with real clients over the loopback.

local example = require "spec.support.example"
local socket = require "cqueues.socket"

local server, port

local function connect()
    local client = assert(socket.connect({ host = "127.0.0.1", port = port }))
    client:settimeout(10)
    client:setmode("b", "bn")
    assert(client:connect())
    return client
end

local function ask(client, text)
    assert(client:write(text .. "\n"))
    return client:read("*l")
end

local function panics()
    return select(2, server:text("err"):gsub("service_panic", ""))
end

-- Asks the server for its tree, and gives what it says of the connections.
local function shown_connections()
    server:signal("USR2")
    return server:await("\n  connections: ([^\n]*\n.-)  listener: ", "err")
end

describe("the example that echoes", function()
    before_each(function()
        server = example.start("examples/echo.lua -- 0")
        port = tonumber(server:await("listening on 127%.0%.0%.1:(%d+)\n"))
    end)

    after_each(function()
        server:stop()
    end)

    it("gives every client its own lines back", function()
        local clients = {}
        for i = 1, 20 do
            clients[i] = connect()
        end
        for i, client in ipairs(clients) do
            assert(client:write(("first of %d\nsecond of %d\n"):format(i, i)))
        end
        for i, client in ipairs(clients) do
            assert.equal("first of " .. i, client:read("*l"))
            assert.equal("second of " .. i, client:read("*l"))
            client:close()
        end
        assert.equal(0, server:stop())
        assert.equal(0, panics())
    end)

    it("heals the connection that crashed, and leaves the others alone", function()
        local rude, polite = connect(), connect()
        assert.equal("hello", ask(rude, "hello"))
        assert.equal("good", ask(rude, "crash\ngood"))
        assert.equal("again", ask(rude, "\xFF\xFE\nagain"))
        assert.equal("I am here", ask(polite, "I am here"))
        assert.equal(2, panics())
        local log = server:text("err")
        assert.matches("echo/connections/127%.0%.0%.1:%d+: panicked: .*the client asked for it %(run 1", log)
        assert.matches("the line is not UTF%-8 %(run 2", log)
        rude:close()
        polite:close()
    end)

    it("crashes on a line without end, and goes on with the next one", function()
        local client = connect()
        assert(client:write(("x"):rep(70000)))
        server:await("the line is too long", "err")
        assert(client:write("\n"))
        assert.is_string(client:read("*l"))
        assert.equal("well", ask(client, "well"))
        client:close()
    end)

    it("pauses the restart of clients that crash all the time, and serves the others meanwhile", function()
        local rude, polite = connect(), connect()
        assert(rude:write(("crash\n"):rep(6) .. "patient\n"))
        server:await("echo/connections: too many failures", "err")
        assert.equal("now", ask(polite, "now"))
        assert.is_nil(server:text("err"):find("resume", 1, true))
        assert.equal("patient", rude:read("*l"))
        assert.matches("echo/connections: the pause has ended", server:text("err"))
        rude:close()
        polite:close()
    end)

    it("keeps nothing of the connections that were closed", function()
        for i = 1, 100 do
            local client = connect()
            assert.equal("line " .. i, ask(client, "line " .. i))
            client:close()
        end
        local last = connect()
        assert.equal("last", ask(last, "last"))
        local _, count = shown_connections():gsub("127%.0%.0%.1:%d+: worker running", "")
        assert.equal(1, count)
        last:close()
    end)

    it("stops cleanly while clients are connected, and hangs up on them", function()
        local client = connect()
        assert.equal("hello", ask(client, "hello"))
        assert.equal(0, server:stop())
        assert.is_nil((client:read("*l")))
        client:close()
    end)

    it("crashes when its port is taken, and opens it as soon as it is free", function()
        local second = example.start("examples/echo.lua -- " .. port)
        second:await("echo/listener: panicked: .*EADDRINUSE", "err")
        assert.equal("still here", ask(connect(), "still here"))
        server:stop()
        second:await("listening on 127%.0%.0%.1:" .. port)
        assert.equal("taken over", ask(connect(), "taken over"))
        second:stop()
    end)
end)
