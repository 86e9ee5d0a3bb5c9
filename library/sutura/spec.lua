---@meta
-- SPDX-License-Identifier: MIT
--
-- The tables that describe supervisors and what they run: annotations only. See library/sutura.lua.

--# Specs

--- An explicit 0 or false is a value, not the default. Negative numbers, NaN, infinity where it is not named, a wrong
--- type, fields that exclude each other and an unknown field are refused by name.

--## The spec of a supervisor

--- What `update` can change, too. Three limits say when too much has failed. The score pauses restarts, for ever if
--- need be; with `escalate_after` it ends the supervisor after some pauses; `intensity` and `period` are OTP's window,
--- and end it at once.
---@class sutura.SupervisorSettings
---@field strategy? "one_for_one"|"one_for_all"|"rest_for_one" who restarts with a child that failed: nobody, all its siblings, or those behind it in start order (those that depend on it, if any child has `after`); default "one_for_one" (OTP)
---@field failure_decay? number half-life of the failure score in seconds; default 30; math.huge: no decay; 0: every failure makes the score 1 (suture v4)
---@field failure_threshold? number a score over it pauses restarts; default 5; math.huge: never (suture v4)
---@field failure_backoff? number how long a pause lasts, in seconds before jitter; default 15; 0: until the next turn (suture v4)
---@field escalate_after? integer so many pauses in a row are tolerated, and instead of the next one the supervisor gives up; 1 or more; default: never; not with `intensity` or `period` (ours)
---@field intensity? integer so many restarts in `period` are tolerated, and at the next one the supervisor gives up; 0 to 1,000,000; replaces the score; default 1 if `period` is given (OTP)
---@field period? number seconds of the window, more than 0; default 5 if `intensity` is given (OTP)
---@field auto_shutdown? "never"|"any_significant"|"all_significant" ends when the first, or the last, of its significant children has ended for good; default "never" (OTP)
---@field backoff_jitter? fun(seconds: number): number default `sutura.default_jitter` (suture v4)
---@field resume_spacing? number seconds between the starts when a pause ends; default 0: all at once (ours)
---@field timeout? number seconds that each service has to stop, from the moment it is asked; default 10; 0: asked, one turn, closed (suture v4)
---@field stop_order? "reverse"|"parallel" one at a time in reverse of the start order, or all together; default "reverse" (OTP; suture stops all together)
---@field pass_through_panics? boolean a panic stops the services, and `serve` raises the original value; default false (suture v4)
---@field dont_propagate_termination? boolean TERMINATE_TREE ends this supervisor only; default false (suture v4)
---@field format_error? fun(err: any): string text of an error value; default: guarded `tostring`, of plain tables their fields (ours)
---@field panic_locals? boolean locals and upvalues in the frames of a panic; default false (ours)
---@field redact? fun(name: string, text: string): string? may replace the text of a local or upvalue (ours)
---@field lifecycle_events? boolean also the events of starts and stops; default false (ours)
---@field history? integer how many of its latest events it keeps for `history()`; default 64; 0 to 10,000 (ours)

--- For `sutura.supervisor`.
---@class sutura.SupervisorSpec: sutura.SupervisorSettings
---@field event_hook? fun(event: sutura.AnyEvent) called with each event, between steps of the tree; it cannot wait. Default: one line an event on stderr, and beneath it the stack trace of a panic, or the history of a supervisor that gives up (suture v4)
---@field children? (sutura.ChildSpec|sutura.ServiceObject|sutura.Supervisor|function)[] started in order, but each behind those that it is `after`; a name may stand only once (OTP)

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

--- How a service is started, stopped and started again.
---@class sutura.ServiceOptions
---@field restart? "permanent"|"transient"|"temporary" restarted after every end, only after an error or panic, or never and then forgotten; default "permanent" (OTP)
---@field shutdown? number|"kill"|"infinity" seconds to stop in; default the supervisor's `timeout`; "kill": closed at once, without an event (OTP)
---@field kill? boolean whether it is closed by force when its time has passed; default true (ours)
---@field ready? "notify" it is ready when it calls `ctx:ready(info)`, and those behind it start only then; default: ready once it first runs; not of a supervisor, which is ready when its children are (OTP: the return of init)
---@field start_timeout? number seconds, more than 0, from its first resume until it must be ready; default: as long as it takes; only with `ready` (ours)
---@field heartbeat? number seconds, more than 0, in which it calls `ctx:beat()` again, from its first resume on; a missed beat is a panic with the stack where it stands; default: it need not; not of a supervisor (ours)
---@field backoff? sutura.Backoff a delay of its own before each restart; default: none (ours)
---@field on_hog? "yield"|"panic"|"kill" what happens when it runs over the runtime's slice; default "yield"; not of a supervisor (ours)
---@field cpu_share? number the part of the processor that it gets at most while others are ready, over 0 and up to 1; default: any; not of a supervisor (ours)

--- Options of `add`.
---@class sutura.AddOptions: sutura.ServiceOptions
---@field name? string any non-empty string; default: the object's or supervisor's name, or the function's place, "file.lua:12"
---@field significant? boolean its end for good may end the supervisor, see `auto_shutdown`; default false; not of a permanent one (OTP)
---@field after? string[] it waits only for these siblings to be ready, by name; default: for all before it. Cycles and unknown names are refused (ours)

--- A service and its options in one table, for `add` and `children`.
---@class sutura.ChildSpec: sutura.AddOptions
---@field run (fun(ctx: sutura.Context): any, any)|sutura.ServiceObject|sutura.Supervisor

--- A restart delay that grows with each failure.
---@class sutura.Backoff
---@field min? number the first delay, in seconds; default 1
---@field max? number the longest, in seconds before jitter; default 60
---@field factor? number each failure makes the delay so many times as long; at least 1; default 2
---@field jitter? fun(seconds: number): number default: the supervisor's `backoff_jitter`
---@field reset_after? number a run of so many seconds makes the next delay `min` again; default `max`

--- For `sup:template`: what its children run, their options, and the template's settings as a supervisor. Its strategy
--- is one_for_one, and its children stop together unless `stop_order` says otherwise.
---@class sutura.TemplateSpec: sutura.SupervisorSettings
---@field name string of the child supervisor
---@field run fun(ctx: sutura.Context, arg: any): any, any what each child runs, with the argument of its `start`
---@field max_children? integer 1 or more; default: no limit (Elixir)
---@field restart? "permanent"|"transient"|"temporary" of each child, as the fields below; see `sutura.ServiceOptions`
---@field shutdown? number|"kill"|"infinity"
---@field kill? boolean
---@field ready? "notify"
---@field start_timeout? number
---@field heartbeat? number
---@field backoff? sutura.Backoff
---@field on_hog? "yield"|"panic"|"kill"
---@field cpu_share? number

--- Names one service of one supervisor for ever. Prints as the service's path. Two tokens of one service are equal.
---@class sutura.Token
