-- SPDX-License-Identifier: MIT
--
-- Text out of anything, made safe to show. It owns three things: turning any value into a string without ever
-- raising, writing a string on one line of a terminal, and making a string valid UTF-8 for a JSON encoder.
--
-- It knows nothing of supervisors or events. Every function here returns a string whose length is bounded, whatever
-- it is given, and none raises.

local text = {}

--- How much of one text is kept, in bytes, when the caller names no limit.
text.DEFAULT_LIMIT = 4096

local MAX_CODEPOINT_LENGTH = 4

-- What is shown of a table.
local MAX_FIELDS = 10
local MAX_FIELD = 200 -- bytes of one
local MAX_KEYS = 100 -- that are looked at, to put them in order

local function has_text(value)
    local metatable = debug.getmetatable(value)
    return metatable ~= nil and rawget(metatable, "__tostring") ~= nil
end

local function quoted(s)
    return (("%q"):format(text.cut(s, MAX_FIELD)):gsub("\\\n", "\\n"))
end

-- A table in a table: its message, as errors have one. It is not asked for its text, which may lead back here.
local function inner_table(value)
    local message = rawget(value, "message")
    if type(message) ~= "string" then
        return next(value) == nil and "{}" or "{...}"
    end
    local more = next(value, "message") ~= nil or next(value) ~= "message"
    return ("{message = %s%s}"):format(quoted(message), more and ", ..." or "")
end

local function brief(value)
    if type(value) == "string" then
        return quoted(value)
    elseif type(value) == "table" then
        return inner_table(value)
    end
    return text.cut(text.of(value), MAX_FIELD)
end

local function key_text(key)
    if type(key) == "string" and #key <= MAX_FIELD and key:find("^[%a_][%w_]*$") then
        return key
    end
    return ("[%s]"):format(brief(key))
end

-- The fields of a table that are no items of its list, as { key, value }, by their keys; and whether these are all.
local function named_fields(value, length)
    local fields, looked_at = {}, 0
    for key, field in next, value do
        looked_at = looked_at + 1
        if looked_at > MAX_KEYS then
            break
        elseif math.type(key) ~= "integer" or key < 1 or key > length then
            fields[#fields + 1] = { key, field }
        end
    end
    for _, field in ipairs(fields) do -- only now, for it may run user code
        field[1] = key_text(field[1])
    end
    table.sort(fields, function(a, b)
        return a[1] < b[1]
    end)
    return fields, looked_at <= MAX_KEYS
end

--- What is in a table, in one level: its list, and then the other fields by their names. No metamethod of a table is
--- called.
---@param value table
---@return string
function text.fields(value)
    local length, parts = rawlen(value), {}
    local fields, all = named_fields(value, length)
    for i = 1, math.min(length, MAX_FIELDS) do
        parts[i] = brief(rawget(value, i))
    end
    for i = 1, math.min(#fields, MAX_FIELDS - #parts) do
        parts[#parts + 1] = ("%s = %s"):format(fields[i][1], brief(fields[i][2]))
    end
    if not all or #parts < length + #fields then
        parts[#parts + 1] = "..."
    end
    local metatable = debug.getmetatable(value)
    local name = metatable and rawget(metatable, "__name")
    return ("%s{%s}"):format(type(name) == "string" and text.cut(name, MAX_FIELD) .. " " or "",
        table.concat(parts, ", "))
end

--- The text of any value, and of a table that has no `__tostring` its fields. A `__tostring` that raises, or gives no
--- string, is named instead.
---@param value any
---@return string
function text.of(value)
    if type(value) == "string" then
        return value
    elseif type(value) == "table" and not has_text(value) then
        return text.fields(value)
    end
    local ok, result = pcall(tostring, value)
    if ok and type(result) == "string" then
        return result
    end
    return "(a " .. type(value) .. " whose __tostring failed)"
end

-- The last byte, at or before `position`, that does not cut a UTF-8 sequence of `s` in two.
local function whole_until(s, position)
    for last = position, math.max(position - MAX_CODEPOINT_LENGTH + 1, 1), -1 do
        local next_byte = s:byte(last + 1)
        if not next_byte or next_byte < 0x80 or next_byte >= 0xC0 then
            return last
        end
    end
    return position
end

--- At most about `limit` bytes of a string: its head and its tail, and between them how many bytes were left out.
---@param s string
---@param limit? integer bytes; default 4096
---@return string
function text.cut(s, limit)
    limit = limit or text.DEFAULT_LIMIT
    if #s <= limit then
        return s
    end
    local head_end = whole_until(s, limit - limit // 4)
    local tail_start = whole_until(s, #s - limit // 4) + 1
    return ("%s...(%d bytes left out)...%s"):format(s:sub(1, head_end), tail_start - head_end - 1, s:sub(tail_start))
end

local function hex(byte)
    return ("\\x%02X"):format(byte:byte())
end

--- A string as valid UTF-8, bounded: each byte that is not part of it is written `\xNN`.
---@param s string
---@param limit? integer bytes kept before the writing; default 4096
---@return string
function text.utf8(s, limit)
    s = text.cut(s, limit)
    if utf8.len(s) then
        return s
    end
    local parts, from = {}, 1
    while from <= #s do
        local _, bad = utf8.len(s, from)
        if not bad then
            parts[#parts + 1] = s:sub(from)
            break
        end
        parts[#parts + 1] = s:sub(from, bad - 1)
        parts[#parts + 1] = hex(s:sub(bad, bad))
        from = bad + 1
    end
    return table.concat(parts)
end

local NAMED = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function escape_control(byte)
    return NAMED[byte] or hex(byte)
end

--- A string on one line: valid UTF-8, bounded, with newlines, control bytes and the control characters of Unicode
--- that end a line or drive a terminal (U+0080 to U+009F, U+2028, U+2029) written out.
---@param s string
---@param limit? integer bytes kept before the writing; default 4096
---@return string
function text.line(s, limit)
    s = text.utf8(s, limit):gsub("%c", escape_control)
    s = s:gsub("\xC2([\x80-\x9F])", function(byte)
        return ("\\u{%X}"):format(byte:byte())
    end)
    return (s:gsub("\xE2\x80([\xA8\xA9])", function(byte)
        return ("\\u{%X}"):format(0x2028 + byte:byte() - 0xA8)
    end))
end

return text
