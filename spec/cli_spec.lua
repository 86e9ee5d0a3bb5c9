-- SPDX-License-Identifier: MIT
--
-- The command, as a user meets it: a process with arguments, signals, two streams and an exit code.

local command = require "spec.support.command"
local json = require "dkjson"

-- A tree that says "ready" when it is served; `%s` is what its spec has besides, and its one child.
local function tree(fields, body)
    return ([[
local sutura = require "sutura"
return sutura.supervisor("root", { %s children = { { name = "worker", run = function(ctx)
    %s
end } } })
]]):format(fields, body)
end

local SAY_READY = 'io.stderr:write("ready\\n")'
local WAITS = tree("", SAY_READY .. " while true do sutura.sleep(60) end")
local SWALLOWS = tree("timeout = 0.05,", SAY_READY .. " while true do pcall(sutura.sleep, 60) end")

local function check(content, arguments)
    return command.run(("check %s %s"):format(command.file(content), arguments or ""))
end

local function run(content, options)
    return command.run(("run %s %s"):format(options or "", command.file(content)))
end

-- Every line as an object; fails on a line that is none.
local function objects(text)
    local result = {}
    for line in text:gmatch("[^\n]+") do
        if line ~= "ready" then
            local object = json.decode(line)
            assert.is_table(object, line)
            result[#result + 1] = object
        end
    end
    return result
end

local function of_type(list, kind)
    for _, object in ipairs(list) do
        if object.type == kind then
            return object
        end
    end
end

describe("the command", function()
    describe("with options", function()
        it("prints its version and its help", function()
            local version = command.run("--version")
            assert.equal(0, version.code)
            assert.matches("^sutura %S+, libuv %d+%.%d+%.%d+, Lua 5%.4\n$", version.out)
            local help = command.run("--help")
            assert.equal(0, help.code)
            assert.matches("Usage: sutura", help.out)
            assert.matches("Exit codes", help.out)
            assert.equal("", version.err .. help.err)
        end)

        it("ends with 2 and its usage when they are wrong", function()
            for _, arguments in ipairs({ "", "walk", "run", "check", "run --log xml f.lua", "run --nothing f.lua" }) do
                local result = command.run(arguments)
                assert.equal(2, result.code, arguments)
                assert.matches("^sutura: ", result.err)
                assert.matches("\nUsage: sutura", result.err)
                assert.equal("", result.out)
            end
        end)
    end)

    describe("with a module missing", function()
        it("names the packages that have argparse", function()
            local result = command.script("LUA_PATH='./lua/?.lua;./lua/?/init.lua' $SUTURA check x.lua")
            assert.equal(2, result.code)
            assert.matches("^sutura: .*argparse is missing %(Debian: lua%-argparse; LuaRocks: argparse%)\n$",
                result.err)
        end)

        it("names the packages that have dkjson", function()
            local result = command.script("LUA_INIT='package.preload.dkjson = error' $SUTURA run --log json x.lua")
            assert.equal(2, result.code)
            assert.matches("^sutura: .*dkjson is missing %(Debian: lua%-dkjson; LuaRocks: dkjson%)\n$", result.err)
        end)

        it("names the package that has the C module", function()
            local hidden = [[
cd lua
export LUA_PATH='./?.lua;./?/init.lua' LUA_CPATH='./?.so'
exec lua5.4 -e 'require "sutura"']]
            local result = command.script(hidden)
            assert.equal(1, result.code)
            assert.matches("sutura%.core was not found; it comes with the rock 'sutura'", result.err)
        end)

        it("says why a C module that is there cannot be loaded", function()
            local result = command.script("LUA_INIT='package.preload[\"sutura.core\"] = error' $SUTURA check x.lua")
            assert.equal(2, result.code)
            assert.matches("^sutura: the C module sutura%.core of the rock 'sutura' could not be loaded", result.err)
        end)
    end)

    describe("with a file that is no tree", function()
        local function problem(content)
            local path = command.file(content)
            local result = command.run("run " .. path)
            assert.equal(3, result.code, result.err)
            assert.equal("", result.out)
            local line, message = result.err:match("^sutura: " .. path:gsub("%p", "%%%0") .. ":(%d+): ([^\n]*)\n$")
            assert.is_truthy(line, result.err)
            return tonumber(line), message
        end

        it("says that there is no such file", function()
            local result = command.run("run /no/such/file.lua")
            assert.equal(3, result.code)
            assert.equal("sutura: /no/such/file.lua: No such file or directory\n", result.err)
            assert.equal(3, command.run("run /tmp").code)
        end)

        it("says where it does not parse", function()
            local line, message = problem("local x = 1\nlocal = 2\n")
            assert.equal(2, line)
            assert.matches("<name> expected", message)
        end)

        it("says what it raised, and where", function()
            local line, message = problem("\n\nerror('no\\nluck')")
            assert.equal(3, line)
            assert.equal([[no\nluck]], message)
            line, message = problem("\nerror({ code = 5 })")
            assert.equal(2, line)
            assert.equal("{code = 5}", message)
            line, message = problem("error(nil)")
            assert.equal(1, line)
            assert.equal("nil", message)
            line, message = problem("\nlocal s = require 'sutura'\nerror(s.wrap(s.ERR_TIMEOUT, 'connect'))")
            assert.equal(3, line)
            assert.matches("^connect: ", message)
            line = problem("local function f() return f() + 1 end\nf()")
            assert.equal(1, line)
        end)

        it("says what is wrong with a spec, at the line of the file", function()
            local line, message = problem("local s = require 'sutura'\nreturn (s.supervisor('A', { tiemout = 1 }))")
            assert.equal(2, line)
            assert.matches("the nearest known one is 'timeout'", message)
        end)

        it("says that it returned no supervisor", function()
            local line, message = problem("local x = 1\nreturn x\n")
            assert.equal(2, line)
            assert.equal("expected the file to return a supervisor, got the number 1", message)
            assert.matches("got nil$", select(2, problem("")))
        end)

        it("does not load bytecode", function()
            local _, message = problem(string.dump(load("return 1")))
            assert.matches("bytecode", message)
        end)

        it("does not load bytecode behind a byte order mark or a first line for the shell", function()
            for _, before in ipairs({ "\xEF\xBB\xBF", "#!/usr/bin/env lua\n" }) do
                local _, message = problem(before .. string.dump(load("return 1")))
                assert.matches("bytecode", message)
            end
        end)

        it("does not run a supervisor that the file has started itself", function()
            local result = run("local s = require('sutura').supervisor('A') s:serve_background() return s")
            assert.equal(3, result.code)
            assert.matches("started its supervisor itself", result.err)
        end)

        it("says it as one JSON object when asked to", function()
            local result = run("error('no luck')", "--log json")
            assert.equal(3, result.code)
            local list = objects(result.err)
            assert.equal(1, #list)
            assert.matches("no luck$", list[1].msg)
            assert.equal("error", list[1].level)
        end)
    end)

    describe("check", function()
        it("prints the tree in the order of its starts, and starts nothing", function()
            local result = check([[
local sutura = require "sutura"
local function loud() print("started") end
local web = sutura.supervisor("web", { children = { { name = "a/b", run = loud }, { name = "c", run = loud } } })
return sutura.supervisor("root", { failure_threshold = 7, children = { { name = "db", run = loud }, web } })
]])
            assert.equal("", result.err)
            assert.equal(0, result.code)
            local lines = {}
            for line in result.out:gmatch("[^\n]+") do
                lines[#lines + 1] = line
            end
            assert.matches("^root: supervisor.*failure_threshold 7", lines[1])
            assert.matches("^  1%. db: worker", lines[2])
            assert.matches("^  2%. web: supervisor", lines[3])
            assert.matches("^    1%. a%%2Fb: worker", lines[4])
            assert.matches("^    2%. c: worker", lines[5])
            assert.equal(5, #lines)
        end)

        it("gives the file its arguments and skips a first line for the shell", function()
            local result = check("#!/usr/bin/env -S sutura run\nprint(select('#', ...), ...)\nprint(arg[0], arg[1])\n"
                .. "return require('sutura').supervisor('A')", "-- one --two 'three 3'")
            assert.equal(0, result.code)
            assert.matches("^3\tone\t%-%-two\tthree 3\n", result.out)
            assert.matches("\n/%S+\tone\n", result.out)
        end)

        it("ends with 3 where run would", function()
            assert.equal(3, check("return 1").code)
        end)
    end)

    describe("run", function()
        it("ends with 0 when the tree stops itself", function()
            local result = run(tree("", "ctx.supervisor:stop()"))
            assert.equal("", result.err)
            assert.equal(0, result.code)
        end)

        it("ends with 1 and says why when the tree ends with an error", function()
            local result = run(tree("", "return sutura.wrap(sutura.TERMINATE_TREE, 'no disk')"))
            assert.equal(1, result.code)
            assert.matches("the tree ended with an error: no disk: ", result.err)
        end)

        it("ends with 1 when a panic passes through", function()
            local result = run(tree("pass_through_panics = true,", "error('boom')"))
            assert.equal(1, result.code)
            assert.matches("root/worker: panicked: .*boom", result.err)
            assert.matches("the tree ended with an error: .*boom", result.err)
        end)

        it("refuses a tree of a runtime of its own, which could hear no signal", function()
            local result = run("local s = require('sutura') return s.runtime():supervisor('A')")
            assert.equal(1, result.code)
            assert.matches("another runtime", result.err)
        end)

        it("logs a panic with time, path, event and the trace beneath", function()
            local result = run(tree("", "if ctx.run == 2 then ctx.supervisor:stop() return end error('boom')"))
            assert.equal(0, result.code)
            local first, second = result.err:match("^([^\n]*)\n([^\n]*)\n")
            assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ service_panic ", first)
            assert.matches(" root/worker: panicked: .*:3: boom %(run 1, failures 1 of 5, restarting%)$", first)
            assert.matches("^    %S", second)
            assert.is_nil(result.err:find("\27", 1, true))
        end)
    end)

    describe("stopped by a signal", function()
        it("ends with 0 after SIGTERM", function()
            local result = command.background("", WAITS, "kill -TERM $PID")
            assert.equal(0, result.code, result.err)
        end)

        it("ends with 130 after SIGINT", function()
            local result = command.background("", WAITS, "kill -INT $PID")
            assert.equal(130, result.code, result.err)
        end)

        it("ends with 130 after SIGINT, also when the tree was about to end with an error", function()
            local ends = tree("", [[
    ctx.supervisor:add("slow", function(own)
        own:wait()
        io.stderr:write("ready\n")
        sutura.shield(sutura.sleep, 0.3)
    end)
    sutura.sleep(0)
    return sutura.TERMINATE_TREE]])
            local result = command.background("", ends, "kill -INT $PID")
            assert.equal(130, result.code, result.err)
            assert.matches("the tree ended with an error", result.err, 1, true)
        end)

        it("ends with 5 when something had to be closed by force, and names it", function()
            local result = command.background("", SWALLOWS, "kill -INT $PID")
            assert.equal(5, result.code, result.err)
            assert.matches("root/worker did not stop and was closed by force", result.err)
        end)

        it("waits no longer after a second one, and says what had to be killed", function()
            local slow = tree("timeout = 600,", SAY_READY .. [[
    while true do
        local ok = pcall(sutura.sleep, 600)
        if not ok then io.stderr:write("asked\n") sutura.shield(sutura.sleep, 600) end
    end]])
            for signal, code in pairs({ TERM = 143, INT = 130 }) do
                local result = command.background("", slow,
                    ("kill -TERM $PID; await asked \"$SHOWN\"; kill -%s $PID"):format(signal))
                assert.equal(code, result.code, result.err)
                assert.matches("root/worker did not stop and was closed by force", result.err)
            end
        end)

        it("does not wait for a pause to end", function()
            local paused = tree([[failure_threshold = 0, failure_backoff = 600, event_hook = function(e)
                if e.type == "backoff" then io.stderr:write("ready\n") end end,]], "error('boom')")
            assert.equal(0, command.background("", paused, "kill -TERM $PID").code)
        end)

        it("ends at once while it loads its file", function()
            local loading = SAY_READY .. " while true do pcall(function() while true do end end) end"
            assert.equal(143, command.background("", loading, "kill -TERM $PID").code)
            assert.equal(130, command.background("", loading, "kill -INT $PID").code)
        end)

        it("prints the tree after SIGUSR2 and goes on", function()
            local result = command.background("", WAITS, [[
kill -USR2 $PID
await "waits in" "$SHOWN"
kill -TERM $PID]])
            assert.equal(0, result.code, result.err)
            assert.matches("1 supervisor, 1 service: 1 running\nroot: supervisor running", result.err)
            assert.matches("\n  worker: worker running for [^\n]*, waits in sleep [^\n]*\n      stack traceback:\n",
                result.err)
        end)
    end)

    describe("with --log json", function()
        it("writes one object a line and nothing else", function()
            local body = SAY_READY .. " if ctx.run == 1 then error('boom') end while true do sutura.sleep(60) end"
            local result = command.background("--log json", tree("", body), [[
await service_panic "$SHOWN"
kill -USR2 $PID
await '"tree"' "$SHOWN"
kill -TERM $PID]])
            assert.equal(0, result.code, result.err)
            local list = objects(result.err)
            local panic = of_type(list, "service_panic")
            assert.equal("root/worker", panic.path)
            assert.equal("root/worker", panic.token)
            assert.equal("error", panic.level)
            assert.matches("^%d+%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%d%d%d%dZ$", panic.ts)
            assert.matches("boom", panic.error)
            assert.matches("boom", panic.msg)
            assert.is_true(panic.restarting)
            local shown = of_type(list, "tree").tree
            assert.equal("root", shown.name)
            assert.equal("root/worker", shown.children[1].path)
            assert.equal(1, shown.children[1].restarts)
            assert.matches("^stack traceback:\n", shown.children[1].stacktrace)
        end)

        it("leaves a file's own hook in place", function()
            local result = run(tree("event_hook = function(e) io.stderr:write('MINE ', e.type, '\\n') end,",
                "if ctx.run == 2 then ctx.supervisor:stop() return end error('boom')"), "--log json")
            assert.equal(0, result.code)
            assert.equal("MINE service_panic\n", result.err)
        end)

        it("names what had to be closed by force", function()
            local result = command.background("--log json", SWALLOWS, "kill -TERM $PID")
            assert.equal(5, result.code, result.err)
            local unstopped = of_type(objects(result.err), "unstopped")
            assert.equal("root/worker", unstopped.path)
            assert.is_true(unstopped.killed)
        end)
    end)
end)
