-- SPDX-License-Identifier: MIT
--
-- A tree file, read and run until it returns its supervisor. It owns the rule that only text is loaded, and the one
-- line that says what is wrong with a file and where; it knows nothing of what is done with the supervisor.
--
-- Every problem is a returned text of the form "FILE:LINE: message"; nothing that the file does raises from here.

local misuse = require "sutura.misuse"
local text = require "sutura.text"

local load_tree = {}

local BYTECODE_MARK = "\27"
local BYTE_ORDER_MARK = "\xEF\xBB\xBF"
local MAX_MESSAGE = 1000
local MAX_LEVELS = 500 -- To look at a level costs as much as it is deep: an overflown stack must not take minutes.

local function read(path)
    local file, problem = io.open(path, "rb")
    if not file then
        return nil, problem
    end
    local content, read_problem = file:read("a")
    file:close()
    if not content then
        return nil, ("%s: %s"):format(path, read_problem)
    end
    return content
end

-- As the lua program does: a first line that begins with # is no Lua, but it counts as a line.
local function without_first_comment(source)
    if source:sub(1, #BYTE_ORDER_MARK) == BYTE_ORDER_MARK then
        source = source:sub(#BYTE_ORDER_MARK + 1)
    end
    if source:sub(1, 1) == "#" then
        source = source:gsub("^[^\n]*", "", 1)
    end
    return source
end

-- Lua shortens long file names in messages; a user wants the one that was given.
local function with_full_name(message, path, shown)
    if message:sub(1, #shown + 1) == shown .. ":" then
        return path .. message:sub(#shown + 1)
    end
    return message
end

local function one_line(message)
    return text.line(message, MAX_MESSAGE)
end

-- The line of the file that was running when the error was raised, if it is not too deep in the stack.
local function line_in(source)
    for level = 2, MAX_LEVELS do
        local info = debug.getinfo(level, "Sl")
        if not info then
            return nil
        elseif info.source == source and info.currentline > 0 then
            return info.currentline
        end
    end
end

local function last_line(chunk)
    local last = 1
    for line in pairs(debug.getinfo(chunk, "L").activelines) do
        last = math.max(last, line)
    end
    return last
end

-- Where Lua does not say itself: it was running in this line, or its parser had no stack left.
local function with_place(message, path, line)
    if message:sub(1, #path + 1) == path .. ":" then
        return message
    end
    return ("%s:%d: %s"):format(path, line, message)
end

-- Runs the chunk; gives what it returned first, or nil and what went wrong.
local function run(path, source_name, shown, chunk, arguments)
    local raised_at
    local function on_error(raised)
        raised_at = line_in(source_name)
        return raised
    end
    local ok, result = xpcall(chunk, on_error, table.unpack(arguments))
    if ok then
        return result
    end
    return nil, with_place(with_full_name(text.of(result), path, shown), path, raised_at or 1)
end

--- Loads a tree file and runs it.
---@param core table the C module
---@param path string
---@param arguments string[] what the file gets as `...`
---@return sutura.Supervisor? supervisor
---@return string? problem one line, "FILE:LINE: message"; without the line if the file cannot be read
function load_tree.load(core, path, arguments)
    local source, problem = read(path)
    if not source then
        return nil, one_line(problem)
    end
    source = without_first_comment(source)
    if source:match("^\n?(.)") == BYTECODE_MARK then
        return nil, one_line(path .. ":1: this is bytecode; a tree file is Lua text")
    end
    local name = "@" .. path
    local shown = debug.getinfo(load("", name), "S").short_src
    -- Without pcall, a parser whose stack is full would call the message handler of whoever calls us.
    local _, chunk, syntax_problem = pcall(load, source, name, "t")
    if not chunk then
        return nil, one_line(with_place(with_full_name(syntax_problem, path, shown), path, 1))
    end
    local result, raised = run(path, name, shown, chunk, arguments)
    if raised then
        return nil, one_line(raised)
    elseif not core.is_supervisor(result) then
        return nil, one_line(("%s:%d: expected the file to return a supervisor, got %s"):format(path,
            last_line(chunk), misuse.describe(result)))
    end
    return result
end

return load_tree
