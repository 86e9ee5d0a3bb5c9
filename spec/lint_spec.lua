-- SPDX-License-Identifier: MIT
--
-- The check that holds docs/contract.md to the specs, run on small documents of its own.

local function write(path, text)
    local file = assert(io.open(path, "w"))
    file:write(text)
    file:close()
end

describe("the contract check", function()
    local directory

    before_each(function()
        directory = os.tmpname()
        os.remove(directory)
        assert(os.execute("mkdir -p " .. directory .. "/spec/c"))
        write(directory .. "/spec/score_spec.lua", [==[
            it("makes the first failure 1", function() end)
            it('says "no"', function() end)
            it([[is long]], function() end)
            it("is written " ..
               "in two parts", function() end)
            wait("is no test", function() end)
        ]==])
        write(directory .. "/spec/c/score_test.c", "cmocka_unit_test(halves), cmocka_unit_test_setup(pauses, up)")
    end)

    after_each(function() os.execute("rm -r " .. directory) end)

    -- Checks a document whose section 1 is the text; returns whether it passed, and what was said.
    local function check(section)
        write(directory .. "/contract.md", "# Title\n\nNo promise here.\n\n## 1. Section\n\n" .. section .. "\n")
        local pipe = assert(io.popen(("%s scripts/check_contract.lua %s/contract.md %s/spec 2>&1"):format(
            os.getenv("LUA") or "lua5.4", directory, directory)))
        local said = pipe:read("a")
        return pipe:close() == true, said
    end

    local function accepts(section)
        local passed, said = check(section)
        assert.is_true(passed, said)
    end

    local function refuses(section, message)
        local passed, said = check(section)
        assert.is_false(passed, said)
        assert.matches(message, said, 1, true)
    end

    it("accepts a row and an item that name an existing spec", function()
        accepts("| a | spec |\n|---|---|\n| x | `score_spec: makes the first failure 1` |")
        accepts("- It is so. [spec: `score_spec: makes the first failure 1`]")
        accepts("- It is so,\n  over two lines. [spec: score_spec: makes the first failure 1]")
        accepts("1. It is so. [spec: `score_spec: makes the first failure 1`]")
    end)

    it("reads every way to write a spec's text", function()
        accepts('- It is so. [spec: `score_spec: says "no"`]')
        accepts("- It is so. [spec: `score_spec: is long`, `score_spec: is written in two parts`]")
    end)

    it("knows the tests in C by their function", function()
        accepts("- It is so. [spec: `score_test: halves`, `score_test: pauses`]")
        refuses("- It is so. [spec: `score_test: doubles`]", 'contract.md:7: there is no spec "score_test: doubles"')
    end)

    it("accepts what belongs to another issue", function()
        accepts("- It will be so. [issue 4]")
        accepts("| a | spec |\n|---|---|\n| x \\| y | issue 3 |")
    end)

    it("refuses a spec that does not exist", function()
        refuses("- It is so. [spec: `score_spec: is no test`]", "contract.md:7: there is no spec")
        refuses("| a | spec |\n|---|---|\n| x | `other_spec: is long` |", "contract.md:9: there is no spec")
        refuses("- It is so. [spec: `score_spec: is long`, `score_spec: is short`]", "score_spec: is short")
    end)

    it("accepts a reason for having none where the head of the table says so", function()
        accepts("| a | spec, or why none |\n|---|---|\n| x | none: no links |\n| y | `score_spec: is long` |")
        refuses("| a | spec, or why none |\n|---|---|\n| x | none: |", "contract.md:9: no spec and no issue")
        refuses("| a | spec, or why none |\n|---|---|\n| x | `score_spec: is short` |", "there is no spec")
        refuses("| a | spec |\n|---|---|\n| x | none: no links |", "contract.md:9: there is no spec")
        refuses("- It is so. [spec: none: no links]", "contract.md:7: there is no spec")
    end)

    it("refuses a row, an item or a sentence without a mark", function()
        refuses("| a | spec |\n|---|---|\n| x | |", "contract.md:9: no spec and no issue")
        refuses("| a | spec |\n|---|---|\n| x | later |", "contract.md:9: no spec and no issue")
        refuses("| a | spec |\n|---|---|\n| `x` |", "contract.md:9: 1 cells where the head has 2")
        refuses("| a | b |\n|---|---|\n| x | y |", 'contract.md:7: the last column of a table is headed "spec"')
        refuses("- It is so.", "contract.md:7: no mark")
        refuses("- It is so.\n- It too. [issue 3]", "contract.md:7: no mark")
        refuses("It is so.", "contract.md:7: a sentence outside a list")
    end)

    it("asks nothing of examples and of sections without a number", function()
        accepts("- It is so. [issue 3]\n\n```\n- code\n```\n\n    code\n\n## Terms\n\nPlain text.\n\n- item")
    end)

    it("refuses a document that promises nothing", function()
        refuses("", "no promise was found")
    end)
end)
