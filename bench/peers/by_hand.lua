-- SPDX-License-Identifier: MIT
--
-- usage: require "bench.peers.by_hand" (peer, loop)
--
-- A supervisor as one writes it by hand for want of a library: it starts again what ends, tells a hook, nests, and
-- stops, last first. No names are looked up, nothing is limited or paused, and nobody is ever closed by force. It puts
-- `serve` and `nested` into `peer`, for bench/peers/works.lua, on a loop that has:
--
--     loop.spawn(child)   runs child.run(child) in a coroutine of its own, and afterwards calls child.ended(child, ok,
--                         err, trace), of which err is an error's value and trace its traceback
--     loop.ask(child)     wakes child, which waits, so that it returns
--     loop.finish(root)   waits until root.live, the number of services below it, is 0

local Supervisor = {}
Supervisor.__index = Supervisor

return function(peer, loop)
    local spawn, ask = loop.spawn, loop.ask

    local function start(child, root)
        child.root = root
        root.live = root.live + 1
        spawn(child)
    end

    local function ended(child, ok, err, trace)
        local root = child.root
        if child.stopping then
            root.live = root.live - 1
            return
        end
        if ok then
            root.hook { type = "service_terminate", service_name = child.name }
        else
            local text = tostring(err)
            root.hook { type = "service_panic", service_name = child.name, error_msg = text, stacktrace = trace }
        end
        spawn(child)
    end

    function Supervisor:add(name, service)
        local child, children = service, self.children
        if type(service) == "function" then
            child = { name = name, run = service, ended = ended }
        end
        children[#children + 1] = child
        if not self.root then
            return -- until the root is served
        elseif child.children then
            child:start(self.root)
        else
            start(child, self.root)
        end
    end

    function Supervisor:start(root)
        self.root = root
        for _, child in ipairs(self.children) do
            if child.children then
                child:start(root)
            else
                start(child, root)
            end
        end
    end

    function Supervisor:ask()
        local children = self.children
        for i = #children, 1, -1 do
            local child = children[i]
            if child.children then
                child:ask()
            else
                child.stopping = true
                ask(child)
            end
            children[i] = nil
        end
    end

    function Supervisor:stop()
        self:ask()
        loop.finish(self.root)
    end

    function peer.nested(name)
        return setmetatable({ name = name, children = {} }, Supervisor)
    end

    function peer.serve(hook)
        local sup = peer.nested("bench")
        sup.hook, sup.live = hook, 0
        sup:start(sup)
        return sup
    end
end
