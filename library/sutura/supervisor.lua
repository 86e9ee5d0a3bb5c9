---@meta
-- SPDX-License-Identifier: MIT
--
-- Supervisors and what they say of what they run: annotations only. See library/sutura.lua.

--# Supervisors

--- A supervisor runs services and other supervisors, restarts what fails, and pauses restarts while too much fails. It
--- belongs to one runtime; using it in another raises. `tostring` gives its path. As a `<close>` variable it is stopped
--- at the end of the scope, and waited for where waiting is possible.
---@class sutura.Supervisor
---@field name string as it was given
local Supervisor = {}

--## Methods of a supervisor

--- Adds a service. Before serve it waits for that; while the supervisor runs, paused too, it is put at the end of the
--- run queue. A used name is accepted: the later one's path ends in `#2`. The other forms are `sup:add(object [,
--- opts])`, `sup:add(supervisor [, opts])`, `sup:add(fn [, opts])` and `sup:add(spec)`, with a table like those in
--- `children`.
---
--- Returns `nil, ERR_NOT_RUNNING` during and after the stop; waits for nobody to be ready. Raises on a malformed
--- service or option, on a supervisor that is under another one, under itself, or served already, and on a template.
--- Source: suture v4's Add.
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
--- One that is queued or backing off starts now; one that has stopped starts. Its siblings are left alone, whatever the
--- strategy. Returns `nil, err` with ERR_NOT_RUNNING, ERR_UNKNOWN_SERVICE (also for a temporary one that stops, which
--- will be forgotten), ERR_AMBIGUOUS_NAME or ERR_WRONG_SUPERVISOR. Source: OTP's restart_child, made one call.
---@param service sutura.Token|string
---@return boolean? ok
---@return sutura.Error? err
function Supervisor:restart(service) end

--- Stops one service and keeps its spec, so that `restart_child` can start it again. *Waits.*
---
--- True when it has stopped, and for one that had; one that waits to start does not start. A temporary one is
--- forgotten. Returns `nil, ERR_TIMEOUT` after the limit, and then it goes on stopping; `nil, err` with
--- ERR_NOT_RUNNING, ERR_UNKNOWN_SERVICE, ERR_AMBIGUOUS_NAME or ERR_WRONG_SUPERVISOR. Called by the service itself it
--- returns true at once, and the service stops when it next waits. In a hook it asks, and returns `nil, ERR_TIMEOUT` if
--- the service still lives. Source: OTP's terminate_child.
---@async
---@param service sutura.Token|string
---@param limit? number seconds; default: for ever; 0: asks without waiting
---@return boolean? ok
---@return sutura.Error? err
function Supervisor:terminate_child(service, limit) end

--- Starts a service that has stopped. Returns at once.
---
--- Returns `nil, err` with ERR_RUNNING for one that runs, starts or stops, ERR_RESTARTING for one that is queued, backs
--- off or restarts with its group, ERR_NOT_RUNNING, ERR_UNKNOWN_SERVICE, ERR_AMBIGUOUS_NAME or ERR_WRONG_SUPERVISOR.
--- Source: OTP's restart_child.
---@param service sutura.Token|string
---@return boolean? ok
---@return sutura.Error? err
function Supervisor:restart_child(service) end

--- Forgets a service that has stopped. Returns at once.
---
--- Returns `nil, err` as `restart_child` does. Source: OTP's delete_child.
---@param service sutura.Token|string
---@return boolean? ok
---@return sutura.Error? err
function Supervisor:delete_child(service) end

--- The record of one service, as in `children`; the supervisor need not run.
---
--- Returns `nil, err` with ERR_UNKNOWN_SERVICE, ERR_AMBIGUOUS_NAME or ERR_WRONG_SUPERVISOR. Source: OTP's
--- which_child and get_childspec.
---@nodiscard
---@param service sutura.Token|string
---@return sutura.Record? record
---@return sutura.Error? err
function Supervisor:get_child(service) end

--- Waits until no child is on its way to run any more, nor stops to start again: each is ready, or has stopped. *Waits.*
---
--- Returns `nil, err` when a start fails meanwhile, with a wrap of ERR_START_FAILED that names the first child that
--- failed and has its failure as the cause; `nil, ERR_TIMEOUT` after the limit, and in a hook at once; `nil,
--- ERR_NOT_STARTED` if it was never served; for a supervisor that stops or has stopped, nil and the error that it ends
--- with, or ERR_NOT_RUNNING. Source: ours.
---@async
---@param limit? number seconds; default: for ever
---@return boolean? ready
---@return sutura.Error? err
function Supervisor:wait_ready(limit) end

--- Changes settings, also while it runs. What is not named stays.
---
--- Naming `intensity` or `period` puts the window in force, naming `failure_threshold`, `failure_decay` or
--- `escalate_after` the score; what was counted is kept as far as it means the same. Raises on what a spec would be
--- refused for, on fields of both limits, and on `auto_shutdown = "never"` with significant children; then nothing is
--- changed. Source: OTP's code_change, without a release.
---@param spec sutura.SupervisorSettings
---@return true
function Supervisor:update(spec) end

--- What would follow if a child ended now, as data. Nothing is done.
---
--- A dry run on a copy of the whole tree, from the root down, until nothing is due any more: what is asked to stop
--- obeys at once, what starts is ready at once, and delays have no jitter. Returns `nil, err` with ERR_NOT_RUNNING,
--- ERR_UNKNOWN_SERVICE, ERR_AMBIGUOUS_NAME or ERR_WRONG_SUPERVISOR. Source: ours.
---@nodiscard
---@param service sutura.Token|string
---@param what? "panic"|"error"|"return"|"do_not_restart"|"terminate_tree" how it ends; default "panic"
---@return sutura.Plan? plan
---@return sutura.Error? err
function Supervisor:plan(service, what) end

--- Adds a child supervisor for many like children, and returns it.
---
--- Returns `nil, ERR_NOT_RUNNING` during and after the stop. Raises on a malformed spec. Source: OTP's
--- simple_one_for_one and Elixir's DynamicSupervisor.
---@param spec sutura.TemplateSpec
---@return sutura.Template? template
---@return sutura.Error? err
function Supervisor:template(spec) end

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
--- Nil after `stop` and after auto_shutdown; the `err` of the context that ended; the error of a service that returned
--- TERMINATE_TREE; DO_NOT_RESTART instead of that under `dont_propagate_termination`; a wrap of ERR_TOO_MANY_RESTARTS
--- or ERR_START_FAILED that names the child, with its failure as the cause; ERR_NOT_TERMINATED while a service of a
--- former life still lives. Raises the original value of a panic under `pass_through_panics`, and on a supervisor that
--- is served already or is under another. Called in a service that is asked to stop, it first stops its own tree and
--- then returns CANCELED. Source: suture v4's Serve.
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

--- The failure score, decayed to now; with `intensity` the restarts in the window. Source: suture v4's.
---@nodiscard
---@return number
function Supervisor:failures() end

--- Its latest events, oldest first, at any time: also after its end, and through its next life.
---
--- As many as the setting `history` says: its own and those of its services, whatever its hook did with them, but not
--- those of supervisors below. Each is a copy in short that prints as the event did. The second result says how many
--- earlier ones are gone. Source: ours, after the flight recorders of aeroplanes.
---@nodiscard
---@return sutura.HistoryEntry[] entries
---@return integer gone
function Supervisor:history() end

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
---@field state "queued"|"backing_off"|"restarting"|"starting"|"running"|"stopping"|"stopped" queued: until the pause ends; backing_off: until its own delay has passed; restarting: waits for its group; starting: until it is ready; stopped: also before serve
---@field since? number the runtime's time when the state began; not of a root that was never served
---@field resumes? integer of a worker: how often it has had its turn, in all its runs
---@field restarts integer runs begun after the first
---@field failures integer ends that counted
---@field run? integer number of the run, 0 before the first; not in the record of a root
---@field started_at? number the runtime's time when the run began
---@field last_error? string why the run before ended
---@field cpu_time? number seconds that it has used of the processor; nil where nothing is watched or measured
---@field longest_turn? number seconds, at most in one piece
---@field cpu_time_by? "sampled"|"measured" how the two are known: by the watchdog, or with the runtime's option `accounting`
---@field on_hog? "panic"|"kill" as its child spec gave it
---@field cpu_share? number likewise
---@field waiting_for? string such as "sleep (3.200 s left) at worker.lua:12", "end of root/db at main.lua:7" or "db to be ready"
---@field next_try? number of one that is queued or backing off: the runtime's time when it starts again
---@field info? any what it gave to `ctx:ready`
---@field arg? any of a template's child: its argument
---@field supervisor_state? "not_running"|"normal"|"paused"|"stopping"|"terminated" of a supervisor
---@field score? number of a supervisor: `failures()`
---@field restart? "permanent"|"transient"|"temporary" not in the record of a root
---@field significant? true
---@field ready? "notify"
---@field start_timeout? number
---@field heartbeat? number seconds, when it has promised one
---@field next_beat? number the runtime's time when its next beat is due, while it owes one
---@field after? string[] the names of the siblings that it waits for
---@field backoff? sutura.Backoff filled in, but without jitter
---@field shutdown? number|"kill"|"infinity" when the service has one of its own
---@field kill? false when the service is not to be closed by force
---@field strategy? "one_for_one"|"one_for_all"|"rest_for_one" of a supervisor, as are the fields below: from its spec
---@field auto_shutdown? "any_significant"|"all_significant"
---@field intensity? integer when the window is in force
---@field period? number
---@field failure_threshold? number when the score is in force, as the two below
---@field failure_decay? number
---@field escalate_after? integer
---@field failure_backoff? number
---@field resume_spacing? number
---@field timeout? number
---@field stop_order? "reverse"|"parallel"
---@field max_children? integer of a template that has a limit
---@field children? sutura.Record[] of a supervisor, in `tree` only

--- What `plan` foresees.
---@class sutura.Plan
---@field stop string[] the paths of what would stop, in order
---@field start string[] the paths of what would start, in order
---@field events sutura.PlannedEvent[] in order

---@class sutura.PlannedEvent
---@field type string as of an event
---@field path string
---@field at number seconds from now
---@field restarting? boolean of the end of a service, as the two below
---@field stopping? boolean
---@field queued? true
---@field delay? number seconds; also of a pause and of its end
---@field reason? string of the events that have one

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
---@field state string as in its record: "stopped" once it has ended, else "stopping"
---@field age number seconds that its last run took: until it ended, or until now while it lives
---@field killed boolean true: closed by force; false: it was left
---@field stacktrace? string where it was stuck
---@field waiting_for? string such as "await at worker.lua:12"; nil when it was running
---@field blocked? number seconds that it kept the thread in one piece when its time had passed, if it could not be interrupted

--## Templates and partitions

--- A child supervisor whose children all run one function, made by `sup:template`.
---@class sutura.Template: sutura.Supervisor
local Template = {}

--- Starts one child with an argument. It runs `run(ctx, arg)`, also in each run after the first.
---
--- Without a name it is called by a number, counted from 1. Returns `nil, ERR_MAX_CHILDREN`, `nil, ERR_NOT_RUNNING`,
--- and `nil, ERR_ALREADY_PRESENT` for a name that is in use. Raises on a supervisor that is no template. Source: OTP's
--- start_child.
---@param arg any
---@param name? string
---@return sutura.Token? token
---@return sutura.Error? err
function Template:start(arg, name) end

--- A supervisor of like children, of which a key chooses one, made by `sutura.partition`.
---@class sutura.Partition: sutura.Supervisor
local Partition = {}

--- The child of a key: what it runs, and its token. Equal keys give the same child in every run of every program.
---
--- Raises on a key of another type, and on a supervisor that is no partition. Source: Elixir's PartitionSupervisor.
---@nodiscard
---@param key string|integer a float that is a whole number counts as that
---@return function|sutura.ServiceObject|sutura.Supervisor child
---@return sutura.Token token
function Partition:get(key) end

return { Supervisor, Handle, Template, Partition }
