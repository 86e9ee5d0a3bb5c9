-- SPDX-License-Identifier: MIT
--
-- An object of the old kind, with `serve` and `stop`, as a service that a supervisor can run. It owns the order of the
-- two calls at the end; it knows nothing of supervisors.
--
-- `serve` runs under shield, so that its waits do not raise: it ends because `stop` made it end. `stop` runs in a
-- coroutine that lives as a part of the running service, and is over before the service is.

local errors = require "sutura.errors"
local log = require "sutura.log"
local misuse = require "sutura.misuse"
local text = require "sutura.text"

---@class sutura.OldService
---@field serve fun(self: table): any runs until `stop` makes it return
---@field stop fun(self: table): any makes `serve` return
---@field name? string

local function index(value, key)
    local ok, field = pcall(function()
        return value[key]
    end)
    return ok and field or nil
end

local function check(old)
    local holds_fields = type(old) == "table" or type(old) == "userdata"
    if not holds_fields or not index(old, "serve") or not index(old, "stop") then
        misuse.refuse_value("as_service: argument 'old'", "an object with the methods 'serve' and 'stop'", old)
    end
end

-- Runs `stop` once the context ends, and remembers how that went.
local function stop_when_asked(core, old, ctx, ending)
    core.spawn(function()
        ctx:wait()
        ending.begun = true
        local results = table.pack(pcall(core.shield, old.stop, old))
        ending.ok, ending.value, ending.error = results[1], results[2], results[3]
        ending.done = true
        if ending.wake then
            ending.wake()
        end
    end)
end

local function wait_until_stopped(core, ending)
    if ending.begun and not ending.done then
        core.shield(core.await, function(resume)
            ending.wake = resume
        end)
    end
end

-- Says why `stop` failed if nobody else will: `serve` hung then and was closed by force.
local function report_if_lost(name, ending)
    return setmetatable({}, {
        __close = function()
            if ending.done and not ending.ok and not ending.told then
                log.report(("%s: its 'stop' raised: %s"):format(name, text.of(ending.value)))
            end
        end,
    })
end

-- Whether a service that returns these two has failed (section 4 of the contract).
local function is_failure(first, second)
    return (not first and second ~= nil) or errors.is_error(first)
end

local function serve_old(core, name, old, ctx)
    local ending = {}
    local _lost <close> = report_if_lost(name, ending)
    stop_when_asked(core, old, ctx, ending)
    local results = table.pack(core.shield(old.serve, old))
    wait_until_stopped(core, ending)
    if not ending.done then
        return table.unpack(results, 1, results.n)
    end
    ending.told = true
    if not ending.ok then
        error(ending.value, 0)
    elseif not ending.value and ending.error ~= nil and not is_failure(results[1], results[2]) then
        return nil, ending.error
    end
    return table.unpack(results, 1, results.n)
end

---@param core table the C module
---@return fun(old: sutura.OldService): sutura.ServiceObject
return function(core)
    --- Adapts an object with `serve(self)` and `stop(self)` to a service.
    ---
    --- Waits in `serve` do not raise. When the service is asked to stop, `stop` runs in a coroutine of its own, where
    --- waits work, and then `serve` is waited for. What `stop` raises is the service's error, and so is what it returns
    --- as `nil, err` if `serve` ended without one. The service has the old object's `name` (or its text) and its
    --- `supervisor`. Raises on an object without the two methods. Source: suture's AsService for its v3 services.
    ---@param old sutura.OldService
    ---@return sutura.ServiceObject
    return function(old)
        misuse.at(2, check, old)
        local name = index(old, "name")
        local supervisor = index(old, "supervisor")
        if type(supervisor) == "function" then
            local method = supervisor
            supervisor = function()
                return method(old)
            end
        end
        local service = { name = type(name) == "string" and name or nil, supervisor = supervisor }
        function service.serve(_, ctx)
            return serve_old(core, tostring(ctx.path), old, ctx)
        end
        return setmetatable(service, {
            __name = "sutura.as_service",
            __tostring = function()
                return tostring(old)
            end,
        })
    end
end
