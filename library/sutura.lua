---@meta sutura
-- SPDX-License-Identifier: MIT
--
-- What `require "sutura"` gives, for editors (LuaCATS) and for docs/reference.md, which scripts/reference.lua makes of
-- these files: the module here; supervisors, contexts, runtimes and events in library/sutura/. Nothing here runs.
--
-- Invariant, held by spec/library_spec.lua: every public name of the library is here, and nothing else.

--# The module

--- Times are seconds, as Lua numbers; fractions of a millisecond are rounded up. "Raises" means a Lua error. A misuse
--- (a wrong type, a malformed spec, a second serve) raises at the caller's line and names the argument, what was
--- expected and what came. An expected failure is returned as `nil, err`, where `err` is one of the error objects
--- below, so that it can be compared.
---
--- Every function acts on the runtime that runs the caller, else on the default one. What is marked *waits* suspends
--- the calling coroutine and lets others run; in a main program it runs the loop until it has its answer. In a service
--- that was asked to stop every wait raises `sutura.CANCELED`, unless it is under `sutura.shield`. Where Lua cannot
--- yield, in a hook, and in a coroutine that is not the runtime's, a wait raises and says why. A main program that
--- waits for what can never come gets an error that begins with "deadlock" and lists who waits for what.
---@class sutura
---@field _VERSION string the version of the library
---@field coroutine sutura.coroutine Lua's library `coroutine`, with a `resume` and `wrap` that let a wait pass outwards. Loading the module puts these two into the global table `coroutine`, unless the global `sutura_no_patch` is true (ours)
local sutura = {}

--- What `sutura.coroutine` has that differs from Lua's.
---@class sutura.coroutine
---@field resume fun(co: thread, ...: any): boolean, any as Lua's, but a wait inside suspends the service
---@field wrap fun(f: function): function as Lua's, but a wait inside suspends the service

--- A new supervisor, in the runtime that runs the caller, else in the default one.
---
--- Raises on a name or spec that is not as described, also on an unknown field, and then names the nearest known one.
--- Source: suture v4's New.
---@nodiscard
---@param name string any non-empty string
---@param spec? sutura.SupervisorSpec
---@return sutura.Supervisor
function sutura.supervisor(name, spec) end

--- A runtime of its own: a loop, a clock and the trees that run on them.
---
--- Raises on malformed options. Source: ours.
---@nodiscard
---@param opts? sutura.RuntimeOptions
---@return sutura.Runtime
function sutura.runtime(opts) end

--- The runtime that every Lua state has; it is made when first needed, with a real clock.
---@nodiscard
---@return sutura.Runtime
function sutura.default_runtime() end

--- Runs the default runtime, or the one that runs the caller, as its method `run` does.
---
--- Without a function: until nothing is left that could ever run again.
---@async
---@param fn? fun(): any a program that may wait
---@return any ... what `fn` returned
function sutura.run(fn) end

--- Suspends the caller for some time, never less. 0 gives way once. *Waits.*
---
--- Raises `CANCELED` in a service that was asked to stop. Source: ours.
---@async
---@param s number seconds, 0 or more; math.huge: for ever
function sutura.sleep(s) end

--- Gives way once: whatever else is ready runs first. *Waits.*
---@async
function sutura.yield() end

--- The time of the runtime's clock: monotonic on a real one, from 0 on a virtual one.
---@nodiscard
---@return number seconds
function sutura.now() end

--- Suspends the caller until somebody calls `resume`. *Waits.*
---
--- Calls `start(resume)` and then waits; returns what `resume` was given. If `start` returns a function, that is
--- called once when the wait ends without a resume (by limit, cancellation or force); it may not wait. A resume before
--- `start` returns means no suspension; a second or later one does nothing. Returns `nil, ERR_TIMEOUT` after the
--- limit. Raises what `start` raises, and `CANCELED` in a service that was asked to stop. Source: ours.
---@async
---@param start fun(resume: fun(...: any)): fun()?
---@param limit? number seconds, 0 or more; default: for ever
---@return any ...
function sutura.await(start, limit) end

--- A mailbox: what is sent to it waits there for whoever receives it.
---
--- It belongs to the runtime that runs the caller, else to the default one. It has no bound: who sends more than is
--- received had better look at its `count`. Source: Erlang's mailboxes, but a value of its own: any number of services
--- may receive from one.
---@nodiscard
---@return sutura.Mailbox
function sutura.mailbox() end

---@class sutura.Mailbox
local Mailbox = {}

--- Puts a value at the end. Never waits; may be called by anybody, in a hook too.
---
--- Raises on nil, and when the runtime is closed.
---@param value any other than nil
---@return true
function Mailbox:send(value) end

--- Takes the oldest value; waits for one when there is none. *Waits.*
---
--- Those who wait are served in their order. Returns `nil, ERR_TIMEOUT` after the limit. Raises `CANCELED` in a service
--- that was asked to stop, and takes nothing then; raises when the runtime is closed.
---@async
---@param limit? number seconds, 0 or more; default: for ever
---@return any value
---@return sutura.Error? err
function Mailbox:receive(limit) end

--- How many values wait in it.
---@nodiscard
---@return integer
function Mailbox:count() end

--- Runs a function in which waits do not raise although the service was asked to stop: for cleanup.
---
--- Raises what `fn` raises. The time that the service has to stop goes on. Source: ours.
---@async
---@param fn fun(...: any): any
---@param ... any what `fn` is given
---@return any ... what `fn` returned
function sutura.shield(fn, ...) end

--- A root context, which never ends. Source: Go's context.Background.
---@nodiscard
---@return sutura.Context
function sutura.context() end

--- A context that ends at the first of some signals; its cause is the signal's name.
---
--- Then, and when it is collected, the former handling of the signals is put back. Raises on an unknown name, and when
--- the system refuses. Source: Go's signal.NotifyContext.
---@nodiscard
---@param names string[] such as { "SIGINT", "SIGTERM" }
---@return sutura.Context
function sutura.signal_context(names) end

--- Writes the trees of the runtime that runs the caller, else of the default one, as text: every root supervisor that is
--- served, with the state of each service and for how long, what it waits for, its restarts, its last error and its
--- stack.
---
--- Returns `nil, err` when a path cannot be opened, or the file says that it could not be written. Raises on anything that
--- is no file. Source: ours; Go's SIGQUIT.
---@param file? file*|string something open with a method `write`, or a path, which is written over; default: stderr
---@return true? written
---@return string? err
function sutura.dump(file) end

--- Puts a cause under a message: the result's text is "message: cause". `sutura.is` finds both.
---
--- Raises on a message that is neither a string nor an error object. Source: Go's fmt.Errorf with %w.
---@nodiscard
---@param err any the cause, of any type; nil: no cause
---@param message string|sutura.Error
---@return sutura.Error
function sutura.wrap(err, message) end

--- Whether an error is the target, or wraps it as cause or message at any depth.
---
--- Compares without metamethods. Never raises. Source: Go's errors.Is.
---@nodiscard
---@param err any
---@param target any
---@return boolean
function sutura.is(err, target) end

--- Gives a delay back as it is: a `backoff_jitter` for tests.
---@nodiscard
---@param seconds number
---@return number seconds
function sutura.no_jitter(seconds) end

--- A random delay, uniform from `seconds` to 1.5 times that. In a runtime with a seed it repeats.
---
--- Source: suture v4's DefaultJitter.
---@nodiscard
---@param seconds number
---@return number seconds
function sutura.default_jitter(seconds) end

--- A supervisor of `n` like children, of which a key chooses one: work that belongs together stays in one place, and
--- what fails takes along only its own part.
---
--- `factory(i)` gives child `i`, from 1 to `n`, as an element of `children` would; one without a name of its own is
--- called by its number. `spec` is that of the supervisor, without `children`. Raises on malformed arguments, on what
--- `factory` raises, and on children that are none. Source: Elixir's PartitionSupervisor.
---@nodiscard
---@param name string any non-empty string
---@param n integer how many children, 1 to 100,000
---@param factory fun(i: integer): sutura.ChildSpec|sutura.ServiceObject|sutura.Supervisor|function
---@param spec? sutura.SupervisorSpec
---@return sutura.Partition
function sutura.partition(name, n, factory, spec) end

--- Adapts an object with `serve(self)` and `stop(self)` to a service.
---
--- Waits in `serve` do not raise. Asked to stop, `stop` runs in a coroutine of its own, and then `serve` is waited for.
--- What `stop` raises is the service's error, and so is what it returns as `nil, err` if `serve` ended without one.
--- Raises on an object that lacks one of the two. Source: suture v4's AsService.
---@nodiscard
---@param old sutura.OldService
---@return sutura.ServiceObject
function sutura.as_service(old) end

--## Errors

--- An error object is a value made by this module: one of those below, or what `wrap` gives. Its `tostring` is a
--- sentence. Test for one with `sutura.is(err, sutura.ERR_TIMEOUT)`, which also sees through wraps. It cannot be
--- changed.
---@class sutura.Error
---@field message string|sutura.Error the text, or the error object that stands before the cause
---@field cause any what it wraps, or nil

--- Returned by a service, also wrapped or after nil: it ends for good, and nothing is counted. Source: suture v4.
---@type sutura.Error
sutura.DO_NOT_RESTART = nil
--- Returned by a service, also wrapped or after nil: its supervisor ends, and `serve` returns this. Source: suture v4.
---@type sutura.Error
sutura.TERMINATE_TREE = nil
--- What a wait raises in a service that was asked to stop, and the `err` of a context that was cancelled.
---@type sutura.Error
sutura.CANCELED = nil
--- The `err` of a context whose deadline has passed.
---@type sutura.Error
sutura.DEADLINE_EXCEEDED = nil
--- The supervisor does not run: from `add` after the stop, `start`, and calls that need one that runs.
---@type sutura.Error
sutura.ERR_NOT_RUNNING = nil
--- The supervisor has never been served: from `stop`, `wait_ready` and `unstopped_service_report`.
---@type sutura.Error
sutura.ERR_NOT_STARTED = nil
--- A service of the supervisor's former life still lives: from `serve` and `serve_background`.
---@type sutura.Error
sutura.ERR_NOT_TERMINATED = nil
--- The token belongs to another supervisor.
---@type sutura.Error
sutura.ERR_WRONG_SUPERVISOR = nil
--- The time to wait has passed.
---@type sutura.Error
sutura.ERR_TIMEOUT = nil
--- The supervisor has no such service.
---@type sutura.Error
sutura.ERR_UNKNOWN_SERVICE = nil
--- More than one service of the supervisor has this name; use the token.
---@type sutura.Error
sutura.ERR_AMBIGUOUS_NAME = nil
--- The service is running, starting or stopping: from `restart_child` and `delete_child`. Source: OTP's running.
---@type sutura.Error
sutura.ERR_RUNNING = nil
--- The service is about to be restarted: from `restart_child` and `delete_child`. Source: OTP's restarting.
---@type sutura.Error
sutura.ERR_RESTARTING = nil
--- The template has a service of this name already: from `start`. Source: OTP's already_present.
---@type sutura.Error
sutura.ERR_ALREADY_PRESENT = nil
--- There were too many restarts or pauses: wrapped in what `serve` returns, with the name and the last failure of the
--- child. Source: OTP's shutdown.
---@type sutura.Error
sutura.ERR_TOO_MANY_RESTARTS = nil
--- A service did not start: wrapped in what `serve` and `wait_ready` return, with the child's name and failure. Source:
--- OTP's failed_to_start_child.
---@type sutura.Error
sutura.ERR_START_FAILED = nil
--- The template has as many services as it may have: from `start`. Source: Elixir's DynamicSupervisor.
---@type sutura.Error
sutura.ERR_MAX_CHILDREN = nil

return sutura
