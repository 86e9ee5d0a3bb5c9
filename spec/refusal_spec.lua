-- SPDX-License-Identifier: MIT
--
-- What calls that refuse something say: the names in it are the user's, and the message is one line all the same.

local sutura = require "sutura"
local virtual = require "spec.support.virtual"

local NAME = "a\n\27[2J\xFF" .. ("n"):rep(1000)
local SHOWN = "a\\n\\x1B[2J\\xFFnnn"

local function quiet()
    return { event_hook = function() end }
end

local function waits(ctx) ctx:wait() end

-- The message of a call that raises, which is one line with the name shown in it.
local function refused(call, ...)
    local ok, message = pcall(call, ...)
    assert.is_false(ok)
    assert.is_string(message)
    assert.is_nil(message:find("%c"), message)
    assert.is_true(#message < 400)
    assert.is_truthy(message:find(SHOWN, 1, true), message)
    return message
end

describe("a refusal", function()
    it("has the names of supervisors on one line, however they are", virtual.test(function(rt)
        local sup, below = rt:supervisor(NAME, quiet()), rt:supervisor(NAME, quiet())
        local strange <close> = sutura.runtime { clock = "virtual" }
        assert.matches("would be under itself", refused(sup.add, sup, sup))
        assert.matches("belongs to another runtime", refused(sup.add, sup, strange:supervisor(NAME, quiet())))
        local object = { serve = waits, supervisor = strange:supervisor(NAME, quiet()) }
        assert.matches("belongs to another runtime", refused(sup.add, sup, "object", object))
        sup:add(below)
        assert.matches("is under .* already", refused(sup.add, sup, below))
        assert.matches("which serves it", refused(below.serve, below))
        sup:serve_background()
        assert.matches("is being served already", refused(sup.serve, sup))
        local other = rt:supervisor("other", quiet())
        assert.matches("is being served already", refused(other.add, other, sup))
        strange:run(function() assert.matches("belongs to another runtime", refused(sup.add, sup, "w", waits)) end)
        sup:stop()
    end))

    it("has the names of services and templates on one line, too", virtual.test(function(rt)
        local sup = rt:supervisor(NAME, { event_hook = function() end, auto_shutdown = "any_significant" })
        local plain = rt:supervisor(NAME, quiet())
        assert.matches("has no service named", refused(sup.add, sup, "w", waits, { after = { NAME } }))
        sup:add(NAME, waits, { significant = true, restart = "temporary" })
        assert.matches("but service", refused(sup.update, sup, { auto_shutdown = "never" }))
        assert.matches("field 'significant' is true",
            refused(plain.add, plain, "w", waits, { significant = true, restart = "temporary" }))
        assert.matches("is no template", refused(sup.start, sup))
        local pool = sup:template { name = NAME, run = waits }
        assert.matches("is a template", refused(pool.add, pool, "w", waits))
        assert.matches("of the template", refused(pool.update, pool, { strategy = "one_for_all" }))
    end))
end)
