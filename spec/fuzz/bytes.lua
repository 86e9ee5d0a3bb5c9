-- SPDX-License-Identifier: MIT
--
-- Bytes as a source of choices: an input decides by its bytes, one after the other, and by zeros when it is at its end.

local bytes = {}
bytes.__index = bytes

---@param text string
function bytes.new(text)
    return setmetatable({ text = text, at = 0 }, bytes)
end

function bytes:byte()
    self.at = self.at + 1
    return self.text:byte(self.at) or 0
end

function bytes:is_over()
    return self.at >= #self.text
end

function bytes:pick(values)
    return values[self:byte() % #values + 1]
end

--- So many bytes as they are, at most 40.
function bytes:string()
    local length = self:byte() % 41
    local taken = self.text:sub(self.at + 1, self.at + length)
    self.at = self.at + length
    return taken
end

local NUMBERS = { 0, 1, -1, 2, 0.5, -0.0, 1e308, 1e9, 3600, math.huge, -math.huge, 0 / 0, math.maxinteger,
    math.mininteger, 2 ^ 53, 1e-9, 10000, 10001, 1000001 }

local hostile = setmetatable({}, { __tostring = function() error("no text") end, __index = function() error("no") end,
    __len = function() return -1 end, __name = "hostile" })

local MAKERS = {
    function() return nil end,
    function() return true end,
    function() return false end,
    function(self) return self:pick(NUMBERS) end,
    function(self) return self:string() end,
    function() return function() end end,
    function() return hostile end,
    function() return coroutine.create(print) end,
    function() return io.stdout end,
    function(self, depth) return self:table(depth + 1) end,
}

--- Any value.
function bytes:value(depth)
    depth = depth or 0
    return MAKERS[self:byte() % (depth > 3 and #MAKERS - 1 or #MAKERS) + 1](self, depth)
end

function bytes:table(depth)
    local made = {}
    for i = 1, self:byte() % 6 do
        local key = self:byte() % 3 == 0 and i or self:string()
        made[key] = self:value(depth)
    end
    return made
end

return bytes
