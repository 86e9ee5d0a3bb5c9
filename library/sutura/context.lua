---@meta
-- SPDX-License-Identifier: MIT
--
-- Contexts: annotations only. See library/sutura.lua.

--# Contexts

--- A tree of reasons to stop, with deadlines and values. Each service gets one, which ends when its turn to stop comes:
--- not at once when the context given to `serve` ends, but then with that one's `err` and `cause`. As a `<close>`
--- variable a context of `with_cancel` or `with_timeout` is cancelled. Source: Go's context.
---@class sutura.Context
---@field name? string of the service whose context it is; this and the fields below are in no other context
---@field path? string the service's place in the tree
---@field token? sutura.Token
---@field supervisor? sutura.Supervisor the one that runs the service
---@field run? integer 1 at the first start
---@field last_error? string why the run before ended; nil in the first
local Context = {}

--- A child context, and the function that cancels it. The function takes a cause; calls after the first do nothing.
---@nodiscard
---@return sutura.Context child
---@return fun(cause?: any) cancel
function Context:with_cancel() end

--- A child context that ends by itself, with DEADLINE_EXCEEDED, and the function that cancels it before.
---
--- Raises on a time that is negative or no number.
---@nodiscard
---@param s number seconds from now
---@return sutura.Context child
---@return fun(cause?: any) cancel
function Context:with_timeout(s) end

--- A child context that has a value under a key.
---
--- Raises on the key nil.
---@nodiscard
---@param k any compared without metamethods
---@param v any
---@return sutura.Context child
function Context:with_value(k, v) end

--- Whether it has ended.
---@nodiscard
---@return boolean
function Context:cancelled() end

--- What it ended with, or nil.
---@nodiscard
---@return sutura.Error? err CANCELED or DEADLINE_EXCEEDED
function Context:err() end

--- Why it ended, or nil while it lives.
---
--- What its cancel function was given, the name of a signal, else its `err`. In a service that was asked to stop: the
--- cause of the context given to `serve`, else the value that the tree ends with, else "stopped", "removed",
--- "restarted" or "restarted with its group".
---
--- The second value says because of whom: the path of the service whose failure, end or call it comes of, however many
--- supervisors lie between, also when that has left the tree since; nil for nobody in the tree (the main program, a
--- hook, a signal, a context), and in other contexts. Source: Go's context.Cause; the second value is ours.
---@nodiscard
---@return any why
---@return string? by a path
function Context:cause() end

--- The time at which it ends by itself, by its own deadline or one above it, or nil.
---@nodiscard
---@return number? time the runtime's time, in seconds
function Context:deadline() end

--- The value under a key, here or in the nearest context above that has one.
---@nodiscard
---@param k any
---@return any
function Context:value(k) end

--- Waits until it has ended. *Waits*, but never raises CANCELED.
---
--- True once it has ended, false when the limit passed first: `while not ctx:wait(1) do tick() end`. In a service that
--- was asked to stop, waiting for another context gives way once and returns false. Source: Go's `<-ctx.Done()`.
---@async
---@param limit? number seconds; default: for ever
---@return boolean ended
function Context:wait(limit) end

--- Says that the service is ready: what waits for it may start. See `ready` in `sutura.AddOptions`.
---
--- `info` stands in the service's record until its run ends. In a service without `ready = "notify"`, and when called
--- again, it changes that and nothing else. Harmless when the run is over. Raises on a context that is not a service's.
--- Source: OTP's proc_lib:init_ack, and systemd's sd_notify.
---@param info? any
function Context:ready(info) end

--- Keeps the heartbeat that the service has promised: the next beat is due in as many seconds again. See `heartbeat` in
--- `sutura.ServiceOptions`.
---
--- Never waits and costs a look at the clock. Does nothing in a service that has promised none, in one that was asked to
--- stop, and when the run is over, so that a library may always beat. Raises on a context that is not a service's.
--- Source: OTP's heart, and systemd's WATCHDOG=1.
function Context:beat() end

return Context
