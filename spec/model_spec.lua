-- SPDX-License-Identifier: MIT
--
-- sutura against the reference model: random stories, every order of a few happenings, and the properties that each
-- story must have, by name. `make sim` plays many more stories; SEEDS=n has more of them here.

local child = require "spec.support.child"
local lines = require "spec.model.lines"
local orders = require "spec.model.orders"
local play = require "spec.model.play"
local properties = require "spec.model.properties"
local sim = require "spec.model.sim"
local stage = require "spec.model.stage"
local story = require "spec.model.story"
local sutura = require "sutura"

local SEEDS = tonumber(os.getenv("SEEDS")) or 60
local MINUTES = 60

local function ignore() end

-- Plays the stories of the seeds up to `count`; `fn` is called with the stage of each after its last step.
local function after_stories(count, fn)
    for seed = 1, count do
        local tale, step = story.of(seed, sim.STEPS), 0
        local at, what = play.play(tale, function(_, it)
            step = step + 1
            if step == #tale.steps then
                fn(it)
            end
        end)
        assert(not at, ("seed %d: %s"):format(seed, what))
    end
end

local function tree(it)
    return table.concat(lines.of_record(it.root:tree()), "\n")
end

-- A stage for the tree of a seed, whose workers do nothing by themselves, with what `tell` is given in a list.
local function quiet_stage(seed)
    local root, told = story.of(seed, 1).root, {}
    local function calm(spec)
        spec.plans, spec.after = { { first = "ready", stop = "meek" } }, nil
        if spec.settings then
            spec.settings.stop_order, spec.settings.timeout = "reverse", 1000000000
        end
        if spec.options then
            spec.options.shutdown, spec.options.heartbeat = nil, nil
        end
        for _, below in ipairs(spec.children or {}) do
            calm(below)
        end
    end
    calm(root)
    return stage.new(root, function(line)
        if line:match("^[+-]") then
            table.insert(told, line)
        end
    end, ignore), told
end

describe("a random story", function()
    it("goes as the model says, and has the properties that every story has", function()
        for seed = 1, SEEDS do
            assert.is_nil(sim.problem(story.of(seed, sim.STEPS)))
        end
    end)

    it("goes as the model says in every order of four things that happen at one instant", function()
        local played = 0
        for seed = 1, 5 do
            orders.of(seed, 4, function(tale)
                played = played + 1
                assert.is_nil(sim.problem(tale))
            end)
        end
        assert.equal(5 * 24, played)
    end)

    it("is printed as the table that it is", function()
        for seed = 1, 50 do
            local tale = story.of(seed, sim.STEPS)
            assert.same(tale, load("return " .. sim.write(tale))())
        end
    end)

    it("is made short when it does not go as the model says", function()
        local shrink = require "spec.model.shrink"
        local tale = story.of(3, sim.STEPS)
        shrink.shrink(tale, function(shorter)
            for _, step in ipairs(shorter.steps) do
                for _, call in ipairs(step.calls or {}) do
                    if call[1] == "cue" and call[3] == "panic" then
                        return "a panic"
                    end
                end
            end
        end)
        assert.equal(1, #tale.steps)
        assert.equal(1, #tale.steps[1].calls)
        assert.same({}, tale.root.children)
    end)
end)

describe("the properties", function()
    local watched

    before_each(function()
        watched = properties.new()
    end)

    -- A stage that has nothing but what is looked at.
    local function fake(state, fields)
        local record = { supervisor_state = state, children = {} }
        for key, value in pairs(fields or {}) do
            record[key] = value
        end
        return { root = { tree = function() return record end, state = function() return state end,
            history = function() return record.history or {}, record.gone or 0 end },
            report = function() return record.report or {} end }
    end

    local function violates(name, journal, it)
        local ok, problem = pcall(watched.watch, watched, journal, it or fake("normal"))
        assert.is_false(ok)
        assert.matches("^" .. name .. ": ", problem)
    end

    it("P1 start_end_pairing: each start has one end, and there are no two runs at once", function()
        violates("P1_start_end_pairing", { "+a", "+a" })
        violates("P1_start_end_pairing", { "-b" })
    end)

    it("P2 quiet_after_stop: nothing runs after the stop but what the report names", function()
        watched:watch({ "serve s: true", "+a", "+b" }, fake("normal"))
        watched:watch({ "-a" }, fake("terminated", { report = { "b lives" } }))
        watched:watch({ "-b" }, fake("terminated"))
        violates("P2_quiet_after_stop", { "+a" })
    end)

    it("P4 no_lost_event: the numbers of events have no gap", function()
        local it = quiet_stage(1)
        assert.error_matches(function() it:count { seq = it.seq + 2 } end, "came after")
        it:close()
    end)

    it("P5 per_service_order: an end is told after it, by its run; no resume is without a backoff", function()
        violates("P5_per_service_order", { "0 ns: stop_timeout s/a run=1 killed" })
        violates("P5_per_service_order", { "0 ns: resume s delay=0 score=0x0p+0" })
        violates("P5_per_service_order", { "+c", "-c", "0 ns: service_panic s/c run=2 - - - delay=none text=broken" })
        violates("P5_per_service_order", { "+e", "0 ns: service_start s/e run=2 first start by=nobody" })
        violates("P5_per_service_order", { "+d", "0 ns: service_panic s/d run=1 - - - delay=none text=broken" })
    end)

    it("P6 drain_on_resume: nothing is queued where nothing pauses", function()
        violates("P6_drain_on_resume", {}, fake("normal", { children = { { path = "s/a", state = "queued" } } }))
    end)

    it("P7 report_exact: the report has all that live on, and nobody twice", function()
        violates("P7_report_exact", { "+a" }, fake("terminated"))
        violates("P7_report_exact", {}, fake("terminated", { report = { "a lives", "a lives" } }))
        violates("P7_report_exact", {}, fake("terminated", { report = { "a killed" } }))
    end)

    it("P14 bounded: a history keeps its most, and counts the others", function()
        violates("P14_bounded", {}, fake("normal", { history = {}, gone = 1 }))
    end)
end)

describe("a story", function()
    it("P3 decay: has the score of the formula, pauses over the threshold alone, and resumes at 0", function()
        for seed = 1, 20 do
            local spec = story.of(seed, 1).root
            spec.settings.intensity, spec.settings.escalate_after, spec.settings.strategy = nil, nil, "one_for_one"
            spec.settings.failure_backoff, spec.settings.pass_through_panics = 1000000000, false
            spec.settings.lifecycle_events = false
            spec.children = { { name = "a", options = { restart = "permanent", kill = true },
                plans = { { first = "ready", stop = "meek" } } } }
            local decay, threshold = spec.settings.failure_decay, spec.settings.failure_threshold
            local score, last, paused = 0, nil, false
            local it = stage.new(spec, ignore, function(event)
                if event.type == "resume" then
                    score, last, paused = 0, event.time, false
                    assert.equal(0, event.current_failures)
                elseif event.type == "backoff" then
                    paused = true
                else
                    local left = (not last or decay == 0) and 0 or score * 0.5 ^ ((event.time - last) / decay)
                    score, last = left + 1, event.time
                    assert.equal(score, event.current_failures)
                    assert.equal(score > threshold, paused)
                end
            end)
            it:within(function() it:call { "serve", spec.name } end)
            for i = 1, 12 do
                it:within(function() it:call { "cue", "a", "panic" } end)
                it.rt:advance((i * seed % 7) / 2)
            end
            it:close()
        end
    end)

    it("P8 order: begins in the order of the tree, and ends in its reverse", function()
        for seed = 1, 40 do
            local it, told = quiet_stage(seed)
            it:within(function() it:call { "serve", it.root.name } end)
            it.rt:settle()
            it:calm()
            it.rt:settle()
            local begun = table.move(told, 1, #told, 1, {})
            it:within(function() it:call { "stop", it.root.name } end)
            for i, line in ipairs(begun) do
                assert.equal("+", line:sub(1, 1))
                assert.equal("-" .. line:sub(2), told[2 * #begun + 1 - i])
            end
            assert.equal(2 * #begun, #told)
            it:close()
        end
    end)

    it("P9 liveness: comes to rest once nothing fails any more", function()
        local function at_rest(record)
            for _, below in ipairs(record.children) do
                assert(below.state == "running" or below.state == "stopped", below.path .. " is " .. below.state)
                if below.kind == "supervisor" then
                    assert.equal(below.state == "running" and "normal", below.state == "running"
                        and below.supervisor_state)
                    at_rest(below)
                end
            end
        end
        after_stories(40, function(it)
            it:calm()
            it.rt:advance(MINUTES * 60)
            at_rest(it.root:tree())
        end)
    end)

    it("P10 idempotence: stops, and takes out, a second time as it was", function()
        after_stories(20, function(it)
            it:calm()
            it:within(function() it:call { "stop", it.root.name } end)
            it.rt:advance(MINUTES * 60)
            local before, report = tree(it), it.root:unstopped_service_report()
            it:within(function() assert.same(report, (it.root:stop())) end)
            assert.equal(before, tree(it))
            for name, service in pairs(it.services) do
                assert.is_true(service.sup:remove(service.token), name)
            end
            before = tree(it)
            for name, service in pairs(it.services) do
                assert.is_true(service.sup:remove(service.token), name)
            end
            assert.equal(before, tree(it))
            it.rt:close()
            it.rt:close()
        end)
    end)

    it("P11 baseline: leaves nothing behind", function()
        local function used()
            collectgarbage()
            collectgarbage()
            return collectgarbage("count")
        end
        after_stories(20, ignore)
        local before = used()
        after_stories(20, ignore)
        assert.is_true(used() - before < 4, ("%.1f kB more than before"):format(used() - before))
    end)

    it("P12 tokens: is not touched by tokens of other supervisors and of other runtimes", function()
        local other = sutura.runtime { clock = "virtual" }
        local stranger = other:supervisor("stranger"):add("a", ignore)
        after_stories(20, function(it)
            local before, foreign = tree(it), it.foreign
            for _, method in ipairs { "remove", "restart", "terminate_child", "restart_child", "delete_child" } do
                local answer, err = it.root[method](it.root, foreign)
                assert.same({ nil, sutura.ERR_WRONG_SUPERVISOR }, { answer, err })
                assert.has_error(function() it.root[method](it.root, stranger) end)
            end
            assert.equal(before, tree(it))
        end)
        other:close()
    end)

    it("P13 determinism: is told in the same words each time", function()
        local function told(seed)
            local words = {}
            play.play(story.of(seed, sim.STEPS), function(journal, it)
                table.insert(words, table.concat(journal, "\n"))
                for _, event in ipairs(it.root:history()) do
                    table.insert(words, tostring(event))
                end
            end)
            return table.concat(words, "\n")
        end
        for seed = 1, 20 do
            assert.equal(told(seed), told(seed))
        end
    end)

    it("P15 hook_isolation: is the same when hooks raise, or try to wait", function()
        local result = child.run [[
            local play, sim, story = require "spec.model.play", require "spec.model.sim", require "spec.model.story"
            for seed = 1, 20 do
                for _, how in ipairs { function() error("no") end, require("sutura").yield } do
                    local at, what = play.play(story.of(seed, sim.STEPS), nil, how)
                    assert(not at, what)
                end
            end
            print("the same")
        ]]
        assert.equal("the same\n", result.out)
        assert.matches("the event hook of supervisor 's%d+' raised", result.err)
    end)
end)
