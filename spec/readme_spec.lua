-- SPDX-License-Identifier: MIT
--
-- The README shows examples/hello.lua as it stands (without its banner), and what running it prints as it does. The
-- lines of its table of features run, one after the other.

local sutura = require "sutura"

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

-- The code in the table of features, in order.
local function feature_lines()
    local lines = {}
    for cell in assert(readme:match("| feature | in a line |.-\n\n")):gmatch("\n| [^|]+ | ([^|]+) |") do
        for code in cell:gmatch("`([^`]+)`") do
            lines[#lines + 1] = code
        end
    end
    return lines
end

-- What the lines name: a tree, services for it, and one context.
local function world(sup)
    local function idle()
        sutura.sleep(1e6)
    end
    local env = {
        sutura = sutura, sup = sup, socket = "a socket",
        mail = idle, web = idle, compute = idle, plugin = idle, index = idle, poller = idle, job = idle, handle = idle,
        new_counter = function()
            return idle
        end,
    }
    function env.db(ctx)
        env.ctx = env.ctx or ctx
        sutura.sleep(1)
        ctx:ready()
        idle()
    end
    return env
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

    it("has a line for each feature that runs", function()
        local rt <close> = sutura.runtime({ clock = "virtual" })
        local lines = feature_lines()
        assert(#lines >= 20, #lines .. " lines")
        rt:run(function()
            local sup = rt:supervisor("root", { auto_shutdown = "any_significant", event_hook = error })
            local env = world(sup)
            sup:serve_background()
            for _, code in ipairs(lines) do
                sutura.yield()
                local chunk = load("return " .. code, code, "t", env) or assert(load(code, code, "t", env))
                local result, problem = chunk()
                assert(result ~= nil or problem == nil, code .. ": " .. tostring(problem))
            end
        end)
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

    it("names only parts of the guide that exist", function()
        local anchors, named = {}, 0
        for heading in read("docs/guide.md"):gmatch("\n#+ ([^\n]+)") do
            anchors[heading:lower():gsub("[^%w -]", ""):gsub(" ", "-")] = true
        end
        for anchor in readme:gmatch("%]%(docs/guide%.md#([^)]+)%)") do
            assert(anchors[anchor], "no part " .. anchor)
            named = named + 1
        end
        assert(named >= 10, named .. " parts")
    end)
end)
