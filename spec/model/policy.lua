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

-- What has been seen to be over is so for a longer window too; no more are kept than it takes to be over the limit.
local function trim(sup, now)
    while sup.restarts[1] and sup.restarts[1] < now - sup.period or #sup.restarts > sup.intensity + 1 do
        table.remove(sup.restarts, 1)
    end
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

local function counted(format, count, ...)
    return format:format(count, count == 1 and "" or "s", ...)
end

--- What the supervisor gives up at, in words.
function policy.tolerated(sup)
    if sup.intensity then
        return counted("more than %d restart%s in %g s", sup.intensity, sup.period / 1e9)
    end
    return counted("paused %d time%s in a row", sup.escalate_after)
end

--- Counts a failure. "restart", "pause" or "escalate".
function policy.fail(sup, now)
    if sup.intensity then
        table.insert(sup.restarts, now)
        trim(sup, now)
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

--- The limits are to be others: what one of the two has counted is nothing to the other.
function policy.change(sup, to, now)
    local is_window, is_score = to.intensity, to.failure_threshold or to.failure_decay
    if is_window and not sup.intensity or is_score and sup.intensity then
        policy.reset(sup)
    elseif is_score and to.failure_decay ~= sup.failure_decay and sup.failed_at then -- from now on by another half-life
        sup.score, sup.failed_at = policy.score(sup, now), now
    end
    if is_window then
        sup.intensity, sup.escalate_after = to.intensity, nil
        trim(sup, -math.huge)
    elseif is_score then
        sup.intensity = nil
    end
end

--- A pause has ended.
function policy.resume(sup, now)
    sup.score, sup.calm_at = 0, now
end

return policy
