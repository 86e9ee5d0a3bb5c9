/* SPDX-License-Identifier: MIT
 *
 * Which siblings a child starts after, when it names them: what it waits for, whose restart
 * concerns it, and who must stop later than it.
 *
 * Named siblings stand earlier in start order; one that has left is no condition any more.
 */
#ifndef SUT_CORE_ORDER_H
#define SUT_CORE_ORDER_H

#include "core/service.h"

/* True when none of the named siblings is on its way to be ready. True for one that names none. */
bool sut_order_is_clear(const struct sut_service *service);

/* The sibling that a child in the state WAITING waits for first: for it to stop while its group
 * does, else for it to be ready. NULL when that cannot be said. */
const struct sut_service *sut_order_waits_for(const struct sut_service *service);

/* True when one of the named siblings is in the group that restarts. */
bool sut_order_touches_group(const struct sut_service *service);

/* Sets `needed` on the named siblings: they stop later than this one. */
void sut_order_need_named(const struct sut_service *service);

#endif
