-- SPDX-License-Identifier: MIT
--
-- usage: lua5.4 scripts/faults.lua BUILD_DIRECTORY
--
-- Lets system calls fail one at a time, by strace's injection, over a scenario (spec/host/faults.lua): the first call
-- of a kind once the loader is done, the second, and so on, until a run has no such call any more. In TAP, a test for
-- each call and error. A run is good that ends well, or by a failure that says why; death by a signal, a hang and a
-- lost service are not. libuv's own aborts, where it has no way to say that something failed, are counted. Further it
-- runs with few descriptors, and with a log that cannot be written.

local tap = require "scripts.tap"

local build = assert(arg[1], "usage: lua5.4 scripts/faults.lua BUILD_DIRECTORY")

local HOST = build .. "/host/raise_host"
local SCENARIO = "spec/host/faults.lua"
local MOST = tonumber(os.getenv("MOST")) or 1000 -- calls of a kind that are tried

-- The loop and its descriptors, the watchdog's thread, signals, memory, files; and the log, which is a file.
local FAULTS = {
    { "epoll_create1", "EMFILE" }, { "eventfd2", "EMFILE" }, { "pipe2", "EMFILE" }, { "epoll_ctl", "ENOMEM" },
    { "epoll_wait", "EINTR" }, { "ppoll", "EINTR" }, { "ppoll", "ENOMEM" }, { "clone3", "EAGAIN" },
    { "rt_sigaction", "EINVAL" }, { "tgkill", "ESRCH" },
    { "tgkill", "EAGAIN" }, { "read", "EINTR" }, { "openat", "EMFILE" }, { "mmap", "ENOMEM" },
    { "mprotect", "ENOMEM" }, { "close", "EINTR" }, { "write", "EINTR", "log" }, { "write", "EAGAIN", "log" },
    { "write", "ENOSPC", "log" }, { "write", "EPIPE", "log" }, { "write", "EIO", "log" },
}

local function read(path)
    local file = io.open(path)
    local text = file and file:read("a") or ""
    if file then
        file:close()
    end
    return text
end

local log, said = os.tmpname(), os.tmpname()

-- Runs a shell command for at most 20 seconds. Returns its exit status, 128 and more for a signal, 124 for a hang.
local function run(command)
    local ok, kind, code = os.execute(("timeout -k 1 20 sh -c '%s' >%s 2>&1"):format(command, said))
    return ok and 0 or kind == "signal" and 128 + code or code
end

local LIBUV_ABORTED = 30

-- One that could not even load its text ends by 1, with Lua's words.
local function is_good(code)
    local text = read(said)
    return code == 0 or code == LIBUV_ABORTED or code == 1 and text ~= "" and not text:find("faults: ", 1, true)
end

local function complain(code, n)
    print(("# with fault %d: exit status %d"):format(n, code))
    for line in read(said):gmatch("[^\n]+") do
        print("#   " .. line)
    end
end

-- How many calls of a kind the loader makes.
local function made_before(call)
    run(("strace -f -qq -o %s -e trace=getppid,%s %s %s"):format(log, call, HOST, SCENARIO))
    local count = 0
    for line in read(log):gmatch("[^\n]+") do
        if line:find("getppid", 1, true) then
            return count
        end
        count = count + 1
    end
    error("the host does not say when it begins")
end

local function sweep(call, code_name, where)
    local survived, told, by_libuv, wrong = 0, 0, 0, 0
    local only = where and "-P " .. said or ""
    local n = where and 0 or made_before(call)
    local last = n + MOST
    repeat
        n = n + 1
        local code = run(("strace -f -qq -o %s %s -e trace=%s -e inject=%s:error=%s:when=%d %s %s"):format(log, only,
            call, call, code_name, n, HOST, SCENARIO))
        local hit = read(log):find("(INJECTED)", 1, true)
        if not is_good(code) then
            wrong = wrong + 1
            complain(code, n)
        elseif code == LIBUV_ABORTED then
            by_libuv = by_libuv + 1
        elseif hit and code == 0 then
            survived = survived + 1
        elseif hit then
            told = told + 1
        end
    until not hit or n >= last or wrong >= 3
    tap.check(wrong == 0, "%s%s fails by %s: %d times survived, %d told, %d ended by libuv, %d wrong", call,
        where and " of the log" or "", code_name, survived, told, by_libuv, wrong)
end

for _, fault in ipairs(FAULTS) do
    sweep(table.unpack(fault))
end

for limit = 3, 16 do
    local code = run(("ulimit -n %d; LASTING=1 exec %s %s"):format(limit, HOST, SCENARIO))
    local good = code < 2 or code == 127 and limit == 3 -- the loader needs one
    if not good then
        complain(code, limit)
    end
    tap.check(good, "with at most %d descriptors: exit status %d", limit, code)
end

local code = run(("exec %s %s 2>/dev/full"):format(HOST, SCENARIO))
tap.check(code == 0, "with a log that is full: exit status %d", code)

os.remove(log)
os.remove(said)
tap.finish()
