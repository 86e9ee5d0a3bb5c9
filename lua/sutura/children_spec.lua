-- SPDX-License-Identifier: MIT
--
-- The field `children` of a supervisor's spec: what concerns more than one child, that is names, the siblings that a
-- child waits for, and the order of starts that follows. Messages number the children as the user did.

local child_spec = require "sutura.child_spec"
local fields = require "sutura.fields"
local misuse = require "sutura.misuse"
local order = require "sutura.order"
local text = require "sutura.text"

local SHOWN_OF_CIRCLE = 10
local NONE = {} -- No children are given.

local function shown(name)
    return text.line(name, 60)
end

local function check_unique(place, children, i, by_name, by_supervisor)
    local child = children[i]
    if by_name[child.name] then
        misuse.refuse('%s: children[%d] and children[%d] have the same name "%s"', place, by_name[child.name], i,
            shown(child.name))
    end
    by_name[child.name] = i
    if child.kind == "supervisor" then
        if by_supervisor[child.run] then
            misuse.refuse("%s: children[%d] and children[%d] are the same supervisor", place, by_supervisor[child.run],
                i)
        end
        by_supervisor[child.run] = i
    end
end

-- By index, the indices of those that a child waits for; nil if none names any.
local function needs_of(place, children, by_name)
    local needs
    for i, child in ipairs(children) do
        local after = child.opts and child.opts.after
        if after then
            needs = needs or {}
            needs[i] = {}
            for j, name in ipairs(after) do
                needs[i][j] = by_name[name] or misuse.refuse("%s: children[%d] is after '%s', which is no name in "
                    .. "'children'", place, i, shown(name))
            end
        end
    end
    return needs
end

local function refuse_circle(place, children, circle)
    local names = {}
    for i = 1, math.min(#circle, SHOWN_OF_CIRCLE) do
        names[i] = shown(children[circle[i]].name)
    end
    if #circle > SHOWN_OF_CIRCLE then
        names[#names + 1] = ("(%d more)"):format(#circle - SHOWN_OF_CIRCLE)
    end
    names[#names + 1] = names[1]
    misuse.refuse("%s: field 'after' of the children makes a circle: %s", place, table.concat(names, " -> "))
end

local function in_start_order(place, children, by_name)
    local needs = needs_of(place, children, by_name)
    if not needs then
        return children
    end
    local starts, circle = order.of(#children, needs)
    if not starts then
        refuse_circle(place, children, circle)
    end
    for i, at in ipairs(starts) do
        starts[i] = children[at]
    end
    return starts
end

--- Checks the children of a spec.
---@param core table the C module
---@param place string for messages, such as "supervisor 'A'"
---@param given table with or without the field `children`
---@param auto_shutdown "never"|"any_significant"|"all_significant" the supervisor's
---@return table[] children each { name, run, kind, opts }, in the order in which they start
return function(core, place, given, auto_shutdown)
    local list, count = fields.array(place, given, "children")
    if list == nil then
        return NONE
    end
    local children, by_name, by_supervisor = {}, {}, {}
    for i = 1, count do
        local here = ("%s: children[%d]"):format(place, i)
        local name, run, kind, options = child_spec.from(core, here, list[i])
        if options and options.significant and auto_shutdown == "never" then
            misuse.refuse("%s: field 'significant' is true, but field 'auto_shutdown' of the supervisor is \"never\"",
                here)
        end
        children[i] = { name = name, run = run, kind = kind, opts = options }
        check_unique(place, children, i, by_name, by_supervisor)
    end
    return in_start_order(place, children, by_name)
end
