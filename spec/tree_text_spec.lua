-- SPDX-License-Identifier: MIT
--
-- A tree in text, of the records of real ones: what `sutura check` and SIGUSR2 print of strategies, limits, readiness
-- and dependencies. How the command prints them is in cli_spec.

local sutura = require "sutura"
local tree_text = require "sutura.tree_text"
local in_time = require("spec.support.virtual").test

local function idle()
    sutura.sleep(1e6)
end

local function ignore() end

-- One line of a text, found by the name that it begins with, without that.
local function line(text, name)
    return (text:match("%f[^\n%z]%s*%d*%.? ?" .. name .. ": ([^\n]*)"))
end

describe("the plan of a tree", function()
    it("has the strategy and the limit that is in force", in_time(function(rt)
        local window = rt:supervisor("window", { strategy = "rest_for_one", intensity = 3, event_hook = ignore })
        assert.equal("supervisor, strategy rest_for_one, stop_order reverse, timeout 10, intensity 3, period 5",
            line(tree_text.plan(window:tree()), "window"))
        local pauses = rt:supervisor("pauses", { escalate_after = 2 })
        assert.equal("supervisor, strategy one_for_one, stop_order reverse, timeout 10, failure_threshold 5, "
            .. "failure_decay 30, failure_backoff 15, escalate_after 2, resume_spacing 0",
            line(tree_text.plan(pauses:tree()), "pauses"))
    end))

    it("has of each child what is not the default", in_time(function(rt)
        local sup = rt:supervisor("root", { auto_shutdown = "any_significant", children = {
            { name = "web", run = idle, after = { "db", "cache" } },
            { name = "plain", run = idle },
            { name = "db", run = idle, ready = "notify", start_timeout = 5, heartbeat = 2 },
            { name = "cache", run = idle, restart = "transient", after = { "db" } },
            { name = "job", run = idle, restart = "temporary", significant = true, kill = false },
            { name = "poller", run = idle, backoff = { max = 30 }, shutdown = "kill", after = {} },
        } })
        sup:template { name = "conns", run = idle, max_children = 100 }
        local text = tree_text.plan(sup:tree())
        assert.matches(", auto_shutdown any_significant$", line(text, "root"))
        assert.equal("worker", line(text, "plain"))
        assert.equal("worker, ready notify, start_timeout 5, heartbeat 2", line(text, "db"))
        assert.equal("worker, restart transient, after db", line(text, "cache"))
        assert.equal("worker, after db and cache", line(text, "web"))
        assert.equal("worker, restart temporary, significant, kill false", line(text, "job"))
        assert.equal("worker, after nobody, backoff 1 to 30 by 2, shutdown kill", line(text, "poller"))
        assert.matches(", stop_order parallel, .*, max_children 100$", line(text, "conns"))
        assert.matches("1%. plain: .*2%. db: .*3%. cache: .*4%. web: ", text)
    end))
end)

describe("the state of a tree", function()
    it("says who waits for whom, and when a child is tried again", in_time(function(rt)
        local sup = rt:supervisor("root", { event_hook = ignore, backoff_jitter = sutura.no_jitter, children = {
            { name = "db", ready = "notify", run = function(ctx)
                sutura.sleep(10)
                ctx:ready("port 5432")
                idle()
            end },
            { name = "web", run = idle, after = { "db" } },
            { name = "poller", run = error, backoff = { min = 7 }, after = {} },
        } })
        sup:serve_background()
        sutura.sleep(1)
        local text = tree_text.state(sup:tree(), sutura.now())
        assert.matches("^worker starting for 1%.000 s, waits in sleep %(9%.000 s left%) at ", line(text, "db"))
        assert.equal("worker starting for 1.000 s, waits for db to be ready", line(text, "web"))
        assert.equal("worker backing_off for 1.000 s, next try in 6.000 s, failures 1, resumes 1", line(text, "poller"))
        sutura.sleep(10)
        assert.matches("^worker running, .*, info port 5432$", line(tree_text.state(sup:tree()), "db"))
        assert.not_matches("next try", tree_text.state(sup:tree()), 1, true)
        sup:stop()
    end))

    it("says how near a window is to its limit, and what a template's child was given", in_time(function(rt)
        local sup = rt:supervisor("root", { event_hook = ignore, intensity = 2, period = 60, children = {
            { name = "shaky", run = function(ctx)
                assert(ctx.run > 1, "no")
                idle()
            end },
        } })
        local template = sup:template { name = "conns", run = idle }
        sup:serve_background()
        template:start("socket 7")
        template:start({})
        sutura.sleep(1)
        local text = tree_text.state(sup:tree(), sutura.now())
        assert.equal("supervisor running (normal) for 1.000 s, 1 of 2 restarts in 60 s", line(text, "root"))
        assert.matches(", arg socket 7$", line(text, "1"))
        assert.not_matches("arg", line(text, "2"), 1, true)
        sup:stop()
    end))
end)

describe("how long a state has lasted", function()
    it("is said in the two largest units", function()
        local function said(seconds)
            return line(tree_text.state({ name = "w", state = "running", since = 0 }, seconds), "w")
        end
        assert.same({ "service running for 0.000 s", "service running for 59.999 s", "service running for 1 min 0 s",
            "service running for 59 min 59 s", "service running for 23 h 59 min", "service running for 2 d 3 h",
            "service running for 0.000 s" },
            { said(0), said(59.999), said(60.9), said(3599.9), said(86399), said(2 * 86400 + 3.9 * 3600), said(-5) })
    end)
end)

describe("a tree for a JSON encoder", function()
    it("has the settings that are tables, and nothing that no encoder takes", in_time(function(rt)
        local sup = rt:supervisor("root", { children = {
            { name = "db", run = function(ctx) ctx:ready({ port = 5432 }) idle() end, ready = "notify" },
            { name = "web", run = idle, after = { "db" }, backoff = { reset_after = math.huge } },
        } })
        sup:serve_background()
        sutura.sleep(1)
        local db, web = table.unpack(tree_text.plain(sup:tree()).children)
        assert.equal("{port = 5432}", db.info)
        assert.same({ "db" }, web.after)
        assert.same({ min = 1.0, max = 60.0, factor = 2.0, reset_after = "inf" }, web.backoff)
        sup:stop()
    end))
end)
