-- SPDX-License-Identifier: MIT
--
-- What a script has checked, one line each, as scripts/test.sh counts it.

local tap = {}

local tests, bad = 0, 0

--- Says whether a check was passed; the text is formatted.
function tap.check(ok, text, ...)
    tests = tests + 1
    bad = bad + (ok and 0 or 1)
    print(("%s %d - %s"):format(ok and "ok" or "not ok", tests, text:format(...)))
end

--- Says how many there were, closes the Lua state, and ends the process: with 1 if any was not passed.
function tap.finish()
    print("1.." .. tests)
    os.exit(bad == 0, true)
end

return tap
