-- SPDX-License-Identifier: MIT
--
-- The programs of docs/guide.md: each block of Lua is run as a file of its own, and prints what the block of text
-- beneath it says. A block that begins with a comment "-- NAME.lua" is only saved under that name, for the commands of
-- the blocks of console text that follow.

local lua = os.getenv("LUA") or "lua5.4"
local here = assert(io.popen("pwd")):read("l")

local function write(path, text)
    local file <close> = assert(io.open(path, "w"))
    file:write(text)
end

-- The fenced blocks of a page: { kind, text, line } each.
local function blocks_of(path)
    local blocks, block, number = {}, nil, 0
    for line in io.lines(path) do
        number = number + 1
        local fence = line:match("^```(%a*)$")
        if fence and not block then
            block = { kind = fence, lines = {}, line = number + 1 }
        elseif fence then
            block.text = table.concat(block.lines, "\n") .. (#block.lines > 0 and "\n" or "")
            blocks[#blocks + 1] = block
            block = nil
        elseif block then
            table.insert(block.lines, line)
        end
    end
    return blocks
end

local function run(directory, command)
    local pipe = assert(io.popen(("cd %s && PATH=%s/bin:$PATH && { %s; } 2>&1"):format(directory, here, command)))
    local said = pipe:read("a")
    return said, pipe:close() == true
end

-- The log's times differ from run to run; what a log line says does not.
local function without_times(text)
    return (text:gsub("%d%d%d%d%-%d%d%-%d%dT[%d:.]+Z", "TIME"))
end

describe("the guide", function()
    local blocks = blocks_of("docs/guide.md")
    local directory

    setup(function()
        directory = os.tmpname()
        os.remove(directory)
        assert(os.execute("mkdir " .. directory))
        for _, block in ipairs(blocks) do
            local name = block.kind == "lua" and block.text:match("^%-%- (%w+%.lua)\n")
            if name then
                write(directory .. "/" .. name, block.text)
            end
        end
    end)

    teardown(function()
        os.execute("rm -r " .. directory)
    end)

    it("has programs that run and print what it says", function()
        local programs = 0
        for i, block in ipairs(blocks) do
            if block.kind == "lua" and not block.text:find("^%-%- %w+%.lua\n") then
                programs = programs + 1
                write(directory .. "/guide.lua", block.text)
                local said, ok = run(directory, lua .. " guide.lua")
                local where = ("docs/guide.md:%d: "):format(block.line)
                assert(ok, where .. said)
                assert(blocks[i + 1] and blocks[i + 1].kind == "text", where .. "no block of text follows")
                assert.equal(blocks[i + 1].text, said, where)
            end
        end
        assert(programs >= 12, "only " .. programs .. " programs were found")
    end)

    it("has commands that print what it says", function()
        local commands = 0
        for _, block in ipairs(blocks) do
            local said = ""
            for command in block.kind == "console" and block.text:gmatch("%f[^\n%z]%$ ([^\n]*)") or function() end do
                commands = commands + 1
                said = said .. "$ " .. command .. "\n" .. run(directory, command)
            end
            if block.kind == "console" then
                assert.equal(without_times(block.text), without_times(said), ("docs/guide.md:%d"):format(block.line))
            end
        end
        assert(commands >= 2, "only " .. commands .. " commands were found")
    end)
end)
