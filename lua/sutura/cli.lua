-- SPDX-License-Identifier: MIT
--
-- The command line of `sutura`: what it understands and which part of the library does it. It owns the words of the
-- options and what is said about a wrong one; loading, serving and printing live in modules of their own.

local load_tree = require "sutura.load_tree"
local log = require "sutura.log"
local serve_tree = require "sutura.serve_tree"
local tree_text = require "sutura.tree_text"

local cli = {}

local EXIT = serve_tree.EXIT
local DESCRIPTION = "Runs a tree of supervised Lua services from a file that returns its supervisor."
local EPILOG = [[
Exit codes: 0 clean, 1 the tree ended with an error, 2 usage, 3 the file could not be loaded, 5 something had to be
closed by force, 130 stopped by SIGINT, 128+n ended at once by a second signal.]]

local function fail(code, message)
    io.stderr:write("sutura: " .. message .. "\n")
    os.exit(code, true)
end

local function add_file(command)
    command:argument("file", "A Lua file that returns a supervisor."):argname("FILE")
    command:argument("args", "What the file gets as '...'; put '--' before the first one."):args("*"):argname("ARG")
end

local function make_parser(core)
    local found, argparse = pcall(require, "argparse")
    if not found then
        fail(EXIT.USAGE, "the Lua module argparse is missing (Debian: lua-argparse; LuaRocks: argparse)")
    end
    local parser = argparse("sutura", DESCRIPTION, EPILOG)
    parser:command_target("command")
    parser:flag("--version", "Print the version and exit."):action(function()
        print(("sutura %s, libuv %s, %s"):format(core._VERSION, core.uv_version, _VERSION))
        os.exit(EXIT.CLEAN, true)
    end)
    local run = parser:command("run", "Load a tree and serve it.")
    run:option("--log", "Form of the log on stderr: text or json."):choices({ "text", "json" }):default("text")
    add_file(run)
    add_file(parser:command("check", "Load a tree, check it and print it; start nothing."))
    -- argparse's own ends with 1, which here means that the tree ended with an error.
    function parser.error(current, message)
        io.stderr:write(("sutura: %s\n%s\n"):format(message, current:get_usage()))
        os.exit(EXIT.USAGE, true)
    end
    return parser
end

local function say_load_error(problem)
    if log.format() == "json" then
        log.report(problem, "error")
    else
        log.write("sutura: " .. problem .. "\n")
    end
    return EXIT.LOAD
end

-- The supervisor of a file, ready to be served, or nil and what is wrong with it.
local function load_file(core, options)
    -- The program lua5.4 turns SIGINT into an error that the file could catch; until the tree is served it just ends.
    core.signal_default("SIGINT")
    rawset(_G, "arg", { [0] = options.file, table.unpack(options.args) })
    local sup, problem = load_tree.load(core, options.file, options.args)
    if not sup then
        return nil, problem
    end
    local state = sup:state()
    if state ~= "not_running" and state ~= "terminated" then
        return nil, ("%s: the file has started its supervisor itself; it should only return it"):format(options.file)
    end
    return sup
end

local commands = {}

function commands.run(core, options)
    local ok, missing = log.set_format(options.log)
    if not ok then
        fail(EXIT.USAGE, missing)
    end
    local sup, problem = load_file(core, options)
    if not sup then
        return say_load_error(problem)
    end
    return serve_tree.run(core, sup)
end

function commands.check(core, options)
    local sup, problem = load_file(core, options)
    if not sup then
        return say_load_error(problem)
    end
    io.stdout:write(tree_text.plan(sup:tree()))
    return EXIT.CLEAN
end

--- Does what the arguments of the command say.
---@param core table the C module
---@param arguments string[]
---@return integer exit_code
function cli.main(core, arguments)
    local options = make_parser(core):parse(arguments)
    return commands[options.command](core, options)
end

return cli
