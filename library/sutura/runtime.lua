---@meta
-- SPDX-License-Identifier: MIT
--
-- Runtimes: annotations only. See library/sutura.lua.

--# Runtimes

--- A loop with its clock, its run queue and its trees. Every Lua state has a default one; others are for tests, with a
--- virtual clock that passes at once, and for embedding. As a `<close>` variable it is closed. Source: ours.
---@class sutura.Runtime
local Runtime = {}

--- Options of `sutura.runtime`.
---@class sutura.RuntimeOptions
---@field clock? "real"|"virtual" default "real"; a virtual one starts at 0 and jumps to the next deadline when nothing can run
---@field seed? number makes everything random repeat; default: none
---@field epoch? number Unix time at 0 of a virtual clock; default 0
---@field slice? number seconds that a turn may take before it is preempted; default 0.05, on a virtual clock 0; 0: as long as it likes
---@field kill_grace? number seconds between the error raised in what runs over its time to stop, and its end by force; default 0.1; 0: no error is raised
---@field on_unkillable? "report"|"abort" what cannot be killed is named on stderr, or also ends the process with exit code 70; default "report"
---@field preempt_signal? string the watchdog's signal, one for the whole Lua state; default "SIGURG"
---@field accounting? boolean measures what each service uses of the processor; default false: it is sampled
---@field close_budget? number seconds that the closers of a service have that is closed by force; default 0.1

--- A new supervisor in this runtime; see `sutura.supervisor`.
---@nodiscard
---@param name string
---@param spec? sutura.SupervisorSpec
---@return sutura.Supervisor
function Runtime:supervisor(name, spec) end

--- Runs a program as a coroutine that may wait, and the loop with it, until the program returns.
---
--- Raises what the program raises, a string with its stack trace appended; "deadlock" when the program waits for what
--- can never come; and when the runtime runs already. What else runs stays where it is, and goes on at the next run.
--- Without a function it runs until nothing is left that could ever run again.
---@async
---@param fn? fun(): any
---@return any ... what `fn` returned
function Runtime:run(fn) end

--- The time of its clock.
---@nodiscard
---@return number seconds
function Runtime:now() end

--- Virtual clock: passes some time, and runs all that falls due, in order of time, with the clock at each deadline.
---
--- Raises on a real clock, and inside a step of the same runtime.
---@param s number seconds, finite, 0 or more
function Runtime:advance(s) end

--- Runs what can run now, without passing time. Raises inside a step of the same runtime.
function Runtime:settle() end

--- One step for a host's loop: serves what is ready, and waits for it up to the limit.
---
--- Raises on a virtual clock, inside a step, and when luv's loop runs it.
---@param limit? number seconds; default 0: does not wait
---@return boolean more whether something is ready or will fall due
function Runtime:step(limit) end

--- The descriptor that is readable when `step` has something to do. With `events` and `timeout` it makes the runtime an
--- object that cqueues polls. Raises on a virtual clock.
---@nodiscard
---@return integer fd
function Runtime:pollfd() end

--- What to poll the descriptor for: always "r". Raises on a virtual clock.
---@nodiscard
---@return string
function Runtime:events() end

--- How long a host may wait before the next `step`; nil: until the descriptor is readable. Raises on a virtual clock.
---@nodiscard
---@return number? seconds
function Runtime:timeout() end

--- Shares luv's loop: its callbacks and our services then run in one loop, whoever runs it.
---
--- With another copy of libuv than ours it is driven through luv's poll and timer instead, and returns `true,
--- "driven"`. Raises on a virtual clock, inside a step, once it watches signals, and for another luv than before.
---@param luv table what `require "luv"` gave
---@return true attached
---@return "driven"? how
function Runtime:attach(luv) end

--- Options of `Runtime:stats`.
---@class sutura.StatsOptions
---@field reset? boolean count the lag anew from now on

--- What `Runtime:stats` gives.
---@class sutura.Stats
---@field lag sutura.Lag
---@field ready integer what is in the run queue
---@field timers integer deadlines that are armed
---@field supervisors integer supervisors that are served
---@field services integer their children that are no supervisors
---@field coroutines integer of these the ones that have begun and not ended
---@field events sutura.EventStats
---@field memory sutura.MemoryStats

--- How many events there were.
---@class sutura.EventStats
---@field told integer whose hook was called
---@field waiting integer whose hook is still to be called
---@field last_seq integer `seq` of the latest

--- What is in use.
---@class sutura.MemoryStats
---@field lua? integer bytes that Lua uses; nil in a finalizer, where Lua does not say

--- How late deadlines were: in each turn of the loop the latest one that was due, a millisecond of it the loop's own.
---@class sutura.Lag
---@field p50 number seconds, too high by a quarter at most, as `p99`
---@field p99 number
---@field max number seconds
---@field count integer turns
---@field since number the runtime's time when the counting began

--- How the runtime is doing. What the library itself has in memory outside of Lua is not known: some 300 bytes a service.
---
--- Raises on a closed runtime and on unknown options. Source: ours.
---@nodiscard
---@param opts? sutura.StatsOptions
---@return sutura.Stats
function Runtime:stats(opts) end

--- As `sutura.dump`, of this runtime.
---@param file? file*|string
---@return true? written
---@return string? err
function Runtime:dump(file) end

--- Stops what runs, waits for it, and gives everything back. Harmless when closed. Raises inside a step of its own.
function Runtime:close() end

return Runtime
