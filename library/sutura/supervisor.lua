---@meta
-- SPDX-License-Identifier: MIT
--
-- Supervisors, what they run and what they say of it: annotations only. See library/sutura.lua.

--# Supervisors

--- A supervisor runs services and other supervisors, restarts what fails, and pauses restarts while too much fails. It
--- belongs to one runtime; using it in another raises. `tostring` gives its path. As a `<close>` variable it is stopped
--- at the end of the scope, and waited for where waiting is possible.
---@class sutura.Supervisor
---@field name string as it was given
local Supervisor = {}

--## The spec of a supervisor

--- An explicit 0 or false is a value, not the default. Negative numbers, NaN, infinity where it is not named, a wrong
--- type and an unknown field are refused by name.
---@class sutura.SupervisorSpec
---@field event_hook? fun(event: sutura.AnyEvent) called with each event, between steps of the tree; it cannot wait. Default: one line an event on stderr, and beneath a panic its stack trace (suture v4)
---@field failure_decay? number half-life of the failure score in seconds; default 30; math.huge: no decay; 0: every failure makes the score 1 (suture v4)
---@field failure_threshold? number a score over it pauses restarts; default 5; math.huge: never (suture v4)
---@field failure_backoff? number how long a pause lasts, in seconds before jitter; default 15; 0: until the next turn (suture v4)
---@field backoff_jitter? fun(seconds: number): number default `sutura.default_jitter` (suture v4)
---@field resume_spacing? number seconds between the starts when a pause ends; default 0: all at once (ours)
---@field timeout? number seconds that each service has to stop, from the moment it is asked; default 10; 0: asked, one turn, closed (suture v4)
---@field pass_through_panics? boolean a panic stops the services, and `serve` raises the original value; default false (suture v4)
---@field dont_propagate_termination? boolean TERMINATE_TREE ends this supervisor only; default false (suture v4)
---@field format_error? fun(err: any): string text of an error value; default `tostring`, guarded (ours)
---@field panic_locals? boolean locals and upvalues in the frames of a panic; default false (ours)
---@field redact? fun(name: string, text: string): string? may replace the text of a local or upvalue (ours)
---@field lifecycle_events? boolean also the events of starts and stops; default false (ours)
---@field stop_order? "reverse"|"parallel" one at a time in reverse order of adding, or all together; default "reverse" (OTP; suture stops all together)
---@field children? (sutura.ChildSpec|sutura.ServiceObject|sutura.Supervisor|function)[] added in order; a name may stand only once (OTP)
---@field strategy? "one_for_one" the only one yet (OTP)
---@field auto_shutdown? "never" the only one yet (OTP)

--## Services

--- A service is a function, an object with a method `serve`, or a supervisor. It runs in a coroutine of its own and is
--- given its context. What it does at its end decides what follows; docs/guide.md tells it by example.
---@class sutura.ServiceObject
---@field name? string what the service is called; else `tostring(object)`, once
---@field supervisor? sutura.Supervisor|fun(self: table): sutura.Supervisor? one that the object contains: it joins hooks and reports
---@field serve fun(self: table, ctx: sutura.Context): any, any

--- What `sutura.as_service` adapts.
---@class sutura.OldService
---@field serve fun(self: table): any, any runs until `stop` makes it return
---@field stop fun(self: table): any, any makes `serve` return
---@field name? string
---@field supervisor? sutura.Supervisor|fun(self: table): sutura.Supervisor?

--- Options of `add`.
---@class sutura.AddOptions
---@field name? string any non-empty string; default: the object's or supervisor's name, or the function's place, "file.lua:12"
---@field shutdown? number|"kill"|"infinity" seconds to stop in; default the supervisor's `timeout`; "kill": closed at once, without an event (OTP)
---@field kill? boolean whether it is closed by force when its time has passed; default true (ours)
---@field restart? "permanent" the only one yet (OTP)
---@field significant? false the only value yet (OTP)

--- A service and its options in one table, for `add` and `children`.
---@class sutura.ChildSpec: sutura.AddOptions
---@field run (fun(ctx: sutura.Context): any, any)|sutura.ServiceObject|sutura.Supervisor

--- Names one service of one supervisor for ever. Prints as the service's path. Two tokens of one service are equal.
---@class sutura.Token

--## Methods of a supervisor

--- Adds a service. Before serve it waits for that; while the supervisor runs, paused too, it is put at the end of the
--- run queue. A used name is accepted: the later one's path ends in `#2`. The other forms are `sup:add(object [, opts])`,
--- `sup:add(supervisor [, opts])`, `sup:add(fn [, opts])` and `sup:add(spec)`, with a table like those in `children`.
---
--- Returns `nil, ERR_NOT_RUNNING` during and after the stop. Raises on a malformed service or option, and on a
--- supervisor that is under another one, under itself, or served already. Source: suture v4's Add.
---@param name string any non-empty string
---@param service (fun(ctx: sutura.Context): any, any)|sutura.ServiceObject|sutura.Supervisor
---@param opts? sutura.AddOptions
---@return sutura.Token? token
---@return sutura.Error? err
---@overload fun(self: sutura.Supervisor, service: function|sutura.ServiceObject|sutura.Supervisor, opts?: sutura.AddOptions): sutura.Token?, sutura.Error?
---@overload fun(self: sutura.Supervisor, spec: sutura.ChildSpec): sutura.Token?, sutura.Error?
function Supervisor:add(name, service, opts) end

--- Asks a service to stop, and forgets it. Returns at once.
---
--- True also for a service that has stopped or was removed, and for a stopped supervisor; before serve it never
--- starts. Returns `nil, ERR_WRONG_SUPERVISOR` for another supervisor's token. Source: suture v4's Remove.
---@param token sutura.Token
---@return boolean? ok
---@return sutura.Error? err
function Supervisor:remove(token) end

--- Removes a service and waits until it has stopped. *Waits.*
---
--- Returns `nil, ERR_TIMEOUT` after the limit, `nil, ERR_NOT_RUNNING` if the supervisor has stopped, and `nil,
--- ERR_WRONG_SUPERVISOR`. Called by the service itself it returns true at once, and the service stops when it next
--- waits. In a hook it asks, and returns `nil, ERR_TIMEOUT` at once. Source: suture v4's RemoveAndWait.
---@async
---@param token sutura.Token
---@param limit? number seconds; default: for ever; 0: asks without waiting
---@return boolean? ok
---@return sutura.Error? err
function Supervisor:remove_and_wait(token, limit) end

--- Stops one service and starts it again, on purpose: no failure is counted. Returns at once.
---
--- One that is queued starts now; one that has stopped starts. Returns `nil, err` with ERR_NOT_RUNNING,
--- ERR_UNKNOWN_SERVICE, ERR_AMBIGUOUS_NAME or ERR_WRONG_SUPERVISOR. Source: OTP's restart_child, made one call.
---@param service sutura.Token|string
---@return boolean? ok
---@return sutura.Error? err
function Supervisor:restart(service) end

--- What was added, in start order; nil while the supervisor does not run. Source: suture v4's Services.
---@nodiscard
---@return (function|sutura.ServiceObject|sutura.Supervisor)[]?
function Supervisor:services() end

--- A record for each child, in start order. Source: OTP's which_children.
---@nodiscard
---@return sutura.Record[]
function Supervisor:children() end

--- How many there are. Source: OTP's count_children.
---@nodiscard
---@return sutura.Count
function Supervisor:count() end

--- The supervisor's own record, with those of its children nested in `children`. Source: ours.
---@nodiscard
---@return sutura.Record
function Supervisor:tree() end

--- Serves until the supervisor ends, and returns what it ended with. *Waits.*
---
--- Nil after `stop`; the `err` of the context that ended; the error of a service that returned TERMINATE_TREE;
--- DO_NOT_RESTART instead of that under `dont_propagate_termination`; ERR_NOT_TERMINATED while a service of a former
--- life still lives. Raises the original value of a panic under `pass_through_panics`, and on a supervisor that is
--- served already or is under another. Called in a service that is asked to stop, it first stops its own tree and then
--- returns CANCELED. Source: suture v4's Serve.
---@async
---@param ctx? sutura.Context its end stops the tree
---@return any err
function Supervisor:serve(ctx) end

--- Serves in the background; the services begin at the next turn of the runtime.
---
--- Returns `nil, ERR_NOT_TERMINATED` while a service of a former life still lives. Raises as `serve` does on a misuse.
--- Source: suture v4's ServeBackground.
---@param ctx? sutura.Context its end stops the tree
---@return sutura.Handle? handle
---@return sutura.Error? err
function Supervisor:serve_background(ctx) end

--- Stops the tree and waits until it has stopped. *Waits.*
---
--- Returns nil when clean, else the report of what did not stop in its time. Returns `nil, ERR_TIMEOUT` after the
--- limit, and `nil, ERR_NOT_STARTED` if it was never served. Called from inside its own tree it asks, and then raises
--- CANCELED as any wait does; there under `shield`, and in a hook, it returns `nil, ERR_TIMEOUT` at once. Source:
--- suture v4's cancelled context with UnstoppedServiceReport; one call is ours.
---@async
---@param limit? number seconds; default: for ever
---@return sutura.Unstopped[]? report
---@return sutura.Error? err
function Supervisor:stop(limit) end

--- Waits until the supervisor has stopped, and gives the report of what did not. *Waits.*
---
--- Nil when clean, never an empty list; `nil, ERR_NOT_STARTED` if it was never served. Source: suture v4, but of the
--- whole tree.
---@async
---@nodiscard
---@return sutura.Unstopped[]? report
---@return sutura.Error? err
function Supervisor:unstopped_service_report() end

--- What the supervisor does now.
---@nodiscard
---@return "not_running"|"normal"|"paused"|"stopping"|"terminated"
function Supervisor:state() end

--- The failure score, decayed to now. Source: suture v4's.
---@nodiscard
---@return number
function Supervisor:failures() end

--## Handles

--- A life of a supervisor that is served in the background. As a `<close>` variable it stops that life.
---@class sutura.Handle
local Handle = {}

--- Waits for the end of that life. *Waits.*
---
--- Returns `true, reason` with what `serve` would have returned or raised, or `nil, ERR_TIMEOUT`; in a hook the latter
--- at once.
---@async
---@param limit? number seconds; default: for ever
---@return boolean? ended
---@return any reason
function Handle:wait(limit) end

--## Records

--- What is known of one service, from `children` and `tree`.
---@class sutura.Record
---@field name string
---@field token? sutura.Token not in the record of a root
---@field path string "root/web/worker"; in names `/`, `%` and control bytes are written %XX
---@field kind "worker"|"supervisor"
---@field state "queued"|"starting"|"running"|"stopping"|"stopped" queued: until the pause ends; stopped: also before serve
---@field restarts integer runs begun after the first
---@field failures integer ends that counted
---@field run? integer number of the run, 0 before the first; not in the record of a root
---@field started_at? number the runtime's time when the run began
---@field last_error? string why the run before ended
---@field waiting_for? string such as "sleep (3.200 s left) at worker.lua:12"
---@field supervisor_state? "not_running"|"normal"|"paused"|"stopping"|"terminated" of a supervisor
---@field score? number of a supervisor: `failures()`
---@field shutdown? number|"kill"|"infinity" when the service has one of its own
---@field kill? false when the service is not to be closed by force
---@field failure_threshold? number of a supervisor, as are the fields below: from its spec
---@field failure_decay? number
---@field failure_backoff? number
---@field resume_spacing? number
---@field timeout? number
---@field stop_order? "reverse"|"parallel"
---@field children? sutura.Record[] of a supervisor, in `tree` only

--- The numbers that `count` gives.
---@class sutura.Count
---@field specs integer children, running or not
---@field active integer children that live
---@field supervisors integer children that are supervisors
---@field workers integer children that are not

--- A service that did not stop in its time.
---@class sutura.Unstopped
---@field path string
---@field name string
---@field token sutura.Token
---@field service function|sutura.ServiceObject what was added
---@field supervisor sutura.Supervisor its own, not the one that was stopped
---@field killed boolean true: closed by force; false: it still lives
---@field stacktrace? string where it was stuck
---@field waiting_for? string such as "await at worker.lua:12"

return Supervisor
