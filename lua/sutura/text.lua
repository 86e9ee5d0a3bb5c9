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

--- The text of any value. A `__tostring` that raises, or gives something other than a string, is named instead.
---@param value any
---@return string
function text.of(value)
    if type(value) == "string" then
        return value
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
