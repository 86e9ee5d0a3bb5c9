/* SPDX-License-Identifier: MIT
 *
 * Templates: a supervisor whose children all run one function, each with an argument of its own
 * (OTP's simple_one_for_one, Elixir's DynamicSupervisor).
 */
#ifndef SUT_LUA_TEMPLATE_H
#define SUT_LUA_TEMPLATE_H

#include "lua/supervisor.h"

/* sup:template(spec), t:start(arg [, name]) */
int sut_supervisor_template(lua_State *L);
int sut_supervisor_start_child(lua_State *L);

/* Pushes the argument of the service, whose bodies are at the index. Never raises. */
void sut_template_push_argument(lua_State *L, const struct sut_lua_service *service, int bodies);

/* Pushes the function of the template at the index. Never raises. */
void sut_template_push_run(lua_State *L, int sup);

/* The most children that the template may have; UINT32_MAX: no limit, or no template. */
uint32_t sut_template_max(const struct sut_supervisor *core);

/* Frees what makes the supervisor a template, if it is one. Never raises. */
void sut_template_free(struct sut_lua_supervisor *sup);

#endif
