-- SPDX-License-Identifier: MIT
--
-- The counting of scripts/test.sh, whose last line is what a reader of `make test` trusts: run on parts
-- that are a few lines of shell.

describe("the sum of the parts", function()
    local directory

    before_each(function()
        directory = os.tmpname()
        os.remove(directory)
        assert(os.execute(("mkdir -p %s/scripts && cp scripts/test.sh %s/scripts"):format(directory, directory)))
    end)

    after_each(function() os.execute("rm -r " .. directory) end)

    -- Runs parts "unit" and "spec", made of the shell lines; returns success, and what was said.
    local function sum(unit, spec, environment)
        local file = assert(io.open(directory .. "/scripts/run.sh", "w"))
        file:write("#!/bin/sh\ncase $1 in\nunit)\n", unit, "\n;;\nspec)\n", spec, "\n;;\nesac\n")
        file:close()
        local pipe = assert(io.popen(("cd %s && chmod +x scripts/run.sh && env -u WRAP -u FAIL_FAST -u SPEC "
            .. "OUT=out FLAVOUR=release %s scripts/test.sh unit spec 2>&1"):format(directory, environment or "")))
        local said = pipe:read("a")
        return pipe:close() == true, said
    end

    local two = "echo 1..2; echo ok 1 - a; echo ok 2 - b"

    local function ends_with(line, ...)
        local passed, said = sum(...)
        assert.equal(line, said:match("([^\n]*)\n$"))
        return passed, said
    end

    it("adds the parts up, and several plans within one", function()
        assert.is_true(ends_with("6 passed, 0 failed", two .. ";" .. two, two))
    end)

    it("fails with one failed test, and shows it", function()
        local one = "echo ok 1 - a; echo not ok 2 - b; echo '# why'; echo 1..2"
        local passed, said = ends_with("3 passed, 1 failed", one, two)
        assert.is_false(passed)
        assert.matches("not ok 2 - b\n# why", said, 1, true)
    end)

    it("takes a skipped test for a failed one", function()
        assert.is_false(ends_with("3 passed, 1 failed", "echo 1..2; echo ok 1 - a; echo 'ok 2 - # SKIP b'", two))
    end)

    it("fails for a part that says nothing", function()
        assert.is_false(ends_with("2 passed, 1 failed", "exit 0", two))
    end)

    it("fails for a part that leaves out what it planned", function()
        assert.is_false(ends_with("3 passed, 1 failed", "echo 1..2; echo ok 1 - a", two))
    end)

    it("fails for a part that ends badly after its tests", function()
        local passed, said = ends_with("4 passed, 1 failed", two .. "; echo leak >&2; exit 99", two)
        assert.is_false(passed)
        assert.matches("ended with status 99", said, 1, true)
        assert.matches("leak", said, 1, true)
    end)

    it("fails for a part that hangs", function()
        assert.is_false(ends_with("4 passed, 1 failed", two, two .. "; exec sleep 60", "LIMIT=1"))
    end)

    it("stops at the first bad part when asked to fail fast", function()
        assert.is_false(ends_with("0 passed, 1 failed", "echo not ok 1 - a; echo 1..1", two, "FAIL_FAST=1"))
    end)
end)
