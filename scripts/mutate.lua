-- SPDX-License-Identifier: MIT
--
-- usage: lua5.4 scripts/mutate.lua [TEXT]          every mutation, or those whose file or name contains TEXT
--        lua5.4 scripts/mutate.lua --one BASE INDEX LIMIT      one of them; what the first form runs
--
-- Breaks the code on purpose, one small change at a time, and asks the specs whether they notice. The
-- list is spec/mutations.lua: an array of
--   { name = "...", file = "csrc/core/policy.c", from = "a > b", to = "a >= b",
--     point = 3,                 the point of the contract's section 7 that it breaks, if any
--     spec = "policy_spec" }     the spec, or C test, that has to notice; any of the suite if left out
-- `from` stands exactly once in the file. Each change is made in a copy of the checkout below TMPDIR,
-- built already, so that only what changed is built again. A change that does not apply or does not
-- compile is a fault of the list, not a catch; one that makes its spec hang is caught. Nothing counts
-- before the specs have passed on an unchanged copy.
--
-- From the environment: JOBS=n, how many at a time (2); DRY=1 only looks whether each change applies.

local SECTION_7_POINTS = 10

local mutations = dofile("spec/mutations.lua")

local function quote(text) return "'" .. text:gsub("'", [['\'']]) .. "'" end

local function run(command, ...)
    local pipe = assert(io.popen(command:format(...) .. " 2>&1"))
    local said = pipe:read("a")
    return pipe:close() == true, said
end

local function must(command, ...)
    local ok, said = run(command, ...)
    if not ok then error(said, 0) end
    return said:gsub("%s+$", "")
end

-- Makes a target in a copy; returns whether that went well, and what was said. CI's warnings as errors
-- would let the compiler catch what the specs should.
local function make(copy, target, variables)
    local environment = "env -u CI -u MAKEFLAGS -u BUILD FAIL_FAST=1 " .. (variables or "")
    return run("cd %s && ulimit -v 8000000; %s make --no-print-directory %s", quote(copy), environment, target)
end

-- Runs the specs in a copy.
local function passes(copy, limit, spec)
    return make(copy, "spec", ("LIMIT=%d SPEC=%s"):format(limit, quote(spec or "")))
end

-- The file's text with the change made, or nil and why it cannot be made.
local function changed(mutation, text)
    if mutation.from == mutation.to then return nil, "changes nothing" end
    local from, to = text:find(mutation.from, 1, true)
    if not from then return nil, "'from' is not in " .. mutation.file end
    if text:find(mutation.from, from + 1, true) then return nil, "'from' is more than once in " .. mutation.file end
    return text:sub(1, from - 1) .. mutation.to .. text:sub(to + 1)
end

local function read(path)
    local file, err = io.open(path, "rb")
    if not file then return nil, err end
    local text = file:read("a")
    file:close()
    return text
end

local function apply(mutation, copy)
    local path = copy .. "/" .. mutation.file
    local text, err = read(path)
    if not text then return nil, err end
    text, err = changed(mutation, text)
    if not text then return nil, err end
    local file = assert(io.open(path, "wb"))
    file:write(text)
    return file:close()
end

-- Which test failed first, by its own name.
local function first_failure(said)
    local name = said:match("not ok %d* ?%- ([^\n]*)") or "no test by name"
    return (name:gsub("; last in .*", ""))
end

local function verdict(mutation, copy, limit)
    local applied, err = apply(mutation, copy)
    if not applied then return "fault", err end
    local passed, said = passes(copy, limit, mutation.spec)
    if said:find("build: 0 passed", 1, true) then return "fault", "does not build" end
    if not passed then return "caught", "by: " .. first_failure(said) end
    return "missed", mutation.file
end

local function one(base, index, limit)
    local mutation = mutations[index]
    local copy = base .. "/" .. index
    must("cp -a %s %s", quote(base .. "/base"), quote(copy))
    local ok, result, detail = pcall(verdict, mutation, copy, limit)
    if not ok then result, detail = "fault", result end
    must("rm -rf %s", quote(copy))
    io.write(("%-6s  %s  (%s)\n"):format(result, mutation.name, detail))
end

-- The entries to run, and what is wrong with the list as such.
local function chosen(only)
    local indices, faults, named, points = {}, {}, {}, {}
    for index, mutation in ipairs(mutations) do
        for _, field in ipairs { "name", "file", "from", "to" } do
            if type(mutation[field]) ~= "string" then
                error(("mutation %d lacks its field %q"):format(index, field), 0)
            end
        end
        local spec = mutation.spec
        if spec and not read("spec/" .. spec .. ".lua") and not read("spec/c/" .. spec .. ".c")
            and not read("spec/rt/" .. spec .. ".c") then
            faults[#faults + 1] = ("%s: there is no spec named %s"):format(mutation.name, spec)
        end
        if named[mutation.name] then faults[#faults + 1] = "two mutations are named " .. mutation.name end
        named[mutation.name] = true
        points[mutation.point or 0] = true
        local called = mutation.file .. " " .. mutation.name
        if not only or called:find(only, 1, true) then indices[#indices + 1] = index end
    end
    for point = 1, only and 0 or SECTION_7_POINTS do
        if not points[point] then faults[#faults + 1] = "no mutation breaks point " .. point .. " of section 7" end
    end
    return indices, faults
end

-- Builds the unchanged copy and runs there the specs that the entries name, each once. Returns the
-- seconds that any of them may take in a changed copy.
local function check_unchanged(copy, indices)
    local slowest, known = 0, {}
    local built, problem = make(copy, "all")
    if not built then error(problem, 0) end
    for _, index in ipairs(indices) do
        local spec = mutations[index].spec or ""
        if not known[spec] then
            local started = os.time()
            local passed, said = passes(copy, 300, spec)
            if not passed then error("the specs fail on unchanged code:\n" .. said, 0) end
            slowest = math.max(slowest, os.time() - started)
        end
        known[spec] = true
    end
    return 20 + 4 * slowest
end

-- Runs the entries in the directory `base`, some at a time, and prints a line for each.
local function all(indices, faults, base)
    must("mkdir %s/base && tar --exclude=./.git --exclude=./build -cf - . | tar -xf - -C %s/base", base, base)
    local limit = check_unchanged(base .. "/base", indices)
    local counts = { caught = 0, missed = 0, fault = 0 }
    local workers = assert(io.popen(("printf '%s' | xargs -P %s -I{} %s scripts/mutate.lua --one %s {} %d"):format(
        table.concat(indices, "\\n"), os.getenv("JOBS") or 2, quote(arg[-1]), base, limit)))
    for line in workers:lines() do
        print(line)
        local result = line:match("^%a+")
        if counts[result] then counts[result] = counts[result] + 1 end
    end
    workers:close()

    for _, fault in ipairs(faults) do
        print("fault   " .. fault)
    end
    -- What gave no verdict was not caught.
    local missed = #indices - counts.caught
    print(("%d caught, %d missed"):format(counts.caught, missed))
    return missed == 0 and #faults == 0
end

-- Only looks whether each change applies to its file.
local function dry(indices, faults)
    for _, index in ipairs(indices) do
        local mutation = mutations[index]
        local text, err = read(mutation.file)
        if text then text, err = changed(mutation, text) end
        if not text then faults[#faults + 1] = mutation.name .. ": " .. err end
    end
    for _, fault in ipairs(faults) do
        print("fault   " .. fault)
    end
    print(("%d entries, %d faults"):format(#indices, #faults))
    return #faults == 0
end

local function main(only)
    local indices, faults = chosen(only)
    if #indices == 0 then error("no mutation is named so", 0) end
    if os.getenv("DRY") then return dry(indices, faults) end
    local base = must("mktemp -d")
    local ok, result = pcall(all, indices, faults, base)
    run("rm -rf %s", base)
    if not ok then error(result, 0) end
    return result
end

io.stdout:setvbuf("line")
if arg[1] == "--one" then
    one(arg[2], math.tointeger(arg[3]), math.tointeger(arg[4]))
else
    local ok, clean = pcall(main, arg[1])
    if not ok then io.stderr:write("mutate: ", tostring(clean), "\n") end
    os.exit(ok and clean)
end
