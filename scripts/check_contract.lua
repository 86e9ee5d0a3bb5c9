-- SPDX-License-Identifier: MIT
--
-- usage: lua5.4 scripts/check_contract.lua docs/contract.md [SPEC DIRECTORY]
--
-- Proves that each promise of the contract names what tests it, and the same for docs/otp.md, which
-- lists what OTP tests. In the document's numbered sections ("## 3. Adding services") a promise is a
-- table row or a list item, and carries a mark:
--
--   | what | meaning | `policy_spec: the first failure makes the score 1` |   the last column is headed "spec"
--   | what | meaning | none: there are no links |       it is headed "spec, or why none"
--   - One sentence. [spec: `policy_spec: the first failure makes the score 1`]
--   - One sentence. [issue 4]                                               what is built elsewhere
--
-- A name is `FILE: TEXT`: the text of an it() in spec/FILE.lua, or a test function in spec/c/FILE.c;
-- a mark may hold several, each in backticks. The texts are read from the source: those put together
-- at run time are not known here. Exit status 1, and a line for each fault, when a promise has no mark
-- or names a spec that does not exist.

local document, spec_directory = arg[1], arg[2] or "spec"

local function read(path)
    local file, err = io.open(path, "rb")
    if not file then
        io.stderr:write("check_contract: ", err, "\n")
        os.exit(2)
    end
    local text = file:read("a")
    file:close()
    return text
end

local function files(directory, glob)
    local quoted = "'" .. directory:gsub("'", [['\'']]) .. "'"
    local pipe = assert(io.popen("find " .. quoted .. " -name '" .. glob .. "'"))
    local paths = {}
    for path in pipe:lines() do
        paths[#paths + 1] = path
    end
    pipe:close()
    return paths
end

-- Reads the Lua string at `at`; returns its value and the position behind it, or nil.
local function literal(text, at)
    local long = text:match("^%[=*%[", at)
    if long then
        local last = long:gsub("%[", "]")
        local from, to = text:find(last, at, true)
        return from and text:sub(at + #long, from - 1), to and to + 1
    end
    local quote = text:match("^[\"']", at)
    local stop = quote and at + 1
    while stop and text:sub(stop, stop) ~= quote do
        if stop > #text then return nil end
        stop = stop + (text:sub(stop, stop) == "\\" and 2 or 1)
    end
    if stop then
        local value = load("return " .. text:sub(at, stop), "=spec", "t", {})
        return value and value(), stop + 1
    end
end

-- Reads strings joined by "..", as long texts are written.
local function joined(text, at)
    local whole = ""
    repeat
        local part, behind = literal(text, at)
        if not part then return nil end
        whole = whole .. part
        at = text:match("^%s*%.%.%s*()", behind)
    until not at
    return whole
end

local function known_specs()
    local known = {}
    for _, path in ipairs(files(spec_directory, "*_spec.lua")) do
        local name = path:match("([^/]+)%.lua$")
        local text = read(path)
        for at in text:gmatch("%f[%w_]it%s*%(?%s*()[\"'%[]") do
            local title = joined(text, at)
            if title then known[name .. ": " .. title] = true end
        end
    end
    for _, path in ipairs(files(spec_directory, "*_test.c")) do
        local name = path:match("([^/]+)%.c$")
        for test in read(path):gmatch("cmocka_unit_test[%w_]*%(%s*([%w_]+)") do
            known[name .. ": " .. test] = true
        end
    end
    return known
end

local known = known_specs()
local promises, faults = 0, 0

local function fault(line, ...)
    faults = faults + 1
    print(("%s:%d: %s"):format(document, line, string.format(...)))
end

-- A mark without its brackets or bars: names in backticks, one bare name, an issue, or why none.
local function check_mark(line, mark, may_be_none)
    promises = promises + 1
    if mark:gsub("`", ""):match("^issue %d+$") then return end
    if may_be_none and mark:match("^none: .*%a") then return end
    local names = {}
    for name in mark:gmatch("`([^`]+)`") do
        names[#names + 1] = name
    end
    if #names == 0 then names[1] = mark:match("^%S+: .+$") end
    if #names == 0 then return fault(line, "no spec and no issue is named in %q", mark) end
    for _, name in ipairs(names) do
        if not known[name] then fault(line, "there is no spec %q", name) end
    end
end

local function check_item(line, text)
    local mark = text:match("%[spec:%s*(.-)%s*%]%s*$") or text:match("%[(issue %d+)%]%s*$")
    if mark then return check_mark(line, mark) end
    fault(line, "no mark at the end of %q", text:sub(1, 60))
end

local function cells(row)
    local list = {}
    local inside = row:gsub("\\|", "\0"):match("^%s*|(.*)|%s*$") or ""
    for cell in (inside .. "|"):gmatch("(.-)|") do
        list[#list + 1] = cell:gsub("%z", "|"):match("^%s*(.-)%s*$")
    end
    return list
end

local OR_NONE = "spec, or why none"

-- A row of a table; `head` is what this gave for the head, nil for the head itself.
local function check_row(line, row, head)
    local list = cells(row)
    if not head then
        if list[#list] ~= "spec" and list[#list] ~= OR_NONE then
            fault(line, "the last column of a table is headed \"spec\"")
        end
    elseif #list ~= #head then
        fault(line, "%d cells where the head has %d", #list, #head)
    elseif not row:match("^[%s|:-]+$") then
        check_mark(line, list[#list], head[#head] == OR_NONE)
    end
    return head or list
end

local numbered, fenced, head = false, false, nil
local item, item_line

local function finish_item()
    if item then check_item(item_line, item) end
    item = nil
end

local number = 0
for line in (read(document) .. "\n"):gmatch("(.-)\r?\n") do
    number = number + 1
    local fence = line:match("^%s*```")
    local heading = not fenced and line:match("^#+%s+(.*)")
    local bullet = line:match("^%s*[-*]%s+(.*)") or line:match("^%s*%d+%.%s+(.*)")
    local is_row = line:match("^%s*|")
    if not is_row then head = nil end

    if fence then
        finish_item()
        fenced = not fenced
    elseif heading then
        finish_item()
        if line:match("^##?%s") then numbered = heading:match("^%d+%.") ~= nil end
    elseif fenced or not numbered then -- luacheck: ignore 542
        -- Examples and introductions promise nothing.
    elseif line:match("^%s*$") then
        finish_item()
    elseif is_row then
        finish_item()
        head = check_row(number, line, head)
    elseif bullet then
        finish_item()
        item, item_line = bullet, number
    elseif item then
        item = item .. " " .. line:match("^%s*(.*)")
    elseif not line:match("^    ") and not line:match(":%s*$") then
        fault(number, "a sentence outside a list: %q", line:sub(1, 60))
    end
end
finish_item()

if promises == 0 then fault(1, "no promise was found in any numbered section") end
print(("%d promises, %d faults"):format(promises, faults))
os.exit(faults == 0)
