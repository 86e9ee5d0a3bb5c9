-- SPDX-License-Identifier: MIT
--
-- The README shows examples/hello.lua as it stands (without its banner), and what running it prints as it does.

local lua = os.getenv("LUA") or "lua5.4"

local function read(path)
    local file <close> = assert(io.open(path))
    return file:read("a")
end

local readme = read("README.md")

local function block(kind)
    return assert(readme:match("\n```" .. kind .. "\n(.-)```\n"), "no block of " .. kind)
end

-- What a line of the log says, but for the moment at which it says it.
local function without_times(text)
    return (text:gsub("%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ", "TIME"))
end

describe("the README", function()
    it("shows the first example as it stands", function()
        local example = read("examples/hello.lua")
        assert.equal((example:gsub("^%-%-[^\n]*\n", ""):gsub("^%-%-[^\n]*\n", "")), block("lua"))
    end)

    it("shows what the crash of the first example looks like", function()
        local command, shown = block("console"):match("^%$ sutura ([^\n]*)\n(.*)$")
        local pipe = assert(io.popen(("%s bin/sutura %s 2>&1"):format(lua, command)))
        local said = pipe:read("a")
        assert(pipe:close(), said)
        assert.equal(without_times(shown), without_times(said))
    end)

    it("names only files that exist", function()
        for _, page in ipairs { "README.md", "docs/guide.md", "CONTRIBUTING.md" } do
            for target in read(page):gmatch("%]%(([^)#:]+)%)") do
                local path = page:match("^docs/") and "docs/" .. target or target
                local file = io.open(path)
                assert(file, page .. " names " .. target)
                file:close()
            end
        end
    end)
end)
