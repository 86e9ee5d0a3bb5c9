---@meta
-- SPDX-License-Identifier: MIT
--
-- Events by type: annotations only. See library/sutura.lua.

--# Events

--- What a hook is called with. Adding a supervisor to another gives it, and all below, the other's hook. Hooks run
--- between steps of the tree, in order, and may call any method of any supervisor; they cannot wait. A hook that raises
--- is reported on the default logger and changes nothing else. `tostring(event)` is one line. Source: suture v4's
--- events; `seq`, both clocks and the path are ours.
---@class sutura.Event
---@field type string
---@field time number the runtime's time, in seconds
---@field wall number Unix time; on a virtual clock its `epoch` plus `time`
---@field seq integer counts up in a runtime, without gaps
---@field supervisor sutura.Supervisor
---@field supervisor_name string
---@field path string of the service, or of the supervisor in an event of its own
local Event = {}

--- The event as a plain table with the same names, fit for any JSON encoder.
---
--- Without `supervisor`, `service`, `frames` and `history`; `token` is its path and `error` is text; strings are valid
--- UTF-8 and bounded; numbers that are not finite are "inf", "-inf" or "nan". Never raises. Source: suture v4's Map.
---@nodiscard
---@return table<string, string|number|boolean>
function Event:map() end

---@alias sutura.AnyEvent sutura.PanicEvent|sutura.TerminateEvent|sutura.BackoffEvent|sutura.ResumeEvent|sutura.StopTimeoutEvent|sutura.EscalateEvent|sutura.ServiceStartEvent|sutura.ServiceStopEvent|sutura.SupervisorStartEvent|sutura.SupervisorStopEvent

--- What every event about a service has.
---@class sutura.ServiceEvent: sutura.Event
---@field service function|sutura.ServiceObject|sutura.Supervisor what was added
---@field service_name string
---@field token sutura.Token
---@field run integer number of the run, from 1

--- A service raised. Source: suture v4's EventServicePanic.
---@class sutura.PanicEvent: sutura.ServiceEvent
---@field type "service_panic"
---@field current_failures number the supervisor's score after it; with `intensity` the restarts in the window
---@field failure_threshold number the supervisor's, or its `intensity`
---@field restarting boolean whether it restarts now, or after a delay of its own
---@field queued? true when it restarts after the pause
---@field delay? number seconds, after jitter, when it restarts after a delay of its own
---@field stopping boolean whether it was asked to stop: not counted then
---@field because_of? string path of the service whose end began it: its own, or of a supervisor the one that ended it; when stopping, of who caused that, nil for nobody in the tree
---@field error any the value that was raised
---@field error_msg string its text
---@field panic_msg string the same text
---@field stacktrace string taken at the raise; head and tail of a deep one
---@field frames sutura.Frame[] the same trace, innermost first

--- A service returned, with an error or without, or was not ready in its time. Source: suture v4's
--- EventServiceTerminate.
---@class sutura.TerminateEvent: sutura.ServiceEvent
---@field type "service_terminate"
---@field current_failures number the supervisor's score after it; with `intensity` the restarts in the window
---@field failure_threshold number the supervisor's, or its `intensity`
---@field restarting boolean whether it restarts now, or after a delay of its own
---@field queued? true when it restarts after the pause
---@field delay? number seconds, after jitter, when it restarts after a delay of its own
---@field stopping boolean whether it was asked to stop: not counted then
---@field because_of? string path of the service whose end began it: its own, or of a supervisor the one that ended it; when stopping, of who caused that, nil for nobody in the tree
---@field error? any what it returned as its error
---@field error_msg? string its text

--- Too much has failed: restarts are paused. Source: suture v4's EventBackoff.
---@class sutura.BackoffEvent: sutura.Event
---@field type "backoff"
---@field current_failures number the score, over the threshold
---@field delay number seconds that the pause will last

--- A pause has ended. Source: suture v4's EventResume.
---@class sutura.ResumeEvent: sutura.Event
---@field type "resume"
---@field current_failures number 0
---@field delay number seconds between the restarts: `resume_spacing`

--- A service has run over its slice. Told at the 1st, 2nd, 4th, 8th, ... time in a row. Source: ours.
---@class sutura.HogEvent: sutura.ServiceEvent
---@field type "service_hog"
---@field duration number seconds in one piece, so far
---@field in_a_row integer overruns without a wait in between
---@field action "yield"|"panic"|"kill"|"none" what was done about it; "none": it could not be interrupted
---@field stacktrace? string where it was; nil when it had given way before anybody could look
---@field stopping boolean whether it was asked to stop

--- A service did not stop in its time. Source: suture v4's EventStopTimeout.
---@class sutura.StopTimeoutEvent: sutura.ServiceEvent
---@field type "stop_timeout"
---@field killed boolean whether it is closed by force now; else it is left
---@field stacktrace string where it is stuck
---@field waiting_for? string such as "await at worker.lua:12"; nil when it was running

--- A supervisor gives up: it stops its children and ends with an error. Its last failure was told just before. Source:
--- OTP's report of a supervisor's shutdown.
---@class sutura.EscalateEvent: sutura.Event
---@field type "escalate"
---@field reason string "more than 3 restarts in 5 s", "paused 3 times in a row" or "start failed"
---@field error any what `serve` returns
---@field error_msg string its text
---@field history sutura.HistoryEntry[] the supervisor's events before this one, as from `sup:history()`

--- A run begins. Only with `lifecycle_events`. Source: ours.
---@class sutura.ServiceStartEvent: sutura.ServiceEvent
---@field type "service_start"
---@field reason string "first start", or why the run before ended: "returned without an error", "returned TERMINATE_TREE", "restarted on purpose", "restarted with its group", "stopped", or the text of its error
---@field because_of? string path of the service that this restart comes of: its own, the sibling's that failed, the caller's; nil at a first start, and for nobody in the tree

--- A run has ended. Only with `lifecycle_events`. Source: ours.
---@class sutura.ServiceStopEvent: sutura.ServiceEvent
---@field type "service_stop"
---@field reason "returned"|"error"|"panic"|"do not restart"|"terminate tree"|"stopped"
---@field because_of? string path of the service that its end comes of: its own, or of who caused the stop; nil for nobody in the tree

--- A supervisor begins to serve. Only with `lifecycle_events`. Source: ours.
---@class sutura.SupervisorStartEvent: sutura.Event
---@field type "supervisor_start"
---@field reason "served"|"first start"|"started again" the first of a root
---@field because_of? string path of the service that this restart comes of; nil at a first start, when it is served, and for nobody in the tree

--- A supervisor has ended. Only with `lifecycle_events`. Source: ours.
---@class sutura.SupervisorStopEvent: sutura.Event
---@field type "supervisor_stop"
---@field reason "panic"|"do not restart"|"terminate tree"|"stopped"|"auto shutdown"|"gave up"|"start failed"
---@field because_of? string path of the service that its end comes of; nil for nobody in the tree

--- What a supervisor keeps of one of its events. The fields are those of the event, with `tostring` and `map` as the
--- event has them; long texts are cut in the middle. An entry that found no memory for its texts has the path of the
--- supervisor and no other text. Source: ours.
---@class sutura.HistoryEntry
---@field type string
---@field seq integer
---@field time number the runtime's time, in seconds
---@field wall number Unix time
---@field path string at most 512 bytes
---@field service_name? string at most 128 bytes
---@field run? integer
---@field current_failures? number
---@field failure_threshold? number
---@field restarting? boolean
---@field stopping? boolean
---@field queued? true
---@field delay? number seconds
---@field killed? boolean
---@field error_msg? string at most 200 bytes
---@field reason? string at most 200 bytes
---@field waiting_for? string at most 160 bytes
---@field duration? number seconds
---@field in_a_row? integer
---@field action? string
---@field because_of? string at most 512 bytes

--- One call of a stack trace.
---@class sutura.Frame
---@field source string short source, or "[C]"
---@field line? integer
---@field name? string the function's name, if it is known
---@field what "Lua"|"C"|"main"
---@field locals? sutura.Variable[] with `panic_locals`, in the first frames
---@field upvalues? sutura.Variable[] with `panic_locals`, in the first frames

--- A local or an upvalue as bounded text, taken without metamethods.
---@class sutura.Variable
---@field name string
---@field text string

return Event
