-- SPDX-License-Identifier: MIT
--
-- The mailbox that the services of a story share: values in the order in which they were sent, and who waits for one. A
-- value stays in it until somebody who runs takes it.

local rules = require "spec.model.rules"

local mailbox = {}

--- `wake(service)` lets one that waits have its turn.
function mailbox.new(wake)
    return { values = {}, waiters = {}, wake = wake }
end

local function wake_first(box)
    local first = table.remove(box.waiters, 1)
    if first then
        box.wake(first)
    end
end

function mailbox.send(box, value)
    table.insert(box.values, value)
    wake_first(box)
end

function mailbox.wait(box, service)
    table.insert(box.waiters, service)
end

--- The oldest value, or nil.
function mailbox.take(box)
    return table.remove(box.values, 1)
end

--- It waits no more. What it was `woken` for somebody else shall have.
function mailbox.leave(box, service, woken)
    rules.remove(box.waiters, service)
    if woken and box.values[1] then
        wake_first(box)
    end
end

return mailbox
