-- SPDX-License-Identifier: MIT
--
-- The score of failures and the window of restarts, by the formulas of the contract.

local policy = {}

function policy.reset(sup)
    sup.score, sup.failed_at, sup.calm_at, sup.pauses, sup.restarts = 0, nil, nil, 0, {}
end

local function in_window(sup, now)
    local count = 0
    for _, time in ipairs(sup.restarts) do
        count = count + (time >= now - sup.period and 1 or 0)
    end
    return count
end

local function decayed(sup, now)
    if not sup.failed_at or sup.failure_decay == 0 then
        return 0
    end
    return sup.score * 0.5 ^ ((now - sup.failed_at) / 1e9 / sup.failure_decay)
end

function policy.score(sup, now)
    if sup.intensity then
        return in_window(sup, now)
    end
    return sup.failed_at == now and sup.score or decayed(sup, now)
end

function policy.limit(sup)
    return sup.intensity or sup.failure_threshold
end

--- Counts a failure. "restart", "pause" or "escalate".
function policy.fail(sup, now)
    if sup.intensity then
        table.insert(sup.restarts, now)
        return in_window(sup, now) > sup.intensity and "escalate" or "restart"
    end
    local paused = sup.state == "paused"
    local quiet = math.max(sup.failure_decay * 1e9, sup.failure_backoff)
    if sup.failed_at and not paused and now - sup.calm_at >= quiet then
        sup.pauses = 0
    end
    sup.score = decayed(sup, now) + 1
    sup.failed_at, sup.calm_at = now, now
    if sup.score <= sup.failure_threshold then
        return "restart"
    elseif paused then
        return "pause"
    elseif sup.escalate_after and sup.pauses >= sup.escalate_after then
        return "escalate"
    end
    sup.pauses = sup.pauses + 1
    return "pause"
end

--- A pause has ended.
function policy.resume(sup, now)
    sup.score, sup.calm_at = 0, now
end

return policy
