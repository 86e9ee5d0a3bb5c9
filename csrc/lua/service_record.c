/* SPDX-License-Identifier: MIT
 *
 * What is kept of a service from its adding to its leaving: its extras, its thread and its body.
 */
#include "lua/service.h"

#include "core/alloc.h"
#include "lua/cause.h"
#include "lua/cpu_share.h"
#include "lua/runtime.h"
#include "lua/supervisor.h"

#include <string.h>

/* ---- leaving the tree ---- */

/* The slot of its id: dense in a runtime. */
lua_Integer sut_thread_key(const struct sut_lua_service *service) {
    return (lua_Integer)service->core.slot + 1;
}

/* The index of the table of threads on the stack of hooks. */
static int find_threads(lua_State *hooks, struct sut_lua_runtime *rt) {
    if (!rt->calling) return SUT_KEPT_THREADS;
    sut_push_threads(hooks, rt); /* it is another function's stack */
    return lua_gettop(hooks);
}

/* The key is there, so that nothing is allocated. */
void sut_service_part_from_thread(struct sut_lua_service *service) {
    struct sut_lua_runtime *rt = sut_rt(&service->co);
    int threads = find_threads(rt->hooks, rt);
    lua_pushnil(rt->hooks);
    lua_rawseti(rt->hooks, threads, sut_thread_key(service));
    if (rt->calling) lua_pop(rt->hooks, 1);
}

void sut_service_drop_thread(struct sut_lua_service *service) {
    struct sut_lua_runtime *rt = sut_rt(&service->co);
    int threads = find_threads(rt->hooks, rt);
    bool there = lua_rawgeti(rt->hooks, threads, sut_thread_key(service)) != LUA_TNIL;
    lua_pop(rt->hooks, rt->calling ? 2 : 1);
    if (there) sut_service_part_from_thread(service);
}

/* Lets go what the bodies kept for the service. */
static void drop_body(lua_State *L, const struct sut_lua_service *service) {
    sut_push_object(L, service->core.parent);
    (void)lua_getiuservalue(L, -1, SUT_SUPERVISOR_BODIES);
    sut_body_drop(L, sut_supervisor_of(service->core.parent), service->core.host_ref);
    if (sut_extras_of(service)) {
        luaL_unref(L, -1, sut_extras_of(service)->jitter_ref);
        luaL_unref(L, -1, sut_extras_of(service)->info_ref);
    }
    if (sut_extras_of(service) && sut_extras_of(service)->contained) {
        lua_pushnil(L);
        lua_rawsetp(L, -2, sut_extras_of(service)->contained);
    }
    lua_pop(L, 2);
}

/* Who waited for its removal goes on: it has left the tree, be it for a report alone. */
void sut_service_left(struct sut_service *core) {
    struct sut_extras *extras = sut_extras_of(sut_service_of(core));
    if (extras) sut_wake_all(&extras->waiters, SUT_WOKEN_READY);
}

void sut_service_released(struct sut_runtime *runtime, struct sut_service *core) {
    struct sut_lua_runtime *rt = sut_runtime_of(runtime);
    struct sut_lua_service *service = sut_service_of(core);
    sut_service_left(core);
    sut_token_outlives(rt, core);
    sut_cause_outlives(rt, core);
    sut_supervisor_gone(core);
    sut_service_drop_thread(service);
    drop_body(rt->hooks, service);
    sut_service_free(service);
}

/* ---- the record ---- */

bool sut_wants_variables(struct sut_coroutine *co) {
    if (co->kind != SUT_COROUTINE_SERVICE) return false;
    return sut_supervisor_of(sut_service_of_coroutine(co)->core.parent)->panic_locals;
}

bool sut_service_give_options(struct sut_service *service) {
    if (service->options) return true;
    service->options = sut_calloc(sizeof *service->options);
    if (!service->options) return false;
    service->options->start_timeout_ns = SUT_NEVER;
    return true;
}

struct sut_extras *sut_service_extras(struct sut_lua_service *service) {
    struct sut_extras *extras = sut_extras_of(service);
    if (extras || !sut_service_give_options(&service->core)) return extras;
    extras = sut_calloc(sizeof *extras);
    if (!extras) return NULL;
    sut_list_init(&extras->waiters);
    extras->jitter_ref = LUA_NOREF;
    extras->info_ref = LUA_NOREF;
    service->core.options->host = extras;
    return extras;
}

static const char *in_words(const char *error) { return error ? error : "stopped"; }

const char *sut_service_last_error(const struct sut_lua_service *service) {
    const struct sut_extras *extras = sut_extras_of(service);
    if (service->core.run <= 1 && !(extras && extras->last_error)) return NULL;
    return in_words(extras ? extras->last_error : NULL);
}

const char *sut_service_why_begun(const struct sut_lua_service *service, uint32_t run) {
    const struct sut_extras *extras = sut_extras_of(service);
    if (!extras) return in_words(NULL);
    return in_words(extras->error_of < run ? extras->last_error : extras->older_error);
}

void sut_service_set_last_error(struct sut_lua_service *service, uint32_t run, const char *text) {
    struct sut_extras *extras = text ? sut_service_extras(service) : sut_extras_of(service);
    char *copy = NULL;
    if (!extras || (text && extras->last_error && strcmp(extras->last_error, text) == 0)) return;
    if (text && !(copy = sut_copy_text(text, strlen(text)))) return;
    sut_free(extras->older_error);
    extras->older_error = extras->last_error;
    extras->last_error = copy;
    extras->error_of = run;
}

void sut_service_free(struct sut_lua_service *service) {
    struct sut_extras *extras = sut_extras_of(service);
    sut_waits_leave(&service->co);
    if (extras) {
        while (!sut_list_empty(&extras->waiters))
            sut_list_remove(extras->waiters.next);
        if (extras->contained) extras->contained->container = NULL;
        sut_free(extras->last_error);
        sut_free(extras->older_error);
        sut_free(extras->stuck);
        if (extras->share) sut_cpu_share_drop(extras->share);
        sut_free(extras->heartbeat);
        sut_free(extras);
    }
    sut_free(service->core.options);
    sut_free(service);
}
