-- SPDX-License-Identifier: MIT
--
-- Deliberate breaks of the code, for scripts/mutate.lua, which makes them one at a time and asks the specs whether
-- they notice. Each is one that a person might make: a comparison turned, a check left out, a step forgotten. `from`
-- stands exactly once in its file; `point` is the point of the contract's section 7 that breaks, `spec` the spec that
-- should say so. A break that changes nothing a user could see does not belong here.

local function core(file, mutation) mutation.file = "csrc/core/" .. file return mutation end
local function rt(file, mutation) mutation.file = "csrc/rt/" .. file return mutation end
local function ring(file, mutation) mutation.file = "csrc/lua/" .. file return mutation end
local function lua(file, mutation) mutation.file = "lua/sutura/" .. file return mutation end

return {
    -- ---- the score and the pause ----

    core("policy.c", { name = "pause-at-the-threshold", spec = "policy_test",
        from = "score->value > policy->threshold", to = "score->value >= policy->threshold" }),
    core("policy.c", { name = "score-decays-twice-as-fast", spec = "policy_test",
        from = "pow(0.5,", to = "pow(0.25," }),
    core("policy.c", { name = "decay-of-zero-is-no-number", spec = "policy_test",
        from = " || policy->decay_s <= 0", to = "" }),
    core("policy.c", { name = "pause-keeps-the-score", spec = "policy_test",
        from = "score->value = 0;", to = "(void)score;" }),
    core("failure.c", { name = "restart-in-a-pause", spec = "supervisor_test",
        from = "if (sup->state == SUT_SUPERVISOR_PAUSED)\n        sut_service_stop(service, SUT_AFTER_QUEUE);\n"
            .. "    else if",
        to = "if" }),
    core("failure.c", { name = "queue-restarts-at-once", point = 10, spec = "suture_spec",
        from = "if (sup->spacing_ns > 0) break;", to = "" }),
    core("failure.c", { name = "rest-of-the-queue-is-lost", point = 10, spec = "suture_spec",
        from = "if (sut_list_empty(&sup->queue)) return;", to = "return;" }),
    core("shutdown.c", { name = "pause-outlives-the-stop", spec = "shutdown_test",
        from = "sut_deadline_cancel(sup->tree->deadlines, &sup->timer);", to = "" }),
    ring("deliver.c", { name = "jitter-up-to-twice", spec = "pause_spec",
        from = ".random) / 2;", to = ".random);" }),
    ring("deliver.c", { name = "jitter-twice-for-one-pause", spec = "memory_spec",
        from = "if (event->has_delay) return;", to = "" }),

    -- ---- the life of a service ----

    core("life.c", { name = "stop-before-the-first-turn-waits", spec = "life_test",
        from = "STOP(recall)", to = "STOP(ask)" }),
    core("life.c", { name = "two-live-runs", spec = "life_end_test",
        from = "[SUT_INPUT_START] = STOP(amend)", to = "[SUT_INPUT_START] = CELL(begin)" }),
    core("life.c", { name = "time-to-stop-never-ends", spec = "life_end_test",
        from = "STOP(overrun)", to = "CELL(nothing)" }),
    core("stopping.c", { name = "restart-undoes-a-removal", spec = "life_end_test",
        from = "if (service->after == SUT_AFTER_FORGET) return;\n", to = "\n" }),
    core("stopping.c", { name = "no-grace-after-the-error", spec = "life_end_test",
        from = "sut_time_after(tree->now_ns, tree->grace_ns)", to = "tree->now_ns" }),
    core("stopping.c", { name = "what-waits-is-struck", spec = "life_end_test",
        from = "tree->grace_ns == 0 || !tree->host->interrupt(service)", to = "tree->grace_ns == 0" }),
    core("stopping.c", { name = "removal-before-serve-does-nothing", point = 7, spec = "suture_spec",
        from = "if (after == SUT_AFTER_FORGET) {",
        to =
        "if (after == SUT_AFTER_FORGET && sut_supervisor_running(parent)) {" }),
    core("failure.c", { name = "removed-service-counts", point = 5, spec = "suture_spec",
        from = "if (is_abnormal(cue->end))\n", to =
        "(void)sut_policy_fail(&sup->policy, &sup->score, false, sup->tree->now_ns);\n"
            .. "    if (is_abnormal(cue->end))\n" }),
    core("supervisor.c", { name = "termination-stays-below", spec = "ends_spec",
        from = "sup->end == SUT_END_TERMINATE_TREE && sup->dont_propagate_termination",
        to = "sup->end == SUT_END_TERMINATE_TREE" }),
    core("supervisor.c", { name = "add-to-a-stopped-tree", spec = "supervisor_test",
        from = "sup->state == SUT_SUPERVISOR_STOPPING || sup->state == SUT_SUPERVISOR_TERMINATED)\n        return",
        to = "sup->state == SUT_SUPERVISOR_STOPPING)\n        return" }),
    core("startup.c", { name = "score-survives-the-stop", spec = "supervisor_test",
        from = "sut_policy_reset(&sup->score);", to = "" }),
    core("shutdown.c", { name = "reverse-order-is-parallel", spec = "shutdown_test",
        from = "if (sup->stop_order == SUT_STOP_REVERSE)\n        sup->cursor = sut_supervisor_last(sup);\n    else if",
        to = "if" }),
    core("startup.c", { name = "hurry-outlives-the-stop", spec = "shutdown_tree_test",
        from = "sup->hurry = SUT_HURRY_NOT;", to = "" }),
    ring("options.c", { name = "time-to-stop-is-rounded-down", spec = "stop_spec",
        from = "ceil(lua_tonumber(L, -1) * 1000)", to = "floor(lua_tonumber(L, -1) * 1000)" }),

    -- ---- the report ----

    core("report.c", { name = "removed-and-alive-is-not-reported", point = 3, spec = "suture_spec",
        from = "if (service->state == SUT_STATE_ABANDONED) return SUT_REPORT_ALIVE;",
        to = "if (service->state == SUT_STATE_ABANDONED && service->after != SUT_AFTER_FORGET)\n"
            .. "        return SUT_REPORT_ALIVE;" }),
    core("report.c", { name = "supervisor-is-blamed", point = 4, spec = "suture_spec",
        from = "if (service->child) return SUT_REPORT_NOT;",
        to = "if (service->child)\n"
            .. "        return sut_report_collect(service->child, NULL, 0) ? SUT_REPORT_ALIVE : SUT_REPORT_NOT;" }),
    core("report.c", { name = "report-of-an-earlier-stop", spec = "report_test",
        from = "service->overran && service->overran >= stop_number",
        to = "service->overran && (stop_number || !stop_number)" }),
    ring("unstopped.c", { name = "clean-report-is-empty", spec = "report_spec",
        from = "if (lua_rawlen(L, -1) == 0) lua_pushnil(L);", to = "" }),

    -- ---- names, ids and deadlines ----

    core("name.c", { name = "second-of-a-name-has-no-number", spec = "name_test",
        from = "if (number > 1)", to = "if (number > 2)" }),
    core("name.c", { name = "percent-in-a-path", spec = "name_test",
        from = " && byte != '%'", to = "" }),
    core("name.c", { name = "ambiguous-name-is-the-newest", spec = "name_test",
        from = "*more = next_equal(names, newest->next, text, length) != NULL;", to = "*more = 0;" }),
    core("slot.c", { name = "stale-id-finds-the-new-owner", spec = "slot_test",
        from = "slot->owner && slot->generation == (uint32_t)(id.value >> 32)", to = "slot->owner" }),
    core("deadline.c", { name = "equal-deadlines-last-first", spec = "deadline_test",
        from = "return a->seq < b->seq;", to = "return a->seq > b->seq;" }),
    core("deadline.c", { name = "cancelled-deadline-loses-its-siblings", spec = "deadline_test",
        from = "deadline->prev->child = deadline->next;", to = "deadline->prev->child = NULL;" }),

    -- ---- time and loops ----

    rt("runtime.c", { name = "deadline-fires-early", spec = "wait_spec",
        from = "deadline->time_ns <= now_ns", to = "deadline->time_ns <= now_ns + 999999" }),
    ring("state.c", { name = "nanoseconds-are-rounded-down", spec = "wait_spec",
        from = "ceil(seconds * 1e9 - 1e-3)", to = "floor(seconds * 1e9)" }),
    rt("loop.c", { name = "busy-runtime-hears-nothing", spec = "interrupt_spec",
        from = "TURN_BUDGET = 512", to = "TURN_BUDGET = 1 << 30" }),
    rt("runtime.c", { name = "hooks-after-the-run-queue", spec = "hook_spec",
        from = "return has_work(&rt->tree) ? work_off(rt) : 0;", to = "return 0;" }),
    rt("runtime.c", { name = "clock-jumps-over-deadlines", spec = "clock_spec",
        from = "rt->virtual_ns = first->time_ns;", to = "rt->virtual_ns = limit_ns;" }),
    rt("runtime.c", { name = "time-passes-under-who-runs", spec = "clock_spec",
        from = "rt->progressed ? 0 : rt->idle_rounds + 1", to = "rt->idle_rounds + 1" }),
    rt("signals.c", { name = "former-handler-is-forgotten", spec = "signal_spec",
        from = "(void)sigaction(signum, &table[signum].former, NULL);",
        to = "(void)sigaction(signum, &now, NULL);" }),
    ring("runtime.c", { name = "seed-is-ignored", spec = "clock_spec",
        from = "if (seed == seed) sut_random_seed", to = "if (seed != seed) sut_random_seed" }),
    ring("deliver.c", { name = "epoch-is-ignored", spec = "clock_spec",
        from = "return rt->epoch_s + sut_seconds(", to = "return sut_seconds(" }),
    ring("program.c", { name = "deadlock-is-an-end", spec = "runtime_spec",
        from = "if (result == SUT_RUN_IDLE) return raise_deadlock(L, rt, who);",
        to = "if (result == SUT_RUN_IDLE) return 0;" }),

    -- ---- waiting ----

    ring("wait.c", { name = "shield-lets-cancellation-through", spec = "shield_spec",
        from = "co->cancelled && co->shields == 0", to = "co->cancelled" }),
    ring("coroutine.c", { name = "cancellation-comes-once", spec = "wait_spec",
        from = "co->cancelled = true;", to = "co->cancelled = co->shields > 0;" }),
    ring("await.c", { name = "second-resume-replaces-the-first", spec = "await_spec",
        from = "if (await->state != AWAIT_OPEN) return 0;", to = "if (await->state == AWAIT_OVER) return 0;" }),
    ring("await.c", { name = "cleanup-after-a-resume", spec = "await_spec",
        from = "if (resumed || ", to = "if (" }),
    ring("runtime.c", { name = "closers-have-longer", spec = "close_spec",
        from = '"close_budget", 0.1)', to = '"close_budget", 1.5)' }),
    ring("coroutine.c", { name = "closer-may-wait", spec = "close_spec",
        from = "co->closing = true;", to = "co->closing = false;" }),
    ring("wait.c", { name = "wait-under-a-foreign-resume", spec = "nested_spec",
        from = "if (L != self->active)", to = "if (false)" }),
    ring("nested.c", { name = "shield-stays-behind", spec = "nested_spec",
        from = "current->shields = (uint16_t)shields;", to = "" }),
    ring("bottom.c", { name = "closed-by-a-stranger", spec = "stranger_spec",
        from = "if (!co->closing) ended_by_stranger(co);", to = "" }),
    ring("context.c", { name = "supervisor-survives-its-context", spec = "serve_spec",
        from = "stop_served(derived);", to = "" }),
    ring("context.c", { name = "end-stays-above", spec = "context_spec",
        from = "join(pending, &context->u.below);", to = "" }),
    ring("context_methods.c", { name = "later-deadline-wins", spec = "context_spec",
        from = "if (due_ns < derived->deadline_ns) derived", to = "derived" }),

    -- ---- administration ----

    ring("administration.c", { name = "wait-for-a-removed-token-wedges", point = 1, spec = "suture_spec",
        from = "if (!service) return answer_true(L);",
        to = 'if (!service)\n        return sut_wait(L, self, sut_wait_begin(L, self, sup->rt, "remove_and_wait"),\n'
            .. "                        SUT_WAIT_SERVICE, sut_time_after(sut_runtime_now(&sup->rt->rt), limit),\n"
            .. "                        removed, 0);" }),
    ring("add.c", { name = "hook-cannot-add", point = 2, spec = "suture_spec",
        from = 'sut_check_same_runtime(L, self, sup, "add");',
        to = "if (self->runtime && !self->current) return luaL_error(L, \"'add' cannot be called in a hook\");" }),
    ring("add.c", { name = "add-while-ending-raises", point = 6, spec = "suture_spec",
        from = "if (sup->core.state >= SUT_SUPERVISOR_STOPPING) return NULL;",
        to = "if (sup->core.state > SUT_SUPERVISOR_STOPPING) return NULL;" }),
    ring("serve.c", { name = "serves-only-once", point = 8, spec = "suture_spec",
        from = "sup->core.state != SUT_SUPERVISOR_NOT_RUNNING &&\n"
            .. "        sup->core.state != SUT_SUPERVISOR_TERMINATED)",
        to = "sup->core.state != SUT_SUPERVISOR_NOT_RUNNING)" }),
    ring("handle.c", { name = "handle-follows-the-next-life", spec = "serve_spec",
        from = "->over = true;", to = "->over = false;" }),
    ring("serve.c", { name = "serves-while-a-former-life-lives", spec = "serve_spec",
        from = "if (sut_supervisor_lives(&sup->core)) {", to = "if (false) {" }),
    ring("supervisor.c", { name = "supervisor-of-another-runtime", spec = "runtime_spec",
        from = "if (self->runtime && self->runtime != sup->rt)", to = "if (false)" }),
    ring("record.c", { name = "services-of-a-stopped-supervisor", spec = "supervisor_spec",
        from = "if (!sut_supervisor_running(&sup->core)) return 0;", to = "" }),
    ring("token.c", { name = "token-of-another-supervisor", spec = "remove_spec",
        from = "if (!owner || owner != sup) {", to = "if (!owner) {" }),
    ring("token.c", { name = "tokens-of-two-runtimes-are-equal", spec = "module_spec",
        from = " && left->tree == right->tree", to = "" }),
    ring("record.c", { name = "stopped-services-are-active", spec = "supervisor_spec",
        from = "if (sut_service_lives(service)) active++;", to = "active++;" }),

    -- ---- ends, panics and events ----

    ring("service.c", { name = "terminate-tree-wins", spec = "ends_spec",
        from = "if (sut_error_is(thread, -1, SUT_DO_NOT_RESTART)) return",
        to = "if (sut_error_is(thread, -1, SUT_TERMINATE_TREE)) return SUT_END_TERMINATE_TREE;\n"
            .. "    if (sut_error_is(thread, -1, SUT_DO_NOT_RESTART)) return" }),
    ring("service.c", { name = "foreign-cancellation-is-clean", spec = "ends_spec",
        from = "return asked && is_cancellation", to = "return is_cancellation" }),
    core("failure.c", { name = "error-passes-through-like-a-panic", spec = "ends_spec",
        from = "end == SUT_END_PANIC && sup->pass", to = "sup->pass" }),
    ring("deliver.c", { name = "event-without-memory-is-lost", spec = "memory_spec",
        from = "if (!to.complete && status == LUA_ERRMEM) return -1;", to = "" }),
    ring("ending.c", { name = "text-of-ten-megabytes", spec = "panic_spec",
        from = "if (length <= TEXT_MAX) return;", to = "if (length) return;" }),
    ring("ending.c", { name = "redact-that-raises-hides-nothing", spec = "panic_spec",
        from = 'lua_pushliteral(L, "(redacted)");', to = 'lua_getfield(L, -2, "text");' }),
    ring("trace.c", { name = "skipped-levels-are-not-counted", spec = "panic_spec",
        from = "trace->skipped += levels;", to = "" }),
    ring("nested.c", { name = "inner-stack-is-lost", spec = "nested_spec",
        from = "if (traced) keep_trace(L, self, inner);", to = "" }),
    ring("add.c", { name = "hook-stops-at-the-first-level", spec = "hook_spec",
        from = "if (service->child) give_hook(L, from, service->child);", to = "" }),

    -- ---- errors and texts ----

    lua("errors.lua", { name = "is-looks-at-causes-alone", spec = "errors_spec",
        from = "pending[#pending + 1] = message", to = "local _ = message" }),
    lua("errors.lua", { name = "is-calls-metamethods", spec = "errors_spec",
        from = "rawequal(value, target)", to = "value == target" }),
    lua("event.lua", { name = "map-loses-the-error", point = 9, spec = "suture_spec",
        from = "map.error = plain(message)", to = "map.error = {}" }),
    lua("event.lua", { name = "map-has-infinite-numbers", spec = "event_spec",
        from = "elseif value == math.huge or value == -math.huge then", to = "elseif false then" }),
    lua("text.lua", { name = "event-of-many-lines", spec = "event_spec",
        from = ':gsub("%c", escape_control)', to = "" }),
    lua("text.lua", { name = "text-without-a-bound", spec = "event_spec",
        from = "if #s <= limit then", to = "if true then" }),
    lua("text.lua", { name = "text-cut-inside-a-character", spec = "event_spec",
        from = "next_byte < 0x80 or next_byte >= 0xC0", to = "true" }),
    lua("log.lua", { name = "colour-in-spite-of-no-color", spec = "log_spec",
        from = '(no_color == nil or no_color == "") and', to = "" }),

    -- ---- specs and options ----

    lua("fields.lua", { name = "negative-seconds", spec = "spec_spec",
        from = "value >= 0 and", to = "value == value and" }),
    lua("fields.lua", { name = "infinite-seconds", spec = "spec_spec",
        from = " and (infinite or value < math.huge)", to = "" }),
    lua("children_spec.lua", { name = "two-children-of-one-name", spec = "spec_spec",
        from = "if by_name[child.name] then", to = "if false then" }),
    lua("children_spec.lua", { name = "significant-for-nothing", spec = "child_spec_spec",
        from = ' and auto_shutdown == "never"', to = " and false" }),
    lua("child_options.lua", { name = "after-itself", spec = "child_spec_spec",
        from = "elseif sibling == name then", to = "elseif false then" }),
    lua("child_options.lua", { name = "backoff-that-shrinks", spec = "child_spec_spec",
        from = "if normal.factor < 1 then", to = "if false then" }),
    lua("order.lua", { name = "latest-child-first", spec = "order_spec",
        from = "heap[child + 1] < heap[child]", to = "heap[child + 1] > heap[child]" }),
    lua("settings.lua", { name = "window-of-one-second", spec = "settings_spec",
        from = "DEFAULT_INTENSITY, DEFAULT_PERIOD = 1, 5.0", to = "DEFAULT_INTENSITY, DEFAULT_PERIOD = 1, 1.0" }),
    lua("update_spec.lua", { name = "two-limits-in-force", spec = "update_spec_spec",
        from = "if of_window and of_score then", to = "if false then" }),
    lua("partition.lua", { name = "keys-in-a-row-share-a-child", spec = "partition_spec",
        from = "return mix(hash)", to = "return hash" }),
    lua("partition.lua", { name = "partitions-are-never-collected", spec = "partition_spec",
        from = '{ __mode = "k" }', to = "{}" }),
    lua("nearest.lua", { name = "swapped-letters-are-two-edits", spec = "nearest_spec",
        from = "before[j - 2] + 1", to = "before[j - 2] + 2" }),
    lua("misuse.lua", { name = "misuse-without-a-place", spec = "spec_spec",
        from = "error(problem.text, level_of_caller(level + 1))", to = "error(problem.text, 0)" }),
    lua("init.lua", { name = "coroutines-are-always-patched", spec = "module_spec",
        from = 'if not rawget(_G, "sutura_no_patch") then', to = "if true then" }),
    lua("as_service.lua", { name = "stop-is-cut-short", spec = "as_service_spec",
        from = "    wait_until_stopped(core, ending)\n    if not", to = "    if not" }),

    -- ---- the command ----

    lua("serve_tree.lua", { name = "killed-before-forced", spec = "cli_spec",
        from = "if ending.forced then", to = "if ending.forced and not ending.unstopped then" }),
    lua("serve_tree.lua", { name = "interrupt-before-killed", spec = "cli_spec",
        from = "elseif ending.unstopped then", to = 'elseif ending.unstopped and ending.asked ~= "SIGINT" then' }),
    lua("serve_tree.lua", { name = "error-before-interrupt", spec = "cli_spec",
        from = 'elseif ending.asked == "SIGINT" then',
        to = 'elseif ending.asked == "SIGINT" and not ending.failed then' }),
    lua("cli.lua", { name = "wrong-usage-is-an-error", spec = "cli_spec",
        from = "function parser.error(current, message)", to = "function parser.unused(current, message)" }),
    lua("load_tree.lua", { name = "bytecode-has-no-place", spec = "cli_spec",
        from = "== BYTECODE_MARK then", to = '== "" then' }),
}
