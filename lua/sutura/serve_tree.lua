-- SPDX-License-Identifier: MIT
--
-- A supervisor served by a process of its own: the signals that stop it and show it, what is said at the end, and the
-- exit code. It knows nothing of files and of the command line.
--
-- Signals are handled between the steps of the tree, like hooks: nothing waits in a handler.

local dump = require "sutura.dump"
local event = require "sutura.event"
local log = require "sutura.log"
local text = require "sutura.text"
local tree_text = require "sutura.tree_text"

local serve_tree = {}

--- The exit codes of the command (docs/sutura.1).
serve_tree.EXIT = { CLEAN = 0, ERROR = 1, USAGE = 2, LOAD = 3, UNSTOPPED = 5, INTERRUPTED = 130, SIGNAL_BASE = 128 }

local EXIT = serve_tree.EXIT
local SIGNAL_NUMBERS = { SIGINT = 2, SIGTERM = 15 }

---@class sutura.ServedEnd how a served tree came to its end
---@field asked? string the first signal that stopped it
---@field forced? string the second one
---@field failed boolean whether it ended with an error
---@field reason any the error
---@field unstopped? table[] the unstopped report, nil if clean

--- The exit code for an end: a forced one before what did not stop, that before an interrupt, that before an error.
---@param ending sutura.ServedEnd
---@return integer
function serve_tree.exit_code(ending)
    if ending.forced then
        return EXIT.SIGNAL_BASE + SIGNAL_NUMBERS[ending.forced]
    elseif ending.unstopped then
        return EXIT.UNSTOPPED
    elseif ending.asked == "SIGINT" then
        return EXIT.INTERRUPTED
    end
    return ending.failed and EXIT.ERROR or EXIT.CLEAN
end

-- SIGUSR2: what `sutura.dump` writes, or a line of JSON for each tree.
local function show_trees(core)
    local ok, problem = pcall(function()
        if log.format() ~= "json" then
            log.write(dump.text(core))
            return
        end
        for _, record in ipairs(dump.records(core)) do
            log.report("the tree of " .. record.path, "tree", { tree = tree_text.plain(record) })
        end
    end)
    if not ok then
        log.report("the trees could not be shown: " .. text.of(problem))
    end
end

local function on_stop_signal(core, sup, ending, name)
    if not ending.asked then
        ending.asked = name
        log.report(("%s: stopping; a second signal ends it at once"):format(name), "signal")
        sup:stop()
    elseif not ending.forced then
        ending.forced = name
        log.report(("%s: not waiting any longer"):format(name), "signal")
        core.kill(sup)
    end
end

local function say_unstopped(entry)
    local what = entry.killed and "was closed by force" or "was left running"
    local line = ("%s did not stop and %s%s"):format(text.of(entry.path), what, event.stood(entry.waiting_for))
    log.report(line, "unstopped", {
        path = text.utf8(text.of(entry.path)),
        killed = entry.killed == true,
    })
end

local function say_end(ending)
    if ending.failed then
        log.report("the tree ended with an error: " .. text.of(ending.reason), "error")
    end
    for _, entry in ipairs(ending.unstopped or {}) do
        say_unstopped(entry)
    end
    if ending.forced and not ending.unstopped then
        log.report("nothing had to be closed by force", "unstopped")
    end
end

--- Serves a supervisor until it ends or a signal stops it, and says on stderr why it ended if that was not clean.
---
--- SIGTERM and SIGINT stop it; a second one closes by force what still runs. SIGUSR2 prints what `sutura.dump` writes.
---@param core table the C module
---@param sup sutura.Supervisor not served yet
---@return integer exit_code
function serve_tree.run(core, sup)
    local ending = { failed = false }
    local stops = core.on_signal({ "SIGINT", "SIGTERM" }, function(name)
        on_stop_signal(core, sup, ending, name)
    end)
    local shows = core.on_signal({ "SIGUSR2" }, function()
        show_trees(core)
    end)
    -- Under `run`, because a supervisor of another runtime is refused there: its loop would hear no signal.
    core.run(function()
        local ok, reason = pcall(sup.serve, sup)
        ending.failed = not ok or reason ~= nil
        ending.reason = reason
        local reported, unstopped = pcall(sup.unstopped_service_report, sup)
        ending.unstopped = reported and unstopped or nil
    end)
    stops:close()
    shows:close()
    say_end(ending)
    return serve_tree.exit_code(ending)
end

return serve_tree
