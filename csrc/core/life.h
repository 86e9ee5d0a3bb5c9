/* SPDX-License-Identifier: MIT
 *
 * What the files of a service's life share: changing the state, and the actions of a stop. For
 * life.c and stopping.c alone; everybody else gives inputs (service.h).
 */
#ifndef SUT_CORE_LIFE_H
#define SUT_CORE_LIFE_H

#include "core/service.h"

/* Every change of state goes through here: it keeps the counts, and which of the union is in use.
 */
void sut_life_enter(struct sut_service *service, enum sut_state state);

/* Arms the timer of a state that has one. */
void sut_life_arm(struct sut_service *service, int64_t time_ns);

/* Actions of the life table: what they do is printed in docs/state.md. */
void sut_life_stop_idle(struct sut_service *service, const struct sut_cue *cue);
void sut_life_stop_waiting(struct sut_service *service, const struct sut_cue *cue);
void sut_life_recall(struct sut_service *service, const struct sut_cue *cue);
void sut_life_ask(struct sut_service *service, const struct sut_cue *cue);
void sut_life_amend(struct sut_service *service, const struct sut_cue *cue);
void sut_life_finish_off(struct sut_service *service, const struct sut_cue *cue);
void sut_life_overrun(struct sut_service *service, const struct sut_cue *cue);
void sut_life_gave_way(struct sut_service *service, const struct sut_cue *cue);
void sut_life_stopped(struct sut_service *service, const struct sut_cue *cue);

#endif
