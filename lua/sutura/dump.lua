-- SPDX-License-Identifier: MIT
--
-- Everything that runs, as text: the trees of a runtime with the stack of each service. It owns `sutura.dump` and
-- `rt:dump`; how a tree is laid out is tree_text's business, and what is in a record the C module's.

local misuse = require "sutura.misuse"
local text = require "sutura.text"
local tree_text = require "sutura.tree_text"

local dump = {}

--- The records of every root supervisor that is served, with the stack of each service that lives.
---@param core table the C module
---@param rt? sutura.Runtime default: the one that runs the caller, else the default one
---@return sutura.Record[] records in the order in which the supervisors were made
function dump.records(core, rt)
    local records = {}
    for i, sup in ipairs(core.roots(rt)) do
        records[i] = core.snapshot(sup)
    end
    return records
end

--- What `sutura.dump` writes.
---@param core table the C module
---@param rt? sutura.Runtime
---@return string
function dump.text(core, rt)
    local now = rt and rt:now() or core.now()
    local records = dump.records(core, rt)
    local parts = { tree_text.summary(records) }
    for _, record in ipairs(records) do
        parts[#parts + 1] = tree_text.state(record, now)
    end
    return table.concat(parts)
end

local function can_write(file)
    local ok, write = pcall(function()
        return file.write
    end)
    return ok and write ~= nil
end

-- Writes to something open: true, or nil and why not.
local function write_to(file, content)
    local written, problem = file:write(content)
    if not written and problem ~= nil then
        return nil, problem
    end
    return true
end

local function write_file(path, content)
    local file <close>, problem = io.open(path, "w")
    if not file then
        return nil, problem
    end
    local ok
    ok, problem = write_to(file, content)
    if ok then
        ok, problem = file:close() -- What is buffered may not find room on the disk.
    end
    return ok, problem
end

local function check(core, rt, file)
    if rt ~= nil and not core.is_runtime(rt) then
        misuse.refuse_value("dump: argument 'self'", "a runtime (called with ':')", rt)
    elseif file ~= nil and type(file) ~= "string" and (type(file) == "number" or not can_write(file)) then
        misuse.refuse_value("dump: argument 'file'", "an open file or a path", file)
    end
    local open, problem = pcall(core.roots, rt)
    if not open then
        misuse.refuse("dump: %s", text.of(problem))
    end
    return dump.text(core, rt)
end

local function answer(ok, problem)
    if ok then
        return true
    end
    return nil, problem
end

--- Gives runtimes their method `dump`, and returns the module's function.
---@param core table the C module
---@return fun(file: any): boolean?, string?
function dump.install(core)
    local function write(rt, file)
        local content = misuse.at(3, check, core, rt, file)
        if type(file) == "string" then
            return write_file(file, content)
        end
        return write_to(file or io.stderr, content)
    end

    function core.runtime_methods.dump(self, file)
        if self == nil then
            self = false -- Refused by name: it is not that none was meant.
        end
        return answer(write(self, file))
    end

    return function(file)
        return answer(write(nil, file))
    end
end

return dump
