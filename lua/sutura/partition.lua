-- SPDX-License-Identifier: MIT
--
-- Partitions: a supervisor of n children of one kind, and which of them a key belongs to. It owns the hash, which never
-- changes: a key belongs to the same child in every run, on every machine, as long as n is the same. It is written on
-- top of what every user has, and knows nothing of how supervisors work.
--
-- What a partition keeps beside its supervisor goes with it (an ephemeron): a partition that nobody keeps is collected.

local child_spec = require "sutura.child_spec"
local misuse = require "sutura.misuse"
local text = require "sutura.text"

local MAX_CHILDREN = 100000
local CHILD = "a function, an object with a method 'serve', a supervisor or a child spec"

-- ---- the hash ----

-- FNV-1a, 32 bits wide. Strings and integers begin differently, so that "A" and 65 are no neighbours.
local START_OF_STRING, START_OF_INTEGER = 0x811C9DC5, 0x2F0B4A27
local PRIME = 0x01000193
local MASK = 0xFFFFFFFF

-- The rest of a division looks at few bits, and FNV leaves those of similar keys alike: murmur's last step mixes them.
local function mix(hash)
    hash = ((hash ~ (hash >> 16)) * 0x85EBCA6B) & MASK
    hash = ((hash ~ (hash >> 13)) * 0xC2B2AE35) & MASK
    return hash ~ (hash >> 16)
end

local function hash_of(bytes, hash)
    for i = 1, #bytes do
        hash = ((hash ~ bytes:byte(i)) * PRIME) & MASK
    end
    return mix(hash)
end

local function hash_of_key(key)
    if type(key) == "string" then
        return hash_of(key, START_OF_STRING)
    end
    local whole = math.type(key) and math.tointeger(key)
    if not whole then
        misuse.refuse_value("get: argument 'key'", "a string or an integer", key)
    end
    return hash_of(string.pack("<i8", whole), START_OF_INTEGER)
end

-- ---- what is given ----

local function check(name, n, factory, given)
    if type(name) ~= "string" or name == "" then
        misuse.refuse_value("partition: argument 'name'", "a non-empty string", name)
    end
    local place = ("partition '%s'"):format(text.line(name, 60))
    local count = math.type(n) and math.tointeger(n)
    if not (count and count >= 1 and count <= MAX_CHILDREN) then
        misuse.refuse_value(place .. ": argument 'n'", ("an integer from 1 to %d"):format(MAX_CHILDREN), n)
    elseif type(factory) ~= "function" then
        misuse.refuse_value(place .. ": argument 'factory'", "a function", factory)
    elseif given ~= nil and type(given) ~= "table" then
        misuse.refuse_value(place .. ": argument 'spec'", "a table", given)
    elseif given and given.children ~= nil then
        misuse.refuse("%s: field 'children': a partition has the children that 'factory' makes", place)
    end
    return count, place
end

-- A copy with one field more. What a metatable gives the user's table it gives the copy too.
local function with(given, field, value)
    local copy = setmetatable({}, debug.getmetatable(given) and { __index = given })
    for key, own in next, given do
        copy[key] = own
    end
    copy[field] = value
    return copy
end

-- The child spec of what the factory made.
local function child_of(core, place, i, made)
    if child_spec.kind(core, made) then
        return { name = tostring(i), run = made }
    elseif type(made) ~= "table" then
        misuse.refuse_value(("%s: factory(%d)"):format(place, i), CHILD, made)
    end
    return made.name == nil and with(made, "name", tostring(i)) or made
end

-- ---- the two functions ----

---@param core table the C module
---@return fun(name: string, n: integer, factory: function, given?: table): sutura.Supervisor partition
return function(core)
    local methods = core.supervisor_methods
    -- By supervisor: what runs and its token, by number.
    local partitions = setmetatable({}, { __mode = "k" })

    local function keep(sup, children)
        local tokens, kept = {}, { runs = {}, tokens = {} }
        for _, record in ipairs(methods.children(sup)) do
            tokens[record.name] = record.token
        end
        for i, child in ipairs(children) do
            kept.runs[i], kept.tokens[i] = child.run, tokens[child.name]
        end
        partitions[sup] = kept
    end

    local function get(sup, key)
        local partition = partitions[sup]
        if not core.is_supervisor(sup) then
            misuse.refuse_value("get: argument 'self'", "a supervisor (called with ':')", sup)
        elseif not sup.name then
            misuse.refuse("'get': the runtime of the supervisor is closed")
        elseif not partition then
            misuse.refuse("get: supervisor '%s' is no partition: sutura.partition makes one", text.line(sup.name, 60))
        end
        local i = hash_of_key(key) % #partition.tokens + 1
        return partition.runs[i], partition.tokens[i]
    end

    --- The child that a key belongs to: the same one for equal keys, in every run.
    ---
    --- A float that is a whole number counts as that integer. Raises on any other key, and on a supervisor that is no
    --- partition.
    ---@param self sutura.Supervisor
    ---@param key string|integer
    ---@return function|table|sutura.Supervisor child what runs
    ---@return sutura.Token token
    function methods.get(self, key)
        local child, token = misuse.at(2, get, self, key)
        return child, token
    end

    --- A new supervisor with n children that share some keys among them.
    ---
    --- Child i is what `factory(i)` returns: anything that `children` of a spec may hold. Its name is that of its child
    --- spec, or else its number. Raises on malformed arguments, at the caller's line. Source: Elixir's
    --- PartitionSupervisor.
    ---@param name string any non-empty string
    ---@param n integer 1 to 100,000
    ---@param factory fun(i: integer): function|sutura.ServiceObject|sutura.Supervisor|sutura.ChildSpec
    ---@param given? sutura.SupervisorSpec without `children`
    ---@return sutura.Supervisor
    return function(name, n, factory, given)
        local count, place = misuse.at(2, check, name, n, factory, given)
        local children = {}
        for i = 1, count do
            children[i] = misuse.at(2, child_of, core, place, i, factory(i))
        end
        local sup = core.supervisor(name, with(given or {}, "children", children))
        keep(sup, children)
        return sup
    end
end
