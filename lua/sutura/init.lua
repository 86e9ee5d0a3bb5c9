-- SPDX-License-Identifier: MIT
--
-- The module that users require. It owns the names of section 1 of the contract and the one call that gives the C
-- module what it needs from Lua; what the names do lives elsewhere.
--
-- Loading it puts `coroutine.resume` and `coroutine.wrap` of the module into the global table, unless the global
-- `sutura_no_patch` is true. This file has no syntax newer than Lua 5.1, so that an old Lua can say what it lacks.

if _VERSION ~= "Lua 5.4" then
    error("sutura needs Lua 5.4, and this is " .. _VERSION, 2)
end

local function load_core()
    local found, core = pcall(require, "sutura.core")
    if found then
        return core
    end
    local problem = tostring(core)
    if problem:find("libuv.so", 1, true) then
        error("sutura needs libuv (Debian: libuv1): " .. problem, 0)
    elseif problem:find("module 'sutura.core' not found", 1, true) then
        error("the C module sutura.core was not found; it comes with the rock 'sutura' (in a checkout: make): "
            .. problem, 0)
    end
    error("the C module sutura.core of the rock 'sutura' could not be loaded: " .. problem, 0)
end

local core = load_core()
local as_service = require "sutura.as_service"
local dump = require "sutura.dump"
local errors = require "sutura.errors"
local event = require "sutura.event"
local log = require "sutura.log"
local misuse = require "sutura.misuse"
local partition = require "sutura.partition"
local check_runtime_options = require "sutura.runtime_options"
local spec = require "sutura.spec"
local text = require "sutura.text"

log.set_isatty(core.isatty)
log.set_on_format(core.notice_form)
if core.wall then
    log.set_wall_clock(core.wall)
end

event.set_complete(core.complete_event)
core.setup({
    errors = errors.named,
    error_metatable = errors.metatable,
    event_metatable = event.metatable,
    default_hook = log.default_hook,
    report = function(message)
        log.report(message)
    end,
    supervisor_spec = function(name, given, level)
        local normal = spec.supervisor(core, name, given, level + 1)
        return normal
    end,
    shown = misuse.shown,
    fields = text.fields,
    runtime_options = function(given, level)
        check_runtime_options(given, level + 1)
    end,
    child_spec = function(level, ...)
        local name, run, kind, options = spec.child(core, level + 1, ...)
        return name, run, kind, options
    end,
    update_spec = function(name, given, level)
        local normal = spec.update(name, given, level + 1)
        return normal
    end,
    template_spec = function(given, level)
        local normal, options, max_children, name, run = spec.template(given, level + 1)
        return normal, options, max_children, name, run
    end,
})

---@class sutura
---@field _VERSION string
local sutura = {
    _VERSION = core._VERSION,
    --- A new supervisor in the runtime that runs the caller, else in the default one.
    ---
    --- Raises on a malformed name or spec, at the caller's line. Source: suture v4's New.
    ---@param name string any non-empty string
    ---@param given? sutura.SupervisorSpec
    ---@return sutura.Supervisor
    supervisor = core.supervisor,
    partition = partition(core),
    sleep = core.sleep,
    yield = core.yield,
    now = core.now,
    await = core.await,
    mailbox = core.mailbox,
    shield = core.shield,
    context = core.context,
    signal_context = core.signal_context,
    runtime = core.runtime,
    default_runtime = core.default_runtime,
    run = core.run,
    no_jitter = core.no_jitter,
    default_jitter = core.default_jitter,
    wrap = errors.wrap,
    is = errors.is,
    as_service = as_service(core),
    dump = dump.install(core),
}

for name, value in pairs(errors.named) do
    sutura[name] = value
end

-- The coroutine library, with the two functions that let a wait pass outwards.
sutura.coroutine = {}
for name, value in pairs(coroutine) do
    sutura.coroutine[name] = value
end
sutura.coroutine.resume = core.coroutine.resume
sutura.coroutine.wrap = core.coroutine.wrap

if not rawget(_G, "sutura_no_patch") then
    coroutine.resume = core.coroutine.resume
    coroutine.wrap = core.coroutine.wrap
end

return sutura
