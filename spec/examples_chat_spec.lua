-- SPDX-License-Identifier: MIT
--
-- The chat, with real guests over the loopback.

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

-- One whose arrival has been told.
local function guest(name)
    local client = connect()
    assert.equal(name .. " is here", client:read("*l"))
    return client
end

local function panics()
    return select(2, server:text("err"):gsub("service_panic", ""))
end

describe("the example that is a chat", function()
    before_each(function()
        server = example.start("examples/chat.lua -- 0 3")
        port = tonumber(server:await("listening on 127%.0%.0%.1:(%d+)\n"))
    end)

    after_each(function()
        server:stop()
    end)

    it("tells everybody what one says, and who comes and goes", function()
        local first = guest("1")
        local second = guest("2")
        assert.equal("2 is here", first:read("*l"))
        assert(second:write("hello\nhow are you?\n"))
        for _, client in ipairs { first, second } do
            assert.equal("2: hello", client:read("*l"))
            assert.equal("2: how are you?", client:read("*l"))
        end
        second:close()
        assert.equal("2 has left", first:read("*l"))
        first:close()
        assert.equal(0, server:stop())
        assert.equal("", (server:text("err"):gsub("[^\n]*SIGTERM[^\n]*\n", "")))
    end)

    it("loses the guest that crashes, and no other", function()
        local calm, mad = guest("1"), guest("2")
        assert.equal("2 is here", calm:read("*l"))
        assert(mad:write("crash\n"))
        assert.equal("2 has left", calm:read("*l"))
        assert.is_nil(mad:read("*l"))
        assert(calm:write("still here\n"))
        assert.equal("1: still here", calm:read("*l"))
        assert.equal(1, panics())
        assert.matches("chat/guests/2: panicked: .*the guest asked for it %(.*not restarted%)", server:text("err"))
    end)

    it("turns away whoever does not fit in", function()
        local room = { guest("1"), guest("2"), guest("3") }
        assert.equal("the supervisor has as many services as it may have", connect():read("*l"))
        room[1]:close()
        assert.equal("3 is here", room[2]:read("*l"))
        assert.equal("1 has left", room[2]:read("*l"))
        guest("4")
    end)

    it("shows its guests, each by its number, and the port that it is ready at", function()
        guest("1")
        guest("2")
        server:signal("USR2")
        local shown = server:await("(\n  guests: [^\n]*\n.-)\n  door: ", "err")
        assert.matches("\n    1: worker running for .*\n    2: worker running for ", shown)
        assert.equal(port, tonumber(server:await("  door: worker running for [^\n]*, info (%d+)\n", "err")))
        assert.equal(0, server:stop())
    end)
end)
