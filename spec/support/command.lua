-- SPDX-License-Identifier: MIT
--
-- Runs the command `sutura` as a process of its own, from a shell script that may send it signals. It owns the
-- temporary files; what the command must do is said by the specs.
--
-- The script runs under a time limit, so a spec cannot hang, and without the preloaded sanitizers, which are for the
-- program under test alone: $SUTURA starts it with them.

local command = {}

local LIMIT_S = 20

local SCRIPT = [[
SUTURA="env LD_PRELOAD=%s %s bin/sutura"
SHOWN=%s
: >"$SHOWN"
# await TEXT FILE: until a line of the file has the text.
await() {
    until grep -q -e "$1" "$2"; do sleep 0.01; done
}
%s
]]

local files = {}

--- A new file with this content; it goes when the spec ends.
---@param content string
---@return string path
function command.file(content)
    local path = os.tmpname()
    files[#files + 1] = path
    local file <close> = assert(io.open(path, "wb"))
    file:write(content)
    return path
end

--- Removes the files that were made; spec/support/helper.lua calls it.
function command.forget()
    for _, path in ipairs(files) do
        os.remove(path)
    end
    files = {}
end

local function read(path)
    local file <close> = assert(io.open(path, "rb"))
    return file:read("a")
end

--- Runs a shell script; its exit code is the result's. In the script, $SUTURA is the command, $SHOWN an empty file for
--- the stderr of a process in the background, and `await TEXT FILE` waits for a line.
---@param script string
---@return { code: integer, out: string, err: string } result
function command.script(script)
    local out, err, shown = command.file(""), command.file(""), command.file("")
    -- The loader takes colons for blanks, and the shell does not cut there.
    local preload = (os.getenv("LD_PRELOAD") or ""):gsub(" ", ":")
    local path = command.file(SCRIPT:format(preload, os.getenv("LUA") or "lua5.4", shown, script))
    local _, _, code = os.execute(("exec env -u LD_PRELOAD timeout -k 1 %d sh %s >%s 2>%s </dev/null"):format(LIMIT_S,
        path, out, err))
    return { code = code, out = read(out), err = read(err) .. read(shown) }
end

--- Runs the command with these words as its arguments.
---@param arguments string
---@return { code: integer, out: string, err: string } result
function command.run(arguments)
    return command.script("exec $SUTURA " .. arguments)
end

--- Runs a tree in the background; when a line of its stderr has the text "ready", does what `steps` says with $PID,
--- and ends with the code of the process.
---@param options string such as "--log json"
---@param tree string the content of the tree file
---@param steps string shell commands
---@return { code: integer, out: string, err: string } result
function command.background(options, tree, steps)
    return command.script(([[
$SUTURA run %s %s 2>"$SHOWN" &
PID=$!
await ready "$SHOWN"
%s
wait $PID
]]):format(options, command.file(tree), steps))
end

return command
