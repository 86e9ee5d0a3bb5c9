-- SPDX-License-Identifier: MIT
--
-- usage: lua5.4 scripts/reference.lua            write docs/reference.md and docs/state.md
--        lua5.4 scripts/reference.lua --check    say which of them is not what would be written
--
-- Makes the pages that people read out of what the program has anyway: the reference out of the annotations in
-- library/, the table of a service's life out of the C module (which must be built). It knows the few forms that the
-- annotations use, and raises on any other, so that nothing is left out of the page in silence.

local SOURCES = {
    "library/sutura.lua", "library/sutura/spec.lua", "library/sutura/supervisor.lua", "library/sutura/context.lua",
    "library/sutura/runtime.lua", "library/sutura/event.lua",
}

local function read(path)
    local file = assert(io.open(path, "rb"))
    local text = file:read("a")
    file:close()
    return text
end

-- --- types ------------------------------------------------------------------------------------------

local type_end

-- The position behind one part of a type, before any "|", "[]" or "?".
local function atom_end(s, at)
    local behind = s:match("^fun%b()()", at)
    if behind then
        local next_at = s:match("^:%s*()", behind)
        while next_at do
            behind = type_end(s, next_at)
            next_at = s:match("^,%s*()", behind)
        end
        return behind
    end
    return s:match("^%b()()", at) or s:match('^"[^"]*"()', at) or s:match("^[%w_.]+%b<>()", at)
        or s:match("^[%w_.]+()", at) or error("no type in: " .. s, 0)
end

-- The position behind a whole type.
function type_end(s, at)
    while true do
        at = atom_end(s, at)
        at = s:match("^[%[%]?]+()", at) or at
        local bar = s:match("^|()", at)
        if not bar then return at end
        at = bar
    end
end

-- Splits "TYPE rest" into the two.
local function split_type(s)
    local behind = type_end(s, 1)
    return s:sub(1, behind - 1), s:sub(behind):match("^%s*(.-)%s*$")
end

-- --- reading ----------------------------------------------------------------------------------------

local function named(rest, context)
    local name, optional, tail = rest:match("^([%w_.]+)(%??)%s+(.*)$")
    if not name then error("malformed annotation: " .. context, 0) end
    local kind, text = split_type(tail)
    return { name = name, optional = optional == "?", type = kind, text = text }
end

local function returned(rest)
    local kind, tail = split_type(rest)
    local name, text = tail:match("^([%w_.]+)%s*(.*)$")
    -- "return TYPE name text" and "return TYPE some text" look alike: a name stands alone or is one of ours.
    local is_name = name and (text == "" or name == "..." or name == "err" or name == "token" or name == "ended"
        or name == "time" or name == "more" or name == "cause" or name == "child" or name == "cancel")
    if is_name then return { type = kind, name = name, text = text } end
    return { type = kind, text = tail }
end

-- What each tag adds to the block that it stands in.
local tags = {
    meta = function() end,
    overload = function() end,
    nodiscard = function() end,
    async = function() end,
    class = function(block, rest)
        block.class, block.parent = rest:match("^([%w_.]+):?%s*([%w_.]*)$")
        if not block.class then error("malformed class: " .. rest, 0) end
    end,
    field = function(block, rest) table.insert(block.fields, named(rest, rest)) end,
    param = function(block, rest) table.insert(block.params, named(rest, rest)) end,
    ["return"] = function(block, rest) table.insert(block.returns, returned(rest)) end,
    type = function(block, rest) block.type = rest end,
    alias = function(block, rest)
        block.alias, block.aliased = rest:match("^([%w_.]+)%s+(.*)$")
    end,
}

local function new_block()
    return { text = {}, fields = {}, params = {}, returns = {} }
end

-- The blocks of one file in order: headings, classes, functions, values.
local function parse(path)
    local blocks, block = {}, nil
    local function finish(kind, name)
        if block or kind then
            block = block or new_block()
            block.kind, block.name = kind or (block.class and "class") or (block.alias and "alias"), name
            if block.kind then blocks[#blocks + 1] = block end
        end
        block = nil
    end
    for line in read(path):gmatch("(.-)\n") do
        local heading, title = line:match("^%-%-(#+) (.*)$")
        local tag, rest = line:match("^%-%-%-@([%w]+)%s*(.*)$")
        local text = line:match("^%-%-%- ?(.*)$")
        if heading then
            finish()
            blocks[#blocks + 1] = { kind = "heading", level = #heading, title = title }
        elseif tag then
            block = block or new_block()
            local add = tags[tag] or error(("%s: unknown tag @%s"):format(path, tag), 0)
            add(block, rest)
        elseif text then
            block = block or new_block()
            block.text[#block.text + 1] = text
        elseif line:match("^function ") then
            finish("function", line:match("^function ([%w_.:]+)"))
        elseif line:match("^sutura%.[%w_]+ = nil$") then
            finish("value", line:match("^(sutura%.[%w_]+)"))
        else
            finish()
        end
    end
    return blocks
end

-- --- writing ----------------------------------------------------------------------------------------

local function cell(text) return (text:gsub("|", "\\|")) end

local function code(text) return "`" .. text .. "`" end

local function signature(block)
    local names = ""
    for i, param in ipairs(block.params) do
        local name = (i > 1 and ", " or "") .. param.name
        names = names .. (param.optional and (i > 1 and " [" or "[") .. name .. "]" or name)
    end
    local shown = block.name:gsub("^Supervisor:", "sup:"):gsub("^Context:", "ctx:"):gsub("^Runtime:", "rt:")
        :gsub("^Handle:", "handle:"):gsub("^Event:", "event:"):gsub("^Template:", "t:"):gsub("^Partition:", "p:")
    return shown .. "(" .. names .. ")"
end

local function add_items(out, items)
    for _, item in ipairs(items) do
        local name = item.name and code(item.name .. (item.optional and "?" or "")) .. " " or ""
        out[#out + 1] = ("- %s%s%s"):format(name, code(item.type), item.text ~= "" and ": " .. item.text or "")
    end
end

local function add_paragraphs(out, block)
    if #block.text > 0 then
        out[#out + 1] = table.concat(block.text, "\n")
        out[#out + 1] = ""
    end
end

local writers = {}

function writers.heading(out, block)
    out[#out + 1] = ("#"):rep(block.level + 1) .. " " .. block.title
    out[#out + 1] = ""
end

writers["function"] = function(out, block)
    out[#out + 1] = "#### " .. code(signature(block))
    out[#out + 1] = ""
    add_paragraphs(out, block)
    if #block.params > 0 then
        add_items(out, block.params)
        out[#out + 1] = ""
    end
    if #block.returns > 0 then
        out[#out + 1] = "Returns:"
        out[#out + 1] = ""
        add_items(out, block.returns)
        out[#out + 1] = ""
    end
end

function writers.value(out, block)
    out[#out + 1] = ("- %s: %s"):format(code(block.name), table.concat(block.text, " "))
end

function writers.alias() end

function writers.class(out, block)
    if out[#out]:match("^%- ") then out[#out + 1] = "" end
    out[#out + 1] = ("<a id=\"%s\"></a>"):format(block.class)
    out[#out + 1] = "**" .. code(block.class) .. "**"
        .. (block.parent ~= "" and ", which has all of " .. code(block.parent) or "")
    out[#out + 1] = ""
    add_paragraphs(out, block)
    if #block.fields > 0 then
        out[#out + 1] = "| field | type | meaning |"
        out[#out + 1] = "|---|---|---|"
        for _, field in ipairs(block.fields) do
            out[#out + 1] = ("| %s | %s | %s |"):format(code(field.name .. (field.optional and "?" or "")),
                cell(code(field.type)), cell(field.text))
        end
        out[#out + 1] = ""
    end
end

local function reference_page()
    local out = {
        "# Reference", "",
        "<!-- Written by `make doc` from the annotations in library/: change those. -->", "",
        "What a program that requires `sutura` can call, and what it gets. docs/guide.md explains by example;",
        "docs/contract.md says which spec proves each behaviour. A `?` behind a name means that it may be",
        "left out.", "",
    }
    for _, path in ipairs(SOURCES) do
        for _, block in ipairs(parse(path)) do
            writers[block.kind](out, block)
        end
        if out[#out] ~= "" then out[#out + 1] = "" end
    end
    return (table.concat(out, "\n"):gsub("\n\n\n+", "\n\n"):gsub("%s+$", "\n"))
end

-- --- the life of a service --------------------------------------------------------------------------

local INPUTS = {
    { "start", "begin a run" },
    { "ran", "its body is about to be resumed for the first time" },
    { "ready", "its body says that it is ready; of a supervisor, its children are" },
    { "stop", "end the run on purpose, or give up the next one, and say what becomes of it" },
    { "gave way", "it was resumed after being asked to stop, and waits again" },
    { "expire", "its time to stop, to get ready or to back off has passed" },
    { "end", "the run has ended" },
}

local STATES = {
    idle = "not started, or ended and kept (`stopped` in records)",
    queued = "failed; waits for the end of its supervisor's pause",
    ["backing off"] = "failed; waits for its own delay (`backing_off` in records)",
    waiting = "waits for siblings to be ready (`starting` in records), or for its group to stop (`restarting`)",
    starting = "in the run queue, not resumed yet",
    unready = "its body has begun, and has not said that it is ready (`starting` in records)",
    running = "its body has begun, and it is ready",
    stopping = "asked to stop, within its time",
    dying = "over its time; an error is raised in it, and it has a last grace (`stopping` in records)",
    killing = "over its time; closed by force before anything else runs (`stopping` in records)",
    abandoned = "over its time, not to be killed, still alive (`stopping` in records)",
}

local ACTIONS = {
    amend = "changes what becomes of it once its run has ended; to be forgotten sticks",
    ask = "cancels its context and gives it its time to stop",
    begin = "puts a new run at the end of the run queue, or lets it wait for the siblings that it is `after`; a child"
        .. " supervisor begins its own services",
    broken = "cannot come: the program checks that it does not",
    fell = "nobody asked for this end: it is counted, and the policy restarts, queues or lets go",
    finish_off = "its grace is over: it is closed by force",
    gave_way = "goes on waiting for its end, or overruns if its time has passed",
    late = "a failed start: it is told and counted, and the run is asked to stop",
    nothing = "nothing",
    overrun = "event `stop_timeout`; one that runs meets an error and has a grace, one that waits is closed by force;"
        .. " left if it may not be",
    ran = "counts as running, or as not ready yet",
    ready = "counts as running; who waits for it may start",
    recall = "takes it out of the run queue: it never starts",
    retry = "the delay has passed: restarts it, or its group, or lets it queue in a pause",
    stop_idle = "keeps, restarts or forgets it at once",
    stop_waiting = "as stop_idle; to be started is what it waits for anyhow",
    stopped = "keeps, restarts or forgets it, and its supervisor's stop goes on",
}

local function sorted_keys(set)
    local keys = {}
    for key in pairs(set) do
        keys[#keys + 1] = key
    end
    table.sort(keys)
    return keys
end

local function state_page()
    local rows = require("sutura.core").life_table()
    local out = {
        "# The life of a service", "",
        "<!-- Written by `make doc` from the table in csrc/core/life.c. -->", "",
        "A service is a state machine. The table is the program's own: a row is the state that a service is in, a",
        "column is what comes, and the cell is what is done then.", "",
    }
    local head, line, used = "| state |", "|---|", {}
    for _, input in ipairs(INPUTS) do
        head, line = head .. " " .. input[1] .. " |", line .. "---|"
    end
    out[#out + 1], out[#out + 2] = head, line
    for _, row in ipairs(rows) do
        local cells = { row.state }
        for _, input in ipairs(INPUTS) do
            local action = assert(row[input[1]], "no cell for " .. input[1])
            cells[#cells + 1] = action
            used[action] = true
        end
        out[#out + 1] = "| " .. table.concat(cells, " | ") .. " |"
    end
    for _, section in ipairs { "States", "Inputs" } do
        out[#out + 1], out[#out + 2], out[#out + 3] = "", "## " .. section, ""
        for _, item in ipairs(section == "States" and rows or INPUTS) do
            local name = section == "States" and item.state or item[1]
            local text = section == "States" and assert(STATES[name], name) or item[2]
            out[#out + 1] = ("- **%s**: %s"):format(name, text)
        end
    end
    out[#out + 1], out[#out + 2], out[#out + 3] = "", "## Actions", ""
    for _, action in ipairs(sorted_keys(used)) do
        out[#out + 1] = ("- **%s**: %s"):format(action, ACTIONS[action] or error("unknown action " .. action, 0))
    end
    return table.concat(out, "\n") .. "\n"
end

-- --- both -------------------------------------------------------------------------------------------

local PAGES = { ["docs/reference.md"] = reference_page, ["docs/state.md"] = state_page }

local stale = false
for path, page in pairs(PAGES) do
    local text = page()
    if arg[1] == "--check" then
        local file = io.open(path, "rb")
        if not file or file:read("a") ~= text then
            print(path .. " is not what `make doc` writes")
            stale = true
        end
        if file then file:close() end
    else
        local file = assert(io.open(path, "wb"))
        assert(file:write(text))
        file:close()
    end
end
os.exit(not stale)
