-- SPDX-License-Identifier: MIT
--
-- The forms in which a service is given to a supervisor, made into one: name, what runs, its kind, its options. It
-- owns which fields a child spec has; it knows nothing of the tree that the service enters.
--
-- The C module calls this for every `add` but the plain one of a name and a function, which never comes to Lua.

local child_options = require "sutura.child_options"
local fields = require "sutura.fields"
local misuse = require "sutura.misuse"
local text = require "sutura.text"

---@class sutura.ServiceObject an object that a supervisor can run
---@field name? string
---@field supervisor? sutura.Supervisor|fun(self: table): sutura.Supervisor? what it contains: joins hooks and reports
---@field serve fun(self: table, ctx: sutura.Context): any

---@class sutura.ChildSpec: sutura.AddOptions
---@field run function|sutura.ServiceObject|sutura.Supervisor

local child_spec = {}

local OPTIONS = fields.known {
    "after", "backoff", "cpu_share", "heartbeat", "kill", "name", "on_hog", "ready", "restart", "shutdown",
    "significant", "start_timeout",
}
local FIELDS = fields.known(OPTIONS, { "run" })
local NONE = {} -- No options are given.

-- Indexing a userdata may raise; a service object never does.
local function index(value, key)
    local ok, field = pcall(function()
        return value[key]
    end)
    return ok and field or nil
end

local function is_callable(value)
    if type(value) == "function" then
        return true
    end
    local metatable = debug.getmetatable(value)
    return type(metatable) == "table" and type(rawget(metatable, "__call")) == "function"
end

local function is_object(value)
    return (type(value) == "table" or type(value) == "userdata") and is_callable(index(value, "serve"))
end

-- A function that has no name is called by its place.
local function place_of(fn)
    local info = debug.getinfo(fn, "S")
    if info.what == "C" then
        return "[C]"
    end
    local file = info.source:sub(1, 1) == "@" and info.source:match("[^/]+$") or info.short_src
    return ("%s:%d"):format(file, info.linedefined)
end

local function name_of_object(place, object)
    local name = index(object, "name")
    if type(name) == "string" and name ~= "" then
        return name
    end
    local ok, printed = pcall(tostring, object)
    if not ok then
        misuse.refuse("%s: the object has no name, and its __tostring failed: %s", place,
            text.line(text.of(printed), 200))
    elseif printed == "" then
        misuse.refuse("%s: the object has no name, and its __tostring gives an empty string", place)
    end
    return printed
end

local function contained_supervisor(core, place, object)
    local field = index(object, "supervisor")
    if type(field) == "function" then
        local ok, result = pcall(field, object)
        if not ok then
            misuse.refuse("%s: the object's method 'supervisor' failed: %s", place, text.line(text.of(result), 200))
        end
        field = result
    end
    return core.is_supervisor(field) and field or nil
end

--- What kind of service a value is, or nil if it is none.
---@param core table the C module
---@param value any
---@return "function"|"object"|"supervisor"|nil
function child_spec.kind(core, value)
    if type(value) == "function" then
        return "function"
    elseif core.is_supervisor(value) then
        return "supervisor"
    elseif is_object(value) then
        return "object"
    end
end

local function name_of(place, run, kind)
    if kind == "function" then
        return place_of(run)
    end
    return kind == "supervisor" and run.name or name_of_object(place, run)
end

-- The child that runs `run`, with the fields of `from` (a child spec or the options of `add`).
local function child_of(core, place, run, kind, from, name)
    name = fields.name(place, from, "name") or name or name_of(place, run, kind)
    local options = from ~= NONE and child_options(place, from, kind, name) or nil
    local contained = kind == "object" and contained_supervisor(core, place, run)
    if contained then
        options = options or {}
        options.supervisor = contained
    end
    return name, run, kind, options
end

local function from_table(core, place, spec)
    fields.only(place, spec, FIELDS)
    local kind = child_spec.kind(core, spec.run)
    if not kind then
        misuse.refuse_value(place .. ": field 'run'",
            "a function, an object with a method 'serve' or a supervisor", spec.run)
    end
    return child_of(core, place, spec.run, kind, spec)
end

local function check_options(place, options)
    if options == nil then
        return NONE
    elseif type(options) ~= "table" then
        misuse.refuse_value(place .. ": argument 'opts'", "a table", options)
    end
    fields.only(place, options, OPTIONS)
    return options
end

-- add(name, service, opts)
local function from_name(core, place, name, run, options)
    if name == "" then
        misuse.refuse_value(place .. ": argument 'name'", "a non-empty string", name)
    end
    local kind = child_spec.kind(core, run)
    if not kind then
        misuse.refuse_value(place .. ": argument 'service'",
            "a function, an object with a method 'serve' or a supervisor", run)
    end
    options = check_options(place, options)
    if options.name ~= nil and options.name ~= name then
        misuse.refuse("%s: the service is named twice, \"%s\" and by field 'name'", place, text.line(name, 60))
    end
    return child_of(core, place, run, kind, options, name)
end

--- One child from the arguments of `add`, or from an element of `children`.
---
--- An object with a method `serve` is an object even if it is a table with a field `run`.
---@param core table the C module
---@param place string for messages, such as "add"
---@param first any
---@param second any
---@param third any
---@return string name
---@return function|table|userdata run
---@return "function"|"object"|"supervisor" kind
---@return table? options nil, or what `child_options` gives and the `supervisor` that an object contains
function child_spec.from(core, place, first, second, third)
    if type(first) == "string" then
        return from_name(core, place, first, second, third)
    end
    local kind = child_spec.kind(core, first)
    if kind then
        return child_of(core, place, first, kind, check_options(place, second))
    elseif type(first) ~= "table" then
        misuse.refuse_value(place .. ": argument 'service'",
            "a name and a function, an object with a method 'serve', a supervisor or a child spec", first)
    elseif first.run == nil and getmetatable(first) ~= nil then
        misuse.refuse_value(place .. ": argument 'service'", "an object with a method 'serve'", first)
    end
    return from_table(core, place, first)
end

return child_spec
